"""Which ONNX operator becomes which layer: the table of the import.

A new operator has one function here.  It gives one value per output, or raises Unsupported with what it cannot take.
"""

from collections.abc import Callable
from math import prod

import numpy as np

from fastnn import layers
from fastnn.formats.activations import BY_ONNX
from fastnn.formats.foreign import Unsupported
from fastnn.formats.onnx.read import arithmetic, images, norms, reductions, shapes, tables
from fastnn.formats.onnx.read.reader import Operator
from fastnn.formats.onnx.read.sequences import recurrent
from fastnn.formats.onnx.read.values import (
    BATCH,
    Value,
    as_image,
    as_tensor,
    from_last,
    image,
    reshaped,
    rows,
    squeezed,
    transposed,
    unsqueezed,
    with_last,
    written,
)
from fastnn.layers.activation import DEFAULT_ALPHA
from fastnn.layers.base import Tensor

# ---- products -------------------------------------------------------------------------------------------------------


def gemm(operator: Operator) -> list[Value]:
    """``alpha A B + beta C`` with constant B and C."""
    value = transposed(operator.value(0), (1, 0)) if operator.whole("transA", 0) else operator.value(0)
    weight = operator.constant(1).T if operator.whole("transB", 0) else operator.constant(1)
    x, weight = flat(value, weight)
    if (alpha := operator.attributes.get("alpha", 1.0)) != 1:
        weight = weight * weight.dtype.type(alpha)
    if not operator.has(2):
        return [rows(operator.apply(layers.Dense(weight.shape[1], bias=False), x, weight=weight))]
    bias = operator.constant(2) * weight.dtype.type(operator.attributes.get("beta", 1.0))
    return [rows(dense(operator, x, weight, bias))]


def flat(value: Value, weight: np.ndarray) -> tuple[Tensor, np.ndarray]:
    """Return rows for a product, and its weight with the rows in the order in which the numbers of these lie here."""
    if len(value.axes) != 2 or value.axes[0] != (BATCH,) or len(weight) != prod(value.tensor.shape):
        return as_tensor(value), weight
    order = [i for i in value.axes[1] if value.tensor.shape[i] > 1]
    if order != sorted(order):  # it was an image: its weights are turned, not its numbers
        split = weight.reshape(*(value.tensor.shape[i] for i in order), weight.shape[1])
        weight = split.transpose(*np.argsort(order), len(order)).reshape(weight.shape)
    return reshaped(value.tensor, (len(weight),)), weight


def dense(operator: Operator, x: Tensor, weight: np.ndarray, bias: np.ndarray) -> Tensor:
    """Apply a Dense layer whose bias may be one number for all."""
    units = weight.shape[1]
    if bias.size not in (1, units) or bias.shape[-1:] not in ((), (1,), (units,)):
        raise Unsupported(f"its bias of shape {bias.shape} is not one for each of the {units} units")
    full = np.broadcast_to(bias.reshape(-1), (units,))
    return operator.apply(layers.Dense(units), x, weight=weight, bias=full)


def matmul(operator: Operator) -> list[Value]:
    """``x W``, and the constant that the next node adds."""
    weight = operator.constant(1)
    if weight.ndim != 2:
        raise Unsupported(f"its constant has the shape {weight.shape}, not (inputs, units)")
    x, weight = flat(operator.value(0), weight)
    output = operator.node.output[0]
    following = operator.only_reader("Add")
    if following is not None and following.is_constant(following.other(output)):
        bias = following.constant(following.other(output))
        if bias.size in (1, weight.shape[1]) and bias.ndim <= 1 + len(x.shape):
            operator.absorb(following)
            return [rows(dense(operator, x, weight, bias))]
    return [rows(operator.apply(layers.Dense(weight.shape[1], bias=False), x, weight=weight))]


# ---- activations and what training needs ----------------------------------------------------------------------------


def activation(name: str) -> Callable[[Operator], list[Value]]:
    """Return what reads an activation; what alpha is where none is given, ONNX and fastnn agree on."""

    def read(operator: Operator) -> list[Value]:
        value = operator.value(0)
        given = operator.number("alpha", DEFAULT_ALPHA[name]) if name in DEFAULT_ALPHA else None
        return [Value(layers.Activation(name, alpha=given)(value.tensor), value.axes)]  # the same in any order of axes

    return read


