"""The forecaster on six weeks of data; the household and its errors by hand."""

import numpy as np
from helpers.examples import load

load_forecast = load("load_forecast")

import household  # noqa: E402  (lies beside it)


def test_a_forecast_is_nearer_than_yesterday(tmp_path):
    figures = load_forecast.run(True, tmp_path)
    assert figures["mean absolute error, forecast / yesterday again"] < 0.85
    assert figures["root mean square error, likewise"] < 0.85
    assert {path.name for path in tmp_path.iterdir()} == {"forecaster.safetensors", "load_forecast.png"}


def test_the_application_sees_1446_numbers_and_no_load_that_is_to_come():
    series = household.household(5)
    made = load_forecast.windows(series, 2 * 288, {}, 200)
    assert (made.width, made.end, made.times[0], made.times[-1]) == (1446, 576, 288, 575)
    X, y, weight = made.gather([3])
    np.testing.assert_array_equal(X[0, :288], series["load"][3:291])
    np.testing.assert_array_equal(X[0, 288:576], series["temperature"][4:292])
    assert y[0, 0] == series["load"][291]
    assert weight[0] == 0.5 ** ((576 - 291) / (60 * 288))
    angle = 2 * np.pi * 291 / 288
    np.testing.assert_allclose(X[0, [1440, 1443]], [np.sin(angle), np.cos(angle)], rtol=1e-5)


def test_errors_by_hand():
    truth = np.zeros(4 * 288)
    truth[288:576], truth[576:864] = 1, 3  # days of 0, 1, 3 and 0 kW
    found = household.errors(truth, {576: np.full(576, 2.0)})
    assert found["mean absolute error, kW"] == (1 + 2) / 2
    assert found["mean absolute error, forecast / yesterday again"] == 1.5 / ((2 + 1) / 2)
    assert found["root mean square error, likewise"] == np.sqrt((1 + 4) / (4 + 1))


def test_a_household_is_the_same_again_and_plausible():
    one, other = household.household(21), household.household(21)
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name])
        assert values.shape == (21 * 288,)
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
    assert one["sun"][household.DAY * 3] == 0  # at midnight
    charged, planned = one["load"][one["plan"] > 0].mean(), one["plan"].max()
    assert 2.5 < charged - one["load"][one["plan"] == 0].mean() < planned + 2
