"""Activations as ONNX nodes.

In float32 each is its operator.  ONNX keeps the numbers alpha and gamma in float32, and ONNX Runtime has few of these
operators in float64, so there they are written out.
"""

from collections.abc import Callable
from typing import Any

from fastnn.formats.activations import TABLE, alpha_of, without
from fastnn.formats.onnx.write.graph import Graph
from fastnn.layers.activation import DEFAULT_ALPHA, Activation

SELU = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717  # Klambauer et al. 2017, eq. 14


def leaky_relu(graph: Graph, z: str, alpha: float) -> str:
    """``max(z, 0) + alpha min(z, 0)``."""
    below = graph.node("Mul", graph.node("Min", z, graph.constant(0)), graph.constant(alpha))
    return graph.node("Add", graph.node("Relu", z), below)


def elu(graph: Graph, z: str, alpha: float) -> str:
    """``max(z, 0) + alpha (exp(min(z, 0)) - 1)``."""
    below = graph.node("Sub", graph.node("Exp", graph.node("Min", z, graph.constant(0))), graph.constant(1))
    return graph.node("Add", graph.node("Relu", z), graph.node("Mul", below, graph.constant(alpha)))


def selu(graph: Graph, z: str, alpha: float) -> str:
    """Elu, scaled."""
    return graph.node("Mul", elu(graph, z, SELU[1]), graph.constant(SELU[0]))


def softplus(graph: Graph, z: str, alpha: float) -> str:
    """``max(z, 0) + log(1 + exp(-|z|))``."""
    small = graph.node("Exp", graph.node("Neg", graph.node("Abs", z)))
    return graph.node("Add", graph.node("Relu", z), graph.node("Log", graph.node("Add", small, graph.constant(1))))


def gelu(graph: Graph, z: str, alpha: float) -> str:
    """``z (1 + tanh(sqrt(2 / pi) (z + 0.044715 z^3))) / 2``."""
    cube = graph.node("Mul", graph.node("Mul", graph.node("Mul", z, z), z), graph.constant(0.044715))
    inner = graph.node("Mul", graph.node("Add", z, cube), graph.constant(0.7978845608028653558798921198687))
    gate = graph.node("Add", graph.node("Tanh", inner), graph.constant(1))
    return graph.node("Mul", graph.node("Mul", z, gate), graph.constant(0.5))


IN_DOUBLE: dict[str, Callable[[Graph, str, float], str]] = {
    "leaky_relu": leaky_relu,
    "elu": elu,
    "selu": selu,
    "softplus": softplus,
    "gelu": gelu,
}


def activation(graph: Graph, layer: Activation, z: str) -> str:
    """Add an activation and return what comes out.

    Raises
    ------
    ValueError
        If it has no form in ONNX.
    """
    name, alpha = layer.function, alpha_of(layer)
    if name == "silu":
        return graph.node("Mul", z, graph.node("Sigmoid", z))
    if graph.is_double and name in IN_DOUBLE:
        return IN_DOUBLE[name](graph, z, alpha)
    if name not in TABLE or TABLE[name].onnx is None:
        raise without("to_onnx", layer, "ONNX")
    attributes: dict[str, Any] = {"alpha": alpha} if name in DEFAULT_ALPHA else {}
    if name == "selu":
        attributes = {"gamma": SELU[0], "alpha": SELU[1]}
    elif name == "softmax":
        attributes = {"axis": -1}
    elif name == "gelu":
        graph.require(20)
        attributes = {"approximate": "tanh"}
    return graph.node(str(TABLE[name].onnx), z, **attributes)
