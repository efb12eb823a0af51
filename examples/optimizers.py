"""The race of the optimisers, and what a falling learning rate is good for, on the digits with 64-64-10.

Every optimiser starts from the same weights and sees the same rows in the same order, and runs at its own best
learning rate of a grid; all are repeated for updates by one row, by 32 rows and by all rows.

Then plain SGD on labels of which a fifth are random.  Single rows contradict each other there, so at a constant rate
the weights keep jumping about; a rate that falls to 0 lets them settle.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import common
import numpy as np
import pictures

import fastnn as fn

GOALS = {
    "one row, Adagrad / SGD": "<= 0.5",
    "32 rows, Nesterov / SGD": "<= 0.5",
    "all rows, Adam / SGD": "<= 0.5",
    "loss with decay / without, worst seed": "<= 0.8",
    "loss on new digits with decay / without, worst seed": "<= 0.95",
}
OPTIMIZERS: dict[str, Callable[[float], fn.optimizers.Optimizer]] = {
    "SGD": fn.SGD,
    "momentum": lambda rate: fn.SGD(rate, momentum=0.9),
    "Nesterov": lambda rate: fn.SGD(rate, momentum=0.9, nesterov=True),
    "Adagrad": fn.Adagrad,
    "RMSprop": fn.RMSprop,
    "Adam": fn.Adam,
}
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


def network(seed: int = 0) -> fn.Network:
    """Return 64-64-10."""
    return fn.Sequential([fn.Dense(64, "tanh"), fn.Dense(10)], input_shape=64, seed=seed)


def best_run(
    make: Callable[[float], fn.optimizers.Optimizer], rates: Sequence[float], batch_size: int, epochs: int
) -> tuple[float, list[float]]:
    """Return the learning rate with the lowest mean loss in the second half, and the loss of each epoch with it."""
    (X, y), runs = fn.load_digits(), {}
    for rate in rates:
        net = network()
        net.compile(loss="cross_entropy", optimizer=make(rate))
        try:
            runs[rate] = net.fit(X, y, epochs=epochs, batch_size=batch_size)["loss"]
        except fn.DivergenceError:  # too large a rate for this optimiser: out of the race
            continue
    rate = min(runs, key=lambda rate: np.mean(runs[rate][epochs // 2 :]))
    return rate, runs[rate]


def race(quick: bool, path: Path) -> common.Figures:
    """Let all optimisers run, with three sizes of a batch."""
    picture, figures = pictures.figure(15, 5), {}
    axes = picture.subplots(1, 3, sharey=True)
    races = (("one row", 1, 10), ("32 rows", 32, 30), ("all rows", len(fn.load_digits()[0]), 300))
    print("rows per update  optimiser  best rate  final loss")
    for panel, (name, size, epochs) in zip(axes, races, strict=True):
        final = {}
        for label, make in OPTIMIZERS.items():
            rate, losses = best_run(make, RATES[2::2] if quick else RATES, size, epochs // 3 if quick else epochs)
            final[label] = losses[-1]
            print(f"{name:15}  {label:9}  {rate:9g}  {losses[-1]:10.2g}", flush=True)
            panel.semilogy(range(1, len(losses) + 1), losses, label=f"{label}, rate {rate:g}", linewidth=1.6)
        figures |= {f"{name}, {label} / SGD": final[label] / final["SGD"] for label in final if label != "SGD"}
        pictures.dress(panel, "epoch", "", f"{name} per update")
        panel.legend(frameon=False, fontsize=9, loc="lower left")
    axes[0].set_ylabel("training loss", fontsize=11)
    axes[0].set_ylim(1e-5, 20)  # room for the names
    pictures.save(picture, path)
    return figures


def decay(seeds: int, path: Path) -> common.Figures:
    """Train by single rows with contradicting labels, at a constant rate and at one that falls."""
    X, X_new, y, y_new = fn.split(*fn.load_digits(), 0.2, stratify=True, seed=0)
    random, epochs = np.random.default_rng(0), 20
    noisy = np.where(random.random(len(y)) < 0.2, random.integers(0, 10, len(y)), y)
    picture = pictures.figure(7, 4.4)
    panel, final = picture.add_subplot(), {}
    rates = {"constant rate": 0.1, "falling rate": fn.CosineDecay(0.1, total_steps=epochs * len(X))}
    for (name, rate), color in zip(rates.items(), ("#d1541f", "#1f5fa8"), strict=True):
        for seed in range(seeds):
            net = network(seed)
            net.compile(loss="cross_entropy", optimizer=fn.SGD(rate))
            history = net.fit(X, noisy, epochs=epochs, batch_size=1, validation_data=(X, noisy))
            final.setdefault(name, []).append((history["val_loss"][-1], net.evaluate(X_new, y_new)["loss"]))
            panel.plot(range(1, epochs + 1), history["val_loss"], color=color, label=None if seed else name, alpha=0.8)
    pictures.dress(panel, "epoch", "training loss after the epoch", f"SGD by single rows, {seeds} seeds")
    panel.set_xticks(range(0, epochs + 1, 5))
    panel.legend(frameon=False)
    pictures.save(picture, path)
    known, new = (np.array(final["falling rate"]) / final["constant rate"]).max(axis=0)
    return {
        "loss with decay / without, worst seed": float(known),
        "loss on new digits with decay / without, worst seed": float(new),
    }


def run(quick: bool, output: Path) -> common.Figures:
    """Race; then settle."""
    return race(quick, output / "optimizers-race.png") | decay(2 if quick else 5, output / "optimizers-decay.png")


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
