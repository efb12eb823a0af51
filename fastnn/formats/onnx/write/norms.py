"""Normalisation as ONNX nodes: the operators in float32; in float64 written out, for ONNX keeps epsilon in float32."""

from math import prod

import numpy as np

from fastnn.formats.onnx.write.graph import Applied, Graph


def batch_norm(graph: Graph, applied: Applied) -> str:
    """By running statistics; ONNX has the channels second, so that other shapes become rows of channels."""
    x, (*leading, channels) = applied.inputs[0], applied.output_shape
    mean, variance = (graph.parameter(applied, f"running_{name}") for name in ("mean", "variance"))
    if graph.is_double:
        return scaled(graph, applied, graph.node("Sub", x, mean), deviation(graph, variance, applied.layer.epsilon))
    scales = [scale_or(graph, applied, name, value) for name, value in (("gamma", 1), ("beta", 0))]
    x = graph.rows(x, (channels,)) if leading else x
    options = {"epsilon": applied.layer.epsilon, "momentum": float(applied.layer.momentum)}
    y = graph.node("BatchNormalization", x, *scales, mean, variance, **options)
    return graph.rows(y, applied.output_shape) if leading else y


def layer_norm(graph: Graph, applied: Applied) -> str:
    """Along the last axis."""
    x = applied.inputs[0]
    if graph.is_double:
        columns = applied.output_shape[-1]
        centred = graph.node("Sub", x, mean(graph, x, columns))
        variance = mean(graph, graph.node("Mul", centred, centred), columns)
        return scaled(graph, applied, centred, deviation(graph, variance, applied.layer.epsilon))
    scales = [scale_or(graph, applied, "gamma", 1)]
    if "beta" in applied.parameters:
        scales.append(graph.parameter(applied, "beta"))
    return graph.node("LayerNormalization", x, *scales, axis=-1, epsilon=applied.layer.epsilon)


def standardize(graph: Graph, applied: Applied) -> str:
    """``(x - mean) / scale``, both given."""
    mean, scale = (graph.constant(one) for one in applied.layer.of_channels(applied.output_shape[-1]))
    return graph.node("Div", graph.node("Sub", applied.inputs[0], mean), scale)


def group_norm(graph: Graph, applied: Applied) -> str:
    """Written out: the pixels, their groups and the channels of these as axes of their own; ONNX has channels first."""
    (*leading, channels), size = applied.output_shape, applied.layer.channels_of(applied.output_shape)
    pixels, axes = prod(leading), graph.sizes(1, 3)
    x = graph.node("Reshape", applied.inputs[0], graph.sizes(-1, pixels, channels // size, size))
    total = graph.node("Mul", graph.node("ReduceSum", x, axes, keepdims=1), 1 / (pixels * size))
    centred = graph.node("Sub", x, total)
    squares = graph.node("ReduceSum", graph.node("Mul", centred, centred), axes, keepdims=1)
    spread = deviation(graph, graph.node("Mul", squares, 1 / (pixels * size)), applied.layer.epsilon)
    return affine(graph, applied, graph.rows(graph.node("Div", centred, spread), applied.output_shape))


def pixel_norm(graph: Graph, applied: Applied) -> str:
    """``x / sqrt(mean(x^2) + epsilon)``."""
    x = applied.inputs[0]
    square = mean(graph, graph.node("Mul", x, x), applied.output_shape[-1])
    return graph.node("Div", x, deviation(graph, square, applied.layer.epsilon))


def gram(graph: Graph, applied: Applied) -> str:
    """``x' x / places``."""
    *places, columns = applied.input_shapes[0]
    flat = graph.rows(applied.inputs[0], (prod(places), columns))
    product = graph.node("MatMul", graph.node("Transpose", flat, perm=[0, 2, 1]), flat)
    return graph.node("Div", product, prod(places))


def mean(graph: Graph, x: str, columns: int) -> str:
    """The mean along the last axis; ReduceMean has its axes in another place from opset 18 on."""
    return graph.node("Div", graph.node("ReduceSum", x, graph.sizes(-1), keepdims=1), columns)


def deviation(graph: Graph, variance: str, epsilon: float) -> str:
    """``sqrt(variance + epsilon)``."""
    return graph.node("Sqrt", graph.node("Add", variance, epsilon))


def scaled(graph: Graph, applied: Applied, centred: str, divisor: str) -> str:
    """``gamma centred / divisor + beta``."""
    return affine(graph, applied, graph.node("Div", centred, divisor))


def affine(graph: Graph, applied: Applied, y: str) -> str:
    """``gamma y + beta``, of those that there are."""
    if "gamma" in applied.parameters:
        y = graph.node("Mul", y, graph.parameter(applied, "gamma"))
    return graph.node("Add", y, graph.parameter(applied, "beta")) if "beta" in applied.parameters else y


def scale_or(graph: Graph, applied: Applied, name: str, value: int) -> str:
    """Return gamma or beta, or the constant in its place."""
    if name in applied.parameters:
        return graph.parameter(applied, name)
    return graph.constant(np.full(applied.output_shape[-1], value))
