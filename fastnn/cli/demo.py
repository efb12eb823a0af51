"""``fastnn demo``: handwritten digits from training to a single answer, in a few seconds."""

import argparse
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from fastnn.cli.files import Array
from fastnn.data import load_digits, split
from fastnn.metrics import confusion_matrix
from fastnn.plotting import plot_confusion_matrix, plot_history
from fastnn.training.callbacks import EarlyStopping, EpochLog, ProgressBar

_CALLS = 1000
HELP = "learn handwritten digits in a few seconds"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--out", default="fastnn-demo", metavar="DIR", help="folder for the network and the pictures")
    parser.add_argument("--epochs", type=int, default=100, help="most passes over the data")
    parser.add_argument("--seed", type=int, default=0, help="seed of split, initial weights, shuffle and dropout")


def run(arguments: argparse.Namespace) -> None:
    """Train on the digits that come with fastnn, save the network, load it again and ask it."""
    import fastnn as fn

    folder = Path(arguments.out)
    folder.mkdir(parents=True, exist_ok=True)
    X, y = load_digits()
    X_rest, X_test, y_rest, y_test = split(X, y, 0.2, stratify=True, seed=arguments.seed)
    X_train, X_val, y_train, y_val = split(X_rest, y_rest, 0.1, stratify=True, seed=arguments.seed)
    print(f"{len(X)} digits of 8 x 8 pixels: {len(X_train)} to train, {len(X_val)} to validate, {len(X_test)} to test")

    layers = [fn.Dense(128, "relu"), fn.Dropout(0.3), fn.Dense(64, "relu"), fn.Dropout(0.3), fn.Dense(10)]
    net = fn.Sequential(layers, input_shape=64, seed=arguments.seed)
    net.compile(loss="cross_entropy", optimizer=fn.Adam(1e-3), metrics=["accuracy"])
    watchers = [ProgressBar() if sys.stderr.isatty() else EpochLog(every=10), EarlyStopping(patience=20)]
    start = perf_counter()
    history = net.fit(
        X_train, y_train, epochs=arguments.epochs, batch_size=32, validation_data=(X_val, y_val),
        callbacks=watchers, verbose=0,
    )  # fmt: skip
    seconds = perf_counter() - start

    scores = net.predict(X_test)
    matrix = confusion_matrix(y_test, scores)
    print(
        f"\ntest accuracy {matrix.trace() / matrix.sum():.2%}, trained {len(history.epochs)} epochs in {seconds:.2f} s"
    )
    print(f"\n{matrix_text(matrix)}\n")
    model = folder / "digits.safetensors"
    net.save(model, metadata={"data": "digits of fastnn, pixels from 0 to 1", "classes": list(range(10))})
    print(f"saved {model} ({model.stat().st_size / 1000:.0f} kB)")
    _draw(net, matrix, X_test, y_test, folder)
    _ask(fn.load(model), X_test, y_test)


def matrix_text(matrix: Array) -> str:
    """The confusion matrix as text, true classes in rows, points for zeros."""
    width = max(4, len(str(matrix.max())) + 1)
    rows = [["true", *map(str, range(len(matrix)))]]
    rows += [[str(index), *(str(n) if n else "." for n in row)] for index, row in enumerate(matrix.tolist())]
    return "\n".join("".join(text.rjust(width) for text in row) for row in rows)


def _draw(net: Any, matrix: Array, X: Array, y: Array, folder: Path) -> None:
    """Draw the learning curves and the confusion matrix, and write a report."""
    import fastnn as fn

    curves, table, page = (folder / f"digits-{name}" for name in ("history.png", "confusion.png", "report.html"))
    try:
        plot_history(net.history, curves)
        plot_confusion_matrix(matrix, table)
        fn.report(net, page, X, y, shape=(8, 8), title="Handwritten digits")
    except ImportError as error:
        print(f"no pictures: {error}")
        return
    print(f"saved {curves}\nsaved {table}\nsaved {page}")


def _ask(net: Any, X: Array, y: Array) -> None:
    """Answer single rows with the network as loaded, and time it."""
    print("\nloaded again; single rows:")
    for x, digit in zip(X[:5], y[:5], strict=True):
        print(f"  a {digit}: the answer is {int(np.argmax(net.predict_one(x)))}")
    start = perf_counter()
    for index in range(_CALLS):
        net.predict_one(X[index % len(X)])
    print(f"{(perf_counter() - start) / _CALLS * 1e6:.1f} us per answer")
