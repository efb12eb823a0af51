"""Random streams of a network: numbers are a function of (seed, stream, step, index), nothing is kept.

Dropout takes stream = number of its step in the Plan; the streams below are out of its way.
"""

import os

import numpy as np

from fastnn._core import table

SHUFFLE = 0xFFFFFFFF
COTANGENT = 0xFFFFFFFE
AUGMENT = 0x40000000  # the first of those that change pictures, by their place in the list
PARAMETERS = 0x80000000  # the first of those that draw initial parameters


def fresh_seed() -> int:
    """Return a seed from the operating system."""
    return int.from_bytes(os.urandom(8), "little") >> 1


class RandomStream:
    """One stream of a seed, at one step (0, or an epoch for shuffles)."""

    def __init__(self, seed: int, stream: int, step: int = 0) -> None:
        self.seed, self.stream, self.step = seed, stream, step

    def uniform(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return float64 numbers of ``shape``, uniform in [0, 1)."""
        return table.uniform(int(np.prod(shape)), self.seed, self.stream, self.step).reshape(shape)

    def normal(self, shape: tuple[int, ...]) -> np.ndarray:
        """Return float64 numbers of ``shape``, standard normal."""
        return table.normal(int(np.prod(shape)), self.seed, self.stream, self.step).reshape(shape)

    def permutation(self, n: int, first: int = 0) -> np.ndarray:
        """Return ``first .. first + n - 1`` in random order, int64 of shape (n,)."""
        return table.permutation(n, self.seed, self.stream, self.step, first)

    def of_rows(self, rows: np.ndarray, count: int) -> np.ndarray:
        """Return ``count`` float64 numbers for each numbered row, in [0, 1), whatever other rows there are."""
        return table.uniform_of_rows(rows, count, self.seed, self.stream, self.step)
