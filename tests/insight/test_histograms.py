"""Histograms: NumPy's, of the right arrays."""

import numpy as np
import pytest

import fastnn as fn

random = np.random.default_rng(13)
X, Y = random.normal(size=(40, 4)), random.integers(0, 3, 40)


def network():
    net = fn.Sequential([fn.Dense(5, "tanh"), fn.Dropout(0.5), fn.Dense(3)], input_shape=4, seed=0, dtype="float64")
    net.compile("cross_entropy", "sgd")
    return net


def same(given, values, bins):
    counts, edges = np.histogram(values, bins)
    return np.array_equal(given[0], counts) and given[1] == pytest.approx(edges, rel=1e-12)


def test_weights_and_activations():
    net = network()
    found = fn.histograms(net, X, bins=12)
    first, _, last = net.layers
    assert list(found.weights) == ["dense_1", "dense_2"]
    assert same(found.weights["dense_1"], first.weight, 12)
    assert same(found.weights["dense_2"], last.weight, 12)
    a = np.tanh(X @ first.weight + first.bias)
    assert list(found.activations) == ["dense_1", "dropout_1", "dense_2"]
    assert same(found.activations["dense_1"], a, 12)
    assert same(found.activations["dropout_1"], a, 12)  # nothing is dropped out
    assert found.gradients == {}


def test_gradients():
    net = fn.Sequential([fn.Dense(3)], input_shape=4, seed=0, dtype="float64")
    net.compile("squared_error", fn.SGD(0.1, groups={"dense_1": fn.Group(frozen=True)}))
    goals = random.normal(size=(40, 3))
    dy = 2 / 3 * (X @ net.layers[0].weight - goals) / 40
    found = fn.histograms(net, X, goals)
    assert same(found.gradients["dense_1"], X.T @ dy, 50)


def test_several_inputs_and_no_compilation():
    a, b = fn.Input(4), fn.Input(4)
    net = fn.Network([a, b], fn.Dense(2)(fn.add(a, b)), seed=0)
    assert list(fn.histograms(net, [X, X]).activations) == ["add_1", "dense_1"]


def test_what_is_refused():
    with pytest.raises(RuntimeError, match="histograms: expected a compiled network"):
        fn.histograms(fn.Sequential([fn.Dense(3)], input_shape=4, seed=0), X, Y)
    with pytest.raises(ValueError, match="histograms: expected bins of at least 1, got 0"):
        fn.histograms(network(), X, bins=0)
    with pytest.raises(TypeError, match="histograms: expected a Network or Sequential, got dict"):
        fn.histograms({}, X)
