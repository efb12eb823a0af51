"""Columns of a pandas frame in few kinds of arrays, whatever they are stored as."""

from datetime import time
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastnn.data.texts import Markers

Array = npt.NDArray[Any]
Numbers = npt.NDArray[np.float64]


class Values(NamedTuple):
    """A column of kind "number", "boolean", "date", "time", "text" or "empty", with gaps as NaN, NaT or None.

    Numbers and booleans are float64, dates datetime64 (wall time), times hours of the day, texts str.
    """

    kind: str
    values: Array
    gaps: npt.NDArray[np.bool_]
    whole: bool = False


def values_of(markers: Markers, column: Any) -> Values:
    """Return a pandas Series in one of the kinds; ValueError if it is of none of them."""
    from pandas.api import types

    dtype = column.dtype
    gaps = column.isna().to_numpy(dtype=bool)
    if gaps.all() and not isinstance(dtype, types.CategoricalDtype):
        return Values("empty", np.full(len(column), None, dtype=object), gaps)
    if isinstance(dtype, types.CategoricalDtype):
        return _texts(markers, column, alike=True)
    if types.is_bool_dtype(dtype):
        return Values("boolean", _floats(column), gaps)
    if types.is_datetime64_any_dtype(dtype):
        return Values("date", _wall_time(column), gaps)
    if types.is_timedelta64_dtype(dtype):
        return Values("number", np.where(gaps, np.nan, column.dt.total_seconds().to_numpy(dtype=np.float64)), gaps)
    if types.is_numeric_dtype(dtype) and dtype.kind != "c":
        return Values("number", _floats(column), gaps, dtype.kind in "iu")
    found = types.infer_dtype(column, skipna=True)
    if found in ("string", "mixed-integer", "mixed"):
        return _texts(markers, column, alike=found == "string")
    if found in ("integer", "floating", "mixed-integer-float", "decimal"):
        return Values("number", _floats(column), gaps, found == "integer")
    if found == "boolean":
        return Values("boolean", _floats(column), gaps)
    if found in ("date", "datetime", "datetime64"):
        import pandas as pd

        return Values("date", _wall_time(pd.to_datetime(column.where(~column.isna(), None))), gaps)
    if found == "time":
        hours = [np.nan if gap else _hours(one) for one, gap in zip(column, gaps, strict=True)]
        return Values("time", np.array(hours), gaps)
    if found == "timedelta":
        import pandas as pd

        return values_of(markers, pd.to_timedelta(column))
    raise ValueError(
        f"{markers.who}: expected numbers, booleans, texts, dates or times in column {column.name!r}, got "
        f"{dtype if found in ('unknown-array', 'empty') else found}; turn it into one of these, or leave it out: "
        f"drop=[{column.name!r}]"
    )


def _floats(column: Any) -> Numbers:
    if column.dtype == object:
        try:
            return np.array([np.nan if gap else float(one) for one, gap in zip(column, column.isna(), strict=True)])
        except OverflowError:
            raise ValueError(
                f"expected numbers that a float can hold in column {column.name!r}, got one above 1.8e308"
            ) from None
    return np.asarray(column.to_numpy(dtype=np.float64, na_value=np.nan))


def _wall_time(column: Any) -> Array:
    """Return dates and times as clocks showed them, in microseconds."""
    if not hasattr(column.dtype, "unit") and hasattr(column.dtype, "pyarrow_dtype"):
        column = column.astype(column.dtype.pyarrow_dtype.to_pandas_dtype()) if column.dt.tz is None else column
    if column.dt.tz is not None:
        column = column.dt.tz_localize(None)
    return np.asarray(column.to_numpy(dtype="datetime64[us]", na_value=np.datetime64("NaT")))


def _hours(one: time) -> float:
    return one.hour + one.minute / 60 + (one.second + one.microsecond * 1e-6) / 3600


def _texts(markers: Markers, column: Any, *, alike: bool) -> Values:
    """Return texts, numbers and booleans among them as they are written; ``alike``: the column is of texts alone.

    Each text is looked at once, however many rows hold it.
    """
    import pandas as pd

    if isinstance(column.dtype, pd.CategoricalDtype):
        places, values = column.cat.codes.to_numpy().astype(np.intp), column.cat.categories.to_numpy(dtype=object)
    elif alike:
        places, unique = pd.factorize(column)
        values = unique.to_numpy(dtype=object)
    else:  # 1, 1.0 and True are equal, but not written alike
        values = column.to_numpy(dtype=object, na_value=None)
        places = np.where(column.isna(), -1, np.arange(len(values)))
    texts: Array = np.full(len(values), "", dtype=object)
    for place in np.unique(places[places >= 0]).tolist():
        value = values[place]
        if not isinstance(value, str | int | float | np.number | np.bool_):
            raise ValueError(
                f"{markers.who}: expected numbers, booleans, texts, dates or times in column {column.name!r}, got a "
                f"{type(value).__name__} in row {(places == place).argmax()}; turn it into text, or leave it out: "
                f"drop=[{column.name!r}]"
            )
        texts[place] = value if isinstance(value, str) else as_text(value)
    clean = np.concatenate([markers.without_gaps(texts), [None]])  # None is what place -1 takes, a gap
    gaps = np.array([text is None for text in clean], dtype=bool)[places]
    return Values("empty" if gaps.all() else "text", clean[places], gaps)


def as_text(value: Any) -> str:
    """Return a number or a boolean as a file would have it: whole numbers without a fraction."""
    return str(int(value)) if isinstance(value, float | np.floating) and value == int(value) else str(value)


def texts_of(markers: Markers, column: Any) -> Array:
    """Return the values of a pandas Series as texts, None for gaps."""
    found = values_of(markers, column)
    if found.kind in ("text", "empty"):
        return found.values
    if found.kind == "boolean":
        texts: Any = [None if gap else str(bool(one)) for one, gap in zip(found.values, found.gaps, strict=True)]
    elif found.kind == "number":
        texts = [None if gap else as_text(one) for one, gap in zip(found.values, found.gaps, strict=True)]
    else:
        texts = [None if gap else str(one) for one, gap in zip(column, found.gaps, strict=True)]
    result = np.empty(len(texts), dtype=object)
    result[:] = texts
    return result


def gaps_refused(who: str, name: str, gaps: npt.NDArray[np.bool_], where: str = "") -> ValueError:
    """Return the error of a column with gaps that are not to be filled."""
    return ValueError(
        f"{who}: column {name!r} has {np.count_nonzero(gaps)} missing values in {len(gaps)} rows{where}; "
        f"impute='median' fills them, drop=[{name!r}] leaves the column out, or fill them or drop those rows yourself"
    )
