"""The inputs of the example of a time: the series at their lags, and columns made of the time itself."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn._spec import choose
from fastnn.data.series import Offsets, Series, offsets_of

Array = npt.NDArray[Any]
Lags = int | Iterable[int]
Needed = list[tuple[Series, Offsets]]


class Inputs:
    """The inputs of windows: ``width`` numbers of ``dtype`` at each time, the last ``n_columns`` from ``columns``.

    ``flags``: by the name of a series that which is seen after it, at the same lags.
    """

    def __init__(
        self,
        series: Mapping[str, Series],
        lags: Any,
        columns: Callable[[Array], Any] | None,
        target: str,
        unseen: Any,
        flags: Mapping[str, Series],
    ) -> None:
        self.series, self.columns = dict(series), columns
        self.dtype = series[target].dtype
        self.offsets: dict[str, Offsets] = {}
        for name, offsets in self._offsets(lags, target, unseen).items():
            self.offsets[name] = offsets
            if name in flags:
                self.offsets[flags[name].name], self.series[flags[name].name] = offsets, flags[name]
        self._flags = {name: flag.name for name, flag in flags.items() if name in self.offsets}
        self.n_columns = 0
        self.n_columns = 0 if columns is None else self.made(np.arange(2)).shape[1]
        sizes = (offsets.count * self.series[name].size for name, offsets in self.offsets.items())
        self.width = sum(sizes) + self.n_columns

    def _offsets(self, lags: Any, target: str, unseen: Any) -> dict[str, Offsets]:
        """Return the offsets (the negative lags) at which each series is seen, in the order of the series."""
        if isinstance(lags, Mapping):
            for name in lags:
                choose("Windows: unknown series of lags", name, self.series)
        else:
            lags = {name: lags for name in self.series if name != unseen}
        result = {name: offsets_of(name, lags[name]) for name in self.series if name in lags}
        if not result and self.columns is None:
            raise ValueError("Windows: expected lags of at least one series, or columns, got none")
        if target in result and result[target].last >= 0:
            raise ValueError(
                f"Windows: expected lags of at least 1 for the target {target!r}, got {-result[target].last}, which "
                "shows what is to be forecast"
            )
        return result

    def flags_of(self, name: str) -> list[str]:
        """Return the name of the series that tells where one of these was known, if there is one."""
        return [self._flags[name]] if name in self._flags else []

    @property
    def needed(self) -> Needed:
        """Every series that is seen, and where."""
        return [(self.series[name], offsets) for name, offsets in self.offsets.items()]

    @property
    def names(self) -> list[str]:
        """A name for each input."""
        names = []
        for name, offsets in self.offsets.items():
            channels = [f".{c}" for c in range(self.series[name].size)] if self.series[name].channels else [""]
            times = [f"t{offset:+d}" if offset else "t" for offset in offsets.values]
            names += [f"{name}{channel}[{time}]" for time in times for channel in channels]
        return names + [f"column {k}" for k in range(self.n_columns)]

    def gather(self, times: Array) -> Array:
        """Return the inputs of some times (n, width)."""
        X, start = np.empty((len(times), self.width), self.dtype), 0
        with np.errstate(over="ignore"):
            for series, offsets in self.needed:
                values = series.take(times, offsets)
                X[:, start : start + values.shape[1]] = values
                start += values.shape[1]
            if self.columns is not None:
                X[:, start:] = self.made(times)
        return X

    def write(self, out: Array, time: int, made: Array | None, series: Mapping[str, Series]) -> None:
        """Write the inputs of one time, seen in these series; ``made``: what ``columns`` gave for it."""
        start = 0
        for name, offsets in self.offsets.items():
            stop = start + offsets.count * series[name].size
            out[start:stop] = series[name].at(time, offsets).ravel()
            start = stop
        if made is not None:
            out[start:] = made

    def made(self, times: Array) -> Array | Any:
        """Return what ``columns`` gives, (n, n_columns)."""
        assert self.columns is not None
        made = np.asarray(self.columns(times))
        if made.ndim != 2 or len(made) != len(times) or self.n_columns not in (0, made.shape[1]):
            expected = f"({len(times)}, {self.n_columns or 'K'})"
            raise ValueError(f"Windows: expected columns(times) of shape {expected}, got {made.shape}")
        return made


def require_known(who: str, start: int, stop: int, needed: Needed) -> None:
    """Raise ValueError unless these series have what is looked at from times from start to before stop."""
    for series, offsets in needed:
        known = series.known(start, stop, offsets)
        if not known.all():
            time = start + int(known.argmin())
            raise ValueError(
                f"{who}: expected series {series.name!r} to be known from time {time + offsets.first} to "
                f"{time + offsets.last}, to forecast from {time} on; it has {series.length} values, and some may be "
                "NaN; append what is known ahead, or fill gaps"
            )
