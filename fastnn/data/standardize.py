"""Standardising: columns of mean 0 and standard deviation 1, learnt in one pass over any number of pieces."""

from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fastnn.errors import ModelFormatError

Array = npt.NDArray[Any]
_CHUNK = 1 << 18  # elements that are turned into float64 at once


class Standardizer:
    """Subtract the mean of each column and divide by its standard deviation.

    Attributes
    ----------
    rows : int
        Rows seen so far.
    mean : ndarray of shape (I,), float64
        Mean of each column; of shape () for 1-D data, and of the shape of one row in general.
    scale : ndarray of shape (I,), float64
        Standard deviation of each column (divided by ``rows``); 1 for columns that do not vary.

    Notes
    -----
    Means and sums of squares of pieces are merged by equation (2.1) of Chan, Golub & LeVeque, Updating formulae and a
    pairwise algorithm for computing sample variances (1979), in float64 whatever the data.

    Examples
    --------
    >>> import fastnn as fn
    >>> standardizer = fn.data.Standardizer()
    >>> standardizer.fit_transform([[1.0, 5.0], [3.0, 5.0]])
    array([[-1.,  0.],
           [ 1.,  0.]])
    >>> standardizer.inverse_transform([[0.0, 0.0]])
    array([[2., 5.]])
    """

    def __init__(self) -> None:
        self.rows = 0
        self.mean: npt.NDArray[np.float64] = np.zeros(0)
        self._squares: npt.NDArray[np.float64] = np.zeros(0)

    @property
    def scale(self) -> npt.NDArray[np.float64]:
        """Standard deviation of each column, 1 for columns that do not vary."""
        deviation = np.sqrt(self._squares / max(self.rows, 1))
        return np.where(deviation > 0, deviation, 1.0)

    def fit(self, X: npt.ArrayLike) -> Self:
        """Learn means and scales from the rows, forgetting earlier ones.

        Parameters
        ----------
        X : array_like of shape (B, I), (B,) or (B, ...)
            The data.

        Returns
        -------
        Standardizer
            Itself.

        Raises
        ------
        TypeError
            If the data are not numbers.
        ValueError
            If there are no rows, or some values are infinite or not numbers.
        """
        self.rows = 0
        return self.partial_fit(X)

    def partial_fit(self, X: npt.ArrayLike) -> Self:
        """Learn from further rows.

        Parameters
        ----------
        X : array_like of shape (B, I), (B,) or (B, ...)
            The next piece of the data.

        Returns
        -------
        Standardizer
            Itself.

        Raises
        ------
        TypeError
            If the data are not numbers.
        ValueError
            If there are no rows, they have another shape than before, or some values are infinite or not numbers.
        """
        data = self._numbers(X, fitting=True)
        _require_finite(data)
        step = max(1, _CHUNK // max(1, data[0].size))
        for start in range(0, len(data), step):
            self._merge(data[start : start + step].astype(np.float64))
        return self

    def transform(self, X: npt.ArrayLike) -> Array:
        """Return the standardised data.

        Parameters
        ----------
        X : array_like of shape (B, I), (B,) or (B, ...)
            The data.

        Returns
        -------
        ndarray of the same shape, float32 for float32 data and otherwise float64
            ``(X - mean) / scale``, worked out in float64.

        Raises
        ------
        RuntimeError
            If nothing was learnt yet.
        TypeError, ValueError
            If the data are not numbers or of another shape.
        """
        data = self._numbers(X)
        return ((data.astype(np.float64) - self.mean) / self.scale).astype(float_type(data), copy=False)

    def inverse_transform(self, Z: npt.ArrayLike) -> Array:
        """Return the data that ``transform`` made ``Z`` of.

        Parameters
        ----------
        Z : array_like of shape (B, I), (B,) or (B, ...)
            Standardised data.

        Returns
        -------
        ndarray of the same shape, float32 for float32 data and otherwise float64
            ``Z * scale + mean``, worked out in float64.

        Raises
        ------
        RuntimeError
            If nothing was learnt yet.
        TypeError, ValueError
            If the data are not numbers or of another shape.
        """
        data = self._numbers(Z)
        return (data.astype(np.float64) * self.scale + self.mean).astype(float_type(data), copy=False)

    def fit_transform(self, X: npt.ArrayLike) -> Array:
        """Learn from the rows and return them standardised.

        Parameters
        ----------
        X : array_like of shape (B, I), (B,) or (B, ...)
            The data.

        Returns
        -------
        ndarray of the same shape, float32 for float32 data and otherwise float64
            The standardised data.

        Raises
        ------
        TypeError, ValueError
            As `fit`.
        """
        return self.fit(X).transform(X)

    def to_config(self) -> dict[str, Any]:
        """Return what was learnt as a dict of JSON values.

        Returns
        -------
        dict
            "type", "rows", and the lists "mean" and "squares" (sums of squares about the mean).
        """
        return {
            "type": "Standardizer",
            "rows": self.rows,
            "mean": self.mean.tolist(),
            "squares": self._squares.tolist(),
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
        Standardizer
            Equal to the one saved; it can learn further.

        Raises
        ------
        ModelFormatError
            If a field is missing, unknown or of an impossible value.
        """
        fields = {"type", "rows", "mean", "squares"}
        if not isinstance(config, dict) or set(config) != fields or config["type"] != "Standardizer":
            raise ModelFormatError(f"Standardizer: expected the fields {', '.join(sorted(fields))}, got {config!r:.80}")
        standardizer, rows = cls(), config["rows"]
        try:
            mean = np.asarray(config["mean"], dtype=np.float64)
            squares = np.asarray(config["squares"], dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ModelFormatError(f"Standardizer: expected lists of numbers, {error}") from error
        if isinstance(rows, bool) or not isinstance(rows, int) or rows < 0 or mean.shape != squares.shape:
            raise ModelFormatError(
                f"Standardizer: expected a count of rows and as many means as squares, got {rows!r:.20}, "
                f"{mean.shape} and {squares.shape}"
            )
        if not (np.isfinite(mean).all() and np.isfinite(squares).all() and (squares >= 0).all()):
            raise ModelFormatError("Standardizer: expected finite means and squares of at least 0")
        standardizer.rows, standardizer.mean, standardizer._squares = rows, mean, squares
        return standardizer

    def __repr__(self) -> str:
        return f"Standardizer(rows={self.rows}, shape={self.mean.shape if self.rows else None})"

    def _numbers(self, X: npt.ArrayLike, fitting: bool = False) -> Array:
        data = np.asarray(X)
        if data.dtype.kind not in "biuf":
            raise TypeError(f"Standardizer: expected numbers, got dtype {data.dtype}; encode texts as numbers first")
        if not self.rows and not fitting:
            raise RuntimeError("Standardizer: nothing learnt yet; call fit first")
        if data.ndim == 0 or (fitting and not data.size):
            raise ValueError(f"Standardizer: expected data of shape (B, ...) with at least one row, got {data.shape}")
        if self.rows and data.shape[1:] != self.mean.shape:
            raise ValueError(
                f"Standardizer: expected rows of shape {self.mean.shape} as when it was fitted, got {data.shape[1:]}"
            )
        return data

    def _merge(self, piece: npt.NDArray[np.float64]) -> None:
        count, first = len(piece), piece[0]
        mean = first + (piece - first).mean(axis=0)  # about the first row: exact for columns that do not vary
        squares = np.square(piece - mean).sum(axis=0)
        if self.rows:
            gap, total = mean - self.mean, self.rows + count
            squares = self._squares + squares + np.square(gap) * (self.rows * count / total)
            mean = self.mean + gap * (count / total)
        self.rows, self.mean, self._squares = self.rows + count, np.asarray(mean), np.asarray(squares)


def float_type(data: Array) -> type[np.floating[Any]]:
    """Return the type of what such data become: float32 for float32, otherwise float64."""
    return np.float32 if data.dtype == np.float32 else np.float64


def _require_finite(data: Array) -> None:
    if data.dtype.kind != "f":
        return
    bad = ~np.isfinite(data).reshape(len(data), -1)
    if bad.any():
        column = int(bad.any(axis=0).argmax())
        raise ValueError(
            f"Standardizer: expected finite values, got {int(bad.sum())} that are not, the first in column {column} "
            f"({int(bad[:, column].sum())} of its {len(data)} rows); fill or drop those rows"
        )
