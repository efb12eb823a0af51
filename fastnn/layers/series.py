"""What the layers for sequences (T, C) share that see a window of time steps: sizes, and padding."""

from numbers import Integral
from typing import Any

from fastnn.layers.base import Layer, Shape, batched
from fastnn.layers.images import Pair, pair

PADDINGS = ("same", "valid")


def require_padding(who: str, name: str, value: Any) -> None:
    """Raise TypeError or ValueError unless the value says how many steps of padding there are."""
    if isinstance(value, str):
        if value not in PADDINGS:
            raise ValueError(f"{who}: expected {name} 'same', 'valid', an integer, or two, got {value!r:.60}")
        return
    ends(who, name, value)


def require_padding_or_causal(who: str, name: str, value: Any) -> None:
    """Raise TypeError or ValueError unless the value is ``"causal"`` or says how many steps of padding there are."""
    if isinstance(value, str) and value not in (*PADDINGS, "causal"):
        raise ValueError(f"{who}: expected {name} 'same', 'valid', 'causal', an integer, or two, got {value!r:.60}")
    if value != "causal":
        require_padding(who, name, value)


def ends(who: str, name: str, value: Any) -> Pair:
    """Return padding as (before, after): an integer for both, or two."""
    if isinstance(value, bool) or not isinstance(value, Integral | tuple | list):
        raise TypeError(f"{who}: expected {name} 'same', 'valid', an integer, or two, got {value!r:.60}")
    if not isinstance(value, Integral) and len(value) != 2:
        raise ValueError(f"{who}: expected {name} of an integer, or two, for before and after, got {value!r:.60}")
    return pair(who, name, value, low=0)


def padding_of(layer: Any, T: int, kernel: int, stride: int, dilation: int = 1) -> Pair:
    """Return the steps before and after a sequence; "same": for ceil(T / stride) outputs, the odd one after it."""
    if layer.padding == "valid":
        return 0, 0
    reach = (kernel - 1) * dilation
    if layer.padding == "causal":
        return reach, 0
    if layer.padding != "same":
        return ends(layer.title, "padding", layer.padding)
    total = max((-(-T // stride) - 1) * stride + reach + 1 - T, 0)
    return total // 2, total - total // 2


def series_of(layer: Layer, shapes: tuple[Shape, ...]) -> Pair:
    """Return the shape (T, C) of the only input, or raise ValueError."""
    shape = layer.one_input(shapes)
    if len(shape) != 2:
        hint = ""
        if len(shape) == 1:
            hint = f"; add Reshape({(*shape, 1)}), or give the network input_shape={(*shape, 1)}: one channel"
        raise ValueError(f"{layer.title}: expected sequences (B, T, C), channels last, got {batched(shape)}{hint}")
    return shape[0], shape[1]
