"""ONNX models that fastnn wrote: back to the network that they were, with its names and options."""

from typing import Any

import numpy as np

from fastnn.formats import gates
from fastnn.formats.arrays import assign
from fastnn.formats.files import from_json
from fastnn.formats.onnx.write.export import KEY, to_onnx
from fastnn.formats.safetensors import FIELDS, FORMAT, bound_parameters
from fastnn.graph.graph import Graph
from fastnn.graph.structure import Structure


def own_network(model: Any, seed: int | None) -> Any | None:
    """Return the network that a model describes, if written again it is the same model to the last bit.

    None for any other: the graph is what counts, and it may have been changed since.
    """
    text = next((entry.value for entry in model.metadata_props if entry.key == KEY), None)
    if text is None:
        return None
    try:
        description = from_json(text)
        if set(description) != FIELDS - {"dtype", "training"} or description["format"] != FORMAT:
            return None
        structure = Structure.from_config(description["structure"], {})
        constants = {tensor.name: tensor for tensor in model.graph.initializer}
        bound_parameters(structure, sum(len(tensor.raw_data) for tensor in constants.values()))
        own_seed = description["seed"] if seed is None else seed
        net = Graph.of(structure, kind=description["kind"], seed=own_seed, dtype=model_dtype(model))
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


def own_parameters(net: Graph, constants: dict[str, Any]) -> dict[str, np.ndarray]:
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
