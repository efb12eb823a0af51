"""``fastnn style`` with weights drawn at random: what it writes, and what it refuses."""

import numpy as np
import pytest

import fastnn as fn
from fastnn.cli import main
from fastnn.cli.style import WEIGHTS, opened, save

Image = pytest.importorskip("PIL.Image")
random = np.random.default_rng(41)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with two pictures, and the weights of a network where the data are."""
    for name, (width, height) in {"photograph.png": (80, 60), "painting.jpg": (90, 100)}.items():
        small = random.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(small).resize((width, height)).save(tmp_path / name)
    path = tmp_path / "data" / WEIGHTS
    path.parent.mkdir(parents=True)
    np.savez(path, **{
        name: view.transpose(3, 2, 0, 1) if view.ndim == 4 else view
        for name, view in fn.nets.squeezenet(seed=0).named_parameters()
    })  # fmt: skip
    monkeypatch.setenv("FASTNN_DATA", str(tmp_path / "data"))
    return tmp_path


def paint(folder, *options):
    names = (str(folder / name) for name in ("photograph.png", "painting.jpg"))
    return main(["style", *names, "--size", "64", "--out", str(folder / "out.png"), *options])


def test_a_picture_is_painted(folder, capsys):
    assert paint(folder, "--evaluations", "12") == 0
    line = capsys.readouterr().out
    assert "out.png: 64 x 48 pixels, loss " in line
    assert "12 evaluations in" in line
    before, after = map(float, line.split("loss ")[1].split(" (")[0].split(" -> "))
    assert after < before
    with Image.open(folder / "out.png") as image:
        assert (image.size, image.mode) == ((64, 48), "RGB")
        first = np.asarray(image)
    assert paint(folder, "--evaluations", "12") == 0
    np.testing.assert_allclose(np.asarray(Image.open(folder / "out.png")), first, atol=1)
    assert paint(folder, "--evaluations", "12", "--seed", "1") == 0
    assert not np.array_equal(np.asarray(Image.open(folder / "out.png")), first)


def test_from_the_content(folder, capsys):
    assert paint(folder, "--evaluations", "1", "--start", "content", "--optimizer", "adam") == 0
    assert "content 0, style" in capsys.readouterr().out
    np.testing.assert_array_equal(
        np.asarray(Image.open(folder / "out.png")), opened([str(folder / "photograph.png")], 64)[0]
    )


def test_it_is_seen_as_it_comes(folder, monkeypatch):
    written = []
    monkeypatch.setattr("fastnn.cli.style.save", lambda image, path: written.append(path))
    assert paint(folder, "--evaluations", "7", "--every", "3") == 0
    assert written == 3 * [str(folder / "out.png")]  # after 3, after 6, at the end


def test_pictures_get_the_proportions_of_the_first(folder):
    X = opened([str(folder / name) for name in ("painting.jpg", "photograph.png")], 100)
    assert X.shape == (2, 100, 90, 3)
    save(np.array([[[0.4, 254.6, 255.0]]]), str(folder / "one.png"))
    assert np.asarray(Image.open(folder / "one.png")).tolist() == [[[0, 255, 255]]]


def test_refused(folder, capsys, monkeypatch):
    assert paint(folder, "--size", "50") == 2
    assert "at least 48 pixels along both sides, got 50 x 38; take a larger --size" in capsys.readouterr().err
    assert main(["style", str(folder / "none.png"), str(folder / "painting.jpg")]) == 2
    assert "none.png" in capsys.readouterr().err
    (folder / "words.txt").write_text("no picture")
    assert main(["style", str(folder / "words.txt"), str(folder / "painting.jpg")]) == 2
    assert "words.txt" in capsys.readouterr().err
    monkeypatch.setenv("FASTNN_DATA", str(folder / "elsewhere"))
    assert paint(folder) == 2
    assert "fetch them: python -m fastnn data squeezenet; or name them with --weights" in capsys.readouterr().err
    assert paint(folder, "--evaluations", "1", "--weights", str(folder / "data" / WEIGHTS)) == 0
    with pytest.raises(SystemExit):
        paint(folder, "--evaluations", "0")
