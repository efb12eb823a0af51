"""Fully connected layer."""

from dataclasses import KW_ONLY, dataclass, field
from math import prod
from typing import ClassVar

from fastnn._core.ops import DenseOp
from fastnn._spec import checked, checked_by, require_count, require_flag
from fastnn.initializers import Initializer, as_initializer
from fastnn.layers.activation import Activation, activation_ops, as_activation, default_initializer
from fastnn.layers.base import Built, Layer, Shape


@dataclass(frozen=True, eq=False, repr=False)
class Dense(Layer):
    """Every neuron sees every input: ``z = x W + b``, ``a = activation(z)``.

    Of an input of several axes, a sequence (T, I) say, each vector along the last axis goes through the same neurons.

    Parameters
    ----------
    units : int
        Number of neurons, O.
    activation : str or Layer, optional
        Name of an activation (see Activation), or a layer without parameters that keeps the shape, such as
        ``Activation("elu", alpha=0.5)`` or ``Custom(...)``; none: ``a = z``.
    bias : bool
        Whether neurons have a bias.
    kernel_initializer : str or Initializer, optional
        How the weights start; if not given, what suits the activation: he_normal for the ReLU family, lecun_normal
        for selu, glorot_uniform otherwise.
    bias_initializer : str or Initializer
        How the biases start.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If units is not a positive integer, or a name is unknown.

    Notes
    -----
    The weight of the connection from input k to neuron j, w_jk in the literature, is ``weight[k, j]``.  Biases are
    the last row of W[I+1, O]: the weights of an input that is always 1.

    Examples
    --------
    >>> import fastnn as fn
    >>> net = fn.Sequential([fn.Dense(16, "relu"), fn.Dense(3)], input_shape=4, seed=0)
    >>> net.layers[0].weight.shape, net.layers[0].bias.shape
    ((4, 16), (16,))
    """

    units: int = field(metadata=checked_by(require_count))
    activation: str | Layer | None = field(default=None, metadata=checked_by(as_activation))
    _: KW_ONLY
    bias: bool = checked(True, require_flag)
    kernel_initializer: str | Initializer | None = None
    bias_initializer: str | Initializer = "zeros"
    name: str | None = None

    matrices: ClassVar[tuple[str, ...]] = ("weight",)

    def __post_init__(self) -> None:
        super().__post_init__()
        activation_ops(self.title, self.activation, (self.units,))

    @property
    def activation_layer(self) -> Layer | None:
        """The activation after the product as a layer, if there is one."""
        return Activation(self.activation) if isinstance(self.activation, str) else self.activation

    @property
    def activation_function(self) -> Activation | None:
        """The activation after the product, if it is one of those with a name."""
        return self.activation_layer if isinstance(self.activation_layer, Activation) else None

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return the product and the activation."""
        *leading, inputs = self.one_input(input_shapes)
        shape = (*leading, self.units)
        product = DenseOp(inputs, self.units, self.bias, prod(leading))
        return Built((product, *activation_ops(self.title, self.activation, shape)), shape)

    def initializer(self, parameter: str) -> Initializer:
        """Return how weight or bias starts."""
        if parameter != "weight":
            return super().initializer(parameter)
        return as_initializer(self.title, self.kernel_initializer or default_initializer(self.activation))
