"""Convolution of images, each channel by itself."""

from dataclasses import KW_ONLY, dataclass, field

from fastnn._core.ops import DepthwiseOp, Geometry
from fastnn._spec import checked, checked_by, require_count, require_flag
from fastnn.initializers import Initializer
from fastnn.layers.activation import activation_ops
from fastnn.layers.base import Built, Layer, Shape
from fastnn.layers.filters import Filters
from fastnn.layers.images import Pair, geometry_of, image_of, require_padding, require_pair


@dataclass(frozen=True, eq=False, repr=False)
class DepthwiseConv2D(Filters):
    """Every channel of an image is convolved with filters of its own; channels do not mix.

    Before a ``Conv2D`` of kernel_size 1, which mixes them, it is a depthwise separable convolution [Chollet 2017], with
    a fraction of the weights of one that does both.

    Other parameters are those of Conv2D.

    Parameters
    ----------
    kernel_size : int or (int, int)
        Rows and columns of the window, KH and KW.
    activation : str or Layer, optional
        As for Dense.
    depth_multiplier : int
        Filters of each channel, M.

    Raises
    ------
    ValueError, TypeError
        If an option is not allowed, the input is no image (H, W, C), or the window is larger than the padded image.

    Notes
    -----
    ``y[i, j, c M + m] = activation(b[c M + m] + sum_{k, l} x[i s + k d, j s + l d, c] weight[k, l, c, m])``.
    Parameters: weight (KH, KW, C, M), bias (C M,), as in Keras.  ``Conv2D(C * M, ..., groups=C)`` computes the same
    from a weight (KH, KW, 1, C M) with the same numbers in the same order.

    Examples
    --------
    >>> import fastnn as fn
    >>> layers = [fn.DepthwiseConv2D(3, "relu", strides=2), fn.Conv2D(32, 1, "relu")]
    >>> net = fn.Sequential(layers, input_shape=(28, 28, 16), seed=0)
    >>> net.layers[0].weight.shape, net.layers[0].output_shape
    ((3, 3, 16, 1), (14, 14, 16))
    """

    kernel_size: int | tuple[int, int] = field(metadata=checked_by(require_pair))
    activation: str | Layer | None = None
    _: KW_ONLY
    depth_multiplier: int = checked(1, require_count)
    strides: int | tuple[int, int] = checked(1, require_pair)
    padding: str | int | tuple[int, int] | tuple[Pair, Pair] = checked("same", require_padding)
    padding_mode: str = "zeros"
    dilation: int | tuple[int, int] = checked(1, require_pair)
    bias: bool = checked(True, require_flag)
    kernel_initializer: str | Initializer | None = None
    bias_initializer: str | Initializer = "zeros"
    name: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_options((1, 1, self.depth_multiplier))

    def geometry(self, image: tuple[int, int, int]) -> Geometry:
        """Return the sizes for an image (H, W, C), each channel being a group, or raise ValueError.

        Parameters
        ----------
        image : tuple of int
            Height, width and channels.
        """
        return geometry_of(self, image, image[2] * self.depth_multiplier, image[2])

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return the convolution and the activation."""
        image = image_of(self, input_shapes)
        geometry = self.geometry(image)
        shape = (*geometry.output, geometry.filters)
        op = DepthwiseOp(geometry, self.bias, (*geometry.kernel, image[2], self.depth_multiplier))
        return Built((op, *activation_ops(self.title, self.activation, shape)), shape)
