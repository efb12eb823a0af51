"""The character in closed loop: stick and ground in, poses out, one call of the network per frame."""

from typing import NamedTuple

import numpy as np

import fastnn as fn
from pfnn import layout
from pfnn.ground import Ground
from pfnn.released import Released
from pfnn.trajectory import EVERY, NOW, Trajectory, angle, turn

POSE_SMOOTHING = 0.5  # share of the predicted positions; the rest: the last positions moved by the velocities


class Frame(NamedTuple):
    """What a frame looks like, in the world's coordinates, centimetres."""

    root: np.ndarray  # (2,): x and z
    ground: float  # under the root
    joints: np.ndarray  # (31, 3)
    contacts: np.ndarray  # (4,): left heel and toe, right heel and toe
    phase: float  # cycles, in [0, 1)
    phase_change: float  # cycles


def turn_joints(joints: np.ndarray, angle: float) -> np.ndarray:
    """Turn vectors (31, 3) about the vertical."""
    result = joints.copy()
    result[:, [0, 2]] = turn(joints[:, [0, 2]], angle)
    return result


class Character:
    """Walks as the stick says."""

    def __init__(
        self, released: Released, net: fn.Network, ground: Ground, position: np.ndarray, direction: np.ndarray
    ):
        self.released, self.net, self.ground = released, net, ground
        self.trajectory = Trajectory(position, direction, ground)
        self.phase = 0.0
        mean = layout.split_output(released.output_mean)  # a pose to start from
        heading = float(angle(self.trajectory.directions[NOW]))
        self.joints = turn_joints(mean.joints, heading) + self._root(NOW, self.trajectory.root_height)
        self.velocities = turn_joints(mean.joint_velocities, heading)

    def _root(self, i: int, height: float) -> np.ndarray:
        """Return the root (3,) of a frame of the trajectory."""
        x, z = self.trajectory.positions[i]
        return np.array([x, height, z])

    def _input(self) -> np.ndarray:
        """Return what the network is to see (342,), relative to the root."""
        path = self.trajectory
        heading, last = float(angle(path.directions[NOW])), float(angle(path.directions[NOW - 1]))
        return layout.join_input(
            turn(path.positions[::EVERY] - path.positions[NOW], -heading),
            turn(path.directions[::EVERY], -heading),
            path.gaits[::EVERY],
            turn_joints(self.joints - self._root(NOW - 1, path.last_root_height), -last),
            turn_joints(self.velocities, -last),
            path.sides() - path.root_height,
        )

    def step(self, velocity: np.ndarray, gait: str) -> Frame:
        """Live through one frame of 1/60 s; the stick asks for a velocity (2,) in centimetres per frame."""
        path = self.trajectory
        path.aim(velocity, gait)
        x = (self._input() - self.released.input_mean) / self.released.input_std
        answer = layout.split_output(self.released.restored(self.net.predict_one([x, [self.phase]])))
        heading, root = float(angle(path.directions[NOW])), self._root(NOW, path.root_height)
        self.velocities = turn_joints(answer.joint_velocities, heading)
        predicted = turn_joints(answer.joints, heading) + root
        moved = self.joints + self.velocities
        self.joints = moved + POSE_SMOOTHING * (predicted - moved)
        moving = float((1 - path.gaits[NOW, 0]) ** 0.25)  # gait 0: stand
        ground = float(path.heights[NOW])
        change = (0.9 * moving + 0.1) * answer.phase_change
        frame = Frame(path.positions[NOW].copy(), ground, self.joints, answer.contacts.copy(), self.phase, change)
        path.advance(answer, moving)
        self.phase = (self.phase + change) % 1.0
        return frame
