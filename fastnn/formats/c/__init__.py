"""Export to C: a network as one source file and one header, for where there is no Python."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from fastnn._spec import float_dtype
from fastnn.data import Standardizer
from fastnn.formats.arrays import require_finite
from fastnn.formats.c import selftest as testing
from fastnn.formats.c.files import check_replaceable
from fastnn.formats.c.header import header
from fastnn.formats.c.source import source
from fastnn.formats.c.text import require_name
from fastnn.formats.c.translation import translate
from fastnn.formats.files import write_together
from fastnn.graph.graph import Graph
from fastnn.graph.quantize import Quantized, quantize_network


@dataclass(frozen=True)
class CExport:
    """What ``Network.export_c`` wrote.

    Parameters
    ----------
    source, header : Path
        The two files.
    name : str
        What every name in them begins with.
    flash_bytes : int
        Size of the constants, weights mostly.  The code comes to that: a kB or two.
    ram_bytes : int
        Size of the scratch that a call needs; inputs and outputs are the caller's.
    tolerance : tuple of float
        For each output, how far two correct evaluations may be apart: what the self test allows.
    quantization_error : float
        The largest difference on the rows between the answers with 8-bit weights and those without; 0 for
        floating-point weights.
    """

    source: Path
    header: Path
    name: str
    flash_bytes: int
    ram_bytes: int
    tolerance: tuple[float, ...]
    quantization_error: float


def export_c(
    net: Graph,
    path: str | PathLike[str],
    name: str | None = None,
    *,
    dtype: Any = None,
    rows: Any = None,
    selftest: bool = True,
    standardizer: Standardizer | None = None,
    target_standardizer: Standardizer | None = None,
    notes: str = "",
) -> CExport:
    """See ``Network.export_c``."""
    target = Path(path)
    if target.suffix != ".c":
        raise ValueError(f"export_c: expected a path that ends in .c, got {str(path)!r:.200}; the header stands beside")
    name = require_name(target.stem if name is None else name)
    if not isinstance(selftest, bool):
        raise TypeError(f"export_c: expected selftest to be True or False, got {selftest!r:.60}")
    if not isinstance(notes, str):
        raise TypeError(f"export_c: expected notes to be a string, got {type(notes).__name__}")
    if '"' in target.stem or "\\" in target.stem or not target.stem.isascii() or not target.stem.isprintable():
        raise ValueError(f"export_c: expected a plain file name in ASCII, got {target.name!r:.200}; #include needs it")
    check_standardizer("standardizer", standardizer, net.input_shapes)
    check_standardizer("target_standardizer", target_standardizer, net.output_shapes)
    int8 = isinstance(dtype, str) and dtype == "int8"
    chosen = net.dtype if dtype is None or int8 else as_precision(dtype)
    with np.errstate(over="ignore"):
        plain = exported = net if chosen == net.dtype else net.astype(chosen)
    require_finite("export_c", plain)
    quantized: dict[tuple[str, str], Quantized] = {}
    if int8:
        quantized, exported = quantize_network(plain)
    network = translate(exported, name, quantized, standardizer, target_standardizer)
    inputs, raw = testing.as_rows(plain, rows, standardizer)
    error = 0.0
    if int8:
        pairs = zip(testing.predict(plain, inputs), testing.predict(exported, inputs), strict=True)
        error = max(float(np.abs(a.astype(np.float64) - b).max()) for a, b in pairs)
    test = testing.make(exported, inputs, raw)
    shown = test if selftest else None
    second = target.with_suffix(".h")
    texts = {
        second: header(network, target.stem, notes.splitlines(), selftest=selftest),
        target: source(network, target.stem, shown),
    }
    for place in texts:
        check_replaceable(place)
    write_together({place: text.encode("ascii") for place, text in texts.items()})
    ram = max(network.scratch, 1) * chosen.itemsize
    return CExport(target, second, name, network.program.constant_bytes, ram, tuple(test.tolerances), error)


def as_precision(dtype: Any) -> np.dtype:
    """Return float32 or float64; raises ValueError if it is something else."""
    try:
        return float_dtype("export_c", dtype)
    except ValueError as error:
        raise ValueError(f"export_c: expected dtype 'float32', 'float64', 'int8' or None, got {dtype!r:.60}") from error


def check_standardizer(option: str, standardizer: Any, shapes: tuple[tuple[int, ...], ...]) -> None:
    """Raise TypeError, ValueError or RuntimeError unless there is none, or a fitted one for the only array."""
    if standardizer is None:
        return
    if not isinstance(standardizer, Standardizer):
        raise TypeError(f"export_c: expected {option} to be a Standardizer, got {type(standardizer).__name__}")
    if not standardizer.rows:
        raise RuntimeError(f"export_c: expected a fitted {option}; call fit first")
    scalar = standardizer.mean.shape == () and shapes[0] == (1,)
    if len(shapes) > 1 or not (scalar or standardizer.mean.shape == shapes[0]):
        raise ValueError(
            f"export_c: expected {option} for one array of shape {shapes[0]}, got one of shape "
            f"{standardizer.mean.shape} and {len(shapes)} arrays"
        )
