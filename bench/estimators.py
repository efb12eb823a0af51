"""The estimators beside scikit-learn's, in turn: ``python -m bench.estimators [--isa avx2] [--accuracy | --search]``.

The same parameters and ``random_state`` on both sides, so the same work: the weights are compared before anything is
timed.  scikit-learn runs with one BLAS thread and with as many as there are processors; the faster of the two counts.
"""

import argparse
import warnings
from collections.abc import Callable
from itertools import product
from statistics import mean, median, stdev
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import fastnn as fn
from bench.goals import judged
from bench.machine import describe
from bench.variants import hold
from fastnn._core.table import isa

ROUNDS = 7
Call = Callable[[], object]


def mnist(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first images, in [0, 1], and their labels."""
    import os
    from pathlib import Path

    folder = Path(os.environ.get("FASTNN_DATA", "../shared/data")) / "mnist"
    X = fn.read_idx(next(folder.glob("train-images*")))[:rows].reshape(rows, -1) / np.float32(255)
    return X.astype(np.float32), fn.read_idx(next(folder.glob("train-labels*")))[:rows].astype(np.int64)


def seconds(call: Call, repeats: int) -> float:
    """Time of one call, the mean of some."""
    began = perf_counter()
    for _ in range(repeats):
        call()
    return (perf_counter() - began) / repeats


def beside(ours: Call, theirs: Call, repeats: int, rounds: int = ROUNDS) -> tuple[float, float]:
    """Medians of both over rounds in turn; theirs with the better number of BLAS threads."""
    times: dict[str, list[float]] = {"ours": [], "one": [], "all": []}
    for _ in range(rounds):
        times["ours"].append(seconds(ours, repeats))
        times["all"].append(seconds(theirs, repeats))
        with threadpool_limits(1, user_api="blas"):
            times["one"].append(seconds(theirs, repeats))
    return median(times["ours"]), min(median(times["one"]), median(times["all"]))


def show(name: str, ours: float, theirs: float, unit: str = "us") -> None:
    """One row of the table."""
    scale = {"us": 1e6, "ms": 1e3, "s": 1.0}[unit]
    cells = [name, f"{ours * scale:,.3g} {unit}", f"{theirs * scale:,.3g} {unit}", f"{theirs / ours:.1f}x"]
    print(f"| {' | '.join([*cells, judged(name, theirs / ours)])} |", flush=True)


def same(a: Any, b: Any, tolerance: float) -> None:
    """Raise unless two fitted models have the same weights."""
    for p, q in zip(a.coefs_, b.coefs_, strict=True):
        np.testing.assert_allclose(p, q, rtol=0, atol=tolerance)


def speed() -> None:
    """Fit, predict, partial_fit."""
    digits = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    small = rng.normal(size=(1000, 20)), rng.integers(0, 10, 1000)
    data = {
        "digits, 64-100-10, 50 epochs, float64": (*digits, 50),
        "digits, 64-100-10, 50 epochs, float32": (digits[0].astype(np.float32), digits[1], 50),
        "MNIST 10k, 784-100-10, 10 epochs, float32": (*mnist(10_000), 10),
        "1,000 rows, 20-100-10, 50 epochs, float64": (*small, 50),
    }
    print("| | fastnn | scikit-learn | | |\n|---|---:|---:|---:|---|")
    for name, (X, y, epochs) in data.items():
        options = {"max_iter": epochs, "n_iter_no_change": epochs, "random_state": 0}
        ours, theirs = fn.MLPClassifier((100,), **options), MLPClassifier((100,), **options)
        same(ours.fit(X, y), theirs.fit(X, y), 1e-8 if X.dtype == np.float64 else 1e-2)
        pair = beside(lambda a=ours, X=X, y=y: a.fit(X, y), lambda b=theirs, X=X, y=y: b.fit(X, y), 1)  # type: ignore[misc]
        show(f"fit {name}", *pair, unit="ms")
    for name, (X, y) in {"20-100-10": small, "64-100-10": digits}.items():
        one_row(name, X, y)


def one_row(name: str, X: np.ndarray, y: np.ndarray) -> None:
    """Answer one row, and learn from one."""
    options: dict[str, Any] = {"max_iter": 20, "random_state": 0}
    ours, theirs = fn.MLPClassifier((100,), **options).fit(X, y), MLPClassifier((100,), **options).fit(X, y)
    x, row, label = X[:1].copy(), X[0].copy(), y[:1]
    predict, expected = beside(lambda: ours.predict(x), lambda: theirs.predict(x), 500)
    show(f"predict, one row, {name}", predict, expected)
    show(f"predict_one, {name}", median(seconds(lambda: ours.predict_one(row), 2000) for _ in range(ROUNDS)), expected)
    learn = beside(lambda: ours.partial_fit(x, label), lambda: theirs.partial_fit(x, label), 200)
    show(f"partial_fit, one row, {name}", *learn)


def search() -> None:
    """A grid search, one process."""
    X, y = load_digits(return_X_y=True)
    grid = {
        "hidden_layer_sizes": [(32,), (64,), (100,)],
        "alpha": [1e-5, 1e-3, 1e-1],
        "learning_rate_init": [1e-3, 3e-3, 1e-2],
    }
    times, best = {}, {}
    for name, model in (("fastnn", fn.MLPClassifier), ("scikit-learn", MLPClassifier)):
        with threadpool_limits(1 if name == "scikit-learn" else None, user_api="blas"):
            began = perf_counter()
            found = GridSearchCV(model(max_iter=50, random_state=0), grid, cv=5, refit=False).fit(X, y)
            times[name], best[name] = perf_counter() - began, (found.best_params_, found.best_score_)
    print("| | fastnn | scikit-learn | | |\n|---|---:|---:|---:|---|")
    show("GridSearchCV, 27 candidates, 5 folds, digits", times["fastnn"], times["scikit-learn"], "s")
    print(best)


def accuracy() -> None:
    """Scores on held-out rows over seeds."""
    tables: dict[str, tuple[np.ndarray, np.ndarray, bool]] = {
        "digits": (*load_digits(return_X_y=True), True),
        "iris": (*load_iris(return_X_y=True), True),
        "wine": (*load_wine(return_X_y=True), True),
        "breast cancer": (*load_breast_cancer(return_X_y=True), True),
        "diabetes": (*load_diabetes(return_X_y=True), False),
        "MNIST 10k": (*mnist(10_000), True),
    }
    print("| data | solver | fastnn | scikit-learn | standard error |\n|---|---|---:|---:|---:|")
    for (name, (X, y, classes)), solver in product(tables.items(), ("adam", "sgd")):
        scores: list[tuple[float, float]] = []
        for seed in range(5):
            X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=seed)
            if classes:
                scaler = StandardScaler().fit(X_train)
                X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
            else:
                y_train, y_test = y_train / 100, y_test / 100
            kinds = (fn.MLPClassifier, MLPClassifier) if classes else (fn.MLPRegressor, MLPRegressor)
            options = {"solver": solver, "learning_rate_init": 0.01, "max_iter": 30 if len(X) > 5000 else 200}
            models = [
                kind(hidden_layer_sizes=(50,), random_state=seed, **options).fit(X_train, y_train) for kind in kinds
            ]
            scores.append((models[0].score(X_test, y_test), models[1].score(X_test, y_test)))
        ours, theirs = zip(*scores, strict=True)
        error = stdev(theirs) / len(theirs) ** 0.5
        print(f"| {name} | {solver} | {mean(ours):.4f} | {mean(theirs):.4f} | {error:.4f} |", flush=True)


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(prog="python -m bench.estimators")
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--accuracy", action="store_true", help="scores on held-out rows instead")
    kind.add_argument("--search", action="store_true", help="a grid search instead")
    parser.add_argument("--isa", help="hold fastnn and scikit-learn to it")
    options = parser.parse_args()
    hold(options.isa)
    warnings.simplefilter("ignore")
    print(describe() | {"isa": isa()})
    if options.accuracy:
        accuracy()
    elif options.search:
        search()
    else:
        speed()


if __name__ == "__main__":
    main()
