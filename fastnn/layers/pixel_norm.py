"""Normalisation of each pixel by itself, without parameters."""

from dataclasses import KW_ONLY, dataclass
from math import prod

from fastnn._core.ops import PixelNormOp
from fastnn._spec import above_0, checked
from fastnn.layers.base import Built, Layer, Shape


@dataclass(frozen=True, eq=False, repr=False)
class PixelNorm(Layer):
    """Each pixel is divided by the root mean square of its channels: ``y = x / sqrt(mean_c(x^2) + epsilon)``.

    Parameters
    ----------
    epsilon : float
        Added to the mean square.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If epsilon is not a positive number.

    Notes
    -----
    Karras et al. 2018, section 4.2.  The input is an image (H, W, C), or any shape (..., C).  Nothing is learned.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.PixelNorm()], input_shape=(1, 2, 2), seed=0)
    >>> net.predict(np.array([[[[1, 7], [-3, 3]]]])).round(4).tolist()
    [[[[0.20000000298023224, 1.399999976158142], [-1.0, 1.0]]]]
    """

    _: KW_ONLY
    epsilon: float = checked(1e-8, above_0)
    name: str | None = None

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op over the last axis."""
        shape = self.one_input(input_shapes)
        return Built((PixelNormOp(prod(shape[:-1]), shape[-1], self.epsilon),), shape)
