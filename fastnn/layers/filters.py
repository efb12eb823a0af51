"""What the layers whose outputs see windows of their inputs share."""

from fastnn._core.ops import ConvolutionOp, DepthwiseOp, Geometry
from fastnn._core.step import Op
from fastnn._spec import choose
from fastnn.initializers import Initializer, as_initializer
from fastnn.layers.activation import Activation, activation_ops, default_initializer
from fastnn.layers.base import Layer, Shape

MODES = ("zeros", "reflect", "replicate")


class Filters(Layer, abstract=True):
    """Base of the convolutions: a weight, a bias, an activation, padding."""

    activation: str | Layer | None
    padding_mode: str
    bias: bool
    kernel_initializer: str | Initializer | None

    def require_options(self, shape: Shape) -> None:
        """Raise ValueError unless there is such a padding_mode, and such an activation for outputs of ``shape``.

        Parameters
        ----------
        shape : tuple of int
            Of the outputs, as far as it is known.
        """
        choose(f"{self.title}: unknown padding_mode", self.padding_mode, MODES)
        activation_ops(self.title, self.activation, shape)

    def convolution(self, geometry: Geometry, weight: Shape) -> Op:
        """Return the op, whose weight has that shape: the one of its own for channels that are seen alone.

        Parameters
        ----------
        geometry : Geometry
            Its sizes.
        weight : tuple of int
            Its elements lie as (KH, KW, C / groups, O).
        """
        kind = DepthwiseOp if 1 < geometry.groups == geometry.channels else ConvolutionOp
        return kind(geometry, self.bias, weight)

    @property
    def activation_layer(self) -> Layer | None:
        """The activation after the convolution as a layer, if there is one."""
        return Activation(self.activation) if isinstance(self.activation, str) else self.activation

    @property
    def activation_function(self) -> Activation | None:
        """The activation after the convolution, if it is one of those with a name."""
        return self.activation_layer if isinstance(self.activation_layer, Activation) else None

    def initializer(self, parameter: str) -> Initializer:
        """Return how weight or bias starts."""
        if parameter != "weight":
            return super().initializer(parameter)
        return as_initializer(self.title, self.kernel_initializer or default_initializer(self.activation))
