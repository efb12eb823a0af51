"""Layers of images: ONNX has channels first, so images are turned on the way in and on the way out."""

from typing import Any

import numpy as np

from fastnn import layers
from fastnn.formats.onnx.write.graph import Applied, Graph
from fastnn.layers.images import padding_of, pair

PAD_MODES = {"reflect": "reflect", "replicate": "edge"}


def channels_first(graph: Graph, x: str) -> str:
    """Return images (B, C, H, W) for such as we have them."""
    return graph.node("Transpose", x, perm=[0, 3, 1, 2])


def channels_last(graph: Graph, x: str) -> str:
    """Return images (B, H, W, C)."""
    return graph.node("Transpose", x, perm=[0, 2, 3, 1])


def convolution(graph: Graph, applied: Applied) -> str:
    """Conv before the activation; padding that is not zeros by a Pad before it."""
    height, width, channels = applied.input_shapes[0]
    g = applied.layer.geometry((height, width, channels))
    x, pads = channels_first(graph, applied.inputs[0]), [*g.before, *g.after]
    if g.pads and g.mode != "zeros":
        around = graph.sizes(0, 0, *g.before, 0, 0, *g.after)
        x, pads = graph.node("Pad", x, around, mode=PAD_MODES[g.mode]), [0, 0, 0, 0]
    weight = graph.parameter(applied, "weight", np.transpose(applied.parameters["weight"], (3, 2, 0, 1)))
    bias = [graph.parameter(applied, "bias")] if "bias" in applied.parameters else []
    return channels_last(
        graph,
        graph.node(
            "Conv", x, weight, *bias, kernel_shape=list(g.kernel), strides=list(g.strides), dilations=list(g.dilation),
            group=g.groups, pads=pads,
        ),
    )  # fmt: skip


def pooling(graph: Graph, applied: Applied) -> str:
    """MaxPool or AveragePool."""
    layer, (height, width, _) = applied.layer, applied.input_shapes[0]
    kernel = pair(layer.title, "pool_size", layer.pool_size)
    strides = kernel if layer.strides is None else pair(layer.title, "strides", layer.strides)
    before, after = padding_of(layer, (height, width), kernel, strides)
    attributes: dict[str, Any] = {"kernel_shape": list(kernel), "strides": list(strides), "pads": [*before, *after]}
    attributes["ceil_mode"] = int(layer.ceil_mode)
    operator = "MaxPool"
    if isinstance(layer, layers.AvgPool2D):
        operator, attributes["count_include_pad"] = "AveragePool", int(layer.count_padding)
    return channels_last(graph, graph.node(operator, channels_first(graph, applied.inputs[0]), **attributes))


def global_pooling(graph: Graph, applied: Applied) -> str:
    """The largest, or the mean, over rows and columns."""
    height, width, channels = applied.input_shapes[0]
    x = graph.node("Reshape", applied.inputs[0], graph.sizes(-1, height * width, channels))
    if isinstance(applied.layer, layers.GlobalMaxPool2D):
        graph.require(18)  # before, axes were an attribute
        return graph.node("ReduceMax", x, graph.sizes(1), keepdims=0)
    return graph.node("Mul", graph.node("ReduceSum", x, graph.sizes(1), keepdims=0), 1 / (height * width))


def local_response_norm(graph: Graph, applied: Applied) -> str:
    """LRN; in float64, which its attributes and ONNX Runtime do not have, sums by a product with a band of ones."""
    x, layer, shape = applied.inputs[0], applied.layer, applied.output_shape
    if graph.is_double:
        places = np.arange(shape[-1])
        band = np.abs(places[:, None] - places) <= layer.size // 2
        sums = graph.node("MatMul", graph.node("Mul", x, x), graph.constant(band * (layer.alpha / layer.size)))
        return graph.node("Mul", x, graph.node("Pow", graph.node("Add", sums, layer.k), -layer.beta))
    first = channels_first(graph, x if len(shape) == 3 else graph.rows(x, (1, 1, shape[-1])))
    numbers = {"alpha": float(layer.alpha), "beta": float(layer.beta), "bias": float(layer.k)}
    y = channels_last(graph, graph.node("LRN", first, size=layer.size, **numbers))
    return y if len(shape) == 3 else graph.rows(y, shape)
