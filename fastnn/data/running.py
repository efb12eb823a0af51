"""Standardising a stream: means and variances that follow it row by row, and may forget."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fastnn._core.moments import Moments
from fastnn._spec import require_number
from fastnn.data.standardize import Array, float_type
from fastnn.errors import ModelFormatError

Numbers = npt.NDArray[np.float64]
_CHUNK = 1 << 18  # elements that are turned into float64 at once
_LARGEST = 1e150  # of a value: sums of squares stay finite


class RunningStandardizer:
    """Subtract the mean of each column so far and divide by its standard deviation so far.

    Parameters
    ----------
    half_life : float, optional
        After so many further values of its column a value counts half; above 0.  Without it all count alike.
    clip : float, optional
        Largest size of a standardised value, above 0; what is beyond becomes +-clip.  Without it there is none.

    Attributes
    ----------
    rows : int
        Rows seen so far.
    count : ndarray of shape (I,), float64
        Sum of the weights of the values of each column; without ``half_life`` their number.
    mean, variance : ndarray of shape (I,), float64
        Of each column; the variance is divided by ``count``.
    scale : ndarray of shape (I,), float64
        Standard deviation of each column, 1 where it has not varied yet.

    Raises
    ------
    TypeError, ValueError
        If half_life or clip is not a number above 0.

    Notes
    -----
    NaN stands for a missing value: its column learns nothing from that row, and it becomes 0, the mean.  So does every
    value of a column that has not varied yet, for which no scale is known.

    With ``d = 2^(-1 / half_life)``, or 1, a value x changes count n, mean m and sum of squared deviations s so:
    ``n <- d n + 1; m' = m + (x - m) / n; s <- d s + (x - m)(x - m')`` [Welford 1962; with weights, West 1979], in
    float64.  Rows given together have the bits of rows given one after the other.

    `Standardizer` is for data that are there as a whole: it takes any shape of a row and refuses what is missing.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> running = fn.RunningStandardizer()
    >>> for x in [[1.0, 5.0], [3.0, np.nan], [5.0, 6.0]]:
    ...     running = running.update(x)
    >>> running.mean
    array([3. , 5.5])
    >>> running.transform([3.0, 6.0])
    array([0., 1.])
    """

    def __init__(self, *, half_life: float | None = None, clip: float | None = None) -> None:
        for name, value in (("half_life", half_life), ("clip", clip)):
            if value is not None:
                require_number("RunningStandardizer", name, value, low=0.0, strict=True)
        self.half_life, self.clip = half_life, clip
        self._moments: Moments | None = None

    @property
    def rows(self) -> int:
        """Rows seen so far."""
        return 0 if self._moments is None else self._moments.rows

    @property
    def count(self) -> Numbers:
        """Sum of the weights of the values of each column."""
        return self._state()[0]

    @property
    def mean(self) -> Numbers:
        """Mean of each column."""
        return self._state()[1]

    @property
    def variance(self) -> Numbers:
        """Variance of each column, 0 where there is no value yet."""
        count, _, squares = self._state()
        return squares / np.where(count > 0, count, 1.0)

    @property
    def scale(self) -> Numbers:
        """Standard deviation of each column, 1 where it has not varied yet."""
        deviation = np.sqrt(self.variance)
        return np.where(deviation > 0, deviation, 1.0)

    def update(self, x: npt.ArrayLike) -> Self:
        """Learn from one row or several.

        Parameters
        ----------
        x : array_like of shape (I,) or (B, I)
            Numbers, NaN where one is missing.

        Returns
        -------
        RunningStandardizer
            Itself.

        Raises
        ------
        TypeError
            If they are not numbers.
        ValueError
            If they have another shape than before, or a value is infinite or beyond 1e150; nothing is learnt then.
        """
        moments = self._moments
        if moments is not None and moments.take(x):  # one row, ready as it is
            moments.learn()
            return self
        data = self._numbers(x, learning=True)
        rows = data.reshape(-1, data.shape[-1])
        _require_bounded(rows)
        moments = self.begin(rows.shape[1])
        for piece in _pieces(rows):
            moments.learn_rows(piece)
        return self

    def transform(self, x: npt.ArrayLike, out: Array | None = None) -> Array:
        """Return one row or several standardised, by what was learnt so far.

        Parameters
        ----------
        x : array_like of shape (I,) or (B, I)
            Numbers, NaN where one is missing.
        out : ndarray of the same shape, float32 or float64, optional
            Where to write the result; may be x.

        Returns
        -------
        ndarray of the same shape, float32 for float32 data and otherwise float64
            ``(x - mean) / scale``, worked out in float64; 0 for NaN and for columns that have not varied yet.  ``out``,
            if given.

        Raises
        ------
        RuntimeError
            If nothing was learnt yet.
        TypeError, ValueError
            If x are not numbers, of another shape, infinite or beyond 1e150; or out does not fit.
        """
        if out is None and self._moments is not None and self._moments.take(x):  # one row, ready as it is
            out = np.empty_like(x)
            self._moments.write(out)
            return out
        data = self._numbers(x)
        rows = data.reshape(-1, data.shape[-1])
        _require_bounded(rows)
        if out is None:
            out = np.empty(data.shape, float_type(data))
        elif not isinstance(out, np.ndarray) or out.dtype not in (np.float32, np.float64) or not out.flags.writeable:
            got = f"a read-only one or one of {out.dtype}" if isinstance(out, np.ndarray) else type(out).__name__
            raise TypeError(
                f"RunningStandardizer: expected out to be a writable array of float32 or float64, got {got}"
            )
        elif out.shape != data.shape:
            raise ValueError(f"RunningStandardizer: expected out of shape {data.shape}, got {out.shape}")
        assert self._moments is not None
        written, start = out[None] if out.ndim == 1 else out, 0
        for piece in _pieces(rows):
            z = np.empty_like(piece)
            self._moments.write_rows(piece, z)
            written[start : start + len(z)] = z
            start += len(z)
        return out

    def inverse_transform(self, z: npt.ArrayLike) -> Array:
        """Return what ``transform`` made z of; columns that have not varied yet become their mean.

        Parameters
        ----------
        z : array_like of shape (I,) or (B, I)
            Standardised values.

        Returns
        -------
        ndarray of the same shape, float32 for float32 data and otherwise float64
            ``mean + z * sqrt(variance)``, worked out in float64.

        Raises
        ------
        RuntimeError
            If nothing was learnt yet.
        TypeError, ValueError
            If z are not numbers or of another shape.
        """
        data = self._numbers(z)
        return (self.mean + data.astype(np.float64) * np.sqrt(self.variance)).astype(float_type(data), copy=False)

    def merge(self, other: "RunningStandardizer") -> Self:
        """Learn what another one has learnt, as from its rows; it stays as it is.

        Parameters
        ----------
        other : RunningStandardizer
            Of another part of the data.

        Returns
        -------
        RunningStandardizer
            Itself.

        Raises
        ------
        TypeError
            If it is none.
        ValueError
            If it has other columns, or one of the two has a half-life: which of the rows came later is not known.

        Notes
        -----
        Equation (2.1) of Chan, Golub & LeVeque, Updating formulae and a pairwise algorithm for computing sample
        variances (1979).

        Examples
        --------
        >>> import fastnn as fn
        >>> one, other = fn.RunningStandardizer().update([[1.0], [2.0]]), fn.RunningStandardizer().update([6.0])
        >>> one.merge(other).mean
        array([3.])
        """
        if not isinstance(other, RunningStandardizer):
            raise TypeError(f"RunningStandardizer: expected another one to merge, got {type(other).__name__}")
        if self.half_life is not None or other.half_life is not None:
            raise ValueError(
                "RunningStandardizer: expected two without half_life to merge, since which rows came later is not known"
            )
        if other._moments is None:
            return self
        moments = self.begin(other._moments.width)
        (n, mean, squares), (more, mean_of_more, squares_of_more) = moments.state, other._moments.state
        total, gap = n + more, mean_of_more - mean
        share = more / np.where(total > 0, total, 1.0)
        moments.state[...] = total, mean + gap * share, squares + squares_of_more + gap**2 * n * share
        moments.rows += other._moments.rows
        return self

    def to_config(self) -> dict[str, Any]:
        """Return options and what was learnt as a dict of JSON values.

        Returns
        -------
        dict
            "type", "half_life", "clip", "rows", and the lists "count", "mean" and "squares" (sums of squared
            deviations), empty before the first row.
        """
        count, mean, squares = ([], [], []) if not self.rows else self._state().tolist()
        return {
            "type": "RunningStandardizer",
            "half_life": self.half_life,
            "clip": self.clip,
            "rows": self.rows,
            "count": count,
            "mean": mean,
            "squares": squares,
        }

    @classmethod
    def from_config(cls, config: Any) -> Self:
        """Return the standardizer that ``to_config`` described.

        Parameters
        ----------
        config : dict
            What `to_config` gave.

        Returns
        -------
        RunningStandardizer
            Equal to the one saved; it goes on with the same bits.

        Raises
        ------
        ModelFormatError
            If a field is missing, unknown or of an impossible value.
        """
        fields = ("type", "half_life", "clip", "rows", "count", "mean", "squares")
        if not isinstance(config, dict) or set(config) != set(fields) or config["type"] != "RunningStandardizer":
            raise ModelFormatError(f"RunningStandardizer: expected the fields {', '.join(fields)}, got {config!r:.80}")
        try:
            standardizer, rows = cls(half_life=config["half_life"], clip=config["clip"]), config["rows"]
            state = np.asarray([config["count"], config["mean"], config["squares"]], dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ModelFormatError(f"RunningStandardizer: expected numbers, {error}") from error
        if type(rows) is not int or rows < 0 or state.ndim != 2 or (rows > 0) != (state.size > 0):
            raise ModelFormatError(
                f"RunningStandardizer: expected a number of rows and lists of numbers, got {rows!r:.20} and lists of "
                f"shape {state.shape[1:]}"
            )
        if not np.isfinite(state).all() or (state[[0, 2]] < 0).any():
            raise ModelFormatError("RunningStandardizer: expected finite means, and counts and squares of at least 0")
        if rows:
            standardizer.begin(state.shape[1], state, rows)
        return standardizer

    def __repr__(self) -> str:
        options = "".join(f", {name}={value:g}" for name, value in self._options().items())
        return (
            f"RunningStandardizer(rows={self.rows}, columns={self._moments.width if self._moments else None}{options})"
        )

    def _options(self) -> dict[str, float]:
        """Return the options that were given."""
        return {name: value for name in ("half_life", "clip") if (value := getattr(self, name)) is not None}

    def begin(self, width: int, state: Any = None, rows: int = 0) -> Moments:
        """Return the moments of rows of ``width`` columns, made now if there are none; for who feeds them directly.

        Raises
        ------
        ValueError
            If there are some of another width.
        """
        if self._moments is None:
            decay = 1.0 if self.half_life is None else 2.0 ** (-1.0 / self.half_life)
            self._moments = Moments(width, decay, self.clip or 0.0, state, rows)
        if self._moments.width != width:
            raise ValueError(f"RunningStandardizer: expected {self._moments.width} columns as before, got {width}")
        return self._moments

    def _state(self) -> Numbers:
        return np.zeros((3, 0)) if self._moments is None else self._moments.state.copy()

    def _numbers(self, x: npt.ArrayLike, learning: bool = False) -> Array:
        data = np.asarray(x)
        if data.dtype.kind not in "biuf":
            raise TypeError(
                f"RunningStandardizer: expected numbers, got dtype {data.dtype}; encode texts as numbers, write NaN "
                "for what is missing"
            )
        if self._moments is None and not learning:
            raise RuntimeError("RunningStandardizer: nothing learnt yet; call update first")
        columns = "I" if self._moments is None else self._moments.width
        if data.ndim not in (1, 2) or not data.size or (self._moments and data.shape[-1] != self._moments.width):
            raise ValueError(
                f"RunningStandardizer: expected a row of shape ({columns},) or rows (B, {columns}), got {data.shape}"
            )
        return data


def _pieces(rows: Array) -> Any:
    """Yield the rows as float64, packed, some at a time."""
    step = max(1, _CHUNK // rows.shape[1])
    for start in range(0, len(rows), step):
        yield np.require(rows[start : start + step], np.float64, ["C", "A"])


def _require_bounded(rows: Array) -> None:
    """Raise unless every value is NaN or at most 1e150."""
    for piece in _pieces(rows) if rows.dtype.kind == "f" else ():
        bad = ~(np.abs(piece) <= _LARGEST) & ~np.isnan(piece)
        if bad.any():
            column = int(bad.any(axis=0).argmax())
            raise ValueError(
                f"RunningStandardizer: expected finite numbers up to 1e150, or NaN where one is missing, got "
                f"{piece[bad[:, column], column][0]} in column {column}"
            )
