"""What an op says that its way back reads stays in memory until then, when a network learns and memory is shared."""

import numpy as np
import pytest
from helpers.cases import CASES, as_list, backward, forward, one, randomize

import fastnn as fn

DETERMINED = [case for case in CASES if not case.random and not case.indices and "dropout" not in case.id]
BOUND = 1e-11  # of the largest gradient: the same arithmetic in float64, but for sums that ops in one pass take apart


def in_company(case):
    """The case between a layer whose way back does not read what it made, and layers that read no output of the case on
    the way back and make tensors as large as those of the case."""
    alone = case.build("float64", 0)
    widths = [int(np.prod(shape)) for shape in (*alone.input_shapes, *alone.output_shapes)]
    inputs = [fn.Input(shape) for shape in alone.input_shapes]
    ends = []
    for tensor in as_list(alone(*[fn.Scale()(x) for x in inputs])):
        end = fn.Flatten()(fn.Slice(0, 1)(tensor))
        for width in (*widths, 1):
            end = fn.Dense(width)(end)
        ends.append(end)
    net = fn.Network(inputs, ends, dtype="float64", seed=0)
    randomize(net, np.random.default_rng(0))
    return net


@pytest.mark.parametrize("case", DETERMINED, ids=lambda case: case.id)
def test_a_step_learns_what_the_gradients_say(case):
    """``backward`` after ``forward`` keeps every tensor apart; ``train_step`` does not."""
    net, random = in_company(case), np.random.default_rng(1)
    xs = [random.standard_normal((3, *shape)) for shape in net.input_shapes]
    goals = [random.standard_normal((3, 1)) for _ in net.output_shapes]
    errors = [y - goal for y, goal in zip(forward(net, xs, training=True), goals, strict=True)]
    backward(net, [2 * error / 3 for error in errors])  # of the mean over 3 rows of e^2
    gradients = {name: gradient.copy() for name, gradient in net.named_gradients()}
    before = {name: value.copy() for name, value in net.named_parameters()}
    net.compile(one(["squared_error"] * len(goals)), fn.SGD(1.0))
    net.train_step(one(xs), one(goals))
    largest = max(np.abs(gradient).max() for gradient in gradients.values())
    after = dict(net.named_parameters())
    for name, gradient in gradients.items():
        assert np.abs(before[name] - after[name] - gradient).max() <= BOUND * max(largest, 1), name
