"""Phase-functioned networks, replayed: released weights against motion capture, and microseconds per frame.

Loads the control points of Holden, Komura & Saito 2017 into a network of PhaseDense layers, predicts every frame of
real takes from the frame before, and times one frame on one thread with the weights interpolated (cubic), sampled
(linear) and precomputed (constant), beside the paper's figures.
"""

import statistics
import sys
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import common
import numpy as np
from pfnn import layout, skeleton
from pfnn.released import Clip, Released, clip

import fastnn as fn

TAKES = ("LocomotionFlat04_000", "LocomotionFlat04_000_mirror", "LocomotionFlat09_000")


class Mode(NamedTuple):
    """A way to run the network; microseconds per frame and megabytes are the paper's (i7-6700, one thread)."""

    phase_function: str
    control_points: int
    paper_us: float = float("nan")
    paper_mb: float = float("nan")

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"{self.phase_function} {self.control_points}"


MODES = (Mode("constant", 50, 800, 125), Mode("linear", 10, 1400, 25), Mode("cubic", 4, 1800, 10))
GOALS = {
    "Flat04, MSE, distance from .1132": "<= 0.0005",
    "Flat04, MSE half a cycle off, distance from .2719": "<= 0.0005",
    "Flat04, coordinate error, distance from 1.19 cm": "<= 0.01",
    **{f"{mode.name}, times faster than the paper's": ">= 5" for mode in MODES},
    **{f"{mode.name}, MB": f"<= {mode.paper_mb}" for mode in MODES},
}


def mean_squared_error(net: fn.Network, frames: Clip, shift: float = 0.0) -> float:
    """Return the error in units of the outputs' deviations, with the phase shifted by so many cycles."""
    difference = net.predict([frames.inputs, frames.phase + np.float32(shift)]) - frames.outputs
    return float(np.mean(difference**2))


def joints(outputs: np.ndarray) -> np.ndarray:
    """Return the joint positions (N, 31, 3) within outputs (N, 311), centimetres."""
    return np.stack([layout.split_output(y).joints for y in outputs])


def microseconds(net: fn.Network, frames: Clip, evict: np.ndarray | None) -> float:
    """Return the median time of a frame; ``evict``: an array larger than the caches, read between frames."""
    out, times = np.empty(311, np.float32), []
    step = 1 if evict is None else 8
    for x, phase in zip(frames.inputs[::step], frames.phase[::step], strict=True):
        if evict is not None:
            evict.sum()
        began = perf_counter()
        net.predict_one([x, phase], out)
        times.append(perf_counter() - began)
    return statistics.median(times) * 1e6


