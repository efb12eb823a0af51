"""Convolutions and an LSTM over the series of a household, for seconds."""

import numpy as np
from helpers.examples import load

series = load("conv_series")


def test_short_version(tmp_path):
    figures = series.run(True, tmp_path)
    assert set(series.GOALS) < set(figures)
    assert all(np.isfinite(value) and value > 0 for value in figures.values())
    assert [path.name for path in tmp_path.iterdir()] == ["conv-series.png"]


def test_rows_say_what_came():
    days = 5
    X, coming, last = series.rows(days, seed=3)
    load = series.household(days + 1, 3)["load"].astype(np.float64)
    assert X.shape == (days - 1, 576, 7)
    assert coming.shape == last.shape == (days - 1, 576, 1)
    for row, step in ((0, 20), (1, 300), (3, 575)):
        t = 288 * row + step
        assert X[row, step, 0] == np.float32(load[t])
        np.testing.assert_allclose(coming[row, step, 0], load[t + 1 : t + 13].mean(), rtol=1e-5)
        np.testing.assert_allclose(last[row, step, 0], load[t - 11 : t + 1].mean(), rtol=1e-5)


def test_convolutions_see_no_load_that_is_to_come_and_a_day_that_was():
    net = series.convolutions(0)
    x = np.random.default_rng(0).normal(size=(1, series.STEPS, 7)).astype(np.float32)
    before, after = x.copy(), x.copy()
    before[0, 400 - 254, 0] += 1  # the field is 1 + 2 (1 + 2 + ... + 64) = 255 steps
    after[0, 401] += 1
    answer = net.predict(x)[0, 400]
    assert np.array_equal(net.predict(after)[0, 400], answer)
    assert net.predict(before)[0, 400] != answer
    before[0], before[0, 400 - 255, 0] = x[0], 9
    assert np.array_equal(net.predict(before)[0, 400], answer)


def test_both_have_about_as_many_parameters():
    sizes = series.convolutions(0).n_params, series.lstm(0).n_params
    assert abs(sizes[0] - sizes[1]) < 0.02 * sizes[1]
