"""Calibration: does a classifier that says 90 % turn out right nine times out of ten.

A network that is trained until it makes no more errors on its own rows says "99 %" also where it errs.  One number
mends it: all logits are divided by a temperature, chosen so that rows held out are least surprising; no class changes
places, so accuracy stays [Guo et al. 2017].  The mean of several networks is more honest than each of them
[Lakshminarayanan et al. 2017].  Smoothed labels [Szegedy et al. 2016] are told never to be sure, and are less sure here
than they could be.

The expected calibration error is the mean over test images of the distance between how sure and how often right, in 15
bins of sureness.
"""

import sys
import warnings
from pathlib import Path

import common
import numpy as np
import pictures
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

import fastnn as fn

GOALS = {
    "calibration error, overfitted": ">= 0.02",
    "calibration error, divided by a temperature / overfitted": "<= 0.5",
    "calibration error, mean of 5 / overfitted": "<= 1",
    "log loss, divided by a temperature / overfitted": "<= 0.9",
    "classes that the temperature changed": "<= 0",
}
BINS = 15


def logits(model: fn.MLPClassifier, X: np.ndarray) -> np.ndarray:
    """Return what the softmax is applied to (N, 10)."""
    net = model.network_
    return net.preactivations(X)[net.layers[-1].name]


def temperature(z: np.ndarray, y: np.ndarray) -> float:
    """Return the number to divide logits by that makes the labels most likely."""
    rows = np.arange(len(y))
    return float(np.exp(minimize_scalar(lambda log_t: -log_softmax(z / np.exp(log_t), axis=1)[rows, y].mean()).x))


def bins(likely: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return by bin of sureness: rows, mean sureness, and how many are right."""
    sure, right = likely.max(axis=1), likely.argmax(axis=1) == y
    place = np.minimum((sure * BINS).astype(int), BINS - 1)
    count = np.bincount(place, minlength=BINS)
    total = np.maximum(count, 1)
    return count, np.bincount(place, sure, BINS) / total, np.bincount(place, right, BINS) / total


def calibration_error(likely: np.ndarray, y: np.ndarray) -> float:
    """Return the mean over rows of the distance between sureness and share of right answers."""
    count, sure, right = bins(likely, y)
    return float((count * np.abs(sure - right)).sum() / count.sum())


def draw(answers: dict[str, np.ndarray], y: np.ndarray, path: Path) -> None:
    """Draw a reliability diagram of each."""
    picture = pictures.figure(3.3 * len(answers), 3.8)
    for axes, (name, likely) in zip(picture.subplots(1, len(answers), sharey=True), answers.items(), strict=True):
        count, sure, right = bins(likely, y)
        some = count > 0
        axes.plot([0, 1], [0, 1], "--", color="black", linewidth=1)
        axes.bar((np.arange(BINS) + 0.5) / BINS, right, 1 / BINS, color="#4477aa", alpha=0.35, edgecolor="white")
        axes.plot(sure[some], right[some], "o-", color="#4477aa", markersize=4)
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.02)
        error = 100 * calibration_error(likely, y)
        pictures.dress(axes, "how sure", "share right" if axes.get_subplotspec().is_first_col() else "", name)
        axes.text(0.05, 0.9, f"off by {error:.1f} %", fontsize=11)
    pictures.save(picture, path)


def run(quick: bool, output: Path) -> common.Figures:
    """Train on a few images until nothing is left to learn, and compare ways to make its probabilities honest."""
    (X, y), (X_test, y_test) = common.mnist()
    n = 1000 if quick else 3000
    held = slice(n, n + n // 2)
    options = {"hidden_layer_sizes": (100,), "max_iter": 150, "n_iter_no_change": 1000, "tol": 0.0}
    models = [fn.MLPClassifier(**options, random_state=seed) for seed in range(5)]
    smooth = fn.MLPClassifier(**options, loss=fn.CrossEntropy(label_smoothing=0.1), random_state=0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*epochs are over")  # so many, and no more, are wanted
        fn.fit_many([*models, smooth], X[:n], y[:n])
    divide_by = temperature(logits(models[0], X[held]), y[held])
    z = logits(models[0], X_test)
    answers = {
        "overfitted": softmax(z, axis=1),
        f"divided by {divide_by:.2f}": softmax(z / divide_by, axis=1),
        "labels smoothed": smooth.predict_proba(X_test),
        "mean of 5": np.mean([model.predict_proba(X_test) for model in models], axis=0),
    }
    draw(answers, y_test, output / "calibration.png")
    plain, cooled, smoothed, several = answers.values()
    errors = [calibration_error(likely, y_test) for likely in (plain, cooled, smoothed, several)]
    losses = [-np.log(likely[np.arange(len(y_test)), y_test]).mean() for likely in (plain, cooled)]
    print(f"accuracy {np.mean(plain.argmax(axis=1) == y_test):.4f}, temperature {divide_by:.2f}")
    return {
        "calibration error, overfitted": errors[0],
        "calibration error, divided by a temperature / overfitted": errors[1] / errors[0],
        "calibration error, labels smoothed / overfitted": errors[2] / errors[0],
        "calibration error, mean of 5 / overfitted": errors[3] / errors[0],
        "log loss, divided by a temperature / overfitted": float(losses[1] / losses[0]),
        "classes that the temperature changed": float((plain.argmax(axis=1) != cooled.argmax(axis=1)).sum()),
    }


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
