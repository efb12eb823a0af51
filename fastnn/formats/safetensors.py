"""Networks in safetensors files: arrays by name, everything else as JSON in the file's metadata.

``tensors`` reads and writes the format, ``text`` the JSON; what is said there, and what may be, is said here alone: a
description is accepted if the network made of it would be described in the same words.

A file holds data only.  Names in it choose from closed tables; nothing in it is ever called, imported or opened.
"""

from dataclasses import replace
from math import prod
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from fastnn._spec import require_flag
from fastnn.errors import ModelFormatError
from fastnn.formats.arrays import require_finite
from fastnn.formats.earlier import upgraded
from fastnn.formats.files import damaged, write_atomically
from fastnn.formats.tensors import Contents, of_bytes, opened, pack
from fastnn.formats.text import from_json, require_as_written, to_json
from fastnn.graph.graph import Graph
from fastnn.graph.kinds import kinds
from fastnn.graph.quantize import Quantized
from fastnn.graph.quantized import QUANTIZERS, VALUES, WEIGHT, QuantizedGraph, narrowed
from fastnn.graph.structure import Structure
from fastnn.layers.base import Layer
from fastnn.losses import Loss
from fastnn.optimizers import Optimizer

FORMAT = 3  # 1: gelu was the tanh form; 2: no checksum
SIZE_LIMIT = 1 << 28  # elements per row of a tensor that a file may ask for
FIELDS = ("format", "kind", "dtype", "seed", "structure", "metadata", "names", "training")  # in this order
OPTIONAL = {"names", "training"}
SCALE = ":scale"  # after the name of a matrix in 8 bits: no layer's name has a colon
STATE, CALLBACK = "optimizer:state", "callback"
COUNTERS = ("updates", "step", "epoch", "forwards")


def to_bytes(net: Graph, *, optimizer: bool, metadata: dict[str, Any] | None) -> bytearray:
    """Return the file's contents."""
    return packed("fastnn", *describe(net, optimizer=optimizer, metadata=metadata))


def packed(key: str, description: dict[str, Any], tensors: dict[str, np.ndarray]) -> bytearray:
    """Return the contents of a file that describes something under this key of its metadata."""
    try:
        return pack(key, to_json("save", description, sum(array.nbytes for array in tensors.values())), tensors)
    except ModelFormatError as error:
        raise ValueError(f"save: expected a model that a file can hold, but {error}") from None


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


