"""Modules of PyTorch that see windows of images or sequences, whose channels are second there and last here."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fastnn import layers
from fastnn.formats.foreign import Unsupported
from fastnn.layers.base import Layer, Shape
from fastnn.layers.images import Pair

Convert = Callable[[Any, Shape], list[Layer]]
PADDINGS = {"Constant": "constant", "Reflection": "reflect", "Replication": "replicate", "Zero": "zeros"}
PADDING_MODULES = tuple(f"{kind}Pad{axes}d" for kind in PADDINGS for axes in (1, 2))


def axes_of(module: Any) -> int:
    """Return how many axes a module has windows along, as its name says: Conv1d, MaxPool2d."""
    return int(type(module).__name__[-2])


def each(module: Any, value: Any) -> tuple[int, ...]:
    """Return a setting as one number for each axis."""
    return tuple(map(int, value)) if isinstance(value, tuple | list) else (int(value),) * axes_of(module)


def given(numbers: tuple[int, ...]) -> Any:
    """Return numbers as layers are given them: of sequences one alone."""
    return numbers[0] if len(numbers) == 1 else numbers


def padding_as_given(pairs: tuple[Pair, ...]) -> Any:
    """Return padding (before, after) of each axis as layers are given it."""
    numbers = {number for both in pairs for number in both}
    if len(numbers) == 1:
        return numbers.pop() or "valid"
    return pairs[0] if len(pairs) == 1 else pairs


def sides(module: Any, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> Any:
    """Return padding as layers are given it: "same" has the odd one at the end, as here with strides of 1."""
    if module.padding == "valid":
        return "valid"
    if module.padding == "same":
        totals = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
        return padding_as_given(tuple((total // 2, total - total // 2) for total in totals))
    return padding_as_given(tuple((number, number) for number in each(module, module.padding)))


def convolution(module: Any, shape: Shape) -> list[Layer]:
    """Conv1d or Conv2d."""
    modes = {"zeros": "zeros", "reflect": "reflect", "replicate": "replicate"}
    if module.padding_mode not in modes:
        raise Unsupported(f"expected padding_mode {', '.join(modes)}, got {module.padding_mode!r:.40}")
    kernel, dilation = each(module, module.kernel_size), each(module, module.dilation)
    kind: Any = layers.Conv1D if len(kernel) == 1 else layers.Conv2D
    return [
        kind(
            module.out_channels, given(kernel), strides=given(each(module, module.stride)),
            padding=sides(module, kernel, dilation), padding_mode=modes[module.padding_mode], dilation=given(dilation),
            groups=module.groups, bias=module.bias is not None,
        )
    ]  # fmt: skip


def transposed_convolution(module: Any, shape: Shape) -> list[Layer]:
    """ConvTranspose2d, which cuts its padding off."""
    kernel, strides, dilation, more = (
        each(module, value) for value in (module.kernel_size, module.stride, module.dilation, module.output_padding)
    )
    if any(m >= s for m, s in zip(more, strides, strict=True)):
        raise Unsupported(f"expected output_padding less than stride {strides}, got {more}")
    return [
        layers.ConvTranspose2D(
            module.out_channels, (kernel[0], kernel[1]), strides=(strides[0], strides[1]),
            padding=sides(module, kernel, dilation), output_padding=(more[0], more[1]),
            dilation=(dilation[0], dilation[1]), groups=module.groups, bias=module.bias is not None,
        )
    ]  # fmt: skip


def pads_of(module: Any) -> tuple[tuple[Pair, ...], str, float] | None:
    """Return (before, after) of each axis, mode and value of a padding, None for any other module."""
    kind, _, axes = type(module).__name__.partition("Pad")
    if kind not in PADDINGS or axes not in ("1d", "2d"):
        return None
    numbers = each(module, module.padding)  # the last axis first
    pairs = tuple((numbers[i], numbers[i + 1]) for i in range(0, len(numbers), 2))[::-1]
    value = float(getattr(module, "value", 0))
    return pairs, PADDINGS[kind] if value or kind != "Constant" else "zeros", value


def around(leaves: list[tuple[str, Any]], place: int) -> Any:
    """Return the module at a place if it is a padding that the convolution behind it can take up."""
    if place < 0 or place + 1 >= len(leaves) or (found := pads_of(leaves[place][1])) is None:
        return None
    (pairs, mode, _), following = found, leaves[place + 1][1]
    plain = type(following).__name__ == f"Conv{len(pairs)}d" and following.padding in ((0,) * len(pairs), "valid")
    return leaves[place][1] if plain and mode != "constant" and min(map(min, pairs)) >= 0 else None


def padded_convolution(before: Any) -> Convert:
    """Return what makes a convolution with the padding of the module before it."""
    pairs, mode, _ = pads_of(before)  # type: ignore[misc]

    def make(module: Any, shape: Shape) -> list[Layer]:
        (layer,) = convolution(module, shape)
        return [replace(layer, padding=given(pairs), padding_mode=mode)]  # type: ignore[type-var, arg-type]

    return make


def lone_padding(module: Any, shape: Shape) -> list[Layer]:
    """Padding that no convolution takes up; that of less than nothing takes off."""
    pairs, mode, value = pads_of(module)  # type: ignore[misc]
    numbers = [number for both in pairs for number in both]
    if len(pairs) == 1:
        raise Unsupported("expected it right before a Conv1d without padding")
    if min(numbers) >= 0:
        return [layers.Pad2D((pairs[0], pairs[1]), mode, value=value)]
    if max(numbers) > 0:
        raise Unsupported(f"expected rows and columns put around or taken off, got both: {tuple(module.padding)}")
    rows, columns = ((-before, -after) for before, after in pairs)
    return [layers.Crop2D((rows, columns))]


def pooling(module: Any, shape: Shape) -> list[Layer]:
    """MaxPool or AvgPool, 1d or 2d."""
    kernel = each(module, module.kernel_size)
    strides = kernel if module.stride is None else each(module, module.stride)
    options: dict[str, Any] = {
        "strides": given(strides),
        "padding": sides(module, kernel, (1,) * len(kernel)),
        "ceil_mode": bool(module.ceil_mode),
    }
    if type(module).__name__.startswith("Max"):
        if set(each(module, module.dilation)) != {1} or module.return_indices:
            raise Unsupported("it has dilation or return_indices")
        return [(layers.MaxPool1D if len(kernel) == 1 else layers.MaxPool2D)(given(kernel), **options)]
    if getattr(module, "divisor_override", None) is not None:
        raise Unsupported("it has divisor_override")
    counted = bool(module.count_include_pad) and options["padding"] != "valid"
    if counted and options["ceil_mode"]:
        beside = each(module, module.padding)
        if any((n + 2 * p - k) % s for n, p, k, s in zip(shape, beside, kernel, strides, strict=False)):
            raise Unsupported("it counts padding and has windows beyond it, count_include_pad beside ceil_mode")
        options["ceil_mode"] = False
    return [
        (layers.AvgPool1D if len(kernel) == 1 else layers.AvgPool2D)(given(kernel), count_padding=counted, **options)
    ]


def adaptive_pooling(module: Any, shape: Shape) -> list[Layer]:
    """AdaptiveAvgPool or AdaptiveMaxPool, 1d or 2d: to one place, or to a size that divides the image."""
    (*sizes, channels), axes = shape, axes_of(module)
    wanted = module.output_size if isinstance(module.output_size, tuple | list) else (module.output_size,) * axes
    size = tuple(n if one is None else int(one) for one, n in zip(wanted, sizes, strict=True))
    largest = type(module).__name__.startswith("AdaptiveMax")
    if largest and module.return_indices:
        raise Unsupported("it has return_indices")
    kind = f"{'Max' if largest else 'Avg'}Pool{axes}D"
    if set(size) == {1}:
        return [getattr(layers, f"Global{kind}")(), layers.Reshape((*size, channels))]
    if any(n % one for n, one in zip(sizes, size, strict=True)):
        raise Unsupported(f"expected output_size to divide the image of {' x '.join(map(str, sizes))}, got {wanted}")
    return [getattr(layers, kind)(given(tuple(n // one for n, one in zip(sizes, size, strict=True))))]


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
