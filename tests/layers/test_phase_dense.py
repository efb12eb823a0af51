"""PhaseDense: the phase function, one row against many, decay."""

import numpy as np
import pytest
from helpers.bits import native
from helpers.reference import phase_coefficients
from scipy.interpolate import CubicHermiteSpline

import fastnn as fn
from fastnn._core.ops import phase

KINDS = [("cubic", 4), ("cubic", 5), ("cubic", 17), ("linear", 2), ("linear", 4), ("linear", 9), ("constant", 3)]
EPS = np.finfo(np.float64).eps
over_kinds = pytest.mark.parametrize(("function", "points"), KINDS)


def network(function, points, inputs=6, outputs=5, dtype="float64", seed=0):
    x, p = fn.Input(inputs), fn.Input(1)
    layer = fn.PhaseDense(outputs, control_points=points, phase_function=function)
    net = fn.Network([x, p], layer(x, p), dtype=dtype, seed=seed)
    net.params[:] = np.random.default_rng(seed).normal(size=net.n_params)
    return net


def value_and_slope(net, phases):
    """Of the first output at x = 0: the spline through the first biases, and its derivative by the phase."""
    phases = np.reshape(phases, (-1, 1))
    y = net.forward([np.zeros((len(phases), 6)), phases])
    dy = np.zeros_like(y)
    dy[:, 0] = 1
    return y[:, 0], net.backward(dy)[1][:, 0]


@over_kinds
def test_coefficients(function, points):
    phases = np.concatenate([np.random.default_rng(0).uniform(-3, 3, 500), [-0.25, 0.25, 0.75, 1.0, -2.0]])
    c = phase.basis(phases, points, function)
    np.testing.assert_allclose(c, phase_coefficients(phases, points, function), atol=100 * EPS)
    np.testing.assert_allclose(c.sum(axis=1), 1, atol=8 * EPS)
    np.testing.assert_allclose(phase.basis(np.arange(points) / points, points, function), np.eye(points), atol=8 * EPS)


def test_cubic_is_the_hermite_spline_of_central_slopes():
    """Catmull & Rom 1974: through b_k with the slope (b_{k+1} - b_{k-1}) K/2, by SciPy's Hermite spline."""
    net = network("cubic", 5)
    b = net.layers[0].bias[:, 0]
    around = np.arange(-1, 7)
    spline = CubicHermiteSpline(around / 5, b[around % 5], (b[(around + 1) % 5] - b[(around - 1) % 5]) * 5 / 2)
    phases = np.linspace(0, 1, 101)
    value, slope = value_and_slope(net, phases)
    np.testing.assert_allclose(value, spline(phases), atol=1e-14)
    np.testing.assert_allclose(slope, spline(phases, 1), atol=1e-13)


@pytest.mark.parametrize("points", [4, 17])
def test_cubic_is_continuous_with_its_slope_at_every_control_point(points):
    net, step = network("cubic", points), 1e-9
    knots = np.arange(-points, points + 1) / points
    (low, slope_low), (high, slope_high) = (value_and_slope(net, knots + side * step) for side in (-1, 1))
    size = np.abs(net.layers[0].bias[:, 0]).max()
    np.testing.assert_allclose(low, high, atol=2 * step * 4 * points * size)
    np.testing.assert_allclose(slope_low, slope_high, atol=2 * step * 40 * points**2 * size)
    assert np.ptp(slope_low) > size  # else there would be nothing to see


@pytest.mark.parametrize("points", [4, 9])
def test_linear_has_a_corner_at_every_control_point(points):
    net = network("linear", points)
    b = net.layers[0].bias[:, 0]
    k = np.arange(points)
    for side, expected in ((-1e-9, b - b[k - 1]), (1e-9, b[(k + 1) % points] - b)):
        np.testing.assert_allclose(value_and_slope(net, k / points + side)[1], points * expected, rtol=1e-12)


@pytest.mark.parametrize("points", [3, 5])
def test_constant_has_no_slope(points):
    net, rng = network("constant", points), np.random.default_rng(0)
    net.forward([rng.normal(size=(20, 6)), rng.uniform(-2, 2, (20, 1))])
    assert not net.backward(rng.normal(size=(20, 5)))[1].any()


