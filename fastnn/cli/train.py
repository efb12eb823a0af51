"""``fastnn train``: a network from a file, saved with all that prediction needs."""

import argparse
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from fastnn.cli import report
from fastnn.cli.files import Array, read_dataset, whole_numbers
from fastnn.cli.model import Recipe, Training, fit_inputs, is_classification, network_targets
from fastnn.data import Standardizer, split
from fastnn.training.callbacks import Callback, EarlyStopping, EpochLog, ProgressBar

_OPTIMIZERS = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop"}
HELP = "train a network on a file"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("data", metavar="DATA", help="the file; for IDX the file of the images")
    parser.add_argument("--target", required=True, help="column, array of the .npz, or IDX file of the labels")
    parser.add_argument("--hidden", type=_widths, default="64,64", help="widths of the hidden layers, or 'none'")
    parser.add_argument("--activation", default="relu", help="activation of the hidden layers")
    parser.add_argument("--dropout", type=float, default=0.0, help="part of each hidden layer that is dropped")
    parser.add_argument("--epochs", type=int, default=100, help="most passes over the data")
    parser.add_argument("--batch-size", type=int, default=32, help="rows per update")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="learning rate")
    parser.add_argument("--optimizer", choices=sorted(_OPTIMIZERS), default="adam", help="optimiser")
    parser.add_argument("--validation", type=float, default=0.2, help="part of the rows to validate on, 0 for none")
    parser.add_argument("--patience", type=int, default=10, help="epochs without gain in validation before stopping")
    parser.add_argument("--seed", type=int, default=0, help="seed of split, initial weights and shuffle")
    task = parser.add_mutually_exclusive_group()
    text = "%s, where the target does not say so itself"
    task.add_argument("--classification", dest="task", action="store_const", const=True, help=text % "classes")
    task.add_argument("--regression", dest="task", action="store_const", const=False, help=text % "numbers")
    parser.add_argument("--out", default="m.safetensors", help="the file to write")
    parser.add_argument("--report", metavar="FILE", help="an .html file to write a report to, on the validation rows")


def run(arguments: argparse.Namespace) -> None:
    """Train a network on a CSV, TSV, Parquet, .npz (inputs in array X) or IDX file and save it."""
    if not 0.0 <= arguments.validation < 1.0:
        raise ValueError(f"train: expected --validation from 0 to below 1, got {arguments.validation:g}")
    for option, path in (("--out", arguments.out), ("--report", arguments.report)):
        if path is not None and not Path(path).absolute().parent.is_dir():
            raise ValueError(f"train: expected {option} in a folder that exists, got {path!r}")
    dataset = read_dataset(arguments.data, arguments.target)
    classify = is_classification(dataset.y) if arguments.task is None else arguments.task
    X, y, held_out = dataset.X, dataset.y, None
    if classify and y.ndim != 1:
        raise ValueError(f"train: expected one class per row, got targets of shape {y.shape}; use --regression")
    if not classify and y.dtype.kind not in "biuf":
        raise ValueError(f"train: expected numbers for a regression, got {y.dtype} in {arguments.target!r}")
    if arguments.validation:
        X, X_val, y, y_val = split(X, y, arguments.validation, stratify=classify, seed=arguments.seed)
        held_out = X_val, y_val
    classes = np.unique(dataset.y) if classify else None
    if classes is not None and len(classes) < 2:
        raise ValueError(f"train: expected at least two classes in {arguments.target!r}, got {classes.tolist()}")
    recipe = Recipe(
        target=arguments.target,
        reading=dataset.reading,
        inputs=fit_inputs(X),
        classes=None if classes is None else classes.tolist(),
        targets=None if classify else Standardizer().fit(y),
    )
    net = _train(arguments, recipe, (X, y), held_out)
    net.save(arguments.out, metadata=recipe.to_metadata() | Training.of(net).to_metadata())
    print(f"saved {arguments.out}")
    if arguments.report is not None:
        rows = held_out or (X, y)
        found = report.write(net, recipe, arguments.report, *rows, arguments.data)
        print(report.summary(found, len(rows[0])))


def _train(arguments: argparse.Namespace, recipe: Recipe, data: tuple[Array, Array], held_out: Any) -> Any:
    import fastnn as fn

    X, y = recipe.network_inputs(data[0]), network_targets(recipe, data[1])
    layers: list[Any] = []
    for width in arguments.hidden:
        layers.append(fn.Dense(width, arguments.activation))
        if arguments.dropout:
            layers.append(fn.Dropout(arguments.dropout))
    layers.append(fn.Dense(y.shape[1] if recipe.classes is None else len(recipe.classes)))
    net = fn.Sequential(layers, input_shape=X.shape[1], seed=arguments.seed)
    optimizer = getattr(fn, _OPTIMIZERS[arguments.optimizer])(arguments.learning_rate)
    loss, metric = ("squared_error", "r2") if recipe.classes is None else ("cross_entropy", "accuracy")
    net.compile(loss=loss, optimizer=optimizer, metrics=[metric])
    print(
        f"{'regression' if recipe.classes is None else f'{len(recipe.classes)} classes'}: {len(X)} rows to train on, "
        f"{0 if held_out is None else len(held_out[0])} to validate on, {X.shape[1]} inputs"
    )
    watchers: list[Callback] = [
        ProgressBar() if sys.stderr.isatty() else EpochLog(every=max(1, arguments.epochs // 10))
    ]
    validation = None
    if held_out is not None:
        validation = recipe.network_inputs(held_out[0]), network_targets(recipe, held_out[1])
        watchers.append(EarlyStopping(patience=arguments.patience))
    start = perf_counter()
    history = net.fit(
        X, y, epochs=arguments.epochs, batch_size=arguments.batch_size, validation_data=validation,
        callbacks=watchers, verbose=0,
    )  # fmt: skip
    seconds = perf_counter() - start
    scores = net.evaluate(*(validation or (X, y)))
    where = "validation" if validation else "training"
    print(
        f"{where} {metric} {scores[metric]:.4f}, loss {scores['loss']:.4g}, after {len(history.epochs)} epochs "
        f"in {seconds:.2f} s"
    )
    return net


def _widths(text: str) -> tuple[int, ...]:
    return () if text == "none" else whole_numbers(text, "widths such as 64,64 or 'none'")
