"""Activations as ONNX nodes.

In float32 each is its operator.  ONNX keeps the numbers alpha and gamma in float32, and ONNX Runtime has few of these
operators in float64, so there they are written out.
"""

from typing import Any

from fastnn.formats.activations import SELU, TABLE, Elsewhere, alpha_of, without
from fastnn.formats.onnx.write.graph import Graph
from fastnn.layers.activation import DEFAULT_ALPHA, OF_VECTORS, Activation


def activation(graph: Graph, layer: Activation, z: str) -> str:
    """Add an activation and return what comes out; raises ValueError if it has no form in ONNX."""
    name, alpha = layer.function, alpha_of(layer)
    row = TABLE.get(name, Elsewhere())
    if row.nodes is not None and (graph.is_double or row.onnx is None):
        return row.nodes(graph, z, alpha)
    if row.onnx is None:
        raise without("to_onnx", layer, "ONNX")
    attributes: dict[str, Any] = {"alpha": alpha} if name in DEFAULT_ALPHA else {}
    if name == "selu":
        attributes = {"gamma": SELU[0], "alpha": SELU[1]}
    elif name in OF_VECTORS:
        attributes = {"axis": -1}
    elif name in ("gelu", "gelu_tanh"):
        graph.require(20)
        attributes = {"approximate": "tanh" if name == "gelu_tanh" else "none"}
    return graph.node(row.onnx, z, **attributes)
