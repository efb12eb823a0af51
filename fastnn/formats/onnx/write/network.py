"""A network as nodes of an ONNX graph: every layer where it is applied."""

from typing import Any

from fastnn.formats.onnx.write.graph import IR_VERSION, Applied, Graph
from fastnn.formats.onnx.write.layers import write_layer
from fastnn.graph import graph as graphs

__all__ = ["IR_VERSION", "Graph", "write_nodes"]


def write_nodes(graph: Graph, net: graphs.Graph, inputs: list[str], outputs: list[str]) -> None:
    """Add every layer where it is applied, and give what comes out its names."""
    parameters = {view.name: view.parameters for view in net.layers}
    tensors = dict(enumerate(inputs))
    for applied in net.applications:
        graph.scope = applied.name
        read = tuple(tensors[i] for i in applied.inputs)
        given = Applied(
            applied.name, applied.layer, parameters[applied.name], read, applied.input_shapes, applied.output_shape
        )
        tensors[applied.output] = write_layer(graph, given)
    renamed: dict[str, str] = {}
    for name, index in zip(outputs, net.structure.outputs, strict=True):
        if index < len(inputs) or tensors[index] in renamed or tensors[index] in inputs:
            graph.nodes.append(identity(tensors[index], name))
        else:
            renamed[tensors[index]] = name
    for made in graph.nodes:
        made.input[:] = [renamed.get(name, name) for name in made.input]
        made.output[:] = [renamed.get(name, name) for name in made.output]


def identity(x: str, name: str) -> Any:
    """Return a node that gives a tensor a second name."""
    from onnx import helper

    return helper.make_node("Identity", [x], [name], name)
