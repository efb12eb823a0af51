"""Dropout of connections."""

from dataclasses import KW_ONLY, dataclass
from functools import partial

from fastnn._core.ops import DropConnectOp
from fastnn._spec import checked, require_fraction
from fastnn.layers.activation import activation_ops
from fastnn.layers.base import Built, Shape
from fastnn.layers.dense import Dense

require_rate = partial(require_fraction, why=": nothing would be left")


@dataclass(frozen=True, eq=False, repr=False)
class DropConnect(Dense):
    """A Dense layer whose connections are missing at random while it trains.

    Other parameters are those of Dense.

    Parameters
    ----------
    rate : float
        Probability in [0, 1) that a connection is missing.
    inverted : bool
        True: what is kept is scaled by 1/(1-rate) while training, and inference is that of Dense.  False: inference
        scales the weights by 1-rate, for the extra connections that are active then.  Both have one expectation.

    Raises
    ------
    ValueError, TypeError
        If rate is not in [0, 1), or as in Dense.

    Notes
    -----
    Wan et al. 2013; the mask is drawn once per mini-batch instead of once per row.  Dropout masks units, DropConnect
    masks connections.

    Examples
    --------
    >>> import fastnn as fn
    >>> net = fn.Sequential([fn.DropConnect(32, "relu", rate=0.5), fn.Dense(2)], input_shape=8, seed=0)
    """

    _: KW_ONLY
    rate: float = checked(0.5, require_rate)
    inverted: bool = True

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return the masked product and the activation."""
        product = DropConnectOp(self.one_vector(input_shapes), self.units, self.bias, self.rate, self.inverted)
        return Built((product, *activation_ops(self.title, self.activation, (self.units,))), (self.units,))
