"""Mini-batches of tables in files, read a part at a time: Parquet files (by row groups) and CSV, larger than memory."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn._spec import float_dtype, optional, require_count, require_flag, require_seed
from fastnn.data.categories import Category
from fastnn.data.encoder import TableEncoder
from fastnn.data.share import Share, require_share
from fastnn.data.shuffle import Shuffle
from fastnn.data.table import opened
from fastnn.data.table_files import Part

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
    encoder : TableEncoder
        How each column is read.
    feature_names : list of str
        Name of each column of x; ``column=category`` for one-hot ones.
    target_name : str
        Name of the target column.
    rows : int or None
        Rows of an epoch, of this process; None if an encoder that had learnt elsewhere reads a CSV file, which does not
        say.
    share : tuple of int or None
        The process that these rows are for, and how many there are.
    epoch : int
        Number of the next epoch, from 0; may be set to go on where another process stopped.
    """

    def __init__(
        self, parts: list[Part], encoder: TableEncoder, target: str, weight: str | None, *, batch_size: int,
        shuffle: bool, seed: int, buffer_rows: int | None, dtype: np.dtype, rows: int | None, share: Share | None,
    ) -> None:  # fmt: skip
        self._parts, self.encoder, self.target_name, self._weight = parts, encoder, target, weight
        self._share, self.share = share, None if share is None else (share.rank, share.size)
        self.batch_size, self.shuffle, self.seed, self.dtype = batch_size, shuffle, seed, dtype
        self.columns, self.feature_names = encoder.names, encoder.get_feature_names_out().tolist()
        read = [*encoder.columns_.values(), encoder.target_]
        self.categories = {one.name: list(one.categories) for one in read if isinstance(one, Category)}
        counts = [part.rows for part in self._parts]
        self.rows = rows if any(count is None for count in counts) else sum(count or 0 for count in counts)
        fitting = _BUFFER_BYTES // (dtype.itemsize * len(self.feature_names))
        self.buffer_rows = max(2 * batch_size, fitting if buffer_rows is None else buffer_rows)
        self.epoch = 0

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        epoch = self.epoch  # begins with the first batch that is asked for, not before
        self.epoch += 1
        held: list[Rows] = []
        count = mixed = batch = 0
        for rows in self._stretches(epoch):
            held.append(rows)
            count += len(rows[0])
            if count >= self.buffer_rows:
                whole = _joined(held)
                # Half of the buffer stays, so that rows of one part of a file are mixed with those of the next parts.
                keep = count - count // (2 if self.shuffle else 1)
                order = self._order(epoch, mixed, count)
                while count and count - (size := self._size(batch)) >= keep:
                    yield tuple(part[order[:size]] for part in whole)
                    order, count, batch = order[size:], count - size, batch + 1
                held, mixed = [[part[order] for part in whole]], mixed + 1
        if count:
            whole, order = _joined(held), self._order(epoch, mixed, count)
            while len(order):
                size = self._size(batch)
                yield tuple(part[order[:size]] for part in whole)
                order, batch = order[size:], batch + 1

    def _stretches(self, epoch: int) -> Iterator[Rows]:
        """Yield stretches of encoded rows, the parts of the files in a new order every epoch."""
        parts = self._parts
        if self.shuffle:
            parts = [parts[i] for i in Shuffle(self.seed, epoch).permutation(len(parts))]
        names = [*self.columns, self.target_name, *([] if self._weight is None else [self._weight])]
        for part in parts:
            for frame in part.frames(names, self.encoder.text_columns):
                yield self._encode(frame, part.path)

    def _encode(self, frame: Any, path: Path) -> Rows:
        """Return x, y and perhaps weights of a stretch of a table."""
        who = f"read_batches: {path}"
        x = self.encoder.encode(who, frame).astype(self.dtype)
        y = self.encoder.labels(who, frame)
        rows = [x, y.astype(self.dtype) if y.dtype.kind == "f" else y]
        return (
            rows if self._weight is None else [*rows, self.encoder.numbers(who, frame, self._weight).astype(self.dtype)]
        )

    def _order(self, epoch: int, mixed: int, count: int) -> Array:
        """Return the order of the rows of the buffer."""
        return Shuffle(self.seed, epoch).within(mixed, count) if self.shuffle else np.arange(count)

    def _size(self, batch: int) -> int:
        """Return the rows of a mini-batch, by its number in the epoch."""
        return self.batch_size if self._share is None else self._share.end(batch + 1) - self._share.end(batch)

    def __repr__(self) -> str:
        rows = "an unknown number of" if self.rows is None else f"{self.rows:,}"
        share = "" if self.share is None else f", share={self.share}"
        return f"TableBatches({rows} rows of {len(self.feature_names)} features, batch_size={self.batch_size}{share})"


