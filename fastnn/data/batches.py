"""Mini-batches of tables in files, read a part at a time: Parquet files (by row groups) and CSV, larger than memory."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn._spec import float_dtype, listed, optional, require_count, require_flag, require_seed
from fastnn.data.shuffle import Shuffle
from fastnn.data.table_files import Column, Part, open_tables, texts_of

Array = npt.NDArray[Any]
Rows = list[Array]  # x, y and perhaps the weights, equally long

_BUFFER_BYTES = 1 << 24  # of rows that are shuffled together


class TableBatches:
    """Mini-batches ``(x, y)`` or ``(x, y, weight)`` of tables; made by ``read_batches``.

    Each time it is gone through is an epoch: with ``shuffle`` in a new order, a function of (seed, epoch).

    Attributes
    ----------
    columns : list of str
        Columns that were read as features, in order.
    categories : dict of str to list of str
        The categories of each text column; of a text target the classes, in the order of their labels.
    feature_names : list of str
        Name of each column of x; ``column=category`` for one-hot ones.
    target_name : str
        Name of the target column.
    rows : int or None
        Rows of an epoch; None if there is a CSV file among the files, which does not say.
    epoch : int
        Number of the next epoch, from 0; may be set to go on where another process stopped.
    """

    def __init__(
        self, parts: list[Part], features: list[Column], others: list[Column], *, batch_size: int, shuffle: bool,
        seed: int, buffer_rows: int | None, dtype: np.dtype,
    ) -> None:  # fmt: skip
        self._parts, self._features, self._others = parts, features, others  # others: the target, perhaps weights
        self.batch_size, self.shuffle, self.seed, self.dtype = batch_size, shuffle, seed, dtype
        self.columns, self.target_name = [column.name for column in features], others[0].name
        self.categories = {one.name: list(one.categories) for one in (*features, *others) if one.categories is not None}
        self.feature_names = [name for column in features for name in column.feature_names]
        counts = [part.rows for part in parts]
        self.rows = None if any(count is None for count in counts) else sum(count or 0 for count in counts)
        fitting = _BUFFER_BYTES // (dtype.itemsize * len(self.feature_names))
        self.buffer_rows = max(2 * batch_size, fitting if buffer_rows is None else buffer_rows)
        self.epoch = 0

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        epoch = self.epoch  # begins with the first batch that is asked for, not before
        self.epoch += 1
        held: list[Rows] = []
        count = mixed = 0
        for rows in self._stretches(epoch):
            held.append(rows)
            count += len(rows[0])
            if count >= self.buffer_rows:
                whole = _joined(held)
                # Half of the buffer stays, so that rows of one part of a file are mixed with those of the next parts.
                ready = count // (2 if self.shuffle else 1) // self.batch_size * self.batch_size
                order = self._order(epoch, mixed, count)
                yield from self._cut(whole, order, ready)
                held, count, mixed = [[part[order[ready:]] for part in whole]], count - ready, mixed + 1
        if count:
            yield from self._cut(_joined(held), self._order(epoch, mixed, count), count)

    def _stretches(self, epoch: int) -> Iterator[Rows]:
        """Yield stretches of encoded rows, the parts of the files in a new order every epoch."""
        parts = self._parts
        if self.shuffle:
            parts = [parts[i] for i in Shuffle(self.seed, epoch).permutation(len(parts))]
        names = [column.name for column in (*self._features, *self._others)]
        for part in parts:
            for record in part.records(names):
                if len(record):
                    yield self._encode(record, part.path)

    def _encode(self, record: Any, path: Path) -> Rows:
        """Return x, y and perhaps weights of a stretch of a table."""
        x = np.zeros((len(record), len(self.feature_names)), self.dtype)
        at = 0
        for column in self._features:
            values = column.values(record, path)
            if column.categories is None:
                x[:, at] = values
            else:
                x[np.arange(len(x)), at + values] = 1
            at += len(column.feature_names)
        y, *weight = (column.values(record, path) for column in self._others)
        return [x, y.astype(self.dtype) if y.dtype.kind == "f" else y, *(part.astype(self.dtype) for part in weight)]

    def _order(self, epoch: int, mixed: int, count: int) -> Array:
        """Return the order of the rows of the buffer."""
        return Shuffle(self.seed, epoch).within(mixed, count) if self.shuffle else np.arange(count)

    def _cut(self, rows: Rows, order: Array, ready: int) -> Iterator[tuple[Array, ...]]:
        """Yield the first ``ready`` rows in mini-batches."""
        for start in range(0, ready, self.batch_size):
            chosen = order[start : min(start + self.batch_size, ready)]
            yield tuple(part[chosen] for part in rows)

    def __repr__(self) -> str:
        rows = "an unknown number of" if self.rows is None else f"{self.rows:,}"
        return f"TableBatches({rows} rows of {len(self.feature_names)} features, batch_size={self.batch_size})"


def read_batches(
    path: str | Path | Sequence[str | Path],
    target: str,
    *,
    columns: Sequence[str] | None = None,
    categories: Mapping[str, Sequence[str]] | None = None,
    weight: str | None = None,
    batch_size: int = 32,
    shuffle: bool = True,
    seed: int = 0,
    buffer_rows: int | None = None,
    dtype: Any = "float32",
) -> TableBatches:
    r"""Read Parquet or CSV files (by pyarrow) in mini-batches, for ``fit``; the table need not fit into memory.

    Columns are encoded as `read_table` does it: numbers as they are, bools as 0 and 1, texts one-hot.  A target of text
    becomes labels, 0 for the first class.  To read other files in the way the training data were read, hand over the
    ``columns`` and ``categories`` of the batches.

    Parameters
    ----------
    path : str, Path or sequence of them
        .parquet, .csv or .tsv (these also with .gz) files, with the same columns.
    target : str
        Column to predict.
    columns : sequence of str, optional
        Columns to take as features, in this order; all but target and weight where it is left out.
    categories : mapping of str to sequence of str, optional
        Text columns (the target too, if it is one) and their categories.  Where it is left out they are found, and
        sorted, by reading the text columns once beforehand.
    weight : str, optional
        Column of sample weights.
    batch_size : int
        Rows of a batch; the last one of an epoch may have fewer.
    shuffle : bool
        Whether the rows come in a new order every epoch: row groups at random, then rows at random within a buffer.
    seed : int
        Of the order.
    buffer_rows : int, optional
        Rows of the buffer; as many as take 16 MB where it is left out.  At least two batches.
    dtype : {"float32", "float64"}
        Of x, of a target that is not whole numbers, and of weights.

    Returns
    -------
    TableBatches
        An iterable that starts again, for any number of epochs.

    Raises
    ------
    OSError
        If a file cannot be opened.
    ImportError
        If pyarrow is not installed.
    TypeError, ValueError
        If a file cannot be parsed, a column is not there or has another kind in another file, holds more than 256
        categories, or is neither number, bool nor text.  While going through: if values are missing, infinite or of an
        unknown category; a ``fit`` that meets one leaves the network as it was.

    Notes
    -----
    Memory holds the buffer, twice, and one row group; so write Parquet files with row groups of some 10,000 to 100,000
    rows.  A CSV file is one part, read from its start: if it is sorted, give a large buffer, or shuffle the file.

    Examples
    --------
    >>> import tempfile, pathlib, fastnn as fn
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = pathlib.Path(folder.name) / "table.csv"
    >>> length = path.write_text("size,colour,price\n" + "1.5,red,3\n2.5,blue,4\n" * 50)
    >>> batches = fn.read_batches(path, "price", batch_size=10)
    >>> batches.feature_names
    ['size', 'colour=blue', 'colour=red']
    >>> net = fn.Sequential([fn.Dense(1)], input_shape=3, seed=0)
    >>> history = net.fit(batches, epochs=200, loss="squared_error", optimizer=fn.Adam(0.05))
    >>> history["loss"][-1] < 0.01
    True
    >>> folder.cleanup()
    """
    paths = [Path(one) for one in ([path] if isinstance(path, str | Path) else path)]
    require_count("read_batches", "batch_size", batch_size)
    require_flag("read_batches", "shuffle", shuffle)
    require_seed("read_batches", seed)
    optional(require_count, "read_batches", "buffer_rows", buffer_rows)
    kind = float_dtype("read_batches", dtype)
    others = [target] if weight is None else [target, weight]
    for name in others:
        if not isinstance(name, str):
            raise TypeError(f"read_batches: expected the name of a column, got {name!r:.60}")
    tables = open_tables(paths)
    wanted = [name for name in tables.names if name not in others] if columns is None else list(columns)
    for name in others:
        if name in wanted:
            raise ValueError(f"read_batches: expected {name!r} not to be among the feature columns")
    if len(set(wanted)) != len(wanted) or not wanted or weight == target:
        raise ValueError(
            f"read_batches: expected at least one feature column, and none twice, got {listed(wanted)}, target "
            f"{target!r} and weight {weight!r}"
        )
    read = [*wanted, *others]
    kinds = {name: "text" if name in (categories or ()) else own for name, own in tables.kinds(read).items()}
    if weight is not None and kinds[weight] == "text":
        raise ValueError(f"read_batches: expected numbers in the weight column {weight!r}, got texts")
    parts = tables.read_as(kinds, target)
    known = texts_of(parts, [name for name in read if kinds[name] == "text"], categories)
    return TableBatches(
        parts, [Column(name, known.get(name)) for name in wanted], [Column(name, known.get(name)) for name in others],
        batch_size=batch_size, shuffle=shuffle, seed=seed, buffer_rows=buffer_rows, dtype=kind,
    )  # fmt: skip


def _joined(held: list[Rows]) -> Rows:
    """Return stretches of rows as one."""
    return held[0] if len(held) == 1 else [np.concatenate(parts) for parts in zip(*held, strict=True)]
