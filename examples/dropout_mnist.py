"""Dropout on the whole of MNIST: 784-1024-1024-10 with dropout and max-norm beside the same network without.

Srivastava et al. 2014 report 1.06 % with three such layers, dropout and max-norm, and 1.60 % for the best standard
network.  Takes about ten minutes on two cores; ``--quick`` looks at 6,000 images for three epochs.
"""

import sys
from pathlib import Path
from time import perf_counter

import common
import numpy as np
import pictures

import fastnn as fn

GOALS = {"dropout and max-norm, test error, %": "<= 1.3", "plain, test error, %": "<= 1.8", "dropout, minutes": "<= 15"}


def network(units: int, dropout: bool) -> fn.Network:
    """Return two hidden layers, from whose training a fifth of the inputs and half of the neurons are missing."""
    layers: list[fn.Layer] = [fn.Dropout(0.2)] if dropout else []
    for _ in range(2):
        layers += [fn.Dense(units, "relu"), fn.Dropout(0.5)] if dropout else [fn.Dense(units, "relu")]
    return fn.Sequential([*layers, fn.Dense(10)], input_shape=784, seed=0)


def run(quick: bool, output: Path) -> common.Figures:
    """Train both, print and draw the test error of every epoch."""
    (X, y), test = common.mnist()
    if quick:
        X, y = X[:6000], y[:6000]
    picture, figures = pictures.figure(8, 4.8), {}
    axes = picture.add_subplot()
    for name, dropout, max_norm, epochs in (("plain", False, 0.0, 20), ("dropout and max-norm", True, 2.0, 100)):
        epochs = 3 if quick else epochs
        net = network(128 if quick else 1024, dropout)
        rate = fn.CosineDecay(0.05, total_steps=epochs * -(-len(X) // 100))
        net.compile("cross_entropy", fn.SGD(rate, momentum=0.95, max_norm=max_norm), metrics=["error"])
        began = perf_counter()
        history = net.fit(X, y, epochs=epochs, batch_size=100, validation_data=test, verbose=2)
        minutes = (perf_counter() - began) / 60
        errors = 100 * np.array(history["val_error"])
        time = f"{minutes:.1f} minutes" if minutes >= 1 else f"{60 * minutes:.1f} s"
        axes.semilogy(history.epochs, errors, label=f"{name}: {errors[-1]:.2f} % after {time}")
        figures |= {f"{name}, test error, %": errors[-1], f"{name.split()[0]}, minutes": minutes}
    axes.axhline(1.06, color="#444444", linestyle=":", label="Srivastava et al. 2014, three layers: 1.06 %")
    ticks = (1, 1.5, 2, 3, 5, 10)
    axes.set_yticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    pictures.dress(axes, "epoch", "test error, %", "MNIST, 784-1024-1024-10")
    axes.legend(frameon=False)
    pictures.save(picture, output / "dropout-mnist.png")
    return figures


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
