"""Activations elsewhere, one row each: their formula in C, and their names in ONNX, Keras and PyTorch."""

from typing import NamedTuple

from fastnn.layers.activation import DEFAULT_ALPHA, Activation


class Elsewhere(NamedTuple):
    """What an activation is elsewhere; None where it needs more than a formula or a name, or is not there.

    ``c``: sigma(z) of one number, with ``alpha`` where it has one; numbers with a point, ``self_sigmoid_of`` for the
    sigmoid, and of <math.h> what ``c.text.written_for`` knows in float.
    """

    c: str | None = None
    onnx: str | None = None
    keras: str | None = None
    torch: str | None = None


TABLE: dict[str, Elsewhere] = {
    "identity": Elsewhere(None, "Identity", "linear", None),
    "sigmoid": Elsewhere("self_sigmoid_of(z)", "Sigmoid", "sigmoid", "Sigmoid"),
    "tanh": Elsewhere("tanh(z)", "Tanh", "tanh", "Tanh"),
    "relu": Elsewhere("z < 0.0 ? 0.0 : z", "Relu", "relu", "ReLU"),
    "leaky_relu": Elsewhere("z < 0.0 ? alpha * z : z", "LeakyRelu"),
    "elu": Elsewhere("z < 0.0 ? alpha * expm1(z) : z", "Elu", "elu"),
    "selu": Elsewhere("1.0507009873554805 * (z < 0.0 ? 1.6732632423543772 * expm1(z) : z)", "Selu", "selu", "SELU"),
    "softplus": Elsewhere("(z < 0.0 ? 0.0 : z) + log1p(exp(-fabs(z)))", "Softplus", "softplus"),
    "gelu": Elsewhere("0.5 * z * (1.0 + tanh(0.7978845608028654 * (z + 0.044715 * z * z * z)))", "Gelu"),
    "silu": Elsewhere("z * self_sigmoid_of(z)", None, "silu", "SiLU"),
    "softmax": Elsewhere(None, "Softmax", "softmax"),
}
BY_ONNX = {row.onnx: name for name, row in TABLE.items() if row.onnx}


def alpha_of(layer: Activation) -> float:
    """Return the alpha of an activation; 0 for one that has none."""
    return float(DEFAULT_ALPHA.get(layer.function, 0.0) if layer.alpha is None else layer.alpha)


def without(who: str, layer: Activation, form: str) -> ValueError:
    """Return the error that says that an activation has no form there."""
    return ValueError(
        f"{who}: {layer.title} {layer.function!r} has no form in {form} yet: add it to fastnn/formats/activations.py"
    )
