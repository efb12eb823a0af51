"""Standardising: columns of mean 0 and standard deviation 1, learnt in one pass, from one or many batches."""

from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from fastnn._core.moments import Moments
from fastnn.data.containers import Names, as_numbers, check_names, names_of
from fastnn.errors import ModelFormatError

Array = npt.NDArray[Any]
Numbers = npt.NDArray[np.float64]
_CHUNK = 1 << 18  # elements that are turned into float64 at once


class ColumnScaler:
    """Base of the standardizers: counts, means and squares of columns, which data fit, what files keep."""

    _who: ClassVar[str]
    _takes_missing: ClassVar[bool] = False
    _learn_by: ClassVar[str]  # the method to call first
    _options: ClassVar[tuple[str, ...]] = ()  # arguments that files keep
    _sums: ClassVar[tuple[str, ...]] = ("count", "mean", "squares")  # rows of the state that files keep

    _moments: Moments | None = None
    _names: Names = None

    @property
    def rows(self) -> int:
        """Rows seen so far."""
        return 0 if self._moments is None else self._moments.rows

    @property
    def count(self) -> Numbers:
        """Sum of the weights of the values of each column."""
        return self._state()[0, ...]

    @property
    def mean(self) -> Numbers:
        """Mean of each column."""
        return self._state()[1, ...]

    @property
    def variance(self) -> Numbers:
        """Variance of each column, 0 where there is no value yet."""
        count, _, squares = self._state()
        return np.asarray(squares / np.where(count > 0, count, 1.0))

    @property
    def scale(self) -> Numbers:
        """Standard deviation of each column, 1 for columns that do not vary."""
        deviation = np.sqrt(self.variance)
        return np.where(deviation > 0, deviation, 1.0)

    def to_config(self) -> dict[str, Any]:
        """Return what was learnt as a dict of JSON values.

        Returns
        -------
        dict
            "type", "rows", and the lists "mean" and "squares" (sums of squares about the mean), empty before the first
            row; of a `RunningStandardizer` also its options and the list "count"; "names", if columns had any.
        """
        options = {name: getattr(self, name) for name in self._options}
        state = self._state()[-len(self._sums) :]
        sums = {name: values.tolist() if self.rows else [] for name, values in zip(self._sums, state, strict=True)}
        names = {} if self._names is None else {"names": list(self._names)}
        return {"type": self._who, **options, "rows": self.rows, **sums, **names}

    @classmethod
    def from_config(cls, config: Any) -> Self:
        """Return the standardizer that ``to_config`` described.

        Parameters
        ----------
        config : dict
            What `to_config` gave.

        Returns
        -------
        Standardizer or RunningStandardizer
            Equal to the one saved; it goes on with the same bits.

        Raises
        ------
        ModelFormatError
            If a field is missing, unknown or of an impossible value.
        """
        fields = ("type", *cls._options, "rows", *cls._sums)
        if not isinstance(config, dict) or set(config) - {"names"} != set(fields) or config["type"] != cls._who:
            raise ModelFormatError(f"{cls._who}: expected the fields {', '.join(fields)}, got {config!r:.80}")
        try:
            scaler, rows = cls(**{name: config[name] for name in cls._options}), config["rows"]
            sums = np.asarray([config[name] for name in cls._sums], dtype=np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise ModelFormatError(f"{cls._who}: expected lists of numbers, as many in each: {error}") from error
        sound = type(rows) is int and 0 <= rows < 1 << 63 and (rows > 0) == (sums.size > 0) and np.isfinite(sums).all()
        if not sound or (np.delete(sums, -2, axis=0) < 0).any() or (rows and scaler._misfit(sums[:1], True)):
            raise ModelFormatError(
                f"{cls._who}: expected a number of rows, and of each column finite numbers, counts and squares of at "
                f"least 0, got {config!r:.200}"
            )
        if rows:
            count = [np.full_like(sums[0], rows)] if len(sums) < 3 else []
            scaler._begin(sums.shape[1:], np.stack([*count, *sums]), rows)
        names = config.get("names")
        if names is not None:
            texts = isinstance(names, list) and all(isinstance(name, str) for name in names)
            if not texts or (len(names),) != scaler._shape:
                raise ModelFormatError(f"{cls._who}: expected a name for each column, got {names!r:.80}")
            scaler._names = tuple(names)
        return scaler

    def __repr__(self) -> str:
        given = {name: value for name in self._options if (value := getattr(self, name)) is not None}
        options = "".join(f", {name}={value:g}" for name, value in given.items())
        return f"{self._who}(rows={self.rows}, shape={self._shape}{options})"

    @property
    def _shape(self) -> tuple[int, ...] | None:
        """Shape of a row, None before it is known."""
        return None if self._moments is None else self._moments.state.shape[1:]

    def _state(self) -> Numbers:
        """Return a copy of counts, means and sums of squares, (3, *shape of a row)."""
        return np.zeros((3, 0)) if self._moments is None else self._moments.state.copy()

    def _begin(self, shape: tuple[int, ...], state: Any = None, rows: int = 0) -> Moments:
        """Return the moments of rows of this shape, made now if there are none."""
        if self._moments is None:
            self._moments = Moments(shape, *self._rule(), state, rows)
        return self._moments

    def _rule(self) -> tuple[float, float]:
        """Return what weights are multiplied by with every further value, and the limit of what is written."""
        return 1.0, 0.0

    @property
    def feature_names(self) -> Names:
        """Names of the columns of the data frames that were learnt from, None if they had none."""
        return self._names

    def _numbers(self, X: Any, learning: bool = False) -> Array:
        """Return data as an array, after checking its kind, its shape and the names of its columns."""
        if self._shape is None and not learning:
            raise RuntimeError(f"{self._who}: nothing learnt yet; call {self._learn_by} first")
        names = self._names_of(X)
        check_names(self._who, names, self._names)
        data = as_numbers(self._who, "X", X, allow_missing=self._takes_missing)
        if expected := self._misfit(data, learning):
            raise ValueError(f"{self._who}: expected {expected}")
        return data

    def _names_of(self, X: Any) -> Names:
        return names_of(X)

    def _misfit(self, data: Array, learning: bool) -> str:
        """Return what was expected and what came, if the data are of another shape."""
        raise NotImplementedError

    def _inverse(self, Z: npt.ArrayLike, scale: Numbers) -> Array:
        data = self._numbers(Z)
        return (data.astype(np.float64) * scale + self.mean).astype(float_type(data), copy=False)


class Standardizer(ColumnScaler):
    """Subtract the mean of each column and divide by its standard deviation.

    Attributes
    ----------
    rows : int
        Rows seen so far.
    count, mean, variance : ndarray of shape (I,), float64
        Of each column, the variance divided by ``count``, the number of rows; of shape () for 1-D data, and of the
        shape of one row in general.
    scale : ndarray of shape (I,), float64
        Standard deviation of each column; 1 for columns that do not vary.

    Notes
    -----
    Means and sums of squares of batches are merged by equation (2.1) of Chan, Golub & LeVeque, Updating formulae and a
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

    _who, _learn_by = "Standardizer", "fit"
    _sums = ("mean", "squares")

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
        before = self._moments, self._names
        self._moments = self._names = None
        try:
            return self.partial_fit(X)
        except BaseException:
            self._moments, self._names = before
            raise

    def partial_fit(self, X: npt.ArrayLike) -> Self:
        """Learn from further rows.

        Parameters
        ----------
        X : array_like of shape (B, I), (B,) or (B, ...)
            Further rows.

        Returns
        -------
        Standardizer
            Itself.

        Raises
        ------
        TypeError, ValueError
            As `fit`, or if the rows have another shape than before.
        """
        data = self._numbers(X, learning=True)
        _require_finite(data)
        for piece in pieces(data):
            self._merge(piece.astype(np.float64))
        self._names = self._names or self._names_of(X)
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
        RuntimeError, TypeError, ValueError
            As `transform`.
        """
        return self._inverse(Z, self.scale)

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

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "_squares" in state:  # pickled by a version that kept three attributes
            rows, mean, squares = (state[name] for name in ("rows", "mean", "_squares"))
            moments = Moments(mean.shape, 1.0, 0.0, [np.full_like(mean, rows), mean, squares], rows)
            state = {"_moments": moments if rows else None}
        vars(self).update(state)

    def _misfit(self, data: Array, learning: bool) -> str:
        if data.ndim == 0 or (learning and not data.size):
            return f"data of shape (B, ...) with at least one row, got {data.shape}"
        if self._shape is not None and data.shape[1:] != self._shape:
            return f"rows of shape {self._shape} as when it was fitted, got {data.shape[1:]}"
        return ""

    def _merge(self, piece: Numbers) -> None:
        more, first = len(piece), piece[0]
        mean = first + (piece - first).mean(axis=0)  # about the first row: exact for columns that do not vary
        squares = np.square(piece - mean).sum(axis=0)
        moments, (_, mean_before, squares_before) = self._begin(mean.shape), self._state()
        total = moments.rows + more
        if moments.rows:
            gap = mean - mean_before
            squares = squares_before + squares + np.square(gap) * (moments.rows * more / total)
            mean = mean_before + gap * (more / total)
        moments.rows, moments.state[...] = total, (np.full_like(mean, total), mean, squares)


def float_type(data: Array) -> type[np.floating[Any]]:
    """Return the type of what such data become: float32 for float32, otherwise float64."""
    return np.float32 if data.dtype == np.float32 else np.float64


def pieces(rows: Array) -> Iterator[Array]:
    """Yield the rows, so many at a time as are turned into float64 together."""
    step = max(1, _CHUNK // max(1, rows[0].size))
    for start in range(0, len(rows), step):
        yield rows[start : start + step]


def _require_finite(data: Array) -> None:
    bad = ~np.isfinite(data).reshape(len(data), -1)
    if bad.any():
        column = int(bad.any(axis=0).argmax())
        raise ValueError(
            f"Standardizer: expected finite values, got {int(bad.sum())} that are not, the first in column {column} "
            f"({int(bad[:, column].sum())} of its {len(data)} rows); fill or drop those rows"
        )
