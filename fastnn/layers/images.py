"""What the layers for images share: sizes in two directions, and padding."""

from numbers import Integral
from typing import Any

from fastnn._core.ops import Geometry
from fastnn._spec import require_count
from fastnn.layers.base import Layer, Shape, batched

Pair = tuple[int, int]
PADDINGS = ("same", "valid")


def pair(who: str, name: str, value: Any, low: int = 1) -> Pair:
    """Return a number as two, one for rows and one for columns; TypeError or ValueError if it is neither."""
    both = value if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2:
        raise ValueError(f"{who}: expected {name} to be an integer or two, for rows and columns, got {value!r:.60}")
    for one in both:
        require_count(who, name, one, low=low)
    return int(both[0]), int(both[1])


def require_pair(who: str, name: str, value: Any) -> None:
    """Raise TypeError or ValueError unless the value is a positive integer, or two."""
    pair(who, name, value)


def require_padding(who: str, name: str, value: Any) -> None:
    """Raise TypeError or ValueError unless the value says how much padding there is."""
    if isinstance(value, str):
        if value not in PADDINGS:
            raise ValueError(f"{who}: expected {name} 'same', 'valid', an integer, or pairs of them, got {value!r:.60}")
        return
    sides(who, name, value)


def sides(who: str, name: str, value: Any) -> tuple[Pair, Pair]:
    """Return padding as ((top, bottom), (left, right)): an integer for all sides, or two of integers or pairs."""
    if isinstance(value, Integral) and not isinstance(value, bool):
        value = (value, value)
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise TypeError(f"{who}: expected {name} 'same', 'valid', an integer, or pairs of them, got {value!r:.60}")
    return pair(who, name, value[0], low=0), pair(who, name, value[1], low=0)


def padding_of(layer: Any, sizes: Pair, kernel: Pair, strides: Pair, dilation: Pair = (1, 1)) -> tuple[Pair, Pair]:
    """Return rows and columns before and after the image; "same": for ceil(size / stride) outputs, one more after."""
    if layer.padding == "valid":
        return (0, 0), (0, 0)
    if layer.padding != "same":
        (top, bottom), (left, right) = sides(layer.title, "padding", layer.padding)
        return (top, left), (bottom, right)
    before, after = [], []
    for size, k, s, d in zip(sizes, kernel, strides, dilation, strict=True):
        total = max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0)
        before.append(total // 2)
        after.append(total - total // 2)
    return (before[0], before[1]), (after[0], after[1])


def geometry_of(layer: Any, image: tuple[int, int, int], filters: int, groups: int) -> Geometry:
    """Return the sizes of a convolution of an image (H, W, C), or raise ValueError if no window fits."""
    H, W, C = image
    kernel, strides = pair(layer.title, "kernel_size", layer.kernel_size), pair(layer.title, "strides", layer.strides)
    dilation = pair(layer.title, "dilation", layer.dilation)
    before, after = padding_of(layer, (H, W), kernel, strides, dilation)
    if layer.padding_mode == "reflect" and (max(before[0], after[0]) >= H or max(before[1], after[1]) >= W):
        raise ValueError(
            f"{layer.title}: expected padding less than the image of {H} x {W}, to reflect it, got {before} and {after}"
        )
    result = Geometry(H, W, C, filters, kernel, strides, dilation, groups, before, after, layer.padding_mode)
    result.checked(layer.title)
    if min(result.output) < 1:
        least = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
        raise ValueError(
            f"{layer.title}: expected an image of at least {least} with its padding, got {result.padded}; use "
            "padding='same', or fewer layers that make images smaller"
        )
    return result


def image_of(layer: Layer, shapes: tuple[Shape, ...]) -> tuple[int, int, int]:
    """Return the shape (H, W, C) of the only input, or raise ValueError."""
    shape = layer.one_input(shapes)
    if len(shape) != 3:
        hint = "; add Reshape((..., 1)) for the missing axis of channels" if len(shape) == 2 else ""
        if len(shape) == 2:
            hint = f"; add Reshape({(*shape, 1)}), or give the network input_shape={(*shape, 1)}: one channel"
        raise ValueError(f"{layer.title}: expected images (B, H, W, C), channels last, got {batched(shape)}{hint}")
    return shape[0], shape[1], shape[2]
