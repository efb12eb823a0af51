"""Initial values: variances and bounds from the papers' formulas, distributions, orthogonality, determinism, defaults.

Statistical bounds are Z standard errors; seeds are fixed.
"""

import numpy as np
import pytest
from scipy import stats

import fastnn as fn
from fastnn import initializers

Z = 5  # standard errors
I, O = 200, 300
N = I * O

# name: (variance, distribution) as the papers have them
FORMULAS = {
    "glorot_uniform": (2 / (I + O), "uniform"),
    "glorot_normal": (2 / (I + O), "normal"),
    "he_uniform": (2 / I, "uniform"),
    "he_normal": (2 / I, "normal"),
    "lecun_uniform": (1 / I, "uniform"),
    "lecun_normal": (1 / I, "normal"),
}
EXCESS = {"uniform": -1.2, "normal": 0.0}  # kurtosis: var(sample variance) = variance^2 (2 + excess) / N


def weights(initializer, shape=(I, O), seed=11, dtype="float64"):
    net = fn.Sequential(
        [fn.Dense(shape[1], kernel_initializer=initializer)], input_shape=shape[0], seed=seed, dtype=dtype
    )
    return net.layers[0].weight


def check(w, variance, distribution):
    n = w.size
    assert abs(w.mean()) <= Z * np.sqrt(variance / n)
    assert abs(w.var() - variance) <= Z * variance * np.sqrt((2 + EXCESS[distribution]) / n)
    if distribution == "uniform":
        bound = np.sqrt(3 * variance)
        assert np.abs(w).max() <= bound
        assert np.abs(w).max() >= bound * (1 - 20 / n)  # P(no |w| in the outer 20/n of the range) = exp(-20)
        test = stats.kstest(w.ravel(), stats.uniform(-bound, 2 * bound).cdf)
    else:
        test = stats.kstest(w.ravel(), stats.norm(0, np.sqrt(variance)).cdf)
    assert test.pvalue > 1e-6


@pytest.mark.parametrize("name", FORMULAS)
def test_variance_and_distribution(name):
    check(weights(name), *FORMULAS[name])


@pytest.mark.parametrize("name", FORMULAS)
def test_columns_and_rows_are_alike(name):
    """Each neuron and each input gets weights of the same size: chi-square of its sum of squares, roughly normal."""
    variance, distribution = FORMULAS[name]
    w = weights(name)
    for axis in (0, 1):
        n = w.shape[axis]
        spread = variance * np.sqrt((2 + EXCESS[distribution]) / n)
        assert np.abs((w**2).mean(axis=axis) - variance).max() <= (Z + 1) * spread  # a chi-square has a heavier tail
        assert np.abs(w.mean(axis=axis)).max() <= Z * np.sqrt(variance / n)


@pytest.mark.parametrize("distribution", ["uniform", "normal"])
@pytest.mark.parametrize(("fan", "size"), [("fan_in", I), ("fan_out", O), ("fan_avg", (I + O) / 2)])
@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_variance_scaling(scale, fan, size, distribution):
    check(weights(fn.VarianceScaling(scale, fan, distribution)), scale / size, distribution)


@pytest.mark.parametrize("gain", [1.0, 1.7])
@pytest.mark.parametrize("shape", [(5, 5), (9, 4), (4, 9), (1, 6), (6, 1), (1, 1)])
def test_orthogonal(shape, gain):
    w = weights(fn.Orthogonal(gain), shape)
    product = w.T @ w if shape[0] >= shape[1] else w @ w.T
    np.testing.assert_allclose(product, gain**2 * np.eye(min(shape)), rtol=0, atol=1e-13)
    np.testing.assert_allclose(np.linalg.svd(w, compute_uv=False), gain, rtol=1e-13)


def test_orthogonal_is_uniform_over_rotations():
    """An element of a random rotation of n dimensions has mean 0 and variance 1/n (QR alone would favour one sign)."""
    draws = np.array([weights("orthogonal", (4, 4), seed) for seed in range(400)])
    assert np.abs(draws.mean(axis=0)).max() <= Z * np.sqrt(1 / 4 / 400)
    assert np.abs((draws**2).mean(axis=0) - 1 / 4).max() <= Z * np.sqrt(2 / 4**2 / 400)
    assert abs(np.linalg.det(draws).mean()) <= Z / np.sqrt(400)  # rotations and reflections alike


