"""Arithmetic of ONNX, element by element: with constants as Scale layers, of tensors as Add and Multiply."""

from math import prod

import numpy as np

from fastnn import layers
from fastnn.formats.foreign import Unsupported
from fastnn.formats.onnx.read.reader import Operator
from fastnn.formats.onnx.read.values import (
    BATCH,
    Value,
    as_image,
    as_tensor,
    image,
    in_memory,
    reshaped,
    rows,
    written,
)
from fastnn.layers.base import Tensor

FAR = 1e30  # a bound beyond it is none


def scaled(operator: Operator, value: Value, scale: np.ndarray | None, shift: np.ndarray | None) -> Value:
    """``scale x + shift`` element by element, both constants of any shape that fits; None: 1 and 0."""
    given = {name: array for name, array in (("gamma", scale), ("beta", shift)) if array is not None}
    layer = layers.Scale(scale=scale is not None, shift=shift is not None)
    if all(array.size == 1 for array in given.values()):  # the same in any order of axes
        width = value.tensor.shape[-1]
        full = {name: np.broadcast_to(array.reshape(-1), (width,)) for name, array in given.items()}
        return Value(operator.apply(layer, value.tensor, **full), value.axes)
    if value.axes[0] != (BATCH,):
        value = rows(as_tensor(value))
    shape, x = value.shape[1:], value.tensor
    for array in given.values():
        if array.size > prod(shape) or array.ndim > len(shape) + 1:
            raise Unsupported(f"its constant of shape {array.shape} has more numbers than {written(value)}")
        if array.ndim == len(shape) + 1 and array.shape[0] != 1:
            raise Unsupported(f"its constant of shape {array.shape} differs from row to row")
    full = {
        name: in_memory(np.broadcast_to(array, (1, *shape))[0], value).reshape(-1, x.shape[-1])
        for name, array in given.items()
    }
    if all((array == array[0]).all() for array in full.values()):  # one number for each channel
        return Value(operator.apply(layer, x, **{name: array[0] for name, array in full.items()}), value.axes)
    flat = operator.apply(layer, reshaped(x, (prod(shape),)), **{name: array.ravel() for name, array in full.items()})
    return Value(reshaped(flat, x.shape), value.axes)


def times(operator: Operator, tensor: Tensor, factor: float) -> Tensor:
    """A tensor times a number."""
    dtype = np.float64 if operator.reader.is_double else np.float32
    return scaled(operator, rows(tensor), np.full(1, factor, dtype), None).tensor


def elementwise(operator: Operator) -> list[Value]:
    """Add, Sub, Mul or Div of a tensor and a constant, or of two tensors."""
    if not operator.is_constant(0) and not operator.is_constant(1):
        return of_two(operator)
    place = 1 if operator.is_constant(0) else 0
    c, value = operator.constant(1 - place), operator.value(place)
    one = np.ones(1, c.dtype)
    if operator.kind == "Div" and (place == 1 or not c.all()):
        raise Unsupported("it divides by what is not a constant, or by 0")
    if operator.kind in ("Mul", "Div"):
        return [scaled(operator, value, c if operator.kind == "Mul" else one / c, None)]
    if operator.kind == "Add":
        return [scaled(operator, value, None, c)]
    return [scaled(operator, value, None, -c) if place == 0 else scaled(operator, value, -one, c)]


def of_two(operator: Operator) -> list[Value]:
    """The product or the difference of two tensors of one shape."""
    first, second = alike([operator.value(0), operator.value(1)])
    x, y, axes = first.tensor, second.tensor, first.axes
    if x.shape != y.shape:
        raise Unsupported(f"its inputs have the shapes {x.shape} and {y.shape} beside the batch, which must be one")
    if operator.kind == "Mul":
        return [Value(layers.Multiply()(x, y), axes)]
    if operator.kind == "Sub":
        return [Value(layers.Add()(x, times(operator, y, -1.0)), axes)]
    raise Unsupported("it divides by what is not a constant")


def add(operator: Operator) -> list[Value]:
    """The sum of tensors, or of a tensor and a constant."""
    places = range(len(operator.node.input))
    if operator.kind == "Add" and any(operator.is_constant(i) for i in places):
        return elementwise(operator)
    values = [operator.value(i) for i in places]
    if len(values) == 1:
        return values
    values = alike(values)
    return [Value(layers.Add()(*(value.tensor for value in values)), values[0].axes)]


def alike(values: list[Value]) -> list[Value]:
    """Return values whose axes lie alike: as they are, as images if one of them is one, or as rows."""
    first = values[0]
    if all(value.axes == first.axes and value.tensor.shape == first.tensor.shape for value in values):
        return values
    shapes = {value.shape for value in values}
    if len(shapes) == 1 and len(first.axes) > 2 and any(value.axes == image(value.tensor).axes for value in values):
        return [image(as_image(value)) for value in values]
    return [rows(as_tensor(value)) for value in values]


def negated(operator: Operator) -> list[Value]:
    """``-x``."""
    value = operator.value(0)
    return [Value(times(operator, value.tensor, -1.0), value.axes)]


