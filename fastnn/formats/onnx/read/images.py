"""Operators of ONNX on images, whose channels come second there, and last here."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn import layers
from fastnn.formats.foreign import Unsupported
from fastnn.formats.onnx.read.reader import Operator
from fastnn.formats.onnx.read.reductions import reduction
from fastnn.formats.onnx.read.values import Value, as_image, as_tensor, image, reshaped, rows, written
from fastnn.layers.base import Tensor
from fastnn.layers.images import pair

PADDING_MODES = {"constant": "zeros", "edge": "replicate", "reflect": "reflect"}
Sides = tuple[tuple[int, int], ...]  # before and after, for each axis of an image
ROUNDING: dict[str, Callable[[np.ndarray], np.ndarray]] = {  # of a place between pixels to the nearest
    "floor": np.floor,
    "ceil": np.ceil,
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
}


def convolution(operator: Operator) -> list[Value]:
    """Conv of images or sequences, with constant weights."""
    return [convolved(operator, operator.value(0))]


def convolved(operator: Operator, value: Value, around: Sides | None = None, mode: str = "zeros") -> Value:
    """Return what a Conv makes of images; ``around``: what a Pad before it puts around them, in which mode."""
    weight = operator.constant(1)
    x, axes = images_of(value, weight.ndim - 2), weight.ndim - 2
    around = around or ((0, 0),) * axes
    padded = (*(n + sum(p) for n, p in zip(x.shape, around, strict=False)), x.shape[-1])
    kernel, strides, dilation, pads = windows(operator, padded, weight.shape[2:])
    pads = tuple((p[0] + q[0], p[1] + q[1]) for p, q in zip(pads, around, strict=True))
    groups = operator.whole("group", 1)
    options: dict[str, Any] = {"padding": padding(pads), "padding_mode": mode, "bias": operator.has(2)}
    turned = weight.transpose(*range(2, weight.ndim), 1, 0)
    layer: layers.Conv1D | layers.Conv2D | layers.DepthwiseConv2D
    if axes == 1:
        if mode == "zeros" and pads[0][0] and pads[0] == ((kernel[0] - 1) * dilation[0], 0):
            options["padding"] = "causal"  # which a Stream takes
        layer = layers.Conv1D(
            len(weight), kernel[0], strides=strides[0], dilation=dilation[0], groups=groups, **options
        )
    elif groups == x.shape[-1] > 1 and len(weight) % groups == 0:
        turned = turned.reshape(*kernel, groups, len(weight) // groups)
        layer = layers.DepthwiseConv2D(
            kernel, depth_multiplier=turned.shape[-1], strides=strides, dilation=dilation, **options
        )
    else:
        layer = layers.Conv2D(len(weight), kernel, strides=strides, dilation=dilation, groups=groups, **options)
    parameters = {"weight": turned}
    if operator.has(2):
        parameters["bias"] = operator.constant(2)
    return image(operator.apply(layer, x, **parameters))


def transposed_convolution(operator: Operator) -> list[Value]:
    """ConvTranspose of images, with constant weights (C, O / groups, KH, KW)."""
    weight = operator.constant(1)
    x = images_of(operator.value(0), weight.ndim - 2)
    groups = operator.whole("group", 1)
    kernel, strides, dilation, more = (
        pair(operator.title, name, tuple(map(int, operator.attributes.get(name, default))), low=0)
        for name, default in (
            ("kernel_shape", weight.shape[2:]),
            ("strides", (1, 1)),
            ("dilations", (1, 1)),
            ("output_padding", (0, 0)),
        )
    )
    full = tuple(
        (n - 1) * s + (k - 1) * d + 1 + m
        for n, s, k, d, m in zip(x.shape, strides, kernel, dilation, more, strict=False)
    )
    layer = layers.ConvTranspose2D(
        weight.shape[1] * groups, kernel, strides=strides, padding=padding(cut_off(operator, x.shape, strides, full)),
        output_padding=more, dilation=dilation, groups=groups, bias=operator.has(2),
    )  # fmt: skip
    parameters = {"weight": weight.transpose(2, 3, 1, 0)}
    if operator.has(2):
        parameters["bias"] = operator.constant(2)
    return [image(operator.apply(layer, x, **parameters))]


def cut_off(operator: Operator, shape: tuple[int, ...], strides: tuple[int, ...], full: tuple[int, ...]) -> Sides:
    """Return what a ConvTranspose cuts off before and after an output of these full sizes."""
    automatic = operator.text("auto_pad", "NOTSET")
    wanted = operator.attributes.get("output_shape")
    if automatic in ("SAME_UPPER", "SAME_LOWER") and wanted is None:
        wanted = [n * s for n, s in zip(shape, strides, strict=False)]
    if wanted is None:
        given = [int(i) for i in operator.attributes.get("pads", (0, 0, 0, 0))] if automatic == "NOTSET" else [0] * 4
        found = tuple(zip(given[:2], given[2:], strict=True))
    else:
        totals = [n - int(w) for n, w in zip(full, wanted, strict=True)]
        less = [(total // 2, total - total // 2) for total in totals]
        found = tuple(less if automatic == "SAME_UPPER" else [(b, a) for a, b in less])
    if min(min(ends) for ends in found) < 0:
        raise Unsupported(f"its pads are {found}, and add something; give a larger output_padding, or a Pad behind it")
    return found


def pad(operator: Operator) -> list[Value]:
    """Pad of rows and columns, or of steps; before a Conv it becomes the padding of that."""
    value, count = operator.value(0), len(operator.value(0).axes)
    given, mode = operator.integers(1, "pads") or [], operator.text("mode", "constant")
    places = (
        [axis % count for axis in operator.integers(3, "axes") or range(count)] if operator.has(3) else range(count)
    )
    if len(given) != 2 * len(places) or min(given) < 0:
        raise Unsupported(f"its pads are {given}; to take something away, use Slice")
    around = dict.fromkeys(range(count), (0, 0)) | dict(
        zip(places, zip(given[: len(places)], given[len(places) :], strict=True), strict=True)
    )
    filling = operator.constant(2) if operator.has(2) else np.asarray(operator.attributes.get("value", 0.0))
    if mode not in PADDING_MODES or filling.size > 1:
        raise Unsupported(f"its mode is {mode!r:.40}; known: {', '.join(PADDING_MODES)}, of one number")
    if not any(map(any, around.values())):
        return [value]
    known, number = PADDING_MODES[mode], float(filling.sum()) if mode == "constant" else 0.0
    following = operator.only_reader("Conv")
    if following is not None and count in (3, 4) and not any(around[0]) and not any(around[1]) and not number:
        own = pads_itself(following)
        if known == "zeros" or not own:
            operator.absorb(following)
            return [convolved(following, value, tuple(around[i] for i in range(2, count)), known)]
    padded = {place for place in range(count) if any(around[place])}
    x, back = on_pixels(value, padded)
    first = 2 if back is image else 1
    constant: dict[str, Any] = {"mode": "constant", "value": number} if number else {"mode": known}
    if count == 3:  # a sequence is an image of one column
        y = layers.Pad2D((around[first], (0, 0)), **constant)(reshaped(x, (x.shape[0], 1, x.shape[1])))
        return [back(reshaped(y, (y.shape[0], y.shape[2])))]
    return [back(layers.Pad2D((around[first], around[first + 1]), **constant)(x))]


def pads_itself(operator: Operator) -> bool:
    """Return whether a Conv puts something around its input itself."""
    if operator.text("auto_pad", "NOTSET") in ("SAME_UPPER", "SAME_LOWER"):
        return True
    return any(operator.attributes.get("pads", ()))


def on_pixels(value: Value, places: set[int]) -> tuple[Tensor, Callable[[Tensor], Value]]:
    """Return a value in that of the two orders in which these axes are rows and columns, or steps, and the way back."""
    count = len(value.axes)
    second, last = places <= set(range(2, count)), places <= set(range(1, count - 1))
    if count not in (3, 4) or not (second or last):
        raise Unsupported(
            f"it changes the axes {sorted(places)} of {written(value)}; rows and columns of images, or steps of "
            "sequences, can be changed"
        )
    if second and (not last or value.axes == image(value.tensor).axes):
        return as_image(value), image
    return as_tensor(value), rows


def blocks(operator: Operator) -> list[Value]:
    """DepthToSpace or SpaceToDepth."""
    block, mode = operator.whole("blocksize", 1), operator.text("mode", "DCR")
    layer = layers.DepthToSpace if operator.kind == "DepthToSpace" else layers.SpaceToDepth
    return [image(layer(block, mode=mode)(images_of(operator.value(0))))]


def resize(operator: Operator) -> list[Value]:
    """Resize or Upsample by whole factors: the nearest pixel, or bilinear between the centres of pixels."""
    value, mode = operator.value(0), operator.text("mode", "nearest")
    if len(value.axes) != 4:
        raise Unsupported(f"its input has the shape {written(value)}; images (batch, C, H, W) can be read")
    factors = factors_of(operator, value.shape)
    changed = {place for place, factor in enumerate(factors) if factor != 1}
    x, back = on_pixels(value, changed)
    sizes, factor = x.shape[:2], (factors[2], factors[3]) if back is image else (factors[1], factors[2])
    if mode not in ("nearest", "linear") or not all(
        n == 1 or f == 1 or same_pixels(operator, n, f, mode) for n, f in zip(sizes, factor, strict=True)
    ):
        raise Unsupported(
            f"its mode is {mode!r:.40} with {' and '.join(map(repr, ways(operator)))}; export it as nearest "
            "with asymmetric and floor, or as linear with half_pixel"
        )
    if not changed:
        return [value]
    return [back(layers.Upsample2D(factor, mode="nearest" if mode == "nearest" else "bilinear")(x))]


def factors_of(operator: Operator, shape: tuple[int, ...]) -> list[int]:
    """Return by how much each axis grows, the batch by 1; raises Unsupported if by no whole number."""
    old = is_early(operator)
    axes = [axis % len(shape) for axis in operator.attributes.get("axes", range(len(shape)))]
    scales = operator.constant(1 if old else 2).ravel() if operator.has(1 if old else 2) else np.zeros(0)
    if scales.size:
        given = [float(scale) for scale in scales]
    elif not old and operator.has(3):
        if operator.text("keep_aspect_ratio_policy", "stretch") != "stretch":
            raise Unsupported("it keeps the ratio of sizes; give it scales")
        sizes = operator.constant(3).ravel().tolist()
        given = [
            1.0 if axis == 0 and size in (1, operator.reader.batch) else size / shape[axis]
            for axis, size in zip(axes, sizes, strict=True)
        ]
    else:
        raise Unsupported("it has neither scales nor sizes")
    found = dict.fromkeys(range(len(shape)), 1.0) | dict(zip(axes, given, strict=True))
    if found[0] != 1 or any(scale < 1 or scale != int(scale) for scale in found.values()):
        raise Unsupported(f"it resizes by {[found[i] for i in range(len(shape))]}; whole factors can be read")
    return [int(found[i]) for i in range(len(shape))]


def is_early(operator: Operator) -> bool:
    """Return whether it is of a form before opset 11: scales come second, and places are counted from corners."""
    return operator.reader.opset < 11 or operator.kind == "Upsample"


def ways(operator: Operator) -> tuple[str, str]:
    """Return how a Resize finds the place that a pixel comes from, and how the nearest pixel to that."""
    default = ("asymmetric", "floor") if is_early(operator) else ("half_pixel", "round_prefer_floor")
    return operator.text("coordinate_transformation_mode", default[0]), operator.text("nearest_mode", default[1])


def same_pixels(operator: Operator, size: int, factor: int, mode: str) -> bool:
    """Return whether the pixels that it reads along an axis are those that Upsample2D reads."""
    way, nearest = ways(operator)
    out = np.arange(size * factor)
    centres = (out + 0.5) / factor - 0.5
    known = {
        "half_pixel": centres,
        "pytorch_half_pixel": centres,
        "half_pixel_symmetric": centres,
        "asymmetric": out / factor,
        "align_corners": out * (size - 1) / (size * factor - 1),
    }
    if way not in known:
        return False
    if mode == "linear":
        return np.array_equal(known[way], centres)
    rounding = ROUNDING.get(nearest)
    if rounding is None:
        return False
    return np.array_equal(np.clip(rounding(known[way]), 0, size - 1), out // factor)


def pooling(operator: Operator) -> list[Value]:
    """MaxPool or AveragePool."""
    if operator.is_read(1):
        raise Unsupported("its second output, the places of the largest, is read")
    axes = len(operator.attributes["kernel_shape"])
    x = images_of(operator.value(0), axes)
    kernel, strides, dilation, pads = windows(operator, x.shape, ())
    if any(step != 1 for step in dilation):
        raise Unsupported(f"its windows have gaps, dilations={list(dilation)}")
    options: dict[str, Any] = {"strides": strides, "padding": padding(pads)}
    options["ceil_mode"] = bool(operator.whole("ceil_mode", 0))
    sizes = kernel
    if axes == 1:
        (kernel,), options["strides"] = kernel, strides[0]
    if operator.kind == "MaxPool":
        return [image((layers.MaxPool1D if axes == 1 else layers.MaxPool2D)(kernel, **options)(x))]
    counted = bool(operator.whole("count_include_pad", 0)) and any(map(any, pads))
    if counted and options["ceil_mode"]:
        exact = all((n + sum(p) - k) % s == 0 for n, p, k, s in zip(x.shape, pads, sizes, strides, strict=False))
        if not exact:
            raise Unsupported("it counts padding and has windows beyond it, count_include_pad beside ceil_mode")
        options["ceil_mode"] = False
    mean = layers.AvgPool1D if axes == 1 else layers.AvgPool2D
    return [image(mean(kernel, count_padding=counted, **options)(x))]


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
    value = operator.value(0)
    if len(value.axes) == 4 and value.axes[1] == (len(value.tensor.shape) - 1,):  # the channels, wherever others are
        return [Value(layer(value.tensor), value.axes)]
    return [image(layer(images_of(value)))]


def images_of(value: Value, axes: int | None = None) -> Tensor:
    """Return a value as images (H, W, C), or sequences (T, C) where what reads it has one axis; else Unsupported."""
    count = 2 if axes is None else axes
    if len(value.axes) != count + 2 or count not in (1, 2):
        either = "images (batch, C, H, W)" if axes is None else "images (batch, C, H, W) and sequences (batch, C, T)"
        raise Unsupported(f"its input has the shape {written(value)}; {either} can be read")
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
    if len(pads) == 1:
        return pads[0][0] if pads[0][0] == pads[0][1] else tuple(pads[0])
    return pads[0][0] if len({*map(tuple, pads)}) == 1 and pads[0][0] == pads[0][1] else pads