@pytest.mark.parametrize(("given", "value"), [("zeros", 0.0), ("ones", 1.0), (initializers.Constant(-0.5), -0.5)])
def test_constants(given, value):
    np.testing.assert_array_equal(weights(given), value)


@pytest.mark.parametrize("name", initializers.NAMES)
def test_a_seed_gives_the_same_values_in_both_dtypes(name):
    wide = weights(name)
    np.testing.assert_array_equal(weights(name), wide)
    np.testing.assert_array_equal(weights(name, dtype="float32"), wide.astype(np.float32))
    if name not in ("zeros", "ones"):
        assert not np.array_equal(weights(name, seed=12), wide)


def test_every_parameter_has_its_own_stream():
    net = fn.Sequential([fn.Dense(50, kernel_initializer="glorot_normal") for _ in range(3)], input_shape=50, seed=0)
    w = [view.weight.ravel().astype(np.float64) for view in net.layers]
    for i in range(3):
        for j in range(i):
            assert abs(np.corrcoef(w[i], w[j])[0, 1]) <= Z / np.sqrt(2500)
    # A layer added behind leaves those before as they were.
    more = fn.Sequential([fn.Dense(50, kernel_initializer="glorot_normal") for _ in range(4)], input_shape=50, seed=0)
    np.testing.assert_array_equal(more.params[: net.n_params], net.params)


def test_without_a_seed_networks_differ_and_can_be_repeated():
    a, b = (fn.Sequential([fn.Dense(5)], input_shape=4) for _ in range(2))
    assert a.seed != b.seed
    assert not np.array_equal(a.params, b.params)
    again = fn.Sequential([fn.Dense(5)], input_shape=4, seed=a.seed)
    np.testing.assert_array_equal(again.params, a.params)


HE, LECUN, GLOROT = FORMULAS["he_normal"], FORMULAS["lecun_normal"], FORMULAS["glorot_uniform"]
DEFAULTS = {
    None: GLOROT,
    "identity": GLOROT,
    "sigmoid": GLOROT,
    "tanh": GLOROT,
    "softmax": GLOROT,
    "relu": HE,
    "leaky_relu": HE,
    "elu": HE,
    "gelu": HE,
    "silu": HE,
    "softplus": HE,
    "selu": LECUN,
}


@pytest.mark.parametrize("activation", DEFAULTS)
def test_the_default_suits_the_activation(activation):
    for layer in (fn.Dense(O, activation), fn.DropConnect(O, activation)):
        view = fn.Sequential([layer], input_shape=I, seed=11, dtype="float64").layers[0]
        check(view.weight, *DEFAULTS[activation])
        assert not view.bias.any()


def test_the_default_sees_an_activation_given_as_a_layer():
    for activation, rule in (
        (fn.Activation("relu"), HE),
        (fn.Activation("tanh"), GLOROT),
        (fn.Activation("elu", alpha=0.5), HE),
    ):
        net = fn.Sequential([fn.Dense(O, activation)], input_shape=I, seed=11, dtype="float64")
        check(net.layers[0].weight, *rule)


def test_he_keeps_the_size_of_signals_through_relu_layers():
    """What the formula is for: E a^2 stays 1 from layer to layer [He et al. 2015], within 50 %."""
    net = fn.Sequential([fn.Dense(400, "relu") for _ in range(20)], input_shape=400, seed=0, dtype="float64")
    x = np.random.default_rng(0).normal(size=(50, 400))
    for z in net.preactivations(x).values():
        assert 1 <= (z**2).mean() <= 3  # Var z = 2 E a^2 = 2 at every depth


def test_biases_and_custom_parameters():
    net = fn.Sequential([fn.Dense(O, bias_initializer=initializers.Constant(0.1))], input_shape=I, seed=0)
    np.testing.assert_array_equal(net.layers[0].bias, np.float32(0.1))
    layer = fn.Custom(
        lambda x, w: x @ w,
        lambda x, y, dy, w: (dy @ w.T, {"w": x.T @ dy}),
        output_shape=O,
        parameters={"w": (lambda shape: (*shape, O), "he_uniform")},
    )
    check(fn.Sequential([layer], input_shape=I, seed=11, dtype="float64").layers[0].w, *FORMULAS["he_uniform"])