def power(operator: Operator) -> list[Value]:
    """``x^n`` for a whole number n from 1 to 8."""
    exponent = operator.constant(1)
    if exponent.size != 1 or float(exponent.ravel()[0]) not in range(1, 9):
        raise Unsupported("its exponent is no whole number from 1 to 8")
    value, n = operator.value(0), int(exponent.ravel()[0])
    return [value if n == 1 else Value(layers.Multiply()(*[value.tensor] * n), value.axes)]


def clip(operator: Operator) -> list[Value]:
    """Clip, or Min or Max with a number: ``min(max(x, low), high)``."""
    low, high = -np.inf, np.inf
    if operator.kind == "Clip":
        given = [
            operator.constant(i) if operator.has(i) else np.asarray(operator.attributes.get(name, default))
            for i, name, default in ((1, "min", low), (2, "max", high))
        ]
        value = operator.value(0)
    else:
        if len(operator.node.input) != 2 or operator.is_constant(0) == operator.is_constant(1):
            raise Unsupported("it compares tensors with one another; one may be compared with a number")
        place = 0 if operator.is_constant(0) else 1
        bound, value = operator.constant(place), operator.value(1 - place)
        given = [bound, np.asarray(high)] if operator.kind == "Max" else [np.asarray(low), bound]
    if any(bound.size != 1 for bound in given):
        raise Unsupported("its bounds are no numbers")
    low, high = (float(bound.ravel()[0]) for bound in given)
    if abs(low) > FAR:
        low = -np.inf
    if abs(high) > FAR:
        high = np.inf
    return [Value(clipped(operator, value.tensor, low, high), value.axes)]


def clipped(operator: Operator, x: Tensor, low: float, high: float) -> Tensor:
    """``min(max(x, low), high)``, by relu or its clipped form around shifts."""
    if low == -np.inf and high == np.inf:
        return x
    if low > high:
        raise Unsupported(f"its bounds are {low:g} and {high:g}")
    if low == -np.inf:  # high - max(high - x, 0)
        return turned(operator, layers.Activation("relu")(turned(operator, x, high)), high)
    z = shifted(operator, x, -low)
    y = layers.Activation("relu")(z) if high == np.inf else layers.Activation("clipped_relu", alpha=high - low)(z)
    return shifted(operator, y, low)


def shifted(operator: Operator, x: Tensor, by: float) -> Tensor:
    """``x + by``."""
    dtype = np.float64 if operator.reader.is_double else np.float32
    return scaled(operator, rows(x), None, np.full(1, by, dtype)).tensor if by else x


def turned(operator: Operator, x: Tensor, by: float) -> Tensor:
    """``by - x``."""
    dtype = np.float64 if operator.reader.is_double else np.float32
    return scaled(operator, rows(x), np.full(1, -1, dtype), np.full(1, by, dtype)).tensor


def absolute(operator: Operator) -> list[Value]:
    """``|x|`` as ``max(x, 0) + max(-x, 0)``."""
    value = operator.value(0)
    relu = layers.Activation("relu")
    return [Value(layers.Add()(relu(value.tensor), relu(times(operator, value.tensor, -1.0))), value.axes)]


def prelu(operator: Operator) -> list[Value]:
    """PRelu: leaky_relu for one slope that is not negative, else ``slope x + (1 - slope) max(x, 0)``."""
    value, slope = operator.value(0), operator.constant(1)
    if (slope == slope.ravel()[0]).all() and slope.ravel()[0] >= 0:
        return [Value(layers.Activation("leaky_relu", alpha=float(str(slope.ravel()[0])))(value.tensor), value.axes)]
    relu = Value(layers.Activation("relu")(value.tensor), value.axes)
    parts = scaled(operator, value, slope, None), scaled(operator, relu, np.ones(1, slope.dtype) - slope, None)
    return [Value(layers.Add()(*(part.tensor for part in parts)), parts[0].axes)]


def hard_sigmoid(operator: Operator) -> list[Value]:
    """HardSigmoid: ``min(max(alpha x + beta, 0), 1)``; HardSwish: x times that of 1/6 and 1/2."""
    value = operator.value(0)
    dtype = np.float64 if operator.reader.is_double else np.float32
    swish = operator.kind == "HardSwish"
    slope, start = (1 / 6, 0.5) if swish else (operator.number("alpha", 0.2), operator.number("beta", 0.5))
    line = scaled(operator, rows(value.tensor), np.full(1, slope, dtype), np.full(1, start, dtype)).tensor
    y = layers.Activation("clipped_relu", alpha=1.0)(line)
    return [Value(layers.Multiply()(value.tensor, y) if swish else y, value.axes)]


def mish(operator: Operator) -> list[Value]:
    """``x tanh(log(1 + exp(x)))``."""
    value = operator.value(0)
    gate = layers.Activation("tanh")(layers.Activation("softplus")(value.tensor))
    return [Value(layers.Multiply()(value.tensor, gate), value.axes)]
