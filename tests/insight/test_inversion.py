"""Feature inversion: total variation by hand, minima in closed form, what a layer forgets, and what is refused."""

import numpy as np
import pytest

import fastnn as fn
from fastnn.insight.variation import total_variation

random = np.random.default_rng(29)
X = random.random((2, 4, 5, 2))


def network(*layers, shape=(4, 5, 2)):
    return fn.Sequential([*layers, fn.Flatten(), fn.Dense(2)], input_shape=shape, seed=0, dtype="float64")


def identity():
    """A network whose first layer says what it is given."""
    net = network(fn.Conv2D(2, 1, bias=False, name="same"))
    net.layers[0].weight[...] = np.eye(2)
    return net


def variation(x, beta):
    """The formula, pixel by pixel."""
    rows, columns, channels = x.shape
    total = 0.0
    for i in range(rows):
        for j in range(columns):
            for c in range(channels):
                down = x[i + 1, j, c] - x[i, j, c] if i + 1 < rows else 0.0
                right = x[i, j + 1, c] - x[i, j, c] if j + 1 < columns else 0.0
                total += (down**2 + right**2) ** (beta / 2)
    return total


@pytest.mark.parametrize("beta", [1.0, 1.5, 2.0, 3.0])
def test_total_variation(beta):
    values, slope = total_variation(X, beta)
    np.testing.assert_allclose(values, [variation(x, beta) for x in X], rtol=1e-12)
    h, expected = 1e-6, np.empty_like(X)
    for place in np.ndindex(X.shape):
        moved = np.zeros_like(X[0])
        moved[place[1:]] = h
        expected[place] = (variation(X[place[0]] + moved, beta) - variation(X[place[0]] - moved, beta)) / (2 * h)
    np.testing.assert_allclose(slope, expected, rtol=1e-6, atol=1e-8)


def test_a_flat_image_has_none():
    values, slope = total_variation(np.ones((1, 3, 3, 1)), 1.0)
    assert values == [0]
    assert not slope.any()


def test_what_says_all_is_inverted():
    found = fn.invert_features(identity(), X, "same", smooth=0, steps=500)
    np.testing.assert_allclose(found.values, X, atol=1e-4)
    assert found.distances.shape == (501, 2)
    assert (found.distances[-1] < 1e-8).all()
    assert found.layer == "same"
    assert np.array_equal(found.inputs, X)


def test_a_smooth_image_in_closed_form():
    """The minimum of |x - x0|^2 / |x0|^2 + s/N x' L x, L the Laplacian of the grid, solves a linear system."""
    smooth, (rows, columns, channels) = 2.0, X.shape[1:]
    number = np.arange(rows * columns).reshape(rows, columns)
    L = np.zeros((rows * columns, rows * columns))
    for a, b in ((number[1:], number[:-1]), (number[:, 1:], number[:, :-1])):
        for i, j in zip(a.ravel(), b.ravel(), strict=True):
            L[[i, j], [i, j]] += 1
            L[[i, j], [j, i]] -= 1
    found = fn.invert_features(identity(), X, "same", smooth=smooth, steps=1000)
    for x0, x in zip(X, found.values, strict=True):
        size = (x0**2).sum()
        system = np.eye(rows * columns) / size + smooth / x0.size * L
        expected = np.linalg.solve(system, x0.reshape(-1, channels) / size)
        np.testing.assert_allclose(x.reshape(-1, channels), expected, atol=2e-3)
        assert np.abs(expected - x0.reshape(-1, channels)).max() > 0.1  # smoother than the image


def test_a_pooling_forgets_what_lies_within_its_windows():
    net = network(fn.AvgPool2D(2, name="means"), shape=(4, 4, 1))
    x0 = random.random((1, 4, 4, 1))
    found = fn.invert_features(net, x0, "means", smooth=0, noise=0.5, steps=500, seed=3)
    means = [x.reshape(2, 2, 2, 2).mean(axis=(1, 3)) for x in (x0, found.values)]
    np.testing.assert_allclose(means[1], means[0], atol=1e-4)
    assert np.abs(found.values - x0).max() > 0.1
    other = fn.invert_features(net, x0, "means", smooth=0, noise=0.5, steps=500, seed=4)
    assert np.abs(found.values - other.values).max() > 0.1  # another image with the same features


