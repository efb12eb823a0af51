"""Many numbers along an axis as one."""

from dataclasses import KW_ONLY, dataclass
from math import prod
from numbers import Integral

from fastnn._core.ops import ReduceOp
from fastnn._spec import choose
from fastnn.layers.base import Built, Layer, Shape

FUNCTIONS = ("mean", "max", "sum")


@dataclass(frozen=True, eq=False, repr=False)
class Reduce(Layer):
    """The mean, the largest or the sum of the numbers along one axis, which disappears.

    ``Reduce("mean")`` of a sequence (B, T, C) is its mean over time (B, C), elsewhere called global average pooling.

    Parameters
    ----------
    function : {"mean", "max", "sum"}
        What becomes of the numbers.  NaN among them gives NaN.
    axis : int
        Of one row, without the batch: 0 is the time of a sequence (T, C), -1 its channels.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError
        If the function is unknown, or an input has no such axis.
    TypeError
        If axis is not an integer.

    Notes
    -----
    The gradient of the largest goes to the first of several that are equal.  A row of one axis becomes (1,).

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.Reduce("max")], input_shape=(3, 2), seed=0)
    >>> net.predict(np.array([[[1, 6], [2, 5], [3, 4]]]))
    array([[3., 6.]], dtype=float32)
    """

    function: str
    axis: int = 0
    _: KW_ONLY
    name: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        choose(f"{self.title}: unknown function", self.function, FUNCTIONS)
        if isinstance(self.axis, bool) or not isinstance(self.axis, Integral):
            raise TypeError(f"{self.title}: expected axis to be an integer, got {self.axis!r:.60}")

    def place(self, shape: Shape) -> int:
        """Return which axis of an input of this shape it is, counted from 0.

        Parameters
        ----------
        shape : tuple of int
            Of a row.

        Raises
        ------
        ValueError
            If there is no such axis.
        """
        if not -len(shape) <= self.axis < len(shape):
            raise ValueError(f"{self.title}: expected an axis of a row of shape {shape}, got {self.axis}")
        return self.axis % len(shape)

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op."""
        shape = self.one_input(input_shapes)
        at = self.place(shape)
        op = ReduceOp(self.function, prod(shape[:at]), shape[at], prod(shape[at + 1 :]))
        return Built((op,), (*shape[:at], *shape[at + 1 :]) or (1,))
