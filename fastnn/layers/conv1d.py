"""Convolution of sequences."""

from dataclasses import KW_ONLY, dataclass, field

from fastnn._core.ops import Geometry, PastOp
from fastnn._core.step import Op
from fastnn._spec import checked, checked_by, require_count, require_flag
from fastnn.initializers import Initializer
from fastnn.layers.activation import activation_ops
from fastnn.layers.base import Built, Layer, Shape
from fastnn.layers.filters import Filters
from fastnn.layers.series import padding_of, require_padding_or_causal, series_of


@dataclass(frozen=True, eq=False, repr=False)
class Conv1D(Filters):
    """Every step of the output sees a window of the sequence, through the same weights wherever the window is.

    Parameters
    ----------
    filters : int
        Outputs of each step, O.
    kernel_size : int
        Steps of the window, K.
    activation : str or Layer, optional
        As for Dense.
    strides : int
        Steps between windows.
    padding : "same", "valid", "causal", int, or (int, int)
        What is put around the sequence.  "same": as much as gives ceil(T / strides) steps, the odd one at the end;
        "valid": nothing; "causal": all of it before the sequence, so that an output sees its own step and earlier
        ones alone [van den Oord et al. 2016]; or how many steps, before and after.
    padding_mode : {"zeros", "reflect", "replicate"}
        What stands there: zeros, the sequence mirrored without its end, or its end.  "causal" has zeros.
    dilation : int
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
        If an option is not allowed, the input is no sequence (T, C), its channels or the filters cannot be shared by
        the groups, or the window is longer than the padded sequence.

    Notes
    -----
    ``y[t, o] = activation(b[o] + sum_{k, c} x[t s + k d, c] weight[k, c, o])``, x with its padding.  Parameters: weight
    (K, C / groups, O), bias (O,), as in Keras.

    Sequences shorter than T are filled up with zeros after their end, and answers to steps cut to their lengths.  So
    they have the answers that they have by themselves where ``strides`` is 1 and padding "causal", or zeros of which
    there is as much for any length ("same"); other Conv1D refuse them.  A ``Stream`` takes "causal" ones with strides
    1: it keeps the last (K - 1) dilation steps.

    Examples
    --------
    >>> import fastnn as fn
    >>> layers = [fn.Conv1D(8, 3, "relu", padding="causal", dilation=d) for d in (1, 2, 4)]
    >>> net = fn.Sequential([*layers, fn.Dense(1)], input_shape=(50, 2), seed=0)
    >>> net.layers[0].weight.shape, net.layers[0].output_shape
    ((3, 2, 8), (50, 8))
    """

    filters: int = field(metadata=checked_by(require_count))
    kernel_size: int = field(metadata=checked_by(require_count))
    activation: str | Layer | None = None
    _: KW_ONLY
    strides: int = checked(1, require_count)
    padding: str | int | tuple[int, int] = checked("same", require_padding_or_causal)
    padding_mode: str = "zeros"
    dilation: int = checked(1, require_count)
    groups: int = checked(1, require_count)
    bias: bool = checked(True, require_flag)
    kernel_initializer: str | Initializer | None = None
    bias_initializer: str | Initializer = "zeros"
    name: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_options((1, self.filters))
        if self.filters % self.groups:
            raise ValueError(f"{self.title}: expected filters that {self.groups} groups can share, got {self.filters}")
        if self.padding == "causal" and self.padding_mode != "zeros":
            raise ValueError(
                f"{self.title}: expected padding_mode 'zeros' with padding 'causal', got {self.padding_mode!r}"
            )

    @property
    def past(self) -> int:
        """Steps before the present one that an output sees, if it sees no later ones."""
        return (self.kernel_size - 1) * self.dilation if self.padding == "causal" else 0

    @property
    def keeps_steps(self) -> bool:
        """Whether each step has its output, and zeros after the end of a sequence are as if it ended there."""
        reach = (self.kernel_size - 1) * self.dilation
        before, after = (
            (0, 0) if self.padding == "valid" else padding_of(self, reach + 1, self.kernel_size, 1, self.dilation)
        )
        return self.strides == 1 and before + after == reach and (self.padding_mode == "zeros" or not reach)

    @property
    def one_by_one(self) -> bool:
        """Whether each step has its output, which sees no later step."""
        return self.keeps_steps and (self.padding == "causal" or self.kernel_size == 1)

    def geometry(self, sequence: tuple[int, int]) -> Geometry:
        """Return the sizes for a sequence (T, C), as an image of one column, or raise ValueError.

        Parameters
        ----------
        sequence : tuple of int
            Steps and channels.
        """
        T, C = sequence
        if C % self.groups:
            raise ValueError(f"{self.title}: expected channels that {self.groups} groups can share, got {C}")
        before, after = padding_of(self, T, self.kernel_size, self.strides, self.dilation)
        if self.padding_mode == "reflect" and max(before, after) >= T:
            raise ValueError(
                f"{self.title}: expected padding less than the sequence of {T} steps, to reflect it, got {before} and "
                f"{after}"
            )
        least = (self.kernel_size - 1) * self.dilation + 1
        if T + before + after < least:
            raise ValueError(
                f"{self.title}: expected a sequence of at least {least} steps with its padding, got "
                f"{T + before + after}; use padding='same', or fewer layers that make sequences shorter"
            )
        return Geometry(
            T, 1, C, self.filters, (self.kernel_size, 1), (self.strides, 1), (self.dilation, 1), self.groups,
            (before, 0), (after, 0), self.padding_mode,
        ).checked(self.title)  # fmt: skip

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return the convolution and the activation; before them what puts the past before a sequence."""
        T, C = series_of(self, input_shapes)
        geometry = self.geometry((T, C))
        ops: list[Op] = []
        if self.padding == "causal" and geometry.pads:
            past = geometry.before[0]
            ops.append(PastOp(T, C, past))
            geometry = geometry._replace(height=past + T, before=(0, 0))
        shape = (geometry.output[0], self.filters)
        weight = (self.kernel_size, C // self.groups, self.filters)
        ops.append(self.convolution(geometry, weight))
        return Built((*ops, *activation_ops(self.title, self.activation, shape)), shape)
