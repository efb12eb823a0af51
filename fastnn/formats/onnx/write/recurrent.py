"""Recurrent layers as ONNX nodes: the operators LSTM, GRU and RNN, or Scan where those cannot.

ONNX has the steps first, (T, B, I); here a row is a sequence, (B, T, I).  No operator of ONNX passes over steps in the
middle of a sequence, and ONNX Runtime has the three in float32 alone, so masks and float64 are written as a Scan.
"""

from typing import Any

from fastnn.formats import gates
from fastnn.formats.activations import TABLE
from fastnn.formats.onnx.write.graph import Applied, Graph
from fastnn.formats.onnx.write.scan import scan

OPERATORS = {"lstm": "LSTM", "gru": "GRU", "simple": "RNN"}


def recurrent(graph: Graph, applied: Applied) -> str:
    """Return every h, or the last, and the final state beside it if the layer gives one."""
    layer = applied.layer
    states: list[str] = []  # that the layer is given, each (B, H)
    for i in range(layer.states) if len(applied.inputs) == 2 else ():
        states.append(graph.node("Gather", applied.inputs[1], graph.constant(i, "int64"), axis=1))
    by_operator = layer.mask_value is None and not graph.is_double and getattr(layer, "activation", "") != "identity"
    sequence, finals = operator(graph, applied, states) if by_operator else scan(graph, applied, states)
    y = graph.node("Transpose", sequence, perm=(1, 0, 2)) if layer.return_sequences else finals[0]
    if not layer.return_state:
        return y
    if layer.return_sequences:
        y = graph.node("Flatten", y, axis=1)
    return graph.node("Concat", y, *finals, axis=-1)


def operator(graph: Graph, applied: Applied, states: list[str]) -> tuple[str, list[str]]:
    """Add LSTM, GRU or RNN; return every h (T, B, H) and the final states, each (B, H)."""
    layer = applied.layer
    arrays = gates.to_onnx(layer, applied.parameters)
    constants = {name: graph.parameter(applied, name, array) for name, array in arrays.items()}
    x = graph.node("Transpose", applied.inputs[0], perm=(1, 0, 2))
    starts = [graph.node("Unsqueeze", state, graph.sizes(0)) for state in states]
    inputs = [x, constants["W"], constants["R"], constants.get("B", ""), "", *starts]
    if "P" in constants:
        inputs = [*inputs, *[""] * (7 - len(inputs)), constants["P"]]
    attributes: dict[str, Any] = {"direction": "reverse" if layer.go_backwards else "forward"}
    if layer.kind == "gru":
        attributes["linear_before_reset"] = int(layer.reset_after)
    if layer.kind == "simple":
        attributes["activations"] = [TABLE[layer.activation].onnx]
    while not inputs[-1]:
        inputs.pop()
    y, *finals = graph.node_of(OPERATORS[layer.kind], inputs, 1 + layer.states, hidden_size=layer.units, **attributes)
    zero, one = graph.sizes(0), graph.sizes(1)
    return graph.node("Squeeze", y, one), [graph.node("Squeeze", final, zero) for final in finals]
