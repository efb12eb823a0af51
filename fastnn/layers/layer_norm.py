"""Normalisation over the channels of each row."""

from dataclasses import KW_ONLY, dataclass
from math import prod

from fastnn._core.ops import LayerNormOp
from fastnn._spec import above_0, checked, require_flag
from fastnn.initializers import Initializer
from fastnn.layers.base import Built, Layer, Shape


@dataclass(frozen=True, eq=False, repr=False)
class LayerNorm(Layer):
    """The numbers along the last axis are brought to mean 0 and variance 1, then scaled and shifted.

    ``y = gamma (x - mean) / sqrt(variance + epsilon) + beta`` with the mean and variance of each row of the last axis:
    the same in training and after it, and independent of the other rows.

    Parameters
    ----------
    epsilon : float
        Added to the variance.
    scale : bool
        Whether there is a learned gamma, one number per channel.
    shift : bool
        Whether there is a learned beta.
    gamma_initializer, beta_initializer : str or Initializer
        How gamma and beta start.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If epsilon is not positive or an initializer is unknown; and for inputs of one channel, which would all be 0.

    Notes
    -----
    Ba, Kiros & Hinton 2016.  Weight decay and max-norm do not apply to gamma and beta.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.LayerNorm()], input_shape=2, seed=0)
    >>> net.predict(np.array([[1, 3], [40, 20]])).round(4)
    array([[-1.,  1.],
           [ 1., -1.]], dtype=float32)
    """

    _: KW_ONLY
    epsilon: float = checked(1e-5, above_0)
    scale: bool = checked(True, require_flag)
    shift: bool = checked(True, require_flag)
    gamma_initializer: str | Initializer = "ones"
    beta_initializer: str | Initializer = "zeros"
    name: str | None = None

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op over the last axis."""
        shape = self.one_input(input_shapes)
        if shape[-1] == 1:
            raise ValueError(f"{self.title}: expected at least 2 channels to normalise over, got shape {shape}")
        return Built((LayerNormOp(prod(shape[:-1]), shape[-1], self.epsilon, self.scale, self.shift),), shape)
