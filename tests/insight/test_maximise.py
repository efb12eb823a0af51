"""Activation maximisation: a linear unit in closed form, hidden layers, bounds, and what is refused."""

import numpy as np
import pytest

import fastnn as fn


def linear():
    return fn.Sequential([fn.Dense(3)], input_shape=4, seed=1, dtype="float64")


def hidden():
    layers = [fn.Dense(6, name="first"), fn.Dense(5, "tanh", name="second"), fn.Dense(3)]
    return fn.Sequential(layers, input_shape=4, seed=1, dtype="float64")


def test_each_step_towards_a_linear_unit():
    """x_t = w/l2 (1 - (1 - h l2)^t): gradient ascent on w x - l2/2 |x|^2 from 0."""
    net = linear()
    w, b = net.layers[0].weight, net.layers[0].bias
    b[...] = [1, 2, 3]
    for steps in (1, 7, 400):
        found = fn.maximise_activation(net, [2, 0], steps=steps, learning_rate=0.5, l2=0.2)
        expected = w.T[[2, 0]] / 0.2 * (1 - (1 - 0.5 * 0.2) ** steps)
        assert found.values == pytest.approx(expected, rel=1e-10)
        assert found.activations[0].tolist() == [3, 1]
        assert found.activations[-1] == pytest.approx((expected * w.T[[2, 0]]).sum(axis=1) + b[[2, 0]], rel=1e-10)
        assert found.activations.shape == (steps + 1, 2)
    assert found.values == pytest.approx(w.T[[2, 0]] / 0.2, rel=1e-10)  # the maximum


def test_a_linear_unit_of_a_hidden_layer():
    net = hidden()
    found = fn.maximise_activation(net, 4, layer="first", steps=500, learning_rate=1.0, l2=0.1)
    assert found.values == pytest.approx(net.layers[0].weight.T[[4]] / 0.1, rel=1e-10)
    assert found.layer == "first"


def test_the_slope_of_a_hidden_layer_behind_another():
    net = hidden()
    first, second = net.layers[:2]
    found = fn.maximise_activation(net, 1, layer="second", steps=1, learning_rate=0.1, l2=0.0)
    slope = 1 - np.tanh(first.bias @ second.weight + second.bias)[1] ** 2
    assert found.values[0] == pytest.approx(0.1 * first.weight @ second.weight[:, 1] * slope, rel=1e-10)
    x = found.values
    assert found.activations[-1] == pytest.approx(net.activations(x)["second"][:, 1], rel=1e-12)


def test_units_do_not_disturb_each_other():
    net = hidden()
    together = fn.maximise_activation(net, [0, 3], layer="second", noise=1.0, bounds=(-1, 1), steps=20)
    alone = fn.maximise_activation(net, 0, layer="second", noise=1.0, bounds=(-1, 1), steps=20)
    assert np.array_equal(together.values[:1], alone.values)


def test_bounds_of_a_linear_unit():
    net = linear()
    found = fn.maximise_activation(net, 1, l2=0, bounds=(-0.5, 2.0), steps=1000)
    assert np.array_equal(found.values[0], np.where(net.layers[0].weight[:, 1] > 0, 2.0, -0.5))


def test_noise_is_where_the_climb_starts():
    net = linear()
    w = net.layers[0].weight[:, 0]
    found = fn.maximise_activation(net, [0] * 500, steps=1, learning_rate=1.0, l2=0.0, noise=3.0, seed=4)
    start = found.values - w
    assert start.std() == pytest.approx(3, rel=0.05)
    again, other = (fn.maximise_activation(net, 0, noise=1.0, seed=seed).values for seed in (0, 1))
    assert not np.array_equal(again, other)


def test_any_graph_of_one_input():
    x = fn.Input(4)
    h = fn.Dense(4, "tanh", name="h")(x)
    net = fn.Network(x, [fn.Dense(2, name="a")(fn.add(h, x)), fn.Dense(3, name="b")(h)], seed=0, dtype="float64")
    for layer in ("h", "a", "b"):
        found = fn.maximise_activation(net, 1, layer=layer, l2=0, steps=1, learning_rate=1e-6)
        numeric = np.empty(4)
        for i, e in enumerate(1e-5 * np.eye(4)):
            above, below = net.activations([e])[layer][0, 1], net.activations([-e])[layer][0, 1]
            numeric[i] = (above - below) / 2e-5
        assert found.values[0] / 1e-6 == pytest.approx(numeric, rel=1e-6)
    assert fn.maximise_activation(net, 1, steps=3).layer == "a"


