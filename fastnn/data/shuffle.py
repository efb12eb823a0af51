"""The random order in which an epoch takes its rows."""

import numpy as np

from fastnn._core.rng import SHUFFLE, RandomStream


class Shuffle:
    """The random order of the rows of an epoch, a function of seed and epoch."""

    def __init__(self, seed: int, epoch: int) -> None:
        self.seed, self.epoch = seed, epoch

    def permutation(self, n: int) -> np.ndarray:
        """Return the numbers of ``n`` rows in random order, int64."""
        return RandomStream(self.seed, SHUFFLE, self.epoch).permutation(n)

    def within(self, buffer: int, n: int) -> np.ndarray:
        """Return an order of the ``n`` rows of a buffer, the ``buffer``-th of the epoch, by a stream of its own."""
        return RandomStream(self.seed, SHUFFLE - 2 - buffer % (1 << 20), self.epoch).permutation(n)
