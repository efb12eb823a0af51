"""Networks in safetensors files: arrays by name, everything else as JSON in the file's metadata.

A file holds data only.  Names in it choose from closed tables; nothing in it is ever called, imported or opened.
"""

import json
import struct
from dataclasses import replace
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from fastnn.errors import ModelFormatError
from fastnn.formats.arrays import require_finite
from fastnn.formats.earlier import upgraded
from fastnn.formats.files import damaged, from_json, require_file, to_json, write_atomically
from fastnn.graph.graph import Graph
from fastnn.graph.kinds import kinds
from fastnn.graph.quantize import Quantized
from fastnn.graph.quantized import QUANTIZERS, VALUES, WEIGHT, QuantizedGraph, narrowed
from fastnn.graph.structure import Structure
from fastnn.layers.base import Layer
from fastnn.losses import Loss
from fastnn.optimizers import Optimizer

FORMAT = 2  # 1: gelu was the tanh form
HEADER_LIMIT = 1 << 24  # bytes
SIZE_LIMIT = 1 << 40  # elements per row of a tensor that a file may ask for
FIELDS = {"format", "kind", "dtype", "seed", "structure", "metadata", "training", "names"}
OPTIONAL = {"training", "names"}
SCALE = ":scale"  # after the name of a matrix in 8 bits: no layer's name has a colon
TRAINING = {"losses", "loss_weights", "optimizer", "metrics", "updates", "step", "epoch", "forwards", "schedule"}


def to_bytes(net: Graph, *, optimizer: bool, metadata: dict[str, Any] | None) -> bytes:
    """Return the file's contents."""
    return packed("fastnn", *describe(net, optimizer=optimizer, metadata=metadata))


def packed(key: str, description: dict[str, Any], tensors: dict[str, np.ndarray]) -> bytes:
    """Return the contents of a file that describes something under this key of its metadata."""
    from safetensors.numpy import save as pack

    return pack(tensors, {key: to_json("save", description)})


def described(net: Any, metadata: dict[str, Any] | None, dtype: str = "") -> dict[str, Any]:
    """Return what JSON can say of a network before it is compiled; ``dtype``: if it is not that of its arithmetic."""
    description = {
        "format": FORMAT,
        "kind": net.kind,
        "dtype": dtype or str(net.dtype),
        "seed": net.seed,
        "structure": net.structure.to_config(),
        "metadata": net.metadata if metadata is None else metadata,
    }
    names = [None if part is None else list(part) for part in net.ports.names]
    return description | ({"names": names} if names else {})


def take_up_names(net: Any, description: dict[str, Any]) -> None:
    """Give a network the names of columns in its description; ValueError if they do not fit its inputs."""
    parts = description.get("names", [])
    fit = isinstance(parts, list) and len(parts) in (0, len(net.input_shapes))
    for part, shape in zip(parts, net.input_shapes, strict=False) if fit else ():
        named = isinstance(part, list) and all(isinstance(name, str) for name in part)
        fit &= part is None or (named and (len(part),) == shape)
    if not fit:
        raise ValueError(f"expected a name for each column of an input, got {parts!r:.80}")
    net.ports = replace(net.ports, names=tuple(None if part is None else tuple(part) for part in parts))


