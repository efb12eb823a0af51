"""Activation functions a = sigma(z)."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from math import prod
from typing import Any, Self

from fastnn._core.ops import ActivationOp
from fastnn._core.step import Op
from fastnn._core.table import ACTIVATIONS
from fastnn._spec import checked_by, meant, require_number
from fastnn.layers.base import Built, Layer, Shape

OF_VECTORS = ("softmax", "log_softmax")  # the others are of each number by itself
NAMES = (*ACTIVATIONS, *OF_VECTORS)
WORDS = {"logistic": "sigmoid", "swish": "silu", "linear": "identity", "relu6": "clipped_relu"}  # of other libraries
DEFAULT_ALPHA = {"leaky_relu": 0.01, "elu": 1.0, "clipped_relu": 6.0}


def as_activation(who: str, name: str, value: Any) -> str | None:
    """Return the activation that a text means, None for what is no text; ValueError if it means none."""
    return meant(f"{who}: unknown {name}", value, NAMES, WORDS) if isinstance(value, str) else None


def require_function(who: str, name: str, value: Any, known: Sequence[str] = NAMES) -> str:
    """Return the one of these activations that a value means; ValueError if it means none."""
    return meant(f"{who}: unknown {name}", value, known, WORDS)


@dataclass(frozen=True, eq=False, repr=False)
class Activation(Layer):
    """An activation function by name.

    Parameters
    ----------
    function : str
        ``identity, sigmoid, tanh, relu, leaky_relu, elu, selu, softplus, gelu, gelu_tanh, silu, clipped_relu``
        (elementwise), ``softmax`` or ``log_softmax`` (over the last axis); also as other libraries have them:
        ``ReLU``, ``LeakyReLU``, ``logistic``, ``swish``, ``linear``, ``relu6``.
    alpha : float, optional
        Slope of leaky_relu for z < 0 (0.01 if not given); scale of elu for z < 0 (1 if not given); limit of
        clipped_relu (6 if not given).
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError
        If the function is unknown, alpha is given to one that has none, or alpha is negative.

    Notes
    -----
    sigmoid ``1 / (1 + exp(-z))``; relu ``max(z, 0)``; leaky_relu ``max(z, alpha z)``; elu ``z`` or
    ``alpha (exp(z) - 1)``; selu: elu scaled to keep mean 0 and variance 1; softplus ``log(1 + exp(z))``; gelu
    ``z Phi(z)``, Phi the normal distribution's; gelu_tanh ``z (1 + tanh(sqrt(2/pi) (z + 0.044715 z^3))) / 2``, which is
    up to 5e-4 from it; silu ``z sigmoid(z)``; clipped_relu ``min(max(z, 0), alpha)``; softmax
    ``exp(z_j) / sum_k exp(z_k)``; log_softmax its logarithm.

    Examples
    --------
    >>> import fastnn as fn
    >>> layers = [fn.Dense(32), fn.Activation("leaky_relu", alpha=0.2), fn.Dense(1)]
    """

    function: str = field(metadata=checked_by(require_function))
    _: KW_ONLY
    alpha: float | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.alpha is None:
            return
        if self.function not in DEFAULT_ALPHA:
            *others, last = DEFAULT_ALPHA
            raise ValueError(f"Activation: {self.function!r} has no alpha; {', '.join(others)} and {last} have")
        require_number("Activation", "alpha", self.alpha, low=0)

    @property
    def activation_function(self) -> Self:
        """The layer itself."""
        return self

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op over all elements, or over the last axis."""
        shape = self.one_input(input_shapes)
        if self.function == "identity":
            return Built((), shape)
        alpha = DEFAULT_ALPHA.get(self.function, 0.0) if self.alpha is None else self.alpha
        return Built((ActivationOp(shape[-1], self.function, alpha, prod(shape[:-1])),), shape)


def activation_ops(who: str, activation: str | Layer | None, shape: Shape) -> tuple[Op, ...]:
    """Return the ops of an activation given by name or as a layer that keeps the shape.

    Raises
    ------
    ValueError
        If the layer changes the shape.
    TypeError
        If it is neither a name nor a layer.
    """
    if activation is None:
        return ()
    if isinstance(activation, str):
        activation = Activation(activation)
    if not isinstance(activation, Layer):
        raise TypeError(f"{who}: expected activation to be a name or a layer, got {type(activation).__name__}")
    built = activation.build((shape,))
    if built.output_shape != shape or any(op.parameters for op in built.ops):
        raise ValueError(
            f"{who}: expected an activation without parameters that keeps the shape {shape}, got "
            f"{activation.title} with output {built.output_shape}; use it as a layer of its own"
        )
    return built.ops


def default_initializer(activation: str | Layer | None) -> str:
    """Return the initializer that keeps the size of signals under this activation."""
    name = activation.function if isinstance(activation, Activation) else activation
    if name in ("relu", "leaky_relu", "elu", "gelu", "gelu_tanh", "silu", "softplus", "clipped_relu"):
        return "he_normal"
    return "lecun_normal" if name == "selu" else "glorot_uniform"
