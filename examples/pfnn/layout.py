"""What stands where in the input and output of the released network (Holden, Komura & Saito 2017, section 4).

All lengths are centimetres, all velocities per frame of 1/60 s, everything relative to the root: the point on the
ground below the hips, looking along z.
"""

from typing import NamedTuple

import numpy as np

JOINTS = 31
GAITS = ("stand", "walk", "jog", "crouch", "jump", "bump")
SAMPLES = 12  # of the trajectory: 60, 50, ... 10 frames ago, now, in 10, ... 50 frames
TRAJECTORY_AND_GAIT = slice(0, 120)  # of the input: all but the last pose and the terrain
PAST = slice(6)  # of the samples
NOW = 6


class Output(NamedTuple):
    """The network's answer for one frame."""

    velocity: np.ndarray  # (2,): of the root, x and z
    turn: float  # of the root, radians
    phase_change: float  # cycles
    contacts: np.ndarray  # (4,): left heel and toe, right heel and toe; above .5: on the ground
    positions: np.ndarray  # (6, 2): where the trajectory goes, x and z, now and in 10, ... 50 frames
    directions: np.ndarray  # (6, 2)
    joints: np.ndarray  # (31, 3)
    joint_velocities: np.ndarray  # (31, 3)


def join_input(
    positions: np.ndarray,
    directions: np.ndarray,
    gaits: np.ndarray,
    joints: np.ndarray,
    joint_velocities: np.ndarray,
    heights: np.ndarray,
) -> np.ndarray:
    """Return the input (342,): trajectory (12, 2) twice, gaits (12, 6), last pose (31, 3) twice, terrain (12, 3).

    Heights are those to the right, under and to the left of each sample.
    """
    parts = (positions.T, directions.T, gaits.T, joints, joint_velocities, heights.T)
    return np.concatenate([part.ravel() for part in parts])


def split_output(y: np.ndarray) -> Output:
    """Return the parts of an output (311,)."""
    return Output(
        velocity=y[0:2],
        turn=float(y[2]),
        phase_change=float(y[3]),
        contacts=y[4:8],
        positions=y[8:20].reshape(2, 6).T,
        directions=y[20:32].reshape(2, 6).T,
        joints=y[32:125].reshape(JOINTS, 3),
        joint_velocities=y[125:218].reshape(JOINTS, 3),
    )
