"""The command line on pictures that come as one array: .npz files of (B, H, W, C), IDX files of images."""

import numpy as np
import pytest
from helpers.idx import idx

import fastnn as fn
from fastnn.cli import main


def bars(n=120, side=10, channels=1, seed=0):
    """Pictures of bars, lying (0) or standing (1) anywhere, twice as many of the former; and which they are."""
    random = np.random.default_rng(seed)
    X, y = random.integers(0, 60, (n, side, side, channels)), (np.arange(n) % 3 == 0).astype(np.uint8)
    for one, standing, place in zip(X, y, random.integers(1, side - 1, n), strict=True):
        (one.swapaxes(0, 1) if standing else one)[place] += 180
    return X.astype(np.uint8), y


def train(*argv):
    assert main(["train", *map(str, argv)]) == 0


def kinds(model):
    return [type(view.spec).__name__ for view in fn.load(model).layers]


def answered(model, data, folder):
    assert main(["predict", str(model), str(data), "--out", str(folder / "p.npz")]) == 0
    with np.load(folder / "p.npz") as found:
        return found["prediction"]


def test_images_of_an_idx_file_are_learned_by_convolutions(tmp_path, capsys):
    X, y = bars()
    data, labels, model = tmp_path / "i-idx3-ubyte", tmp_path / "l-idx1-ubyte", tmp_path / "m.st"
    data.write_bytes(idx(X[..., 0]))
    labels.write_bytes(idx(y))
    train(data, "--target", labels, "--filters", "8,8", "--epochs", 30, "--learning-rate", 0.01, "--out", model)
    assert "96 rows to train on, 24 to validate on, pictures of 10 x 10 pixels, grey" in capsys.readouterr().out
    assert kinds(model).count("Conv2D") == 2
    others, truth = bars(60, seed=1)
    np.savez(tmp_path / "new.npz", X=others)  # another file, of the same shape
    assert np.mean(answered(model, tmp_path / "new.npz", tmp_path) == truth) > 0.9
    assert fn.load(model).metadata["fastnn.cli"]["reading"] == {"images": {"shape": [10, 10, 1]}}


def test_arrays_of_any_channels_and_values_to_learn(tmp_path, capsys):
    X, _ = bars(60, channels=2)
    value = X.mean(axis=(1, 2, 3)) * 100
    np.savez(tmp_path / "d.npz", X=X / 255, y=np.column_stack([value, -value]))
    model, data = tmp_path / "m.st", tmp_path / "d.npz"
    options = ["--filters", "4", "--epochs", 2, "--augment", "light,move,cutout", "--test", data, "--validation", 0]
    train(data, "--target", "y", *options, "--out", model)
    assert "regression: 60 rows to train on, 0 to validate on, pictures of 10 x 10 pixels, 2 channels" in (
        shown := capsys.readouterr().out
    )
    assert "60 rows" in shown
    found = answered(model, data, tmp_path)
    expected = fn.load(model).predict(X / 255)
    np.testing.assert_allclose(found, expected * [value.std(), value.std()] + [value.mean(), -value.mean()], rtol=1e-5)
    assert main(["export", str(model), "--onnx", str(tmp_path / "m.onnx")]) == 0
    assert "standardised features" not in capsys.readouterr().out


def test_pictures_without_filters_are_learned_by_a_dense_network(tmp_path):
    X, y = bars(60)
    np.savez(tmp_path / "d.npz", X=X, y=y)
    train(tmp_path / "d.npz", "--target", "y", "--filters", "none", "--epochs", 1, "--out", tmp_path / "m.st")
    assert kinds(tmp_path / "m.st") == ["Standardize", "Flatten", "Dense", "Dense", "Dense"]
    options = ["--hidden", "none", "--epochs", 1, "--validation", 0]
    train(tmp_path / "d.npz", "--target", "y", "--filters", "none", *options, "--out", tmp_path / "m.st")
    assert kinds(tmp_path / "m.st") == ["Standardize", "Flatten", "Dense"]


