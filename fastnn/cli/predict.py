"""``fastnn predict``: answers of a saved network for the rows of a file."""

import argparse
import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np

from fastnn.cli import others, pictures
from fastnn.cli.files import Array, Options, read_inputs
from fastnn.cli.model import KEY, Recipe
from fastnn.cli.reading import add_files
from fastnn.data import TableEncoder
from fastnn.errors import ModelFormatError
from fastnn.graph.outputs import Output, read_outputs
from fastnn.losses.link import IDENTITY, SOFTMAX

FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # how cells begin that spreadsheets carry out
HELP = "answers of a saved network for a file"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("model", metavar="MODEL", help="a saved network, estimator, online model or ensemble")
    parser.add_argument("data", metavar="DATA", nargs="+", help="CSV, TSV, Parquet, .npz or IDX file, as in training; "
                        "of pictures a folder, or several files")  # fmt: skip
    parser.add_argument("--drop", metavar="COLUMN", action="append", default=[], help="a column that is no input, for "
                        "models that 'fastnn train' did not write; may be given again")  # fmt: skip
    add_files(parser)
    parser.add_argument("--raw", action="store_true", help="write texts that a spreadsheet would take for formulas as "
                        "they are, without an apostrophe before them")  # fmt: skip
    parser.add_argument("--out", required=True, metavar="FILE", help="the .csv or .npz file to write, - to print")


def run(arguments: argparse.Namespace) -> None:
    """Write the classes with their probabilities, or the values, that a saved model answers."""
    printed = arguments.out == "-"
    if not printed and Path(arguments.out).suffix.lower() not in (".csv", ".npz"):
        raise ValueError(f"predict: expected --out to end in .csv or .npz, or to be -, got {arguments.out!r}")
    net, files = load(arguments.model), None
    metadata = getattr(net, "metadata", None)
    if isinstance(metadata, dict) and KEY in metadata:
        if arguments.drop:
            raise ValueError("predict: --drop is for models that do not say how their data are read; this one does")
        recipe = Recipe.from_metadata(metadata)
        if pictures.in_files(recipe.reading):
            images = pictures.read(arguments.data, recipe.reading, "predict")
            inputs, files = images.X, [str(one) for one in images.files]
        else:
            inputs = read_inputs(_one(arguments.data), recipe.reading, options=Options.of(arguments))
        X = recipe.network_inputs(inputs)
        (output,) = read_outputs(net.plan, [IDENTITY if recipe.classes is None else SOFTMAX], net.output_shapes)
        prediction, probabilities = answers(recipe, output, net.predict(X))
        classes = recipe.classes
    else:
        options = Options.of(arguments, TableEncoder(drop=arguments.drop))
        prediction, probabilities, classes = others.answers(arguments.model, net, _one(arguments.data), options)
    if printed:
        write_rows(sys.stdout, prediction, probabilities, classes, files, raw=arguments.raw)
    elif arguments.out.lower().endswith(".npz"):
        write_npz(arguments.out, prediction, probabilities, classes, files)
    else:
        write_csv(arguments.out, prediction, probabilities, classes, files, raw=arguments.raw)
    if printed:
        return
    print(f"saved {arguments.out}: {len(prediction)} rows")


def _one(data: list[str]) -> str:
    """Return the only file."""
    if len(data) > 1:
        raise ValueError(f"predict: expected one file, got {len(data)}; several are for models of pictures")
    return data[0]


def load(path: str) -> Any:
    """Return the network of a file, None for an ensemble; ModelFormatError if it is neither."""
    import fastnn as fn

    try:
        return fn.load(path)
    except ModelFormatError as error:
        try:
            fn.Ensemble.load(path)
        except ModelFormatError:
            raise error from None
        return None


def answers(recipe: Recipe, output: Output, raw: Array) -> tuple[Array, Array | None]:
    """Classes (B,) and their probabilities (B, K), or values (B,) or (B, O) in their own unit and None."""
    if recipe.targets is None:
        shares = output.probabilities(raw)
        assert shares is not None  # they come of softmax
        return np.asarray(recipe.classes)[recipe.chosen(shares)], shares
    return recipe.targets.inverse_transform(raw.reshape(len(raw), *recipe.targets.mean.shape)), None


def write_npz(
    path: str,
    prediction: Array,
    probabilities: Array | None,
    classes: list[Any] | None,
    files: list[str] | None = None,
) -> None:
    """Write ``prediction``, for classes ``probabilities`` and ``classes``, for pictures ``files``."""
    sure: Any = {} if probabilities is None else {"probabilities": probabilities, "classes": np.asarray(classes)}
    named: Any = {} if files is None else {"files": np.array(files)}
    np.savez_compressed(path, prediction=prediction, **sure, **named)


def write_csv(
    path: str,
    prediction: Array,
    probabilities: Array | None,
    classes: list[Any] | None,
    files: list[str] | None = None,
    *,
    raw: bool = False,
) -> None:
    """Write ``prediction`` (or ``prediction_0`` ...), for classes ``P(class)`` of each, for pictures ``file`` first."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        write_rows(file, prediction, probabilities, classes, files, raw=raw)


def write_rows(
    file: Any,
    prediction: Array,
    probabilities: Array | None,
    classes: list[Any] | None,
    files: list[str] | None = None,
    *,
    raw: bool = False,
) -> None:
    """Write what ``write_csv`` does to an open file; ``raw``: texts as they are, formulas too."""
    names, columns = ["prediction"], [prediction]
    if prediction.ndim > 1:
        prediction = prediction.reshape(len(prediction), -1)
        names, columns = [f"prediction_{index}" for index in range(prediction.shape[1])], list(prediction.T)
    if probabilities is not None:
        names, columns = [*names, *(f"P({name})" for name in classes or [])], [*columns, *probabilities.T]
    if files is not None:
        names, columns = ["file", *names], [np.array(files), *columns]
    writer = csv.writer(file, lineterminator="\n" if file is sys.stdout else "\r\n")
    writer.writerow(names)
    cell = str if raw else no_formula
    texts = [[f"{v:.9g}" for v in c] if c.dtype.kind == "f" else [cell(v) for v in c.tolist()] for c in columns]
    writer.writerows(zip(*texts, strict=True))


def no_formula(value: Any) -> str:
    """Return a value as text, behind an apostrophe where a spreadsheet would carry it out: those stay texts there."""
    text = str(value)
    if not isinstance(value, str) or not text.startswith(FORMULAS):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text  # a number with a sign
