"""Pooling of sequences: the largest or the mean of each window of time steps, channel by channel."""

from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import ClassVar

from fastnn._core.ops import PoolOp
from fastnn._spec import checked, checked_by, optional, require_count, require_flag
from fastnn.layers.base import Built, Layer, Shape
from fastnn.layers.pooling import require_one_padding, windows
from fastnn.layers.series import padding_of, require_padding, series_of


@dataclass(frozen=True, eq=False, repr=False)
class _Pool1D(Layer):
    """Base of MaxPool1D and AvgPool1D."""

    pool_size: int = field(default=2, metadata=checked_by(require_count))
    _: KW_ONLY
    strides: int | None = checked(None, partial(optional, require_count))
    padding: str | int | tuple[int, int] = checked("valid", require_padding)
    ceil_mode: bool = checked(False, require_flag)
    name: str | None = None

    kind: ClassVar[str]

    @property
    def counts_outside(self) -> bool:
        """Whether a mean counts the padding."""
        return False

    def windows(self, T: int) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int], tuple[int, int]]:
        """Return kernel, strides, and padding before and after T steps, each for rows and columns of an image.

        Parameters
        ----------
        T : int
            Steps of the sequence.
        """
        stride = self.strides or self.pool_size
        before, after = padding_of(self, T, self.pool_size, stride)
        return (self.pool_size, 1), (stride, 1), (before, 0), (after, 0)

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op over all windows, those of an image of one row."""
        T, C = series_of(self, input_shapes)
        kernel, strides, before, after = self.windows(T)
        if max(before[0], after[0]) >= self.pool_size:
            raise ValueError(
                f"{self.title}: expected padding below pool_size {self.pool_size}, so that each window sees the "
                f"sequence, got {before[0]} and {after[0]}"
            )
        out = windows(T, before[0], after[0], kernel[0], strides[0], self.ceil_mode)
        if out < 1:
            raise ValueError(
                f"{self.title}: expected a sequence of at least {self.pool_size} steps with its padding, got {T}; use "
                "padding='same', or a smaller pool_size"
            )
        op = PoolOp(self.kind, (1, T, C), (1, out), kernel[::-1], strides[::-1], before[::-1], self.counts_outside)
        return Built((op,), (out, C))


@dataclass(frozen=True, eq=False, repr=False)
class MaxPool1D(_Pool1D):
    """The largest value of each window of steps, channel by channel.

    Parameters
    ----------
    pool_size : int
        Steps of a window.
    strides : int, optional
        Steps between windows; ``pool_size`` if left out.
    padding : "valid", "same", int, or (int, int)
        As for Conv1D, without "causal"; what is put around the sequence never is the largest.
    ceil_mode : bool
        Whether a last window that ends beyond the padding counts.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If an option is not allowed, the input is no sequence (T, C), or no window fits.

    Notes
    -----
    The gradient goes to the first place of a window that is the largest.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.MaxPool1D(2)(fn.Input((50, 8))).shape
    (25, 8)
    """

    kind: ClassVar[str] = "max"


@dataclass(frozen=True, eq=False, repr=False)
class AvgPool1D(_Pool1D):
    """The mean of each window of steps, channel by channel.

    Parameters
    ----------
    pool_size : int
        Steps of a window.
    strides : int, optional
        Steps between windows; ``pool_size`` if left out.
    padding : "valid", "same", int, or (int, int)
        As for Conv1D, without "causal"; zeros.
    ceil_mode : bool
        Whether a last window that ends beyond the padding counts.
    count_padding : bool
        Whether the mean is over the whole window, zeros outside the sequence included; else over what lies in it.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If an option is not allowed, the input is no sequence (T, C), or no window fits.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.AvgPool1D(3, strides=2, padding="same")(fn.Input((7, 8))).shape
    (4, 8)
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
class _GlobalPool1D(Layer):
    """Base of GlobalMaxPool1D and GlobalAvgPool1D."""

    _: KW_ONLY
    name: str | None = None

    kind: ClassVar[str]

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op over one window."""
        T, C = series_of(self, input_shapes)
        return Built((PoolOp(self.kind, (1, T, C), (1, 1), (1, T), (1, T), (0, 0), False),), (C,))


@dataclass(frozen=True, eq=False, repr=False)
class GlobalMaxPool1D(_GlobalPool1D):
    """The largest value of each channel of a sequence (T, C): (C,).

    Parameters
    ----------
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError
        If the input is no sequence (T, C).

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.GlobalMaxPool1D()(fn.Input((50, 8))).shape
    (8,)
    """

    kind: ClassVar[str] = "max"


@dataclass(frozen=True, eq=False, repr=False)
class GlobalAvgPool1D(_GlobalPool1D):
    """The mean of each channel of a sequence (T, C): (C,).

    Parameters
    ----------
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError
        If the input is no sequence (T, C).

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.GlobalAvgPool1D()(fn.Input((50, 8))).shape
    (8,)
    """

    kind: ClassVar[str] = "mean"
