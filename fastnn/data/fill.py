"""Gaps of a series, filled for the inputs of windows, and where that was done."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn._spec import choose, require_number
from fastnn.data.series import Offsets, Series

Array = npt.NDArray[Any]
Rule = str | float  # "forward", "linear", or the value that stands for what is missing
RULES = ("forward", "linear")


class Filled(Series):
    """A series as inputs show it: gaps of at most ``limit`` times are filled, channel by channel.

    "forward" carries the last value on, at most ``limit`` times; a number stands there as often.  "linear" draws a line
    to the value after a gap of at most ``limit``; a place on it is known only to windows that reach to that value, so
    that none shows what came after it.  ``flags``: 1 where a value was there, 0 where it was not.
    """

    def __init__(self, who: str, source: Series, rule: Rule, limit: int | None) -> None:
        if isinstance(rule, str):
            choose(f"{who}: unknown fill of series {source.name!r}", rule, RULES)
        else:
            require_number(who, f"fill of series {source.name!r}", rule)
        if source.mapped:
            raise TypeError(f"{who}: expected series in memory to be filled, but {source.name!r} is a memmap; read it")
        self.source, self.rule, self.limit = source, rule, limit
        values, there, self._beyond = self._filled(0)
        super().__init__(who, source.name, values, None, source.dtype)
        self.flags = Series(who, f"{source.name} known", there, None, source.dtype)

    def update(self, at: int) -> None:
        """Fill again after the source has changed from a time on: only windows that reach there see it."""
        before = min(at, self.length)
        whole = np.flatnonzero(self.flags.between(0, before).reshape(before, self.size).all(axis=1))
        start = int(whole[-1]) if len(whole) else 0
        values, there, beyond = self._filled(start)
        self.store(values, start)
        self.flags.store(there, start)
        self._beyond = np.concatenate([self._beyond[:start], beyond])

    def _filled(self, start: int) -> tuple[Array, Array, Array]:
        """Return values from a time on, where there were some, and the last time that each was made from."""
        source = self.source
        values = source.between(start, source.length).astype(source.dtype)
        there = np.isfinite(values)
        constant = None
        if not isinstance(self.rule, str):
            constant = source.shown(np.full((1, *source.channels), float(self.rule))).ravel()
        beyond = np.arange(len(values))
        columns, gaps = values.reshape(-1, source.size), ~there.reshape(-1, source.size)
        for k in np.flatnonzero(gaps.any(axis=0)):
            beyond = np.maximum(
                beyond, self._fill(columns[:, k], gaps[:, k], None if constant is None else constant[k])
            )
        return values, there.astype(source.dtype), beyond + start

    def _fill(self, values: Array, gap: Array, constant: Any) -> Array:
        """Fill one channel in place; return the last time that each value was made from."""
        n, limit = len(values), len(values) if self.limit is None else self.limit
        times = np.arange(n)
        before = np.maximum.accumulate(np.where(gap, -1, times))
        if self.rule != "linear":
            filled = gap & (times - before <= limit) & ((before >= 0) | (constant is not None))
            values[filled] = values[before[filled]] if constant is None else constant
            return times
        after = np.minimum.accumulate(np.where(gap, n, times)[::-1])[::-1]
        filled = gap & (before >= 0) & (after < n) & (after - before - 1 <= limit)
        b, a = before[filled], after[filled]
        values[filled] = values[b] + (values[a] - values[b]) * ((times[filled] - b) / (a - b))
        return np.where(filled, after, times)

    def known(self, start: int, stop: int, offsets: Offsets) -> npt.NDArray[np.bool_]:
        """Return whether all values at ``time + offsets`` are there, or were made of what these windows reach to."""
        result = super().known(start, stop, offsets)
        if self.rule == "linear" and result.any():
            times = start + np.flatnonzero(result)
            for offset in offsets.values.tolist():
                result[times - start] &= self._beyond[times + offset] <= times + offsets.last
        return result
