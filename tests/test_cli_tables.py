"""The command line on tables: its options, thresholds, and models of all kinds."""

import argparse
import csv

import numpy as np
import pytest

import fastnn as fn
from fastnn.cli import main, threshold
from fastnn.cli.reading import in_options

pd = pytest.importorskip("pandas")


@pytest.fixture
def table(tmp_path):
    """Two classes, one row in ten of "yes"; also a text column and a gap."""
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"a": random.normal(size=400), "b": random.choice(["u", "v"], 400)})
    frame["y"] = np.where(frame["a"] + 0.5 * (frame["b"] == "u") + random.logistic(0, 0.2, 400) > 1.7, "yes", "no")
    frame.loc[3, "a"] = None
    for name, part in (("train", frame[:200]), ("more", frame[200:300]), ("test", frame[300:])):
        part.to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


def run(capsys, *argv):
    """What a command prints."""
    assert main([str(part) for part in argv]) == 0
    return capsys.readouterr().out


def read(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("impute='median' fills them, drop=['a b'] leaves", "--impute median fills them, --drop 'a b' leaves"),
        ("na_values=['?', '-'] takes these", "--na '?' --na - takes these"),
        ("say decimal=',' or thousands=','", "say --decimal , or --thousands ,"),
        ("kinds={'hp': 'category'} every", "--kind hp=category every"),
        ("date_format='%d/%m/%Y' or other=10", "--date-format %d/%m/%Y or --other 10"),
        ("y == 3 and name='x'", "y == 3 and name='x'"),
    ],
)
def test_messages_name_options(text, expected):
    assert in_options(text) == expected


def best_by_trying(by, positive, shares):
    """What every threshold gives."""

    def gain(value):
        chosen = shares >= value
        hits, alarms = (chosen & positive).sum(), (chosen & ~positive).sum()
        return 2 * hits / (chosen.sum() + positive.sum()) if by.cost is None else by.cost * hits - alarms

    return max(gain(value) for value in [*shares, 1.1]), gain


@pytest.mark.parametrize("by", ["f1", "cost=5", "cost=0.2", "cost=1"])
def test_a_threshold_is_the_best_of_all(by):
    random = np.random.default_rng(1)
    by = threshold.wanted(by)
    for _ in range(50):
        positive = random.random(40) < 0.2
        positive[0] = True
        shares = (random.random(40) * 0.6 + 0.3 * positive).round(1)  # with many alike
        best, gain = best_by_trying(by, positive, shares)
        assert gain(threshold.choose(by, positive, shares)) == pytest.approx(best)


@pytest.mark.parametrize("text", ["f2", "cost", "cost=0", "cost=x", "cost=inf", "price=3"])
def test_refused_thresholds(text):
    with pytest.raises(argparse.ArgumentTypeError, match="expected f1, or cost=RATIO"):
        threshold.wanted(text)


def test_files_to_validate_and_to_test_on(table, capsys):
    argv = ["train", table / "train.csv", "--target", "y", "--impute", "mean", "--epochs", "30"]
    more = ["--validation", table / "more.csv", "--test", table / "test.csv", "--out", table / "m.st"]
    said = run(capsys, *argv, *more)
    assert "200 rows to train on, 100 to validate on" in said
    score = float(said.split("test accuracy ")[1].split(",")[0])
    run(capsys, "predict", table / "m.st", table / "test.csv", "--out", table / "p.csv")
    right = [row[0] == other[2] for row, other in zip(read(table / "p.csv"), read(table / "test.csv"), strict=True)][1:]
    assert score == pytest.approx(np.mean(right), abs=1e-4)


