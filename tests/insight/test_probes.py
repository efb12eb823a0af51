"""Linear probes: what a linear classifier can read off, and what it cannot."""

import numpy as np
import pytest

import fastnn as fn

random = np.random.default_rng(7)


def xor():
    """Two classes that no line parts, and that the product of both coordinates gives away."""
    X = random.uniform(-1, 1, (2000, 2))
    X += 0.1 * np.sign(X)
    return X, (X.prod(axis=1) > 0).astype(int)


def test_separable_data_are_read_off_every_layer():
    centres = 4 * np.eye(5)[:3]
    y = random.integers(0, 3, 900)
    X = centres[y] + 0.3 * random.normal(size=(900, 5))
    net = fn.Sequential([fn.Dense(16, "tanh"), fn.Dense(3)], input_shape=5, seed=0)
    probes = fn.linear_probes(net, X, y)
    assert probes.layers == ["input", "dense_1", "dense_2"]
    assert probes.accuracy.min() > 0.99
    assert probes.training_accuracy.min() > 0.99
    assert probes.chance == pytest.approx(1 / 3, abs=0.06)


def test_depth_helps_where_the_classes_are_not_separable():
    X, y = xor()
    product = fn.Custom(
        lambda x: np.concatenate([x, x[:, :1] * x[:, 1:]], axis=1),
        lambda x, y, dy: dy[:, :2] + dy[:, 2:] * x[:, ::-1],
        output_shape=3,
        name="product",
    )
    probes = fn.linear_probes(fn.Sequential([product], input_shape=2, seed=0), X, y, epochs=40)
    assert probes.layers == ["input", "product"]
    assert probes.accuracy[0] < 0.6
    assert probes.accuracy[1] > 0.97


def test_rows_are_held_out():
    """Labels without any relation to the inputs: learned by heart, of no use on other rows."""
    X, y = random.normal(size=(80, 100)), random.integers(0, 2, 80)
    probes = fn.linear_probes(fn.Sequential([fn.Dense(2)], input_shape=100, seed=0), X, y, epochs=100)
    assert probes.training_accuracy[0] == 1.0
    assert probes.accuracy[0] < 0.85


def test_other_rows_may_be_held_out():
    """They are the only ones to be tested on: here, all of them have the other label."""
    X, y = random.normal(size=(200, 3)), np.repeat([0, 1], 100)
    X[:, 0] += 6 * y
    net = fn.Sequential([fn.Dense(2)], input_shape=3, seed=0)
    probes = fn.linear_probes(net, X, y, held_out=(X[50:], 1 - y[50:]), epochs=40)
    assert probes.training_accuracy[0] > 0.98
    assert probes.accuracy[0] < 0.02
    assert probes.chance == pytest.approx(2 / 3)


def test_layers_that_repeat_are_left_out_and_labels_are_any_integers():
    X, y = xor()
    layers = [fn.Flatten(), fn.Dense(4, "relu"), fn.Dropout(0.5), fn.Dense(2)]
    net = fn.Sequential(layers, input_shape=2, seed=0)
    probes = fn.linear_probes(net, X[:200], 10 * y[:200] - 3, epochs=2)
    assert probes.layers == ["input", "dense_1", "dense_2"]


def test_several_inputs():
    X, y = xor()
    a, b = fn.Input(1), fn.Input(1)
    net = fn.Network([a, b], fn.Dense(2)(fn.concatenate(a, b)), seed=0)
    probes = fn.linear_probes(net, [X[:, :1], X[:, 1:]], y, epochs=1)
    assert probes.layers == ["input_1", "input_2", "concatenate_1", "dense_1"]


def test_seed_and_what_is_left_as_it_is():
    X, y = xor()
    net = fn.Sequential([fn.Dense(8, "tanh"), fn.Dense(2)], input_shape=2, seed=0)
    net.compile("cross_entropy", "adam")
    before = net.params.copy(), net.grads.copy(), net.trainer.step
    first, again = (fn.linear_probes(net, X[:300], y[:300], epochs=3, seed=5) for _ in range(2))
    assert np.array_equal(first.accuracy, again.accuracy)
    assert np.array_equal(net.params, before[0])
    assert np.array_equal(net.grads, before[1])
    assert net.trainer.step == before[2]
    assert str(first).splitlines()[0].split() == ["layer", "held-out", "accuracy", "training", "accuracy"]
    assert len(str(first).splitlines()) == 5


@pytest.mark.parametrize(
    ("y", "options", "exception", "message"),
    [
        (np.zeros(9, int), {}, ValueError, r"expected y of shape \(10,\), one class per row, got \(9,\)"),
        (np.zeros(10, int), {}, ValueError, "expected at least 2 classes in y, got only 0"),
        (np.arange(10) / 2, {}, TypeError, "expected y to hold integer class labels, got dtype float64"),
        (np.arange(10) % 2, {"held_out": 2}, ValueError, "expected held_out"),
        (
            np.arange(10) % 2,
            {"held_out": (np.ones((3, 2)),)},
            ValueError,
            r"expected held_out to be a number or \(X, y\)",
        ),
        (np.arange(10) % 2, {"held_out": (np.ones((3, 2)), [0])}, ValueError, r"expected y of shape \(3,\)"),
        (np.arange(10) % 2, {"epochs": 0}, ValueError, "expected epochs of at least 1"),
        (np.arange(10) % 2, {"l2": -1}, ValueError, "expected l2"),
    ],
)
def test_what_is_refused(y, options, exception, message):
    net = fn.Sequential([fn.Dense(2)], input_shape=2, seed=0)
    with pytest.raises(exception, match=rf"^linear_probes: {message}"):
        fn.linear_probes(net, np.ones((10, 2)), y, **options)
