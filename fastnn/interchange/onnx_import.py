"""ONNX models as networks."""

import json
from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np

from fastnn._spec import require_count
from fastnn.errors import ModelFormatError
from fastnn.interchange import gates
from fastnn.interchange.arrays import assign, common_dtype
from fastnn.interchange.onnx_export import DESCRIPTION, FORMAT, KEY, import_onnx, to_onnx
from fastnn.interchange.onnx_operators import OPERATORS
from fastnn.interchange.onnx_reader import Reader, Refused
from fastnn.layers.base import Tensor
from fastnn.layers.graph import Structure, trace
from fastnn.network import Network, Sequential
from fastnn.serialization import KINDS, bound_parameters, refuse, unique


def from_onnx(model: Any, *, outputs: str | Sequence[str] | None = None, seed: int | None = None) -> Network:
    """Return the network that an ONNX model is.

    Parameters
    ----------
    model : str, path, bytes or onnx.ModelProto
        The model or its file.
    outputs : str or list of str, optional
        What the network shall answer: names of outputs, or of tensors within the graph.  What they do not depend on is
        not read.  If not given, all outputs of the model.
    seed : int, optional
        Of the network, for what is random in training that follows.

    Returns
    -------
    Sequential or Network
        A model that ``to_onnx`` wrote comes back as it was, with its layers, names and metadata.  Any other is made of
        the layers that its nodes amount to: a Sequential if they stand in a row.

    Raises
    ------
    ImportError
        If onnx is not installed.
    ModelFormatError
        If the file is damaged, or something else.
    ValueError
        If a node is none of fastnn's layers: the message names node and operator.
    OSError
        If the file cannot be read.

    Notes
    -----
    Known are Gemm, MatMul, Add, Sum, Sub, Mul, Div (by constants), the activations Relu, LeakyRelu, Elu, Selu, Sigmoid,
    Tanh, Softplus, Gelu (tanh form), Softmax and silu as ``x sigmoid(x)``; Flatten, Reshape, Transpose, Squeeze,
    Unsqueeze, Concat, Slice, Split, Gather, Identity, Cast, Dropout, BatchNormalization, LayerNormalization, LSTM, GRU
    and RNN in one or both directions, and constants however they are put together.  The first axis of every input is
    the batch, the sizes of the others must be known.

    Examples
    --------
    >>> import fastnn as fn
    >>> net = fn.Sequential([fn.Dense(8, "relu"), fn.Dense(3)], input_shape=4, seed=0)
    >>> net.to_onnx("net.onnx")  # doctest: +SKIP
    >>> again = fn.from_onnx("net.onnx")  # doctest: +SKIP
    """
    import_onnx("from_onnx")
    if seed is not None:
        require_count("from_onnx", "seed", seed, low=0)
    model = read_model(model)
    wanted = [outputs] if isinstance(outputs, str) else outputs
    if wanted is None:
        net = own_network(model, seed)
        if net is not None:
            return net
        wanted = [entry.name for entry in model.graph.output]
    return read_graph(model, list(wanted), seed)


