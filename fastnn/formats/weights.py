"""Weights as npz files: the parameters of a network by name, and nothing else."""

import io
import struct
import zipfile
import zlib
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from fastnn.data.npz import open_member, open_npz, read_values
from fastnn.errors import ModelFormatError
from fastnn.formats.arrays import require_finite
from fastnn.formats.files import damaged, not_a_file, write_atomically
from fastnn.graph.graph import Graph

OTHERS = (zipfile.BadZipFile, EOFError, RuntimeError, zlib.error, struct.error)  # that reading an archive raises


def save_weights(net: Graph, path: str | PathLike[str]) -> None:
    """See ``Network.save_weights``."""
    require_finite("save_weights", net)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, view in net.named_parameters():
            member = io.BytesIO()
            npy.write_array(member, np.ascontiguousarray(view), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), member.getvalue())  # without the time of day
    write_atomically(Path(path), data.getvalue())


def load_weights(net: Graph, path: str | PathLike[str]) -> None:
    """See ``Network.load_weights``."""
    path = Path(path)
    views = dict(net.named_parameters())
    expected = f"load_weights {path.name!r}: expected an npz file, got something else"
    with damaged(expected, *OTHERS, code="alien"), open_npz("load_weights", path, not_a_file) as archive:
        check_names(path, archive.namelist(), list(views))
        ready = {name: read_member(archive, name, view) for name, view in views.items()}
    with net.changing():
        for name, view in views.items():
            view[...] = ready[name]


def check_names(path: Path, members: list[str], names: list[str]) -> None:
    """Raise ModelFormatError unless a file holds these arrays and no others, each once."""
    expected = [f"{name}.npy" for name in names]
    if sorted(members) == sorted(expected):
        return
    missing = [name for name in names if f"{name}.npy" not in members]
    alien = [member for member in members if member not in expected]
    what = f"lacks {', '.join(missing)[:200]}" if missing else f"has {', '.join(alien or members)[:200]}"
    raise ModelFormatError(
        f"load_weights {path.name!r}: expected the arrays {', '.join(names)[:200]}; the file {what}; build the network "
        "that the weights are of",
        "mismatch",
    )


def read_member(archive: zipfile.ZipFile, name: str, view: np.ndarray) -> np.ndarray:
    """Return one array, read after its shape and dtype are checked; raises ModelFormatError if it does not fit."""
    with open_member(archive, name) as (file, header):
        if header.shape != view.shape or header.dtype != view.dtype:
            raise ModelFormatError(
                f"load_weights: expected {name} of {view.dtype} {view.shape}, got {header.dtype} {header.shape}",
                "mismatch",
            )
        array = read_values(file, name, header)
    if not np.isfinite(array).all():
        raise ModelFormatError(f"load_weights: expected {name} to be finite, got NaN or inf", "not finite")
    return array