def training_of(net: Graph) -> dict[str, Any]:
    """Return what JSON can say of how a network learns, ValueError if that is code."""
    net.require_compiled("save", loss=False)
    state = net.state()["compiled"]
    metrics = [name for part in state["metrics"] for name in (part if isinstance(part, tuple) else (part,))]
    if not all(isinstance(metric, str) for metric in metrics):
        raise ValueError("save: a metric is a function, and files hold no code; compile with metrics by name")
    training = {
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
    callbacks = [
        {
            "type": known["type"],
            "values": {name: value for name, value in known.items() if name != "type" and not is_array(value)},
            "arrays": [name for name, value in known.items() if is_array(value)],
        }
        for known in states_of(net)
    ]
    return training | ({"callbacks": callbacks} if callbacks else {})


def states_of(net: Graph) -> list[dict[str, Any]]:
    """Return what the callbacks of the fit that runs know, or those of the next fit are to go on from."""
    if not net.listening:
        return net.callback_states
    found = ((type(call).__name__, call.state()) for call in net.listening)
    return [{"type": kind, **state} for kind, state in found if state is not None]


def is_array(value: Any) -> bool:
    """Whether a value of a callback's state is an array."""
    return isinstance(value, np.ndarray)


def take_up_names(net: Any, description: dict[str, Any]) -> None:
    """Give a network the names of columns in its description; ModelFormatError if they do not fit its inputs."""
    parts = description.get("names", [])
    fit = isinstance(parts, list) and len(parts) in (0, len(net.input_shapes))
    for part, shape in zip(parts, net.input_shapes, strict=False) if fit else ():
        named = isinstance(part, list) and all(isinstance(name, str) for name in part) and len({*part}) == len(part)
        fit &= part is None or (named and (len(part),) == shape)
    if not fit:
        raise ModelFormatError(f"expected a name for each column of an input, once, got {parts!r:.80}", "names")
    net.ports = replace(net.ports, names=tuple(None if part is None else tuple(part) for part in parts))


def describe(
    net: Graph, *, optimizer: bool, metadata: dict[str, Any] | None
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what JSON can say of a network, and its arrays."""
    description = described(net, metadata)
    require_finite("save", net)
    tensors = dict(net.named_parameters())
    if optimizer:
        description["training"] = training_of(net)
        state = net.trainer.optimizer.state
        if state.size:
            tensors[STATE] = state  # no layer's name has a colon
        for place, known in enumerate(states_of(net)):
            arrays = {name: np.ascontiguousarray(value) for name, value in known.items() if is_array(value)}
            tensors |= {f"{CALLBACK}:{place}:{name}": array for name, array in arrays.items()}
    return description, tensors


def save(
    net: Graph, path: str | PathLike[str], *, optimizer: bool = False, metadata: dict[str, Any] | None = None
) -> None:
    """See ``Network.save``."""
    write_atomically(Path(path), to_bytes(net, optimizer=optimizer, metadata=metadata))


def save_quantized(net: QuantizedGraph, path: str | PathLike[str], *, metadata: dict[str, Any] | None = None) -> None:
    """See ``QuantizedNetwork.save``."""
    write_atomically(Path(path), quantized_to_bytes(net, metadata))


def quantized_to_bytes(net: QuantizedGraph, metadata: dict[str, Any] | None) -> bytearray:
    """Return the file's contents."""
    tensors = dict(net.named_parameters())
    for layer, matrix in net.matrices.items():
        tensors[f"{layer}.{WEIGHT}"] = matrix.values
        if matrix.scale.size:
            tensors[f"{layer}.{WEIGHT}{SCALE}"] = matrix.scale
    return packed("fastnn", described(net, metadata, net.weights_dtype), tensors)


def load(path: str | PathLike[str], *, custom: dict[str, Layer] | None = None, verify: bool = True) -> Any:
    """Read a network that ``net.save`` wrote, quantised ones too.

    Parameters
    ----------
    path : str or path
        A safetensors file.
    custom : dict of str to Layer, optional
        The Custom layers that the file names.
    verify : bool
        Whether to compare the file with its checksum, which takes about half a nanosecond per byte.  Files of fastnn
        before format 3 have none.

    Returns
    -------
    Network
        Of the kind that was saved, compiled if the file holds the optimiser; or a QuantizedNetwork.

    Raises
    ------
    ModelFormatError
        If the file is damaged, alien, of a newer format, or does not agree with itself; its ``code`` says which, see
        ``fastnn.errors.CODES``.
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
    return read(path, custom, verify)[0]


def read(path: str | PathLike[str], custom: dict[str, Layer] | None, verify: bool) -> tuple[Any, bool]:
    """Return what ``load`` does, and whether the file is of this format, so that it must be as it would be written."""
    custom = as_custom(custom)
    require_flag("load", "verify", verify)
    with opened("load", path, "fastnn", "a network", verify) as contents:
        return network_of(contents, custom)


def as_custom(custom: Any) -> dict[str, Layer]:
    """Return the Custom layers that a caller gives by name; TypeError if they are something else."""
    custom = custom or {}
    if not isinstance(custom, dict) or not all(isinstance(layer, Layer) for layer in custom.values()):
        raise TypeError(f"load: expected custom to map names to layers, got {custom!r:.80}")
    return custom


def from_bytes(data: bytes, custom: dict[str, Layer], verify: bool = True) -> Any:
    """Return the network that the contents of a file describe; raises ModelFormatError if they do not."""
    return network_of(of_bytes(data, "fastnn", "a network", verify), custom)[0]


def network_of(contents: Contents, custom: dict[str, Layer]) -> tuple[Any, bool]:
    """Return the network of a file, and whether it is of this format; ModelFormatError if it does not hold one."""
    description, exact = read_description(contents, "a network")
    net = rebuild(description, contents, custom, exact)
    contents.require_empty()
    return net, exact


def read_description(contents: Contents, what: str) -> tuple[dict[str, Any], bool]:
    """Return fastnn's JSON in the words of this format, and whether it was written in them."""
    description = from_json(contents.text, contents.size)
    if not isinstance(description, dict) or "format" not in description:
        raise ModelFormatError(f"expected {what} saved by fastnn, got one that does not say its format", "version")
    version = description["format"]
    if type(version) is not int or not 1 <= version <= FORMAT:
        raise ModelFormatError(f"expected format {FORMAT}, got {version!r:.40}; a newer fastnn may read it", "version")
    if contents.checked != (version > 2):
        raise ModelFormatError(
            f"expected {'a' if version > 2 else 'no'} checksum in a file of format {version}", "checksum"
        )
    return upgraded(description), version == FORMAT


def rebuild(
    description: dict[str, Any], contents: Contents, custom: dict[str, Layer], exact: bool, prefix: str = ""
) -> Any:
    """Return the network of a description, with its arrays, whose names begin with ``prefix``.

    Raises ModelFormatError if they do not make one, or ``exact`` and it would not be described in these words.
    """
    check_description(description)
    kind, dtype, seed, metadata = (description[name] for name in ("kind", "dtype", "seed", "metadata"))
    if not isinstance(kind, str) or kind not in kinds():
        raise ModelFormatError(f"expected kind {' or '.join(kinds())}, got {kind!r:.60}")
    if type(seed) is not int or not 0 <= seed < 1 << 64 or not isinstance(metadata, dict):
        raise ModelFormatError(f"expected a seed from 0 to below 2**64 and an object of metadata, got {seed!r:.60}")
    structure = Structure.from_config(description["structure"], custom)
    require_kind(kind, structure)
    with damaged("the description does not make a network", code="structure"):
        if dtype in QUANTIZERS and not prefix and "training" not in description:
            net = quantized_of(description, structure, contents)
        elif dtype in ("float32", "float64"):
            bound_parameters(structure, contents.nbytes, np.dtype(dtype).itemsize)
            net = Graph.of(structure, kind=kind, seed=seed, dtype=dtype)
            net.metadata = metadata
        else:
            raise ModelFormatError(f"expected dtype float32 or float64, got {dtype!r:.60}")
        take_up_names(net, description)
    for name, view in net.named_parameters():
        contents.take(prefix + name, view.shape, view.dtype, view)
    quantized = dtype in QUANTIZERS
    if "training" in description:
        resume(net, description["training"], contents, prefix)
    written = described(net, None, dtype if quantized else "")
    if "training" in description:
        written["training"] = training_of(net)
    require_as_written(description, written, exact)
    return net


def quantized_of(description: dict[str, Any], structure: Structure, contents: Contents) -> Any:
    """Return the quantised network of a description, with its narrow weights."""
    dtype = description["dtype"]
    bound_parameters(structure, contents.nbytes, VALUES[dtype].itemsize)
    matrices = {}
    for layer, shape in narrowed(structure, dtype).items():
        values = contents.take(f"{layer}.{WEIGHT}", shape, VALUES[dtype])
        scale = np.empty(0, np.float32)
        if dtype == "int8":
            scale = contents.take(f"{layer}.{WEIGHT}{SCALE}", shape[1:], np.dtype(np.float32))
        matrices[layer] = Quantized(values, scale)
        if not np.isfinite(matrices[layer].weights).all():
            raise ModelFormatError(f"{layer}.{WEIGHT}: expected finite numbers, got NaN or inf", "not finite")
    given = {key: description[key] for key in ("kind", "seed", "metadata")}
    return QuantizedGraph.of(structure, dtype, matrices, **given)


def check_description(description: Any) -> None:
    """Raise ModelFormatError if a description of a network lacks a field, or has one too many."""
    if not isinstance(description, dict):
        raise ModelFormatError(f"expected a JSON object for a network, got {type(description).__name__}")
    if not set(FIELDS) - OPTIONAL <= set(description) <= set(FIELDS):
        raise ModelFormatError(f"expected the fields {', '.join(FIELDS)}, got {', '.join(sorted(description))[:200]}")


def require_kind(kind: str, structure: Structure) -> None:
    """Raise ModelFormatError if a Sequential has several inputs or outputs."""
    if kind == "Sequential" and (len(structure.input_shapes), len(structure.outputs)) != (1, 1):
        raise ModelFormatError("expected a Sequential to have one input and one output, got more", "structure")


def bound_parameters(structure: Structure, nbytes: int, least: int = 4) -> None:
    """Refuse sizes that the bytes at hand, ``least`` for each number, cannot fill, before anything is allocated."""
    shapes: list[tuple[int, ...]] = list(structure.input_shapes)
    counted: set[int] = set()  # a layer applied again has the parameters of the first time
    if any(prod(shape) > SIZE_LIMIT for shape in shapes):
        raise ModelFormatError("an input is too large", "size")
    for node in structure.nodes:
        layer = structure.layers[node.layer]
        built = layer.build(tuple(shapes[i] for i in node.inputs))
        if node.layer not in counted:
            counted.add(node.layer)
            nbytes -= least * sum(prod(map(int, p.shape)) for op in built.ops for p in op.parameters)
        if nbytes < 0:
            raise ModelFormatError(f"{layer.title} needs more parameters than the file holds", "size")
        if prod(built.output_shape) > SIZE_LIMIT:
            raise ModelFormatError(f"{layer.title} is too large", "size")
        shapes.append(built.output_shape)


def resume(net: Graph, training: Any, contents: Contents, prefix: str) -> None:
    """Compile as the file says, with its optimiser state and random position, or raise ModelFormatError."""
    with damaged("the training state does not fit the network", code="training"):
        losses = [Loss.from_config(loss) for loss in training["losses"]]
        counters = [training[name] for name in COUNTERS]
        if not all(type(counter) is int and 0 <= counter < 1 << 62 for counter in counters):
            raise ValueError(f"expected counters of at least 0, got {counters!r:.80}")
        optimizer = Optimizer.from_config(training["optimizer"])
        weights = training["loss_weights"] if losses else None
        net.compile(losses or None, optimizer, metrics=training["metrics"], loss_weights=weights)
        state = net.trainer.optimizer.state
        if state.size:
            contents.take(prefix + STATE, state.shape, state.dtype, state)
        net.resume({**training, "state": state})
        net.epoch, net.forwards = counters[2:]
        for place, known in enumerate(training.get("callbacks", [])):
            if not isinstance(known["type"], str):
                raise TypeError(f"expected the name of a class, got {known['type']!r:.40}")
            state = {"type": known["type"], **known["values"]}
            for name in known["arrays"]:
                whole = f"{prefix}{CALLBACK}:{place}:{name}"
                state[name] = contents.take(whole, contents.entries[whole].shape, contents.entries[whole].dtype)
            net.callback_states.append(state)
