"""Rows to test an exported network by: which, what it must answer, and how far off an answer may be."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from fastnn.data import Standardizer
from fastnn.data.numbers import as_numeric
from fastnn.graph.assembly import Application
from fastnn.graph.graph import Graph
from fastnn.graph.structure import Node, Structure

ROWS = 8  # that are drawn where none are given
STORED = 32  # that go into the file at most
DRAWS = 8  # of perturbations


@dataclass(frozen=True)
class SelfTest:
    """Rows in the order of the inputs, answers in the order of the outputs, and a tolerance for each output.

    ``raw``: the rows of the only input before they were standardised, or None.
    """

    rows: list[np.ndarray]
    raw: np.ndarray | None
    answers: list[np.ndarray]
    tolerances: list[float]


def draw_rows(net: Graph) -> list[np.ndarray]:
    """Return rows for each input: of a standard normal distribution, or any of the indices; by the network's seed."""
    rng, indices = np.random.default_rng(net.seed), net.plan.index_inputs()
    return [
        rng.integers(0, indices[i], size=(ROWS, *shape)).astype(net.dtype)
        if i in indices
        else rng.standard_normal((ROWS, *shape)).astype(net.dtype)
        for i, shape in enumerate(net.input_shapes)
    ]


def as_rows(net: Graph, rows: Any, standardizer: Standardizer | None) -> tuple[list[np.ndarray], np.ndarray | None]:
    """Return the rows as the network takes them, and, if there is a standardizer, as it takes them (float64)."""
    if standardizer is None:
        return (draw_rows(net) if rows is None else net.ports.rows("export_c", rows)[0]), None
    if rows is None:
        drawn = draw_rows(net)[0].astype(np.float64)
        raw = standardizer.inverse_transform(drawn.reshape(ROWS, *standardizer.mean.shape))
    else:
        raw = as_numeric("export_c", "rows", rows).astype(np.float64)
    x = standardizer.transform(raw)
    return net.ports.rows("export_c", x.reshape(len(x), *net.input_shape))[0], raw


def predict(net: Graph, rows: list[np.ndarray]) -> list[np.ndarray]:
    """Return a list of answers, one array per output; raises ValueError if one is not finite."""
    y: Any = net.predict(rows if len(rows) > 1 else rows[0])
    answers = [y] if isinstance(y, np.ndarray) else list(y)
    if not all(np.isfinite(answer).all() for answer in answers):
        raise ValueError("export_c: expected finite answers to the rows to test by, got NaN or infinity; pass rows")
    return answers


def make(net: Graph, rows: list[np.ndarray], raw: np.ndarray | None) -> SelfTest:
    """Return the self test of a network, of the first rows."""
    rows = [x[:STORED] for x in rows]
    return SelfTest(rows, None if raw is None else raw[:STORED], predict(net, rows), tolerances(net, rows))


def tolerances(net: Graph, rows: list[np.ndarray]) -> list[float]:
    """Return for each output how far two correct evaluations may be apart.

    The network runs layer by layer in float64, each layer on what the one before it gave, and with errors of the size
    that its own arithmetic has, up or down at random.  The computed sum of n products is the exact one of factors that
    are off by n units of rounding at most [Higham 2002, Accuracy and Stability of Numerical Algorithms, sec. 3.1], and
    by the order of sqrt(n) units in practice [Higham & Mary 2019, A new approach to probabilistic rounding error
    analysis]; 8 more units stand for the functions that follow it.  So parameters and outputs of a layer are moved by
    sqrt(n) + 8 units of themselves, and inputs where no matrix meets them, since a norm takes numbers from their mean;
    what comes out of an activation also by one unit of its argument, at most of 1: some take 1 from what is near 1.
    What an error does to the answers, the layers behind it tell.  The tolerance is twice the largest change seen, and
    two units of the largest answer.
    """
    unit = float(np.finfo(net.dtype).eps) / 2
    exact, rng = net.astype("float64"), np.random.default_rng(net.seed)
    inputs = [x.astype(np.float64) for x in rows]
    answers, whole = predict(exact, inputs), whole_numbers(exact)
    largest = [0.0] * len(answers)
    for _ in range(DRAWS):
        tensors = dict(enumerate(inputs))
        for application in exact.applications:
            given = [tensors[i] for i in application.inputs]
            rounded = application.output not in whole
            tensors[application.output] = with_errors(exact, application, given, unit if rounded else 0.0, rng)
        for i, (answer, tensor) in enumerate(zip(answers, exact.structure.outputs, strict=True)):
            largest[i] = max(largest[i], float(np.abs(tensors[tensor] - answer).max()))
    return [2 * far + 2 * unit * float(np.abs(y).max()) for far, y in zip(largest, answers, strict=True)]


def whole_numbers(net: Graph) -> set[int]:
    """Return the tensors that some layer reads as indices, and those that they are copied from: they have no errors."""
    found: set[int] = set()
    for application in reversed(net.applications):
        indices = alone(application).plan.index_inputs(unchanged=False)
        places = range(len(application.inputs)) if application.output in found else indices
        found |= {application.inputs[place] for place in places}
    return found


def alone(application: Application) -> Any:
    """Return a float64 network of one application of a layer, whose parameters are 0."""
    shapes = application.input_shapes
    node = Node(0, tuple(range(len(shapes))))
    structure = Structure(shapes, (None,) * len(shapes), (application.layer,), (node,), (len(shapes),))
    return Graph.of(structure, kind="Network", seed=0, dtype="float64")


def with_errors(
    net: Graph, application: Application, given: list[np.ndarray], unit: float, rng: np.random.Generator
) -> np.ndarray:
    """Return what a layer gives if all of its arithmetic is off by errors of this unit, up or down at random."""
    size = (products(net, application) ** 0.5 + 8) * unit

    def moved(x: np.ndarray, by: float | np.ndarray) -> np.ndarray:
        return x + by * rng.choice([-1.0, 1.0], x.shape)

    single, own = alone(application), {p.name: p for p in net.places if p.layer == application.name}
    for place in single.places:
        values = own[place.name].of(net.params)
        place.of(single.params)[...] = moved(values, size * np.abs(values))
    indices = single.plan.index_inputs(unchanged=False)
    plain = range(len(given)) if any(place.decays for place in single.places) else indices
    inputs = [x if i in plain else moved(x, size * np.abs(x)) for i, x in enumerate(given)]
    ((_, z, a),) = single.run_layers([np.ascontiguousarray(x) for x in inputs], len(inputs[0]))
    curved = application.preactivation != application.activation and z.shape == a.shape
    return moved(a, size * np.abs(a) + (unit * np.minimum(np.abs(z), 1.0) if curved else 0.0))


def products(net: Graph, application: Application) -> int:
    """Return how many numbers, about, a layer adds up: a row of its matrices, or what it makes one output of."""
    rows = [prod(place.shape[:-1]) for place in net.places if place.layer == application.name and place.decays]
    first = application.input_shapes[0]
    return max(sum(rows), first[-1], prod(first) // prod(application.output_shape))
