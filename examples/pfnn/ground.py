"""Ground to walk on: heights under points of the plane, centimetres."""

from typing import Protocol

import common
import numpy as np

CELL = 3.937  # of the released height map along x and z, centimetres
STEP = 3.0  # of its values, centimetres


class Ground(Protocol):
    """Anything that knows its height."""

    def height(self, points: np.ndarray) -> np.ndarray:
        """Return the heights (...) at points (..., 2), x and z."""


class Flat:
    """Height 0 everywhere."""

    def height(self, points: np.ndarray) -> np.ndarray:
        """Return zeros."""
        return np.zeros(points.shape[:-1])


class HeightMap:
    """A grid of heights around the origin, bilinear between its points and level beyond them."""

    def __init__(self, heights: np.ndarray, cell: float) -> None:
        self.heights, self.cell = heights, cell

    @classmethod
    def released(cls) -> "HeightMap":
        """Return the rocks of the released demonstration, 20 m by 12 m."""
        with np.load(common.data("pfnn/terrain/hmap_001_smooth.npz")) as file:
            heights = file["h"].astype(np.float64)
        return cls((heights - np.median(heights)) * STEP, CELL)

    def height(self, points: np.ndarray) -> np.ndarray:
        """Return the heights, from the four grid points around each point."""
        size = np.array(self.heights.shape)
        place = np.clip(points / self.cell + size // 2, 0, size - 1.001)
        cell = place.astype(int)
        (i, j), (u, v) = np.moveaxis(cell, -1, 0), np.moveaxis(place - cell, -1, 0)
        h = self.heights
        return (1 - u) * ((1 - v) * h[i, j] + v * h[i, j + 1]) + u * ((1 - v) * h[i + 1, j] + v * h[i + 1, j + 1])