def describe(
    net: Graph, *, optimizer: bool, metadata: dict[str, Any] | None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what JSON can say of a network, and its arrays."""
    description = described(net, metadata)
    require_finite("save", net)
    tensors = {name: np.ascontiguousarray(view) for name, view in net.named_parameters()}
    if optimizer:
        net.require_compiled("save", loss=False)
        state = net.state()["compiled"]
        metrics = [name for part in state["metrics"] for name in (part if isinstance(part, tuple) else (part,))]
        if not all(isinstance(metric, str) for metric in metrics):
            raise ValueError("save: a metric is a function, and files hold no code; compile with metrics by name")
        description["training"] = {
            "losses": [loss.to_config() for loss in state["losses"]],
            "loss_weights": state["loss_weights"],
            "optimizer": state["optimizer"].to_config(),
            "metrics": list(state["metrics"]),
            "updates": state["updates"],
            "step": state["step"],
            "epoch": net.epoch,
            "forwards": net.forwards,
            "schedule": state["schedule"],
        }
        if state["state"].size:
            tensors["optimizer:state"] = state["state"]  # no layer's name has a colon
    return description, tensors


def save(
    net: Graph, path: str | PathLike[str], *, optimizer: bool = False, metadata: dict[str, Any] | None = None
) -> None:
    """See ``Network.save``."""
    write_atomically(Path(path), to_bytes(net, optimizer=optimizer, metadata=metadata))


def save_quantized(net: QuantizedGraph, path: str | PathLike[str], *, metadata: dict[str, Any] | None = None) -> None:
    """See ``QuantizedNetwork.save``."""
    description = described(net, metadata, net.weights_dtype)
    tensors = {name: np.ascontiguousarray(view) for name, view in net.named_parameters()}
    for layer, matrix in net.matrices.items():
        tensors[f"{layer}.{WEIGHT}"] = np.ascontiguousarray(matrix.values)
        if matrix.scale.size:
            tensors[f"{layer}.{WEIGHT}{SCALE}"] = matrix.scale
    write_atomically(Path(path), renamed_dtype(packed("fastnn", description, tensors), "U16", "BF16"))


def renamed_dtype(data: bytes, old: str, new: str) -> bytes:
    """Return a file's contents with arrays of one dtype said to be of another, of as many bytes.

    NumPy has no bfloat16: its bits are uint16 there.
    """
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == old:
            entry["dtype"] = new
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data[8 + size :]


def load(path: str | PathLike[str], *, custom: dict[str, Layer] | None = None) -> Any:
    """Read a network that ``net.save`` wrote, quantised ones too.

    Parameters
    ----------
    path : str or path
        A safetensors file.
    custom : dict of str to Layer, optional
        The Custom layers that the file names.

    Returns
    -------
    Network
        Of the kind that was saved, compiled if the file holds the optimiser; or a QuantizedNetwork.

    Raises
    ------
    ModelFormatError
        If the file is damaged, alien, of a newer format, or does not agree with itself.
    OSError
        If it cannot be read.
    TypeError
        If ``custom`` holds something other than layers.

    Examples
    --------
    >>> import os, tempfile, numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.Dense(1)], input_shape=2, seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     net.save(os.path.join(folder, "m.safetensors"))
    ...     again = fn.load(os.path.join(folder, "m.safetensors"))
    >>> bool(np.all(net.params == again.params))
    True
    """
    path, custom = Path(path), custom or {}
    if not all(isinstance(layer, Layer) for layer in custom.values()):
        raise TypeError(f"load: expected custom to map names to layers, got {custom!r:.80}")
    require_file("load", path)
    try:
        return from_bytes(path.read_bytes(), custom)
    except ModelFormatError as error:
        raise ModelFormatError(f"load {path.name!r}: {error}") from error.__cause__


def from_bytes(data: bytes, custom: dict[str, Layer]) -> Any:
    """Return the network that the contents of a file describe; raises ModelFormatError if they do not."""
    description = read_description(data)
    if str(description.get("dtype")) in QUANTIZERS:
        return rebuild_quantized(description, read_tensors(renamed_dtype(data, "BF16", "U16"), "fiu"), custom)
    return rebuild(description, read_tensors(data), custom)


def rebuild(description: dict[str, Any], tensors: dict[str, np.ndarray], custom: dict[str, Layer]) -> Any:
    """Return the network of a description and exactly these arrays; raises ModelFormatError if they do not make one."""
    check_description(description)
    with damaged("the description does not make a network"):
        kind, dtype, seed = description["kind"], description["dtype"], description["seed"]
        if kind not in kinds():
            raise ValueError(f"expected kind {' or '.join(kinds())}, got {kind!r:.60}")
        if isinstance(seed, bool) or not isinstance(seed, int) or not isinstance(description["metadata"], dict):
            raise ValueError("expected an integer seed and an object of metadata")
        structure = Structure.from_config(description["structure"], custom)
        if dtype not in ("float32", "float64"):
            raise ValueError(f"expected dtype float32 or float64, got {dtype!r:.60}")
        bound_parameters(structure, sum(array.nbytes for array in tensors.values()))
        net = Graph.of(structure, kind=kind, seed=seed, dtype=dtype)
        take_up_names(net, description)
    net.metadata = description["metadata"]
    for name, view in net.named_parameters():
        view[...] = take(tensors, name, view.shape, view.dtype)
    if "training" in description:
        resume(net, description["training"], tensors)
    if tensors:
        raise ModelFormatError(
            f"the file holds arrays that the network does not have: {', '.join(sorted(tensors))[:200]}"
        )
    return net


def rebuild_quantized(
    description: dict[str, Any], tensors: dict[str, np.ndarray], custom: dict[str, Layer]
) -> QuantizedGraph:
    """Return the quantised network of a description and exactly these arrays, or raise ModelFormatError."""
    check_description(description)
    with damaged("the description does not make a network"):
        dtype, structure = description["dtype"], Structure.from_config(description["structure"], custom)
        if description["kind"] not in kinds() or not isinstance(description["metadata"], dict):
            raise ValueError(f"expected kind {' or '.join(kinds())} and an object of metadata")
        if type(description["seed"]) is not int or "training" in description:
            raise ValueError("expected an integer seed, and no training state")
        bound_parameters(structure, sum(array.nbytes for array in tensors.values()), VALUES[dtype].itemsize)
        matrices = {}
        for layer, shape in narrowed(structure, dtype).items():
            values = take(tensors, f"{layer}.{WEIGHT}", shape, VALUES[dtype])
            scale = np.empty(0, np.float32)
            if dtype == "int8":
                scale = take(tensors, f"{layer}.{WEIGHT}{SCALE}", shape[1:], np.dtype(np.float32))
            matrices[layer] = Quantized(values, scale)
            if not np.isfinite(matrices[layer].weights).all():
                raise ModelFormatError(f"{layer}.{WEIGHT}: expected finite numbers, got NaN or inf")
        given = {key: description[key] for key in ("kind", "seed", "metadata")}
        net: QuantizedGraph = QuantizedGraph.of(structure, dtype, matrices, **given)
        take_up_names(net, description)
    for name, view in net.named_parameters():
        view[...] = take(tensors, name, view.shape, view.dtype)
    if tensors:
        raise ModelFormatError(
            f"the file holds arrays that the network does not have: {', '.join(sorted(tensors))[:200]}"
        )
    return net


def read_description(data: bytes, key: str = "fastnn", what: str = "a network") -> dict[str, Any]:
    """Return fastnn's JSON from the header of a safetensors file."""
    # A header of 1152 bytes, for one, begins like a pickle too; but only a header goes on with a brace.
    if data[:2] in (b"PK", b"\x80\x04", b"\x80\x05", b"\x1f\x8b") and data[8:9] != b"{":
        raise ModelFormatError("expected a safetensors file, got a zip, pickle or gzip file; fastnn reads no pickles")
    if len(data) < 8:
        raise ModelFormatError(f"expected a safetensors file, got {len(data)} bytes; it is truncated")
    (size,) = struct.unpack("<Q", data[:8])
    if size > min(HEADER_LIMIT, len(data) - 8):
        raise ModelFormatError(
            f"expected a safetensors file, got a header of {size} bytes in a file of {len(data)}; it is "
            "truncated or something else"
        )
    try:
        description = from_json(from_json(data[8 : 8 + size].decode("utf-8"))["__metadata__"][key])
        version = description["format"]
    except ModelFormatError:
        raise
    except (KeyError, TypeError) as error:
        raise ModelFormatError(f"expected {what} saved by fastnn, got another safetensors file") from error
    except (ValueError, RecursionError) as error:
        raise ModelFormatError(f"the header is not valid JSON: {error}") from error
    if type(version) is int and version == 1:
        return dict(upgraded(description))
    if type(version) is not int or version != FORMAT:
        raise ModelFormatError(f"expected format {FORMAT}, got {version!r:.40}; a newer fastnn may read it")
    return description


