"""Activations elsewhere, one row each: their formula in C, and their names in ONNX, Keras and PyTorch."""

from collections.abc import Callable
from typing import Any, NamedTuple

from fastnn.layers.activation import DEFAULT_ALPHA, Activation

SELU = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717  # Klambauer et al. 2017, eq. 14


NORMAL_TAIL = (  # as in csrc/fnn_tail.tmpl.h: (t + 5) Phi(-t) exp(t^2/2) by powers of (t - 5) / (t + 5)
    0.769193049750063, -0.6653825028900568, 0.4953056159699761, -0.31353315667128745, 0.16502036617040702,
    -0.06911863870687801, 0.020795066799262733, -0.00299337676186944, -0.0007978693893219596, 0.0005448989927521901,
    -5.937580719746401e-05, -4.976245606842442e-05, 1.6681639003552632e-05, 3.97980433807949e-06,
    -2.770719146152548e-06, -3.345721937861036e-07, 4.362911487401573e-07, 4.017523150089386e-08,
    -7.014184378551324e-08, -8.553364558046826e-09, 1.0798061850653808e-08, 2.2201175016558965e-09,
    -1.1613988117963691e-09, -3.817059749433349e-10,
)  # fmt: skip


class Elsewhere(NamedTuple):
    """What an activation is elsewhere; None where it needs more than a formula or a name, or is not there.

    ``c``: sigma(z) of one number, with ``alpha`` where it has one; numbers with a point, ``self_sigmoid_of`` for the
    sigmoid, and of <math.h> what ``c.text.written_for`` knows in float.  ``nodes``: adds the nodes
    that stand for the operator in float64, where ONNX has no attributes and ONNX Runtime has few operators; or in any
    precision, where ONNX has none at all.
    """

    c: str | None = None
    onnx: str | None = None
    keras: str | None = None
    torch: str | None = None
    nodes: Callable[[Any, str, float], str] | None = None


def leaky_relu(graph: Any, z: str, alpha: float) -> str:
    """``max(z, 0) + alpha min(z, 0)``."""
    below = graph.node("Mul", graph.node("Min", z, 0), alpha)
    return graph.node("Add", graph.node("Relu", z), below)


def elu(graph: Any, z: str, alpha: float) -> str:
    """``max(z, 0) + alpha (exp(min(z, 0)) - 1)``."""
    below = graph.node("Sub", graph.node("Exp", graph.node("Min", z, 0)), 1)
    return graph.node("Add", graph.node("Relu", z), graph.node("Mul", below, alpha))


def selu(graph: Any, z: str, alpha: float) -> str:
    """Elu, scaled."""
    return graph.node("Mul", elu(graph, z, SELU[1]), SELU[0])


def softplus(graph: Any, z: str, alpha: float) -> str:
    """``max(z, 0) + log(1 + exp(-|z|))``."""
    small = graph.node("Exp", graph.node("Neg", graph.node("Abs", z)))
    return graph.node("Add", graph.node("Relu", z), graph.node("Log", graph.node("Add", small, 1)))


def gelu(graph: Any, z: str, alpha: float) -> str:
    """``max(z, 0) - t Phi(-t)`` with ``t = |z|``, and Phi(-t) as in the kernels: ONNX Runtime has no Erf in float64."""
    t = graph.node("Min", graph.node("Abs", z), 38.6)  # from there on the product is 0
    beside = graph.node("Add", t, 5)
    u = graph.node("Div", graph.node("Sub", t, 5), beside)
    *lower, sum_ = NORMAL_TAIL
    sum_ = graph.constant(sum_)
    for c in reversed(lower):
        sum_ = graph.node("Add", graph.node("Mul", sum_, u), c)
    density = graph.node("Exp", graph.node("Mul", graph.node("Mul", t, t), -0.5))
    tail = graph.node("Div", graph.node("Mul", density, sum_), beside)
    return graph.node("Sub", graph.node("Relu", z), graph.node("Mul", t, tail))


def gelu_tanh(graph: Any, z: str, alpha: float) -> str:
    """``z (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))) / 2``."""
    cube = graph.node("Mul", graph.node("Mul", graph.node("Mul", z, z), z), 0.044715)
    inner = graph.node("Mul", graph.node("Add", z, cube), 0.7978845608028653558798921198687)
    gate = graph.node("Add", graph.node("Tanh", inner), 1)
    return graph.node("Mul", graph.node("Mul", z, gate), 0.5)


def clipped_relu(graph: Any, z: str, alpha: float) -> str:
    """``min(max(z, 0), alpha)``."""
    return graph.node("Clip", z, 0, alpha)


def silu(graph: Any, z: str, alpha: float) -> str:
    """``z sigmoid(z)``."""
    return graph.node("Mul", z, graph.node("Sigmoid", z))


TABLE: dict[str, Elsewhere] = {
    "identity": Elsewhere(None, "Identity", "linear", None),
    "sigmoid": Elsewhere("self_sigmoid_of(z)", "Sigmoid", "sigmoid", "Sigmoid"),
    "tanh": Elsewhere("tanh(z)", "Tanh", "tanh", "Tanh"),
    "relu": Elsewhere("z < 0.0 ? 0.0 : z", "Relu", "relu", "ReLU"),
    "leaky_relu": Elsewhere("z < 0.0 ? alpha * z : z", "LeakyRelu", nodes=leaky_relu),
    "elu": Elsewhere("z < 0.0 ? alpha * expm1(z) : z", "Elu", "elu", nodes=elu),
    "selu": Elsewhere(
        "1.0507009873554805 * (z < 0.0 ? 1.6732632423543772 * expm1(z) : z)", "Selu", "selu", "SELU", selu
    ),
    "softplus": Elsewhere("(z < 0.0 ? 0.0 : z) + log1p(exp(-fabs(z)))", "Softplus", "softplus", nodes=softplus),
    "gelu": Elsewhere("0.5 * z * erfc(-0.7071067811865476 * z)", "Gelu", "gelu", nodes=gelu),
    "gelu_tanh": Elsewhere(
        "0.5 * z * (1.0 + tanh(0.7978845608028654 * (z + 0.044715 * z * z * z)))", "Gelu", nodes=gelu_tanh
    ),
    "silu": Elsewhere("z * self_sigmoid_of(z)", None, "silu", "SiLU", silu),
    "clipped_relu": Elsewhere("z < 0.0 ? 0.0 : z > alpha ? alpha : z", None, None, None, clipped_relu),
    "softmax": Elsewhere(None, "Softmax", "softmax"),
    "log_softmax": Elsewhere(None, "LogSoftmax", "log_softmax"),
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