def sigmoid(operator: Operator) -> list[Value]:
    """Sigmoid, or silu where its only use is to be multiplied by its input."""
    following = operator.only_reader("Mul")
    if (
        following is not None
        and following.node.input[following.other(operator.node.output[0])] == operator.node.input[0]
    ):
        operator.absorb(following)
        return activation("silu")(operator)
    return activation("sigmoid")(operator)


def selu(operator: Operator) -> list[Value]:
    """Selu with its own two numbers."""
    for name, expected in (("alpha", 1.6732632), ("gamma", 1.0507010)):
        if abs(operator.number(name, expected) - expected) > 1e-6:
            raise Unsupported(f"its {name} is {operator.number(name, expected)}, not {expected}")
    return activation("selu")(operator)


def gelu(operator: Operator) -> list[Value]:
    """Gelu in either form."""
    return activation("gelu_tanh" if operator.text("approximate", "none") == "tanh" else "gelu")(operator)


def of_vectors(name: str) -> Callable[[Operator], list[Value]]:
    """Return what reads Softmax or LogSoftmax: along one axis, or before opset 13 along all from it on."""

    def read(operator: Operator) -> list[Value]:
        value, layer = operator.value(0), layers.Activation(name)
        rank, together = len(value.axes), operator.reader.opset < 13
        axis = operator.whole("axis", 1 if together else -1) % rank
        own = {i for place in range(axis, rank if together else axis + 1) for i in value.axes[place]}
        wide = {i for i, size in enumerate(value.tensor.shape) if size > 1}
        if value.axes[0] != (BATCH,) or axis == 0:
            raise Unsupported(
                f"it is along axis {axis} of {written(value)}, and can be along one beside the batch alone"
            )
        last = len(value.tensor.shape) - 1
        if wide & own == wide & {last}:
            return [Value(layer(value.tensor), value.axes)]
        if wide <= own:  # all of a row, in whatever order
            y = layer(reshaped(value.tensor, (prod(value.tensor.shape),)))
            return [Value(reshaped(y, value.tensor.shape), value.axes)]
        if together:
            raise Unsupported(f"it is along the axes of {written(value)} from {axis} on, and can be along one or all")
        return [from_last(layer(with_last(value, axis)), axis, value)]

    return read


def celu(operator: Operator) -> list[Value]:
    """Celu, which is Elu where alpha is 1."""
    if operator.number("alpha", 1.0) != 1:
        raise Unsupported("its alpha is not 1; use Elu")
    return activation("elu")(operator)


def dropout(operator: Operator) -> list[Value]:
    """Dropout; the form that scales afterwards is followed by that product."""
    value = operator.value(0)
    ratio = operator.constant(1).ravel()[0] if operator.has(1) else operator.attributes.get("ratio", 0.5)
    rate, inverted = float(str(np.float32(ratio))), True
    if operator.has(2) and operator.constant(2).any():
        raise Unsupported("it is in training mode; export the network for inference")
    following = operator.only_reader("Mul")
    if following is not None and rate:
        place = following.other(operator.node.output[0])
        if following.is_constant(place) and following.constant(place).size == 1:
            inverted = abs(float(following.constant(place).ravel()[0]) - (1 - rate)) > 1e-6
            if not inverted:
                operator.absorb(following)
    return [Value(layers.Dropout(rate, inverted=inverted)(value.tensor), value.axes)]


def batch_norm(operator: Operator) -> list[Value]:
    """BatchNormalization by running statistics, of rows of channels."""
    value = operator.value(0)
    if operator.whole("training_mode", 0) or operator.whole("spatial", 1) != 1:
        raise Unsupported("it is in training mode; export the network for inference")
    if len(value.axes) < 2:
        raise Unsupported(f"it normalises axis 1 of {written(value)}, which has none")
    if value.axes[1] != (len(value.tensor.shape) - 1,):  # the channels, the last axis here
        value = image(as_image(value)) if len(value.axes) > 2 else rows(as_tensor(value))
    names = ("gamma", "beta", "running_mean", "running_variance")
    layer = layers.BatchNorm(momentum=operator.number("momentum", 0.9), epsilon=operator.number("epsilon", 1e-5))
    parameters = {name: operator.constant(i + 1) for i, name in enumerate(names)}
    return [Value(operator.apply(layer, value.tensor, **parameters), value.axes)]


