"""What users keep numbers in: arrays, lists, data frames, Arrow tables; they become an array and names of columns.

A frame is anything with columns by position: of pandas, polars, pyarrow, or of a library whose frames pyarrow reads.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, time, timedelta
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np

from fastnn._core.table import all_finite
from fastnn._spec import listed

Names = tuple[str, ...] | None
DATES = (date, time, timedelta, np.datetime64, np.timedelta64)
DATE_NAMES = ("Period", "NaTType")  # of pandas, which need not be there
NO_DATES = "give numbers instead, such as days since a date, the hour or the weekday"


def columns_of(X: Any) -> tuple[list[Any], Iterator[Any]] | None:
    """Return names and columns of a frame; None if it is none."""
    frame = opened(X)
    if frame is None:
        return None
    if hasattr(frame, "iloc"):
        return list(frame.columns), (frame.iloc[:, i] for i in range(frame.shape[1]))
    if hasattr(frame, "itercolumns"):
        return list(frame.column_names), iter(frame.itercolumns())
    return list(frame.columns), iter(frame.get_columns())


def opened(X: Any) -> Any:
    """Return a frame as one of pandas, polars or Arrow, which reads those of other libraries; None if it is none."""
    if isinstance(X, np.ndarray | list | tuple):
        return None
    for marks in (("iloc", "columns"), ("itercolumns", "column_names"), ("get_columns", "columns")):
        if all(hasattr(X, mark) for mark in marks):  # pandas; a table or a batch of Arrow; polars
            return X
    if hasattr(X, "collect_schema"):
        raise TypeError(f"X: expected rows, got a {type(X).__name__}, which holds none yet; call its collect()")
    if hasattr(X, "__array__") or not (hasattr(X, "__arrow_c_stream__") or hasattr(X, "__dataframe__")):
        return None
    try:
        import pyarrow
        from pyarrow import interchange
    except ImportError as error:
        raise ImportError(f"X: a {type(X).__name__} is read by pyarrow: pip install pyarrow") from error
    return pyarrow.table(X) if hasattr(X, "__arrow_c_stream__") else interchange.from_dataframe(X)


def take_rows(table: Any, rows: np.ndarray) -> Any:
    """Return a copy of some rows, by their numbers, of an array or a frame that is opened."""
    if hasattr(table, "iloc"):
        return table.iloc[rows]
    return table.take(rows) if hasattr(table, "itercolumns") else table[rows]


def names_of(X: Any) -> Names:
    """Return the names of a frame's columns if all are texts, None if none is; TypeError if only some are."""
    if (found := columns_of(X)) is None:
        return None
    names = found[0]
    texts = [isinstance(name, str) for name in names]
    if any(texts) and not all(texts):
        kinds = sorted({type(name).__qualname__ for name in names})
        raise TypeError(
            "Feature names are only supported if all input features have string names, but your input has "
            f"{kinds} as feature name / column name types; rename the columns: X.columns = X.columns.astype(str)"
        )
    return tuple(map(str, names)) if names and all(texts) else None


def row_names(x: Any) -> Names:
    """Return the names within a row, a Series of pandas or a named tuple, if it has any and all are texts."""
    names = getattr(x, "_fields", None)
    if names is None and hasattr(x, "iloc") and np.ndim(x) == 1:
        names = x.index
    if names is None or not len(names) or not all(isinstance(name, str) for name in names):
        return None
    return tuple(map(str, names))


def check_names(who: str, given: Names, known: Names) -> None:
    """Raise ValueError if there are names, before and now, and they differ, or are in another order."""
    if given is None or known is None or given == known:
        return
    lines = [f"{who}: The feature names should match those that were passed during fit."]
    for title, some in (
        ("Feature names unseen at fit time:", sorted(set(given) - set(known))),
        ("Feature names seen at fit time, yet now missing:", sorted(set(known) - set(given))),
    ):
        if some:
            lines += [title, *(f"- {name}" for name in some[:5]), *(["- ..."] if len(some) > 5 else [])]
    if len(lines) == 1:
        lines.append("Feature names must be in the same order as they were in fit.")
    raise ValueError("\n".join(lines) + f"\nTake these columns, in this order: {listed(map(repr, known))}.")


