"""The released network and motion capture of Holden, Komura & Saito 2017.

They are for academic and non-commercial use; this project reads them as test data and ships none of them.
"""

from typing import NamedTuple

import common
import numpy as np

import fastnn as fn


class Clip(NamedTuple):
    """Frames of a motion capture take: inputs (N, 342), outputs (N, 311), phase (N, 1) in cycles."""

    inputs: np.ndarray
    outputs: np.ndarray
    phase: np.ndarray


def clip(name: str) -> Clip:
    """Return the take of that name, such as ``LocomotionFlat04_000``."""
    with np.load(common.data(f"pfnn/motion/xyp_{name}.npz")) as file:
        return Clip(file["X"], file["Y"], file["P"][:, None])


class Released:
    """The network 342-512-512-311 and the means and deviations that its inputs and outputs are scaled by."""

    def __init__(self) -> None:
        x, phase = fn.Input(342, name="pose"), fn.Input(1, name="phase")
        h = fn.PhaseDense(512, "elu")(x, phase)
        h = fn.PhaseDense(512, "elu")(h, phase)
        self.net = fn.Network([x, phase], fn.PhaseDense(311)(h, phase), seed=0)
        with np.load(common.data("pfnn/weights/pfnn_released_control_points.npz")) as file:
            for i, layer in enumerate(self.net.layers):
                layer.weight[...] = file[f"W{i}"].transpose(0, 2, 1)  # stored as (control point, outputs, inputs)
                layer.bias[...] = file[f"b{i}"]
            self.input_mean, self.input_std = file["Xmean"], file["Xstd"]
            self.output_mean, self.output_std = file["Ymean"], file["Ystd"]

    def scaled(self, clip: Clip) -> Clip:
        """Return a clip as the network sees it."""
        inputs = (clip.inputs - self.input_mean) / self.input_std
        return Clip(inputs, (clip.outputs - self.output_mean) / self.output_std, clip.phase)

    def restored(self, outputs: np.ndarray) -> np.ndarray:
        """Return outputs of the network in their own units."""
        return outputs * self.output_std + self.output_mean
