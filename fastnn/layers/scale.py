"""A factor and a shift for each channel."""

from dataclasses import KW_ONLY, dataclass
from math import prod

from fastnn._core.ops import ScaleOp
from fastnn._spec import checked, require_flag
from fastnn.initializers import Initializer
from fastnn.layers.base import Built, Layer, Shape


@dataclass(frozen=True, eq=False, repr=False)
class Scale(Layer):
    """A learned factor and shift for each channel, the last axis: ``y = gamma x + beta``.

    Parameters
    ----------
    scale : bool
        Whether there is a factor gamma, one number per channel.
    shift : bool
        Whether there is a shift beta, one number per channel.
    gamma_initializer, beta_initializer : str or Initializer
        How gamma and beta start.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If there is neither factor nor shift, or an initializer is unknown.

    Notes
    -----
    Parameters: gamma (C,), beta (C,).  Weight decay and max-norm do not apply to them.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.Scale()], input_shape=2, seed=0)
    >>> net.layers[0].gamma[:] = 10, 100
    >>> net.predict(np.array([[1, 3]]))
    array([[ 10., 300.]], dtype=float32)
    """

    _: KW_ONLY
    scale: bool = checked(True, require_flag)
    shift: bool = checked(True, require_flag)
    gamma_initializer: str | Initializer = "ones"
    beta_initializer: str | Initializer = "zeros"
    name: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.scale and not self.shift:
            raise ValueError(f"{self.title}: expected scale or shift, got neither, which changes nothing")

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op over the last axis."""
        shape = self.one_input(input_shapes)
        return Built((ScaleOp(prod(shape[:-1]), shape[-1], self.scale, self.shift),), shape)