def read_model(model: Any) -> Any:
    """Return a checked model whose functions stand in the graph.

    Raises
    ------
    ModelFormatError
        If it is none.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        if isinstance(model, str | PathLike):
            model = onnx.load(model)
        elif isinstance(model, bytes):
            model = onnx.load_from_string(model)
        elif not isinstance(model, onnx.ModelProto):
            raise TypeError(f"from_onnx: expected a path, bytes or an onnx.ModelProto, got {type(model).__name__}")
        onnx.checker.check_model(model)
        if model.functions:
            import onnx.inliner

            model = onnx.inliner.inline_local_functions(model)
    except (DecodeError, onnx.checker.ValidationError) as error:
        raise ModelFormatError(f"from_onnx: expected an ONNX model, got something else: {error}") from error
    return model


def read_graph(model: Any, outputs: list[str], seed: int | None) -> Network:
    """Return the network that the nodes amount to."""
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    reader = Reader(model.graph, outputs, OPERATORS, opset)
    try:
        if opset < 9:
            raise Refused(f"expected an opset of at least 9, got {opset}; convert it with onnx.version_converter")
        results = reader.run()
        if not reader.inputs:
            raise Refused("no output depends on an input")
    except Refused as error:
        raise ValueError(f"from_onnx: {error}") from error
    arrays = [array for owned in reader.parameters.values() for array in owned.values()]
    if odd := {str(array.dtype) for array in arrays if array.dtype not in (np.float32, np.float64)}:
        raise ValueError(f"from_onnx: expected parameters in float32 or float64, got {', '.join(sorted(odd))}")
    net = build(tuple(reader.inputs), tuple(results), seed, common_dtype(arrays))
    values = {
        f"{view.name}.{name}": array
        for view in net.layers
        for name, array in reader.parameters.get(view.spec, {}).items()
    }
    assign("from_onnx", net, values)
    return net


def build(inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...], seed: int | None, dtype: np.dtype) -> Network:
    """Return a network of these tensors, a Sequential if its layers stand in a row."""
    structure = trace(inputs, outputs)
    in_a_row = all(node.inputs == (i,) for i, node in enumerate(structure.nodes))
    plain = len(inputs) == 1 and structure.nodes and structure.outputs == (len(structure.nodes),)
    kind = Sequential if in_a_row and plain else Network
    net = kind.__new__(kind)
    net._build(structure, seed, dtype, draw=False)
    return net


# ---- models of our own ----------------------------------------------------------------------------------------------


def own_network(model: Any, seed: int | None) -> Network | None:
    """Return the network that a model describes, if written again it is the same model to the last bit.

    None for any other: the graph is what counts, and it may have been changed since.
    """
    text = next((entry.value for entry in model.metadata_props if entry.key == KEY), None)
    if text is None:
        return None
    try:
        description = json.loads(text, object_pairs_hook=unique, parse_constant=refuse)
        if set(description) != DESCRIPTION or description["format"] != FORMAT:
            return None
        structure = Structure.from_config(description["structure"], {})
        constants = {tensor.name: tensor for tensor in model.graph.initializer}
        bound_parameters(structure, sum(len(tensor.raw_data) for tensor in constants.values()))
        kind = KINDS[description["kind"]]
        net = kind.__new__(kind)
        net._build(structure, description["seed"] if seed is None else seed, model_dtype(model), draw=False)
        assign("from_onnx", net, own_parameters(net, constants))
        net.metadata = dict(description["metadata"])
        ports = model.graph.input, model.graph.output
        names = [[entry.name for entry in port] for port in ports]
        again = to_onnx(net, input_names=names[0], output_names=names[1])
    except (LookupError, TypeError, ValueError, ArithmeticError, RecursionError, NotImplementedError):
        return None
    return net if same(again.graph, model.graph) and list(again.opset_import) == list(model.opset_import) else None


def same(graph: Any, other: Any) -> bool:
    """Return whether two graphs are the same bytes."""
    return bool(graph.SerializeToString(deterministic=True) == other.SerializeToString(deterministic=True))


def model_dtype(model: Any) -> np.dtype:
    """Return the dtype of the inputs."""
    from onnx import helper

    return np.dtype(helper.tensor_dtype_to_np_dtype(model.graph.input[0].type.tensor_type.elem_type))


def own_parameters(net: Network, constants: dict[str, Any]) -> dict[str, np.ndarray]:
    """Return the parameters by name from the constants of a model that ``to_onnx`` wrote."""
    from onnx import numpy_helper

    arrays = {name: numpy_helper.to_array(tensor) for name, tensor in constants.items()}
    values: dict[str, np.ndarray] = {}
    for view in net.layers:
        operator = {key: arrays[f"{view.name}.{key}"][0] for key in "WRBP" if f"{view.name}.{key}" in arrays}
        if "W" in operator:
            found = gates.from_onnx(view.spec, operator)
        else:
            found = {name: own_parameter(view.name, name, own.shape, arrays) for name, own in view.parameters.items()}
        values |= {f"{view.name}.{name}": array for name, array in found.items()}
    return values


def own_parameter(layer: str, name: str, shape: tuple[int, ...], arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Return one parameter, which may lie there in another shape, or row by row."""
    if name == "peephole":
        return np.stack([arrays[f"{layer}.peephole.{i}"] for i in range(shape[0])])
    return arrays[f"{layer}.{name}"].reshape(shape)
