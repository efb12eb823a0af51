"""The dropout example, on the small digits."""

import numpy as np
import pytest
from helpers.examples import load

import fastnn as fn

dropout = load("dropout")


def test_short_version_reaches_its_figures(tmp_path):
    figures = dropout.run(True, tmp_path)
    assert set(dropout.GOALS) <= set(figures)
    assert figures["plain, training error"] == 0
    assert figures["gap of dropout / gap of plain, by loss"] < 0.7
    assert figures["|weight scaling - 50 passes|, points"] < 1
    assert figures["accuracy with 30 % of inputs deleted, dropout - plain, points"] > 3
    assert (tmp_path / "dropout.png").exists()


def test_passes_without_dropout_are_all_the_same():
    X, y = fn.load_digits()
    net = dropout.network(64, 16, dropout=False, seed=0)
    wrong = 100 * np.mean(net.predict(X).argmax(axis=1) != y)
    assert dropout.monte_carlo(net, X, y) == pytest.approx([wrong] * len(dropout.PASSES))


def test_accuracy_falls_with_the_inputs_that_are_missing():
    X, y = fn.load_digits()
    net = dropout.network(64, 16, dropout=False, seed=0)
    net.fit(X, y, epochs=10, loss="cross_entropy")
    shares = dropout.with_missing(net, X, y)
    assert shares[0] > 80
    assert np.all(np.diff(shares) < 0)


def test_passes_are_random_networks_whose_mean_errs_less():
    X, y = fn.load_digits()
    net = dropout.network(64, 32, dropout=True, seed=0)
    net.fit(X, y, epochs=10, loss="cross_entropy")
    errors = dropout.monte_carlo(net, X, y)
    assert errors[0] > errors[2] + 2 > errors[-1] + 2