def layer_norm(operator: Operator) -> list[Value]:
    """LayerNormalization over the last axis."""
    x = operator.tensor(0)
    if operator.whole("axis", -1) not in (-1, len(x.shape)):
        raise Unsupported("it normalises more than the last axis")
    layer = layers.LayerNorm(epsilon=operator.number("epsilon", 1e-5), scale=operator.has(1), shift=operator.has(2))
    parameters = {name: operator.constant(i).ravel() for i, name in ((1, "gamma"), (2, "beta")) if operator.has(i)}
    return [rows(operator.apply(layer, x, **parameters))]


def found_activation(operator: Operator) -> list[Value]:
    """An activation that several nodes wrote out."""
    return activation(operator.text("function", ""))(operator)


OPERATORS: dict[str, Callable[[Operator], list[Value]]] = {
    **{operator: activation(name) for operator, name in BY_ONNX.items()},  # below those that are not that simple
    "Abs": arithmetic.absolute,
    "Add": arithmetic.add,
    "BatchNormalization": batch_norm,
    "AveragePool": images.pooling,
    "Cast": shapes.cast,
    "Celu": celu,
    "Clip": arithmetic.clip,
    "Concat": shapes.concat,
    "Conv": images.convolution,
    "ConvTranspose": images.transposed_convolution,
    "DepthToSpace": images.blocks,
    "Div": arithmetic.elementwise,
    "Dropout": dropout,
    "Flatten": shapes.flatten,
    "GRU": recurrent,
    "Gather": shapes.gather,
    "Gelu": gelu,
    "Gemm": gemm,
    "GlobalAveragePool": images.global_pooling,
    "GlobalMaxPool": images.global_pooling,
    "HardSigmoid": arithmetic.hard_sigmoid,
    "HardSwish": arithmetic.hard_sigmoid,
    "GroupNormalization": norms.group_norm,
    "Identity": lambda operator: [operator.value(0)],
    "InstanceNormalization": norms.instance_norm,
    "LRN": images.local_response_norm,
    "LSTM": recurrent,
    "LayerNormalization": layer_norm,
    "LogSoftmax": of_vectors("log_softmax"),
    "MatMul": matmul,
    "Max": arithmetic.clip,
    "MaxPool": images.pooling,
    "Min": arithmetic.clip,
    "Mish": arithmetic.mish,
    "Mul": arithmetic.elementwise,
    "Neg": arithmetic.negated,
    "PRelu": arithmetic.prelu,
    "Pad": images.pad,
    "Pow": arithmetic.power,
    "RNN": recurrent,
    "ReduceMax": reductions.reduction("max"),
    "ReduceMean": reductions.reduction("mean"),
    "ReduceSum": reductions.reduction("sum"),
    "Reshape": shapes.reshape,
    "Resize": images.resize,
    "Selu": selu,
    "Sigmoid": sigmoid,
    "Slice": shapes.slice_,
    "Softmax": of_vectors("softmax"),
    "SpaceToDepth": images.blocks,
    "Split": shapes.split,
    "Squeeze": lambda operator: [squeezed(operator.value(0), operator.integers(1, "axes"))],
    "Sub": arithmetic.elementwise,
    "Sum": arithmetic.add,
    "Transpose": shapes.transpose,
    "ai.onnx.ml.LinearClassifier": tables.linear_classifier,
    "ai.onnx.ml.LinearRegressor": tables.linear_regressor,
    "ai.onnx.ml.Normalizer": tables.normalizer,
    "ai.onnx.ml.Scaler": tables.scaler,
    "ai.onnx.ml.ZipMap": lambda operator: [operator.value(0)],
    "fastnn.Activation": found_activation,
    "fastnn.Indices": lambda operator: [operator.value(0)],
    "fastnn.LayerNorm": layer_norm,
    "fastnn.Norm": norms.found_norm,
    "Unsqueeze": lambda operator: [unsqueezed(operator.value(0), operator.integers(1, "axes") or [])],
    "Upsample": images.resize,
}