def read_batches(
    path: str | Path | Sequence[str | Path],
    target: str,
    *,
    columns: Sequence[str] | None = None,
    categories: Mapping[str, Sequence[str]] | None = None,
    encoder: TableEncoder | None = None,
    weight: str | None = None,
    batch_size: int = 32,
    shuffle: bool = True,
    seed: int = 0,
    buffer_rows: int | None = None,
    dtype: Any = "float32",
    sep: str | None = None,
    encoding: str = "utf-8",
    share: tuple[int, int] | None = None,
) -> TableBatches:
    r"""Read Parquet or CSV files (by pyarrow and pandas) in mini-batches, for ``fit``; they need not fit into memory.

    Columns are read and encoded as `read_table` does it, by a `TableEncoder`, which goes through the files once or
    twice beforehand to find out what they are.  A target of text becomes labels, 0 for the first class.  To read other
    files in the way the training data were read, hand over the ``encoder`` of the batches.

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
        sorted.
    encoder : TableEncoder, optional
        As for `read_table`.
    weight : str, optional
        Column of sample weights.
    batch_size : int
        Rows of a batch; the last one of an epoch may have fewer.  With ``share``: of all processes together.
    shuffle : bool
        Whether the rows come in a new order every epoch: row groups at random, then rows at random within a buffer.
    seed : int
        Of the order.
    buffer_rows : int, optional
        Rows of the buffer; as many as take 16 MB where it is left out.  At least two batches.
    dtype : {"float32", "float64"}
        Of x, of a target that is not whole numbers, and of weights.
    sep, encoding : optional
        As for `read_table`.
    share : tuple (rank, size), optional
        Read for one of several processes that learn together: ``size`` of them, this one ``rank``, from 0.

    Returns
    -------
    TableBatches
        An iterable that starts again, for any number of epochs.

    Raises
    ------
    OSError
        If a file cannot be opened.
    ImportError
        If pandas, or pyarrow for Parquet, is not installed.
    TypeError, ValueError
        If a file cannot be parsed, a column is not there or there twice, a mini-batch or the table has fewer rows than
        there are processes, or as `TableEncoder.fit`.  While going through files that the encoder has not learnt from:
        as its ``transform``; a ``fit`` that meets such a value leaves the network as it was.

    Notes
    -----
    Memory holds the buffer, twice, and one row group; so write Parquet files with row groups of some 10,000 to 100,000
    rows.  A CSV file is one part, read from its start: if it is sorted, give a large buffer, or shuffle the file.

    With ``share`` the rows of all files, in order, are cut into as many runs as there are processes, which differ by
    one row at most; every process has one, so an epoch of all of them together has every row once.  All have the same
    number of batches, and in each of these as many rows as the others or one more: ``batch_size`` together.  A last
    batch with fewer rows than processes joins the one before, so none is ever empty, and nobody waits for a batch that
    another has not.  Of Parquet files a process reads the row groups that its rows are in and no others, of CSV files
    all that stands before its rows, and each counts the rows of those once.  To look at the files once and not in
    every process, hand over an ``encoder`` that has learnt, which pickle takes.

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

    For the second of three processes:

    >>> batches = fn.read_batches(path, "price", batch_size=10, share=(1, 3))
    >>> batches
    TableBatches(33 rows of 3 features, batch_size=10, share=(1, 3))
    >>> [len(x) for x, y in batches]
    [3, 4, 3, 3, 4, 3, 3, 4, 3, 3]
    >>> folder.cleanup()
    """
    paths = [Path(one) for one in ([path] if isinstance(path, str | Path) else path)]
    require_count("read_batches", "batch_size", batch_size)
    require_flag("read_batches", "shuffle", shuffle)
    require_seed("read_batches", seed)
    optional(require_count, "read_batches", "buffer_rows", buffer_rows)
    kind = float_dtype("read_batches", dtype)
    if share is not None:
        require_share("read_batches", share)
        if batch_size < share[1]:
            raise ValueError(
                f"read_batches: expected batch_size, of all processes together, of at least one row for each of "
                f"{share[1]}, got {batch_size}"
            )
    others = [target] if weight is None else [target, weight]
    for name in others:
        if not isinstance(name, str):
            raise TypeError(f"read_batches: expected the name of a column, got {name!r:.60}")
    tables, encoder, fitted = opened("read_batches", paths, encoder, columns, categories, sep, encoding)
    if not any(part.rows is None or part.rows for part in tables.parts):
        raise ValueError(f"read_batches: expected at least one row, got none in {', '.join(map(str, paths))}")
    if not fitted:
        encoder.learn(tables, "read_batches", columns, target, weight, categories)
    else:
        tables.require([*encoder.names, *others])
        if encoder.target_ is None or encoder.target_.name != target:
            encoder.learn_target(tables, "read_batches", target)
    for name in others:
        if name in encoder.names:
            raise ValueError(f"read_batches: expected {name!r} not to be among the feature columns")
    parts, dealt = tables.parts, None
    if share is not None:
        parts = [part.counted() for part in parts]
        dealt = Share(*share, sum(part.rows or 0 for part in parts), batch_size)
        if dealt.total < dealt.size:
            raise ValueError(
                f"read_batches: expected at least one row for each of {dealt.size} processes, got {dealt.total}"
            )
        parts = dealt.of(parts)
    return TableBatches(
        parts, encoder, target, weight, batch_size=batch_size, shuffle=shuffle, seed=seed, buffer_rows=buffer_rows,
        dtype=kind, rows=None if fitted else encoder.rows_, share=dealt,
    )  # fmt: skip


def _joined(held: list[Rows]) -> Rows:
    """Return stretches of rows as one."""
    return held[0] if len(held) == 1 else [np.concatenate(parts) for parts in zip(*held, strict=True)]