@pytest.mark.parametrize(
    ("function", "points", "bound"),
    [
        ("constant", 50, np.pi / 50),  # max |f'| / 2K
        ("linear", 50, np.pi**2 / 2 / 50**2),  # max |f''| / 8 K^2
        ("cubic", 50, (2 * np.pi / 50) ** 3 / 24 + (2 * np.pi / 50) ** 4),  # slopes of third order
    ],
)
def test_modes_agree_within_the_interpolation_error(function, points, bound):
    """Through points of cos 2 pi p, whose derivatives are at most (2 pi)^n."""
    net = network(function, points)
    net.layers[0].bias[:, 0] = np.cos(2 * np.pi * np.arange(points) / points)
    phases = np.linspace(-1, 1, 3001)
    error = np.abs(value_and_slope(net, phases)[0] - np.cos(2 * np.pi * phases)).max()
    assert bound / 100 < error <= bound


@native(17 * 40 * 70)
@over_kinds
@pytest.mark.parametrize("outputs", [3, 16, 70])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bits_do_not_depend_on_the_batch(function, points, outputs, dtype):
    """One row passes over slices whose coefficient is 0, or goes through the others one by one: no bit changes."""
    net, rng = network(function, points, 40, outputs, dtype), np.random.default_rng(0)
    rows = [rng.normal(size=(40, 40)).astype(dtype), np.linspace(-1.5, 1.5, 40, dtype=dtype)[:, None]]
    whole = net.predict(rows)
    for i in range(40):
        assert net.predict_one([x[i] for x in rows]).tobytes() == whole[i].tobytes()
        assert net.predict([x[i : i + 3] for x in rows])[0].tobytes() == whole[i].tobytes()


@native(10 * 300 * 300)
@pytest.mark.parametrize(("function", "points"), [("cubic", 4), ("linear", 10)])
def test_bits_do_not_depend_on_threads(function, points):
    before, rng = fn.get_num_threads(), np.random.default_rng(0)
    net = network(function, points, 300, 300, "float32")
    rows, dy = [rng.normal(size=(64, 300)), rng.uniform(size=(64, 1))], rng.normal(size=(64, 300))
    results = []
    try:
        for threads in (1, 2, 3, 40):  # 40: more than there is scratch for
            fn.set_num_threads(threads)
            results.append([net.forward(rows), *net.backward(dy), net.grads.copy()])
    finally:
        fn.set_num_threads(before)
    for other in results[1:]:
        assert all(a.tobytes() == b.tobytes() for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@over_kinds
def test_a_phase_that_is_no_number_is_not_hidden(function, points, value):
    x = fn.Input(3)
    layer = fn.PhaseDense(4, control_points=points, phase_function=function)
    net = fn.Network(x, layer(x, fn.Dense(1, name="phase")(x)), seed=0)
    next(view for view in net.layers if view.name == "phase").bias[...] = value
    for rows in (np.ones((1, 3)), np.ones((5, 3))):
        assert np.isnan(net.forward(rows)).all()


def test_weights_decay_and_biases_do_not():
    net = network("cubic", 4)
    weight, bias = net.layers[0].weight.copy(), net.layers[0].bias.copy()
    rows, target = [np.zeros((1, 6)), [[0.5]]], net.predict([np.zeros((1, 6)), [[0.5]]])  # no error, so no gradient
    net.compile("squared_error", fn.SGD(0.1, weight_decay=0.5))
    net.train_step(rows, target)
    np.testing.assert_allclose(net.layers[0].weight, 0.95 * weight, rtol=4 * EPS)
    np.testing.assert_array_equal(net.layers[0].bias, bias)
    net.compile("squared_error", fn.SGD(0.1, l1=0.01))
    net.layers[0].weight[...] = weight
    net.train_step(rows, target)
    np.testing.assert_allclose(net.layers[0].weight, weight - 0.001 * np.sign(weight), atol=4 * EPS)
    np.testing.assert_array_equal(net.layers[0].bias, bias)


def test_every_control_point_starts_with_weights_of_its_own():
    x, p = fn.Input(100), fn.Input(1)
    weight = fn.Network([x, p], fn.PhaseDense(100, "relu")(x, p), seed=0).layers[0].weight
    np.testing.assert_allclose(weight.std(axis=(1, 2)), np.sqrt(2 / 100), rtol=0.05)  # he_normal of one matrix
    assert np.abs(np.corrcoef(weight.reshape(4, -1)) - np.eye(4)).max() < 0.05
