"""Attributions by gradient: closed forms of linear and quadratic networks, completeness, and what is refused."""

import numpy as np
import pytest

import fastnn as fn

random = np.random.default_rng(3)
X = random.normal(size=(5, 4))
METHODS = [fn.saliency, fn.smooth_grad, fn.integrated_gradients]


def linear(outputs=3, dtype="float64"):
    return fn.Sequential([fn.Dense(outputs)], input_shape=4, seed=1, dtype=dtype)


def quadratic():
    """f_j = sum over i of w_ij x_i^2."""
    square = fn.Custom(lambda x: x * x, lambda x, y, dy: 2 * x * dy, name="square")
    return fn.Sequential([square, fn.Dense(3, bias=False)], input_shape=4, seed=1, dtype="float64")


def mlp(activation="tanh", last=None, dtype="float64"):
    layers = [fn.Dense(16, activation), fn.Dense(16, activation), fn.Dense(3, last)]
    return fn.Sequential(layers, input_shape=4, seed=2, dtype=dtype)


def test_saliency_of_a_linear_network_is_a_column_of_its_weights():
    net = linear()
    w = net.layers[0].weight
    assert np.array_equal(fn.saliency(net, X, 2).values, np.tile(w[:, 2], (5, 1)))
    assert np.array_equal(fn.saliency(net, X, [0, 1, 2, 1, 0]).values, w.T[[0, 1, 2, 1, 0]])


def test_saliency_of_two_layers_is_the_chain_rule():
    net = fn.Sequential([fn.Dense(6, "tanh"), fn.Dense(3)], input_shape=4, seed=2, dtype="float64")
    first, last = net.layers
    a = np.tanh(X @ first.weight + first.bias)
    expected = ((1 - a**2) * last.weight[:, 1]) @ first.weight.T
    assert fn.saliency(net, X, 1).values == pytest.approx(expected, rel=1e-12)


def test_the_predicted_class_is_looked_at_by_default():
    net = linear()
    z = X @ net.layers[0].weight + net.layers[0].bias
    for method in METHODS:
        attribution = method(net, X)
        assert attribution.targets.tolist() == z.argmax(axis=1).tolist()
        assert attribution.outputs == pytest.approx(z.max(axis=1), rel=1e-12)
        assert np.array_equal(attribution.inputs, X)


def test_more_rows_than_run_at_once():
    net = linear()
    rows = random.normal(size=(2 * net.chunk + 3, 4))
    targets = random.integers(0, 3, len(rows))
    assert np.array_equal(fn.saliency(net, rows, targets).values, net.layers[0].weight.T[targets])


def test_one_output_needs_no_target():
    net = linear(1)
    assert np.array_equal(fn.saliency(net, X).values, np.tile(net.layers[0].weight[:, 0], (5, 1)))


def test_smooth_grad_without_noise_is_saliency():
    net = mlp()
    expected = fn.saliency(net, X).values
    assert fn.smooth_grad(net, X, noise=0, samples=3).values == pytest.approx(expected, rel=1e-12)


def test_smooth_grad_has_noise_of_the_range_of_each_row():
    """f = sum w x^2: the mean gradient is 2 w (x + mean of the noise), of deviation noise * range / sqrt(samples)."""
    net = quadratic()
    w = net.layers[1].weight[:, 0]
    rows = np.repeat([[0.0, 1.0, 2.0, 4.0], [0.0, 10.0, -10.0, 0.0]], 2000, axis=0)
    means = fn.smooth_grad(net, rows, 0, noise=0.1, samples=25).values / (2 * w) - rows
    assert np.abs(means[:2000].mean()) < 0.08 / 8000**0.5 * 4
    assert means[:2000].std() == pytest.approx(0.1 * 4 / 5, rel=0.05)
    assert means[2000:].std() == pytest.approx(0.1 * 20 / 5, rel=0.05)


def test_smooth_grad_is_a_function_of_its_seed():
    net = mlp("relu", dtype="float32")
    first, again, other = (fn.smooth_grad(net, X, seed=seed).values for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("baseline", [0.0, 0.5, X.mean(axis=0), X[::-1]], ids=["zero", "number", "row", "rows"])
def test_integrated_gradients_of_linear_and_quadratic_networks(baseline):
    net = linear()
    way = X - baseline
    assert fn.integrated_gradients(net, X, 1, baseline=baseline, steps=1).values == pytest.approx(
        way * net.layers[0].weight[:, 1], rel=1e-12
    )
    net = quadratic()
    expected = net.layers[1].weight[:, 1] * (X**2 - np.broadcast_to(baseline, X.shape) ** 2)
    assert fn.integrated_gradients(net, X, 1, baseline=baseline, steps=4).values == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("activation", "last", "steps", "bound"),
    [
        ("tanh", None, 50, 1e-8),
        ("tanh", "softmax", 50, 1e-8),
        ("relu", None, 400, 0.01),
        ("sigmoid", "sigmoid", 50, 1e-8),
    ],
)
def test_integrated_gradients_are_complete(activation, last, steps, bound):
    net = mlp(activation, last)
    attribution = fn.integrated_gradients(net, X, baseline=0.1, steps=steps)
    f = net.predict(X)[np.arange(5), attribution.targets]
    f0 = net.predict(np.full_like(X, 0.1))[np.arange(5), attribution.targets]
    sums = attribution.values.sum(axis=1)
    assert (np.abs(sums - (f - f0)) <= bound * np.abs(f - f0)).all()
    assert attribution.delta == pytest.approx(sums - (f - f0), abs=1e-12)
    assert attribution.relative_delta == pytest.approx(np.abs(sums - (f - f0)) / np.abs(f - f0), abs=1e-12)


