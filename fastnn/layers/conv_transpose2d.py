"""Transposed convolution of images."""

from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar

from fastnn._core.ops import Geometry, TransposedConvolutionOp
from fastnn._spec import checked, checked_by, require_count, require_flag
from fastnn.initializers import Initializer
from fastnn.layers.activation import activation_ops
from fastnn.layers.base import Built, Layer, Shape
from fastnn.layers.filters import Filters
from fastnn.layers.images import Pair, image_of, pair, require_padding, require_pair, sides


def _require_more(who: str, name: str, value: Any) -> None:
    pair(who, name, value, low=0)


@dataclass(frozen=True, eq=False, repr=False)
class ConvTranspose2D(Filters):
    """Every pixel of the input adds to a window of the output, through the same weights: the way to larger images.

    Parameters
    ----------
    filters : int
        Channels of the output, O.
    kernel_size : int or (int, int)
        Rows and columns of the window, KH and KW.
    activation : str or Layer, optional
        As for Dense.
    strides : int or (int, int)
        Steps of the output between windows: how many times larger it becomes.
    padding : "same", "valid", int, or pair of ints or pairs
        What is cut off around the output.  "same": as much as leaves H * stride rows, the odd one at the bottom;
        "valid": nothing; or how many rows and columns, as for Conv2D.
    output_padding : int or (int, int)
        Rows and columns more at the bottom and at the right, fewer than ``strides``; none with ``padding="same"``.
    dilation : int or (int, int)
        Steps between the places of a window.
    groups : int
        Groups of channels, each seen by its share of the filters alone.
    bias : bool
        Whether filters have a bias.
    kernel_initializer : str or Initializer, optional
        As for Dense; a pixel of the output has ``KH KW C / (stride rows x stride columns)`` inputs.
    bias_initializer : str or Initializer
        How the biases start.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If an option is not allowed, the input is no image (H, W, C), its channels or the filters cannot be shared by
        the groups, or the padding leaves nothing of the output.

    Notes
    -----
    ``y[i s + k d, j s + l d, o] += sum_c x[i, j, c] weight[k, l, o, c]``, from the bias on, then the activation: the
    gradient of a convolution with respect to its input [Zeiler et al. 2010].  Parameters: weight
    (KH, KW, O / groups, C), as in Keras; bias (O,).

    Examples
    --------
    >>> import fastnn as fn
    >>> layers = [fn.ConvTranspose2D(16, 4, "relu", strides=2), fn.ConvTranspose2D(3, 4, "tanh", strides=2)]
    >>> net = fn.Sequential(layers, input_shape=(8, 8, 32), seed=0)
    >>> net.layers[0].weight.shape, net.output_shape
    ((4, 4, 16, 32), (32, 32, 3))
    """

    filters: int = field(metadata=checked_by(require_count))
    kernel_size: int | tuple[int, int] = field(metadata=checked_by(require_pair))
    activation: str | Layer | None = None
    _: KW_ONLY
    strides: int | tuple[int, int] = checked(1, require_pair)
    padding: str | int | tuple[int, int] | tuple[Pair, Pair] = checked("same", require_padding)
    output_padding: int | tuple[int, int] = checked(0, _require_more)
    dilation: int | tuple[int, int] = checked(1, require_pair)
    groups: int = checked(1, require_count)
    bias: bool = checked(True, require_flag)
    kernel_initializer: str | Initializer | None = None
    bias_initializer: str | Initializer = "zeros"
    name: str | None = None

    matrices: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        activation_ops(self.title, self.activation, (1, 1, self.filters))
        if self.filters % self.groups:
            raise ValueError(f"{self.title}: expected filters that {self.groups} groups can share, got {self.filters}")
        strides = pair(self.title, "strides", self.strides)
        more = pair(self.title, "output_padding", self.output_padding, low=0)
        if any(m >= s for m, s in zip(more, strides, strict=True)):
            raise ValueError(f"{self.title}: expected output_padding less than strides {strides}, got {more}")
        if self.padding == "same" and any(more):
            raise ValueError(
                f"{self.title}: expected output_padding=0 with padding='same', which says how large the output is, "
                f"got {more}; give padding in numbers"
            )

    def geometry(self, image: tuple[int, int, int]) -> Geometry:
        """Return the sizes of the convolution whose gradient this is, for an input (H, W, C), or raise ValueError.

        Parameters
        ----------
        image : tuple of int
            Height, width and channels.
        """
        sizes, C = image[:2], image[2]
        kernel, strides = pair(self.title, "kernel_size", self.kernel_size), pair(self.title, "strides", self.strides)
        dilation = pair(self.title, "dilation", self.dilation)
        more = pair(self.title, "output_padding", self.output_padding, low=0)
        if C % self.groups:
            raise ValueError(f"{self.title}: expected channels that {self.groups} groups can share, got {C}")
        reach = tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))
        if self.padding == "same":
            # Of an image of that size, as large as its windows need.
            output = tuple(n * s for n, s in zip(sizes, strides, strict=True))
            total = [max(r - s, 0) for r, s in zip(reach, strides, strict=True)]
            before = (total[0] // 2, total[1] // 2)
            after = (total[0] - before[0], total[1] - before[1])
        else:
            (top, bottom), (left, right) = (
                ((0, 0), (0, 0)) if self.padding == "valid" else sides(self.title, "padding", self.padding)
            )
            before, after = (top, left), (bottom, right)
            output = tuple(
                (n - 1) * s + r + m - b - a
                for n, s, r, m, b, a in zip(sizes, strides, reach, more, before, after, strict=True)
            )
            if min(output) < 1:
                raise ValueError(
                    f"{self.title}: expected padding that leaves something of the output, got {before} and {after} for "
                    f"{tuple(o + b + a for o, b, a in zip(output, before, after, strict=True))} rows and columns"
                )
        return Geometry(
            output[0], output[1], self.filters, C, kernel, strides, dilation, self.groups, before, after, "zeros"
        ).checked(self.title)  # fmt: skip

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return the convolution and the activation."""
        geometry = self.geometry(image_of(self, input_shapes))
        shape = (geometry.height, geometry.width, self.filters)
        ops = activation_ops(self.title, self.activation, shape)
        return Built((TransposedConvolutionOp(geometry, self.bias), *ops), shape)
