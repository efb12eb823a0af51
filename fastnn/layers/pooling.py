"""Pooling of images: the largest or the mean of each window, channel by channel."""

from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar

from fastnn._core.ops import PoolOp
from fastnn._spec import checked, checked_by, require_flag
from fastnn.layers.base import Built, Layer, Shape
from fastnn.layers.images import Pair, image_of, padding_of, pair, require_padding, require_pair


def _require_strides(who: str, name: str, value: Any) -> None:
    if value is not None:
        require_pair(who, name, value)


@dataclass(frozen=True, eq=False, repr=False)
class _Pool2D(Layer):
    """Base of MaxPool2D and AvgPool2D."""

    pool_size: int | tuple[int, int] = field(default=2, metadata=checked_by(require_pair))
    _: KW_ONLY
    strides: int | tuple[int, int] | None = checked(None, _require_strides)
    padding: str | int | tuple[int, int] | tuple[Pair, Pair] = checked("valid", require_padding)
    ceil_mode: bool = checked(False, require_flag)
    name: str | None = None

    kind: ClassVar[str]

    @property
    def counts_outside(self) -> bool:
        """Whether a mean counts the padding."""
        return False

    def windows(self, H: int, W: int) -> tuple[Pair, Pair, Pair, Pair]:
        """Return kernel, strides, and padding before and after an image, each for rows and columns.

        Parameters
        ----------
        H, W : int
            Rows and columns of the image.
        """
        kernel = pair(self.title, "pool_size", self.pool_size)
        strides = kernel if self.strides is None else pair(self.title, "strides", self.strides)
        return kernel, strides, *padding_of(self, (H, W), kernel, strides)

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op over all windows."""
        H, W, C = image_of(self, input_shapes)
        kernel, strides, before, after = self.windows(H, W)
        if any(side >= k for side, k in zip((*before, *after), kernel * 2, strict=True)):
            raise ValueError(
                f"{self.title}: expected padding below pool_size {kernel}, so that each window sees the image, got "
                f"{before} and {after}"
            )
        output: Pair = tuple(  # type: ignore[assignment]
            windows(size, first, last, k, s, self.ceil_mode)
            for size, first, last, k, s in zip((H, W), before, after, kernel, strides, strict=True)
        )
        if min(output) < 1:
            raise ValueError(
                f"{self.title}: expected an image of at least {kernel} with its padding, got {H} x {W}; use "
                "padding='same', or a smaller pool_size"
            )
        op = PoolOp(self.kind, (H, W, C), output, kernel, strides, before, self.counts_outside)
        return Built((op,), (*output, C))


def require_one_padding(layer: Any) -> None:
    """Raise ValueError if a mean counts padding, and its last window may end beyond it."""
    if layer.count_padding and layer.ceil_mode:
        raise ValueError(
            f"{layer.title}: expected count_padding or ceil_mode, got both: what is beyond the padding is no padding"
        )


def windows(size: int, before: int, after: int, kernel: int, stride: int, ceil: bool) -> int:
    """Return how many windows there are along one axis; ``ceil``: also one that ends beyond the padding."""
    room = size + before + after - kernel
    count = (-(-room // stride) if ceil else room // stride) + 1
    return count - 1 if ceil and (count - 1) * stride >= size + before else count  # each begins within the image


@dataclass(frozen=True, eq=False, repr=False)
class MaxPool2D(_Pool2D):
    """The largest value of each window, channel by channel.

    Parameters
    ----------
    pool_size : int or (int, int)
        Rows and columns of a window.
    strides : int or (int, int), optional
        Steps between windows; ``pool_size`` if left out.
    padding : "valid", "same", int, or pair of ints or pairs
        As for Conv2D; what is put around the image never is the largest.
    ceil_mode : bool
        Whether a last window that ends beyond the padding counts.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If an option is not allowed, the input is no image (H, W, C), or no window fits.

    Notes
    -----
    The gradient goes to the first place of a window that is the largest.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.MaxPool2D(2)(fn.Input((28, 28, 8))).shape
    (14, 14, 8)
    """

    kind: ClassVar[str] = "max"


@dataclass(frozen=True, eq=False, repr=False)
class AvgPool2D(_Pool2D):
    """The mean of each window, channel by channel.

    Parameters
    ----------
    pool_size : int or (int, int)
        Rows and columns of a window.
    strides : int or (int, int), optional
        Steps between windows; ``pool_size`` if left out.
    padding : "valid", "same", int, or pair of ints or pairs
        As for Conv2D, zeros.
    ceil_mode : bool
        Whether a last window that ends beyond the padding counts.
    count_padding : bool
        Whether the mean is over the whole window, zeros outside the image included; else over what lies in the image.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If an option is not allowed, the input is no image (H, W, C), or no window fits.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.AvgPool2D(3, strides=2, padding="same")(fn.Input((7, 7, 8))).shape
    (4, 4, 8)
    """

    _: KW_ONLY
    count_padding: bool = checked(False, require_flag)

    kind: ClassVar[str] = "mean"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_padding(self)

    @property
    def counts_outside(self) -> bool:
        """Whether a mean counts the padding."""
        return self.count_padding


@dataclass(frozen=True, eq=False, repr=False)
class _GlobalPool2D(Layer):
    """Base of GlobalMaxPool2D and GlobalAvgPool2D."""

    _: KW_ONLY
    name: str | None = None

    kind: ClassVar[str]

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op over one window."""
        H, W, C = image_of(self, input_shapes)
        return Built((PoolOp(self.kind, (H, W, C), (1, 1), (H, W), (H, W), (0, 0), False),), (C,))


@dataclass(frozen=True, eq=False, repr=False)
class GlobalMaxPool2D(_GlobalPool2D):
    """The largest value of each channel of an image (H, W, C): (C,).

    Parameters
    ----------
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError
        If the input is no image (H, W, C).

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.GlobalMaxPool2D()(fn.Input((7, 7, 64))).shape
    (64,)
    """

    kind: ClassVar[str] = "max"


@dataclass(frozen=True, eq=False, repr=False)
class GlobalAvgPool2D(_GlobalPool2D):
    """The mean of each channel of an image (H, W, C): (C,) [Lin, Chen & Yan 2014].

    Parameters
    ----------
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError
        If the input is no image (H, W, C).

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.GlobalAvgPool2D()(fn.Input((7, 7, 64))).shape
    (64,)
    """

    kind: ClassVar[str] = "mean"
