"""Windows over time series: examples to learn a forecast from, cut out of the series as they are needed."""

from collections.abc import Callable, Mapping
from copy import copy
from math import inf
from numbers import Integral
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fastnn._spec import choose, float_dtype, optional, require_count, require_flag
from fastnn.data.examples import Examples
from fastnn.data.fill import Filled, Rule
from fastnn.data.inputs import Inputs, Lags, Needed, require_known
from fastnn.data.ports import check_out
from fastnn.data.roll_out import roll_out
from fastnn.data.series import Offsets, Series
from fastnn.data.timeline import aligned, are_whole, as_times, has_index, is_numbered, numbers_of

Array = npt.NDArray[Any]


class Windows(Examples):
    """Sliding windows over one or several series, for ``fit``, ``evaluate`` and ``predict`` in place of rows.

    The example of time t has, as inputs, values of each series at ``t - lag`` for its lags, and as target the values
    of one series at ``t .. t + horizon - 1``.  The matrix of all windows is never built.

    Parameters
    ----------
    series : dict of str to array_like of shape (T,) or (T, C), or DataFrame
        Series by name, all from time 0 on and equally spaced; some may be known further ahead than others, and NaN
        stands where nothing is known.  Arrays are copied, memmaps read where they lie.  Series and frames of pandas
        are put together by their index: time 0 is the first of any, and times that are missing are gaps.
    target : str
        The series to forecast.
    lags : int, iterable of int, or dict of these by series
        How far back values are seen: 3 means at 1, 2 and 3 steps; ``range(1, 289, 12)`` every twelfth.  Lag 0 is the
        value at t itself, -1 the one after it: for series that are known in advance, such as a weather forecast.
        Series that a dict leaves out are not seen; an int or iterable is for all but that of the weights.
    horizon : int
        Steps that are forecast at once: the network has that many outputs, times C.
    columns : callable, optional
        Further inputs, such as the time of day: ``columns(times)`` gives (n, K) numbers for times (n,), int64, or the
        index of pandas that belongs to them where the series have one.
    sample_weight : str or callable, optional
        Weight of each example: a series, by its value at t, or ``sample_weight(times)`` gives (n,).
    scalers : dict of str to Standardizer, optional
        Fitted to the values of a series, which is standardised then, as input and as target.
    fill : {"forward", "linear"}, float, or dict of these by series, optional
        How gaps are filled for the inputs: by the last value before, by a line to the value after, or by a number in
        the units of the series.  A line is seen only by windows that reach to its end.  Targets are never filled.
    fill_limit : int, optional
        How many missing values in a row are filled: of longer gaps the first so many, by a line none.
    mask : bool
        Whether each series that is filled is followed by inputs at the same lags that are 1 where a value was there
        and 0 where it was filled.
    freq : str, int or offset, optional
        Distance of neighbouring times of an index as pandas writes it, such as "15min", "h" or "MS"; left out, it is
        what is usual in the index.
    stride : int
        Steps from one example to the next.
    epoch_size : int, optional
        Examples that an epoch takes at most, see `Examples`.
    dtype : {"float32", "float64"}
        Of the inputs: that of the network.

    Attributes
    ----------
    times : ndarray of shape (len(self),), int64
        The time t of each example: all those whose inputs, targets and weight are known and finite.
    width : int
        Inputs of an example: the network's ``input_shape``.
    end : int
        The time after the last value of the target: the next to forecast.
    scalers : dict of str to Standardizer
        As given; ``Standardizer.to_config`` makes them metadata of a saved network.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, a name is unknown, or a lag would show the target what it is to forecast.

    Notes
    -----
    Inputs stand series by series in the order of ``series``, within a series from the oldest time to the newest, at
    each time channel by channel; then come the columns.  ``Reshape((n, C))`` makes a sequence for recurrent layers of
    the n lags of a (T, C) series.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> wave = np.sin(np.arange(1000) / 5)
    >>> windows = fn.Windows({"wave": wave}, "wave", lags=8)
    >>> train, validation = windows.split(-100)
    >>> len(train), len(validation)
    (892, 100)
    >>> net = fn.Sequential([fn.Dense(16, "tanh"), fn.Dense(1)], windows.width, seed=0)
    >>> history = net.fit(train, epochs=50, validation_data=validation, loss="squared_error", optimizer="adam")
    >>> ahead = windows.roll_out(net, 50)
    >>> bool(np.abs(ahead - np.sin(np.arange(1000, 1050) / 5)).max() < 0.2)
    True
    """

    def __init__(
        self,
        series: Mapping[str, Any],
        target: str,
        *,
        lags: Lags | Mapping[str, Lags],
        horizon: int = 1,
        columns: Callable[[Any], Any] | None = None,
        sample_weight: str | Callable[[Any], Any] | None = None,
        scalers: Mapping[str, Any] | None = None,
        fill: Rule | Mapping[str, Rule] | None = None,
        fill_limit: int | None = None,
        mask: bool = False,
        freq: Any = None,
        stride: int = 1,
        epoch_size: int | None = None,
        dtype: Any = "float32",
    ) -> None:
        require_count("Windows", "horizon", horizon)
        require_count("Windows", "stride", stride)
        optional(require_count, "Windows", "epoch_size", epoch_size)
        optional(require_count, "Windows", "fill_limit", fill_limit)
        require_flag("Windows", "mask", mask)
        series = _by_name("Windows", "series", series)
        if not series:
            raise TypeError("Windows: expected at least one series, got none")
        self.scalers = dict(scalers or {})
        for kind, names in (("target", [target]), ("series of scalers", self.scalers)):
            for name in names:
                choose(f"Windows: unknown {kind}", name, series)
        self.dtype, self.epoch_size = float_dtype("Windows", dtype), epoch_size
        self.horizon, self.stride = horizon, stride
        whole = {name: are_whole(values) for name, values in series.items()}
        self._timeline, arrays = aligned("Windows", series, freq)
        self._series = {
            name: Series("Windows", name, arrays[name], self.scalers.get(name), self.dtype, whole[name])
            for name in series
        }
        self._columns = columns
        self.target, self._sample_weight = target, sample_weight
        if isinstance(sample_weight, str):
            choose("Windows: unknown series of sample_weight", sample_weight, series)
        elif sample_weight is not None and not callable(sample_weight):
            raise TypeError(
                "Windows: expected sample_weight to be the name of a series or a function of times, got "
                f"{type(sample_weight).__name__}; give an array as one of the series"
            )
        self._filled = self._fillings(fill, fill_limit)
        if mask and not self._filled:
            raise ValueError("Windows: expected fill beside mask=True, got none; give fill, or leave mask out")
        flags = {name: filled.flags for name, filled in self._filled.items()} if mask else {}
        for name in {flag.name for flag in flags.values()} & set(series):
            raise ValueError(f"Windows: expected no series {name!r} beside mask=True, which makes one; rename it")
        made = None if columns is None else self._made
        self._inputs = Inputs({**self._series, **self._filled}, lags, made, target, sample_weight, flags)
        self._ahead, self._now, self.width = Offsets(range(horizon)), Offsets([0]), self._inputs.width
        self._start = 0
        self._stop: float = inf
        self.times: npt.NDArray[np.int64] = self._found(0)

    def _fillings(self, fill: Any, limit: int | None) -> dict[str, Filled]:
        """Return the series whose gaps are filled."""
        if isinstance(fill, Mapping):
            for name in fill:
                choose("Windows: unknown series of fill", name, self._series)
        elif fill is None:
            if limit is not None:
                raise ValueError(
                    f"Windows: expected fill_limit beside fill, got {limit} alone; give fill, or leave it out"
                )
            fill = {}
        else:
            fill = {name: fill for name in self._series if name != self._sample_weight}
        return {name: Filled("Windows", self._series[name], rule, limit) for name, rule in fill.items()}

    def _made(self, times: Array) -> Any:
        """Return what ``columns`` gives for these times."""
        assert self._columns is not None
        return self._columns(self.stamps(times))

    def stamps(self, times: Any = None) -> Any:
        """Return the times as the index of the series has them.

        Parameters
        ----------
        times : array_like of shape (n,), int, optional
            Which times, such as ``range(windows.end, windows.end + 24)``; those of the examples if left out.

        Returns
        -------
        pandas.Index of length n, or ndarray of shape (n,), int64
            The times as they are, where the series have no index.

        Raises
        ------
        TypeError, ValueError
            If they are no whole numbers of at least 0.
        """
        places = self.times if times is None else np.asarray(times)
        if places.ndim != 1 or (places.size and places.dtype.kind not in "iu"):
            raise TypeError(f"stamps: expected times (n,), whole numbers, got {places.dtype} of shape {places.shape}")
        if places.size and places.min() < 0:
            raise ValueError(f"stamps: expected times of at least 0, got {places.min()}")
        places = places.astype(np.int64)
        return places if self._timeline is None else self._timeline.stamps(places)

    # ---- which examples there are ----------------------------------------------------------------------------------

    def _needed(self) -> Needed:
        """Return every series and offsets that an example looks at."""
        needed = [*self._inputs.needed, (self._series[self.target], self._ahead)]
        if isinstance(self._sample_weight, str):
            needed.append((self._series[self._sample_weight], self._now))
        return needed

    def _found(self, first: int) -> npt.NDArray[np.int64]:
        """Return the times of examples from ``first`` on."""
        first = max(first, self._start)
        first += (self._start - first) % self.stride
        stop = int(min(self._stop, self.end)) - self.horizon + 1
        known = np.ones(max(stop - first, 0), dtype=bool)
        for series, offsets in self._needed():
            known &= series.known(first, stop, offsets)
        return first + self.stride * np.flatnonzero(known[:: self.stride])

    @property
    def end(self) -> int:
        """The time after the last value of the target."""
        return self._series[self.target].length

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.times)

    def between(self, start: Any = None, stop: Any = None) -> Self:
        """Return those examples whose targets lie from ``start`` to before ``stop``.

        Parameters
        ----------
        start, stop : int or date, optional
            Times; negative ones count back from ``end``.  Dates, and texts of such, where the series have an index.

        Returns
        -------
        Windows
            Of the same series, not copied.  Their inputs may lie before ``start``.

        Raises
        ------
        TypeError
            If a time is neither an integer nor one of the index.
        """
        part = copy(self)
        if start is not None:
            start = self._time("between", start)
            part._start = max(self._start, start + (self._start - start) % self.stride)
        if stop is not None:
            part._stop = min(self._time("between", stop), self._stop)
        part.times = self.times[(self.times >= part._start) & (self.times + self.horizon <= part._stop)]
        return part

    def split(self, at: Any) -> tuple[Self, Self]:
        """Return the examples with all targets before a time, and those with all targets from there on.

        Parameters
        ----------
        at : int or date
            The time; negative: so many steps before ``end``.  Examples whose targets lie on both sides are left out.

        Returns
        -------
        before, after : Windows
            To learn from, and to validate with.

        Raises
        ------
        TypeError
            If it is neither an integer nor one of the index.
        """
        return self.between(None, at), self.between(at, None)

    def append(self, values: Mapping[str, Any], *, at: Any = None) -> None:
        """Add what has become known since.

        Parameters
        ----------
        values : dict of str to array_like of shape (n,) or (n, C), or DataFrame
            The next values of some of the series, or of all; those with an index belong where it says, and times in
            between that are missing become gaps.
        at : int or date, optional
            Time of the first value; earlier ones from there on are replaced, such as a forecast by what was measured.
            Where it is left out, each series goes on at its end.

        Raises
        ------
        TypeError, ValueError
            If the values do not fit, or a series is a memmap.  Nothing is added then.

        Notes
        -----
        Parts made by ``split`` and ``between`` have the same series, but keep the examples that they had.
        """
        values = _by_name("append", "values", values)
        for name in values:
            choose("append: unknown series", name, self._series)
        dated = False
        if at is not None:
            if self._timeline is None or isinstance(at, Integral):
                require_count("append", "at", at, low=0)
            dated, at = not isinstance(at, Integral), self._time("append", at, exact=True)
        placed = {name: self._placed(name, part, at, dated) for name, part in values.items()}
        checked = {name: self._series[name].checked("append", part, place) for name, (part, place) in placed.items()}
        for name, array in checked.items():
            self._series[name].store(array, placed[name][1])
            if name in self._filled:
                self._filled[name].update(placed[name][1])
        furthest = max(offsets.last for _, offsets in self._needed())
        changed = min((place for _, place in placed.values()), default=self.end) - furthest
        self.times = np.concatenate([self.times[self.times < changed], self._found(max(changed, 0))])

    def _placed(self, name: str, values: Any, at: int | None, dated: bool) -> tuple[Any, int]:
        """Return values to append, and the time of the first; ``dated``: a gap before it is filled with NaN."""
        end = self._series[name].length
        if not has_index(values) or is_numbered(values):
            numbers, first = numbers_of(values), end if at is None else at
        elif self._timeline is None or at is not None:
            why = "the series began without one" if self._timeline is None else "at says where they belong"
            raise TypeError(f"append: expected values of series {name!r} without an index, as {why}; use to_numpy()")
        else:
            numbers, first = self._timeline.laid("append", name, values, as_times("append", name, values.index))
            dated = True
        if first <= end or not dated:
            return numbers, first
        numbers = np.asarray(numbers)
        return np.concatenate([np.full((first - end, *numbers.shape[1:]), np.nan), numbers]), end

    def _time(self, who: str, time: Any, exact: bool = False) -> int:
        """Return a time that may be counted from the end, or be one of the index, ``exact``: itself."""
        if isinstance(time, bool | np.timedelta64) or not isinstance(time, Integral):
            if self._timeline is None or isinstance(time, bool | float):
                raise TypeError(f"{who}: expected a time to be an integer, got {type(time).__name__} {time!r:.60}")
            return self._timeline.place(who, time, exact)
        return max(int(time) + self.end, 0) if time < 0 else int(time)

    # ---- what they are ---------------------------------------------------------------------------------------------

    def gather(self, rows: Any) -> tuple[Any, ...]:
        """Return some examples.

        Parameters
        ----------
        rows : array_like of shape (B,), int
            Which: positions in ``times``.

        Returns
        -------
        X : ndarray of shape (B, width)
            Inputs.
        y : ndarray of shape (B, horizon * C)
            Targets; whole numbers if the target has such and no scaler.
        sample_weight : ndarray of shape (B,) or None
            Weights.

        Raises
        ------
        TypeError
            If they are not whole numbers.
        IndexError
            If there are not so many.
        """
        chosen = np.asarray(rows)
        if chosen.size and chosen.dtype.kind not in "iu":
            raise TypeError(f"gather: expected rows to be positions in times, whole numbers, got {chosen.dtype}")
        times = self.times[chosen.astype(np.int64)]
        X = self._inputs.gather(times)
        y = self._series[self.target].take(times, self._ahead)
        if isinstance(self._sample_weight, str):
            return X, y, self._series[self._sample_weight].take(times, self._now)[:, 0]
        return X, y, None if self._sample_weight is None else self._sample_weight(self.stamps(times))

    def row(self, time: Any, out: Array | None = None) -> Array:
        """Return the inputs to forecast from some time on, which may be ``end``.

        Parameters
        ----------
        time : int or date
            The first time to forecast; negative ones count back from ``end``.
        out : ndarray of shape (width,), optional
            Where to write them.

        Returns
        -------
        ndarray of shape (width,)
            ``out``, if it was given.

        Raises
        ------
        TypeError, ValueError
            If a value that it looks at is not known, or ``out`` does not fit.
        """
        time = self._time("row", time, exact=True)
        require_known("row", time, time + 1, self._inputs.needed)
        if out is None:
            out = np.empty(self.width, self.dtype)
        else:
            check_out("row", out, [np.empty(self.width, self.dtype)])
        made = None if self._inputs.columns is None else self._inputs.made(np.array([time]))[0]
        self._inputs.write(out, time, made, self._inputs.series)
        return out

    @property
    def feature_names(self) -> list[str]:
        """A name for each input, such as ``load[t-1]``."""
        return self._inputs.names

    # ---- forecasting -----------------------------------------------------------------------------------------------

    def inverse_transform(self, y: Any) -> Array:
        """Return answers of a network in the units of the target.

        Parameters
        ----------
        y : array_like of shape (..., horizon * C)
            Answers, or targets from ``gather``.

        Returns
        -------
        ndarray of the same shape
            Themselves, if the target has no scaler.

        Raises
        ------
        ValueError
            If the last axis has another size.
        """
        target, answers = self._series[self.target], np.asarray(y)
        if answers.ndim == 0 or answers.shape[-1] != self.horizon * target.size:
            raise ValueError(
                f"inverse_transform: expected answers of shape (..., {self.horizon * target.size}), got {answers.shape}"
            )
        if target.scaler is None:
            return answers
        return target.scaler.inverse_transform(answers.reshape(-1, *target.channels)).reshape(answers.shape)

    def roll_out(self, net: Any, steps: int, *, start: Any = None) -> Array:
        """Forecast further than the horizon: answers are taken for values of the target, and the windows move on.

        Parameters
        ----------
        net : Network
            With ``width`` inputs and ``horizon * C`` outputs.
        steps : int
            How many steps to forecast.
        start : int or date, optional
            The first time to forecast, ``end`` if left out; negative ones count back from there.  What is known of the
            target from then on is not looked at.  Where values just before it are missing, and not filled, the
            network's own answers stand for them, from the last time on whose window is known.

        Returns
        -------
        ndarray of shape (steps,) or (steps, C)
            The forecast, in the units of the target.

        Raises
        ------
        TypeError, ValueError
            If the network does not fit, or another series is not known as far ahead as it is looked at.
        """
        require_count("roll_out", "steps", steps)
        start = self.end if start is None else self._time("roll_out", start, exact=True)
        target, answered = self._series[self.target], self.horizon * self._series[self.target].size
        if net.input_shape != (self.width,) or net.output_shape != (answered,):
            raise ValueError(
                f"roll_out: expected a network ({self.width},) -> ({answered},), got {net.input_shape} -> "
                f"{net.output_shape}"
            )
        if not 0 <= start <= self.end:
            raise ValueError(f"roll_out: expected a start of at most {self.end}, the end of the target, got {start}")
        found = roll_out(self._inputs, target, self.horizon, net, steps, start)
        return found if target.scaler is None else target.scaler.inverse_transform(found)

    def __repr__(self) -> str:
        series = ", ".join(f"{name} {(s.length, *s.channels)}" for name, s in self._series.items())
        return f"<Windows {len(self):,} examples, {self.width:,} inputs -> {self.target}; {series}>"


def _by_name(who: str, what: str, series: Any) -> Mapping[str, Any]:
    """Return series by name, of a dict or of the columns of a DataFrame; TypeError or ValueError if it is neither."""
    if isinstance(series, Mapping):
        return series
    if not has_index(series) or not hasattr(series, "columns"):
        raise TypeError(
            f"{who}: expected {what} to be a dict of arrays by name or a DataFrame, got {type(series).__name__}"
        )
    if series.columns.has_duplicates:
        name = series.columns[series.columns.duplicated()][0]
        raise ValueError(f"{who}: expected each column of {what} once, got {name!r} twice; rename one")
    return {name: series[name] for name in series.columns}
