"""Activations as ONNX nodes.

In float32 each is its operator.  ONNX keeps the numbers alpha and gamma in float32, and ONNX Runtime has few of these
operators in float64, so there they are written out.
"""

from collections.abc import Callable

from fastnn.formats.onnx.write.graph import Graph
from fastnn.layers.activation import DEFAULT_ALPHA, Activation

SELU = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717  # Klambauer et al. 2017, eq. 14


def identity(graph: Graph, z: str, alpha: float) -> str:
    """``z``."""
    return graph.node("Identity", z)


def sigmoid(graph: Graph, z: str, alpha: float) -> str:
    """``1 / (1 + exp(-z))``."""
    return graph.node("Sigmoid", z)


def tanh(graph: Graph, z: str, alpha: float) -> str:
    """``tanh(z)``."""
    return graph.node("Tanh", z)


def relu(graph: Graph, z: str, alpha: float) -> str:
    """``max(z, 0)``."""
    return graph.node("Relu", z)


def leaky_relu(graph: Graph, z: str, alpha: float) -> str:
    """``z`` or ``alpha z``."""
    if not graph.is_double:
        return graph.node("LeakyRelu", z, alpha=alpha)
    below = graph.node("Mul", graph.node("Min", z, graph.constant(0)), graph.constant(alpha))
    return graph.node("Add", graph.node("Relu", z), below)


def elu(graph: Graph, z: str, alpha: float) -> str:
    """``z`` or ``alpha (exp(z) - 1)``."""
    if not graph.is_double:
        return graph.node("Elu", z, alpha=alpha)
    below = graph.node("Sub", graph.node("Exp", graph.node("Min", z, graph.constant(0))), graph.constant(1))
    return graph.node("Add", graph.node("Relu", z), graph.node("Mul", below, graph.constant(alpha)))


def selu(graph: Graph, z: str, alpha: float) -> str:
    """Elu, scaled."""
    if not graph.is_double:
        return graph.node("Selu", z, gamma=SELU[0], alpha=SELU[1])
    return graph.node("Mul", elu(graph, z, SELU[1]), graph.constant(SELU[0]))


def softplus(graph: Graph, z: str, alpha: float) -> str:
    """``log(1 + exp(z))``, as ``max(z, 0) + log(1 + exp(-|z|))`` where it is written out."""
    if not graph.is_double:
        return graph.node("Softplus", z)
    small = graph.node("Exp", graph.node("Neg", graph.node("Abs", z)))
    return graph.node("Add", graph.node("Relu", z), graph.node("Log", graph.node("Add", small, graph.constant(1))))


def gelu(graph: Graph, z: str, alpha: float) -> str:
    """``z (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))) / 2``."""
    if not graph.is_double:
        graph.require(20)
        return graph.node("Gelu", z, approximate="tanh")
    cube = graph.node("Mul", graph.node("Mul", graph.node("Mul", z, z), z), graph.constant(0.044715))
    inner = graph.node("Mul", graph.node("Add", z, cube), graph.constant(0.7978845608028653558798921198687))
    gate = graph.node("Add", graph.node("Tanh", inner), graph.constant(1))
    return graph.node("Mul", graph.node("Mul", z, gate), graph.constant(0.5))


def silu(graph: Graph, z: str, alpha: float) -> str:
    """``z sigmoid(z)``."""
    return graph.node("Mul", z, graph.node("Sigmoid", z))


def softmax(graph: Graph, z: str, alpha: float) -> str:
    """Along the last axis."""
    return graph.node("Softmax", z, axis=-1)


FUNCTIONS: dict[str, Callable[[Graph, str, float], str]] = {
    function.__name__: function
    for function in (identity, sigmoid, tanh, relu, leaky_relu, elu, selu, softplus, gelu, silu, softmax)
}


def activation(graph: Graph, layer: Activation, z: str) -> str:
    """Add an activation and return what comes out.

    Raises
    ------
    ValueError
        If ONNX has no form for it.
    """
    if layer.function not in FUNCTIONS:
        raise ValueError(
            f"to_onnx: expected activations that ONNX can hold, got {layer.function!r}: it is not in FUNCTIONS of "
            f"{__name__}"
        )
    alpha = DEFAULT_ALPHA.get(layer.function, 0.0) if layer.alpha is None else float(layer.alpha)
    return FUNCTIONS[layer.function](graph, z, alpha)
