"""Standardising a stream: means and variances that follow it row by row, and may forget."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fastnn._core.moments import Moments
from fastnn._spec import above_0, optional
from fastnn.data.containers import Names, names_of, row_names
from fastnn.data.standardize import Array, ColumnScaler, float_type, pieces

_LARGEST = 1e150  # of a value: sums of squares stay finite


class RunningStandardizer(ColumnScaler):
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

    _who, _learn_by = "RunningStandardizer", "update"
    _takes_missing = True
    _options = ("half_life", "clip")

    def __init__(self, *, half_life: float | None = None, clip: float | None = None) -> None:
        optional(above_0, self._who, "half_life", half_life)
        optional(above_0, self._who, "clip", clip)
        self.half_life, self.clip = half_life, clip

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
        if self._moments is not None and self._moments.take(x):  # one row, ready as it is
            self._moments.learn()
            return self
        data = self._numbers(x, learning=True)
        rows = data.reshape(-1, data.shape[-1])
        _require_bounded(rows)
        moments = self.begin(rows.shape[1])
        for piece in pieces(rows):
            moments.learn_rows(_packed(piece))
        self._names = self._names or self._names_of(x)
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
        moments = self.begin(rows.shape[1])
        for piece, written in zip(pieces(rows), pieces(out[None] if out.ndim == 1 else out), strict=True):
            moments.write_rows(z := np.array(piece, np.float64, order="C"))
            written[...] = z
        return out

    def inverse_transform(self, z: npt.ArrayLike) -> Array:
        """Return what ``transform`` made z of, as `Standardizer.inverse_transform`.

        Columns that have not varied yet become their mean: ``mean + z * sqrt(variance)``.
        """
        return self._inverse(z, np.sqrt(self.variance))

    def merge(self, other: "RunningStandardizer") -> Self:
        """Learn what another one has learnt, as from its rows [Chan, Golub & LeVeque 1979, equation (2.1)].

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

    def begin(self, width: int) -> Moments:
        """Return the moments of rows of ``width`` columns, made now if there are none; for who feeds them directly."""
        moments = self._begin((width,))
        if moments.width != width:
            raise ValueError(f"RunningStandardizer: expected {moments.width} columns as before, got {width}")
        return moments

    def _rule(self) -> tuple[float, float]:
        return 1.0 if self.half_life is None else 2.0 ** (-1.0 / self.half_life), self.clip or 0.0

    def _names_of(self, X: Any) -> Names:
        return names_of(X) or row_names(X)

    def _misfit(self, data: Array, learning: bool) -> str:
        columns = "I" if self._shape is None else self._shape[0]
        if data.ndim in (1, 2) and data.size and columns in ("I", data.shape[-1]):
            return ""
        return f"a row of shape ({columns},) or rows (B, {columns}), got {data.shape}"


def _packed(piece: Array) -> Array:
    """Return rows as packed float64."""
    return np.require(piece, np.float64, ["C", "A"])


def _require_bounded(rows: Array) -> None:
    """Raise unless every value is NaN or at most 1e150."""
    for piece in pieces(rows) if rows.dtype.kind == "f" else ():
        bad = ~(np.abs(_packed(piece)) <= _LARGEST) & ~np.isnan(piece)
        if bad.any():
            column = int(bad.any(axis=0).argmax())
            raise ValueError(
                f"RunningStandardizer: expected finite numbers up to 1e150, or NaN where one is missing, got "
                f"{piece[bad[:, column], column][0]} in column {column}"
            )
