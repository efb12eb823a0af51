"""Series of numbers over time, of which examples see a few places at a time."""

from collections.abc import Iterable
from copy import copy
from numbers import Integral
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from fastnn._spec import require_count
from fastnn.data.numbers import as_numeric
from fastnn.data.ports import release
from fastnn.data.standardize import Standardizer

Array = npt.NDArray[Any]


class Offsets:
    """Distances in time, ascending; ``step`` is that between neighbours, 0 where they differ."""

    def __init__(self, values: Any) -> None:
        self.values: npt.NDArray[np.int64] = np.asarray(values, dtype=np.int64)
        self.first, self.last, self.count = int(self.values[0]), int(self.values[-1]), len(self.values)
        steps = np.diff(self.values)
        self.step = 1 if not len(steps) else int(steps[0]) if (steps == steps[0]).all() else 0


class Series:
    """Numbers (T,) or (T, C): copied, standardised, to ``dtype``; those of a memmap stay where they are.

    Whole numbers without a scaler stay whole: they may be labels.  They are held as float64 where some are missing.
    """

    _chunk = 1 << 20  # times that are looked at together

    def __init__(
        self, who: str, name: str, values: Any, scaler: Any, dtype: np.dtype, whole: bool | None = None
    ) -> None:
        array = as_numeric(who, f"series {name!r}", values)
        if array.ndim not in (1, 2) or not array.size:
            raise ValueError(f"{who}: expected series {name!r} of shape (T,) or (T, C), got {array.shape}")
        if scaler is not None and not isinstance(scaler, Standardizer):
            raise TypeError(
                f"{who}: expected scalers to be Standardizers, got {type(scaler).__name__} for series {name!r}"
            )
        if scaler is not None and (not scaler.rows or scaler.mean.shape != array.shape[1:]):
            got = f"one of {scaler.mean.shape}" if scaler.rows else "one that has learnt nothing"
            raise ValueError(
                f"{who}: expected a scaler of shape {array.shape[1:]} for series {name!r}, got {got}; "
                "fit it to values of the series"
            )
        self.name, self.scaler, self.dtype = name, scaler, dtype
        self.channels: tuple[int, ...] = array.shape[1:]
        self.mapped = isinstance(array, np.memmap)
        self.whole = scaler is None and (array.dtype.kind != "f" if whole is None else whole)
        self.origin, self.length = 0, len(array)  # times of the first value kept, and after the last
        self._values: Array = array if self.mapped else self.shown(array, copied=True)

    @property
    def size(self) -> int:
        """Numbers at one time."""
        return self.channels[0] if self.channels else 1

    def shown(self, array: Array, copied: bool = False) -> Array:
        """Return values as examples show them; ``copied``: in any case an array of its own."""
        with np.errstate(over="ignore"):  # too large for the dtype is infinite, and no example shows it
            if self.scaler is not None:
                return self.scaler.transform(array).astype(self.dtype, copy=False)
            kept = array.dtype if self.whole else self.dtype
            return array.astype(kept, order="C", copy=copied)

    def take(self, times: Array, offsets: Offsets) -> Array:
        """Return the values at ``times + offsets`` (n, offsets.count * C), one time after the other."""
        values = self._values
        if offsets.step:
            stride, *rest = values.strides
            places = max(self.length - self.origin - (offsets.last - offsets.first), 0)
            shape = (places, offsets.count, *self.channels)
            windows = as_strided(values, shape, (stride, offsets.step * stride, *rest), writeable=False)
            found = windows[times + (offsets.first - self.origin)]
        else:
            found = np.asarray(values)[times[:, None] + (offsets.values - self.origin)]
        if self.mapped and found.size:
            found = self.shown(found.reshape(-1, *self.channels))
            release(values)
        if self.whole and found.dtype.kind == "f":
            found = found.astype(np.int64)
        return found.reshape(len(times), offsets.count * self.size)

    def at(self, time: int, offsets: Offsets) -> Array:
        """Return the values at ``time + offsets`` (offsets.count, C)."""
        start = time - self.origin
        if offsets.step:
            found = self._values[start + offsets.first : start + offsets.last + 1 : offsets.step]
        else:
            found = self._values[start + offsets.values]
        return self.shown(np.asarray(found)) if self.mapped else found

    def between(self, start: int, stop: int) -> Array:
        """Return the values of a series in memory from time ``start`` to before ``stop``, not copied."""
        return self._values[start - self.origin : stop - self.origin]

    def known(self, start: int, stop: int, offsets: Offsets) -> npt.NDArray[np.bool_]:
        """Return whether all values at ``time + offsets`` are there and finite, for times from start to before stop."""
        result = np.zeros(max(stop - start, 0), dtype=bool)
        first, last = max(start, -offsets.first), min(stop, self.length - offsets.last)
        if first >= last:
            return result
        result[first - start : last - start] = True
        low = first + offsets.first
        finite = self._finite(low, last + offsets.last)
        if not finite.all():
            for offset in offsets.values.tolist():
                begin = first + offset - low
                result[first - start : last - start] &= finite[begin : begin + last - first]
        return result

    def _finite(self, start: int, stop: int) -> npt.NDArray[np.bool_]:
        result = np.empty(stop - start, dtype=bool)
        for begin in range(start, stop, self._chunk):
            end = min(begin + self._chunk, stop)
            values = np.asarray(self._values[begin - self.origin : end - self.origin])
            finite = np.isfinite(self.shown(values) if self.mapped else values)
            result[begin - start : end - start] = finite.reshape(end - begin, -1).all(axis=1)
            release(self._values)
        return result

    def checked(self, who: str, values: Any, at: int) -> Array:
        """Return values ready to be stored from time ``at`` on, or say why they cannot be."""
        if self.mapped:
            raise TypeError(
                f"{who}: expected series in memory, but {self.name!r} is a memmap; write to its file and make new "
                "Windows"
            )
        array = as_numeric(who, f"series {self.name!r}", values)
        if array.ndim == 0 or array.shape[1:] != self.channels:
            shape = f"(n, {self.size})" if self.channels else "(n,)"
            raise ValueError(f"{who}: expected values of shape {shape} for series {self.name!r}, got {array.shape}")
        if self.whole and array.dtype.kind == "f" and not (np.isnan(array) | (array == np.trunc(array))).all():
            raise TypeError(
                f"{who}: expected whole numbers for series {self.name!r}, which began with such, got {array.dtype}"
            )
        if not self.origin <= at <= self.length:
            raise ValueError(
                f"{who}: expected values of series {self.name!r} from time {self.length} on, or from an earlier one, "
                f"got {at}; fill the gap with NaN"
            )
        values = self.shown(array)
        return values if self.whole else values.astype(self._values.dtype, copy=False)

    def store(self, values: Array, at: int) -> None:
        """Put checked values where they belong; room grows by doubling."""
        if self._values.dtype.kind != "f" and not np.can_cast(values.dtype, self._values.dtype, "same_kind"):
            self._values = self._values.astype(np.float64)  # whole numbers of which some are missing now
        end = max(self.length, at + len(values))
        if end - self.origin > len(self._values):
            grown = np.empty((2 * (end - self.origin), *self.channels), self._values.dtype)
            grown[: self.length - self.origin] = self._values[: self.length - self.origin]
            self._values = grown
        self._values[at - self.origin : at - self.origin + len(values)] = values
        self.length = end

    def tail(self, start: int, before: int, steps: int) -> Self:
        """Return a series of its own with the ``before`` last values before ``start``, and room for more."""
        result = copy(self)
        result.origin, result.length, result.mapped = start - before, start, False
        result._values = np.empty((before + steps, *self.channels), self.dtype)
        result._values[:before] = self.at(start, Offsets(range(-before, 0))) if before else 0
        return result

    def complete(self, values: Array, at: int) -> None:
        """Put values where none are known, from time ``at`` on, as far as there are times."""
        own = self.between(at, self.length)[: len(values)]
        np.copyto(own, values[: len(own)], where=~np.isfinite(own))


def offsets_of(name: str, lags: Any) -> Offsets:
    """Return the offsets of the lags of a series."""
    if isinstance(lags, Integral) and not isinstance(lags, bool):
        require_count("Windows", f"the lags of {name!r}", lags)
        return Offsets(range(-int(lags), 0))
    found = list(lags) if isinstance(lags, Iterable) and not isinstance(lags, str) else []
    if not found or any(isinstance(lag, bool) or not isinstance(lag, Integral) for lag in found):
        raise TypeError(f"Windows: expected lags of {name!r} to be an integer or integers, got {lags!r:.60}")
    if len(set(found)) < len(found):
        raise ValueError(f"Windows: expected each lag of {name!r} once, got {lags!r:.60}")
    return Offsets(sorted(-int(lag) for lag in found))
