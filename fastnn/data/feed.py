"""Where rows come from: arrays in memory, arrays too large or of another dtype, sparse ones, examples, or batches.

A feed gives an epoch as a sequence of blocks.  A block is packed arrays of the network's dtype that one call without
the GIL can work through, and perhaps an order to take its rows in.
"""

from collections.abc import Generator, Iterator
from typing import Any, Protocol

import numpy as np

from fastnn._core.held import held
from fastnn._spec import require_count, require_number
from fastnn.data.containers import is_frame
from fastnn.data.examples import MADE_BYTES, Examples, count_of
from fastnn.data.numbers import as_numeric, packed
from fastnn.data.ports import Block, Ports, as_list, as_parts, dense, release
from fastnn.data.shuffle import Shuffle
from fastnn.data.sparse import as_csr, is_sparse

BUFFER_BYTES = 1 << 25  # of rows held at once where they cannot be used in place
VALIDATION_ROWS = 256  # of a batch where nothing is learned
RUNS = 64  # contiguous runs of rows that fill one buffer when shuffling


class Feed(Protocol):
    """An epoch of rows.  ``n`` None: not known before they came; ``batch_size`` None: every block is one mini-batch."""

    @property
    def n(self) -> int | None:
        """Rows of an epoch."""

    @property
    def whole(self) -> Block | None:
        """The block that every epoch consists of, if it is always the same; its order: the rows to take."""

    @property
    def batch_size(self) -> int | None:
        """Rows of a mini-batch."""

    def blocks(self, shuffle: Shuffle | None, epoch: int | None = None) -> Iterator[Block]:
        """Yield one epoch, shuffled or in the order of the data; ``epoch``: its number if it is to be learned from."""


class WholeFeed:
    """One block that every epoch consists of: rows ready for the Trainer, of which ``order`` says which to take."""

    whole: Block | None

    def __init__(self, block: Block, batch_size: int) -> None:
        self.whole, self.n, self.batch_size = block, block.n, min(batch_size, block.n)
        self.held = held(block.arrays)

    def blocks(self, shuffle: Shuffle | None, epoch: int | None = None) -> Iterator[Block]:
        """Yield it."""
        block = self.whole
        assert block is not None
        if shuffle is not None:
            drawn = shuffle.permutation(self.n)
            block = block._replace(order=drawn if block.order is None else block.order[drawn])
        yield block


