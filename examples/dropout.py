"""Dropout [Srivastava et al. 2014]: a network that memorises, and one that cannot.

784-1024-1024-10 on 10,000 images of MNIST, with the same optimiser and as many updates: as it is; with max-norm; with
max-norm and dropout, where a fifth of the inputs and half of the hidden neurons are missing from every update.  The
first knows its training images by heart.  The gap between training and test halves as measured by the loss; by the
error, of which hardly any is left on the training images, it falls by a fifth.

Afterwards all neurons answer, scaled for being more than in training.  That stands for the mean of all the networks
that training has seen, so the mean over 50 random ones, by ``forward(training=True)``, should err as often.
"""

import sys
from pathlib import Path

import common
import numpy as np
import pictures
from scipy.special import log_softmax, softmax

import fastnn as fn

GOALS = {
    "plain, training error": "<= 0",
    "error of plain - error of dropout, points": ">= 0.5",
    "gap of dropout / gap of plain, by loss": "<= 0.5",
    "|weight scaling - 50 passes|, points": "<= 0.15",
    "accuracy with 30 % of inputs deleted, dropout - plain, points": ">= 0.5",
}
PASSES = (1, 2, 5, 10, 20, 50)
DELETED = np.arange(0, 0.75, 0.1)


def network(inputs: int, units: int, dropout: bool, seed: int) -> fn.Network:
    """Return a network of two hidden layers."""
    layers: list[fn.Layer] = [fn.Dropout(0.2)] if dropout else []
    for _ in range(2):
        layers += [fn.Dense(units, "relu"), fn.Dropout(0.5)] if dropout else [fn.Dense(units, "relu")]
    return fn.Sequential([*layers, fn.Dense(10)], input_shape=inputs, seed=seed)


def judge(net: fn.Network, X: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return error in percent and mean cross-entropy."""
    logits = net.predict(X)
    return 100 * float(fn.error(y, logits)), float(-log_softmax(logits, 1)[np.arange(len(y)), y].mean())


def train(
    net: fn.Network, max_norm: float, learned: common.Labelled, new: common.Labelled, epochs: int
) -> list[tuple[int, float, float]]:
    """Learn with high momentum and a rate that falls to 0; return epoch, training and test error, now and then."""
    curve = []

    def watch(info: fn.callbacks.EpochInfo) -> None:
        if info.epoch % (epochs // 10) == 0:
            curve.append((info.epoch, judge(net, *learned)[0], judge(net, *new)[0]))

    rate = fn.CosineDecay(0.03, total_steps=epochs * -(-len(learned[0]) // 100))
    net.compile(loss="cross_entropy", optimizer=fn.SGD(rate, momentum=0.95, max_norm=max_norm))
    net.fit(*learned, epochs=epochs, batch_size=100, callbacks=[watch])
    return curve


def monte_carlo(net: fn.Network, X: np.ndarray, y: np.ndarray) -> list[float]:
    """Return the error in percent of the mean answer of some random networks, for each number in PASSES."""
    sums, errors = np.zeros((len(X), 10)), []
    for done in common.progress(range(1, PASSES[-1] + 1), "random networks"):
        for start in range(0, len(X), 1000):  # forward keeps what backward needs: not of all rows at once
            sums[start : start + 1000] += softmax(net.forward(X[start : start + 1000], training=True), axis=1)
        if done in PASSES:
            errors.append(100 * float(fn.error(y, sums)))
    return errors


def with_missing(net: fn.Network, X: np.ndarray, y: np.ndarray) -> list[float]:
    """Return the accuracy in percent with the shares of inputs in DELETED set to 0."""
    random = np.random.default_rng(0).random(X.shape, dtype=np.float32)
    return [100 * fn.accuracy(y, net.predict(X * (random >= share))) for share in DELETED]


def draw(curves: dict, passes: np.ndarray, scaled: float, missing: dict, path: Path) -> None:
    """Draw learning curves, the error of averaged passes, and accuracy over missing inputs."""
    picture = pictures.figure(15, 4.4)
    learning, averaging, deleting = picture.subplots(1, 3)
    colors = {"plain": "#d1541f", "max-norm": "#b8860b", "dropout": "#1f5fa8"}
    for name, curve in curves.items():
        epochs, training, test = zip(*curve, strict=True)
        learning.plot(epochs, test, color=colors[name], marker="o", label=f"{name}, test")
        learning.plot(epochs, training, "--", color=colors[name], marker="o", label=f"{name}, training")
        deleting.plot(100 * DELETED, missing[name], color=colors[name], marker="o", label=name)
    averaging.plot(PASSES, passes, color=colors["dropout"], marker="o", label="mean of k random networks")
    averaging.axhline(scaled, color="#444444", linestyle="--", label="all neurons, scaled")
    averaging.set_xscale("log")
    averaging.set_xticks(PASSES, [str(k) for k in PASSES])
    averaging.minorticks_off()
    pictures.dress(learning, "epoch", "error, %", "Memorise, or understand")
    pictures.dress(averaging, "passes k", "test error, %", "Weight scaling against averaging")
    pictures.dress(deleting, "inputs deleted, %", "test accuracy, %", "With missing data")
    for axes in (learning, averaging, deleting):
        axes.legend(frameon=False)
    pictures.save(picture, path)


def run(quick: bool, output: Path) -> common.Figures:
    """Train plain, with max-norm, and with dropout; compare."""
    if quick:
        X, X_new, y, y_new = fn.split(*fn.load_digits(), 0.5, stratify=True, seed=0)
        learned, new, units, max_norm, epochs, seeds = (X, y), (X_new, y_new), 128, 1.5, 40, 1
    else:
        (X, y), new = common.mnist()
        some = np.random.default_rng(0).permutation(len(X))[:10_000]
        learned, units, max_norm, epochs, seeds = (X[some], y[some]), 1024, 0.55, 100, 3
    results, curves, missing, passes = {}, {}, {}, []
    print("net       seed  error: training   test   loss: training   test")
    for seed in range(seeds):
        for name, limit in (("plain", 0.0), ("max-norm", max_norm), ("dropout", max_norm)):
            net = network(learned[0].shape[1], units, name == "dropout", seed)
            curves[name] = train(net, limit, learned, new, epochs)
            (known, known_loss), (error, loss) = judge(net, *learned), judge(net, *new)
            print(f"{name:8} {seed:5} {known:14.2f} % {error:5.2f} % {known_loss:13.3f} {loss:6.3f}", flush=True)
            results.setdefault(name, []).append((known, error, loss - known_loss))
            missing.setdefault(name, []).append(with_missing(net, *new))
        passes.append(monte_carlo(net, *new))
    (known, plain, plain_gap), _, (trained, error, gap) = (np.mean(rows, axis=0) for rows in results.values())
    missing = {name: np.mean(rows, axis=0) for name, rows in missing.items()}
    averaged = np.mean(passes, axis=0)
    draw(curves, averaged, error, missing, output / "dropout.png")
    return {
        "plain, training error": known,
        "plain, test error, %": plain,
        "dropout, test error, %": error,
        "error of plain - error of dropout, points": plain - error,
        "gap of dropout / gap of plain, by loss": gap / plain_gap,
        "gap of dropout / gap of plain, by error": (error - trained) / (plain - known),
        "|weight scaling - 50 passes|, points": abs(error - averaged[-1]),
        "accuracy with 30 % of inputs deleted, dropout - plain, points": missing["dropout"][3] - missing["plain"][3],
    }


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
