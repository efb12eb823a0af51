"""Columns that say which row it is."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class RowNumbers:
    """Whether numbers only go up, or only down, or are all those from one to another."""

    def __init__(self) -> None:
        self.rising = self.falling = True
        self.rows, self.sum, self.squares = 0, 0.0, 0.0
        self.low, self.high, self.last = np.inf, -np.inf, np.nan

    def add(self, values: Array) -> None:
        """Look at some more rows."""
        values = values[~np.isnan(values)]
        if not len(values):
            return
        steps = np.diff(values if np.isnan(self.last) else np.concatenate([[self.last], values]))
        self.rising, self.falling = self.rising and bool((steps > 0).all()), self.falling and bool((steps < 0).all())
        self.low, self.high, self.last = min(self.low, values.min()), max(self.high, values.max()), values[-1]
        self.rows += len(values)
        self.sum += float(values.sum())
        self.squares += float(np.square(values).sum())

    @property
    def counts(self) -> bool:
        """Whether the values count the rows."""
        if self.rising or self.falling:
            return True
        n, low = self.rows, self.low
        if self.high - low != n - 1 or not abs(low) < 1 << 31:
            return False
        middle = low + (n - 1) / 2
        exact = n * middle**2 + n * (n * n - 1) / 12
        return self.sum == round(n * middle) and abs(self.squares - exact) <= 1e-9 * exact
