"""From the nodes of an ONNX graph to a network."""

from typing import Any

import numpy as np

from fastnn.formats.arrays import assign, common_dtype
from fastnn.formats.onnx.read.operators import OPERATORS
from fastnn.formats.onnx.read.reader import Reader
from fastnn.formats.safetensors import bound_parameters
from fastnn.graph.graph import Graph
from fastnn.graph.structure import trace


def read_graph(model: Any, outputs: list[str], seed: int | None, limit: int) -> Any:
    """Return the network that the nodes amount to, a Sequential if its layers stand in a row."""
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0)
    reader = Reader(model.graph, outputs, OPERATORS, opset, limit)
    if opset < 9:
        raise ValueError(
            f"from_onnx: expected an opset of at least 9, got {opset}; convert it with onnx.version_converter"
        )
    results = reader.run()
    if not reader.inputs:
        raise ValueError("from_onnx: no output depends on an input")
    arrays = [array for owned in reader.parameters.values() for array in owned.values()]
    if odd := {str(array.dtype) for array in arrays if array.dtype not in (np.float32, np.float64)}:
        raise ValueError(f"from_onnx: expected parameters in float32 or float64, got {', '.join(sorted(odd))}")
    structure = trace(tuple(reader.inputs), tuple(results))
    bound_parameters(structure, sum(array.nbytes for array in arrays))
    in_a_row = all(node.inputs == (i,) for i, node in enumerate(structure.nodes))
    plain = len(structure.input_shapes) == 1 and structure.nodes and structure.outputs == (len(structure.nodes),)
    dtype = np.dtype(np.float64) if reader.is_double else common_dtype(arrays)
    net = Graph.of(structure, kind="Sequential" if in_a_row and plain else "Network", seed=seed, dtype=dtype)
    values = {
        f"{view.name}.{name}": array
        for view in net.layers
        for name, array in reader.parameters.get(view.spec, {}).items()
    }
    assign("from_onnx", net, values)
    return net
