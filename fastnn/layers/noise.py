"""What is random in training alone: whole channels that are missing, and normal noise."""

from dataclasses import KW_ONLY, dataclass, field
from math import prod

from fastnn._core.ops import ChannelDropoutOp, NoiseOp
from fastnn._spec import at_least_0, checked_by
from fastnn.layers.base import Built, Layer, Shape
from fastnn.layers.dropconnect import require_rate


@dataclass(frozen=True, eq=False, repr=False)
class SpatialDropout(Layer):
    """Whole channels are missing at random while training, all are there otherwise.

    Parameters
    ----------
    rate : float
        Probability in [0, 1) that a channel of a row is missing; the others are scaled by 1/(1-rate).
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If rate is not a number in [0, 1).

    Notes
    -----
    Tompson et al. 2015: neighbouring pixels tell of each other, so that dropping single ones hides little.  The input
    is an image (H, W, C), or any shape (..., C).  Keras has it as ``SpatialDropout2D``, PyTorch as ``Dropout2d``.
    Masks are a function of (seed, layer, update, row, channel), so they do not depend on threads.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.SpatialDropout(0.5)], input_shape=(2, 2, 8), seed=0)
    >>> y = net.forward(np.ones((1, 2, 2, 8)), training=True)
    >>> bool((y == y[:, :1, :1]).all()), sorted({float(each) for each in y.ravel()})
    (True, [0.0, 2.0])
    """

    rate: float = field(metadata=checked_by(require_rate))
    _: KW_ONLY
    name: str | None = None

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op over the last axis."""
        shape = self.one_input(input_shapes)
        return Built((ChannelDropoutOp(prod(shape[:-1]), shape[-1], self.rate),), shape)


@dataclass(frozen=True, eq=False, repr=False)
class GaussianNoise(Layer):
    """Normal noise is added while training, nothing otherwise: ``y = x + stddev n``.

    Parameters
    ----------
    stddev : float
        Standard deviation of the noise, at least 0.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If stddev is not a finite number of at least 0.

    Notes
    -----
    A way to learn functions that change little where the inputs do [Bishop 1995].  The noise is a function of (seed,
    layer, update, element), so it does not depend on threads, nor on how a mini-batch is cut.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.GaussianNoise(0.5)], input_shape=10_000, seed=0)
    >>> x = np.zeros((1, 10_000))
    >>> float(net.forward(x, training=True).std().round(1)), bool((net.predict(x) == 0).all())
    (0.5, True)
    """

    stddev: float = field(metadata=checked_by(at_least_0))
    _: KW_ONLY
    name: str | None = None

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op over all elements."""
        shape = self.one_input(input_shapes)
        return Built((NoiseOp(prod(shape), self.stddev),), shape)
