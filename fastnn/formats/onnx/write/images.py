"""Layers of images and their like of sequences: ONNX has channels first, so they are turned on the way in and out."""

from math import prod
from typing import Any

import numpy as np

from fastnn.formats.onnx.write.graph import Applied, Graph

PAD_MODES = {"reflect": "reflect", "replicate": "edge"}


def channels_first(graph: Graph, x: str, axes: int = 2) -> str:
    """Return images (B, C, H, W), or sequences (B, C, T), for such as we have them: of two axes, or one."""
    return graph.node("Transpose", x, perm=[0, axes + 1, *range(1, axes + 1)])


def channels_last(graph: Graph, x: str, axes: int = 2) -> str:
    """Return images (B, H, W, C), or sequences (B, T, C)."""
    return graph.node("Transpose", x, perm=[0, *range(2, axes + 2), 1])


def convolution(graph: Graph, applied: Applied) -> str:
    """Conv before the activation; padding that is not zeros by a Pad before it."""
    shape = applied.input_shapes[0]
    axes, g = len(shape) - 1, applied.layer.geometry(shape)
    before, after, kernel = g.before[:axes], g.after[:axes], g.kernel[:axes]
    x, pads = channels_first(graph, applied.inputs[0], axes), [*before, *after]
    if g.pads and g.mode != "zeros":
        around = graph.sizes(0, 0, *before, 0, 0, *after)
        x, pads = graph.node("Pad", x, around, mode=PAD_MODES[g.mode]), [0] * len(pads)
    filters = applied.parameters["weight"].reshape(*kernel, g.channels // g.groups, g.filters)
    weight = graph.parameter(applied, "weight", np.transpose(filters, (axes + 1, axes, *range(axes))))
    bias = [graph.parameter(applied, "bias")] if "bias" in applied.parameters else []
    return channels_last(
        graph,
        graph.node(
            "Conv", x, weight, *bias, kernel_shape=list(kernel), strides=list(g.strides[:axes]),
            dilations=list(g.dilation[:axes]), group=g.groups, pads=pads,
        ),
        axes,
    )  # fmt: skip


def transposed_convolution(graph: Graph, applied: Applied) -> str:
    """ConvTranspose before the activation; what the padding leaves over at the end is its output_padding."""
    height, width, channels = applied.input_shapes[0]
    g = applied.layer.geometry((height, width, channels))
    weight = graph.parameter(applied, "weight", np.transpose(applied.parameters["weight"], (3, 2, 0, 1)))
    bias = [graph.parameter(applied, "bias")] if "bias" in applied.parameters else []
    reach = [(k - 1) * d + 1 for k, d in zip(g.kernel, g.dilation, strict=True)]
    sizes = zip(g.padded, (height, width), g.strides, reach, strict=True)
    more = [padded - (n - 1) * s - r for padded, n, s, r in sizes]
    return channels_last(
        graph,
        graph.node(
            "ConvTranspose", channels_first(graph, applied.inputs[0]), weight, *bias, kernel_shape=list(g.kernel),
            strides=list(g.strides), dilations=list(g.dilation), group=g.groups, pads=[*g.before, *g.after],
            output_padding=more,
        ),
    )  # fmt: skip


def pooling(graph: Graph, applied: Applied) -> str:
    """MaxPool or AveragePool.

    With padding for the last window in place of ``ceil_mode``: whether one that begins beyond the image counts, ONNX's
    shapes, its reference and its runtimes do not agree.
    """
    layer, size, out = applied.layer, applied.input_shapes[0][:-1], applied.output_shape
    axes = len(size)
    kernel, strides, before, after = (each[:axes] for each in layer.windows(*size))
    if layer.ceil_mode:
        sides = zip(size, out, kernel, strides, before, strict=False)
        after = tuple(max((n - 1) * step + k - pixels - side, 0) for pixels, n, k, step, side in sides)
    attributes: dict[str, Any] = {"kernel_shape": list(kernel), "strides": list(strides), "pads": [*before, *after]}
    operator = "MaxPool"
    if layer.kind == "mean":
        operator, attributes["count_include_pad"] = "AveragePool", int(layer.counts_outside)
    x = channels_first(graph, applied.inputs[0], axes)
    return channels_last(graph, graph.node(operator, x, **attributes), axes)


def global_pooling(graph: Graph, applied: Applied) -> str:
    """The largest, or the mean, over rows and columns, or over time."""
    *size, channels = applied.input_shapes[0]
    x = graph.node("Reshape", applied.inputs[0], graph.sizes(-1, prod(size), channels))
    if applied.layer.kind == "max":
        graph.require(18)  # before, axes were an attribute
        return graph.node("ReduceMax", x, graph.sizes(1), keepdims=0)
    return graph.node("Mul", graph.node("ReduceSum", x, graph.sizes(1), keepdims=0), 1 / prod(size))


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