def test_the_network_is_left_as_it_is():
    net = hidden()
    before = net.params.copy(), net.grads.copy()
    fn.maximise_activation(net, 0, layer="second")
    assert np.array_equal(net.params, before[0])
    assert np.array_equal(net.grads, before[1])
    with pytest.raises(RuntimeError, match="there was none"):
        net.backward(np.ones((1, 3)))


REFUSED = [
    ({"unit": 3}, ValueError, "expected units from 0 to 2 in 'dense_1', got 3"),
    ({"unit": [0, -1]}, ValueError, "expected units from 0 to 2"),
    ({"unit": 0.5}, TypeError, "expected unit to be an integer or a list of them, got 0.5"),
    ({"unit": []}, TypeError, "expected unit to be an integer"),
    ({"unit": 0, "layer": "dense_2"}, ValueError, "unknown layer 'dense_2'; did you mean 'dense_1'"),
    ({"unit": 0, "steps": 0}, ValueError, "expected steps of at least 1"),
    ({"unit": 0, "learning_rate": 0}, ValueError, "expected learning_rate"),
    ({"unit": 0, "l2": -1}, ValueError, "expected l2"),
    ({"unit": 0, "noise": -1}, ValueError, "expected noise"),
    ({"unit": 0, "bounds": 3}, TypeError, r"expected bounds to be \(low, high\), got 3"),
    ({"unit": 0, "bounds": (1, 0)}, ValueError, "expected bounds with low < high"),
]


@pytest.mark.parametrize(("options", "exception", "message"), REFUSED)
def test_what_is_refused(options, exception, message):
    with pytest.raises(exception, match=rf"^maximise_activation: .*{message}"):
        fn.maximise_activation(linear(), **options)


def test_a_flat_start_is_said():
    net = fn.Sequential([fn.Dense(8, "relu"), fn.Dense(2)], input_shape=3, seed=0)
    with pytest.raises(ValueError, match="got a gradient of 0 for unit 1 of 'dense_2'; start elsewhere with noise"):
        fn.maximise_activation(net, 1)
    found = fn.maximise_activation(net, 1, noise=1.0)
    assert found.activations[-1, 0] > found.activations[0, 0]


def test_several_inputs_are_refused():
    a, b = fn.Input(4), fn.Input(4)
    net = fn.Network([a, b], fn.Dense(2)(fn.add(a, b)), seed=0)
    with pytest.raises(ValueError, match="expected a network of one input, got 2"):
        fn.maximise_activation(net, 0)


def image_net(activation=None):
    layers = [fn.Conv2D(2, 1, activation, bias=False, name="filters"), fn.Flatten(), fn.Dense(3, name="classes")]
    return fn.Sequential(layers, input_shape=(4, 5, 3), seed=1, dtype="float64")


def test_a_filter_is_its_sum_over_the_image():
    """x = w / l2 at every pixel; the sum over 20 of them is 20 |w|^2 / l2."""
    net = image_net()
    w = net.layers[0].weight[0, 0]
    found = fn.maximise_activation(net, [1, 0], layer="filters", steps=500, learning_rate=1.0, l2=0.1)
    for unit, x, last in zip([1, 0], found.values, found.activations[-1], strict=True):
        assert x == pytest.approx(np.broadcast_to(w[:, unit] / 0.1, (4, 5, 3)), rel=1e-10)
        assert last == pytest.approx(20 * (w[:, unit] ** 2).sum() / 0.1, rel=1e-10)
    with pytest.raises(ValueError, match="expected filters from 0 to 1 in 'filters', got 2"):
        fn.maximise_activation(net, 2, layer="filters")


def test_smooth_images_in_closed_form():
    """The maximum of w x - l2/2 |x|^2 - s x' L x, L the Laplacian of a row of five pixels: (l2 + 2 s L) x = w."""
    net = fn.Sequential([fn.Flatten(), fn.Dense(1)], input_shape=(1, 5, 1), seed=1, dtype="float64")
    found = fn.maximise_activation(net, 0, l2=0.5, smooth=0.8, steps=2000, learning_rate=0.1)
    L = np.diag([1, 2, 2, 2, 1]) - np.eye(5, k=1) - np.eye(5, k=-1)
    expected = np.linalg.solve(0.5 * np.eye(5) + 1.6 * L, net.layers[1].weight[:, 0])
    assert found.values.ravel() == pytest.approx(expected, rel=1e-9)
    with pytest.raises(ValueError, match=r"^maximise_activation: expected images \(H, W, C\) to smooth, got \(B, 4\)"):
        fn.maximise_activation(linear(), 0, smooth=1.0)
    with pytest.raises(ValueError, match=r"^maximise_activation: expected smooth"):
        fn.maximise_activation(net, 0, smooth=-1.0)
