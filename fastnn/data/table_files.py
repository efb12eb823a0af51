"""Tables in files, a stretch of rows at a time, as pandas frames: CSV read by pandas, Parquet by pyarrow."""

import gzip
import io
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from warnings import catch_warnings, simplefilter

from fastnn._spec import listed
from fastnn.data.regular import open_regular
from fastnn.data.rules import Stretch
from fastnn.data.texts import MISSING

CSV, PARQUET = (".csv", ".tsv", ".csv.gz", ".tsv.gz"), (".parquet", ".pq")
_STRETCH = 1 << 13  # rows that are read at a time


@dataclass(frozen=True)
class Reading:
    """How CSV files are read: the separator (None: found out), the encoding, and the marks of `TableEncoder`."""

    sep: str | None = None
    encoding: str = "utf-8"
    na_values: tuple[str, ...] = ()
    decimal: str | None = None
    thousands: str | None = None


class Part(NamedTuple):
    """Rows of a row group of a Parquet file, or of a CSV file: what is read in one go, from its start."""

    path: Path
    file: "CsvFile | ParquetFile"
    rows: int | None  # a CSV file does not say
    group: Any = None  # pyarrow's fragment
    first: int | None = None  # of its rows that are wanted, None: all are

    def frames(self, names: Sequence[str], texts: Sequence[str]) -> Iterator[Any]:
        """Yield some columns, some thousand rows at a time; ``texts``: columns to leave as they are written.

        Raises ValueError if a file whose rows had been counted has fewer by now.
        """
        if self.first is None or self.rows is None:
            yield from self.file.frames(self, names, texts)
            return
        start, stop = self.first, self.first + self.rows
        with closing(self.file.frames(self, names, texts)) as frames:  # what lies behind is not read
            for frame in frames:
                if start < len(frame):
                    yield frame[max(start, 0) : stop]
                start, stop = start - len(frame), stop - len(frame)
                if stop <= 0:
                    return
        raise ValueError(f"{self.file.who}: expected {self.path} as it was when its rows were counted, got fewer rows")

    def counted(self) -> "Part":
        """Return the part with the number of its rows, which is found out where the file does not say."""
        return self._replace(rows=self.file.count()) if isinstance(self.file, CsvFile) else self


