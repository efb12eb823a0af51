"""Tables: CSV and Parquet files, read by pandas into arrays of numbers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
import numpy.typing as npt

from fastnn._spec import listed
from fastnn.markup.html import Html
from fastnn.markup.html import table as html_table
from fastnn.markup.notebook import shown

Array = npt.NDArray[Any]

MOST_CATEGORIES = 256
CSV, PARQUET = (".csv", ".tsv", ".csv.gz", ".tsv.gz"), (".parquet", ".pq")


@dataclass(frozen=True)
class Table:
    """The numbers of a table, and what is needed to read another table in the same way.

    Parameters
    ----------
    X : ndarray of shape (B, I), float64
        Features: numeric columns as they are, bools as 0 and 1, texts one-hot.
    y : ndarray of shape (B,) or None
        Target: bool, int64, float64 or text; None where no target was asked for.
    feature_names : list of str
        Name of each column of X; ``column=category`` for one-hot ones.
    target_name : str or None
        Name of the target column.
    columns : list of str
        Columns of the file that were read as features, in order.
    categories : dict of str to list of str
        The categories of each text column, in the order of their columns of X.
    """

    X: npt.NDArray[np.float64]
    y: Array | None
    feature_names: list[str]
    target_name: str | None
    columns: list[str]
    categories: dict[str, list[str]] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        return shown(first_rows(self))


def first_rows(table: Table, rows: int = 5, columns: int = 12) -> Html:
    """Return the first rows and columns of a table, and how many there are of both."""
    names = table.feature_names[:columns]
    head = ["row", *([] if table.y is None else [table.target_name]), *names]
    found = []
    for i, x in enumerate(table.X[:rows, :columns]):
        found.append([str(i), *([] if table.y is None else [str(table.y[i])]), *(f"{value:.6g}" for value in x)])
    caption = f"Table of {len(table.X):,} rows and {table.X.shape[1]:,} features"
    if table.X.shape[1] > columns:
        caption += f", the first {columns}"
    return html_table(head, found, caption=caption)


def read_table(
    path: str | Path,
    target: str | None,
    *,
    columns: Sequence[str] | None = None,
    categories: Mapping[str, Sequence[str]] | None = None,
) -> Table:
    """Read a CSV or Parquet file (by pandas) into arrays of features and target.

    Columns of text become one-hot: one column of 0 and 1 for each category.  To read data for prediction in the way the
    training data were read, hand over that table's ``columns`` and ``categories``.

    Parameters
    ----------
    path : str or Path
        A .csv, .tsv (both also with .gz) or .parquet file, with names in its first row.
    target : str or None
        Column to predict; None where there is none.
    columns : sequence of str, optional
        Columns to take as features, in this order; all but the target where it is left out.
    categories : mapping of str to sequence of str, optional
        Text columns and their categories; found in the data, sorted, where it is left out.

    Returns
    -------
    Table
        The arrays and the encoding.

    Raises
    ------
    OSError
        If the file cannot be opened.
    ImportError
        If pandas, or pyarrow for Parquet, is not installed.
    ValueError
        If the file cannot be parsed, a column is not there, has missing or infinite values, more than 256 categories or
        an unknown one, or a kind that is neither number, bool nor text.

    Examples
    --------
    >>> import fastnn as fn
    >>> table = fn.data.read_table("houses.csv", "price")  # doctest: +SKIP
    """
    frame = _read_frame(Path(path), texts=categories or ())
    wanted = [name for name in frame.columns if name != target] if columns is None else list(columns)
    for name in [*wanted, *([] if target is None else [target])]:
        if name not in frame.columns:
            raise ValueError(f"read_table: no column {name!r:.60} in {path}; it has {listed(frame.columns)}")
    if target in wanted:
        raise ValueError(f"read_table: expected the target {target!r} not to be among the feature columns")
    if not wanted or not len(frame):
        raise ValueError(f"read_table: expected at least one row and one feature column in {path}, got {frame.shape}")
    blocks, names, found = [], [], {}
    for name in wanted:
        known = None if categories is None else categories.get(name)
        block, seen = _encode(frame[name], known, closed=categories is not None)
        blocks.append(block)
        names += [str(name)] if seen is None else [f"{name}={category}" for category in seen]
        if seen is not None:
            found[str(name)] = seen
    y = None if target is None else _target(frame[target])
    return Table(np.concatenate(blocks, axis=1), y, names, target, [str(name) for name in wanted], found)


def _read_frame(path: Path, texts: Iterable[str]) -> Any:
    """The file as a data frame, with the columns named in ``texts`` left as they are written."""
    import gzip
    import zlib

    name = path.name.lower()
    if not name.endswith(CSV + PARQUET):
        raise ValueError(f"read_table: expected a file ending in {', '.join(CSV + PARQUET)}, got {path.name!r}")
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError('read_table needs pandas: pip install "fastnn[cli]"') from error
    try:
        if name.endswith(PARQUET):
            with open(path, "rb") as file:
                return pd.read_parquet(file, engine="pyarrow")
        kinds, separator = dict.fromkeys(texts, str), "\t" if ".tsv" in name else ","
        with gzip.open(path, "rb") if name.endswith(".gz") else open(path, "rb") as file, catch_warnings():
            simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(file, sep=separator, dtype=kinds, index_col=False, low_memory=False)
    except pd.errors.ParserWarning as error:
        raise ValueError(
            f"read_table: cannot parse {path}: a row has more fields than the first row has names"
        ) from error
    except ImportError as error:
        raise ImportError('read_table needs pyarrow for Parquet: pip install "fastnn[cli]"') from error
    except (ValueError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"read_table: cannot parse {path}: {error}") from error


def _encode(column: Any, known: Sequence[str] | None, closed: bool) -> tuple[npt.NDArray[np.float64], list[str] | None]:
    """One feature column as (B, 1) numbers, or (B, categories) with the categories."""
    _require_whole(column)
    if known is not None or (_is_text(column) and not closed):
        return _one_hot(column, known)
    if _is_text(column):
        raise ValueError(
            f"read_table: expected numbers in column {column.name!r}, as in the training data, "
            f"got texts such as {column.iloc[0]!r:.60}"
        )
    values = column.to_numpy(dtype=np.float64).reshape(-1, 1)
    _require_finite(column.name, values)
    return values, None


def _one_hot(column: Any, known: Sequence[str] | None) -> tuple[npt.NDArray[np.float64], list[str]]:
    values = column.astype(str).to_numpy(dtype=object)
    categories = sorted(set(values)) if known is None else list(known)
    if known is None and len(categories) > MOST_CATEGORIES:
        raise ValueError(
            f"read_table: column {column.name!r} has {len(categories)} different texts, more than {MOST_CATEGORIES}; "
            "leave it out or make it numeric"
        )
    if unknown := sorted(set(values) - set(categories)):
        raise ValueError(
            f"read_table: column {column.name!r} has the unknown category {unknown[0]!r:.60}; "
            f"known: {listed(categories)}"
        )
    return (values[:, None] == np.asarray(categories, dtype=object)[None, :]).astype(np.float64), categories


def _target(column: Any) -> Array:
    """The target column as texts, bools, int64 or float64."""
    from pandas.api import types

    _require_whole(column)
    if _is_text(column):
        return np.asarray(column.astype(str).to_numpy(dtype=object), dtype=np.str_)
    if types.is_bool_dtype(column.dtype) or types.is_integer_dtype(column.dtype):
        return np.asarray(column.to_numpy(dtype=np.bool_ if types.is_bool_dtype(column.dtype) else np.int64))
    values = np.asarray(column.to_numpy(dtype=np.float64))
    _require_finite(column.name, values)
    return values


def _is_text(column: Any) -> bool:
    """Whether a column is text; raises where it is neither text, number nor bool."""
    from pandas.api import types

    kind = column.dtype
    if isinstance(kind, types.CategoricalDtype) or types.is_string_dtype(kind) or types.is_object_dtype(kind):
        return True
    if types.is_bool_dtype(kind) or (types.is_numeric_dtype(kind) and kind.kind != "c"):
        return False
    raise ValueError(
        f"read_table: expected numbers, bools or texts in column {column.name!r}, got {kind}; "
        "turn it into numbers or leave it out"
    )


def _require_whole(column: Any) -> None:
    if missing := int(column.isna().sum()):
        raise ValueError(
            f"read_table: column {column.name!r} has {missing} missing values in {len(column)} rows; "
            "fill them, drop those rows or leave the column out"
        )


def _require_finite(name: object, values: npt.NDArray[np.float64]) -> None:
    if infinite := int((~np.isfinite(values)).sum()):
        raise ValueError(f"read_table: column {name!r} has {infinite} infinite values; drop those rows")
