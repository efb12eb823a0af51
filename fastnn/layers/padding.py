"""Rows and columns put around an image, or taken off it."""

from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from fastnn._core.ops import CropOp, PadOp
from fastnn._spec import checked, checked_by, choose, require_number
from fastnn.layers.base import Built, Layer, Shape
from fastnn.layers.images import Pair, image_of, sides

MODES = ("zeros", "reflect", "replicate", "constant")


def _require_sides(who: str, name: str, value: Any) -> None:
    """Raise TypeError or ValueError unless the value says how many rows and columns."""
    if isinstance(value, str):
        raise TypeError(f"{who}: expected {name} an integer, or pairs of them, got {value!r:.60}")
    sides(who, name, value)


def shown(place: int, size: int, mode: str) -> int:
    """Return which of ``size`` rows stands at a place, which may lie outside; -1 for none of them."""
    if 0 <= place < size:
        return place
    if mode == "reflect":
        return -place if place < 0 else 2 * (size - 1) - place
    if mode == "replicate":
        return 0 if place < 0 else size - 1
    return -1


@dataclass(frozen=True, eq=False, repr=False)
class Pad2D(Layer):
    """Rows and columns put around an image.

    Parameters
    ----------
    padding : int, or pair of ints or pairs
        How many: ``1`` on all sides, ``(1, 2)`` one above and below, two left and right, ``((1, 0), (2, 0))`` top,
        bottom, left and right.
    mode : {"zeros", "reflect", "replicate", "constant"}
        What stands there: zeros, the image mirrored without its edge, its edge, or ``value``.
    value : float
        Of mode "constant".
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If an option is not allowed, the input is no image (H, W, C), or it is too small to be mirrored.

    Notes
    -----
    The gradient of a pixel that the padding shows again is the sum of theirs.  A convolution pads by itself, at no
    cost: this is for what its ``padding`` cannot say.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.Pad2D((0, 2), "reflect")], input_shape=(1, 3, 1), seed=0)
    >>> net.predict(np.array([[[[1.0], [2.0], [3.0]]]])).ravel()
    array([3., 2., 1., 2., 3., 2., 1.], dtype=float32)
    """

    padding: int | tuple[int, int] | tuple[Pair, Pair] = field(metadata=checked_by(_require_sides))
    mode: str = "zeros"
    _: KW_ONLY
    value: float = checked(0.0, require_number)
    name: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        choose(f"{self.title}: unknown mode", self.mode, MODES)
        if self.value and self.mode != "constant":
            raise ValueError(f"{self.title}: expected mode='constant' for a value, got {self.mode!r}")

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op; none where nothing is put around."""
        H, W, C = image_of(self, input_shapes)
        (top, bottom), (left, right) = sides(self.title, "padding", self.padding)
        if self.mode == "reflect" and (max(top, bottom) >= H or max(left, right) >= W):
            raise ValueError(
                f"{self.title}: expected padding less than the image of {H} x {W}, to reflect it, got "
                f"{((top, bottom), (left, right))}"
            )
        rows = [shown(place, H, self.mode) for place in range(-top, H + bottom)]
        columns = [shown(place, W, self.mode) for place in range(-left, W + right)]
        shape = (len(rows), len(columns), C)
        if shape == (H, W, C):
            return Built((), shape)
        return Built((PadOp((H, W, C), (top, left), rows, columns, float(self.value)),), shape)


@dataclass(frozen=True, eq=False, repr=False)
class Crop2D(Layer):
    """Rows and columns taken off an image.

    Parameters
    ----------
    cropping : int, or pair of ints or pairs
        How many, as ``padding`` of Pad2D.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If the input is no image (H, W, C), or nothing is left of it.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.Crop2D(((1, 0), (2, 2)))(fn.Input((28, 28, 3))).shape
    (27, 24, 3)
    """

    cropping: int | tuple[int, int] | tuple[Pair, Pair] = field(metadata=checked_by(_require_sides))
    _: KW_ONLY
    name: str | None = None

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op; none where nothing is taken off."""
        H, W, C = image_of(self, input_shapes)
        (top, bottom), (left, right) = sides(self.title, "cropping", self.cropping)
        size = H - top - bottom, W - left - right
        if min(size) < 1:
            raise ValueError(
                f"{self.title}: expected cropping that leaves something of {H} x {W}, got "
                f"{((top, bottom), (left, right))}"
            )
        ops = (CropOp((H, W, C), (top, left), size),) if size != (H, W) else ()
        return Built(ops, (*size, C))
