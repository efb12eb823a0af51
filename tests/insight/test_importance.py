"""Permutation importance: what a linear network loses when its inputs are shuffled, in closed form."""

import numpy as np
import pytest

import fastnn as fn

random = np.random.default_rng(21)
X, W = random.normal(size=(60, 4)), np.array([2.0, 0.0, -0.5, 1.0])


def linear():
    net = fn.Sequential([fn.Dense(1, bias=False)], input_shape=4, seed=0, dtype="float64")
    net.compile("squared_error", "sgd")
    net.params[:] = W
    return net


def test_a_linear_network_in_closed_form():
    """Squared error of an exact w'x is w_i^2 times the mean squared change of x_i."""
    net, y = linear(), X @ W
    before, given = net.params.copy(), X.copy()
    given.flags.writeable = False
    found = fn.permutation_importance(net, given, y, repeats=7, seed=5)
    shuffles, rises = np.random.default_rng(5), np.empty((4, 7))
    for i in range(4):
        for k in range(7):
            rises[i, k] = W[i] ** 2 * ((shuffles.permutation(X[:, i]) - X[:, i]) ** 2).mean()
    np.testing.assert_allclose(found.values, rises.mean(axis=1), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.deviations, rises.std(axis=1), rtol=1e-8, atol=1e-12)
    assert found.loss == pytest.approx(0, abs=1e-20)
    assert (np.asarray(found) == found.values).all()
    assert np.array_equal(net.params, before)
    assert np.array_equal(given, X)
    assert repr(found).startswith("<PermutationImportance of 4 inputs; loss ")


def test_shape_of_the_input_is_kept():
    net = fn.Sequential([fn.Flatten(), fn.Dense(3)], input_shape=(2, 5), seed=0)
    net.compile("cross_entropy")
    found = fn.permutation_importance(net, random.normal(size=(9, 2, 5)), random.integers(0, 3, 9), repeats=2)
    assert (found.values.shape, found.deviations.shape, found.repeats) == ((2, 5), (2, 5), 2)


def test_mistakes():
    net, y = linear(), X @ W
    with pytest.raises(ValueError, match="permutation_importance: expected at least 2 rows, got 1"):
        fn.permutation_importance(net, X[:1], y[:1])
    with pytest.raises(ValueError, match="permutation_importance: expected repeats"):
        fn.permutation_importance(net, X, y, repeats=0)
    with pytest.raises(ValueError, match="permutation_importance: expected verbose to be 'auto', 0 or 1, got 'yes'"):
        fn.permutation_importance(net, X, y, verbose="yes")
    with pytest.raises(RuntimeError, match="permutation_importance: expected a compiled network"):
        fn.permutation_importance(fn.Sequential([fn.Dense(1)], input_shape=4, seed=0), X, y)
    a, b = fn.Input(2), fn.Input(2)
    with pytest.raises(ValueError, match="expected a network of one input, got 2"):
        fn.permutation_importance(fn.Network([a, b], fn.Dense(1)(fn.add(a, b)), seed=0), X, y)


def test_picture(tmp_path):
    pytest.importorskip("matplotlib")
    found = fn.permutation_importance(linear(), X, X @ W)
    axes = fn.plot_importance(found, tmp_path / "i.png", names=["a", "b", "c$d$", "e"], most=3).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["c$d$", "e", "a"]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx(found.values[[2, 3, 0]])
    assert (tmp_path / "i.png").read_bytes().startswith(b"\x89PNG")
    image = fn.plot_importance(found, shape=(2, 2)).axes[0].images[0]
    assert np.asarray(image.get_array()).ravel().tolist() == found.values.tolist()
    with pytest.raises(ValueError, match="expected 4 names, one per element, got 1"):
        fn.plot_importance(found, names=["a"])
    with pytest.raises(ValueError, match=r"expected a shape \(H, W\) of 4 elements"):
        fn.plot_importance(found, shape=(3, 2))
