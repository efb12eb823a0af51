"""Which layer is written as which ONNX nodes: the table of the export.

A new layer has one function here, or a reason in REFUSED.
"""

from collections.abc import Callable
from functools import partial, reduce

import numpy as np

from fastnn import layers
from fastnn.formats.onnx.write.activations import activation
from fastnn.formats.onnx.write.graph import Applied, Graph
from fastnn.formats.onnx.write.images import (
    convolution,
    global_pooling,
    local_response_norm,
    pooling,
    transposed_convolution,
)
from fastnn.formats.onnx.write.layout import blocks, crop, pad, permute, upsample
from fastnn.formats.onnx.write.norms import affine, batch_norm, gram, group_norm, layer_norm, pixel_norm, standardize
from fastnn.formats.onnx.write.phase import phase_coefficients
from fastnn.formats.onnx.write.recurrent import recurrent
from fastnn.layers.base import Layer


def write_layer(graph: Graph, applied: Applied) -> str:
    """Add the nodes of a layer and return the name of what comes out; raises ValueError if ONNX has no form for it."""
    kind = type(applied.layer)
    if kind not in LAYERS:
        reason = REFUSED.get(kind, f"it has no row in LAYERS of {__name__}")
        raise ValueError(f"to_onnx: expected layers that ONNX can hold, got {applied.layer.title}: {reason}")
    return LAYERS[kind](graph, applied)


def activated(graph: Graph, applied: Applied, z: str) -> str:
    """Add the activation that Dense layers have, a name or a layer."""
    layer = applied.layer.activation_layer
    if layer is None:
        return z
    shape = applied.output_shape
    return write_layer(graph, Applied(applied.name, layer, {}, (z,), (shape,), shape))


def dense(graph: Graph, applied: Applied) -> str:
    """``x W + b``: Gemm for vectors, MatMul and Add along the last axis of anything else."""
    return activated(graph, applied, product(graph, applied, graph.parameter(applied, "weight")))


def product(graph: Graph, applied: Applied, weight: str) -> str:
    """``x W + b`` before the activation."""
    (x,), bias = applied.inputs, "bias" in applied.parameters
    if bias and len(applied.input_shapes[0]) == 1:
        return graph.node("Gemm", x, weight, graph.parameter(applied, "bias"))
    z = graph.node("MatMul", x, weight)
    return graph.node("Add", z, graph.parameter(applied, "bias")) if bias else z


def dropconnect(graph: Graph, applied: Applied) -> str:
    """Dense, with smaller weights where training did not scale them."""
    weight = graph.parameter(applied, "weight")
    if not applied.layer.inverted:
        weight = graph.node("Mul", weight, 1 - applied.layer.rate)
    return activated(graph, applied, product(graph, applied, weight))


def phase_dense(graph: Graph, applied: Applied) -> str:
    """``sum_k c_k(p) (x W_k + b_k)``, as one product of the rows ``[c_0 x, c_1 x, ...]``."""
    (x, phase), (points, inputs, units) = applied.inputs, applied.parameters["weight"].shape
    c = phase_coefficients(graph, phase, points, applied.layer.phase_function)
    pair = graph.node("Unsqueeze", c, graph.sizes(2)), graph.node("Unsqueeze", x, graph.sizes(1))
    stacked = graph.node("Reshape", graph.node("Mul", *pair), graph.sizes(-1, points * inputs))
    flat = applied.parameters["weight"].reshape(points * inputs, units)
    z = graph.node("MatMul", stacked, graph.parameter(applied, "weight", flat))
    if "bias" in applied.parameters:
        z = graph.node("Add", z, graph.node("MatMul", c, graph.parameter(applied, "bias")))
    return activated(graph, applied, z)


def dropout(graph: Graph, applied: Applied) -> str:
    """Dropout, which does nothing after training; the form of the original paper scales then."""
    y = graph.node("Dropout", applied.inputs[0], graph.constant(applied.layer.rate, np.float32))
    return y if applied.layer.inverted else graph.node("Mul", y, 1 - applied.layer.rate)


def part(graph: Graph, applied: Applied) -> str:
    """Elements start to stop of the last axis."""
    (shape,) = applied.input_shapes
    start, stop = applied.layer.ends(shape[-1])
    return graph.node("Slice", applied.inputs[0], graph.sizes(start), graph.sizes(stop), graph.sizes(len(shape)))


def embedding(graph: Graph, applied: Applied) -> str:
    """``weight[x]``; indices come as numbers of the network's dtype."""
    from onnx import TensorProto

    weight = applied.parameters["weight"]
    if applied.layer.padding_index is not None:
        weight = weight.copy()
        weight[applied.layer.padding_index] = 0
    indices = graph.node("Cast", applied.inputs[0], to=TensorProto.INT64)
    return graph.node("Gather", graph.parameter(applied, "weight", weight), indices, axis=0)


