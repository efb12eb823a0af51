"""Convolution of images."""

from dataclasses import KW_ONLY, dataclass, field

from fastnn._core.ops import Geometry, WinogradOp
from fastnn._spec import checked, checked_by, require_count, require_flag
from fastnn.initializers import Initializer
from fastnn.layers.activation import activation_ops
from fastnn.layers.base import Built, Layer, Shape
from fastnn.layers.filters import Filters
from fastnn.layers.images import Pair, geometry_of, image_of, pair, require_padding, require_pair


@dataclass(frozen=True, eq=False, repr=False)
class Conv2D(Filters):
    """Every pixel of the output sees a window of the image, through the same weights wherever the window is.

    Parameters
    ----------
    filters : int
        Outputs of each pixel, O.
    kernel_size : int or (int, int)
        Rows and columns of the window, KH and KW.
    activation : str or Layer, optional
        As for Dense.
    strides : int or (int, int)
        Steps between windows.
    padding : "same", "valid", int, or pair of ints or pairs
        What is put around the image.  "same": as much as gives ceil(H / stride) rows, the odd one at the bottom;
        "valid": nothing; or how many rows and columns: ``1`` on all sides, ``(1, 2)`` one above and below, two left
        and right, ``((1, 0), (2, 0))`` top, bottom, left and right.
    padding_mode : {"zeros", "reflect", "replicate"}
        What stands there: zeros, the image mirrored without its edge, or its edge.
    dilation : int or (int, int)
        Steps between the places of a window.
    groups : int
        Groups of channels, each seen by its share of the filters alone.
    bias : bool
        Whether filters have a bias.
    winograd : bool
        Whether outputs are computed in tiles of 4 x 4, with a quarter of the multiplications: faster, and less exact;
        see Notes.  For ``kernel_size`` 3, ``strides`` 1, no dilation and no groups.
    kernel_initializer : str or Initializer, optional
        As for Dense; an input of a filter is a place of its window and a channel.
    bias_initializer : str or Initializer
        How the biases start.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If an option is not allowed, the input is no image (H, W, C), its channels or the filters cannot be shared by
        the groups, or the window is larger than the padded image.

    Notes
    -----
    ``y[i, j, o] = activation(b[o] + sum_{k, l, c} x[i s + k d, j s + l d, c] weight[k, l, c, o])``: a
    cross-correlation, as everywhere in this field [LeCun et al. 1989].  Parameters: weight (KH, KW, C / groups, O),
    bias (O,).  Images have their channels last, as in Keras.

    With ``winograd`` a tile of outputs is ``A^T (sum_c (G w_c G^T) * (B^T x_c B)) A`` of the 6 x 6 pixels x that it
    sees, the products in brackets elementwise: F(4 x 4, 3 x 3) of [Lavin and Gray 2016], at the points 0, +-3/4, +-3/2
    and infinity.  It pays from 32 channels on where many tiles share the weights: large maps, or small ones in batches.
    What it gives up: the rounding error is about twice as large (root mean square in float32, 64 channels of normal
    numbers: 8.4e-7 of that of the outputs in place of 4.2e-7; at the corners of a tile 1.4e-6); an output's bits depend
    on its place in its tile, though still on no batch, thread or instruction set with a fused multiply-add; NaN and
    infinity spread over a tile.  Transformed weights take four times the memory of the weights.  ``to_onnx`` and
    ``export_c`` write the ordinary convolution.

    Examples
    --------
    >>> import fastnn as fn
    >>> layers = [fn.Conv2D(8, 3, "relu"), fn.MaxPool2D(2), fn.Conv2D(16, 3, "relu"), fn.GlobalAvgPool2D()]
    >>> net = fn.Sequential([*layers, fn.Dense(10)], input_shape=(28, 28, 1), seed=0)
    >>> net.layers[0].weight.shape, net.layers[0].output_shape
    ((3, 3, 1, 8), (28, 28, 8))
    """

    filters: int = field(metadata=checked_by(require_count))
    kernel_size: int | tuple[int, int] = field(metadata=checked_by(require_pair))
    activation: str | Layer | None = None
    _: KW_ONLY
    strides: int | tuple[int, int] = checked(1, require_pair)
    padding: str | int | tuple[int, int] | tuple[Pair, Pair] = checked("same", require_padding)
    padding_mode: str = "zeros"
    dilation: int | tuple[int, int] = checked(1, require_pair)
    groups: int = checked(1, require_count)
    bias: bool = checked(True, require_flag)
    winograd: bool = checked(False, require_flag)
    kernel_initializer: str | Initializer | None = None
    bias_initializer: str | Initializer = "zeros"
    name: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_options((1, 1, self.filters))
        if self.filters % self.groups:
            raise ValueError(f"{self.title}: expected filters that {self.groups} groups can share, got {self.filters}")
        asked = [pair(self.title, name, getattr(self, name)) for name in ("kernel_size", "strides", "dilation")]
        if self.winograd and (asked != [(3, 3), (1, 1), (1, 1)] or self.groups > 1):
            raise ValueError(
                f"{self.title}: expected kernel_size=3, strides=1, dilation=1 and groups=1 with winograd=True, got "
                f"{self.kernel_size}, {self.strides}, {self.dilation} and {self.groups}; leave winograd out"
            )

    def geometry(self, image: tuple[int, int, int]) -> Geometry:
        """Return the sizes for an image (H, W, C), or raise ValueError.

        Parameters
        ----------
        image : tuple of int
            Height, width and channels.
        """
        if image[2] % self.groups:
            raise ValueError(f"{self.title}: expected channels that {self.groups} groups can share, got {image[2]}")
        return geometry_of(self, image, self.filters, self.groups)

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return the convolution and the activation."""
        geometry = self.geometry(image_of(self, input_shapes))
        shape = (*geometry.output, self.filters)
        weight = (*geometry.kernel, geometry.channels // self.groups, self.filters)
        op = WinogradOp(geometry, self.bias) if self.winograd else self.convolution(geometry, weight)
        return Built((op, *activation_ops(self.title, self.activation, shape)), shape)
