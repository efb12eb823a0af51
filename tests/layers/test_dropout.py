"""Dropout and DropConnect: rates, expectations, and what a mask depends on.

Statistical bounds are Z standard errors; seeds are fixed, so that a test that passes keeps passing.
"""

import copy

import numpy as np
import pytest

import fastnn as fn

Z = 5  # standard errors: one miss in 1.7 million
RATES = (0.1, 0.5, 0.8)
LINEAR = 1e-13  # float64 rounding of sums of a few dozen terms


def dropout(rate, width=1000, **options):
    return fn.Sequential([fn.Dropout(rate, **options)], input_shape=width, seed=3, dtype="float64")


def dropconnect(rate, inputs=40, outputs=50, **options):
    net = fn.Sequential([fn.DropConnect(outputs, rate=rate, **options)], input_shape=inputs, seed=3, dtype="float64")
    net.layers[0].bias[...] = 0.25
    return net


def connections(net, training=True):
    """The effective weights of a DropConnect layer: the answers to unit vectors, less the bias."""
    inputs = net.input_shape[0]
    y = net.forward(np.vstack([np.eye(inputs), np.zeros(inputs)]), training)
    return y[:-1] - y[-1]


# ---- how many, how much ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", RATES)
def test_units_are_missing_at_the_rate(rate):
    """The number dropped of n is binomial: standard deviation sqrt(n rate (1 - rate))."""
    y = dropout(rate).forward(np.ones((200, 1000)), training=True)
    n = y.size
    assert abs(np.count_nonzero(y == 0) - n * rate) <= Z * np.sqrt(n * rate * (1 - rate))
    kept = y[y != 0]
    np.testing.assert_allclose(kept, 1 / (1 - rate), rtol=1e-15)
    for axis in (0, 1):  # and evenly so: each column and each row
        count = np.count_nonzero(y == 0, axis=axis)
        assert np.abs(count - y.shape[axis] * rate).max() <= Z * np.sqrt(y.shape[axis] * rate * (1 - rate))


@pytest.mark.parametrize("rate", RATES)
def test_connections_are_missing_at_the_rate(rate):
    net = dropconnect(rate)
    dropped = np.concatenate([connections(net).ravel() == 0 for _ in range(50)])
    assert abs(np.count_nonzero(dropped) - dropped.size * rate) <= Z * np.sqrt(dropped.size * rate * (1 - rate))


@pytest.mark.parametrize("inverted", [True, False])
@pytest.mark.parametrize("rate", RATES)
def test_the_expectation_of_training_is_inference(rate, inverted):
    """One output is s x m with m Bernoulli(1 - rate): standard deviation s |x| sqrt(rate (1 - rate))."""
    net, draws = dropout(rate, width=50, inverted=inverted), 4000
    x = np.random.default_rng(0).normal(size=50)
    mean = net.forward(np.tile(x, (draws, 1)), training=True).mean(axis=0)
    scale = 1 / (1 - rate) if inverted else 1
    np.testing.assert_allclose(net.predict_one(x), x if inverted else (1 - rate) * x, rtol=1e-15)
    assert (np.abs(mean - net.predict_one(x)) <= Z * scale * np.abs(x) * np.sqrt(rate * (1 - rate) / draws)).all()


@pytest.mark.parametrize("inverted", [True, False])
@pytest.mark.parametrize("rate", RATES)
def test_the_expectation_of_dropconnect_is_inference(rate, inverted):
    """The variance of a sum over connections is the sum of theirs: s^2 rate (1 - rate) sum (w x)^2."""
    net, draws = dropconnect(rate, inverted=inverted), 2000
    x = np.random.default_rng(0).normal(size=(1, 40))
    mean = np.mean([net.forward(x, training=True)[0] for _ in range(draws)], axis=0)
    w, b = net.layers[0].weight, net.layers[0].bias
    expected = (x @ (w if inverted else (1 - rate) * w) + b)[0]
    np.testing.assert_allclose(net.predict(x)[0], expected, rtol=LINEAR)
    scale = 1 / (1 - rate) if inverted else 1
    error = scale * np.sqrt(rate * (1 - rate) * ((x.T * w) ** 2).sum(axis=0) / draws)
    assert (np.abs(mean - expected) <= Z * error).all()


