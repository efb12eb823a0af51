"""Layers that give numbers other places."""

from fastnn.formats.onnx.write.graph import Applied, Graph


def permute(graph: Graph, applied: Applied) -> str:
    """Transpose, the batch first."""
    return graph.node("Transpose", applied.inputs[0], perm=[0, *(axis + 1 for axis in applied.layer.axes)])
