"""Ensembles: what a network does not know, seen by asking several.

A network answers as firmly where it has seen no data as where it has.  Several that differ in nothing but their seed
agree where data hold them together and part where nothing does, so their spread says where the answer is a guess
[Lakshminarayanan et al. 2017]; not by how much it is off, since all of them go on as networks of their kind like to.
Here they learn a noisy curve with a gap in the data, all of them side by side.

The mean of the members is better than the members are, and by the rows that a bootstrap sample leaves out an ensemble
says how good it will be on new data, without any data set aside [Breiman 1996].
"""

import sys
from pathlib import Path

import common
import numpy as np
import pictures

import fastnn as fn

GOALS = {
    "spread in the gap / spread on the data": ">= 5",
    "spread outside / spread on the data": ">= 5",
    "error of the mean / mean error of the members": "<= 0.96",
    "error on rows left out / error on new rows": "<= 1.2",
    "error on rows learned / error on rows left out": "<= 0.95",
}
NOISE = 0.15
GAP, RANGE = (-0.5, 0.7), 1.2  # no data within the one, nor beyond the other


def curve(x: np.ndarray) -> np.ndarray:
    """Return what the noise hides."""
    return np.sin(4 * x) * np.exp(-0.3 * x) + 0.3 * x


def sample(n: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy points of the curve on either side of the gap."""
    x = random.uniform(-RANGE, RANGE, 4 * n)
    x = x[(x < GAP[0]) | (x > GAP[1])][:n, None]
    return x, curve(x) + NOISE * random.standard_normal(x.shape)


def networks(n: int) -> list[fn.Sequential]:
    """Return untrained networks that differ in their seed."""
    layers = [fn.Dense(64, "tanh", kernel_initializer=fn.VarianceScaling(20.0)), fn.Dense(64, "tanh"), fn.Dense(1)]
    return [fn.Sequential(layers, input_shape=1, seed=seed) for seed in range(n)]


def ensemble(n: int, epochs: int, X: np.ndarray, y: np.ndarray, rows: np.ndarray | None = None) -> fn.Ensemble:
    """Train an ensemble, on all rows or on those of each member."""
    nets, steps = networks(n), epochs * -(-len(X) // 32)
    optimizer = fn.Adam(fn.CosineDecay(0.01, total_steps=steps))
    fn.fit_many(nets, X, y, rows=rows, epochs=epochs, loss="squared_error", optimizer=optimizer)
    return fn.Ensemble(nets)


def draw(members: fn.Ensemble, X: np.ndarray, y: np.ndarray, path: Path) -> None:
    """Draw the data, the members, their mean and a band of two deviations."""
    grid = np.linspace(-2, 2, 400)[:, None]
    mean, std = (part[:, 0] for part in members.predict(grid, return_std=True))
    picture = pictures.figure(9, 4.5)
    axes = picture.add_subplot()
    for low, high in ((-2, -RANGE), GAP, (RANGE, 2)):
        axes.axvspan(low, high, color="#f4f4f4", linewidth=0)
    axes.fill_between(grid[:, 0], mean - 2 * std, mean + 2 * std, color="#4477aa", alpha=0.25, linewidth=0)
    for net in members.models:
        axes.plot(grid, net.predict(grid), color="#4477aa", linewidth=0.6, alpha=0.5)
    axes.plot(grid, mean, color="#4477aa", linewidth=2, label="mean of the members, two deviations")
    axes.plot(grid, curve(grid), color="black", linestyle="--", linewidth=1, label="the curve without noise")
    axes.plot(X, y, ".", color="#cc6677", markersize=5, label="data")
    axes.set_ylim(-3, 3)
    axes.legend(frameon=False, loc="upper left")
    pictures.dress(axes, "x", "y", f"{len(members)} networks agree where they have seen data")
    pictures.save(picture, path)


def spread(X: np.ndarray, y: np.ndarray, n: int, epochs: int, path: Path) -> common.Figures:
    """Compare the members where there are data and where there are none."""
    members = ensemble(n, epochs, X, y)
    draw(members, X, y, path)
    regions = {"data": (0.8, 1.1), "gap": (-0.1, 0.3), "outside": (1.6, 2.0)}
    found = {
        name: float(members.predict(np.linspace(low, high, 50)[:, None], return_std=True)[1].mean())
        for name, (low, high) in regions.items()
    }
    return {
        "spread in the gap / spread on the data": found["gap"] / found["data"],
        "spread outside / spread on the data": found["outside"] / found["data"],
    }


def bagging(X: np.ndarray, y: np.ndarray, n: int, epochs: int) -> common.Figures:
    """Train on bootstrap samples, and compare the error on rows left out with that on new ones."""
    rows = np.random.default_rng(1).integers(0, len(X), (n, len(X)))
    members = ensemble(n, epochs, X, y, rows)
    new, targets = sample(5000, np.random.default_rng(2))
    left_out = float(np.nanmean((members.predict_left_out(X, rows) - y) ** 2))
    error = np.mean((members.predict(new) - targets) ** 2)
    single = np.mean([(net.predict(new) - targets) ** 2 for net in members.models])
    return {
        "error of the mean / mean error of the members": float(error / single),
        "error on rows left out / error on new rows": left_out / float(error),
        "error on rows learned / error on rows left out": float(np.mean((members.predict(X) - y) ** 2)) / left_out,
    }


def run(quick: bool, output: Path) -> common.Figures:
    """Draw the spread of an ensemble, then judge one by the rows that its samples leave out."""
    X, y = sample(160, np.random.default_rng(0))
    n, epochs = (10, 200) if quick else (40, 500)
    return spread(X, y, n, epochs, output / "ensemble.png") | bagging(X, y, n, epochs)


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