@pytest.mark.parametrize("augment", ["move", "none"])
def test_class_weights_of_pictures(augment, tmp_path, monkeypatch):
    X, y = bars(30)
    np.savez(tmp_path / "d.npz", X=X, y=y)
    given = []
    fit = fn.Sequential.fit
    monkeypatch.setattr(fn.Sequential, "fit", lambda self, **kw: given.append(kw) or fit(self, **kw))
    options = ["--class-weight", "balanced", "--augment", augment, "--validation", 0, "--epochs", 1, "--filters", 2]
    train(tmp_path / "d.npz", "--target", "y", *options, "--out", tmp_path / "m.st")
    (kw,) = given
    weights = kw["sample_weight"] if augment == "none" else kw["X"].sample_weight
    np.testing.assert_allclose(weights, np.where(y, 30 / (2 * 10), 30 / (2 * 20)))  # N / (classes * count)


def test_what_comes_in_is_as_grey_as_the_pictures_and_light_changes_by_their_range():
    from fastnn.cli.pictures import changes

    X = np.array([0.25, 0.75, 0.5, -0.5]).reshape(1, 2, 2, 1)
    move, light, cutout = changes(("move", "light", "cutout"), X)
    assert (move.fill, light.white, cutout.fill) == (0.25, 1.25, 0.25)
    move, light = changes(("move", "light"), np.array([0, 9, 3, 1], np.uint8).reshape(1, 2, 2, 1))
    assert (move.fill, light.white) == (3.0, 255.0)
    assert changes(("light",), np.ones((1, 2, 2, 1)))[0].white == 1.0


@pytest.mark.parametrize(("options", "message"), [
    (["--size", "8,8"], "--size is for a folder of pictures"),
    (["--impute", "mean"], "--impute is for tables"),
    (["--drop", "y"], "--drop is for tables"),
])  # fmt: skip
def test_options_that_arrays_do_not_have(options, message, tmp_path, capsys):
    X, y = bars(9)
    np.savez(tmp_path / "d.npz", X=X, y=y)
    assert main(["train", str(tmp_path / "d.npz"), "--target", "y", *options]) == 2
    assert message in capsys.readouterr().err


def test_rows_have_no_options_of_pictures_and_pictures_one_shape(tmp_path, capsys):
    X, y = bars(12)
    for name, array in (("rows", X.reshape(12, -1)), ("d", X), ("wide", X[:, :, :9])):
        np.savez(tmp_path / f"{name}.npz", X=array, y=y)
    assert main(["train", str(tmp_path / "rows.npz"), "--target", "y", "--filters", "none"]) == 2
    assert "--filters is for pictures" in capsys.readouterr().err
    train(tmp_path / "d.npz", "--target", "y", "--epochs", 1, "--filters", 2, "--out", tmp_path / "m.st")
    for name, message in (("wide.npz", "expected pictures of shape (10, 10, 1), got (10, 9, 1)"),
                          ("rows.npz", "expected pictures of shape (10, 10, 1), got (100,)"),
                          ("t.csv", "trained on arrays, expected a .npz or IDX file"),
                          ("", "the model did not learn from a folder")):  # fmt: skip
        assert main(["predict", str(tmp_path / "m.st"), str(tmp_path / name), "--out", "-"]) == 2
        assert message in capsys.readouterr().err


def test_networks_that_train_did_not_write_take_pictures_or_rows_as_they_need_them(tmp_path):
    X, y = bars(9)
    np.savez(tmp_path / "d.npz", X=X, y=y)
    images = fn.Sequential([fn.Conv2D(2, 3), fn.GlobalAvgPool2D()], input_shape=(10, 10, 1), seed=0)
    rows = fn.Sequential([fn.Dense(2)], input_shape=100, seed=0)
    for net, seen in ((images, X), (rows, X.reshape(9, 100))):
        net.save(tmp_path / "m.st")
        np.testing.assert_array_equal(answered(tmp_path / "m.st", tmp_path / "d.npz", tmp_path), net.predict(seen))
    fn.Ensemble([images, images], loss="squared_error").save(tmp_path / "e.st")
    np.testing.assert_allclose(answered(tmp_path / "e.st", tmp_path / "d.npz", tmp_path), images.predict(X), rtol=1e-6)
