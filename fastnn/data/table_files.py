"""Tables in files, a stretch of rows at a time: what columns there are, and their values as numbers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastnn.data.table import CSV, MOST_CATEGORIES, PARQUET, listed

Array = npt.NDArray[Any]

_STRETCH = 1 << 13  # rows that are read at a time


class Part(NamedTuple):
    """A row group of a Parquet file, or a CSV file: what is read in one go, from its start."""

    path: Path
    group: int | None
    rows: int | None
    footer: Any  # a Parquet file's, so that it is read once
    types: dict[str, Any] | None  # a CSV file's columns


@dataclass(frozen=True)
class Column:
    """A column to read, as numbers: of a text column the numbers of its ``categories``."""

    name: str
    categories: list[str] | None

    @property
    def feature_names(self) -> list[str]:
        """Names of the columns of x that it makes."""
        return [self.name] if self.categories is None else [f"{self.name}={one}" for one in self.categories]

    def values(self, record: Any, path: Path) -> Array:
        """Return its values in a stretch of rows (B,): bool, int64 or float64.

        Raises
        ------
        ValueError
            If one is missing, infinite, or of an unknown category.
        """
        column = record.column(self.name)
        if column.null_count:
            raise ValueError(
                f"read_batches: column {self.name!r} has missing values in {path}; fill them, drop those rows or leave "
                "the column out"
            )
        if self.categories is not None:
            return self._numbers(as_text(column), path)
        values = np.asarray(column.to_numpy(zero_copy_only=False))
        if values.dtype.kind in "iu" and (values.dtype != np.uint64 or values.max() < 1 << 63):
            return values.astype(np.int64, copy=False)
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            bad = "missing" if np.isnan(values).any() else "infinite"
            raise ValueError(f"read_batches: column {self.name!r} has {bad} values in {path}; fill or drop those rows")
        return values if values.dtype == np.bool_ else values.astype(np.float64, copy=False)

    def _numbers(self, texts: Any, path: Path) -> Array:
        import pyarrow as pa
        from pyarrow import compute

        found = compute.index_in(texts, value_set=pa.array(self.categories, pa.string()))
        if found.null_count:
            unknown = texts.filter(found.is_null())[0].as_py()
            raise ValueError(
                f"read_batches: column {self.name!r} has the unknown category {unknown!r:.60} in {path}; known: "
                f"{listed(self.categories or ())}"
            )
        return np.asarray(found.to_numpy(zero_copy_only=False)).astype(np.int64)


class Columns(NamedTuple):
    """Which columns are what; ``names``: all that are read."""

    features: list[Column]
    target: Column
    weight: Column | None
    names: list[str]


@dataclass
class Tables:
    """Files with the types of their columns."""

    paths: list[Path]
    schemas: list[Any]
    footers: list[Any] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Columns of the first file, without what pandas keeps as an index."""
        schema = self.schemas[0]
        index = (schema.pandas_metadata or {}).get("index_columns", [])
        return [name for name in schema.names if name not in index]

    @property
    def parts(self) -> list[Part]:
        """The row groups of all files, in order."""
        result: list[Part] = []
        for path, footer, schema in zip(self.paths, self.footers, self.schemas, strict=True):
            if footer is None:
                result.append(Part(path, None, None, None, dict(zip(schema.names, schema.types, strict=True))))
            else:
                counts = [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
                result += [Part(path, group, count, footer, None) for group, count in enumerate(counts)]
        if not any(part.rows is None or part.rows for part in result):
            raise ValueError(f"read_batches: expected at least one row, got none in {listed(self.paths)}")
        return result

    def kinds(self, names: Iterable[str]) -> dict[str, str]:
        """Return "number" or "text" for each column.

        Raises
        ------
        ValueError
            If a column is absent somewhere, of another kind than in another file, or of a kind that is neither.
        """
        result: dict[str, str] = {}
        for name in names:
            for path, schema in zip(self.paths, self.schemas, strict=True):
                if schema.names.count(name) != 1:
                    raise ValueError(
                        f"read_batches: expected one column {name!r:.60} in {path}; it has {listed(schema.names)}"
                    )
                kind = _kind(schema.field(name).type)
                if kind is None:
                    raise ValueError(
                        f"read_batches: expected numbers, bools or texts in column {name!r}, got "
                        f"{schema.field(name).type} in {path}; turn it into numbers or leave it out"
                    )
                if result.setdefault(name, kind) != kind:
                    raise ValueError(
                        f"read_batches: expected one kind of values in column {name!r}, got {result[name]}s in "
                        f"{self.paths[0]} and {kind}s in {path}"
                    )
        return result

    def pieces(self, kinds: Mapping[str, str], target: str) -> list[Part]:
        """Return the row groups of all files, and of CSV files what to read columns as, whatever their start holds."""
        import pyarrow as pa

        def wide(part: Part) -> Part:
            if part.types is None:
                return part
            types = {}
            for name, kind in kinds.items():
                own = part.types[name]
                whole = pa.types.is_boolean(own) or (name == target and pa.types.is_integer(own))
                types[name] = pa.string() if kind == "text" else own if whole else pa.float64()
            return part._replace(types=types)

        return [wide(part) for part in self.parts]


def open_tables(paths: list[Path]) -> Tables:
    """Look at the columns of some files.

    Raises
    ------
    OSError, ImportError, ValueError
        If one cannot be opened or parsed, pyarrow is not installed, or there are no files.
    """
    if not paths:
        raise ValueError("read_batches: expected at least one file, got none")
    for path in paths:
        if not path.name.lower().endswith(CSV + PARQUET):
            raise ValueError(f"read_batches: expected files ending in {', '.join(CSV + PARQUET)}, got {path.name!r}")
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError('read_batches needs pyarrow: pip install "fastnn[cli]"') from error
    tables = Tables(paths, [])
    for path in paths:
        with _parsing(path):
            if path.name.lower().endswith(PARQUET):
                with parquet.ParquetFile(path) as file:
                    tables.schemas.append(file.schema_arrow)
                    tables.footers.append(file.metadata)
            else:
                with _csv(path, None) as reader:
                    tables.schemas.append(reader.schema)
                    tables.footers.append(None)
    return tables


def pieces_of(part: Part, names: Sequence[str]) -> Iterator[Any]:
    """Yield the rows of a piece of a file, some thousands at a time."""
    from pyarrow import parquet

    with _parsing(part.path):
        if part.group is not None:
            with parquet.ParquetFile(part.path, metadata=part.footer) as file:
                records = file.iter_batches(batch_size=_STRETCH, row_groups=[part.group], columns=list(names))
                yield from records
        else:
            types = part.types or {}
            with _csv(part.path, {name: types.get(name) for name in names}) as reader:
                yield from reader


def texts_of(
    parts: list[Part], names: list[str], categories: Mapping[str, Sequence[str]] | None
) -> dict[str, list[str]]:
    """Return the categories of each text column: those given, or all that there are, sorted.

    Raises
    ------
    ValueError
        If a text column is not among those given, or has too many.
    """
    if categories is not None:
        for name in names:
            if name not in categories:
                raise ValueError(
                    f"read_batches: expected numbers in column {name!r}, as in the training data, got texts"
                )
        return {name: [str(one) for one in found] for name, found in categories.items()}
    found: dict[str, set[str]] = {name: set() for name in names}
    for part in parts if names else ():
        as_texts = part._replace(types=None if part.types is None else dict.fromkeys(names, _text_type()))
        for record in pieces_of(as_texts, names):
            for name in names:
                column = record.column(name)
                found[name].update(as_text(column.drop_null()).unique().to_pylist())
                if len(found[name]) > MOST_CATEGORIES:
                    raise ValueError(
                        f"read_batches: column {name!r} has more than {MOST_CATEGORIES} different texts; leave it out "
                        "or make it numeric"
                    )
    return {name: sorted(texts) for name, texts in found.items()}


def as_text(column: Any) -> Any:
    """Return a column of texts, or of categories, as plain strings."""
    import pyarrow as pa

    return column.cast(pa.string())


def _text_type() -> Any:
    import pyarrow as pa

    return pa.string()


def _kind(kind: Any) -> str | None:
    """Whether a column holds numbers or texts; None if neither."""
    from pyarrow import types

    if types.is_dictionary(kind):
        return "text"
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind):
        return "number"
    return None


def _csv(path: Path, types: dict[str, Any] | None) -> Any:
    """Open a CSV file; ``types`` None: all columns, as its start suggests."""
    from pyarrow import csv

    options = csv.ConvertOptions(column_types=types, include_columns=list(types or ()), strings_can_be_null=True)
    separator = "\t" if ".tsv" in path.name.lower() else ","
    return csv.open_csv(path, parse_options=csv.ParseOptions(delimiter=separator), convert_options=options)


@contextmanager
def _parsing(path: Path) -> Iterator[None]:
    """Say which file it is that cannot be parsed."""
    import pyarrow as pa

    try:
        yield
    except pa.ArrowInvalid as error:
        raise ValueError(f"read_batches: cannot parse {path}: {error}") from error
