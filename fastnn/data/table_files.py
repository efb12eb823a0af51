"""Tables in files, a stretch of rows at a time: what columns there are, and their values as numbers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastnn._spec import listed
from fastnn.data.table import CSV, MOST_CATEGORIES, PARQUET

Array = npt.NDArray[Any]

_STRETCH = 1 << 13  # rows that are read at a time


class Part(NamedTuple):
    """A row group of a Parquet file, or a CSV file: what is read in one go, from its start."""

    path: Path
    fragment: Any  # pyarrow's
    schema: Any  # what its columns are read as
    rows: int | None  # a CSV file does not say

    def records(self, names: Sequence[str]) -> Iterator[Any]:
        """Yield the rows, some thousands at a time, with these columns."""
        with _parsing(self.path):
            # Threads would read far ahead, and hold what they read in memory.
            yield from self.fragment.to_batches(
                self.schema, columns=list(names), batch_size=_STRETCH, batch_readahead=1, use_threads=False
            )


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
        """Return its values in a stretch of rows (B,), bool, int64 or float64; ValueError where one is missing."""
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


@dataclass(frozen=True)
class Tables:
    """The row groups of all files, in order, and the columns of each file."""

    schemas: dict[Path, Any]
    parts: list[Part]

    @property
    def names(self) -> list[str]:
        """Columns of the first file, without what pandas keeps as an index."""
        schema = next(iter(self.schemas.values()))
        index = (schema.pandas_metadata or {}).get("index_columns", [])
        return [name for name in schema.names if name not in index]

    def kinds(self, names: Iterable[str]) -> dict[str, str]:
        """Return "number" or "text" for each column; ValueError unless it is there, and the same, in every file."""
        result: dict[str, str] = {}
        for name in names:
            for path, schema in self.schemas.items():
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
                        f"{next(iter(self.schemas))} and {kind}s in {path}"
                    )
        return result

    def read_as(self, kinds: Mapping[str, str], target: str) -> list[Part]:
        """Return the parts, with columns of CSV files read as these kinds, whatever their start holds."""
        import pyarrow as pa

        def type_of(name: str, own: Any) -> Any:
            whole = pa.types.is_boolean(own) or (name == target and pa.types.is_integer(own))
            return pa.string() if kinds[name] == "text" else own if whole else pa.float64()

        return [
            part._replace(schema=pa.schema([(name, type_of(name, part.schema.field(name).type)) for name in kinds]))
            if part.rows is None
            else part
            for part in self.parts
        ]


def open_tables(paths: list[Path]) -> Tables:
    """Look at the columns of some files: of at least one, with rows in them."""
    if not paths:
        raise ValueError("read_batches: expected at least one file, got none")
    for path in paths:
        if not path.name.lower().endswith(CSV + PARQUET):
            raise ValueError(f"read_batches: expected files ending in {', '.join(CSV + PARQUET)}, got {path.name!r}")
    try:
        from pyarrow import csv, dataset, fs
    except ImportError as error:
        raise ImportError('read_batches needs pyarrow: pip install "fastnn[cli]"') from error
    schemas, parts = {}, []
    for path in paths:
        name, form = path.name.lower(), dataset.ParquetFileFormat()
        if name.endswith(CSV):
            form = dataset.CsvFileFormat(
                csv.ParseOptions(delimiter="\t" if ".tsv" in name else ","),
                convert_options=csv.ConvertOptions(strings_can_be_null=True),
            )
        with _parsing(path):
            fragment = form.make_fragment(str(path), fs.LocalFileSystem())
            schema = schemas[path] = fragment.physical_schema
            if name.endswith(CSV):
                parts.append(Part(path, fragment, schema, None))
            else:
                parts += [Part(path, one, schema, one.row_groups[0].num_rows) for one in fragment.split_by_row_group()]
    if not any(part.rows is None or part.rows for part in parts):
        raise ValueError(f"read_batches: expected at least one row, got none in {listed(paths)}")
    return Tables(schemas, parts)


def texts_of(
    parts: list[Part], names: list[str], categories: Mapping[str, Sequence[str]] | None
) -> dict[str, list[str]]:
    """Return the categories of each text column: those given, or all that there are, sorted, if not too many."""
    if categories is not None:
        for name in names:
            if name not in categories:
                raise ValueError(
                    f"read_batches: expected numbers in column {name!r}, as in the training data, got texts"
                )
        return {name: [str(one) for one in found] for name, found in categories.items()}
    found: dict[str, set[str]] = {name: set() for name in names}
    for part in parts if names else ():
        for record in part.records(names):
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


@contextmanager
def _parsing(path: Path) -> Iterator[None]:
    """Say which file it is that cannot be parsed."""
    import pyarrow as pa

    try:
        yield
    except pa.ArrowInvalid as error:
        raise ValueError(f"read_batches: cannot parse {path}: {error}") from error
