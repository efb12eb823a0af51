"""Convolution of images."""

from dataclasses import KW_ONLY, dataclass, field
from typing import ClassVar

from fastnn._core.ops import ConvolutionOp, Geometry
from fastnn._spec import checked, checked_by, choose, require_count, require_flag
from fastnn.initializers import Initializer, as_initializer
from fastnn.layers.activation import Activation, activation_ops, default_initializer
from fastnn.layers.base import Built, Layer, Shape
from fastnn.layers.images import Pair, image_of, padding_of, pair, require_padding, require_pair

MODES = ("zeros", "reflect", "replicate")


@dataclass(frozen=True, eq=False, repr=False)
class Conv2D(Layer):
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
    kernel_initializer: str | Initializer | None = None
    bias_initializer: str | Initializer = "zeros"
    name: str | None = None

    matrices: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        choose(f"{self.title}: unknown padding_mode", self.padding_mode, MODES)
        activation_ops(self.title, self.activation, (1, 1, self.filters))
        if self.filters % self.groups:
            raise ValueError(f"{self.title}: expected filters that {self.groups} groups can share, got {self.filters}")

    @property
    def activation_layer(self) -> Layer | None:
        """The activation after the convolution as a layer, if there is one."""
        return Activation(self.activation) if isinstance(self.activation, str) else self.activation

    @property
    def activation_function(self) -> Activation | None:
        """The activation after the convolution, if it is one of those with a name."""
        return self.activation_layer if isinstance(self.activation_layer, Activation) else None

    def geometry(self, image: tuple[int, int, int]) -> Geometry:
        """Return the sizes for an image (H, W, C), or raise ValueError.

        Parameters
        ----------
        image : tuple of int
            Height, width and channels.
        """
        H, W, C = image
        kernel, strides = pair(self.title, "kernel_size", self.kernel_size), pair(self.title, "strides", self.strides)
        dilation = pair(self.title, "dilation", self.dilation)
        if C % self.groups:
            raise ValueError(f"{self.title}: expected channels that {self.groups} groups can share, got {C}")
        before, after = padding_of(self, (H, W), kernel, strides, dilation)
        if self.padding_mode == "reflect" and (max(before[0], after[0]) >= H or max(before[1], after[1]) >= W):
            raise ValueError(
                f"{self.title}: expected padding less than the image of {H} x {W}, to reflect it, got {before} and "
                f"{after}"
            )
        result = Geometry(
            H, W, C, self.filters, kernel, strides, dilation, self.groups, before, after, self.padding_mode
        )
        if min(result.output) < 1:
            least = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
            raise ValueError(
                f"{self.title}: expected an image of at least {least} with its padding, got {result.padded}; use "
                "padding='same', or fewer layers that make images smaller"
            )
        return result

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return the convolution and the activation."""
        geometry = self.geometry(image_of(self, input_shapes))
        shape = (*geometry.output, self.filters)
        return Built((ConvolutionOp(geometry, self.bias), *activation_ops(self.title, self.activation, shape)), shape)

    def initializer(self, parameter: str) -> Initializer:
        """Return how weight or bias starts."""
        if parameter != "weight":
            return super().initializer(parameter)
        return as_initializer(self.title, self.kernel_initializer or default_initializer(self.activation))
