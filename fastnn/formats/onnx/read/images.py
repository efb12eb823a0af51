"""Operators of ONNX on images, whose channels come second there, and last here."""

from typing import Any

import numpy as np

from fastnn import layers
from fastnn.formats.foreign import Unsupported
from fastnn.formats.onnx.read.reader import Operator
from fastnn.formats.onnx.read.reductions import reduction
from fastnn.formats.onnx.read.values import Value, as_image, image, reshaped, written
from fastnn.layers.base import Tensor

PADDING_MODES = {"constant": "zeros", "edge": "replicate", "reflect": "reflect"}
Sides = tuple[tuple[int, int], ...]  # before and after, for each axis of an image


def convolution(operator: Operator) -> list[Value]:
    """Conv of images, with constant weights."""
    return [convolved(operator, operator.value(0))]


def convolved(operator: Operator, value: Value, around: Sides = ((0, 0), (0, 0)), mode: str = "zeros") -> Value:
    """Return what a Conv makes of images; ``around``: what a Pad before it puts around them, in which mode."""
    weight = operator.constant(1)
    x = images_of(value, weight.ndim - 2)
    padded = (*(n + sum(p) for n, p in zip(x.shape, around, strict=False)), x.shape[-1])
    kernel, strides, dilation, pads = windows(operator, padded, weight.shape[2:])
    if mode != "zeros" and any(map(any, pads)):
        raise Unsupported(f"it puts zeros around what a Pad of mode {mode!r} put around the image")
    pads = tuple((p[0] + q[0], p[1] + q[1]) for p, q in zip(pads, around, strict=True))
    layer = layers.Conv2D(
        weight.shape[0], kernel, strides=strides, padding=padding(pads), padding_mode=mode, dilation=dilation,
        groups=operator.whole("group", 1), bias=operator.has(2),
    )  # fmt: skip
    parameters = {"weight": weight.transpose(*range(2, weight.ndim), 1, 0)}
    if operator.has(2):
        parameters["bias"] = operator.constant(2)
    return image(operator.apply(layer, x, **parameters))


def pad(operator: Operator) -> list[Value]:
    """Pad before a Conv, which becomes its padding."""
    value, count = operator.value(0), len(operator.value(0).axes)
    given, mode = operator.integers(1, "pads") or [], operator.text("mode", "constant")
    places = (
        [axis % count for axis in operator.integers(3, "axes") or range(count)] if operator.has(3) else range(count)
    )
    if len(given) != 2 * len(places) or min(given) < 0:
        raise Unsupported(f"its pads are {given}")
    around = dict.fromkeys(range(count), (0, 0)) | dict(
        zip(places, zip(given[: len(places)], given[len(places) :], strict=True), strict=True)
    )
    filling = operator.constant(2) if operator.has(2) else np.asarray(operator.attributes.get("value", 0.0))
    if mode not in PADDING_MODES or (mode == "constant" and filling.any()):
        raise Unsupported(f"its mode is {mode!r:.40} with {filling.ravel()[:1].tolist()}")
    if not any(map(any, around.values())):
        return [value]
    following = operator.only_reader("Conv")
    if following is None or count != 4 or any(around[0]) or any(around[1]):
        raise Unsupported("it stands before something other than the only Conv that reads it, or pads channels")
    operator.absorb(following)
    return [convolved(following, value, (around[2], around[3]), PADDING_MODES[mode])]


def transposed_convolution(operator: Operator) -> list[Value]:
    """ConvTranspose, for which there is no layer yet."""
    raise Unsupported("fastnn has no transposed convolution yet; in its place, Resize and Conv can be exported")


