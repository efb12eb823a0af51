"""Rows to test an exported network by: which, what it must answer, and how far off an answer may be."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.data import Standardizer
from fastnn.data.numbers import as_numeric
from fastnn.graph.graph import Graph
from fastnn.graph.layer_view import LayerView

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

    The computed sum of n products is the exact one of factors that are off by n units of rounding at most [Higham 2002,
    Accuracy and Stability of Numerical Algorithms, sec. 3.1], and by the order of sqrt(n) units in practice [Higham &
    Mary 2019, A new approach to probabilistic rounding error analysis].  8 more units stand for the functions that
    follow it.  So all parameters and inputs are moved by so much up or down at random, in float64, and the tolerance is
    four times the largest change seen, and 16 units of the largest number that any layer gives: a mean of numbers that
    cancel, such as those of a norm, keeps what rounding left of each.  Indices, and inputs that mark a step as masked,
    stay.
    """
    unit = float(np.finfo(net.dtype).eps) / 2
    exact, indices = net.astype("float64"), net.plan.index_inputs()
    longest = max(map(products, net.layers), default=1)
    masks = [mask for view in net.layers if (mask := getattr(view.spec, "mask_value", None)) is not None]
    inputs = [x.astype(np.float64) for x in rows]
    answers, rng = predict(exact, inputs), np.random.default_rng(net.seed)
    given = exact.activations(inputs if len(inputs) > 1 else inputs[0]).values()
    between = max((float(np.abs(a).max(initial=0.0)) for a in given), default=0.0)
    params, size = exact.params.copy(), (longest**0.5 + 8) * unit
    largest = [0.0] * len(answers)
    for _ in range(DRAWS):
        exact.params[:] = params * (1 + size * rng.choice([-1, 1], params.shape))
        moved = [
            x if i in indices else np.where(np.isin(x, masks), x, x * (1 + size * rng.choice([-1, 1], x.shape)))
            for i, x in enumerate(inputs)
        ]
        for i, (answer, other) in enumerate(zip(answers, predict(exact, moved), strict=True)):
            largest[i] = max(largest[i], float(np.abs(other - answer).max()))
    return [4 * far + 16 * unit * max(between, float(np.abs(y).max())) for far, y in zip(largest, answers, strict=True)]


def products(view: LayerView) -> int:
    """Return of how many products each sum of a layer is made: of its inputs, and of its state."""
    state = view.parameters.get("recurrent_weight")
    return view.input_shapes[0][-1] + (0 if state is None else len(state))
