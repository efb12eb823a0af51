"""A phase-functioned network trained from scratch, against networks that do not know the phase.

The task: from the trajectory and gait alone (120 numbers) predict the motion, which the trajectory leaves open: which
foot is in front?  Three takes of motion capture; every fifth block of 25 frames is held out.  A network that is blind
to the phase can only answer with the mean of what fits.  One that is given sine and cosine of the phase as two more
inputs knows as much as the phase-functioned one; on data as few as these its error is the smaller of the two.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import common
import numpy as np
from pfnn import layout, skeleton
from pfnn.released import Clip, Released, clip

import fastnn as fn

TAKES = ("LocomotionFlat04_000", "LocomotionFlat04_000_mirror", "LocomotionFlat09_000")
BLOCK, EVERY = 25, 5  # frames; of so many blocks one is held out
DROPOUT = 0.3  # the paper keeps .7 of inputs and hidden units
L1 = 1e-7  # the paper: .01 times the mean of the absolute weights
GOALS = {
    "PFNN / phase-blind of equal width": "<= 0.75",
    "PFNN / phase-blind of 80 % of its parameters": "<= 0.75",
}


def pfnn(seed: int) -> fn.Network:
    """120-64-64-311 with four control points."""
    x, phase = fn.Input(120), fn.Input(1)
    h = fn.PhaseDense(64, "elu")(fn.Dropout(DROPOUT)(x), phase)
    h = fn.PhaseDense(64, "elu")(fn.Dropout(DROPOUT)(h), phase)
    return fn.Network([x, phase], fn.PhaseDense(311)(fn.Dropout(DROPOUT)(h), phase), seed=seed)


def dense(inputs: int, width: int) -> Callable[[int], fn.Network]:
    """Return a maker of the same with ordinary layers."""

    def make(seed: int) -> fn.Network:
        layers = [fn.Dropout(DROPOUT), fn.Dense(width, "elu"), fn.Dropout(DROPOUT), fn.Dense(width, "elu")]
        return fn.Sequential([*layers, fn.Dropout(DROPOUT), fn.Dense(311)], input_shape=inputs, seed=seed)

    return make


def with_phase(data: Clip) -> list[np.ndarray]:
    """Features and phase apart."""
    return [data.inputs, data.phase]


def blind(data: Clip) -> np.ndarray:
    """Features alone."""
    return data.inputs


def circle(data: Clip) -> np.ndarray:
    """Features, and the phase as a point on a circle."""
    turn = 2 * np.pi * data.phase
    return np.concatenate([data.inputs, np.sin(turn), np.cos(turn)], axis=1)


PFNN, BLIND = "PFNN, 64 units", "phase-blind, 64 units"
COLOURS = {PFNN: "#1f5fa8", BLIND: "#c1440e"}
NETWORKS = {  # by name: how to make one, and what it sees
    PFNN: (pfnn, with_phase),
    BLIND: (dense(120, 64), blind),
    "phase-blind, 170 units": (dense(120, 170), blind),
    "sin/cos of phase, 64 units": (dense(122, 64), circle),
    "sin/cos of phase, 170 units": (dense(122, 170), circle),
}


def load(quick: bool) -> tuple[Clip, np.ndarray]:
    """Return all frames, scaled as the released network's, and which of them are held out."""
    takes = [clip(name) for name in (TAKES[:1] if quick else TAKES)]
    held_out = np.concatenate([np.arange(len(take.phase)) // BLOCK % EVERY == EVERY - 1 for take in takes])
    whole = Released().scaled(Clip(*(np.concatenate(parts) for parts in zip(*takes, strict=True))))
    return whole._replace(inputs=whole.inputs[:, layout.TRAJECTORY_AND_GAIT]), held_out


def rows(data: Clip, chosen: np.ndarray) -> Clip:
    """Return some of the frames."""
    return Clip(*(part[chosen] for part in data))


def train(net: fn.Network, inputs: Any, outputs: np.ndarray, test: tuple[Any, np.ndarray], epochs: int) -> fn.History:
    """Fit by Adam with a cosine schedule."""
    steps = epochs * -(-len(outputs) // 32)
    net.compile("squared_error", fn.Adam(fn.CosineDecay(1e-3, total_steps=steps), l1=L1))
    return net.fit(inputs, outputs, epochs=epochs, batch_size=32, validation_data=test)


def picture(path: Path, errors: dict[str, list[float]], data: Clip, nets: dict[str, fn.Network]) -> None:
    """Draw the held-out errors, and the height of a heel as two of the networks see it."""
    import matplotlib.pyplot as plt

    released = Released()
    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.2), layout="constrained", width_ratios=(1, 1.5))
    place = np.arange(len(errors))
    means = [float(np.mean(values)) for values in errors.values()]
    bars = left.barh(place, means, color=[COLOURS.get(name, "#bbbbbb") for name in errors])
    left.bar_label(bars, fmt=" %.3f")
    for y, values in zip(place, errors.values(), strict=True):
        left.plot(values, np.full(len(values), y), "|", color="black", markersize=14)
    left.set_yticks(place, [name.replace(", ", ",\n") for name in errors])
    left.set(xlabel="mean squared error, held out", xlim=(0, 1.2 * max(means)))
    left.set_title(f"Trajectory and gait in, motion out ({len(next(iter(errors.values())))} seeds)")
    left.invert_yaxis()
    shown = np.arange(150, 330)
    seconds, sample = (shown - shown[0]) / 60, rows(data, shown)
    held = shown // BLOCK % EVERY == EVERY - 1
    right.fill_between(seconds, 0, 1, held, color="#eeeeee", transform=right.get_xaxis_transform(), label="held out")

    def heel(outputs: np.ndarray) -> np.ndarray:
        return np.array([layout.split_output(y).joints[skeleton.LEFT_HEEL, 1] for y in released.restored(outputs)])

    right.plot(seconds, heel(sample.outputs), color="black", linewidth=3, alpha=0.35, label="motion capture")
    for name, colour in COLOURS.items():
        right.plot(seconds, heel(nets[name].predict(NETWORKS[name][1](sample))), color=colour, label=name)
    right.set(xlabel="time, s", ylabel="height of the left heel, cm", title="Jogging: which foot is in front?")
    right.margins(x=0)
    right.legend(loc="upper right", ncols=2, fontsize=9)
    right.set_ylim(top=right.get_ylim()[1] * 1.25)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def run(quick: bool, output: Path) -> common.Figures:
    """Train every network, print a table, draw."""
    data, held_out = load(quick)
    learnt, test = rows(data, ~held_out), rows(data, held_out)
    print(f"{len(learnt.phase)} frames to learn from, {len(test.phase)} held out; answering with the mean: ", end="")
    print(f"{np.mean((test.outputs - learnt.outputs.mean(axis=0)) ** 2):.3f}\n")
    print("network                     parameters  held-out error, by seed  seconds each")
    errors: dict[str, list[float]] = {}
    nets = {}
    for name, (make, sees) in NETWORKS.items():
        began, errors[name] = perf_counter(), []
        for seed in range(1 if quick else 3):
            nets[name] = net = make(seed)
            history = train(net, sees(learnt), learnt.outputs, (sees(test), test.outputs), 40 if quick else 100)
            errors[name].append(history["val_loss"][-1])
        seconds = (perf_counter() - began) / len(errors[name])
        values = " ".join(f"{value:.4f}" for value in errors[name])
        print(f"{name:26}  {net.n_params:10,}  {values:23}  {seconds:12.1f}", flush=True)
    picture(output / "pfnn-train.png", errors, data, nets)
    mean = {name: float(np.mean(values)) for name, values in errors.items()}
    return {
        "PFNN / phase-blind of equal width": mean[PFNN] / mean[BLIND],
        "PFNN / phase-blind of 80 % of its parameters": mean[PFNN] / mean["phase-blind, 170 units"],
        "PFNN / sin and cos, equal width": mean[PFNN] / mean["sin/cos of phase, 64 units"],
        "PFNN / sin and cos, 80 % of its parameters": mean[PFNN] / mean["sin/cos of phase, 170 units"],
    }


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
