"""Depth: why plain networks stop learning as they grow, and what a shortcut changes.

Dense networks of width 32 on 20,000 images of MNIST, 8, 20 and 56 layers deep, trained alike: the same updates of Adam,
the same first weights.  A residual network is the plain one with x added to what every two layers make of it
[He et al. 2016].  The plain network of 56 layers trains worse than that of 20, though it could do all that the other
does; with shortcuts it does not.  Batch normalisation alone is no cure.

Draws the training loss of all of them.
"""

import sys
from pathlib import Path

import common
import numpy as np

import fastnn as fn

DEPTHS = (8, 20, 56)
KINDS = ("plain", "residual", "plain, BatchNorm", "residual, BatchNorm")
GOALS = {
    "plain: loss of 56 layers / of 20, smallest of the seeds": ">= 1.1",
    "residual: loss of 56 layers / of 20, largest of the seeds": "<= 1.05",
}


def network(kind: str, depth: int, seed: int) -> fn.Network:
    """Stack ``depth`` dense layers: the first, blocks of two, and the last."""

    def activation() -> list[fn.Layer]:
        return [*([fn.BatchNorm()] if "BatchNorm" in kind else []), fn.Activation("tanh")]

    def block() -> list[fn.Layer]:
        layers = [*activation(), fn.Dense(32), *activation(), fn.Dense(32)]
        return [fn.Residual(layers)] if "residual" in kind else layers

    blocks = [layer for _ in range((depth - 2) // 2) for layer in block()]
    # The last layer reads the sum as it is: it grows with the number of blocks, and would saturate a tanh.
    return fn.Sequential([fn.Dense(32), *blocks, fn.Dense(10)], input_shape=784, seed=seed)


def train(net: fn.Network, X: np.ndarray, y: np.ndarray, epochs: int) -> tuple[float, list[float]]:
    """Return the loss on all of the training data afterwards, and the mean of each epoch on the way."""
    steps = epochs * -(-len(X) // 128)
    net.compile(loss="cross_entropy", optimizer=fn.Adam(fn.CosineDecay(1e-3, total_steps=steps)))
    history = net.fit(X, y, epochs=epochs, batch_size=128)
    return net.evaluate(X, y)["loss"], history["loss"]


def draw(curves: dict[tuple[str, int], np.ndarray], path: Path) -> None:
    """Draw training loss by epoch: a panel for each kind, a line for each depth, a band from seed to seed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3.6), layout="constrained")
    for axes, kind in zip(figure.subplots(1, len(KINDS), sharex=True, sharey=True), KINDS, strict=True):
        for depth, colour in zip(DEPTHS, ("tab:green", "tab:blue", "tab:red"), strict=True):
            losses = curves[kind, depth]
            epochs = np.arange(1, losses.shape[1] + 1)
            axes.plot(epochs, losses.mean(0), colour, label=f"{depth} layers")
            axes.fill_between(epochs, losses.min(0), losses.max(0), color=colour, alpha=0.2, linewidth=0)
        axes.set(title=kind, xlabel="epoch", yscale="log")
        axes.grid(alpha=0.3, which="both")
        if kind == KINDS[0]:
            axes.set_ylabel("training loss (cross-entropy, nats)")
            axes.legend()
    figure.savefig(path, dpi=150)


def run(quick: bool, output: Path) -> common.Figures:
    """Train every kind at every depth, print the losses, draw the curves."""
    (X, y), _ = common.mnist()
    n, epochs, seeds = (3000, 4, 1) if quick else (20000, 10, 3)
    X, y = X[:n], y[:n]
    losses: dict[tuple[str, int], np.ndarray] = {}
    curves: dict[tuple[str, int], np.ndarray] = {}
    print("kind                 layers  training loss, one seed after the other")
    for kind in KINDS:
        for depth in DEPTHS:
            results = [train(network(kind, depth, seed), X, y, epochs) for seed in range(seeds)]
            losses[kind, depth] = np.array([loss for loss, _ in results])
            curves[kind, depth] = np.array([curve for _, curve in results])
            print(f"{kind:19}  {depth:6}  {'  '.join(f'{loss:.4f}' for loss, _ in results)}", flush=True)
    draw(curves, output / "depth.png")
    ratios = {kind: losses[kind, 56] / losses[kind, 20] for kind in KINDS}
    figures = {}
    for kind in KINDS:
        worst, which = (ratios[kind].min(), "smallest") if "plain" in kind else (ratios[kind].max(), "largest")
        figures[f"{kind}: loss of 56 layers / of 20, {which} of the seeds"] = float(worst)
    return figures


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