class PartFeed:
    """Rows that are converted some at a time: of arrays a buffer, which is read in long runs; of sparse ones a few MB.

    Sparse rows are made dense in the order in which they are needed, so every mini-batch is the one that the same rows
    would have as a packed array.
    """

    whole: Block | None = None

    def __init__(self, who: str, ports: Ports, data: Block, batch_size: int) -> None:
        self.who, self.ports, self.data = who, ports, data
        self.n, self.batch_size = data.n, min(batch_size, data.n)
        self.held = held(data.arrays)

    def blocks(self, shuffle: Shuffle | None, epoch: int | None = None) -> Iterator[Block]:
        """Yield some rows at a time."""
        if not any(map(is_sparse, self.data.inputs)):
            yield from self._buffers(shuffle)
            return
        order = None if shuffle is None else shuffle.permutation(self.n)
        rows = multiple(self.batch_size, MADE_BYTES // self.ports.row_bytes)
        for part in parts(self.n, rows):
            yield self.ports.ready(self.who, self.data, part if order is None else order[part])

    def _buffers(self, shuffle: Shuffle | None) -> Iterator[Block]:
        """Yield a buffer of rows at a time: of runs of rows in a random order, shuffled within the buffer."""
        rows = multiple(self.batch_size, BUFFER_BYTES // self.ports.row_bytes)
        run = max(1, rows // RUNS) if shuffle is not None else rows
        starts = np.arange(0, self.n, run)
        if shuffle is not None:
            starts = starts[shuffle.permutation(len(starts))]
        for position, runs in enumerate(_filled(starts, run, self.n, rows)):
            block = self.ports.ready(self.who, self.data, runs)
            yield block if shuffle is None else block._replace(order=shuffle.within(position, block.n))
            for array in (*self.data.inputs, *self.data.targets):
                release(array)


class IterableFeed:
    """Mini-batches that an iterable of the caller's gives."""

    n: int | None = None
    batch_size: int | None = None
    whole: Block | None = None

    def __init__(self, who: str, ports: Ports, batches: Any, epochs: int, accumulate: int = 1) -> None:
        self.who, self.ports, self.batches, self.accumulate = who, ports, batches, accumulate
        if epochs > 1 and iter(batches) is batches:
            raise ValueError(
                f"{who}: expected an iterable that can be gone through {epochs} times, got a one-time "
                f"{type(batches).__name__}; pass a list or an object whose __iter__ starts again, or epochs=1"
            )

    def blocks(self, shuffle: Shuffle | None, epoch: int | None = None) -> Iterator[Block]:
        """Yield each batch after checking it, in the order of the iterable; several as one if they are accumulated."""
        waiting: list[Block] = []
        for batch in self.batches:
            waiting.append(self.ports.ready(self.who, self.ports.data(self.who, *as_parts(self.who, "batches", batch))))
            if len(waiting) == self.accumulate:
                yield joined_blocks(waiting)
                waiting = []
        if waiting:
            yield joined_blocks(waiting)


class ExamplesFeed:
    """Examples that are made for each block, in a random order of all of them."""

    whole: Block | None = None

    def __init__(self, who: str, ports: Ports, examples: Examples, batch_size: int) -> None:
        self.who, self.ports, self.examples = who, ports, examples
        self.total = count_of(who, examples)
        if examples.epoch_size is not None:
            require_count(who, "epoch_size", examples.epoch_size)
        self.n: int = self.total if examples.epoch_size is None else min(self.total, examples.epoch_size)
        self.batch_size = min(batch_size, self.n)
        self._checked(examples.gather(np.zeros(1, dtype=np.int64)), 1)  # what does not fit is refused before training

    def blocks(self, shuffle: Shuffle | None, epoch: int | None = None) -> Iterator[Block]:
        """Yield the examples of an epoch; unshuffled: all."""
        order = np.arange(self.total) if shuffle is None else self._order(shuffle)
        rows = multiple(self.batch_size, MADE_BYTES // self.ports.input_bytes)
        asked = [order[part] for part in parts(len(order), rows)]
        stream = iter(self.examples.stream(asked, epoch))
        try:
            for numbers in asked:
                made = next(stream, None)
                if made is None:
                    raise ValueError(f"{self.who}: expected stream to give {len(asked)} parts, got fewer")
                yield self._checked(made, len(numbers))
        finally:  # after an interruption too: nothing is made ahead any more
            if isinstance(stream, Generator):
                stream.close()

    def _checked(self, made: Any, n: int) -> Block:
        """Return some examples that were made, ready for the Trainer."""
        block = self.ports.ready(self.who, self.ports.data(self.who, *as_parts(self.who, "gather to give", made)))
        if block.n != n:
            raise ValueError(f"{self.who}: expected gather to give {n} examples, got {block.n}")
        return block

    def _order(self, shuffle: Shuffle) -> np.ndarray:
        """Return the numbers of the examples of an epoch: the next ``n`` of a sequence of permutations of all."""
        first, stop = shuffle.epoch * self.n, (shuffle.epoch + 1) * self.n
        passes = range(first // self.total, (stop - 1) // self.total + 1)
        orders = [Shuffle(shuffle.seed, number).permutation(self.total) for number in passes]
        start = first - passes[0] * self.total
        return np.concatenate(orders)[start : start + self.n]


def make_feed(
    who: str,
    ports: Ports,
    X: Any,
    y: Any = None,
    sample_weight: Any = None,
    class_weight: Any = None,
    batch_size: int = VALIDATION_ROWS,
    epochs: int = 1,
    rows: Any = None,
    accumulate: int = 1,
) -> WholeFeed | PartFeed | ExamplesFeed | IterableFeed:
    """Return the feed that suits the data, or the numbered ``rows``; TypeError or ValueError if they do not fit.

    ``accumulate``: batches that make one mini-batch of it.
    """
    batch_size *= accumulate
    if isinstance(X, Examples):
        if not (y is None and sample_weight is None and class_weight is None):
            raise ValueError(
                f"{who}: expected {type(X).__name__} alone, which bring targets and weights, got y, sample_weight or "
                "class_weight beside them"
            )
        if rows is not None:
            raise ValueError(f"{who}: expected no rows beside {type(X).__name__}; take a part of it: split, between")
        return ExamplesFeed(who, ports, X, batch_size)
    if is_batches(X, y):
        if sample_weight is not None or class_weight is not None:
            raise ValueError(f"{who}: expected weights within the batches, got them beside an iterable")
        if rows is not None:
            raise ValueError(f"{who}: expected arrays to choose rows of, got an iterable of batches")
        return IterableFeed(who, ports, X, epochs, accumulate)
    data = ports.data(who, X, y, sample_weight)
    if rows is not None:
        rows = as_row_numbers(who, rows, data.n)
    if class_weight is not None:
        data = data._replace(weights=ports.by_class(who, data, class_weight, rows))
    return feed_of(who, ports, data, batch_size, rows)


def feed_of(
    who: str, ports: Ports, data: Block, batch_size: int, rows: np.ndarray | None = None
) -> WholeFeed | PartFeed:
    """Return the feed of checked data, or of the numbered ``rows`` of them: without a copy where these are held whole.

    Raises TypeError or ValueError if what is converted now is not finite, or targets are not what the loss takes.
    """
    whole = fits(ports, data, data.n)
    if rows is not None and not (whole and fits(ports, data, len(rows))):
        return feed_of(who, ports, data.take(rows), batch_size)
    if not whole:
        return PartFeed(who, ports, data, batch_size)
    block = ports.ready(who, data)
    return WholeFeed(block if rows is None else block._replace(n=len(rows), order=rows), batch_size)


def require_split(who: str, fraction: Any, validation_data: Any, X: Any, y: Any, rows: Any) -> None:
    """Raise TypeError or ValueError unless such a part of the rows can be split off for validation."""
    require_number(who, "validation_split", fraction, low=0, strict=True)
    if fraction >= 1:
        raise ValueError(f"{who}: expected validation_split below 1, got {fraction!r}")
    if validation_data is not None:
        raise ValueError(f"{who}: expected validation_split or validation_data, got both")
    if rows is not None:
        raise ValueError(f"{who}: expected no validation_split beside rows; give validation_data")
    if isinstance(X, Examples) or is_batches(X, y):
        raise ValueError(f"{who}: expected arrays to split, got {type(X).__name__}; give validation_data")


def split_feeds(
    who: str, ports: Ports, X: Any, y: Any, sample_weight: Any, class_weight: Any, batch_size: int, fraction: float
) -> tuple[WholeFeed | PartFeed, WholeFeed | PartFeed]:
    """Return the feeds of the first rows, to learn from, and of that part of them which comes last, for validation.

    ``class_weight`` weighs, and counts, the first alone.  Raises TypeError or ValueError as ``make_feed``.
    """
    data = ports.data(who, X, y, sample_weight)
    n = int(data.n * (1.0 - fraction) + 1e-9)  # rounding apart
    if not 0 < n < data.n:
        raise ValueError(f"{who}: expected validation_split to leave rows on both sides, got {fraction} of {data.n}")
    first, last = data.part(0, n), data.part(n, data.n)
    if class_weight is not None:
        first = first._replace(weights=ports.by_class(who, first, class_weight, None))
    return feed_of(who, ports, first, batch_size), feed_of(who, ports, last, VALIDATION_ROWS)


def validation_feed(who: str, ports: Ports, data: Any, epochs: int) -> Feed:
    """Return the feed of ``validation_data``, gone through ``epochs`` times; TypeError or ValueError if none fits."""
    alone = isinstance(data, Examples) or (not isinstance(data, tuple) and is_batches(data, None))
    what = "validation_data to be Examples, an iterable of batches,"
    X, y, sample_weight = (data, None, None) if alone else as_parts(who, what, data)
    return make_feed("validation_data", ports, X, y, sample_weight, epochs=epochs)


def is_batches(X: Any, y: Any) -> bool:
    """Whether X is an iterable of batches rather than rows."""
    if y is not None or is_sparse(X) or is_frame(X) or hasattr(X, "__array__") or not hasattr(X, "__iter__"):
        return False
    if not isinstance(X, list | tuple) or not X:
        return True
    return isinstance(X[0], tuple | list) and len(X[0]) in (2, 3) and any(np.ndim(part) for part in X[0])


def as_row_numbers(who: str, rows: Any, n: int) -> np.ndarray:
    """Return numbers of rows, int64, for such or a mask of ``n`` truth values; TypeError or ValueError if neither."""
    array = np.asarray(rows)
    if array.dtype == bool and array.shape == (n,):
        array = np.flatnonzero(array)
    if array.size and (array.ndim != 1 or array.dtype.kind not in "iu"):
        raise TypeError(
            f"{who}: expected rows as integers of shape (M,) or truth values of shape ({n},), "
            f"got {array.dtype} of shape {array.shape}"
        )
    if not array.size or array.min() < 0 or array.max() >= n:
        got = f"{array.min()} to {array.max()}" if array.size else "none"
        raise ValueError(f"{who}: expected rows from 0 to {n - 1}, got {got}")
    return np.array(array, np.int64)  # a copy: C reads it for as long as the fit lasts


def held_once(who: str, X: Any, ports: Ports, rows: Any, kept: dict[Any, Any]) -> Any:
    """Return X converted to the dtype of a network if its feed would hold it whole, from ``kept`` if it is there.

    Several feeds then share it, and give what each would give by itself, of ``rows`` if these are not None.  Raises
    TypeError or ValueError if it does not fit.
    """
    ports.check_columns(who, X)
    key = ports.dtype, len(ports.input_shapes)
    parts = kept.get(key)
    if parts is None:
        parts = as_list(who, "X", X, len(ports.input_shapes))
        if any(length is not None for length in ports.padding.lengths(X)):
            return X
        parts = [part if is_sparse(part) else as_numeric(who, "X", part) for part in parts]
    if any(isinstance(x, np.memmap) for x in parts) or parts[0].ndim == 0:
        return X
    if max(parts[0].shape[0], np.size(rows)) * ports.row_bytes > BUFFER_BYTES:
        return X
    parts = [dense(as_csr(who, "X", x, ports.dtype)) if is_sparse(x) else x for x in parts]
    kept[key] = parts = [packed(who, "X", as_numeric(who, "X", x), ports.dtype) for x in parts]
    return parts if len(parts) > 1 else parts[0]


def fits(ports: Ports, data: Block, n: int) -> bool:
    """Whether ``n`` rows of such data are held whole: because they are used in place, or fit into the buffer."""
    in_place = all(
        isinstance(x, np.ndarray) and not isinstance(x, np.memmap) and x.dtype == ports.dtype and x.flags.c_contiguous
        for x in data.inputs
    )
    return in_place or n * ports.row_bytes <= BUFFER_BYTES


def joined_blocks(blocks: list[Block]) -> Block:
    """Return blocks as one; rows of those without weights weigh 1 where others have some."""
    if len(blocks) == 1:
        return blocks[0]
    weights = None
    if any(block.weights is not None for block in blocks):
        like = next(block.weights for block in blocks if block.weights is not None)
        parts = [np.ones((b.n, *like.shape[1:]), like.dtype) if b.weights is None else b.weights for b in blocks]
        weights = np.concatenate(parts)
    inputs = [np.concatenate(parts) for parts in zip(*(block.inputs for block in blocks), strict=True)]
    targets = [np.concatenate(parts) for parts in zip(*(block.targets for block in blocks), strict=True)]
    return Block(inputs, targets, weights, None, len(inputs[0]))


def multiple(batch_size: int, rows: int) -> int:
    """Return the largest number of whole mini-batches within some rows, but at least one, in rows."""
    return max(1, rows // batch_size) * batch_size


def parts(n: int, rows: int) -> Iterator[slice]:
    """Yield the rows from 0 to n, so many at a time; a single one that remains joins the last, for BatchNorm's sake."""
    start = 0
    while start < n:
        stop = start + rows if n - start - rows > 1 else n
        yield slice(start, stop)
        start = stop


def _filled(starts: np.ndarray, run: int, n: int, rows: int) -> Iterator[list[slice]]:
    """Join runs of contiguous rows into buffers of the sizes that ``parts`` has."""
    sizes = [part.stop - part.start for part in parts(n, rows)]
    buffer: list[slice] = []
    room = sizes.pop(0)
    for start in starts:
        at, stop = int(start), min(int(start) + run, n)
        while at < stop:
            size = min(stop - at, room)
            buffer.append(slice(at, at + size))
            at, room = at + size, room - size
            if room == 0:
                yield buffer
                buffer, room = [], sizes.pop(0) if sizes else 0
