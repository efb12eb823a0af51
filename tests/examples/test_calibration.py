"""The calibration example."""

import numpy as np
import pytest
from helpers.examples import load

calibration = load("calibration")


def test_a_temperature_makes_an_overfitted_classifier_honest(tmp_path):
    try:
        figures = calibration.run(True, tmp_path)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    assert set(calibration.GOALS) <= set(figures)
    assert figures["calibration error, divided by a temperature / overfitted"] < 0.6
    assert figures["log loss, divided by a temperature / overfitted"] < 1
    assert figures["classes that the temperature changed"] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["calibration.png"]


def test_the_error_of_known_sureness():
    """Sure by .8 and .6, right in half of the cases each: off by .3 and .1, weighted by their rows."""
    likely = np.array([[0.8, 0.2]] * 4 + [[0.4, 0.6]] * 2)
    y = np.array([0, 0, 1, 1, 1, 0])
    assert calibration.calibration_error(likely, y) == pytest.approx((4 * 0.3 + 2 * 0.1) / 6)


def test_the_temperature_of_logits_that_were_sharpened():
    """Labels drawn by softmax(z), then logits 3 z: the temperature found is 3, within its standard error."""
    random = np.random.default_rng(0)
    z = random.normal(size=(20_000, 4))
    likely = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    y = (random.random((len(z), 1)) > likely.cumsum(axis=1)).sum(axis=1)
    assert calibration.temperature(3 * z, y) == pytest.approx(3, rel=0.05)
