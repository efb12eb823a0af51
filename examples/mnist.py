"""MNIST: two networks, three seeds, test accuracy and seconds.

Draws the learning curves.
"""

import sys
from pathlib import Path
from time import perf_counter

import common
import numpy as np

import fastnn as fn

GOALS = {"784-128-10, worst accuracy": ">= 0.975", "784-512-512-10, worst accuracy": ">= 0.983"}


def small(seed: int, X: np.ndarray, y: np.ndarray, test: common.Labelled, epochs: int) -> tuple[fn.Network, fn.History]:
    """784-128-10, Adam."""
    net = fn.Sequential([fn.Dense(128, "relu"), fn.Dense(10)], input_shape=784, seed=seed)
    net.compile(loss="cross_entropy", optimizer=fn.Adam(1e-3), metrics=["accuracy"])
    return net, net.fit(X, y, epochs=epochs, batch_size=128, validation_data=test)


def large(seed: int, X: np.ndarray, y: np.ndarray, test: common.Labelled, epochs: int) -> tuple[fn.Network, fn.History]:
    """784-512-512-10 with dropout, Adam with a cosine schedule."""
    layers = [fn.Dense(512, "relu"), fn.Dropout(0.2), fn.Dense(512, "relu"), fn.Dropout(0.2), fn.Dense(10)]
    net = fn.Sequential(layers, input_shape=784, seed=seed)
    steps = epochs * -(-len(X) // 128)
    net.compile(loss="cross_entropy", optimizer=fn.Adam(fn.CosineDecay(1e-3, total_steps=steps)), metrics=["accuracy"])
    return net, net.fit(X, y, epochs=epochs, batch_size=128, validation_data=test)


def run(quick: bool, output: Path) -> common.Figures:
    """Train, print a table, draw the curves."""
    (X, y), test = common.mnist()
    if quick:
        X, y = X[:6000], y[:6000]
    figures = {}
    print("network         seed  test accuracy  seconds, evaluation included")
    for name, train, epochs in (("784-128-10", small, 10), ("784-512-512-10", large, 20)):
        accuracies = []
        for seed in range(1 if quick else 3):
            began = perf_counter()
            net, history = train(seed, X, y, test, 2 if quick else epochs)
            seconds = perf_counter() - began
            accuracies.append(net.evaluate(*test)["accuracy"])
            print(f"{name:14}  {seed:4}  {accuracies[-1]:13.2%}  {seconds:7.1f}", flush=True)
        figures[f"{name}, worst accuracy"] = min(accuracies)
        fn.plot_history(history, output / f"mnist-{train.__name__}.png")
    return figures


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
