"""The command line on folders of pictures: trained, asked, reported, refused."""

import json
import re

import numpy as np
import pytest
from helpers.shapes import write_shapes

import fastnn as fn
from fastnn.cli import main
from fastnn.cli.model import Recipe

pytest.importorskip("PIL", reason="Pillow is not installed")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with pictures to train on (in "seen") and others ("new"), and a model of them."""
    folder = tmp_path_factory.mktemp("pictures")
    write_shapes(folder / "seen", 150)
    write_shapes(folder / "new", 20, seed=1)
    return folder


@pytest.fixture(scope="module")
def model(place):
    path = place / "model.safetensors"
    options = ["--epochs", "35", "--learning-rate", "0.004", "--validation", "0"]
    assert main(["train", str(place / "seen"), *options, "--out", str(path)]) == 0
    return path


def test_shapes_are_learned_and_new_ones_told_apart(place, model, tmp_path, capsys):
    out = tmp_path / "answers.csv"
    assert main(["predict", str(model), str(place / "new"), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"saved {out}: 60 rows\n"
    head, *lines = out.read_text().splitlines()
    assert head == "file,prediction,P(circle),P(square),P(triangle)"
    rows = [line.split(",") for line in lines]
    right = [row[1] == row[0].split("/")[-2] for row in rows]
    assert len(rows) == 60
    assert np.mean(right) > 0.9
    np.testing.assert_allclose([sum(map(float, row[2:])) for row in rows], 1, atol=1e-6)


def test_the_network_takes_bytes_and_says_how_pictures_are_read(place, model):
    net = fn.load(model)
    assert net.metadata["fastnn.cli"]["reading"] == {"images": {"size": [24, 24], "color": "rgb", "fit": "crop"}}
    X, y, classes, _ = fn.read_images(place / "new")
    assert net.metadata["fastnn.cli"]["classes"] == classes
    seen = fn.read_images(place / "seen").X.astype(np.float64)
    np.testing.assert_allclose(net.layers[0].spec.mean, seen.mean(axis=(0, 1, 2)))
    assert np.mean(net.predict(X).argmax(axis=1) == y) > 0.9


def test_files_and_flat_folders_are_answered_in_order(place, model, capsys):
    files = [str(place / "new" / kind / "0003.png") for kind in ("square", "circle")]
    assert main(["predict", str(model), *files, "--out", "-"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == files
    assert main(["predict", str(model), str(place / "new" / "square"), "--out", "-"]) == 0
    assert lines[1] in capsys.readouterr().out.splitlines()


def test_arrays_of_answers_name_the_files(place, model, tmp_path):
    assert main(["predict", str(model), str(place / "new" / "circle"), "--out", str(tmp_path / "a.npz")]) == 0
    with np.load(tmp_path / "a.npz") as found:
        assert found["files"].tolist() == [str(place / "new" / "circle" / f"{k:04}.png") for k in range(20)]
        assert found["probabilities"].shape == (20, 3)


def test_report_shows_the_pictures_that_were_wrong(place, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    model, page = tmp_path / "poor.safetensors", tmp_path / "page.html"
    options = ["--filters", "4", "--epochs", "1", "--size", "12,16", "--color", "gray", "--augment", "none"]
    data = str(place / "new")
    assert main(["train", str(place / "seen"), *options, "--out", str(model), "--report", str(page)]) == 0
    shown = capsys.readouterr().out
    assert "3 classes: 360 rows to train on, 90 to validate on, pictures of 12 x 16 pixels, grey" in shown
    assert main(["report", str(model), data, "--out", str(page)]) == 0
    text = page.read_text()
    assert len(re.findall("<image ", text)) >= 5  # at most ten pictures, embedded
    assert "as images of 12 by 16" in text
    assert "class of new" in text


def test_validation_and_test_folders_and_a_threshold(place, tmp_path, capsys):
    two = write_shapes(tmp_path / "two", 12, kinds=("circle", "square"))
    other = write_shapes(tmp_path / "other", 5, seed=3, kinds=("circle", "square"))
    rows = ["--validation", str(other), "--test", str(other)]
    layers = ["--filters", "2,2,2,2,2,2", "--hidden", "5", "--dropout", "0.1"]
    options = [*rows, *layers, "--epochs", "1", "--threshold", "f1", "--augment", "flip,turn,light,cutout"]
    assert main(["train", str(two), *options, "--out", str(tmp_path / "m.safetensors")]) == 0
    shown = capsys.readouterr().out
    assert "24 rows to train on, 10 to validate on" in shown
    assert re.search(r"test accuracy \d\.\d{4}, loss .*, 10 rows", shown)
    kinds = [type(view.spec).__name__ for view in fn.load(tmp_path / "m.safetensors").layers]
    assert kinds[-3:] == ["Dense", "Dropout", "Dense"]
    assert kinds.count("MaxPool2D") == 4  # 24, 12, 6, 3, 1


def test_size_is_their_own_where_all_are_alike_and_small(tmp_path):
    from fastnn.cli.pictures import _own_size

    Image = pytest.importorskip("PIL.Image")
    for name, size in (("a", (20, 30)), ("b", (20, 30))):
        (tmp_path / name).mkdir()
        Image.new("L", size).save(tmp_path / name / "1.png")
    assert _own_size(tmp_path) == (30, 20)
    Image.new("L", (20, 31)).save(tmp_path / "b" / "2.png")
    assert _own_size(tmp_path) == (64, 64)
    for name in ("a", "b"):
        Image.new("L", (65, 20)).save(tmp_path / name / "1.png")
    (tmp_path / "b" / "2.png").unlink()
    assert _own_size(tmp_path) == (64, 64)


def test_a_fit_repeats_bit_for_bit(place, tmp_path):
    nets = []
    for name in ("a", "b"):
        options = ["--epochs", "2", "--filters", "4", "--augment", "move,flip"]
        assert main(["train", str(place / "new"), *options, "--out", str(tmp_path / name)]) == 0
        nets.append(fn.load(tmp_path / name))
    np.testing.assert_array_equal(nets[0].params, nets[1].params)


@pytest.mark.parametrize(("options", "message"), [
    (["--target", "y"], "--target is for tables and arrays"),
    (["--impute", "mean"], "--impute is for tables"),
    (["--regression"], "expected numbers for a regression"),
])  # fmt: skip
def test_train_refuses(place, options, message, capsys):
    assert main(["train", str(place / "new"), *options]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--size", "8"], ["--filters", "0"], ["--augment", "spin"], ["--color", "cmyk"]])
def test_options_that_are_none(place, options, capsys):
    with pytest.raises(SystemExit):
        main(["train", str(place / "new"), *options])
    assert "expected" in (error := capsys.readouterr().err) or "invalid choice" in error


def test_tables_have_no_options_of_pictures_and_pictures_no_table(place, model, tmp_path, capsys):
    table = tmp_path / "t.csv"
    table.write_text("a,b\n1,2\n")
    assert main(["train", str(table), "--target", "b", "--filters", "3"]) == 2
    assert "--filters is for pictures" in capsys.readouterr().err
    assert main(["train", str(table), "--target", "b", "--augment", "none"]) == 2
    assert "--augment is for pictures" in capsys.readouterr().err
    assert main(["train", str(table), "--target", "b", "--size", "8,8"]) == 2
    assert "--size is for a folder of pictures" in capsys.readouterr().err
    assert main(["train", str(table)]) == 2
    assert "expected --target" in capsys.readouterr().err
    assert main(["predict", str(model), str(table), "--out", "-"]) == 2
    assert "expected a picture in" in capsys.readouterr().err
    assert main(["predict", str(model), str(place / "new"), str(table), "--out", "-"]) == 2
    assert "expected one folder, or files" in capsys.readouterr().err
    assert main(["report", str(model), str(place / "new" / "circle"), "--out", str(tmp_path / "r.html")]) == 2
    assert "expected a folder for each class" in capsys.readouterr().err


def test_recipe_of_pictures_survives_json():
    reading = {"images": {"size": [4, 6], "color": "gray", "fit": "stretch"}}
    recipe = Recipe("class", reading, None, ["a", "b"])
    again = Recipe.from_metadata(json.loads(json.dumps(recipe.to_metadata())))
    assert (again.reading, again.inputs, again.classes) == (reading, None, ["a", "b"])
    spoiled = recipe.to_metadata()
    spoiled["fastnn.cli"]["reading"] = {"inputs": 3}
    with pytest.raises(fn.ModelFormatError, match="how its inputs are standardised"):
        Recipe.from_metadata(spoiled)