@pytest.mark.parametrize("inverted", [True, False])
def test_both_forms_drop_the_same_units_and_differ_by_a_factor(inverted):
    x = np.random.default_rng(0).normal(size=(3, 1000))
    a, b = (dropout(0.4, inverted=form).forward(x, training=True) for form in (True, False))
    np.testing.assert_allclose(a * 0.6, b, rtol=1e-15)
    assert set(np.unique(b[b != 0] == x[b != 0])) == {True}


def test_rate_0_changes_nothing():
    x = np.random.default_rng(0).normal(size=(3, 1000))
    for inverted in (True, False):
        net = dropout(0, inverted=inverted)
        np.testing.assert_array_equal(net.forward(x, training=True), x)
        np.testing.assert_array_equal(net.predict(x), x)
        net = dropconnect(0, inverted=inverted)
        np.testing.assert_array_equal(net.forward(x[:, :40], training=True), net.predict(x[:, :40]))


@pytest.mark.parametrize("make", [dropout, dropconnect])
def test_nothing_is_dropped_outside_training(make):
    net = make(0.5)
    x = np.random.default_rng(0).normal(size=(6, *net.input_shape))
    y = net.predict(x)
    for again in (
        net.predict(x),
        net.forward(x),
        net.forward(x, training=False),
        next(iter(net.activations(x).values())),
    ):
        np.testing.assert_array_equal(again, y)
    net.compile("squared_error", fn.SGD(0.0))
    net.train_step(x, y)
    assert net.evaluate(x, y)["loss"] == 0
    np.testing.assert_allclose(net.predict_one(x[0]), y[0], rtol=LINEAR, atol=LINEAR)
    np.testing.assert_array_equal(net.predict(x), y)


# ---- what a mask depends on -----------------------------------------------------------------------------------------


class Watch:
    """A loss that notes the outputs it is given."""

    def __init__(self):
        self.seen = []

    def __call__(self, y_true, y_pred):
        self.seen.append(y_pred.copy())
        return np.zeros(len(y_pred)), np.zeros(y_pred.shape)


def masks_in_training(net, x, steps):
    watch = Watch()
    net.compile(watch, fn.SGD(0.1))
    for _ in range(steps):
        net.train_step(x, np.zeros((len(x), *net.output_shape)))
    return watch.seen


def test_a_mask_is_a_function_of_seed_and_step():
    x = np.ones((4, 1000))
    net = dropout(0.5)
    first = masks_in_training(net, x, 3)
    assert not any(np.array_equal(first[i], first[j]) for i in range(3) for j in range(i))
    for a, b in zip(first, masks_in_training(dropout(0.5), x, 3), strict=True):
        np.testing.assert_array_equal(a, b)
    other = fn.Sequential([fn.Dropout(0.5)], input_shape=1000, seed=4, dtype="float64")
    assert not np.array_equal(masks_in_training(other, x, 1)[0], first[0])
    # Neither predictions nor hand-made forwards in between change what training draws.
    net = dropout(0.5)
    net.predict(x)
    net.forward(x, training=True)
    np.testing.assert_array_equal(masks_in_training(net, x, 1)[0], first[0])


def test_a_mask_does_not_depend_on_the_dtype():
    narrow = fn.Sequential([fn.Dropout(0.5)], input_shape=1000, seed=3)
    x = np.ones((4, 1000))
    np.testing.assert_array_equal(narrow.forward(x, training=True), dropout(0.5).forward(x, training=True))