def picture(path: Path, frames: Clip, predicted: np.ndarray, shifted: np.ndarray, times: dict[str, float]) -> None:
    """Draw poses, the error along the take, and the times."""
    import matplotlib.pyplot as plt

    parent, real = skeleton.parents(), joints(frames.outputs)
    figure = plt.figure(figsize=(11, 6.5), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(0.8, 1), width_ratios=(2, 1))
    axes = figure.add_subplot(grid[0, :])
    shown = np.linspace(len(real) * 0.1, len(real) * 0.9, 9).astype(int)
    for place, i in enumerate(shown):
        offset = np.array([110 * place, 0])
        skeleton.draw(axes, real[i][:, [2, 1]] + offset, parent, colour="#bbbbbb", linewidth=5)
        skeleton.draw(axes, joints(predicted[[i]])[0][:, [2, 1]] + offset, parent, linewidth=1.5)
        axes.text(offset[0], -14, f"{i / 60:.1f} s", ha="center", va="top", fontsize=9)
    axes.set(
        title="Motion capture (grey) and the prediction (left limbs red, right blue), from the side", ylim=(-25, 185)
    )
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes = figure.add_subplot(grid[1, 0])
    seconds = np.arange(len(real)) / 60
    for outputs, label, colour in (
        (shifted, "phase half a cycle off", "#bbbbbb"),
        (predicted, "right phase", "#1f5fa8"),
    ):
        distance = np.linalg.norm(joints(outputs) - real, axis=2).mean(axis=1)
        axes.plot(seconds, distance, color=colour, label=label, linewidth=1)
    axes.set(xlabel="time, s", ylabel="mean distance of joints, cm", title="Prediction of the next pose")
    axes.set_ylim(bottom=0)
    axes.legend()
    axes = figure.add_subplot(grid[1, 1])
    place = np.arange(len(MODES))
    axes.barh(place - 0.2, [mode.paper_us for mode in MODES], 0.38, color="#bbbbbb", label="paper, i7-6700")
    bars = axes.barh(place + 0.2, [times[mode.name] for mode in MODES], 0.38, color="#1f5fa8", label="fastnn, here")
    axes.bar_label(bars, fmt=" %.0f")
    axes.set(
        yticks=place, yticklabels=[m.name for m in MODES], xlabel="µs per frame, one thread", title="Time of a frame"
    )
    axes.invert_yaxis()
    axes.legend(loc="upper right")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def run(quick: bool, output: Path) -> common.Figures:
    """Replay the takes, time a frame, draw both."""
    released, figures = Released(), {}
    net = released.net
    print("take                          MSE     half a cycle off  mean predictor  coordinate, cm  joint, cm")
    for take in TAKES[:1] if quick else TAKES:
        frames = clip(take)
        scaled = released.scaled(frames)
        mse, off = mean_squared_error(net, scaled), mean_squared_error(net, scaled, 0.5)
        predicted = released.restored(net.predict([scaled.inputs, scaled.phase]))
        difference = joints(predicted) - joints(frames.outputs)
        coordinate, joint = np.abs(difference).mean(), np.linalg.norm(difference, axis=2).mean()
        mean = np.mean(scaled.outputs**2)
        print(f"{take:28}  {mse:.4f}  {off:16.4f}  {mean:14.4f}  {coordinate:14.3f}  {joint:9.3f}")
        if take == TAKES[0]:
            figures["Flat04, MSE, distance from .1132"] = abs(mse - 0.1132)
            figures["Flat04, MSE half a cycle off, distance from .2719"] = abs(off - 0.2719)
            figures["Flat04, coordinate error, distance from 1.19 cm"] = abs(float(coordinate) - 1.19)
            shown = frames, predicted, released.restored(net.predict([scaled.inputs, scaled.phase + np.float32(0.5)]))
    scaled = released.scaled(clip(TAKES[0]))
    if quick:
        scaled = Clip(*(part[:50] for part in scaled))
    before, times = fn.get_num_threads(), {}
    evict = np.zeros((1 << 22) if quick else (1 << 25), np.float32)
    fn.set_num_threads(1)
    print("\nmode          us per frame  caches emptied before  paper    MB   paper  MSE")
    for mode in (*MODES, Mode("linear", 4)):
        fast = fn.resample_phase(net, mode.control_points, mode.phase_function)
        warm, cold = (microseconds(fast, scaled, array) for array in (None, evict))
        megabytes, mse = fast.params.nbytes / 1e6, mean_squared_error(fast, scaled)
        paper = [f"{value:5.0f}".replace("nan", "  -") for value in (mode.paper_us, mode.paper_mb)]
        line = f"{mode.name:12}  {warm:12.0f}  {cold:21.0f}  {paper[0]}  {megabytes:5.1f}  {paper[1]}  {mse:.4f}"
        print(line, flush=True)
        times[mode.name] = warm
        if mode in MODES:
            figures[f"{mode.name}, times faster than the paper's"] = mode.paper_us / warm
            figures[f"{mode.name}, times faster, caches emptied"] = mode.paper_us / cold
            figures[f"{mode.name}, MB"] = megabytes
    fn.set_num_threads(before)
    picture(output / "pfnn-replay.png", *shown, times)
    return figures


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
