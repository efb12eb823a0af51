"""``fastnn predict``: answers of a saved network for the rows of a file."""

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn.cli.files import read_inputs
from fastnn.cli.model import Recipe

Array = npt.NDArray[Any]


def add_parser(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "predict",
        help="answers of a saved network for a file",
        description="Write the classes with their probabilities, or the values, that a saved network answers.",
    )
    parser.add_argument("model", metavar="MODEL", help="a file that 'fastnn train' wrote")
    parser.add_argument("data", metavar="DATA", help="CSV, TSV, Parquet, .npz or IDX file, as in training")
    parser.add_argument("--out", required=True, metavar="FILE", help="the .csv or .npz file to write")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Read, predict and write."""
    import fastnn as fn

    if Path(arguments.out).suffix.lower() not in (".csv", ".npz"):
        raise ValueError(f"predict: expected --out to end in .csv or .npz, got {arguments.out!r}")
    net = fn.load(arguments.model)
    recipe = Recipe.from_metadata(net.metadata)
    X = recipe.network_inputs(read_inputs(arguments.data, recipe.reading))
    prediction, probabilities = answers(recipe, net.predict(X))
    write = write_npz if arguments.out.lower().endswith(".npz") else write_csv
    write(arguments.out, prediction, probabilities, recipe.classes)
    print(f"saved {arguments.out}: {len(X)} rows")


def answers(recipe: Recipe, outputs: Array) -> tuple[Array, Array | None]:
    """Classes (B,) and their probabilities (B, K), or values (B,) or (B, O) in their own unit and None."""
    if recipe.targets is not None:
        shape = recipe.targets.mean.shape
        return recipe.targets.inverse_transform(outputs.reshape(len(outputs), *shape)), None
    from scipy.special import softmax

    probabilities = softmax(outputs.astype(np.float64), axis=1)
    return np.asarray(recipe.classes)[probabilities.argmax(axis=1)], probabilities


def write_npz(path: str, prediction: Array, probabilities: Array | None, classes: list[Any] | None) -> None:
    """Write the arrays ``prediction`` and, for classes, ``probabilities`` and ``classes``."""
    if probabilities is None:
        np.savez_compressed(path, prediction=prediction)
    else:
        np.savez_compressed(path, prediction=prediction, probabilities=probabilities, classes=np.asarray(classes))


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
