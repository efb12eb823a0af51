"""Reports of networks that read images: what was most wrong is shown, grey or in colours."""

import re

import numpy as np
import pytest
from helpers.shapes import shapes

import fastnn as fn
from fastnn.reporting import sections
from fastnn.reporting.content import _plane
from fastnn.reporting.mistakes import shown

pytest.importorskip("matplotlib", reason="matplotlib is not installed")


def test_images_are_shown_from_black_to_white():
    colours = np.random.default_rng(0).uniform(0, 1, (3, 4, 5, 3))
    np.testing.assert_array_equal(shown(colours), colours)
    np.testing.assert_allclose(shown(255 * colours), colours, rtol=1e-15)
    np.testing.assert_array_equal(shown(np.full((1, 2, 2, 3), 255, np.uint8)), np.ones((1, 2, 2, 3)))
    standardised = (colours - colours.mean()) / colours.std()
    stretched = (colours - colours.min()) / (colours.max() - colours.min())
    np.testing.assert_allclose(shown(standardised), stretched, atol=1e-15)
    np.testing.assert_array_equal(shown(standardised[..., :1]), standardised[..., 0])  # matplotlib finds its range
    np.testing.assert_array_equal(shown(standardised[..., 0]), standardised[..., 0])


def test_a_pixel_is_an_input_where_there_is_one_channel():
    assert [_plane(shape) for shape in (None, (8, 6), (8, 6, 1), (8, 6, 3))] == [None, (8, 6), (8, 6), None]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_most_wrong_images_are_shown_without_a_word_about_their_shape(tmp_path, channels, monkeypatch):
    monkeypatch.setattr(sections, "IMPORTANCE_WORK", 0)
    X, y = shapes(8, size=16)
    X = X[..., :channels]
    layers = [fn.Standardize.of(X), fn.Conv2D(3, 3, "relu"), fn.GlobalAvgPool2D(), fn.Dense(3)]
    net = fn.Sequential(layers, input_shape=X.shape[1:], seed=0)
    net.fit(X, y, epochs=1, loss="cross_entropy")
    text = fn.report(net, tmp_path / "page.html", X, y, classes=["circle", "square", "triangle"]).path.read_text()
    wrong = int((net.predict(X).argmax(axis=1) != y).sum())
    assert wrong > 2
    assert len(re.findall(r"<image\b", text)) >= min(wrong, 10)
    assert "as images of 16 by 16" in text


def test_importance_of_pixels_is_left_out_where_a_convolution_makes_it_long(tmp_path):
    """Weights meet every pixel: 1,875 inputs, 5 shuffles, 625 places of 96 weights are 5.6e8 multiply-adds a row."""
    X, y = shapes(17, size=25)
    net = fn.Sequential([fn.Conv2D(3, 3, "relu"), fn.GlobalAvgPool2D(), fn.Dense(3)], input_shape=X.shape[1:], seed=0)
    net.fit(X, y, epochs=1, loss="cross_entropy")
    assert "Left out: shuffling 1,875 inputs" in fn.report(net, tmp_path / "page.html", X, y).path.read_text()
