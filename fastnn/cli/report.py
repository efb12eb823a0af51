"""``fastnn report``: a page on a saved network and the rows of a file."""

import argparse
from pathlib import Path
from typing import Any

from fastnn.cli.files import Options, read_inputs, read_labelled
from fastnn.cli.model import Recipe, Training, network_targets
from fastnn.cli.reading import add_files, whole_numbers

HELP = "a page on what a saved network can do"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("model", metavar="MODEL", help="a file that 'fastnn train' wrote")
    parser.add_argument(
        "data", metavar="DATA", help="CSV, TSV, Parquet, .npz or IDX file or folder of pictures, as in training"
    )
    parser.add_argument("--target", help="column, array or IDX file of the labels, if not that of the training")
    parser.add_argument("--shape", type=_shape, metavar="H,W", help="how a row is an image, such as 28,28")
    add_files(parser)
    parser.add_argument("--out", default="report.html", metavar="FILE", help="the file to write")


def run(arguments: argparse.Namespace) -> None:
    """Write one HTML file: scores, errors, learning curves, layers, gradients, importance of inputs."""
    import fastnn as fn

    net = fn.load(arguments.model)
    recipe = Recipe.from_metadata(net.metadata, "report")
    options = Options.of(arguments)
    y = read_labelled(arguments.data, arguments.target or recipe.target, recipe.reading, options)
    X = read_inputs(arguments.data, recipe.reading, "report", options)
    if len(X) != len(y):
        raise ValueError(f"report: expected as many labels as rows, got {len(y)} and {len(X)}")
    net.history = Training.from_metadata(net.metadata).prepare(net, recipe)
    found = write(net, recipe, arguments.out, X, y, arguments.data, arguments.shape)
    print(summary(found, len(X)))


def write(net: Any, recipe: Recipe, path: str, X: Any, y: Any, data: str, shape: Any = None) -> Any:
    """Write the report on rows as they stand in a file."""
    import fastnn as fn

    return fn.report(
        net, path, recipe.network_inputs(X), network_targets(recipe, y), classes=recipe.classes,
        feature_names=recipe.reading.get("features"), shape=shape, standardizer=recipe.targets,
        title=f"{Path(recipe.target).name} of {Path(data).name}",
    )  # fmt: skip


def summary(found: Any, rows: int) -> str:
    """Return where the report is and its first scores, in a line."""
    name = "accuracy" if found.task == "classification" else "r2"
    return f"saved {found.path}: {rows} rows, {name} {found.scores[name]:.4f}, loss {found.scores['loss']:.4g}"


def _shape(text: str) -> tuple[int, ...]:
    return whole_numbers(text, "height and width such as 28,28", 2)
