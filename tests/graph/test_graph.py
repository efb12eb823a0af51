"""Graphs of a structure, graphs that share parameters, and answers from inner layers."""

import numpy as np
import pytest

import fastnn as fn
from fastnn.graph.graph import Graph

random = np.random.default_rng(0)
X = random.standard_normal((7, 5))


def network(**options):
    layers = [fn.Dense(4, "tanh", name="a"), fn.Dense(3, "relu", name="b"), fn.Dense(2, name="c")]
    return fn.Sequential(layers, input_shape=5, seed=0, dtype="float64", **options)


def by_hand(net, upto):
    """The first layers in plain NumPy."""
    a, functions = X, {"a": np.tanh, "b": lambda z: np.maximum(z, 0), "c": lambda z: z}
    for layer in net.layers[:upto]:
        a = functions[layer.name](a @ layer.weight + layer.bias)
    return a


def test_a_tap_answers_with_inner_layers():
    net = network()
    np.testing.assert_allclose(net.tap("a").predict(X), by_hand(net, 1), rtol=1e-14)
    b, a = net.tap("b", "a").predict(X)
    np.testing.assert_allclose(b, by_hand(net, 2), rtol=1e-13)
    np.testing.assert_allclose(a, by_hand(net, 1), rtol=1e-14)


def test_a_tap_shares_the_parameters():
    net = network()
    tap = net.tap("b")
    assert tap.params is net.params
    assert isinstance(tap, fn.Network)
    assert not isinstance(tap, fn.Sequential)
    net.params[:] = random.standard_normal(net.n_params)
    np.testing.assert_allclose(tap.predict(X), by_hand(net, 2), rtol=1e-13)
    net.compile("squared_error", "adam")
    net.train_step(X, np.ones((7, 2)))
    np.testing.assert_allclose(tap.predict(X), by_hand(net, 2), rtol=1e-13)


def test_a_tap_computes_nothing_above():
    net = network()
    tap = net.tap("a")
    assert [application.title for application in tap.applications] == ["a"]
    assert len(tap.plan.ops) < len(net.plan.ops)
    assert list(tap.activations(X)) == ["a"]
    assert dict(tap.named_parameters()).keys() == dict(net.named_parameters()).keys()


def test_gradients_of_a_tap_are_those_of_the_layers_below():
    net = network()
    tap = net.tap("a")
    a = tap.forward(X)
    dy = random.standard_normal(a.shape)
    dx = tap.backward(dy)
    dz = dy * (1 - a**2)
    np.testing.assert_allclose(dx, dz @ net.layers[0].weight.T, rtol=1e-12)
    gradients = dict(tap.named_gradients())
    np.testing.assert_allclose(gradients["a.weight"], X.T @ dz, rtol=1e-12)
    assert not gradients["b.weight"].any()
    assert not net.grads.any()


def test_a_tap_of_a_layer_applied_again():
    x, shared = fn.Input(4), fn.Dense(4, "tanh", name="shared")
    net = fn.Network(x, fn.Dense(1)(shared(shared(x))), seed=0, dtype="float64")
    rows = random.standard_normal((3, 4))
    weight, bias = net.layers[0].weight, net.layers[0].bias
    once = np.tanh(rows @ weight + bias)
    np.testing.assert_allclose(net.tap("shared").predict(rows), once, rtol=1e-13)
    np.testing.assert_allclose(net.tap("shared:2").predict(rows), np.tanh(once @ weight + bias), rtol=1e-13)


def test_a_tap_of_one_of_two_branches():
    x, y = fn.Input(3), fn.Input(2)
    left, right = fn.Dense(4, name="left")(x), fn.Dense(4, name="right")(y)
    net = fn.Network([x, y], fn.add(left, right), seed=0, dtype="float64")
    rows = [random.standard_normal((5, 3)), random.standard_normal((5, 2))]
    tap = net.tap("right")
    np.testing.assert_allclose(tap.predict(rows), rows[1] @ net.layers[1].weight + net.layers[1].bias, rtol=1e-13)
    tap.forward(rows)
    unused, dy = tap.backward(np.ones((5, 4)))
    np.testing.assert_array_equal(unused, np.zeros((5, 3)))
    np.testing.assert_allclose(dy, np.ones((5, 4)) @ net.layers[1].weight.T, rtol=1e-13)


def test_a_tap_is_saved_and_exported_as_what_it_computes(tmp_path):
    net = network()
    tap = net.tap("b")
    tap.save(tmp_path / "tap.safetensors")
    np.testing.assert_array_equal(fn.load(tmp_path / "tap.safetensors").predict(X), tap.predict(X))
    report = tap.export_c(tmp_path / "tap.c", dtype="float64")
    assert report.name == "tap"


def test_what_a_tap_refuses():
    with pytest.raises(ValueError, match=r"tap: unknown layer 'd'.*a, b, c"):
        network().tap("a", "d")
    with pytest.raises(ValueError, match="tap: expected the name of at least one layer, got none"):
        network().tap()


def test_a_graph_of_a_structure_has_zeros_or_the_parameters_that_it_is_given():
    net = network()
    empty = Graph.of(net.structure, kind="Sequential", dtype="float64")
    assert type(empty) is fn.Sequential
    assert not empty.params.any()
    twin = fn.Sequential.of(net.structure, dtype="float64", params=net.params)
    assert twin.params is net.params
    np.testing.assert_array_equal(twin.predict(X), net.predict(X))


@pytest.mark.parametrize("params", [np.zeros(3), np.zeros(47, np.float32), np.zeros(94)[::2], [0.0] * 47])
def test_parameters_that_do_not_fit_are_refused(params):
    net = network()
    assert net.n_params == 47
    with pytest.raises(ValueError, match=r"Graph\.of: expected params of shape \(47,\) in float64"):
        Graph.of(net.structure, dtype="float64", params=params)


def test_kinds_are_those_that_files_know():
    class Mine(fn.Sequential):
        pass

    assert network().kind == "Sequential"
    assert Mine([fn.Dense(1)], 2).kind == "Sequential"
    assert network().tap("a").kind == "Network"
    with pytest.raises(KeyError):
        Graph.of(network().structure, kind="Mine")
