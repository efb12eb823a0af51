"""Which channels go together, wherever that is: what a texture is told by."""

from dataclasses import KW_ONLY, dataclass
from math import prod

from fastnn._core.ops import GramOp
from fastnn.layers.base import Built, Layer, Shape, batched


@dataclass(frozen=True, eq=False, repr=False)
class Gram(Layer):
    """The Gram matrix of an image or a sequence: ``y[i, j] = mean over the places of x[i] x[j]``, (C, C).

    Parameters
    ----------
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError
        If the input has no places, only numbers.

    Notes
    -----
    Gatys, Ecker & Bethge 2015, eq. 3, over the number of places, so that it means the same for images of any size.  The
    input is an image (H, W, C), or any shape (..., C) of two axes or more.  Nothing is learned.  `StyleLoss` compares
    what it says of two pictures.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.Gram()], input_shape=(1, 2, 2), seed=0)
    >>> net.predict(np.array([[[[1, 2], [3, 0]]]])).tolist()
    [[[5.0, 1.0], [1.0, 2.0]]]
    """

    _: KW_ONLY
    name: str | None = None

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op over all places."""
        shape = self.one_input(input_shapes)
        if len(shape) < 2:
            raise ValueError(f"{self.title}: expected images (B, H, W, C) or sequences (B, T, C), got {batched(shape)}")
        return Built((GramOp(prod(shape[:-1]), shape[-1]),), (shape[-1], shape[-1]))
