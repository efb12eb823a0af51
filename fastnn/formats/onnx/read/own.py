"""ONNX models that fastnn wrote: back to the network that they were, with its names and options."""

from typing import Any

import numpy as np

from fastnn.formats import gates
from fastnn.formats.arrays import assign
from fastnn.formats.earlier import upgraded
from fastnn.formats.files import REASONS
from fastnn.formats.onnx.write.export import KEY, to_onnx
from fastnn.formats.safetensors import FIELDS, FORMAT, OPTIONAL, bound_parameters, take_up_names
from fastnn.formats.text import from_json
from fastnn.graph.graph import Graph
from fastnn.graph.structure import Structure
from fastnn.layers.base import Layer, Shape
from fastnn.layers.filters import Filters


def own_network(model: Any, seed: int | None) -> Any | None:
    """Return the network that a model describes, if written again it is the same model to the last bit.

    None for any other: the graph is what counts, and it may have been changed since.
    """
    from onnx import helper

    text = next((entry.value for entry in model.metadata_props if entry.key == KEY), None)
    if text is None:
        return None
    try:
        description = upgraded(from_json(text, model.ByteSize()))
        if set(description) - OPTIONAL != set(FIELDS) - OPTIONAL - {"dtype"} or description["format"] != FORMAT:
            return None
        structure = Structure.from_config(description["structure"], {})
        constants = {tensor.name: tensor for tensor in model.graph.initializer}
        bound_parameters(structure, sum(len(tensor.raw_data) for tensor in constants.values()))
        own_seed = description["seed"] if seed is None else seed
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(model.graph.input[0].type.tensor_type.elem_type))
        net = Graph.of(structure, kind=description["kind"], seed=own_seed, dtype=dtype)
        assign("from_onnx", net, own_parameters(net, constants))
        net.metadata = dict(description["metadata"])
        take_up_names(net, description)
        ports = model.graph.input, model.graph.output
        names = [[entry.name for entry in port] for port in ports]
        again = to_onnx(net, input_names=names[0], output_names=names[1])
    except REASONS:
        return None
    graphs = (one.graph.SerializeToString(deterministic=True) for one in (again, model))
    return net if len({*graphs}) == 1 and list(again.opset_import) == list(model.opset_import) else None


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
            rows = [arrays[key] for i in range(3) if (key := f"{view.name}.peephole.{i}") in arrays]
            found = {
                name: np.stack(rows)
                if name == "peephole"
                else as_here(view.spec, arrays[f"{view.name}.{name}"], own.shape)
                for name, own in view.parameters.items()
            }
        values |= {f"{view.name}.{name}": array for name, array in found.items()}
    return values


def as_here(layer: Layer, array: np.ndarray, shape: Shape) -> np.ndarray:
    """Return a parameter in its shape here: filters (O, C, KH, KW) turned, others lie alike."""
    if isinstance(layer, Filters) and array.ndim > 2:
        array = array.transpose(*range(2, array.ndim), 1, 0)
    return array.reshape(shape)