class CsvFile:
    """A CSV or TSV file: the names in its first row, and how it is read."""

    index: tuple[str, ...] = ()

    def __init__(self, who: str, path: Path, reading: Reading) -> None:
        self.who, self.path, self.reading = who, path, reading
        tabs = ".tsv" in path.name.lower()
        self.sep = reading.sep or ("\t" if tabs else ",")
        first = self._first_row()
        if len(first) == 1 and reading.sep is None:
            marks = [mark for mark in ";\t|," if mark in first[0]]
            if marks:
                self.sep = max(marks, key=first[0].count)
                first = self._first_row()
        self.names = [name.strip() or f"Unnamed: {place}" for place, name in enumerate(first)]

    @property
    def parts(self) -> list[Part]:
        """The whole file."""
        return [Part(self.path, self, None)]

    def _first_row(self) -> list[str]:
        with self._open() as (pd, file):
            frame = pd.read_csv(
                file, sep=self.sep, header=None, nrows=1, dtype=str, keep_default_na=False, index_col=False,
                encoding=self.reading.encoding,
            )  # fmt: skip
        return [str(name) for name in frame.iloc[0]] if len(frame) else []

    def count(self) -> int:
        """Go through the file and return its rows."""
        with self._open() as (pd, file), self._chunks(pd, file, usecols=[0], dtype=str) as chunks:
            return sum(map(len, chunks))

    def frames(self, part: Part, names: Sequence[str], texts: Sequence[str]) -> Generator[Any, None, None]:
        """See ``Part.frames``."""
        reading, places = self.reading, {place: name for place, name in enumerate(self.names) if name in names}
        marks: dict[str, Any] = {} if reading.decimal is None else {"decimal": reading.decimal}
        if reading.thousands is not None:
            marks["thousands"] = reading.thousands
        as_written = {place: str for place, name in places.items() if name in texts}
        marks |= {"na_values": [*MISSING, *reading.na_values], "dtype": as_written}
        with self._open() as (pd, file), self._chunks(pd, file, **marks) as chunks:
            yield from (
                frame[list(places)].set_axis([places[place] for place in places], axis=1)
                for frame in chunks
                if len(frame)
            )

    def _chunks(self, pd: Any, file: Any, **options: Any) -> Any:
        """Return pandas' reader of some thousand rows at a time, columns named by their places."""
        return pd.read_csv(
            file, sep=self.sep, header=0, names=range(len(self.names)), index_col=False, chunksize=_STRETCH,
            low_memory=False, keep_default_na=False, encoding=self.reading.encoding, **options,
        )  # fmt: skip

    @contextmanager
    def _open(self) -> Iterator[tuple[Any, Any]]:
        """Open the file; what is wrong with it is said in one sentence."""
        pd = pandas(self.who)
        packed = self.path.name.lower().endswith(".gz")
        try:
            with open_regular(self.who, self.path) as (raw, _), io.BufferedReader(raw) as whole, catch_warnings():
                simplefilter("error", pd.errors.ParserWarning)
                yield pd, gzip.GzipFile(fileobj=whole) if packed else whole
        except pd.errors.ParserWarning as error:
            raise ValueError(
                f"{self.who}: cannot parse {self.path}: a row has more fields than the first row has names"
            ) from error
        except UnicodeError as error:
            raise ValueError(
                f"{self.who}: cannot parse {self.path} as {self.reading.encoding}: {error}; "
                "encoding='latin-1' or encoding='utf-16' may be what it is written in"
            ) from error
        except LookupError as error:
            if "encoding" not in str(error):
                raise
            raise ValueError(f"{self.who}: unknown encoding {self.reading.encoding!r:.60}") from error
        except (pd.errors.ParserError, pd.errors.EmptyDataError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{self.who}: cannot parse {self.path}: {str(error).strip()}") from error


class ParquetFile:
    """A Parquet file: its columns and row groups."""

    def __init__(self, who: str, path: Path) -> None:
        pandas(who)
        try:
            from pyarrow import dataset, fs
        except ImportError as error:
            raise ImportError(f'{who} needs pyarrow for Parquet: pip install "fastnn[cli]"') from error
        self.who, self.path = who, path
        with open_regular(who, path), self._parsing():
            fragment = dataset.ParquetFileFormat().make_fragment(str(path), fs.LocalFileSystem())
            schema = fragment.physical_schema
            self.names = list(schema.names)
            index = (schema.pandas_metadata or {}).get("index_columns", [])
            self.index = tuple(name for name in index if isinstance(name, str))
            told = (schema.pandas_metadata or {}).get("columns", [])
            self.categories = [one["field_name"] for one in told if one.get("pandas_type") == "categorical"]
            self.parts = [
                Part(path, self, group.row_groups[0].num_rows, group) for group in fragment.split_by_row_group()
            ]

    def frames(self, part: Part, names: Sequence[str], texts: Sequence[str]) -> Generator[Any, None, None]:
        """See ``Part.frames``; what is no text in the file is none."""
        named = {name: "category" for name in self.categories if name in names}
        # Threads would read far ahead, and hold what they read in memory.
        with self._parsing():
            for record in part.group.to_batches(
                columns=list(names), batch_size=_STRETCH, batch_readahead=1, use_threads=False
            ):
                if len(record):
                    frame = record.to_pandas(ignore_metadata=True)
                    yield frame.astype(named) if named else frame

    @contextmanager
    def _parsing(self) -> Iterator[None]:
        """Say which file it is that cannot be parsed."""
        import pyarrow as pa

        try:
            yield
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            raise ValueError(f"{self.who}: cannot parse {self.path}: {error}") from error


@dataclass(frozen=True)
class Tables:
    """The parts of all files, in order: a table that can be gone through again and again."""

    who: str
    files: tuple[CsvFile | ParquetFile, ...]

    @property
    def title(self) -> str:
        """How messages call it."""
        return listed((file.path for file in self.files), 3)

    @property
    def parts(self) -> list[Part]:
        """Row groups and CSV files."""
        return [part for file in self.files for part in file.parts]

    @property
    def names(self) -> list[str]:
        """Columns of the first file."""
        return list(self.files[0].names)

    @property
    def index(self) -> list[str]:
        """Columns that pandas keeps as an index."""
        return list(self.files[0].index)

    def require(self, names: Sequence[str]) -> None:
        """Raise ValueError unless every file has these columns, once."""
        for file in self.files:
            for name in names:
                if file.names.count(name) != 1:
                    times = f"{file.names.count(name)} times" if name in file.names else "no"
                    raise ValueError(
                        f"{self.who}: expected one column {name!r:.60} in {file.path}, got {times}; it has "
                        f"{listed(file.names)}"
                    )

    def stretches(self, names: Sequence[str], texts: Sequence[str]) -> Iterator[Stretch]:
        """Yield stretches of some columns."""
        self.require(names)
        for part in self.parts:
            for frame in part.frames(names, texts):
                yield Stretch(frame, str(part.path))


def open_tables(who: str, paths: Sequence[Path], reading: Reading) -> Tables:
    """Look at the columns of some files: of at least one."""
    if not paths:
        raise ValueError(f"{who}: expected at least one file, got none")
    for path in paths:
        if not path.name.lower().endswith(CSV + PARQUET):
            raise ValueError(f"{who}: expected a file ending in {', '.join(CSV + PARQUET)}, got {path.name!r}")
    return Tables(
        who,
        tuple(
            CsvFile(who, path, reading) if path.name.lower().endswith(CSV) else ParquetFile(who, path) for path in paths
        ),
    )


def pandas(who: str) -> Any:
    """Return pandas; ImportError says where it is from."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(f'{who} needs pandas: pip install "fastnn[cli]"') from error
    return pd