def multiply(graph: Graph, applied: Applied) -> str:
    """Factor after factor."""
    return reduce(partial(graph.node, "Mul"), applied.inputs)


def blend(graph: Graph, applied: Applied) -> str:
    """``(1 - alpha) x_0 + alpha x_1``."""
    alpha = graph.parameter(applied, "alpha")
    shares = graph.node("Sub", 1, alpha), alpha
    first, second = (graph.node("Mul", x, share) for x, share in zip(applied.inputs, shares, strict=True))
    return graph.node("Add", first, second)


def minibatch_std_dev(graph: Graph, applied: Applied) -> str:
    """Pad: one more channel, which training left a number for."""
    axes = len(applied.output_shape) + 1
    around = graph.sizes(*[0] * (2 * axes - 1), 1)
    number = graph.parameter(applied, "running_deviation", applied.parameters["running_deviation"].reshape(()))
    return graph.node("Pad", applied.inputs[0], around, number)


def reduced(graph: Graph, applied: Applied) -> str:
    """The sum, the mean or the largest along an axis; a vector keeps an axis of one."""
    (x,), shape, layer = applied.inputs, applied.input_shapes[0], applied.layer
    at = layer.place(shape)
    keep = int(len(shape) == 1)
    if layer.function == "max":
        graph.require(18)  # before, axes were an attribute
        return graph.node("ReduceMax", x, graph.sizes(at + 1), keepdims=keep)
    total = graph.node("ReduceSum", x, graph.sizes(at + 1), keepdims=keep)
    return graph.node("Mul", total, 1 / shape[at]) if layer.function == "mean" else total


def unchanged(graph: Graph, applied: Applied) -> str:
    """What is random in training alone."""
    return graph.node("Identity", *applied.inputs)


LAYERS: dict[type[Layer], Callable[[Graph, Applied], str]] = {
    layers.Activation: lambda graph, applied: activation(graph, applied.layer, *applied.inputs),
    layers.Add: lambda graph, applied: reduce(partial(graph.node, "Add"), applied.inputs),  # term after term
    layers.AvgPool1D: pooling,
    layers.AvgPool2D: pooling,
    layers.BatchNorm: batch_norm,
    layers.Blend: blend,
    layers.Conv1D: lambda graph, applied: activated(graph, applied, convolution(graph, applied)),
    layers.Conv2D: lambda graph, applied: activated(graph, applied, convolution(graph, applied)),
    layers.ConvTranspose2D: lambda graph, applied: activated(graph, applied, transposed_convolution(graph, applied)),
    layers.Concatenate: lambda graph, applied: graph.node("Concat", *applied.inputs, axis=-1),
    layers.Crop2D: crop,
    layers.Dense: dense,
    layers.DepthwiseConv2D: lambda graph, applied: activated(graph, applied, convolution(graph, applied)),
    layers.DepthToSpace: blocks,
    layers.DropConnect: dropconnect,
    layers.Dropout: dropout,
    layers.Embedding: embedding,
    layers.Flatten: lambda graph, applied: graph.node("Flatten", *applied.inputs, axis=1),
    layers.GRU: recurrent,
    layers.GlobalAvgPool1D: global_pooling,
    layers.GaussianNoise: unchanged,
    layers.GlobalAvgPool2D: global_pooling,
    layers.GlobalMaxPool1D: global_pooling,
    layers.GlobalMaxPool2D: global_pooling,
    layers.Gram: gram,
    layers.GroupNorm: group_norm,
    layers.InstanceNorm: group_norm,
    layers.LayerNorm: layer_norm,
    layers.LocalResponseNorm: local_response_norm,
    layers.LSTM: recurrent,
    layers.MaxPool1D: pooling,
    layers.MaxPool2D: pooling,
    layers.MinibatchStdDev: minibatch_std_dev,
    layers.Multiply: multiply,
    layers.Pad2D: pad,
    layers.Permute: permute,
    layers.PhaseDense: phase_dense,
    layers.PixelNorm: pixel_norm,
    layers.Reduce: reduced,
    layers.Reshape: lambda graph, applied: graph.rows(applied.inputs[0], applied.output_shape),
    layers.Scale: lambda graph, applied: affine(graph, applied, *applied.inputs),
    layers.SimpleRNN: recurrent,
    layers.Slice: part,
    layers.Standardize: standardize,
    layers.SpatialDropout: unchanged,
    layers.SpaceToDepth: blocks,
    layers.Upsample2D: upsample,
}
REFUSED: dict[type[Layer], str] = {
    layers.Custom: "it is code in Python, which ONNX cannot hold; put layers of fastnn in its place",
}
