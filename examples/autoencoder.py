"""Autoencoders: networks that learn from images alone, by giving back what they were shown.

Sixty-four pixels have to pass through sixteen neurons.  A linear network can do no better there than principal
component analysis, and neither can tanh neurons under a linear output [Bourlard & Kamp 1988]: what comes out lies in a
flat space of sixteen dimensions.  With tanh at the output too, that space bends, and the digits fit it better.

A denoising autoencoder is shown damaged images and has to answer with whole ones, so it learns what images look like
[Vincent et al. 2008].
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import common
import numpy as np
import pictures

import fastnn as fn

GOALS = {
    "linear, error / error of PCA": "<= 1.05",
    "tanh, error / error of PCA": "<= 0.95",
    "tanh, error / error of PCA, new digits": "<= 1",
    "denoising, error / error of one trained without noise": "<= 0.5",
}
CODE = 16  # neurons that everything has to pass


def pca(X: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return ``new`` projected onto the first principal components of ``X``: the best that a linear map can do."""
    mean = X.mean(axis=0)
    components = np.linalg.svd(X - mean, full_matrices=False)[2][:CODE]
    return mean + (new - mean) @ components.T @ components


def autoencoder(activation: str, X: np.ndarray, epochs: int) -> fn.Network:
    """Train a network to give back ``X``: inputs and targets are the same."""
    side = X.shape[1]
    net = fn.Sequential([fn.Dense(CODE, activation), fn.Dense(side, activation)], input_shape=side, seed=0)
    steps = epochs * -(-len(X) // 32)
    net.fit(X, X, epochs=epochs, loss="squared_error", optimizer=fn.Adam(fn.CosineDecay(5e-3, total_steps=steps)))
    return net


class Damaged:
    """An epoch of (damaged images, whole images); every time one goes through it, the damage is another."""

    def __init__(self, X: np.ndarray, seed: int, batch_size: int = 64) -> None:
        self.X, self.batch_size, self.random = X, batch_size, np.random.default_rng(seed)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        order = self.random.permutation(len(self.X))
        for start in range(0, len(order), self.batch_size):
            x = self.X[order[start : start + self.batch_size]]
            yield damage(x, self.random), x


def damage(x: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return images in which half of the pixels are missing."""
    return x * (random.random(x.shape) < 0.5)


def denoise(X: np.ndarray, new: np.ndarray, units: int, epochs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return new images damaged, as a denoising network repairs them, and as one repairs them that never saw damage."""
    damaged, repaired = damage(new, np.random.default_rng(1)), []
    for noisy in (True, False):
        layers = [fn.Dense(units, "relu"), fn.Dense(X.shape[1], "sigmoid")]
        net = fn.Sequential(layers, input_shape=X.shape[1], seed=0)
        net.compile(loss="binary_cross_entropy", optimizer=fn.Adam(1e-3))
        if noisy:
            net.fit(Damaged(X, seed=0), epochs=epochs)
        else:
            net.fit(X, X, epochs=epochs, batch_size=64)
        repaired.append(net.predict(damaged))
    return damaged, repaired[0], repaired[1]


def error(a: np.ndarray, b: np.ndarray) -> float:
    """Return the mean squared error of a pixel."""
    return float(np.mean((a - b) ** 2))


def draw(rows: dict[str, np.ndarray], title: str, path: Path) -> None:
    """Draw the first images of each row."""
    side = round(next(iter(rows.values())).shape[1] ** 0.5)
    picture = pictures.figure(9, 3.6)
    pictures.show(picture.add_subplot(), np.stack([row[:12] for row in rows.values()]), side, list(rows), title)
    pictures.save(picture, path)


def compress(epochs: int, path: Path) -> common.Figures:
    """Send digits through the bottleneck, by PCA and by two networks."""
    digits, labels = fn.load_digits()
    X, new, _, _ = fn.split(2 * digits - 1, labels, 0.2, stratify=True, seed=0)  # in [-1, 1], where tanh lives
    best, best_new, rows = pca(X, X), pca(X, new), {"new digits": new, "PCA": pca(X, new)}
    figures = {}
    for name, activation in (("linear", "identity"), ("tanh", "tanh")):
        net = autoencoder(activation, X, epochs)
        rows[name] = net.predict(new)
        figures[f"{name}, error / error of PCA"] = error(net.predict(X), X) / error(best, X)
        figures[f"{name}, error / error of PCA, new digits"] = error(rows[name], new) / error(best_new, new)
    draw({name: (row + 1) / 2 for name, row in rows.items()}, f"64 pixels through {CODE} neurons", path)
    return figures


def repair(X: np.ndarray, new: np.ndarray, units: int, epochs: int, path: Path) -> common.Figures:
    """Fill in what is missing of new images, by two networks."""
    damaged, denoised, naive = denoise(X, new, units, epochs)
    rows = {"damaged": damaged, "trained on whole": naive, "trained on damaged": denoised, "before damage": new}
    draw(rows, "New images, repaired", path)
    return {
        "denoising, error of a pixel": error(denoised, new),
        "denoising, error / error of one trained without noise": error(denoised, new) / error(naive, new),
    }


def run(quick: bool, output: Path) -> common.Figures:
    """Compress digits; repair digits, in the long version those of MNIST."""
    figures = compress(60 if quick else 400, output / "autoencoder-digits.png")
    path = output / "autoencoder-denoising.png"
    if quick:
        X, new, _, _ = fn.split(*fn.load_digits(), 0.2, seed=0)
        return figures | repair(X, new, 128, 40, path)
    (X, _), (new, _) = common.mnist()
    return figures | repair(X, new, 512, 20, path)


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
