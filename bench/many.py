"""Many small nets: side by side on threads, and beside scikit-learn's, one after the other: ``python -m bench.many``.

All in one process and in turn, medians of the rounds.  scikit-learn's MLPRegressor learns as it does by default, with
Adam and mini-batches of 200 rows, for as many epochs and from the same data; its BLAS is held to one thread, with which
such small products are fastest.  Its losses and ours must agree before anything is timed.
"""

import argparse
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from statistics import median
from typing import Any

import numpy as np

import fastnn as fn
from bench.clock import timed
from bench.machine import describe

SIZES = {  # nets, rows, widths
    "64 nets 20-32-1, 1,000 rows": (64, 1000, (20, 32, 1)),
    "64 nets 4-8-1, 200 rows": (64, 200, (4, 8, 1)),
    "16 nets 20-64-64-1, 2,000 rows": (16, 2000, (20, 64, 64, 1)),
    "4 nets 100-256-256-1, 2,000 rows": (4, 2000, (100, 256, 256, 1)),
}
BATCH, EPOCHS = 200, 50


def data(rows: int, widths: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Rows and a smooth function of them, float32."""
    random = np.random.default_rng(0)
    X = random.standard_normal((rows, widths[0]), np.float32)
    return X, np.sin(X @ random.standard_normal((widths[0], 1), np.float32) / widths[0] ** 0.5)


def networks(count: int, widths: tuple[int, ...]) -> list[fn.Sequential]:
    """Untrained networks that differ in their seed."""
    nets = []
    for seed in range(count):
        layers = [fn.Dense(units, "relu", kernel_initializer="glorot_uniform") for units in widths[1:-1]]
        net = fn.Sequential([*layers, fn.Dense(widths[-1])], input_shape=widths[0], seed=seed)
        net.compile("squared_error", fn.Adam(1e-3))
        nets.append(net)
    return nets


def regressors(count: int, widths: tuple[int, ...], epochs: int) -> list[Any]:
    """The same of scikit-learn's; none if it is not installed.  They stop for no loss."""
    try:
        from sklearn.neural_network import MLPRegressor
    except ImportError:
        return []
    settings = {"batch_size": BATCH, "max_iter": epochs, "tol": 0.0, "n_iter_no_change": epochs + 1, "alpha": 0.0}
    return [MLPRegressor(hidden_layer_sizes=widths[1:-1], random_state=seed, **settings) for seed in range(count)]


def one_thread() -> AbstractContextManager[Any]:
    """BLAS on one thread."""
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return threadpool_limits(1)


def learn_one_by_one(models: list[Any], X: np.ndarray, y: np.ndarray) -> None:
    """As a user of scikit-learn would."""
    for model in models:
        model.fit(X, y[:, 0])


def agree(rows: int, widths: tuple[int, ...]) -> None:
    """Both learn the same: after a thousand updates the losses, means over several seeds, are alike."""
    X, y = data(rows, widths)
    epochs = -(-1000 // -(-rows // BATCH))
    nets, others = networks(3, widths), regressors(3, widths, epochs)
    fn.fit_many(nets, X, y, epochs=epochs, batch_size=BATCH, verbose=0)
    learn_one_by_one(others, X, y)
    if others:
        ours = np.mean([net.evaluate(X, y)["loss"] for net in nets])
        theirs = np.mean([np.mean((other.predict(X) - y[:, 0]) ** 2) for other in others])
        assert abs(ours - theirs) < 0.1 * y.var(), f"{widths}: loss {ours:.4f} and {theirs:.4f}"


def rounds(name: str, count: int, beside: bool) -> dict[str, list[float]]:
    """Seconds of each way to train all nets of a size, in turn."""
    nets, rows, widths = SIZES[name]
    X, y = data(rows, widths)
    agree(rows, widths)
    seconds: dict[str, list[float]] = {}

    def time(way: str, call: Callable[[], object]) -> None:
        seconds.setdefault(way, []).append(timed(call)[0])

    options: dict[str, Any] = {"epochs": EPOCHS, "batch_size": BATCH, "verbose": 0}
    ways: dict[str, dict[str, Any]] = {
        "1": {"n_threads": 1},
        "2": {"n_threads": 2},
        "watched": {"n_threads": 2, "callbacks": [lambda info: None]},
    }
    for _ in range(count):
        for way, own in ways.items():
            time(way, partial(fn.fit_many, networks(nets, widths), X, y, **options, **own))
        if beside and (others := regressors(nets, widths, EPOCHS)):
            time("scikit-learn", partial(learn_one_by_one, others, X, y))
    return seconds


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--alone", action="store_true", help="leave scikit-learn out")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message="Stochastic Optimizer: Maximum iterations")
    about = describe()
    print(
        f"{about['processor']}, {about['cores']} cores, fastnn {about['commit']}; Adam, batch {BATCH}, {EPOCHS} epochs"
    )
    print(f"{'':34}{'1 thread':>10}{'2 threads':>11}{'':>7}{'with callback':>15}{'scikit-learn':>14}")
    with one_thread():
        for name in SIZES:
            found = {way: median(times) for way, times in rounds(name, arguments.rounds, not arguments.alone).items()}
            one, two, watched = (found[way] for way in ("1", "2", "watched"))
            line = f"{name:34}{one * 1e3:7.0f} ms{two * 1e3:8.0f} ms{one / two:6.2f}x{watched * 1e3:12.0f} ms"
            if "scikit-learn" in found:
                other = found["scikit-learn"]
                line += f"{other:12.2f} s{other / two:6.0f}x ({other / one:.0f}x on 1)"
            print(line, flush=True)


if __name__ == "__main__":
    main()