def as_row(who: str, name: str, x: Any, known: Names) -> np.ndarray:
    """Return one row as an array: values by name in the order of ``known``, others as they are.

    Raises ValueError if the names are others, or in another order where they have one; else as ``as_numbers``.
    """
    if isinstance(x, Mapping):
        if known is None:
            raise TypeError(
                f"{who}: expected {name} without names, as there were none in fit, got a {type(x).__name__}; "
                "pass a list of its values, or fit with a data frame"
            )
        if set(x) != set(known):
            check_names(who, tuple(map(str, x)), known)
            raise TypeError(f"{who}: expected names in {name} to be texts, as in fit, got {listed(map(repr, x))}")
        names: Names = known
        x = [x[key] for key in known]
    else:
        names = row_names(x)
        check_names(who, names, known)
    array = as_numbers(who, name, x, allow_missing=True)
    if names is not None and array.dtype.kind == "f" and (bad := np.isnan(array)).any():
        raise ValueError(
            f"{who}: expected {name} to be finite, got no number in column {names[int(bad.argmax())]!r}; fill it"
        )
    return array


def column_or_numbers(who: str, name: str, values: Any) -> np.ndarray:
    """Return labels as an array: whatever the only column of a frame holds, else numbers; of all else an array."""
    found = columns_of(values)
    if found is None:
        return _as_array(who, name, values)
    columns = list(found[1])
    return np.asarray(columns[0])[:, None] if len(columns) == 1 else as_numbers(who, name, values)