def test_distances_are_relative_and_of_the_layer_named():
    net = network(fn.Conv2D(3, 3, "tanh", name="first"), fn.Conv2D(4, 3, "relu", name="second"))
    for layer in ("first", "second"):
        found = fn.invert_features(net, X, layer, steps=20)
        wanted, said = net.activations(X)[layer], net.activations(found.values)[layer]
        expected = ((said - wanted) ** 2).sum(axis=(1, 2, 3)) / (wanted**2).sum(axis=(1, 2, 3))
        np.testing.assert_allclose(found.distances[-1], expected, rtol=1e-10)
        assert (found.distances[-1] < found.distances[0]).all()


def test_rows_do_not_disturb_each_other_and_bounds_hold():
    net = network(fn.Conv2D(3, 3, "relu", name="first"))
    found = fn.invert_features(net, X, "first", bounds=(0.2, 0.7), steps=30, noise=0.0)
    alone = fn.invert_features(net, X[1:], "first", bounds=(0.2, 0.7), steps=30, noise=0.0)
    assert np.array_equal(found.values[1:], alone.values)
    assert found.values.min() == 0.2
    assert found.values.max() == 0.7
    start = fn.invert_features(net, X, "first", bounds=(0.2, 0.7), steps=1, noise=0.0, learning_rate=1e-9)
    np.testing.assert_allclose(start.values, 0.45, atol=1e-6)  # from the middle


def test_edges_stay_sharper_with_a_small_exponent():
    """An edge of height 1 and ramps of the same height cost the same at beta = 1; at 2 the ramp is far cheaper."""
    x0 = np.zeros((1, 8, 8, 1))
    x0[:, :, 4:] = 1
    net = network(fn.Conv2D(1, 1, bias=False, name="same"), shape=(8, 8, 1))
    net.layers[0].weight[...] = 1
    sharp, blurred = (
        fn.invert_features(net, x0, "same", smooth=smooth, beta=beta, steps=1000, noise=0.0).values
        for smooth, beta in ((0.3, 1.0), (3.0, 2.0))
    )
    across = [np.abs(np.diff(x[0, 4, :, 0])) for x in (sharp, blurred)]
    assert across[0][3] > 0.75 * across[0].sum()
    assert across[1][3] < 0.5 * across[1].sum()


REFUSED = [
    ({"layer": "nose"}, ValueError, "unknown layer 'nose'"),
    ({"smooth": -1}, ValueError, "expected smooth"),
    ({"beta": 0.5}, ValueError, "expected beta"),
    ({"steps": 0}, ValueError, "expected steps of at least 1"),
    ({"learning_rate": 0}, ValueError, "expected learning_rate"),
    ({"noise": -1}, ValueError, "expected noise"),
    ({"bounds": (1, 0)}, ValueError, "expected bounds with low < high"),
]


@pytest.mark.parametrize(("options", "exception", "message"), REFUSED)
def test_what_is_refused(options, exception, message):
    with pytest.raises(exception, match=rf"^invert_features: .*{message}"):
        fn.invert_features(identity(), X, **{"layer": "same"} | options)


def test_features_that_say_nothing_are_refused():
    net = network(fn.Conv2D(2, 1, "relu", name="dead"))
    net.layers[0].weight[...] = -1
    with pytest.raises(ValueError, match="features that are not all 0, got none else from 'dead' for row 0"):
        fn.invert_features(net, X, "dead")
    with pytest.raises(ValueError, match=r"expected a network for images \(H, W, C\), got \(B, 4\)"):
        fn.invert_features(fn.Sequential([fn.Dense(2, name="d")], input_shape=4, seed=0), np.ones((1, 4)), "d")
