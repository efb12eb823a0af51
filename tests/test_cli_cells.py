"""What the command line writes for spreadsheets, and what it says of sizes that no machine has."""

import csv

import numpy as np
import pytest

import fastnn as fn
from fastnn.cli import main
from fastnn.cli.predict import no_formula


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"), ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"), ("-2+3", "'-2+3"), ("@SUM(A1)", "'@SUM(A1)"),
        ("\t=1", "'\t=1"), ("\r=1", "'\r=1"), ("-", "'-"), ("-1", "-1"), ("+1.5e3", "+1.5e3"), ("a=1", "a=1"),
        ("'=1", "'=1"), ("", ""), (-3, "-3"), (True, "True"),
    ],
)  # fmt: skip
def test_texts_that_are_formulas_stay_texts(value, cell):
    assert no_formula(value) == cell


def answers(tmp_path, *options):
    labels = ["=1+1", "@x", "plain", "-7"]
    table = tmp_path / "data.csv"
    with open(table, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "class"])
        for i in range(80):
            writer.writerow([i % 4, (i * 7) % 5, labels[i % 4]])
    model = tmp_path / "m.safetensors"
    common = ["--target", "class", "--epochs", "40", "--seed", "0", "--kind", "class=category"]
    assert main(["train", str(table), *common, "--out", str(model)]) == 0
    assert main(["predict", str(model), str(table), *options, "--out", str(tmp_path / "out.csv")]) == 0
    with open(tmp_path / "out.csv", newline="") as file:
        return {row["prediction"] for row in csv.DictReader(file)}


def test_predictions_for_spreadsheets(tmp_path):
    assert answers(tmp_path) == {"'=1+1", "'@x", "plain", "-7"}
    assert answers(tmp_path, "--raw") == {"=1+1", "@x", "plain", "-7"}


def test_files_whose_names_are_formulas(tmp_path):
    from fastnn.cli.predict import write_csv

    for raw, name in ((False, "'=1+1.png"), (True, "=1+1.png")):
        write_csv(str(tmp_path / "out.csv"), np.array([-1.5]), None, None, ["=1+1.png"], raw=raw)
        assert (tmp_path / "out.csv").read_text() == f"file,prediction\n{name},-1.5\n"


@pytest.mark.parametrize("width", ["99999999999", "4294967296", "9" * 30])
def test_absurd_widths_are_told_in_a_line(width, tmp_path, capsys):
    (tmp_path / "data.csv").write_text("a,y\n" + "".join(f"{i},{i % 3 / 2}\n" for i in range(40)))
    arguments = ["train", str(tmp_path / "data.csv"), "--target", "y", "--hidden", width, "--epochs", "1"]
    assert main([*arguments, "--out", str(tmp_path / "m.safetensors")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("fastnn: error: ")
    assert said.count("\n") == 1
    assert "Traceback" not in said


@pytest.mark.parametrize("layers", [
    lambda: [fn.Dense(2**32)], lambda: [fn.Dense(2**62)], lambda: [fn.Embedding(2**62, 2**62)],
])  # fmt: skip
def test_sizes_that_cannot_be_counted_are_refused_by_name(layers):
    """2^32 x 2^32 wraps to 0 in 64 bits."""
    with pytest.raises(ValueError, match=r"(Dense|Embedding).*at most 2\*\*40 numbers in"):
        fn.Sequential(layers(), 2**32, seed=0)


def test_large_sizes_are_counted_right():
    x = fn.Input(2**20)
    net = fn.Sequential([fn.Dense(2, bias=False)], 2**20, seed=0)
    assert net.n_params == 2**21
    assert fn.Dense(2**19)(x).shape == (2**19,)
