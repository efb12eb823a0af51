"""Layers that give numbers other places; but for Resize they leave channels last."""

import numpy as np

from fastnn.formats.onnx.write.graph import Applied, Graph
from fastnn.formats.onnx.write.images import PAD_MODES, channels_first, channels_last
from fastnn.layers.images import pair, sides


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


def upsample(graph: Graph, applied: Applied) -> str:
    """Resize; in float64, for which ONNX Runtime has none, Tile, or a product with the weights of the pixels around."""
    layer, x, (height, width, channels) = applied.layer, applied.inputs[0], applied.input_shapes[0]
    rows, columns = pair(layer.title, "factor", layer.factor)
    nearest = layer.mode == "nearest"
    if not graph.is_double:
        options = {"coordinate_transformation_mode": "asymmetric" if nearest else "half_pixel"}
        options |= {"mode": "nearest", "nearest_mode": "floor"} if nearest else {"mode": "linear"}
        scales = graph.constant((1, 1, rows, columns), np.float32)
        return channels_last(graph, graph.node("Resize", channels_first(graph, x), "", scales, **options))
    if nearest:
        apart = graph.rows(x, (height, 1, width, 1, channels))
        return graph.rows(graph.node("Tile", apart, graph.sizes(1, 1, rows, 1, columns, 1)), applied.output_shape)
    tall = graph.node("MatMul", between(graph, height, rows), graph.rows(x, (height, width * channels)))
    return graph.node("MatMul", between(graph, width, columns), graph.rows(tall, (height * rows, width, channels)))


def between(graph: Graph, size: int, factor: int) -> str:
    """Return the matrix (size factor, size) that puts rows between rows."""
    places = np.clip((np.arange(size * factor) + 0.5) / factor - 0.5, 0, size - 1)
    return graph.constant(np.maximum(1 - np.abs(places[:, None] - np.arange(size)), 0))
