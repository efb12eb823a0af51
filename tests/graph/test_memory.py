"""Where tensors lie: no two that are needed at one time share memory, and what is free is used again."""

import numpy as np
import pytest
from helpers.cases import CASES

import fastnn as fn
from fastnn._core.workspace import Layout, Workspace, gradient_roots, pack, value_roots


def residual(blocks=3, width=8, size=8):
    """A residual network of images: two convolutions with BatchNorm in each block."""
    C, N, A = fn.Conv2D, fn.BatchNorm, fn.Activation
    layers = [C(width, 3, bias=False), N(), A("relu")]
    for _ in range(blocks):
        body = [C(width, 3, bias=False), N(), A("relu"), C(width, 3, bias=False), N()]
        layers += [fn.Residual(body), A("relu")]
    return fn.Sequential([*layers, fn.GlobalAvgPool2D(), fn.Dense(10)], input_shape=(size, size, 3), seed=0)


def test_pack_never_lets_two_that_live_at_once_overlap():
    rng = np.random.default_rng(0)
    for _ in range(50):
        n = int(rng.integers(1, 40))
        first = rng.integers(0, 30, n)
        lifetimes = {i: (int(first[i]), int(first[i] + rng.integers(0, 12))) for i in range(n)}
        widths = {i: int(rng.choice([1, 16, 17, 64, 100, 512])) for i in range(n)}
        places, total = pack(lifetimes, widths)
        rounded = {i: -(-widths[i] // 16) * 16 for i in range(n)}
        assert all(places[i] % 16 == 0 and places[i] + rounded[i] <= total for i in range(n))
        for i in range(n):
            for j in range(i):
                at_once = lifetimes[i][0] <= lifetimes[j][1] and lifetimes[j][0] <= lifetimes[i][1]
                apart = places[i] + rounded[i] <= places[j] or places[j] + rounded[j] <= places[i]
                assert apart or not at_once
        live = [sum(rounded[i] for i in range(n) if lifetimes[i][0] <= t <= lifetimes[i][1]) for t in range(45)]
        assert max(live) <= total <= sum(rounded.values())


def test_pack_joins_neighbours_that_are_free():
    """Two of 16 beside each other make room for one of 32, and what remains of a large place is used."""
    lifetimes = {"a": (0, 1), "b": (0, 1), "c": (2, 3), "d": (4, 5), "e": (4, 5)}
    places, total = pack(lifetimes, {"a": 16, "b": 16, "c": 32, "d": 16, "e": 16})
    assert total == 32
    assert places["d"] != places["e"]


def test_an_add_is_done_in_place_and_its_gradient_is_its_inputs():
    net = residual(1)
    plan = net.plan
    index = next(i for i, op in enumerate(plan.ops) if type(op).__name__ == "AddOp")
    body, link = plan.step_inputs(index)
    (out,) = plan.step_outputs(index)
    roots = value_roots(plan, True, True)
    assert roots[out] == roots[body] != roots[link]
    shared = gradient_roots(plan, True)
    assert shared[body] == shared[link] == shared[out]
    assert len(set(value_roots(plan, True, False))) > len(set(roots))
    assert gradient_roots(plan, False) == list(range(len(plan.widths)))


def test_gradients_are_written_over_those_that_nobody_reads_again():
    plan = residual(1).plan
    roots, names = gradient_roots(plan, True), [type(op).__name__ for op in plan.ops]
    inner = names.index("BatchNormOp", names.index("FanOutOp"))
    outer = names.index("BatchNormOp", inner + 1)
    assert roots[plan.step_inputs(inner)[0]] == roots[plan.step_outputs(inner + 1)[0]]  # through the relu behind it
    assert roots[plan.step_inputs(outer)[0]] != roots[plan.step_outputs(outer)[0]]  # the link reads that too
    link = names.index("FanOutOp")
    assert roots[plan.step_inputs(link)[0]] == roots[plan.step_outputs(link)[0]]  # all others are only read


def diamond():
    """Tensors with two and three readers, links that cross, a sum of one with itself; one of two answers on the way."""
    x = fn.Input(6)
    h = fn.Activation("tanh")(fn.BatchNorm()(fn.Dense(8)(x)))
    thrice = fn.Activation("relu")(fn.add(h, h, h))
    a = fn.BatchNorm()(fn.add(fn.Dense(8, "tanh")(thrice), h))
    b = fn.Activation("sigmoid")(fn.add(fn.BatchNorm()(fn.Dropout(0.0)(a)), thrice, a))
    c = fn.Activation("tanh")(fn.add(fn.Activation("elu")(b), b))
    return fn.Network(x, [fn.Activation("tanh")(a), fn.Dense(3)(fn.concatenate(c, thrice))], seed=0, dtype="float64")


def test_gradients_that_share_memory_are_those_that_do_not():
    """A training step, whose workspace shares, against backward by hand, where every gradient has its own."""
    rng = np.random.default_rng(0)
    x, targets = rng.normal(size=(16, 6)), [rng.normal(size=(16, 8)), rng.normal(size=(16, 3))]
    net, by_hand = diamond(), diamond()
    for each in (net, by_hand):
        each.compile(["squared_error", "squared_error"], fn.SGD(0.5))
    net.train_step(x, targets)
    answers = by_hand.forward(x, training=True)
    dys = [2 / y.size * (y - t) for y, t in zip(answers, targets, strict=True)]
    by_hand.backward(dys)
    by_hand.apply_gradients()
    assert np.ptp(net.params - diamond().params) > 0.1
    np.testing.assert_allclose(net.params, by_hand.params, rtol=0, atol=1e-14)


def test_a_training_step_needs_two_images_for_each_convolution():
    """Of a convolution, its normalisation and activation the input and the output of BatchNorm are kept, no more: what
    backward does not read is given up, and gradients lie where values lay."""
    net = residual(6)
    image, convolutions = 8 * 8 * 8 * 4, 13
    assert net.memory(16).activations <= 16 * image * (2 * convolutions + 6)
    assert net.memory(16, training=False).activations <= 16 * image * 4


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_memory_is_that_of_the_workspace(case):
    net = case.build("float32", 0)
    for training in (False, True):
        wanted = net.plan.wanted_gradients([True] * len(net.plan.ops)) if training else None
        need = net.memory(5, training=training)
        assert Workspace(net.plan, 5, wanted).nbytes == need.total - need.parameters
        assert need.parameters == net.params.nbytes * (1 + training)
        layout = Layout(net.plan, wanted)
        assert layout.row_width * 5 * 4 == need.activations


def test_memory_of_a_compiled_network_and_what_it_refuses():
    net = fn.Sequential([fn.Dense(3)], 2, seed=0)
    before = net.memory(1).parameters
    net.compile("squared_error", "adam")
    assert net.memory(1).parameters == before + 2 * net.params.nbytes
    assert net.memory(1, training=False).parameters == net.params.nbytes
    assert net.memory().total == sum(net.memory(32))
    with pytest.raises(ValueError, match="batch_size"):
        net.memory(0)
    with pytest.raises(TypeError, match="batch_size"):
        net.memory(1.5)


def test_summary_says_it():
    text = residual().summary().splitlines()[-1]
    train, answer = (residual().memory(32, training=training).total for training in (True, False))
    assert f"with 32 rows: {train / 1e6:.1f} MB in training, {answer / 1e3:.1f} kB in inference" in text
