"""``fastnn predict``: answers of a saved network for the rows of a file."""

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np

from fastnn.cli.files import Array, read_inputs
from fastnn.cli.model import Recipe
from fastnn.graph.outputs import Output, read_outputs
from fastnn.losses.link import IDENTITY, SOFTMAX

HELP = "answers of a saved network for a file"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("model", metavar="MODEL", help="a file that 'fastnn train' wrote")
    parser.add_argument("data", metavar="DATA", help="CSV, TSV, Parquet, .npz or IDX file, as in training")
    parser.add_argument("--out", required=True, metavar="FILE", help="the .csv or .npz file to write")


def run(arguments: argparse.Namespace) -> None:
    """Write the classes with their probabilities, or the values, that a saved network answers."""
    import fastnn as fn

    if Path(arguments.out).suffix.lower() not in (".csv", ".npz"):
        raise ValueError(f"predict: expected --out to end in .csv or .npz, got {arguments.out!r}")
    net = fn.load(arguments.model)
    recipe = Recipe.from_metadata(net.metadata)
    X = recipe.network_inputs(read_inputs(arguments.data, recipe.reading))
    (output,) = read_outputs(net.plan, [IDENTITY if recipe.classes is None else SOFTMAX], net.output_shapes)
    prediction, probabilities = answers(recipe, output, net.predict(X))
    write = write_npz if arguments.out.lower().endswith(".npz") else write_csv
    write(arguments.out, prediction, probabilities, recipe.classes)
    print(f"saved {arguments.out}: {len(X)} rows")


def answers(recipe: Recipe, output: Output, raw: Array) -> tuple[Array, Array | None]:
    """Classes (B,) and their probabilities (B, K), or values (B,) or (B, O) in their own unit and None."""
    if recipe.targets is None:
        return np.asarray(recipe.classes)[output.classes(raw)], output.probabilities(raw)
    return recipe.targets.inverse_transform(raw.reshape(len(raw), *recipe.targets.mean.shape)), None


def write_npz(path: str, prediction: Array, probabilities: Array | None, classes: list[Any] | None) -> None:
    """Write the arrays ``prediction`` and, for classes, ``probabilities`` and ``classes``."""
    sure: Any = {} if probabilities is None else {"probabilities": probabilities, "classes": np.asarray(classes)}
    np.savez_compressed(path, prediction=prediction, **sure)


def write_csv(path: str, prediction: Array, probabilities: Array | None, classes: list[Any] | None) -> None:
    """Write the column ``prediction`` (or ``prediction_0`` ...) and, for classes, ``P(class)`` of each."""
    names, columns = ["prediction"], [prediction]
    if prediction.ndim == 2:
        names, columns = [f"prediction_{index}" for index in range(prediction.shape[1])], list(prediction.T)
    if probabilities is not None:
        names, columns = [*names, *(f"P({name})" for name in classes or [])], [*columns, *probabilities.T]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        texts = [[f"{v:.9g}" for v in c] if c.dtype.kind == "f" else c.tolist() for c in columns]
        writer.writerows(zip(*texts, strict=True))