def test_threshold_and_class_weight(table, capsys):
    argv = [
        "train",
        table / "train.csv",
        "--target",
        "y",
        "--impute",
        "mean",
        "--epochs",
        "30",
        "--out",
        table / "m.st",
    ]
    said = run(capsys, *argv, "--threshold", "f1")
    value = float(said.split("yes is the answer from a probability of ")[1].split(" ")[0])
    assert fn.load(table / "m.st").metadata["fastnn.cli"]["threshold"][1] == pytest.approx(value, rel=1e-3)
    printed = run(capsys, "predict", table / "m.st", table / "test.csv", "--out", "-")
    rows = list(csv.reader(printed.splitlines()))
    assert rows[0] == ["prediction", "P(no)", "P(yes)"]
    assert [row[0] for row in rows[1:]] == ["yes" if float(row[2]) >= value else "no" for row in rows[1:]]
    mean = np.mean([float(row[2]) for row in rows[1:]])
    run(capsys, *argv, "--class-weight", "balanced")
    rows = list(csv.reader(run(capsys, "predict", table / "m.st", table / "test.csv", "--out", "-").splitlines()))
    assert np.mean([float(row[2]) for row in rows[1:]]) > 1.5 * mean  # the rare class counts as much as the other
    assert main([*map(str, argv), "--threshold", "f1", "--target", "a"]) == 2
    assert main([*map(str, argv), "--class-weight", "balanced", "--target", "a"]) == 2


def test_a_class_of_one_row_does_not_stop_train(table, capsys):
    with open(table / "train.csv", "a") as file:
        file.write("0.5,u,perhaps\n")
    out = ["--out", table / "m.st"]
    said = run(capsys, "train", table / "train.csv", "--target", "y", "--impute", "mean", "--epochs", "2", *out)
    assert "only one row each, none to validate on, of perhaps" in said
    assert fn.load(table / "m.st").metadata["fastnn.cli"]["classes"] == ["no", "perhaps", "yes"]


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.strip() == f"fastnn {fn.__version__}"


def test_models_of_all_kinds_answer(tmp_path, capsys):
    random = np.random.default_rng(0)
    frame = pd.DataFrame(random.normal(size=(40, 2)), columns=["a", "b"])
    frame.to_csv(tmp_path / "d.csv", index=False)
    X, y = frame.to_numpy(), (frame["a"] > 0).astype(int)
    net = fn.Sequential([fn.Dense(3, "tanh"), fn.Dense(2)], input_shape=2, seed=0)
    ensemble = fn.Ensemble([net], loss="squared_error")
    online = fn.OnlineRegressor(fn.Sequential([fn.Dense(1)], input_shape=2, seed=0), features=["a", "b"])
    for row, label in zip(frame.to_dict("records"), y, strict=True):
        online.learn_one(row, float(label))
    classifier = fn.MLPClassifier((4,), random_state=0, max_iter=300, tol=1e-2).fit(frame, y)
    cases = {
        "net": (net, net.predict(X)), "int8": (net.quantized("int8"), net.quantized("int8").predict(X)),
        "ensemble": (ensemble, ensemble.predict(X)), "classifier": (classifier, classifier.predict(frame)),
        "online": (online, [online.predict_one(row) for row in frame.to_dict("records")]),
    }  # fmt: skip
    for name, (model, expected) in cases.items():
        model.save(tmp_path / name)
        run(capsys, "predict", tmp_path / name, tmp_path / "d.csv", "--out", tmp_path / "p.npz")
        with np.load(tmp_path / "p.npz") as arrays:
            np.testing.assert_allclose(arrays["prediction"], expected, rtol=1e-6, err_msg=name)
    frame.assign(t="x").to_csv(tmp_path / "d.csv", index=False)
    argv = ["predict", str(tmp_path / "net"), str(tmp_path / "d.csv"), "--out", str(tmp_path / "p.npz")]
    assert main(argv) == 2
    assert "column 't' holds texts or dates; --drop t leaves it out" in capsys.readouterr().err
    assert main([*argv, "--drop", "t"]) == 0


def test_no_row_is_answered_as_positive_where_each_costs_more_than_it_saves():
    positive, shares = np.array([False] * 9 + [True]), np.linspace(0.9, 0.1, 10)
    assert threshold.choose(threshold.wanted("cost=0.2"), positive, shares) == 1.0


def test_the_command_standardises_amounts_alone(table, capsys):
    run(
        capsys, "train", table / "train.csv", "--target", "y", "--impute", "mean", "--epochs", "1", "--out", table / "m"
    )
    kept = fn.load(table / "m").metadata["fastnn.cli"]["inputs"]
    assert [mean == 0 for mean in kept["mean"]] == [False, True, True, True]  # a, a:missing, b=u, b=v