def is_missing(value: Any) -> bool:
    """Whether an object stands for a value that is missing: None, NA, NaT or NaN."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float | np.generic | Decimal) and bool(value != value)


def is_frame(X: Any) -> bool:
    """Whether it has columns of its own: a data frame or table."""
    return columns_of(X) is not None


def as_numbers(who: str, name: str, values: Any, *, allow_missing: bool = False, texts: bool = False) -> np.ndarray:
    """Return real numbers as an array: arrays of numbers as they are, the columns of a frame in their common dtype.

    Parameters
    ----------
    who, name : str
        For messages: the function, and what the values are.
    values : array_like, data frame or Arrow table
        Also of dtype object, and of dtypes that know missing values.
    allow_missing : bool
        Whether None, NA and NaN may be among objects and in frames; they become NaN.
    texts : bool
        Whether numbers may be written as texts, as scikit-learn has it.

    Raises
    ------
    TypeError
        If they are no real numbers, or dates.
    ValueError
        If they form no array, some are missing, or texts are no numbers.
    """
    if type(values) is not np.ndarray and not isinstance(values, np.memmap):  # which stays one, for release
        if hasattr(values, "toarray"):
            raise TypeError(
                f"{who}: expected {name} to be a dense array, got {type(values).__name__}; call {name}.toarray()"
            )
        if isinstance(values, np.ndarray) and hasattr(values, "mask"):
            raise TypeError(f"{who}: expected {name} without a mask, got a masked array; fill or drop what is masked")
        if values is None or isinstance(values, Mapping):
            got = "None" if values is None else f"a {type(values).__name__}"
            raise TypeError(f"{who}: expected {name} to hold real numbers in an array or data frame, got {got}")
        if (frame := opened(values)) is not None:
            return _of_frame(who, name, frame, allow_missing, texts)
        values = _as_array(who, name, values)
    return _numbers(who, f"{name} to hold", values, allow_missing, texts)


def _as_array(who: str, name: str, values: Any) -> np.ndarray:
    try:
        return np.asarray(values)
    except ValueError as error:
        raise ValueError(
            f"{who}: expected {name} to be an array, got rows of different lengths; pad or cut them"
        ) from error


def _of_frame(who: str, name: str, frame: Any, allow_missing: bool, texts: bool) -> np.ndarray:
    """Return the columns of a frame side by side; all that miss values are named in one error."""
    names, columns = columns_of(frame) or ([], iter(()))
    array = _of_one_dtype(frame)
    if array is None:
        arrays = [
            _numbers(who, f"column {column!r} of {name} to hold", _array_of(values), True, texts)
            for column, values in zip(names, columns, strict=True)
        ]
        if not arrays:
            return np.empty((len(frame), 0))
        array = np.stack(arrays, dtype=np.result_type(*arrays)).T  # whole columns are written several times as fast
    if not allow_missing and not _is_finite(array):
        counts = zip(names, np.isnan(array).sum(axis=0).tolist(), strict=True)
        if missing := [f"{count} of {len(array)} in column {column!r}" for column, count in counts if count]:
            raise ValueError(
                f"{who}: expected {name} to be finite, got missing values or NaN: {listed(missing)}; impute them, or "
                "leave out these rows or columns"
            )
    return array


def _of_one_dtype(frame: Any) -> np.ndarray | None:
    """Return a frame of pandas whose columns have one NumPy dtype of numbers as an array, a view if it holds one."""
    dtypes = set(frame.dtypes) if hasattr(frame, "iloc") else ()
    if len(dtypes) != 1 or not all(isinstance(dtype, np.dtype) and dtype.kind in "fiub" for dtype in dtypes):
        return None
    return np.asarray(frame)


def _is_finite(array: np.ndarray) -> bool:
    """Whether no number of a table is NaN or infinite: at the speed of memory for rows or columns that lie packed."""
    for packed in (array, array.T):
        if packed.flags.c_contiguous and packed.dtype in (np.float32, np.float64):
            return bool(all_finite(packed))
    return array.dtype.kind != "f" or bool(np.isfinite(array).all())


def _array_of(column: Any) -> np.ndarray:
    """Return a column as an array; a dtype of pandas that knows missing numbers as float64 with NaN."""
    array = np.asarray(column)
    kind = getattr(getattr(column, "dtype", None), "kind", "O")
    if array.dtype.kind == "O" and kind in "iufb" and hasattr(column, "to_numpy"):
        return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))
    return array


def _numbers(who: str, what: str, array: np.ndarray, allow_missing: bool, texts: bool) -> np.ndarray:
    """Return an array of any dtype as numbers, or say why it holds none."""
    kind = array.dtype.kind
    if kind in "fiub":
        return array
    if kind in "Mm":
        raise TypeError(f"{who}: expected {what} real numbers, got dates or times, {array.dtype}; {NO_DATES}")
    if kind == "c":
        raise ValueError(
            f"{who}: Complex data not supported: expected {what} real numbers, got {array.dtype}; pass real and "
            "imaginary parts"
        )
    if kind in "USTO":
        return _of_objects(who, what, array, allow_missing, texts)
    raise TypeError(f"{who}: expected {what} real numbers, got dtype {array.dtype}; encode or convert it first")


def _of_objects(who: str, what: str, array: np.ndarray, allow_missing: bool, texts: bool) -> np.ndarray:
    """Return objects as numbers: whole ones as int64, truth values as bool, others as float64."""
    values = array.ravel().tolist()
    readers = {kind: _reader(who, what, kind, texts) for kind in set(map(type, values))}
    try:
        numbers = [readers[type(value)](value) for value in values]
    except (TypeError, ValueError, OverflowError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{who}: expected {what} real numbers, got something else: {error}") from error
    if missing := sum(value is None for value in numbers):
        if not allow_missing:
            raise ValueError(
                f"{who}: expected {what} finite numbers, got {missing} missing values (None, NA or NaN); impute them, "
                "or leave out these rows"
            )
        numbers = [np.nan if value is None else value for value in numbers]
    kinds = set(map(type, numbers))
    whole = kinds and kinds <= {int, bool} and all(abs(value) < 1 << 63 for value in numbers)
    dtype = bool if kinds == {bool} else np.int64 if whole else np.float64
    try:
        return np.array(numbers, dtype).reshape(array.shape)
    except OverflowError:
        raise ValueError(f"{who}: expected {what} numbers that a float can hold, got one above 1.8e308") from None


def _reader(who: str, what: str, kind: type, texts: bool) -> Callable[[Any], Any]:
    """Return what turns objects of a type into int, bool, float, or None where one is missing; or raise TypeError."""
    if issubclass(kind, DATES) or kind.__name__ in DATE_NAMES:
        raise TypeError(f"{who}: expected {what} real numbers, got dates or times, of type {kind.__name__}; {NO_DATES}")
    if kind is type(None) or kind.__name__ == "NAType":
        return lambda value: None
    if issubclass(kind, bool | np.bool_):
        return bool
    if issubclass(kind, Integral):
        return int
    if issubclass(kind, Real | Decimal):
        return _float
    if issubclass(kind, str | bytes) and not texts:
        raise TypeError(
            f"{who}: expected {what} real numbers, got texts; encode categories as columns of 0 and 1, and convert "
            "numbers written as texts with astype(float)"
        )
    if issubclass(kind, complex | np.complexfloating):
        raise ValueError(f"{who}: Complex data not supported: expected {what} real numbers; pass both parts")
    return _float


def _float(value: Any) -> float | None:
    """Return a number, None for NaN; TypeError or ValueError for what is none."""
    number = float(value)
    return None if number != number else number
