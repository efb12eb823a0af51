"""The ensemble example."""

import numpy as np
from helpers.examples import load

ensemble = load("ensemble")


def test_short_version_reaches_its_figures(tmp_path):
    figures = ensemble.run(True, tmp_path)
    assert set(ensemble.GOALS) == set(figures)
    assert figures["spread in the gap / spread on the data"] > 3
    assert figures["spread outside / spread on the data"] > 3
    # The mean is never worse than its members on average: squares are convex.
    assert figures["error of the mean / mean error of the members"] < 1
    assert 0.8 < figures["error on rows left out / error on new rows"] < 1.3
    assert figures["error on rows learned / error on rows left out"] < 1
    assert [path.name for path in tmp_path.iterdir()] == ["ensemble.png"]


def test_data_leave_the_gap_open():
    x, y = ensemble.sample(500, np.random.default_rng(0))
    assert x.shape == y.shape == (500, 1)
    assert not ((x > ensemble.GAP[0]) & (x < ensemble.GAP[1])).any()
    assert np.abs(x).max() < ensemble.RANGE
    assert abs(np.std(y - ensemble.curve(x)) - ensemble.NOISE) < 0.02
