"""Dropout of units."""

from dataclasses import KW_ONLY, dataclass, field
from math import prod

from fastnn._core.ops import DropoutOp
from fastnn._spec import checked_by
from fastnn.layers.base import Built, Layer, Shape
from fastnn.layers.dropconnect import require_rate


@dataclass(frozen=True, eq=False, repr=False)
class Dropout(Layer):
    """Units are missing at random while training, all are active otherwise.

    Parameters
    ----------
    rate : float
        Probability in [0, 1) that a unit is missing.
    inverted : bool
        True: what is kept is scaled by 1/(1-rate) while training.  False: inference scales all units by 1-rate (the
        form of the original paper).  Both have one expectation.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If rate is not a number in [0, 1).

    Notes
    -----
    Srivastava et al. 2014.  Masks are a function of (seed, layer, update, element), so they do not depend on threads.

    Examples
    --------
    >>> import fastnn as fn
    >>> net = fn.Sequential([fn.Dense(64, "relu"), fn.Dropout(0.2), fn.Dense(10)], input_shape=64, seed=0)
    """

    rate: float = field(metadata=checked_by(require_rate))
    _: KW_ONLY
    inverted: bool = True
    name: str | None = None

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op over all elements."""
        shape = self.one_input(input_shapes)
        return Built((DropoutOp(prod(shape), self.rate, self.inverted),), shape)
