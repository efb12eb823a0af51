"""Layers that give numbers other places."""

from fastnn.formats.onnx.write.graph import Applied, Graph
from fastnn.formats.onnx.write.images import PAD_MODES
from fastnn.layers.images import sides


def permute(graph: Graph, applied: Applied) -> str:
    """Transpose, the batch first."""
    return graph.node("Transpose", applied.inputs[0], perm=[0, *(axis + 1 for axis in applied.layer.axes)])


def blocks(graph: Graph, applied: Applied) -> str:
    """Five axes, in another order."""
    shape, axes = applied.layer.moves(applied.input_shapes[0])
    moved = graph.node("Transpose", graph.rows(applied.inputs[0], shape), perm=[0, *(axis + 1 for axis in axes)])
    return graph.rows(moved, applied.output_shape)


def pad(graph: Graph, applied: Applied) -> str:
    """Pad, of rows and columns."""
    layer = applied.layer
    (top, bottom), (left, right) = sides(layer.title, "padding", layer.padding)
    around = graph.sizes(0, top, left, 0, 0, bottom, right, 0)
    if layer.mode in PAD_MODES:
        return graph.node("Pad", applied.inputs[0], around, mode=PAD_MODES[layer.mode])
    return graph.node("Pad", applied.inputs[0], around, float(layer.value), mode="constant")


def crop(graph: Graph, applied: Applied) -> str:
    """Slice, of rows and columns."""
    layer, (height, width, _) = applied.layer, applied.output_shape
    (top, _), (left, _) = sides(layer.title, "cropping", layer.cropping)
    ends = graph.sizes(top + height, left + width)
    return graph.node("Slice", applied.inputs[0], graph.sizes(top, left), ends, graph.sizes(1, 2))
