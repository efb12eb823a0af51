"""Tables: CSV and Parquet files, read into arrays of numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn.data.categories import Category
from fastnn.data.encoder import TableEncoder
from fastnn.data.table_files import Reading, Tables, open_tables
from fastnn.markup.html import Html
from fastnn.markup.html import table as html_table
from fastnn.markup.notebook import shown

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Table:
    """The numbers of a table, and what is needed to read another table in the same way.

    Parameters
    ----------
    X : ndarray of shape (B, I), float64
        Features: numbers as they are, booleans as 0 and 1, texts one-hot, dates expanded.
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
    encoder : TableEncoder
        How each column was read.
    """

    X: npt.NDArray[np.float64]
    y: Array | None
    feature_names: list[str]
    target_name: str | None
    columns: list[str]
    categories: dict[str, list[str]] = field(default_factory=dict)
    encoder: TableEncoder = field(default_factory=TableEncoder)

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
    encoder: TableEncoder | None = None,
    sep: str | None = None,
    encoding: str = "utf-8",
) -> Table:
    r"""Read a CSV or Parquet file (by pandas) into arrays of features and target.

    What each column is, a `TableEncoder` finds out: numbers, booleans, dates, times, and texts, which become one column
    of 0 and 1 for each category.  To read data for prediction in the way the training data were read, hand over that
    table's ``encoder``.

    Parameters
    ----------
    path : str or Path
        A .csv, .tsv (both also with .gz) or .parquet file, with names in its first row.
    target : str or None
        Column to predict; None where there is none.
    columns : sequence of str, optional
        Columns to take as features, in this order; all but the target where it is left out.
    categories : mapping of str to sequence of str, optional
        Text columns and their categories; found in the data, sorted, where it is left out.  All other columns are none.
    encoder : TableEncoder, optional
        One with options (gaps, rare categories, columns to leave out ...), which learns from the file; or one that has
        learnt from another file, in place of ``columns`` and ``categories``.
    sep : str, optional
        What stands between the fields of a CSV file; found out where it is left out: a comma, semicolon, tab or bar.
    encoding : str
        Of a CSV file.

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
        If the file cannot be parsed, a column is not there or there twice, or as `TableEncoder.fit` and ``transform``.

    Examples
    --------
    >>> import tempfile, pathlib, fastnn as fn
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "houses.csv"
    >>> length = path.write_text("size;built;price\n12,5;2001-05-01;30\n;1999-10-31;20\n")
    >>> table = fn.read_table(path, "price", encoder=fn.TableEncoder(impute="mean"))
    >>> table.feature_names[:4]
    ['size', 'size:missing', 'built:year', 'built:month']
    >>> table.X[:, :4].tolist(), table.y.tolist()
    ([[12.5, 0.0, 2001.0, 5.0], [12.5, 1.0, 1999.0, 10.0]], [30, 20])
    >>> folder.cleanup()
    """
    tables, encoder, fitted = opened("read_table", [Path(path)], encoder, columns, categories, sep, encoding)
    if not fitted:
        encoder.learn(tables, "read_table", columns, target, categories=categories)
    elif target is not None and (encoder.target_ is None or encoder.target_.name != target):
        encoder.learn_target(tables, "read_table", target)
    read = [*encoder.names, *([] if target is None else [target])]
    if target is not None and target in encoder.names:
        raise ValueError(f"read_table: expected the target {target!r} not to be among the feature columns")
    inputs, targets = [], []
    for frame, _ in tables.stretches(read, encoder.text_columns):
        inputs.append(encoder.encode("read_table", frame))
        if target is not None:
            targets.append(encoder.targets("read_table", frame))
    if not inputs:
        raise ValueError(f"read_table: expected at least one row in {path}, got none")
    y = None if target is None else np.concatenate(targets)
    found = {one.name: list(one.categories) for one in encoder.columns_.values() if isinstance(one, Category)}
    names = encoder.get_feature_names_out().tolist()
    return Table(np.concatenate(inputs), y, names, target, encoder.names, found, encoder)


def read_frame(path: str | Path, encoder: TableEncoder, sep: str | None = None, encoding: str = "utf-8") -> Any:
    """Return the columns of a file that an encoder has learnt of, for its ``transform``, as a pandas frame."""
    import pandas as pd

    tables, encoder, _ = opened("read_table", [Path(path)], encoder, None, None, sep, encoding)
    frames = [frame for frame, _ in tables.stretches(encoder.names, encoder.text_columns)]
    if not frames:
        raise ValueError(f"read_table: expected at least one row in {path}, got none")
    return pd.concat(frames, ignore_index=True)


def opened(
    who: str, paths: Sequence[Path], encoder: TableEncoder | None, columns: Sequence[str] | None,
    categories: Mapping[str, Sequence[str]] | None, sep: str | None, encoding: str,
) -> tuple[Tables, TableEncoder, bool]:  # fmt: skip
    """Return the tables of some files, the encoder that reads them, and whether it has learnt already."""
    if encoder is None:
        encoder, fitted = TableEncoder(), False
    elif not isinstance(encoder, TableEncoder):
        raise TypeError(f"{who}: expected encoder to be a TableEncoder, got {type(encoder).__name__}")
    else:
        fitted = hasattr(encoder, "columns_")
        if (fitted and columns is not None) or categories is not None:
            raise ValueError(
                f"{who}: expected an encoder, or columns and categories, got both; a fitted encoder knows them"
            )
        encoder = TableEncoder.from_config(encoder.to_config())  # the caller's stays as it is
    if sep is not None and not (isinstance(sep, str) and len(sep) == 1):
        raise ValueError(f"{who}: expected sep to be one character, got {sep!r:.60}")
    values = encoder.na_values
    reading = Reading(
        sep, encoding, (values,) if isinstance(values, str) else tuple(values), encoder.decimal, encoder.thousands
    )
    return open_tables(who, paths, reading), encoder, fitted
