"""The guide: every chapter runs and shows what its text says, the how-to pages are true, the reference is complete."""

import doctest
import importlib
import inspect
import math
import runpy
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import fastnn as fn

DOCS = Path(__file__).parents[2] / "docs"
if not DOCS.exists():
    pytest.skip("the guide is not part of the wheel", allow_module_level=True)

CHAPTERS = sorted(DOCS.glob("chapters/*.py"))
PAGES = sorted([*DOCS.glob("howto/*.rst"), DOCS / "index.rst"])


def falls(values):
    return all(later < earlier for earlier, later in pairwise(values))


def far(path):
    """Distance of the end of a path from the best weights, (1, 1)."""
    return np.hypot(*(path[-1] - 1))


def ratio(names, cell):
    """The gradient that reaches the first step beside that of the last."""
    norms = names["through_time"][cell]
    return norms[0] / norms[-1]


# What the words of a chapter say of its numbers, by the names that its code gives them.
CLAIMS = {
    "01_learning_by_example": lambda g: (
        g["before"]["accuracy"] < 0.2 and abs(g["before"]["loss"] - math.log(10)) < 0.5,
        falls(g["losses"]),
        g["after"]["accuracy"] > 0.97,
        g["history"]["loss"][-1] < g["history"]["val_loss"][-1],
    ),
    "02_example_networks": lambda g: (
        g["curve_error"] < 0.15,
        g["spiral_accuracy"] > 0.98,
        g["code_error"] < 0.3 * g["mean_error"],
    ),
    "03_structure": lambda g: (
        g["trained"][0] + 0.03 < g["trained"][1] < g["trained"][3],
        g["random"][3] < g["random"][0],
    ),
    "04_connections": lambda g: (
        g["by_heart"] > 0.99 and g["understood"] < 0.15,
        g["accuracy"][0.5][:, 0].mean() > g["accuracy"][0.0][:, 0].mean(),
        g["accuracy"][0.5][:, -1].mean() > g["accuracy"][0.0][:, -1].mean() + 0.05,
    ),
    "05_loss": lambda g: (
        np.abs(np.array(g["cost"]) + np.log(g["probability"])).max() < 1e-12,
        g["error"] < 1e-8,
    ),
    "06_optimizer": lambda g: (
        np.abs(np.mean(g["each"], axis=0) - g["of_batch"]).max() < 1e-15,
        all(far(path) < far(g["paths"]["SGD"]) / 2 for name, path in g["paths"].items() if name != "SGD"),
        all(over < g["excess"]["constant 0.05"] / 100 for name, over in g["excess"].items() if "constant" not in name),
    ),
    "07_neuron": lambda g: (abs(g["net"].predict_one([1.0, -1.0])[0] - g["a3"]) < 1e-14,),
    "08_bias": lambda g: (
        np.abs(g["answers"][0] - g["answers"][1]).max() < 1e-14,
        np.abs(g["with_bias"].grads - g["without"].grads).max() < 1e-14,
    ),
    "09_activation": lambda g: (
        g["collapse"] < 1e-13,
        falls(g["error"]["sine"]) and falls(g["error"]["bump in the plane"]),
        g["error"]["step"][-1] < g["error"]["step"][0],
    ),
    "10_vanishing_gradient": lambda g: (
        g["norms"]["sigmoid"][0] < 1e-30 * g["norms"]["sigmoid"][-1],
        g["norms"]["tanh"][0] < 1e-4 * g["norms"]["tanh"][-1],
        all(values[0] > 1e-2 * values[-1] for name, values in g["norms"].items() if name not in ("sigmoid", "tanh")),
        all(ratio(g, name) < 1e-8 for name in ("SimpleRNN", "LSTM, forget bias 0")),
        ratio(g, "LSTM, forget bias 1") > 1e-6 and ratio(g, "LSTM, forget bias 4") > 1e-2,
        g["flow"].verdict.startswith("vanishing from dense_"),
        g["losses"]["tanh"][-1] > 2.2 and g["losses"]["tanh, residual"][-1] < 0.5,
    ),
    "11_backpropagation": lambda g: (
        g["difference"] < 1e-14,
        g["directional_error"] < 1e-8,
        g["error"] < 1e-8,
        g["after"] < g["before"],
        g["moved"] == 0 and g["changed"] != 0,
    ),
    "12_convolution": lambda g: (
        g["by_hand"] < 1e-6 and g["equivariance"] < 1e-6,
        abs(g["nets"]["dense"].n_params - g["nets"]["convolutional"].n_params) < 100,
        g["accuracy"]["convolutional"][0] > g["accuracy"]["dense"][0],
        g["accuracy"]["convolutional"][1] > g["accuracy"]["dense"][1] + 0.1,
        all(measured == formula for measured, formula in g["fields"].values()),
        falls(list(g["change"].values())) and g["change"]["means"] < 0.75 * g["change"]["filters_1"],
        (g["wanted"].activations[-1] > g["wanted"].activations[0]).all(),
    ),
}  # fmt: skip


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
def test_chapter(chapter, capsys):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    plt = importlib.import_module("matplotlib.pyplot")
    try:
        names = runpy.run_path(str(chapter))
        assert plt.get_fignums()
        assert CLAIMS[chapter.stem](names) == (True,) * len(CLAIMS[chapter.stem](names))
    finally:
        plt.close("all")


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_page(page):
    result = doctest.testfile(str(page), module_relative=False)
    assert result.failed == 0
    assert result.attempted > 0 or page.stem == "index"


@pytest.fixture
def extension(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "extensions"))
    yield importlib.import_module
    for name in ("api", "scripts"):
        sys.modules.pop(name, None)


def test_every_public_name_has_a_place_in_the_reference(extension):
    api = extension("api")
    names = [name for names in api.public_names().values() for name in names]
    top = {n for n in dir(fn) if not n.startswith("_") and not inspect.ismodule(getattr(fn, n))}
    assert {f"fastnn.{name}" for name in top} <= set(names)
    assert len(names) == len(set(names))
    for module, names in api.public_names().items():
        title, text = api.page(module, names)
        assert title
        assert all(f":: {name}\n" in text for name in names)


def test_every_example_has_a_page(extension):
    scripts = extension("scripts")
    found = scripts.scripts()
    entries = tomllib.loads((scripts.GALLERY / "examples.toml").read_text(encoding="utf-8"))
    with_goals = {path.stem for path in scripts.FOLDER.glob("*.py") if "\nGOALS" in path.read_text()}
    assert set(found) == with_goals
    for name, module in found.items():
        page = scripts.page(name, module, entries[name])
        assert inspect.getdoc(module).partition("\n")[0] in page
        assert scripts.escape(entries[name]["found"]) in page
        assert all(scripts.escape(figure) in page and goal in page for figure, goal in module.GOALS.items())
    assert scripts.escape("|a - b|, x_1") == r"\|a - b\|, x\_1"