def test_too_few_steps_show_in_delta():
    attribution = fn.integrated_gradients(mlp("sigmoid"), 30 * X, steps=1)
    assert attribution.relative_delta.max() > 0.01


def test_nothing_happens_between_equal_points():
    attribution = fn.integrated_gradients(mlp(), X, baseline=X)
    assert not attribution.values.any()
    assert not attribution.relative_delta.any()


def test_an_attribution_is_an_array_and_says_what_it_explains():
    attribution = fn.integrated_gradients(mlp("tanh", "softmax"), X)
    assert np.asarray(attribution) is not None
    assert np.array_equal(np.asarray(attribution, np.float32), attribution.values.astype(np.float32))
    assert attribution.of == "output of 'dense_3', after softmax"
    assert fn.saliency(mlp(), X).of == "output of 'dense_3', no activation"
    assert repr(attribution).startswith("<integrated gradients of 5 rows, (B, 4); f: output of 'dense_3'")
    assert fn.saliency(mlp(dtype="float32"), X).values.dtype == np.float32


@pytest.mark.parametrize("method", METHODS)
def test_the_network_is_left_as_it_is(method):
    net = fn.Sequential([fn.Dense(6, "relu"), fn.Dropout(0.5), fn.Dense(3)], input_shape=4, seed=0)
    net.compile("cross_entropy", "adam")
    net.train_step(X, [0, 1, 2, 0, 1])
    y = net.forward(X, training=True)
    expected = net.backward(np.ones_like(y))
    before = net.params.copy(), net.grads.copy(), net.forwards
    method(net, X[:2] + 1)
    assert np.array_equal(net.params, before[0])
    assert np.array_equal(net.grads, before[1])
    assert net.forwards == before[2]
    assert np.array_equal(net.backward(np.ones_like(y)), expected)  # of the forward before


def two_inputs():
    a, b = fn.Input(4), fn.Input(4)
    return fn.Network([a, b], fn.Dense(2)(fn.add(a, b)), seed=0)


def two_outputs():
    x = fn.Input(4)
    return fn.Network(x, [fn.Dense(2)(x), fn.Dense(3)(x)], seed=0)


REFUSED = [
    (two_inputs, {}, ValueError, "expected a network of one input and one output, got 2 and 1; .*net.backward"),
    (two_outputs, {}, ValueError, "expected a network of one input and one output, got 1 and 2"),
    (lambda: fn.Sequential([fn.Reshape((2, 2))], input_shape=4, seed=0), {}, ValueError, r"\(B, 2, 2\); add Flatten"),
    (lambda: "net", {}, TypeError, "expected a Network or Sequential, got str"),
    (linear, {"target": 3}, ValueError, "expected target from 0 to 2, an output of the network, got 3"),
    (linear, {"target": -1}, ValueError, "expected target from 0 to 2"),
    (linear, {"target": 1.0}, TypeError, "expected target to hold integers, got dtype float64"),
    (linear, {"target": [0, 1]}, ValueError, r"expected target to be one integer or 5, got shape \(2,\)"),
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("make", "options", "exception", "message"), REFUSED)
def test_what_is_refused(method, make, options, exception, message):
    with pytest.raises(exception, match=rf"^{method.__name__}: .*{message}"):
        method(make(), X, **options)


def test_options_that_are_refused():
    net = linear()
    with pytest.raises(ValueError, match="smooth_grad: expected noise"):
        fn.smooth_grad(net, X, noise=-1)
    with pytest.raises(ValueError, match="smooth_grad: expected samples of at least 1, got 0"):
        fn.smooth_grad(net, X, samples=0)
    with pytest.raises(ValueError, match="integrated_gradients: expected steps of at least 1, got 0"):
        fn.integrated_gradients(net, X, steps=0)
    with pytest.raises(
        ValueError, match=r"expected baseline to be a number or to broadcast to \(5, 4\), got shape \(3,"
    ):
        fn.integrated_gradients(net, X, baseline=np.zeros(3))
    with pytest.raises(ValueError, match="expected baseline to be finite"):
        fn.integrated_gradients(net, X, baseline=np.nan)
    with pytest.raises(
        ValueError, match=r"saliency: expected X of shape \(B, 4\), got \(4,\); for one row pass X\[None\]"
    ):
        fn.saliency(net, X[0])


def test_one_number_per_pixel():
    layers = [fn.Flatten(), fn.Dense(2)]
    net = fn.Sequential(layers, input_shape=(2, 3, 3), seed=1, dtype="float64")
    images = random.normal(size=(2, 2, 3, 3))
    w = net.layers[1].weight[:, 1].reshape(2, 3, 3)
    attribution = fn.saliency(net, images, 1)
    assert attribution.by_pixel() == pytest.approx(np.tile(w.sum(axis=-1), (2, 1, 1)), rel=1e-12)
    assert attribution.by_pixel("max") == pytest.approx(np.tile(np.abs(w).max(axis=-1), (2, 1, 1)), rel=1e-12)
    with pytest.raises(ValueError, match="by_pixel: unknown channels 'mean'; "):
        attribution.by_pixel("mean")
    with pytest.raises(ValueError, match=r"by_pixel: expected images \(B, H, W, C\), got \(B, 4\)"):
        fn.saliency(linear(), X).by_pixel()