@pytest.mark.parametrize("rows", [1, 2, 5])
@pytest.mark.parametrize("width", [1, 3, 130])
def test_a_row_has_its_mask_whatever_follows_it(rows, width):
    """The first rows of a batch are dropped as if they came alone: element (b, n) has its own number."""
    net = dropout(0.5, width=width)
    x = np.ones((7, width))
    whole = copy.deepcopy(net).forward(x, training=True)
    np.testing.assert_array_equal(net.forward(x[:rows], training=True), whole[:rows])


def test_the_mask_of_connections_is_one_for_the_whole_batch():
    net = dropconnect(0.5)
    x = np.random.default_rng(0).normal(size=(7, 40))
    whole = copy.deepcopy(net).forward(x, training=True)
    net.forwards = 0
    v = connections(net)
    np.testing.assert_allclose(whole, x @ v + 0.25, rtol=LINEAR, atol=LINEAR)
    w = net.layers[0].weight
    assert set(np.round(np.unique(v / w), 12)) == {0.0, 2.0}


def test_layers_have_masks_of_their_own():
    x = fn.Input(1000)
    net = fn.Network(x, [fn.Dropout(0.5)(x), fn.Dropout(0.5)(x)], seed=0)
    a, b = net.forward(np.ones((2, 1000)), training=True)
    both = np.count_nonzero((a == 0) & (b == 0))
    assert abs(both - 500) <= Z * np.sqrt(2000 * 0.25 * 0.75)  # independent: a quarter is missing in both


def test_forwards_in_training_differ_and_pickled_networks_go_on():
    net, x = dropout(0.5), np.ones((2, 1000))
    first = net.forward(x, training=True)
    twin = copy.deepcopy(net)
    second = net.forward(x, training=True)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(twin.forward(x, training=True), second)


# ---- gradients ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inverted", [True, False])
def test_the_gradient_of_dropout_has_the_mask_of_the_forward(inverted):
    net = dropout(0.4, inverted=inverted)
    rng = np.random.default_rng(0)
    dy = rng.normal(size=(5, 1000))
    y = net.forward(np.ones((5, 1000)), training=True)
    np.testing.assert_array_equal(net.backward(dy), dy * y)  # y is mask times scale
    net.forward(np.ones((5, 1000)))
    np.testing.assert_allclose(net.backward(dy), dy if inverted else 0.6 * dy, rtol=1e-15)


@pytest.mark.parametrize("inverted", [True, False])
def test_the_gradient_of_dropconnect_has_the_mask_of_the_forward(inverted):
    net = dropconnect(0.4, inverted=inverted)
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(41, 40)), rng.normal(size=(41, 50))
    v = connections(net)
    net.forwards = 0
    net.forward(x, training=True)
    dx = net.backward(dy)
    mask, scale = v != 0, 1 / 0.6 if inverted else 1.0
    np.testing.assert_allclose(dx, dy @ v.T, rtol=LINEAR, atol=LINEAR)
    expected = scale * mask * (x.T @ dy)
    np.testing.assert_allclose(net.layers[0].gradients["weight"], expected, rtol=LINEAR, atol=LINEAR)
    assert (net.layers[0].gradients["weight"][~mask] == 0).all()
    np.testing.assert_allclose(net.layers[0].gradients["bias"], dy.sum(axis=0), rtol=LINEAR)
    net.forward(x)
    w = net.layers[0].weight * (1 if inverted else 0.6)
    np.testing.assert_allclose(net.backward(dy), dy @ w.T, rtol=LINEAR, atol=LINEAR)
    np.testing.assert_allclose(
        net.layers[0].gradients["weight"], (1 if inverted else 0.6) * (x.T @ dy), rtol=LINEAR, atol=LINEAR
    )


def test_dropped_connections_do_not_learn():
    """In a training step the weights that were missing keep their bytes."""
    net = dropconnect(0.5)
    before = net.layers[0].weight.copy()
    net.compile("squared_error", fn.SGD(0.1))
    net.train_step(np.random.default_rng(0).normal(size=(8, 40)), np.ones((8, 50)))
    kept = net.layers[0].weight == before
    assert abs(kept.sum() - 1000) <= Z * np.sqrt(2000 * 0.25)
