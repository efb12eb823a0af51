"""Why deep plain nets fail on photographs: the gradient that vanishes, and what is not that.

Nets of 20 and of 56 layers on 10,000 photographs, without links and with them, trained alike, by their training loss:

- plain, as of old: weights uniform in +-1/sqrt(inputs), no normalisation.  The gradient shrinks on its way back, layer
  by layer: in front of 56 nothing is left of it, and nothing is learned.  That is the vanishing gradient.
- plain: He's initialisation keeps its size.
- plain, BatchNorm: so does normalisation, in training too.  Yet 56 layers end worse than 20, on what they are trained
  on: not for want of a gradient, nor for learning too well.  He et al. (2015, section 4.1) call it degradation.
- residual, BatchNorm: with links most of that is gone.  After 10 passes 56 layers are at .36 and 20 at .25 (one seed,
  Intel Xeon, Emerald Rapids), plain ones at 1.7 to 1.8 and .7; "no worse", which is the goal, 56 are not by then.
- residual: links alone, each block starting at nothing (Zhang, Dauphin & Ma 2019 start so): no normalisation is needed
  for depth.

Draws the losses, and the size of the gradient layer by layer before training and after.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cifar
import common
import numpy as np
import pictures

import fastnn as fn

GOALS = {
    "plain, BatchNorm: loss of 56 layers / of 20, smallest of the seeds": ">= 1.1",
    "residual, BatchNorm: loss of 56 layers / of 20, largest of the seeds": "<= 1.05",
    "plain, as of old: gradient of the first layer / of the last, 56 layers": "<= 1e-4",
    "plain, BatchNorm: gradient of the first layer / of the last, 56 layers": ">= 1e-2",
}
old = fn.VarianceScaling(1 / 3, "fan_in", "uniform")  # uniform in +-1/sqrt(inputs): of variance 1 / (3 inputs)
KINDS: dict[str, dict[str, Any]] = {
    "plain, as of old": {"links": False, "normalised": False, "start": old},
    "plain": {"links": False, "normalised": False},
    "plain, BatchNorm": {"links": False},
    "residual, BatchNorm": {},
    "residual": {"normalised": False},
}


def gradients(net: fn.Network, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the norm of the gradient by layer with weights, that of the last being 1."""
    flow = fn.gradient_flow(net, images.astype(np.float32), labels)
    weighted = [kind.startswith(("Conv2D", "Dense")) for kind in flow.kinds]
    return flow.gradient_ratio[weighted]


@dataclass(frozen=True)
class Found:
    """What became of one net: loss by epoch, and the gradients before and afterwards."""

    losses: np.ndarray
    before: np.ndarray
    after: np.ndarray


def trained(net: fn.Network, train: common.Labelled, epochs: int, peak: float) -> Found:
    """Train with momentum and one cycle of the learning rate, on the images as they are."""
    steps = epochs * -(-len(train[0]) // cifar.BATCH)
    optimizer = fn.SGD(fn.OneCycle(peak, total_steps=steps), momentum=0.9)
    net.compile("cross_entropy", optimizer)
    few = train[0][:128], train[1][:128]
    before = gradients(net, *few)
    history = net.fit(*train, epochs=epochs, batch_size=cifar.BATCH)
    return Found(np.array(history["loss"]), before, gradients(net, *few))


def draw(found: dict[tuple[str, int], list[Found]], depths: tuple[int, ...], path: Path) -> None:
    """Draw losses by epoch above and gradients by layer below, a panel for each kind and a colour for each depth."""
    figure = pictures.figure(15, 6)
    rows = figure.subplots(2, len(KINDS), sharey="row")
    for column, name in enumerate(KINDS):
        for depth, color in zip(depths, ("#1f5fa8", "#d1541f"), strict=True):
            losses = np.array([one.losses for one in found[name, depth]])
            epochs = np.arange(1, losses.shape[1] + 1)
            rows[0, column].plot(epochs, losses.mean(0), color=color, label=f"{depth} layers")
            rows[0, column].fill_between(epochs, losses.min(0), losses.max(0), color=color, alpha=0.2, linewidth=0)
            for norms, line in ((found[name, depth][0].before, "-"), (found[name, depth][0].after, ":")):
                shown = np.where(norms > 0, norms, np.nan)  # what starts behind zeros has none yet
                rows[1, column].semilogy(np.linspace(0, 1, len(norms)), shown, f".{line}", color=color)
        pictures.dress(rows[0, column], "epoch", "training loss (nats)" if column == 0 else "", name)
        pictures.dress(
            rows[1, column], "layer, first to last", "gradient / of the last layer" if column == 0 else "", ""
        )
    rows[0, 0].legend(frameon=False)
    rows[1, 0].plot([], [], "-", color="#666666", label="before training")
    rows[1, 0].plot([], [], ":", color="#666666", label="afterwards")
    rows[1, 0].legend(frameon=False)
    pictures.save(figure, path)


def run(quick: bool, output: Path) -> common.Figures:
    """Train every kind at both depths, say how it went, and draw it."""
    train, _ = cifar.load(*((128, 1) if quick else (10_000, 1)))
    depths = (8, 14) if quick else (20, 56)
    found: dict[tuple[str, int], list[Found]] = {}
    figures = {}
    for name, kind in KINDS.items():
        normalised = kind.get("normalised", True)
        seeds, epochs, peak = (3, 10, 0.1) if normalised else (1, 4, 0.02)
        if quick:
            seeds, epochs = 1, 2
        for depth in depths:
            nets = [cifar.network(depth, train[0], **kind, seed=seed) for seed in range(seeds)]
            found[name, depth] = [trained(net, train, epochs, peak) for net in nets]
            ends = "  ".join(f"{one.losses[-1]:.3f}" for one in found[name, depth])
            ratio = found[name, depth][0].before[0]
            print(
                f"{name:20} {depth:3} layers: loss {ends}; gradient of the first layer / last {ratio:.1e}", flush=True
            )
        shallow, deep = (np.array([one.losses[-1] for one in found[name, depth]]) for depth in depths)
        worst, which = (min, "smallest") if "plain" in name else (max, "largest")
        figures[f"{name}: loss of 56 layers / of 20, {which} of the seeds"] = float(worst(deep / shallow))
        first = float(found[name, depths[1]][0].before[0])
        figures[f"{name}: gradient of the first layer / of the last, 56 layers"] = first
    draw(found, depths, output / "cifar-depth.png")
    return figures


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