def check_description(description: Any) -> None:
    """Raise ModelFormatError if a description of a network lacks a field, or has one too many."""
    if not isinstance(description, dict):
        raise ModelFormatError(f"expected a JSON object for a network, got {type(description).__name__}")
    if not FIELDS - OPTIONAL <= set(description) <= FIELDS:
        raise ModelFormatError(
            f"expected the fields {', '.join(sorted(FIELDS))}, got {', '.join(sorted(description))[:200]}"
        )


def read_tensors(data: bytes, kinds: str = "f") -> dict[str, np.ndarray]:
    """Return the arrays of a safetensors file, of these kinds of dtype and finite."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as unpack

    try:
        tensors = unpack(data)
    except (SafetensorError, ValueError, TypeError, KeyError, OverflowError, AttributeError) as error:
        raise ModelFormatError(f"not a valid safetensors file: {error}") from error
    for name, array in tensors.items():
        if array.dtype.kind not in kinds or not np.isfinite(array).all():
            raise ModelFormatError(f"{name!r:.100}: expected finite numbers, got {array.dtype} or NaN or inf")
    return tensors


def bound_parameters(structure: Structure, nbytes: int, least: int = 4) -> None:
    """Refuse sizes that the bytes at hand, ``least`` for each number, cannot fill, before anything is allocated."""
    shapes: list[tuple[int, ...]] = list(structure.input_shapes)
    counted: set[int] = set()  # a layer applied again has the parameters of the first time
    if any(prod(shape) > SIZE_LIMIT for shape in shapes):
        raise ModelFormatError("an input is too large")
    for node in structure.nodes:
        layer = structure.layers[node.layer]
        built = layer.build(tuple(shapes[i] for i in node.inputs))
        if node.layer not in counted:
            counted.add(node.layer)
            nbytes -= least * sum(prod(map(int, p.shape)) for op in built.ops for p in op.parameters)
        if nbytes < 0:
            raise ModelFormatError(f"{layer.title} needs more parameters than the file holds")
        if prod(built.output_shape) > SIZE_LIMIT:
            raise ModelFormatError(f"{layer.title} is too large")
        shapes.append(built.output_shape)


def take(tensors: "dict[str, np.ndarray]", name: str, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Take an array out of the file's; raises ModelFormatError if it is missing or of another shape or dtype."""
    array = tensors.pop(name, None)
    if array is None or array.shape != shape or array.dtype != dtype:
        got = "nothing" if array is None else f"{array.dtype} {array.shape}"
        raise ModelFormatError(f"{name}: expected {dtype} {shape}, got {got}")
    return array


def resume(net: Graph, training: Any, tensors: dict[str, np.ndarray]) -> None:
    """Compile as the file says, with its optimiser state and random position, or raise ModelFormatError."""
    with damaged("the training state does not fit the network"):
        if set(training) != TRAINING:
            raise ValueError(f"expected {', '.join(sorted(TRAINING))}, got {', '.join(sorted(training))[:200]}")
        losses = [Loss.from_config(loss) for loss in training["losses"]]
        net.compile(
            losses or None,
            Optimizer.from_config(training["optimizer"]),
            metrics=training["metrics"],
            loss_weights=training["loss_weights"] if losses else None,
        )
        counters = [training[name] for name in ("updates", "step", "epoch", "forwards")]
        if not all(type(counter) is int and 0 <= counter < 1 << 62 for counter in counters):
            raise ValueError(f"expected counters of at least 0, got {counters}")
        state = net.trainer.optimizer.state
        if state.size:
            state = take(tensors, "optimizer:state", state.shape, state.dtype)
        net.resume({**training, "state": state})
        net.epoch, net.forwards = counters[2:]
