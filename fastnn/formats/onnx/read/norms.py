"""Norms of each image by itself: the operators of ONNX, and those that exporters write out in elementary nodes."""

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from fastnn import layers
from fastnn.formats.foreign import Unsupported
from fastnn.formats.onnx.read.reader import Operator
from fastnn.formats.onnx.read.values import (
    BATCH,
    Value,
    arranged,
    as_image,
    from_last,
    image,
    reshaped,
    with_last,
    written,
)
from fastnn.layers.base import Tensor


def instance_norm(operator: Operator) -> list[Value]:
    """InstanceNormalization; of groups of channels that a Reshape put side by side, it is a GroupNorm."""
    value = operator.value(0)
    if len(value.axes) < 3:
        raise Unsupported(
            f"its input has the shape {written(value)}; images and sequences, channels second, can be read"
        )
    epsilon, gamma, beta = operator.number("epsilon", 1e-5), operator.constant(1), operator.constant(2)
    shape = value.tensor.shape
    groups = value.axes[1][0] if len(value.axes[1]) == 1 else BATCH
    if len(value.axes) == 3 and groups == len(shape) - 2 and value.axes[2] == (groups + 1, *range(groups)):
        gamma, beta = (np.repeat(array, shape[-1]) for array in (gamma, beta))
        x = reshaped(value.tensor, (*shape[:groups], len(gamma)))
        y = scaled(operator, layers.GroupNorm(shape[groups], epsilon=epsilon), x, gamma, beta)
        return [Value(reshaped(y, shape), value.axes)]
    return [image(scaled(operator, layers.InstanceNorm(epsilon=epsilon), as_image(value), gamma, beta))]


def group_norm(operator: Operator) -> list[Value]:
    """GroupNormalization as from opset 21 on; the one before it, with scales of groups, ONNX itself refuses."""
    value, groups = operator.value(0), operator.whole("num_groups", 1)
    if len(value.axes) < 3:
        raise Unsupported(
            f"its input has the shape {written(value)}; images and sequences, channels second, can be read"
        )
    x = as_image(value)
    gamma, beta = operator.constant(1), operator.constant(2)
    return [image(scaled(operator, layers.GroupNorm(groups, epsilon=operator.number("epsilon", 1e-5)), x, gamma, beta))]


def scaled(
    operator: Operator, layer: layers.GroupNorm | layers.InstanceNorm, x: Tensor, gamma: np.ndarray, beta: np.ndarray
) -> Tensor:
    """Apply a norm with the scales that are not 1 and the shifts that are not 0."""
    given = {"gamma": gamma} if (gamma != 1).any() else {}
    given |= {"beta": beta} if beta.any() else {}
    return operator.apply(replace(layer, scale="gamma" in given, shift="beta" in given), x, **given)


def found_norm(operator: Operator) -> list[Value]:
    """``(x - mean) / sqrt(variance + epsilon)``, or without the mean, that several nodes wrote out."""
    value, epsilon = operator.value(0), operator.number("epsilon", 1e-5)
    rank = len(value.axes)
    over = sorted({axis % rank for axis in operator.attributes["axes"]})
    kept = [place for place in range(rank) if place not in over]
    if 0 in over:
        raise Unsupported("it is taken over the batch")
    count = prod(value.shape[place] for place in over)
    if abs(operator.number("count", count) - count) > 1e-4 * count:
        raise Unsupported(f"its mean is of {count} numbers, and divided by {operator.number('count', count)}")
    if not operator.whole("centred", 1):
        if len(over) != 1:
            raise Unsupported("it divides by the root of a mean square over several axes; PixelNorm has one")
        layer = layers.PixelNorm(epsilon=epsilon)
        if value.axes[over[0]] == (len(value.tensor.shape) - 1,):
            return [Value(layer(value.tensor), value.axes)]
        return [from_last(layer(with_last(value, over[0])), over[0], value)]
    if len(kept) > 2:
        raise Unsupported(f"it normalises the axes {over} of {written(value)}; all but the batch and one can be")
    norm: dict[str, Any] = {"epsilon": epsilon, "scale": False, "shift": False}
    if kept == [0, 1] and rank > 2:
        return [image(layers.InstanceNorm(**norm)(as_image(value)))]
    x = arranged(value, range(1, rank))
    groups = value.shape[kept[1]] if len(kept) == 2 else 1
    pixels = prod(value.shape[1 : kept[1]]) if len(kept) == 2 else 1
    y = layers.GroupNorm(groups, **norm)(reshaped(x, (pixels, prod(x.shape) // pixels)))
    return [Value(reshaped(y, x.shape), ((BATCH,), *((i,) for i in range(rank - 1))))]
