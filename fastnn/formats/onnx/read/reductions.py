"""Sums, means and maxima along axes, in ONNX."""

from collections.abc import Callable
from math import prod

from fastnn import layers
from fastnn.formats.foreign import Unsupported
from fastnn.formats.onnx.read.reader import Operator
from fastnn.formats.onnx.read.values import BATCH, Value, reshaped, unsqueezed


def reduction(function: str) -> Callable[[Operator], list[Value]]:
    """Return what reads a mean, a sum or a maximum along axes beside the batch."""

    def read(operator: Operator) -> list[Value]:
        value = operator.value(0)
        axes, rank = operator.integers(1, "axes"), len(value.axes)
        if operator.kind.startswith("Global"):
            axes = list(range(2, rank))
        if not axes:
            if operator.whole("noop_with_empty_axes", 0):
                return [value]
            axes = list(range(rank))
        places = sorted({axis % rank for axis in axes}, reverse=True)
        keep = operator.whole("keepdims", 1)
        for place in places:
            value = without(value, place, function)
        return [unsqueezed(value, places[::-1]) if keep else value]

    return read


def without(value: Value, place: int, function: str) -> Value:
    """Return a value whose axis there is one number."""
    own = value.axes[place]
    left = [axis for i, axis in enumerate(value.axes) if i != place]
    if BATCH in own:
        raise Unsupported("it is taken over the batch")
    if not own:
        return Value(value.tensor, tuple(left))
    if len(own) > 1 or len(value.tensor.shape) == 1:
        tensor = value.tensor
        if len(own) == len(tensor.shape):  # all that a row has
            tensor = layers.Reduce(function)(reshaped(tensor, (prod(tensor.shape),)))
            return Value(tensor, tuple(left))
        raise Unsupported("it is taken over axes that were merged")
    (at,) = own
    tensor = layers.Reduce(function, axis=at)(value.tensor)
    return Value(tensor, tuple(tuple(i - (i > at) for i in axis) for axis in left))