def pooling(operator: Operator) -> list[Value]:
    """MaxPool or AveragePool."""
    if operator.is_read(1):
        raise Unsupported("its second output, the places of the largest, is read")
    x = images_of(operator.value(0), len(operator.attributes["kernel_shape"]))
    kernel, strides, dilation, pads = windows(operator, x.shape, ())
    if any(step != 1 for step in dilation):
        raise Unsupported(f"its windows have gaps, dilations={list(dilation)}")
    options: dict[str, Any] = {"strides": strides, "padding": padding(pads)}
    options["ceil_mode"] = bool(operator.whole("ceil_mode", 0))
    if operator.kind == "MaxPool":
        return [image(layers.MaxPool2D(kernel, **options)(x))]
    counted = bool(operator.whole("count_include_pad", 0)) and any(map(any, pads))
    if counted and options["ceil_mode"]:
        exact = all((n + sum(p) - k) % s == 0 for n, p, k, s in zip(x.shape, pads, kernel, strides, strict=False))
        if not exact:
            raise Unsupported("it counts padding and has windows beyond it, count_include_pad beside ceil_mode")
        options["ceil_mode"] = False
    return [image(layers.AvgPool2D(kernel, count_padding=counted, **options)(x))]


def global_pooling(operator: Operator) -> list[Value]:
    """GlobalMaxPool or GlobalAveragePool of images; of anything else it is a reduction like others."""
    value = operator.value(0)
    largest = operator.kind == "GlobalMaxPool"
    if len(value.axes) != 4:
        return reduction("max" if largest else "mean")(operator)
    y = (layers.GlobalMaxPool2D() if largest else layers.GlobalAvgPool2D())(as_image(value))
    return [image(reshaped(y, (1, 1, *y.shape)))]


def local_response_norm(operator: Operator) -> list[Value]:
    """LRN."""
    number = operator.number
    layer = layers.LocalResponseNorm(
        operator.whole("size", 1), alpha=number("alpha", 1e-4), beta=number("beta", 0.75), k=number("bias", 1.0)
    )
    return [image(layer(images_of(operator.value(0))))]


def images_of(value: Value, axes: int | None = None) -> Tensor:
    """Return a value as images (H, W, C); raises Unsupported if it, or what reads it, has another number of axes."""
    if len(value.axes) != 4 or axes not in (2, None):
        raise Unsupported(f"its input has the shape {written(value)}; images (batch, C, H, W) can be read")
    return as_image(value)


def windows(operator: Operator, shape: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[Any, Any, Any, Sides]:
    """Return size, steps and gaps of windows, and the padding around an image of that shape, for each of its axes."""
    size = tuple(map(int, operator.attributes.get("kernel_shape", kernel)))
    ones = [1] * len(size)
    strides = tuple(map(int, operator.attributes.get("strides", ones)))
    dilation = tuple(map(int, operator.attributes.get("dilations", ones)))
    automatic = operator.text("auto_pad", "NOTSET")
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        return size, strides, dilation, same(shape[:-1], size, strides, dilation, automatic == "SAME_UPPER")
    if automatic not in ("NOTSET", "VALID"):
        raise Unsupported(f"its auto_pad is {automatic!r:.40}")
    given = operator.attributes.get("pads", [0] * 2 * len(size)) if automatic == "NOTSET" else [0] * 2 * len(size)
    if min(given) < 0:
        raise Unsupported(f"its pads are {list(given)}, and take something away")
    return size, strides, dilation, tuple(zip(given[: len(size)], given[len(size) :], strict=True))


def same(
    sizes: tuple[int, ...], kernel: tuple[int, ...], strides: tuple[int, ...], dilation: tuple[int, ...], upper: bool
) -> Sides:
    """Return padding for ceil(size / stride) windows; the odd one comes after the image, or before it."""
    found = []
    for n, k, s, d in zip(sizes, kernel, strides, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        less, more = total // 2, total - total // 2
        found.append((less, more) if upper else (more, less))
    return tuple(found)


def padding(pads: Sides) -> Any:
    """Return padding as layers are given it, in the shortest form."""
    if not any(map(any, pads)):
        return "valid"
    return pads[0][0] if len({*map(tuple, pads)}) == 1 and pads[0][0] == pads[0][1] else pads
