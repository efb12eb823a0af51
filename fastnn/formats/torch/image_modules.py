"""Modules of PyTorch for images, (C, H, W) there, as layers here, whose images are (H, W, C)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fastnn import layers
from fastnn.formats.foreign import Unsupported
from fastnn.layers.base import Layer, Shape
from fastnn.layers.images import Pair, pair

Convert = Callable[[Any, Shape], list[Layer]]
PADDING_MODES = {"ReflectionPad2d": "reflect", "ReplicationPad2d": "replicate", "ZeroPad2d": "zeros"}


def sides(module: Any, kernel: Pair, dilation: Pair = (1, 1)) -> Any:
    """Return padding as layers are given it: "same" has the odd one at the end, as here with strides of 1."""
    given = module.padding
    if isinstance(given, str):
        if given == "valid":
            return "valid"
        totals = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    rows, columns = pair("from_torch", "padding", given, low=0)
    return "valid" if not rows and not columns else rows if rows == columns else (rows, columns)


def convolution(module: Any, shape: Shape) -> list[Layer]:
    """Conv2d."""
    modes = {"zeros": "zeros", "reflect": "reflect", "replicate": "replicate"}
    if module.padding_mode not in modes:
        raise Unsupported(f"expected padding_mode {', '.join(modes)}, got {module.padding_mode!r:.40}")
    kernel, dilation = pair("", "", module.kernel_size), pair("", "", module.dilation)
    return [
        layers.Conv2D(
            module.out_channels, kernel, strides=pair("", "", module.stride), padding=sides(module, kernel, dilation),
            padding_mode=modes[module.padding_mode], dilation=dilation, groups=module.groups,
            bias=module.bias is not None,
        )
    ]  # fmt: skip


def around(leaves: list[tuple[str, Any]], place: int) -> Any:
    """Return the module at a place if it puts something around images, and a Conv2d behind it nothing."""
    if place < 0 or place + 1 >= len(leaves) or type(leaves[place][1]).__name__ not in PADDING_MODES:
        return None
    following = leaves[place + 1][1]
    plain = type(following).__name__ == "Conv2d" and following.padding in ((0, 0), "valid")
    return leaves[place][1] if plain else None


def padded_convolution(before: Any) -> Convert:
    """Return what makes a Conv2d with the padding of the module before it."""
    left, right, top, bottom = map(int, before.padding)
    mode = PADDING_MODES[type(before).__name__]

    def make(module: Any, shape: Shape) -> list[Layer]:
        (layer,) = convolution(module, shape)
        return [replace(layer, padding=((top, bottom), (left, right)), padding_mode=mode)]  # type: ignore[type-var]

    return make


def lone_padding(module: Any, shape: Shape) -> list[Layer]:
    """Refuse padding that no convolution takes up."""
    raise Unsupported("expected it right before a Conv2d without padding")


def pooling(module: Any, shape: Shape) -> list[Layer]:
    """MaxPool2d or AvgPool2d."""
    kernel = pair("", "", module.kernel_size)
    strides = kernel if module.stride is None else pair("", "", module.stride)
    options: dict[str, Any] = {
        "strides": strides,
        "padding": sides(module, kernel),
        "ceil_mode": bool(module.ceil_mode),
    }
    if type(module).__name__ == "MaxPool2d":
        if pair("", "", module.dilation) != (1, 1) or module.return_indices:
            raise Unsupported("it has dilation or return_indices")
        return [layers.MaxPool2D(kernel, **options)]
    if module.divisor_override is not None:
        raise Unsupported("it has divisor_override")
    counted = bool(module.count_include_pad) and options["padding"] != "valid"
    if counted and options["ceil_mode"]:
        around = pair("", "", module.padding, low=0)
        if any((n + 2 * p - k) % s for n, p, k, s in zip(shape, around, kernel, strides, strict=False)):
            raise Unsupported("it counts padding and has windows beyond it, count_include_pad beside ceil_mode")
        options["ceil_mode"] = False
    return [layers.AvgPool2D(kernel, count_padding=counted, **options)]


def adaptive_pooling(module: Any, shape: Shape) -> list[Layer]:
    """AdaptiveAvgPool2d or AdaptiveMaxPool2d: to one pixel, or to a size that divides the image."""
    height, width, channels = shape
    given = module.output_size if isinstance(module.output_size, tuple | list) else (module.output_size,) * 2
    size = tuple(n if wanted is None else int(wanted) for wanted, n in zip(given, (height, width), strict=True))
    largest = type(module).__name__ == "AdaptiveMaxPool2d"
    if largest and module.return_indices:
        raise Unsupported("it has return_indices")
    if size == (1, 1):
        layer = layers.GlobalMaxPool2D() if largest else layers.GlobalAvgPool2D()
        return [layer, layers.Reshape((1, 1, channels))]
    if height % size[0] or width % size[1]:
        raise Unsupported(f"expected output_size to divide the image of {height} x {width}, got {given}")
    kernel = height // size[0], width // size[1]
    return [layers.MaxPool2D(kernel) if largest else layers.AvgPool2D(kernel)]


def softmax_of_channels(name: str) -> Convert:
    """Return what makes Softmax or LogSoftmax over the channels."""

    def make(module: Any, shape: Shape) -> list[Layer]:
        if module.dim not in (1, -len(shape)):
            raise Unsupported(f"expected dim=1, the channels, got {module.dim}")
        return [layers.Activation(name)]

    return make


def flatten_images(module: Any, shape: Shape) -> list[Layer]:
    """Flatten of a whole image; what reads it has its parameters turned."""
    if (module.start_dim, module.end_dim % (len(shape) + 1)) != (1, len(shape)):
        raise Unsupported("it flattens a part of an image")
    return [layers.Flatten()]


def of_other_axes(module: Any, shape: Shape) -> list[Layer]:
    """Refuse what acts along the last axis, which is the width there."""
    raise Unsupported("it acts along the width of images; fastnn's last axis are the channels")
