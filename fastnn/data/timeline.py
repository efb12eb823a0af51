"""The times of series that have an index: each value's position on a line of equally spaced times."""

from collections.abc import Mapping
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
import numpy.typing as npt

from fastnn._spec import require_count

Array = npt.NDArray[Any]
MOST = 1 << 26  # positions: two years of seconds


class Timeline:
    """Equally spaced times, as many as are asked for: a pandas index that grows.

    Times are dates, periods, spans of time or whole numbers; ``freq`` is the distance between neighbours as pandas
    writes it, such as "15min", "h", "MS", or a whole number.
    """

    def __init__(self, first: Any, freq: Any) -> None:
        self.freq = freq
        self._first = first
        self._grid = self._made(2)

    def _made(self, n: int) -> Any:
        import pandas as pd

        if isinstance(self.freq, int):
            return pd.RangeIndex(int(self._first), int(self._first) + n * self.freq, self.freq)
        made = pd.timedelta_range if isinstance(self._first, pd.Timedelta) else pd.date_range
        return made(self._first, periods=n, freq=self.freq)

    def stamps(self, positions: Array) -> Any:
        """Return the times at these positions, none of which is negative, as an index of pandas."""
        most = int(positions.max(initial=-1)) + 1
        if most > len(self._grid):
            self._grid = self._made(2 * most)
        return self._grid[positions]

    def positions(self, who: str, name: str, index: Any) -> npt.NDArray[np.int64]:
        """Return the position of each time of a series; ValueError if one is not on the line, TypeError if no time."""
        index = self._alike(who, name, as_times(who, name, index))
        self._reach(who, index[-1])
        found = np.asarray(self._grid.get_indexer(index), dtype=np.int64)
        if found.min() < 0:
            stray = index[int(found.argmin())]
            raise ValueError(
                f"{who}: expected times of series {name!r} from {self._grid[0]} on, {self.spacing} apart, got {stray}; "
                "give freq=, or bring the series to equal distances first, by series.resample(...).mean()"
            )
        return found

    def laid(self, who: str, name: str, values: Any, index: Any) -> tuple[Array, int]:
        """Return values at their positions, NaN at those in between, and the position of the first."""
        positions, numbers = self.positions(who, name, index), np.asarray(numbers_of(values))
        first, n = int(positions[0]), int(positions[-1] - positions[0]) + 1
        if len(positions) == n:
            return numbers, first
        result = np.full((n, *numbers.shape[1:]), np.nan, np.float64 if numbers.dtype.kind in "iub" else numbers.dtype)
        result[positions - first] = numbers
        return result, first

    @property
    def spacing(self) -> str:
        """The distance between neighbours, in words."""
        return str(self.freq) if isinstance(self.freq, int) else self.freq.freqstr

    def _reach(self, who: str, time: Any) -> None:
        """Let the line reach a time; ValueError if that is farther away than any series is long."""
        while self._grid[-1] < time:
            if len(self._grid) > MOST:
                raise ValueError(
                    f"{who}: expected at most {MOST:,} times, {self.spacing} apart, from {self._grid[0]} on, got {time}"
                )
            self._grid = self._made(2 * len(self._grid))

    def _alike(self, who: str, name: str, index: Any) -> Any:
        """Return times in the time zone of the line; TypeError if they are of another kind."""
        kind, own = kind_of(index), kind_of(self._grid)
        if kind != own:
            raise TypeError(f"{who}: expected series {name!r} to have {own} as the others do, got {kind}")
        return index.tz_convert(self._grid.tz) if getattr(index, "tz", None) is not None else index

    def place(self, who: str, time: Any, exact: bool) -> int:
        """Return the position of a time, or of the next; ``exact``: ValueError where it is not on the line."""
        import pandas as pd

        try:
            stamp = pd.Timedelta(time) if isinstance(self._first, pd.Timedelta) else pd.Timestamp(time)
            if isinstance(time, str) and isinstance(stamp, pd.Timestamp) and stamp.tz is None:
                stamp = stamp.tz_localize(getattr(self._grid, "tz", None))
            after = bool(self._grid[-1] < stamp)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"{who}: expected a position or one of {kind_of(self._grid)}, got {type(time).__name__} {time!r:.60}"
            ) from error
        if after:
            self._reach(who, stamp)
        position = int(self._grid.searchsorted(stamp))
        if exact and self._grid[position] != stamp:
            raise ValueError(
                f"{who}: expected one of the times from {self._grid[0]} on, {self.spacing} apart, got {stamp}"
            )
        return position


def has_index(values: Any) -> bool:
    """Return whether these are a Series or a DataFrame of pandas."""
    return hasattr(values, "index") and hasattr(values, "reindex")


def kind_of(index: Any) -> str:
    """Return what the times of an index of pandas are."""
    kind = index.dtype.kind
    if kind == "M":
        return "dates in a time zone" if getattr(index, "tz", None) is not None else "dates without a time zone"
    return "spans of time" if kind == "m" else "whole numbers"


