"""The coefficients of a PhaseDense layer as ONNX nodes."""

import numpy as np

from fastnn.formats.onnx.write.graph import Graph


def phase_coefficients(graph: Graph, phase: str, points: int, function: str) -> str:
    """Return c_k(p) (B, K) of phases (B, 1).

    Every coefficient is one function of the distance, around the circle, between the phase and its control point.
    """
    fraction = graph.node("Sub", phase, graph.node("Floor", phase))
    place = graph.node("Mul", fraction, points)
    if function == "constant":
        return nearest(graph, place, points)
    t = graph.node("Abs", graph.node("Sub", place, np.arange(points)))
    t = graph.node("Min", t, graph.node("Sub", points, t))  # the shorter way round
    if function == "linear":
        return graph.node("Relu", graph.node("Sub", 1, t))  # max(1 - t, 0)
    return catmull_rom(graph, t)


def nearest(graph: Graph, place: str, points: int) -> str:
    """1 for the control point that is nearest."""
    from onnx import TensorProto

    index = graph.node("Floor", graph.node("Add", place, 0.5))
    index = graph.node("Cast", index, to=TensorProto.INT64)
    index = graph.node("Mod", graph.node("Squeeze", index, graph.sizes(1)), graph.constant(points, np.int64))
    return graph.node("Gather", np.eye(points), index, axis=0)


def catmull_rom(graph: Graph, t: str) -> str:
    """``1.5 t^3 - 2.5 t^2 + 1`` up to 1, ``-0.5 t^3 + 2.5 t^2 - 4 t + 2`` from there to 2, then 0."""
    near = polynomial(graph, graph.node("Min", t, 1), 1.5, -2.5, 0, 1)
    clipped = graph.node("Max", graph.node("Min", t, 2), 1)
    return graph.node("Add", near, polynomial(graph, clipped, -0.5, 2.5, -4, 2))  # each is 0 where the other counts


def polynomial(graph: Graph, t: str, *coefficients: float) -> str:
    """Horner's scheme, the highest power first."""
    first, second, *others = coefficients
    value = graph.node("Add", graph.node("Mul", t, first), second)
    for c in others:
        value = graph.node("Add", graph.node("Mul", value, t), c)
    return value
