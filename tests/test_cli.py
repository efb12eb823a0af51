"""The command line: its parts by hand, then whole runs."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from helpers import c_code
from helpers.idx import idx

import fastnn as fn
from fastnn.cli import _sentence, main
from fastnn.cli.bench import bound_call, multiply_adds
from fastnn.cli.demo import matrix_text
from fastnn.cli.files import read_dataset, read_inputs
from fastnn.cli.model import Recipe, Training, fit_inputs, is_classification, network_targets
from fastnn.cli.predict import answers, write_csv, write_npz
from fastnn.data import Standardizer
from fastnn.errors import ModelFormatError
from fastnn.graph.outputs import Output
from fastnn.losses.link import IDENTITY, SOFTMAX


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (["a", "b"], True),
        ([True, False], True),
        (np.arange(20), True),
        (np.arange(21), False),
        (np.arange(62, dtype=np.uint8), True),
        ([0.0, 1.0], False),
        ([[0], [1]], False),
    ],
)
def test_task_from_the_target(y, expected):
    assert is_classification(np.asarray(y)) == expected


def test_pixels_are_divided_by_255_and_others_standardised():
    pixels = np.array([[0, 255], [51, 102]], dtype=np.uint8)
    np.testing.assert_allclose(fit_inputs(pixels).transform(pixels), [[0, 1], [0.2, 0.4]], rtol=1e-15)
    assert fit_inputs(np.array([[1.0], [3.0]])).transform([[5.0]]).tolist() == [[3.0]]


def test_targets_for_the_network():
    recipe = Recipe("y", {"inputs": 1}, Standardizer().fit([[1.0]]), classes=["a", "b", "c"])
    assert network_targets(recipe, np.array(["c", "a", "b"])).tolist() == [2, 0, 1]
    values = Recipe("y", {"inputs": 1}, Standardizer().fit([[1.0]]), targets=Standardizer().fit([1.0, 3.0]))
    targets = network_targets(values, np.array([5, 1]))
    assert (targets.tolist(), targets.dtype) == ([[3.0], [-1.0]], np.float32)


def test_recipe_survives_json():
    inputs = Standardizer().fit([[1.0, 2.0], [3.0, 5.0]])
    recipe = Recipe("y", {"columns": ["a"], "categories": {}, "features": ["a"]}, inputs, classes=[0, 1])
    again = Recipe.from_metadata(json.loads(json.dumps(recipe.to_metadata())))
    assert again.to_metadata() == recipe.to_metadata()
    assert again.network_inputs(np.array([[2.0, 3.5]])).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("metadata", [None, {}, {"fastnn.cli": 3}, {"fastnn.cli": {"target": "y"}}])
def test_models_of_other_origin(metadata):
    with pytest.raises(ModelFormatError, match="predict: expected a model written by 'fastnn train'"):
        Recipe.from_metadata(metadata)


def test_answers_of_classes_and_values():
    inputs = Standardizer().fit([[1.0]])
    outputs = np.log(np.array([[0.2, 0.8], [0.9, 0.1]], dtype=np.float32))
    names, shares = answers(
        Recipe("y", {"inputs": 1}, inputs, classes=["no", "yes"]), Output(SOFTMAX, None, 2), outputs
    )
    assert names.tolist() == ["yes", "no"]
    np.testing.assert_allclose(shares, [[0.2, 0.8], [0.9, 0.1]], rtol=1e-6)
    one = Recipe("y", {"inputs": 1}, inputs, targets=Standardizer().fit([1.0, 3.0]))
    values, nothing = answers(one, Output(IDENTITY, None, 1), np.array([[0.0], [2.0]]))
    assert (values.tolist(), nothing) == ([2.0, 4.0], None)
    two = Recipe("y", {"inputs": 1}, inputs, targets=Standardizer().fit([[1.0, 0.0], [3.0, 8.0]]))
    assert answers(two, Output(IDENTITY, None, 2), np.array([[1.0, -1.0]]))[0].tolist() == [[3.0, 0.0]]


def test_written_files(tmp_path):
    prediction, shares = np.array(["a,b", "c"]), np.array([[0.75, 0.25], [0.125, 0.875]])
    write_csv(str(tmp_path / "a.csv"), prediction, shares, ["a,b", "c"])
    with open(tmp_path / "a.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["prediction", "P(a,b)", "P(c)"], ["a,b", "0.75", "0.25"], ["c", "0.125", "0.875"]]
    write_csv(str(tmp_path / "b.csv"), np.array([[1.5, 2.0]]), None, None)
    assert (tmp_path / "b.csv").read_text().split() == ["prediction_0,prediction_1", "1.5,2"]
    write_npz(str(tmp_path / "a.npz"), prediction, shares, ["a,b", "c"])
    with np.load(tmp_path / "a.npz", allow_pickle=False) as arrays:
        assert sorted(arrays.files) == ["classes", "prediction", "probabilities"]
        assert arrays["prediction"].tolist() == ["a,b", "c"]


def test_datasets_of_all_kinds(tmp_path):
    images, labels = np.arange(24, dtype=np.uint8).reshape(3, 4, 2), np.array([0, 1, 2], dtype=np.uint8)
    (tmp_path / "i-idx3-ubyte").write_bytes(idx(images))
    (tmp_path / "l-idx1-ubyte").write_bytes(idx(labels))
    np.savez(tmp_path / "d.npz", X=images, label=labels[:, None])
    for data, target in (("i-idx3-ubyte", str(tmp_path / "l-idx1-ubyte")), ("d.npz", "label")):
        dataset = read_dataset(str(tmp_path / data), target)
        pictures = data != "d.npz"  # an array (3, 4, 2) of a .npz may be anything
        assert dataset.X.tolist() == images.reshape((3, 4, 2, 1) if pictures else (3, 8)).tolist()
        assert dataset.y.tolist() == [0, 1, 2]
        assert dataset.reading == ({"images": {"shape": [4, 2, 1]}} if pictures else {"inputs": 8})
        assert read_inputs(str(tmp_path / data), dataset.reading).tolist() == dataset.X.tolist()
        earlier = read_inputs(str(tmp_path / data), {"inputs": 8})  # models that took pictures as rows
        assert earlier.tolist() == images.reshape(3, 8).tolist()
    (tmp_path / "short-idx1-ubyte").write_bytes(idx(labels[:2]))
    with pytest.raises(ValueError, match="as many labels as images, got 2 and 3"):
        read_dataset(str(tmp_path / "i-idx3-ubyte"), str(tmp_path / "short-idx1-ubyte"))
    with pytest.raises(ValueError, match="predict: expected 5 inputs per row, got 8"):
        read_inputs(str(tmp_path / "d.npz"), {"inputs": 5})
    with pytest.raises(ValueError, match=r"trained on arrays, expected a .npz or IDX file"):
        read_inputs(str(tmp_path / "d.csv"), {"inputs": 5})


def test_matrix_text():
    assert matrix_text(np.array([[36, 0], [1, 120]])).split("\n") == ["true   0   1", "   0  36   .", "   1   1 120"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("a\n  b"), "a b"),
        (FileNotFoundError(2, "No such file or directory", "x.csv"), "No such file or directory: x.csv"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_errors_in_one_line(error, sentence):
    assert _sentence(error) == sentence


def failing(argv, capsys):
    """The line on the error stream of a command that fails."""
    assert main([str(part) for part in argv]) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("fastnn: error: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_mistakes_in_the_data(tmp_path, capsys):
    path = tmp_path / "d.csv"
    assert "No such file or directory" in failing(["train", path, "--target", "y"], capsys)
    path.write_text("a,y\n1,2\n2,3\n")
    assert "no column 'z'" in failing(["train", path, "--target", "z"], capsys)
    with pytest.raises(SystemExit):
        main(["train", str(path), "--target", "y", "--validation", "1"])
    assert "expected a part from 0 to below 1, or a file, got 1" in capsys.readouterr().err
    assert "folder that exists" in failing(["train", path, "--target", "y", "--out", tmp_path / "no" / "m"], capsys)
    path.write_text("a,y\n1,x\n2,y\n")
    assert "expected numbers for a regression" in failing(["train", path, "--target", "y", "--regression"], capsys)
    path.write_text("a,y\n1,1\n2,1\n")
    assert "at least two classes" in failing(["train", path, "--target", "y"], capsys)


@pytest.mark.parametrize("argv", [[], ["fly"], ["train", "d.csv", "--target", "y", "--hidden", "6,x"]])
def test_mistakes_in_the_arguments(argv, capsys):
    with pytest.raises(SystemExit) as stop:
        main(argv)
    assert stop.value.code == 2
    assert "usage: fastnn" in capsys.readouterr().err


def test_interrupt(monkeypatch, capsys):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("fastnn.cli.train.read_dataset", interrupt)
    assert main(["train", "d.csv", "--target", "y"]) == 130
    assert capsys.readouterr().err == "fastnn: interrupted\n"


def test_starting_takes_no_optional_package():
    script = (
        "import sys, fastnn.cli; print(*[n for n in ('pandas', 'matplotlib', 'pyarrow', 'tqdm') if n in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_demo_reaches_97_percent(tmp_path, capsys):
    assert main(["demo", "--out", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert float(out.split("test accuracy ")[1].split("%")[0]) >= 97.0
    assert "us per answer" in out
    assert (tmp_path / "digits.safetensors").stat().st_size > 10_000
    for name in ("digits-history.png", "digits-confusion.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
    accuracy = out.split("test accuracy ")[1].split(",")[0]
    assert f"<dt>accuracy</dt><dd>{accuracy}</dd>" in (tmp_path / "digits-report.html").read_text(encoding="utf-8")


def test_demo_without_matplotlib(tmp_path, capsys, monkeypatch):
    def refuse(*arguments, **options):
        raise ImportError('plot_history needs matplotlib: pip install "fastnn[plot]"')

    monkeypatch.setattr("fastnn.cli.demo.plot_history", refuse)
    monkeypatch.setattr("fastnn.report", refuse)
    assert main(["demo", "--out", str(tmp_path), "--epochs", "1"]) == 0
    out = capsys.readouterr().out
    assert 'no pictures: plot_history needs matplotlib: pip install "fastnn[plot]"' in out
    assert "us per answer" in out


def test_classification_from_train_to_predict(tmp_path, capsys):
    pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    rows = [(a, b, rng.choice(["x", "y"])) for a, b in rng.standard_normal((400, 2))]
    labelled = [(a * 100 + 7, b, c, "high" if a + b > 0 else "low") for a, b, c in rows]
    data, model, out = tmp_path / "d.csv", tmp_path / "m.safetensors", tmp_path / "p.csv"
    with open(data, "w", newline="") as file:
        csv.writer(file).writerows([("a", "b", "c", "level"), *labelled])
    assert main(["train", str(data), "--target", "level", "--epochs", "60", "--out", str(model)]) == 0
    assert "2 classes: 320 rows to train on, 80 to validate on, 4 inputs" in capsys.readouterr().out
    assert main(["predict", str(model), str(data), "--out", str(out)]) == 0
    with open(out, newline="") as file:
        head, *answered = list(csv.reader(file))
    assert head == ["prediction", "P(high)", "P(low)"]
    assert np.mean([row[0] == true[3] for row, true in zip(answered, labelled, strict=True)]) > 0.95
    np.testing.assert_allclose([float(row[1]) + float(row[2]) for row in answered], 1.0, atol=1e-6)
    assert main(["info", str(model)]) == 0
    assert "level" in capsys.readouterr().out


def test_regression_from_train_to_predict(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((500, 3)) * [1, 100, 0.01]
    price = 5000 + 300 * X[:, 0] + 4 * X[:, 1]
    np.savez(tmp_path / "d.npz", X=X, price=price)
    model, out = tmp_path / "m.safetensors", tmp_path / "p.npz"
    options = ["--target", "price", "--epochs", "60", "--activation", "tanh", "--optimizer", "adamw"]
    assert main(["train", str(tmp_path / "d.npz"), *options, "--out", str(model)]) == 0
    assert main(["predict", str(model), str(tmp_path / "d.npz"), "--out", str(out)]) == 0
    with np.load(out) as arrays:
        rest = arrays["prediction"] - price
    assert arrays.files == ["prediction"]
    assert 1 - rest.var() / price.var() > 0.97


def test_train_without_validation_and_hidden_layers(tmp_path):
    np.savez(tmp_path / "d.npz", X=np.eye(4).repeat(10, 0), y=np.arange(4).repeat(10))
    options = ["--target", "y", "--validation", "0", "--hidden", "none", "--epochs", "3"]
    assert main(["train", str(tmp_path / "d.npz"), *options, "--out", str(tmp_path / "m.safetensors")]) == 0


def test_training_survives_json():
    net = fn.Sequential([fn.Dense(2)], input_shape=3, seed=0)
    X, y = np.eye(3).repeat(4, 0), np.arange(12) % 2
    net.fit(X, y, epochs=3, loss=fn.CrossEntropy(0.1), optimizer=fn.SGD(fn.StepDecay(0.1, every=5), momentum=0.5))
    net.history.append(9, val_loss=2.0)  # columns with holes
    told = json.loads(json.dumps(Training.of(net).to_metadata(), allow_nan=False))
    again = fn.Sequential([fn.Dense(2)], input_shape=3, seed=0)
    history = Training.from_metadata(told).prepare(again, Recipe("y", {"inputs": 3}, Standardizer(), classes=[0, 1]))
    assert (again.losses, again.optimizer) == (net.losses, net.optimizer)
    assert history.epochs == [1, 2, 3, 9]
    for name in net.history:
        np.testing.assert_allclose(history[name], net.history[name], rtol=1e-5)
    older = fn.Sequential([fn.Dense(2)], input_shape=3, seed=0)
    assert (
        Training.from_metadata({}).prepare(older, Recipe("y", {}, Standardizer(), targets=Standardizer())).epochs == []
    )
    assert older.losses == [fn.SquaredError()]


@pytest.mark.parametrize("value", [3, {"history": 3}, {"history": {}, "more": 1}, {"history": {"epochs": [2, 1]}},
                                   {"history": {"epochs": [1], "loss": []}}])  # fmt: skip
def test_training_that_makes_no_sense(value):
    net = fn.Sequential([fn.Dense(2)], input_shape=3, seed=0)
    with pytest.raises(ModelFormatError, match="does not say how it was trained"):
        Training.from_metadata({"fastnn.training": value}).prepare(net, Recipe("y", {}, Standardizer(), classes=[0, 1]))


def test_report_of_a_trained_model(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    data, model, page = tmp_path / "d.csv", tmp_path / "m.safetensors", tmp_path / "r.html"
    rows = [(a, b, "high" if a + b > 0 else "low") for a, b in rng.standard_normal((200, 2)).round(3)]
    with open(data, "w", newline="") as file:
        csv.writer(file).writerows([("width", "height", "level"), *rows])
    options = ["--target", "level", "--epochs", "20", "--report", str(tmp_path / "t.html")]
    assert main(["train", str(data), *options, "--out", str(model)]) == 0
    assert f"saved {tmp_path / 't.html'}: 40 rows, accuracy " in capsys.readouterr().out
    assert main(["report", str(model), str(data), "--out", str(page)]) == 0
    accuracy = float(capsys.readouterr().out.split("200 rows, accuracy ")[1].split(",")[0])
    assert main(["predict", str(model), str(data), "--out", str(tmp_path / "p.csv")]) == 0
    with open(tmp_path / "p.csv", newline="") as file:
        said = [row[0] for row in list(csv.reader(file))[1:]]
    assert accuracy == pytest.approx(np.mean([name == row[2] for name, row in zip(said, rows, strict=True)]), abs=1e-4)
    text = page.read_text()
    for part in ("level of d.csv", "height", "Adam(learning_rate=0.001)", '<th scope="row">epochs</th><td>20</td>'):
        assert part in text
    capsys.readouterr()
    data.write_text("width,height,level\n1,2,middle\n")
    assert "column 'level' has the unknown category 'middle'; known: high, low" in failing(
        ["report", model, data, "--out", page], capsys
    )
    fn.Sequential([fn.Dense(1)], input_shape=1, seed=0).save(model)
    assert "report: expected a model written by 'fastnn train'" in failing(["report", model, data], capsys)


def test_report_of_images_and_of_values(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(0)
    (tmp_path / "i-idx3-ubyte").write_bytes(idx(rng.integers(0, 256, (30, 4, 3))))
    for part in ("a", "b"):
        (tmp_path / f"{part}-idx1-ubyte").write_bytes(idx(np.arange(30) % 3))
    model, images = str(tmp_path / "m.safetensors"), str(tmp_path / "i-idx3-ubyte")
    assert main(["train", images, "--target", str(tmp_path / "a-idx1-ubyte"), "--epochs", "1", "--out", model]) == 0
    (tmp_path / "a-idx1-ubyte").unlink()
    options = ["--target", str(tmp_path / "b-idx1-ubyte"), "--out", str(tmp_path / "r.html")]
    assert main(["report", model, images, *options]) == 0
    assert "as images of 4 by 3" in (tmp_path / "r.html").read_text()
    np.savez(tmp_path / "rows.npz", X=rng.integers(0, 256, (30, 12)), y=np.arange(30) % 3)
    assert main(["train", str(tmp_path / "rows.npz"), "--target", "y", "--epochs", "1", "--out", model]) == 0
    options = ["--target", "y", "--shape", "3,4", "--out", str(tmp_path / "r.html")]
    assert main(["report", model, str(tmp_path / "rows.npz"), *options]) == 0
    assert "as images of 3 by 4" in (tmp_path / "r.html").read_text()
    X = rng.standard_normal((60, 2))
    np.savez(tmp_path / "d.npz", X=X, y=500 + 40 * X)
    assert main(["train", str(tmp_path / "d.npz"), "--target", "y", "--epochs", "5", "--out", model]) == 0
    assert main(["report", model, str(tmp_path / "d.npz"), "--out", str(tmp_path / "r.html")]) == 0
    assert main(["predict", model, str(tmp_path / "d.npz"), "--out", str(tmp_path / "p.npz")]) == 0
    with np.load(tmp_path / "p.npz") as arrays:
        error = np.abs(arrays["prediction"] - (500 + 40 * X)).mean()
    assert f"<dt>mean absolute error</dt><dd>{error:.4g}</dd>" in (tmp_path / "r.html").read_text()
    with pytest.raises(SystemExit):
        main(["report", model, images, "--shape", "4"])


def test_bench(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("fastnn.cli.bench.SECONDS", 1e-5)
    monkeypatch.setattr("fastnn.cli.bench.ROUNDS", 3)
    assert main(["bench", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["machine"]["isa"] in ("base", "avx2", "avx512")
    assert found["machine"]["peak_gflops_per_core"] > 0
    named = [(one["network"], one["call"], one["rows"]) for one in found["timings"]]
    assert len(named) == 12
    assert named[4:8] == [("784-128-10", "predict_one", 1), ("784-128-10", "predict", 512),
                          ("784-128-10", "train_step", 1), ("784-128-10", "train_step", 128)]  # fmt: skip
    for one in found["timings"]:
        assert 0 < one["lower_us"] <= one["us"] <= one["upper_us"]
        assert (one["share_of_peak"] is None) == (one["rows"] == 1)
    net = fn.Sequential([fn.Embedding(7, 3), fn.LSTM(4), fn.Dense(2)], input_shape=5, seed=0)
    net.save(tmp_path / "m.safetensors")
    before = (tmp_path / "m.safetensors").read_bytes()
    assert main(["bench", str(tmp_path / "m.safetensors")]) == 0
    lines = capsys.readouterr().out.splitlines()
    calls = [["predict_one", "1"], ["predict", "512"], ["train_step", "1"], ["train_step", "128"]]
    assert [line.split()[:3] for line in lines[-4:]] == [["m", *call] for call in calls]
    assert (tmp_path / "m.safetensors").read_bytes() == before


def test_bench_leaves_the_network_as_it_is():
    net = fn.Sequential([fn.BatchNorm(), fn.Dense(2)], input_shape=3, seed=0)
    net.compile("cross_entropy", fn.SGD(0.5))
    before = net.params.copy()
    for call in ("predict_one", "predict", "train_step"):
        bound_call(net, call, 4)()
    assert np.array_equal(net.params, before)
    assert net.optimizer == fn.SGD(0.5)


def test_multiply_adds_by_hand():
    dense = fn.Sequential([fn.Dense(5, "relu"), fn.Dropout(0.5), fn.Dense(3)], input_shape=4, seed=0)
    assert multiply_adds(dense) == (5 * 5 + 6 * 3, 2 * 5 * 5 + 3 * 6 * 3)  # a bias is the weight of a constant 1
    words = fn.Sequential([fn.Embedding(7, 3), fn.LSTM(4), fn.Dense(2)], input_shape=6, seed=0)
    lstm = 6 * (3 * 16 + 4 * 16 + 16)
    assert multiply_adds(words) == (lstm + 5 * 2, 3 * lstm + 3 * 5 * 2)
    x, phase = fn.Input(3), fn.Input(1)
    assert multiply_adds(fn.Network([x, phase], fn.PhaseDense(2)(x, phase), seed=0)) is None
    assert multiply_adds(fn.Sequential([fn.Activation("tanh")], input_shape=3, seed=0)) is None


def test_predict_refuses(tmp_path, capsys):
    (tmp_path / "m.safetensors").write_bytes(b"no model")
    argv = ["predict", tmp_path / "m.safetensors", tmp_path / "d.npz", "--out"]
    assert "end in .csv or .npz" in failing([*argv, tmp_path / "p.txt"], capsys)
    failing([*argv, tmp_path / "p.csv"], capsys)


def trained(folder, **target):
    """A model that ``train`` wrote of a table with a column of each kind; its raw rows (N, 5)."""
    pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    a, b, c = rng.normal(1000, 3, 300), rng.normal(size=300), rng.integers(0, 3, 300)
    ((name, values),) = target.items() or [("size", 50 + 3 * (a - 1000) - 4 * b + c)]
    with open(folder / "d.csv", "w", newline="") as file:
        rows = zip(a, b, (f"c*/{k}" for k in c), values, strict=True)
        csv.writer(file).writerows([("a", "b", "c", name), *rows])
    assert main(["train", str(folder / "d.csv"), "--target", name, "--epochs", "3", "--out", str(folder / "m.st")]) == 0
    return np.column_stack([a, b, np.eye(3)[c]])


def read_prediction(folder):
    """What ``predict`` answers to the rows of training."""
    assert main(["predict", str(folder / "m.st"), str(folder / "d.csv"), "--out", str(folder / "p.npz")]) == 0
    with np.load(folder / "p.npz") as arrays:
        return dict(arrays)


@c_code.needs_compiler
@pytest.mark.parametrize("options", [(), ("--int8",)])
def test_export_of_a_regression(options, tmp_path, capsys):
    raw = trained(tmp_path)
    expected = read_prediction(tmp_path)["prediction"]
    argv = ["export", tmp_path / "m.st", "--c", tmp_path / "house.c", "--name", "price", *options]
    assert main(list(map(str, argv))) == 0
    out = capsys.readouterr().out
    assert "price_run(&scratch, ...)" in out
    assert ("8 bits change an answer by" in out) == bool(options)
    header = (tmp_path / "house.h").read_text()
    assert "raw are the features: a, b, c=c* /0, c=c* /1, c=c* /2." in header
    assert "values are those of 'size'." in header
    code = c_code.library(tmp_path, ["house"])
    x, y, value, scratch = np.zeros(5, np.float32), np.zeros(1, np.float32), np.zeros(1), np.zeros(4096)
    found = []
    for row in raw:
        code.price_standardize(c_code.pointer(row), c_code.pointer(x))
        code.price_run(c_code.pointer(scratch), c_code.pointer(x), c_code.pointer(y))
        code.price_unstandardize(c_code.pointer(y), c_code.pointer(value))
        found.append(value[0])
    np.testing.assert_allclose(found, expected, rtol=0, atol=(0.5 if options else 1e-4))


@c_code.needs_compiler
def test_export_of_a_classification(tmp_path):
    trained(tmp_path, level=["high", "low", "mid"] * 100)
    assert main(["export", str(tmp_path / "m.st"), "--c", str(tmp_path / "level.c")]) == 0
    header = (tmp_path / "level.h").read_text()
    assert "each class of 'level', the largest is the answer: high, low, mid." in header.replace("\n * ", " ")
    assert "unstandardize" not in header
    program = c_code.build("c99", [tmp_path / "level.c"], tmp_path / "level", "-DLEVEL_SELFTEST")
    assert c_code.execute(program) == (0, "level: 0 of 8 rows wrong\n")


def test_export_of_other_networks_and_to_onnx(tmp_path, monkeypatch, capsys):
    fn.Sequential([fn.Dense(2)], input_shape=3, seed=0).save(tmp_path / "m.st")
    called = []
    monkeypatch.setattr(fn.Network, "to_onnx", lambda self, path: called.append((self.n_params, path)), raising=False)
    assert main(["export", str(tmp_path / "m.st"), "--c", str(tmp_path / "m.c"), "--onnx", "m.onnx"]) == 0
    assert called == [(8, "m.onnx")]
    assert "standardize" not in (tmp_path / "m.h").read_text()
    assert "saved m.onnx" in capsys.readouterr().out


def test_export_refuses(tmp_path, capsys):
    fn.Sequential([fn.Dense(2)], input_shape=3, seed=0).save(tmp_path / "m.st")
    assert "expected --c FILE.c or --onnx" in failing(["export", tmp_path / "m.st"], capsys)
    assert "belong to --c" in failing(["export", tmp_path / "m.st", "--onnx", "a.onnx", "--int8"], capsys)
    assert "keyword" in failing(["export", tmp_path / "m.st", "--c", tmp_path / "int.c"], capsys)
    (tmp_path / "mine.h").write_text("int mine(void);")
    assert "expected no file, or one" in failing(["export", tmp_path / "m.st", "--c", tmp_path / "mine.c"], capsys)
    assert not (tmp_path / "mine.c").exists()


def test_info(capsys):
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    for name in ("fastnn", "instruction set", "python", "numpy", "scipy", "BLAS"):
        assert any(line.startswith(name) for line in out.splitlines())
    assert f"{np.__version__}" in out


def test_module_entry():
    found = subprocess.run([sys.executable, "-m", "fastnn", "--help"], capture_output=True, text=True, check=False)
    assert found.returncode == 0
    assert all(
        name in found.stdout for name in ("demo", "train", "predict", "report", "export", "bench", "data", "info")
    )