def as_times(who: str, name: str, index: Any) -> Any:
    """Return an index whose times ascend; TypeError or ValueError, which say what to do, if it is none."""
    import pandas as pd

    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp()
    if isinstance(index, pd.MultiIndex) or index.dtype.kind not in "Mmiu":
        got = "several levels" if isinstance(index, pd.MultiIndex) else f"an index of {index.dtype}"
        hint = "select one series of it" if isinstance(index, pd.MultiIndex) else "use pd.to_datetime(series.index)"
        raise TypeError(
            f"{who}: expected the index of series {name!r} to hold dates, spans of time or whole numbers, got {got}; "
            f"{hint}, or give the values alone, by to_numpy()"
        )
    if not len(index):
        raise ValueError(f"{who}: expected at least one value in series {name!r}, got none")
    if index.hasnans:
        raise ValueError(f"{who}: expected times of series {name!r} without NaT, got {int(index.isna().sum())} of them")
    if index.has_duplicates:
        raise ValueError(
            f"{who}: expected each time of series {name!r} once, got {index[index.duplicated()][0]} twice; "
            "use series.groupby(level=0).mean()"
        )
    if not index.is_monotonic_increasing:
        raise ValueError(f"{who}: expected times of series {name!r} to ascend; use series.sort_index()")
    return index


def is_numbered(values: Any) -> bool:
    """Return whether a series of pandas has no times but the numbers 0 .. n - 1 that it gets by itself."""
    import pandas as pd

    return isinstance(values.index, pd.RangeIndex) and values.index.start == 0 and values.index.step == 1


def aligned(who: str, series: Mapping[str, Any], freq: Any) -> tuple[Timeline | None, dict[str, Any]]:
    """Return the line of times that these series share, and their values at its positions, NaN where there are none.

    Without an index there is no line, and the values stay as they are.  Arrays beside series that all have the same
    index have that one, too.
    """
    indices = _indices(who, series)
    if not indices:
        if freq is not None:
            raise TypeError(f"{who}: expected series of pandas with an index beside freq, got none; leave freq out")
        return None, {name: numbers_of(values) for name, values in series.items()}
    first = next(iter(indices.values()))
    if freq is None:
        freq = _usual(who, indices.values())
    elif kind_of(first) == "whole numbers":
        require_count(who, "freq", freq)
        freq = int(freq)
    else:
        freq = _offset(who, freq)
    timeline = Timeline(min(index[0] for index in indices.values()), freq)
    arrays = {}
    for name, index in indices.items():
        numbers, first = timeline.laid(who, name, series[name], index)
        before = np.full((first, *numbers.shape[1:]), np.nan)
        arrays[name] = np.concatenate([before, numbers]) if first else numbers
    return timeline, arrays


def _indices(who: str, series: Mapping[str, Any]) -> dict[str, Any]:
    """Return the times of each series, all of one kind; none if no series has an index."""
    own = {name: values.index for name, values in series.items() if has_index(values) and not is_numbered(values)}
    if not own:
        return {}
    own = {name: as_times(who, name, index) for name, index in own.items()}
    other, first = next(iter(own.items()))
    for name, index in own.items():
        if kind_of(index) != kind_of(first):
            raise TypeError(
                f"{who}: expected the times of all series to be of one kind, got {kind_of(first)} for {other!r} and "
                f"{kind_of(index)} for {name!r}; use tz_localize or tz_convert on the index of one"
            )
    shared = all(index.equals(first) for index in own.values())
    for name, values in series.items():
        if name not in own and not (shared and len(values) == len(first)):
            raise TypeError(
                f"{who}: expected series {name!r} to have an index as {other!r} has, got {type(values).__name__} of "
                f"{len(values)} values; give pd.Series(values, index=...)"
            )
    return {name: own.get(name, first) for name in series}


def are_whole(values: Any) -> bool | None:
    """Return whether a Series of pandas holds whole numbers, missing ones aside; None if the values are to tell."""
    return values.dtype.kind in "iub" if has_index(values) and hasattr(values, "dtype") else None


def numbers_of(values: Any) -> Any:
    """Return the numbers of a Series or a DataFrame, NaN for what is missing; other values as they are."""
    if not has_index(values):
        return values
    import pandas as pd

    columns = values.dtypes if isinstance(values, pd.DataFrame) else [values.dtype]
    numbers = all(pd.api.types.is_numeric_dtype(dtype) for dtype in columns)
    if numbers and any(isinstance(dtype, pd.api.extensions.ExtensionDtype) for dtype in columns):
        missing = values.isna().to_numpy().any()
        return values.to_numpy(dtype=np.float64, na_value=np.nan) if missing else values.to_numpy()
    return values.to_numpy()


def _usual(who: str, indices: Any) -> Any:
    """Return the distance of neighbours: what an index says of itself, else the least of what is usual in each."""
    import pandas as pd

    steps = []
    for index in indices:
        freq = getattr(index, "freq", None)
        if freq is None and index.dtype.kind in "Mm" and len(index) > 2:
            with catch_warnings():
                simplefilter("ignore")  # pandas 3 announces that 4 gives an offset, not its text; both will do
                freq = pd.infer_freq(index)
        if freq is not None:
            return pd.tseries.frequencies.to_offset(freq)
        if len(index) > 1:
            between = np.sort(np.diff(index.asi8 if index.dtype.kind in "Mm" else index.to_numpy()))
            usual = between[(len(between) - 1) // 2]
            steps.append(pd.Timedelta(int(usual), unit=index.unit) if index.dtype.kind in "Mm" else int(usual))
    if not steps and index.dtype.kind in "Mm":
        raise ValueError(f"{who}: expected at least two times in one series, or freq=, the distance between them")
    step = min(steps, default=1)
    return step if isinstance(step, int) else pd.tseries.frequencies.to_offset(step)


def _offset(who: str, freq: Any) -> Any:
    """Return a distance of times as pandas knows it."""
    import pandas as pd

    try:
        return pd.tseries.frequencies.to_offset(freq)
    except ValueError as error:
        raise ValueError(
            f"{who}: expected freq to be a distance of times as pandas writes it, such as '15min' or 'h', got {freq!r}"
        ) from error
