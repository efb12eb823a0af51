"""A recurrent layer as a Scan: one step written in elementary nodes, and a mask that passes over steps."""

from typing import Any

import numpy as np

from fastnn.formats.activations import TABLE
from fastnn.formats.onnx.write.graph import Applied, Graph


def scan(graph: Graph, applied: Applied, states: list[str]) -> tuple[str, list[str]]:
    """Return every h (T, B, H) and the final states, each (B, H)."""
    from onnx import TensorProto

    layer = applied.layer
    x, count = applied.inputs[0], layer.states
    z = graph.node("MatMul", x, graph.parameter(applied, "weight"))
    if layer.bias:
        z = graph.node("Add", z, graph.parameter(applied, "bias"))
    series = [(graph.node("Transpose", z, perm=(1, 0, 2)), graph.kind, len(layer.gates) * layer.units)]
    if layer.mask_value is not None:
        series.append(
            (graph.node("Transpose", counting(graph, x, layer.mask_value), perm=(1, 0, 2)), TensorProto.BOOL, 1)
        )
    starts = states or [zeros(graph, x, layer.units)] * count
    backwards = int(layer.go_backwards)
    results = graph.node_of(
        "Scan",
        [*starts, *(name for name, _, _ in series)],
        count + 1,
        body=step(graph, applied, [(kind, width) for _, kind, width in series]),
        num_scan_inputs=len(series),
        scan_input_directions=[backwards] * len(series),
        scan_output_directions=[backwards],
    )
    return results[-1], results[:-1]


def counting(graph: Graph, x: str, mask_value: float) -> str:
    """Which steps have an input that is not the mask value, (B, T, 1)."""
    other = graph.node("Not", graph.node("Equal", x, mask_value))
    number = graph.node("ReduceSum", graph.node("Cast", other, to=graph.kind), graph.sizes(2), keepdims=1)
    return graph.node("Greater", number, 0)


def zeros(graph: Graph, x: str, units: int) -> str:
    """A state (B, H) for as many rows as x has."""
    from onnx import numpy_helper

    rows = graph.node("Slice", graph.node("Shape", x), graph.sizes(0), graph.sizes(1))
    zero = numpy_helper.from_array(np.zeros(1, graph.dtype))
    return graph.node("ConstantOfShape", graph.node("Concat", rows, graph.sizes(units), axis=0), value=zero)


def step(graph: Graph, applied: Applied, series: list[tuple[int, int]]) -> Any:
    """Return the body: states, ``x W + b`` of one step and whether it counts, to new states and what is shown."""
    from onnx import helper

    layer = applied.layer
    inner = graph.body()
    states = [inner.unique(f"{inner.scope}/state_{i}") for i in range(layer.states)]
    inputs = [inner.unique(f"{inner.scope}/input_{i}") for i in range(len(series))]
    after = CELLS[layer.kind](inner, applied, inputs[0], states)
    shown = inner.node("Identity", after[0])
    if len(series) > 1:
        shown = inner.node("Where", inputs[1], after[0], 0)
        after = [inner.node("Where", inputs[1], new, old) for new, old in zip(after, states, strict=True)]
    given = [helper.make_tensor_value_info(name, graph.kind, [None, layer.units]) for name in states]
    given += [
        helper.make_tensor_value_info(name, kind, [None, width])
        for name, (kind, width) in zip(inputs, series, strict=True)
    ]
    made = [helper.make_tensor_value_info(name, graph.kind, [None, layer.units]) for name in (*after, shown)]
    return helper.make_graph(inner.nodes, inner.scope, given, made)


def split(graph: Graph, z: str, parts: int, units: int) -> list[str]:
    """Return the gates one by one."""
    return graph.node_of("Split", [z, graph.sizes(*[units] * parts)], parts, axis=-1)


def simple_step(graph: Graph, applied: Applied, z: str, states: list[str]) -> list[str]:
    """``activation(z + h U)``."""
    layer = applied.layer
    z = graph.node("Add", z, graph.node("MatMul", states[0], graph.parameter(applied, "recurrent_weight")))
    return [graph.node(str(TABLE[layer.activation].onnx), z)]


def lstm_step(graph: Graph, applied: Applied, z: str, states: list[str]) -> list[str]:
    """``c = f c + i g``, ``h = o tanh(c)``."""
    layer = applied.layer
    h, c = states
    z = graph.node("Add", z, graph.node("MatMul", h, graph.parameter(applied, "recurrent_weight")))
    i, *f, g, o = split(graph, z, len(layer.gates), layer.units)
    holes = peepholes(graph, applied)
    fresh = graph.node("Mul", gate(graph, i, c, holes[:1]), graph.node("Tanh", g))
    kept = graph.node("Mul", gate(graph, f[0], c, holes[1:2]), c) if f else c
    cell = graph.node("Add", kept, fresh)
    return [graph.node("Mul", gate(graph, o, cell, holes[-1:]), graph.node("Tanh", cell)), cell]


def gate(graph: Graph, z: str, cell: str, hole: list[str]) -> str:
    """A gate, which may see the cell."""
    seen = graph.node("Add", z, graph.node("Mul", cell, hole[0])) if hole else z
    return graph.node("Sigmoid", seen)


def peepholes(graph: Graph, applied: Applied) -> list[str]:
    """Return the weights of each gate's look at the cell."""
    rows = applied.parameters.get("peephole", ())
    return [graph.parameter(applied, f"peephole.{i}", row) for i, row in enumerate(rows)]


def gru_step(graph: Graph, applied: Applied, z: str, states: list[str]) -> list[str]:
    """``h = (1 - u) n + u h`` as ``n + u (h - n)``."""
    layer = applied.layer
    if not layer.reset_after:
        return gru_step_reset_first(graph, applied, z, states)
    (h,), units = states, layer.units
    q = graph.node("MatMul", h, graph.parameter(applied, "recurrent_weight"))
    (zr, zu, zn), (qr, qu, qn) = split(graph, z, 3, units), split(graph, q, 3, units)
    if layer.bias:
        qn = graph.node("Add", qn, graph.parameter(applied, "recurrent_bias"))
    r, u = (graph.node("Sigmoid", graph.node("Add", a, b)) for a, b in ((zr, qr), (zu, qu)))
    n = graph.node("Tanh", graph.node("Add", zn, graph.node("Mul", r, qn)))
    return [between(graph, n, h, u)]


def gru_step_reset_first(graph: Graph, applied: Applied, z: str, states: list[str]) -> list[str]:
    """Likewise, the reset gate before the product: two matrices of U, those of r and u, and that of n."""
    (h,), units = states, applied.layer.units
    weight = graph.parameter(applied, "recurrent_weight")
    gates, candidate = graph.node_of("Split", [weight, graph.sizes(2 * units, units)], 2, axis=-1)
    zr, zu, zn = split(graph, z, 3, units)
    qr, qu = split(graph, graph.node("MatMul", h, gates), 2, units)
    r, u = (graph.node("Sigmoid", graph.node("Add", a, b)) for a, b in ((zr, qr), (zu, qu)))
    n = graph.node("Tanh", graph.node("Add", zn, graph.node("MatMul", graph.node("Mul", r, h), candidate)))
    return [between(graph, n, h, u)]


def between(graph: Graph, n: str, h: str, u: str) -> str:
    """``n + u (h - n)``."""
    return graph.node("Add", n, graph.node("Mul", u, graph.node("Sub", h, n)))


CELLS = {"simple": simple_step, "lstm": lstm_step, "gru": gru_step}
