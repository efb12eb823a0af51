"""Style transfer in small, and the picture that two are painted to."""

import sys

import numpy as np
import pytest
from helpers.examples import load
from PIL import Image

style_transfer = load("style_transfer")
TRAINED = "trained here: style in SqueezeNet's eyes, made / photograph"


def test_short_version(tmp_path):
    figures = style_transfer.run(True, tmp_path)
    assert set(style_transfer.GOALS) - set(figures) == {TRAINED}
    assert figures["loss, end / start"] < 0.15
    assert figures["style, end / start"] < 0.05
    assert figures["style, made / photograph"] < 0.5
    assert figures["styles nearest to their own, of 4"] == 4
    assert {path.name for path in tmp_path.iterdir()} == {
        "style-progress.png", "style-way.gif", "style-pictures.png", "style-grid.png", "style-inside.png",
        "style-resnet.png",
    }  # fmt: skip


def test_short_version_by_a_network_trained_here(tmp_path):
    figures = style_transfer.run(True, tmp_path, trained=True)
    assert set(figures) > {TRAINED, TRAINED.replace("trained here", "before training")}
    assert [path.name for path in tmp_path.iterdir()] == ["style-trained.png"]
    with Image.open(tmp_path / "style-trained.png") as image:
        pixels = np.asarray(image)
    assert pixels.shape == (2 * 48 + 4, 2 * 64 + 4, 3)
    before, after = pixels[52:, :64].astype(int), pixels[52:, 68:].astype(int)
    assert np.abs(before - after).mean() > 1  # the net that has learned paints another picture


def test_two_pictures(tmp_path, monkeypatch, capsys):
    try:
        style_transfer.squeezenet((48, 64, 3))
    except style_transfer.common.MissingData as missing:
        pytest.skip(str(missing))
    random = np.random.default_rng(0)
    for name, size in (("a.png", (40, 30)), ("b.png", (50, 50))):
        Image.fromarray(random.integers(0, 256, (*size[::-1], 3), dtype=np.uint8)).save(tmp_path / name)
    out = tmp_path / "out.png"
    monkeypatch.setattr(
        sys, "argv", ["x", str(tmp_path / "a.png"), str(tmp_path / "b.png"), "--out", str(out), "--size", "64"]
    )
    assert style_transfer.main() == 0
    with Image.open(out) as image:
        assert image.size == (64, 48)
    assert f"saved {out}" in capsys.readouterr().out


def test_tiles():
    a, b = (np.full((2, 3, 3), value) for value in (0.4, 20.0))
    found = np.asarray(style_transfer.tiles([[a, b], [b]], gap=1))
    assert found.shape == (5, 7, 3)
    assert found[..., 0].tolist() == [
        [0, 0, 0, 255, 20, 20, 20], [0, 0, 0, 255, 20, 20, 20], 7 * [255],
        [20, 20, 20, 255, 255, 255, 255], [20, 20, 20, 255, 255, 255, 255],
    ]  # fmt: skip
