"""Where the character has been and is to go: 60 frames of the past, the present, 59 frames of the future.

As in the demonstration of Holden, Komura & Saito 2017: the future is what the network predicts, blended into what the
stick asks for.
"""

import numpy as np

from pfnn import layout
from pfnn.ground import Ground

LENGTH, NOW, EVERY = 120, 60, 10
WIDTH = 25.0  # to both sides of the path, where the ground is looked at, centimetres
VELOCITY_SMOOTHING, DIRECTION_SMOOTHING, GAIT_SMOOTHING = 0.9, 0.9, 0.1  # share of the new value in each frame
POSITION_BIAS, DIRECTION_BIAS = 2.0, 5.0  # the larger, the sooner the stick has its way; "responsive" there


def angle(directions: np.ndarray) -> np.ndarray:
    """Return the turn (...) about the vertical that brings z to each direction (..., 2)."""
    return np.arctan2(directions[..., 0], directions[..., 1])


def turn(points: np.ndarray, angles: np.ndarray | float) -> np.ndarray:
    """Turn points (..., 2), x and z, about the vertical."""
    x, z = points[..., 0], points[..., 1]
    return np.stack([x * np.cos(angles) + z * np.sin(angles), z * np.cos(angles) - x * np.sin(angles)], axis=-1)


def mix_directions(a: np.ndarray, b: np.ndarray, share: np.ndarray | float) -> np.ndarray:
    """Turn directions a towards b by a share of the angle between them."""
    between = (angle(b) - angle(a) + np.pi) % (2 * np.pi) - np.pi
    return turn(a, between * share)


class Trajectory:
    """Positions and directions (120, 2), gaits (120, 6) and root heights (120,), in the world's coordinates."""

    def __init__(self, position: np.ndarray, direction: np.ndarray, ground: Ground) -> None:
        self.ground = ground
        self.positions = np.tile(np.asarray(position, float), (LENGTH, 1))
        self.directions = np.tile(np.asarray(direction, float), (LENGTH, 1))
        self.gaits = np.tile(np.eye(len(layout.GAITS))[0], (LENGTH, 1))
        self.heights = ground.height(self.positions)  # of the ground under the path
        self.velocity, self.direction = np.zeros(2), self.directions[NOW]  # that the stick asks for, smoothed
        self.root_height = self.last_root_height = float(self.heights[NOW])

    def aim(self, velocity: np.ndarray, gait: str) -> None:
        """Bend the future towards what the stick asks for, in centimetres per frame."""
        self.velocity = self.velocity + VELOCITY_SMOOTHING * (velocity - self.velocity)
        speed = float(np.hypot(*self.velocity))
        if speed > 1e-5:
            self.direction = mix_directions(self.direction, self.velocity / speed, DIRECTION_SMOOTHING)
        target = np.eye(len(layout.GAITS))[layout.GAITS.index(gait)]
        self.gaits[NOW:] = self.gaits[NOW] + GAIT_SMOOTHING * (target - self.gaits[NOW])
        ahead = np.arange(1, LENGTH - NOW)[:, None] / NOW
        steps = np.diff(self.positions[NOW:], axis=0)
        steps = steps + (1 - (1 - ahead) ** POSITION_BIAS) * (self.velocity - steps)
        self.positions[NOW + 1 :] = self.positions[NOW] + np.cumsum(steps, axis=0)
        share = 1 - (1 - ahead[:, 0]) ** DIRECTION_BIAS
        self.directions[NOW + 1 :] = mix_directions(self.directions[NOW + 1 :], self.direction, share)
        self.heights[NOW:] = self.ground.height(self.positions[NOW:])
        self.last_root_height, self.root_height = self.root_height, float(self.heights[::EVERY].mean())

    def sides(self) -> np.ndarray:
        """Return the heights (12, 3) of the ground beside and under the sampled path."""
        angles = angle(self.directions[::EVERY])
        across = turn(np.array([WIDTH, 0.0]), angles)
        path = self.positions[::EVERY]
        beside = [self.ground.height(path + side * across) for side in (1, -1)]
        return np.stack([beside[0], self.heights[::EVERY], beside[1]], axis=1)

    def advance(self, answer: layout.Output, moving: float) -> None:
        """Go on by one frame, as the network says; ``moving``: 0 stands still, 1 does not."""
        for array in (self.positions, self.directions, self.gaits, self.heights):
            array[:NOW] = array[1 : NOW + 1].copy()
        self.positions[NOW] += moving * turn(answer.velocity, angle(self.directions[NOW]))
        self.directions[NOW] = turn(self.directions[NOW], -moving * answer.turn)
        heading, ahead = angle(self.directions[NOW]), np.arange(1, LENGTH - NOW) / EVERY
        for array, samples in ((self.positions, answer.positions), (self.directions, answer.directions)):
            between = [np.interp(ahead, np.arange(len(samples)), samples[:, i]) for i in range(2)]
            array[NOW + 1 :] = turn(np.stack(between, axis=1), heading)
        self.positions[NOW + 1 :] += self.positions[NOW]
        self.directions[NOW + 1 :] /= np.linalg.norm(self.directions[NOW + 1 :], axis=1, keepdims=True)
