"""Where rows come from: arrays in memory, arrays too large or of another dtype, examples made on demand, or batches.

A feed gives an epoch as a sequence of blocks.  A block is packed arrays of the network's dtype that one call without
the GIL can work through, and perhaps an order to take its rows in.
"""

from collections.abc import Iterator
from numbers import Integral, Real
from typing import Any, NamedTuple, Protocol

import numpy as np

from fastnn._core.rng import SHUFFLE, RandomStream
from fastnn._spec import require_count
from fastnn.data.examples import MADE_BYTES, Examples
from fastnn.data.ports import Ports, as_list, as_numeric, as_targets, packed, release
from fastnn.losses import Loss

BUFFER_BYTES = 1 << 25  # of rows held at once where they cannot be used in place
PIECES = 64  # contiguous runs of rows that fill one buffer when shuffling


class Block(NamedTuple):
    """Rows ready for the Trainer; ``order`` None: as they lie."""

    inputs: list[np.ndarray]
    targets: list[np.ndarray]
    weights: np.ndarray | None
    n: int
    order: np.ndarray | None


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

    def blocks(self, shuffle: tuple[int, int] | None) -> Iterator[Block]:
        """Yield one epoch; ``shuffle``: (seed, epoch), or None for the order of the data."""


def class_weights(who: str, class_weight: Any, y: np.ndarray, loss: Loss, outputs: int) -> np.ndarray | None:
    """Return the weight of each row by its class (N,), or None.

    Raises
    ------
    TypeError, ValueError
        If the targets are not class labels, or a class is unknown.
    """
    if class_weight is None:
        return None
    if y.ndim == 2 and y.shape[1] > 1 and loss.label_kernel:
        y = y.argmax(axis=1)
    y = y.reshape(len(y), -1)
    if y.shape[1] != 1 or loss.kernel not in ("cross_entropy", "binary_cross_entropy", "hinge"):
        raise ValueError(
            f"{who}: class_weight expected class labels, got targets of shape {y.shape} under {loss.kernel}; "
            "use sample_weight"
        )
    labels = y[:, 0]
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(f"{who}: expected class_weight to be a dict or 'balanced', got {class_weight!r:.60}")
        classes, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
        return (len(labels) / (len(classes) * counts))[inverse]
    if not isinstance(class_weight, dict):
        raise TypeError(f"{who}: expected class_weight to be a dict or 'balanced', got {type(class_weight).__name__}")
    result = np.ones(len(labels))
    for label, weight in class_weight.items():
        if not (isinstance(weight, Real) and 0 <= float(weight) < float("inf")):
            raise ValueError(f"{who}: expected class weights of at least 0, got {weight!r:.60} for class {label!r:.60}")
        if outputs > 1 and (not isinstance(label, Integral) or not 0 <= int(label) < outputs):
            raise ValueError(f"{who}: expected classes 0 to {outputs - 1} in class_weight, got {label!r:.60}")
        result[labels == label] = weight
    return result


def row_bytes(ports: Ports) -> int:
    """Return how many bytes a row takes, its target as wide as the output included."""
    return ports.dtype.itemsize * sum(int(np.prod(shape)) for shape in (*ports.input_shapes, *ports.output_shapes))


class ArrayFeed:
    """Rows of arrays: used where they lie if dtype and layout are right, else converted a buffer at a time."""

    def __init__(
        self, who: str, X: Any, y: Any, sample_weight: Any, class_weight: Any, ports: Ports, batch_size: int
    ) -> None:
        self.who, self.ports = who, ports
        self.inputs = ports.sources(who, X)
        self.n: int = len(self.inputs[0])
        self.batch_size = min(batch_size, self.n)
        if y is None:
            raise ValueError(f"{who}: expected targets y, got None; for an autoencoder pass X again")
        self.targets = [as_numeric(who, "y", part) for part in as_list(who, "y", y, len(ports.losses))]
        for target in self.targets:
            if target.ndim == 0 or len(target) != self.n:
                got = len(target) if target.ndim else "one value"
                raise ValueError(
                    f"{who}: expected as many targets as rows, {self.n}, got {got}; X and y differ in length"
                )
        self.weights = ports.weights(who, sample_weight, self.n)
        if class_weight is not None and len(self.targets) > 1:
            raise ValueError(f"{who}: class_weight expected a network with one output, got {len(self.targets)}")
        if class_weight is not None and len(ports.output_shapes[0]) > 1:
            raise ValueError(f"{who}: class_weight expected one label per row, got one per step; use sample_weight")
        by_class = class_weights(who, class_weight, self.targets[0], ports.losses[0], ports.output_shapes[0][0])
        if by_class is not None:
            self.weights = (by_class if self.weights is None else by_class * self.weights).astype(ports.dtype)
        self.row_bytes = row_bytes(ports)
        self.in_place = all(
            x.dtype == ports.dtype and x.flags.c_contiguous and not isinstance(x, np.memmap) for x in self.inputs
        )
        self.whole: Block | None = None
        if self.holds(self.n):
            self.whole = self._load([slice(0, self.n)])

    def holds(self, n: int) -> bool:
        """Whether ``n`` such rows are held whole."""
        return self.in_place or n * self.row_bytes <= BUFFER_BYTES

    def _load(self, pieces: list[slice]) -> Block:
        """Read, convert and check some runs of rows."""
        ports = self.ports
        n = sum(piece.stop - piece.start for piece in pieces)
        inputs = [packed(self.who, "X", _read(x, pieces), ports.dtype) for x in self.inputs]
        targets = [
            as_targets(self.who, loss, _read(y, pieces), n, shape, ports.dtype)
            for loss, y, shape in zip(ports.losses, self.targets, ports.output_shapes, strict=True)
        ]
        return Block(inputs, targets, None if self.weights is None else _read(self.weights, pieces), n, None)

    def rows(self, rows: np.ndarray, class_weight: Any, batch_size: int) -> "ArrayFeed | RowsFeed":
        """Return the feed of some rows by their numbers, without a copy of them if that makes no difference."""
        if self.whole is not None and self.holds(len(rows)) and class_weight is None:
            return RowsFeed(self.whole, rows, batch_size)
        X, y = [x[rows] for x in self.inputs], [target[rows] for target in self.targets]
        weights = None if self.weights is None else self.weights[rows]
        X, y = X if len(X) > 1 else X[0], y if len(y) > 1 else y[0]
        return ArrayFeed(self.who, X, y, weights, class_weight, self.ports, batch_size)

    def blocks(self, shuffle: tuple[int, int] | None) -> Iterator[Block]:
        """Yield the whole in one block, or a buffer of rows at a time."""
        if self.whole is not None:
            order = None if shuffle is None else RandomStream(shuffle[0], SHUFFLE, shuffle[1]).permutation(self.n)
            yield self.whole._replace(order=order)
            return
        rows = max(self.batch_size, BUFFER_BYTES // self.row_bytes // self.batch_size * self.batch_size)
        run = max(1, rows // PIECES) if shuffle is not None else rows
        starts = np.arange(0, self.n, run)
        if shuffle is not None:
            starts = starts[RandomStream(shuffle[0], SHUFFLE, shuffle[1]).permutation(len(starts))]
        for position, pieces in enumerate(_portions(starts, run, self.n, rows)):
            block = self._load(pieces)
            if shuffle is not None:
                # Stream SHUFFLE orders the runs of an epoch; the streams below it order the rows of each buffer.
                order = RandomStream(shuffle[0], SHUFFLE - 2 - position % (1 << 20), shuffle[1]).permutation(block.n)
                block = block._replace(order=order)
            yield block
            for array in (*self.inputs, *self.targets):
                release(array)


class RowsFeed:
    """Some rows of a block, by their numbers, which stands for all of its epochs."""

    def __init__(self, whole: Block, rows: np.ndarray, batch_size: int) -> None:
        self.n, self.batch_size, self.order = len(rows), min(batch_size, len(rows)), rows
        self.whole: Block | None = whole._replace(n=self.n, order=rows)

    def blocks(self, shuffle: tuple[int, int] | None) -> Iterator[Block]:
        """Yield them in one block."""
        assert self.whole is not None
        order = (
            self.order
            if shuffle is None
            else self.order[RandomStream(shuffle[0], SHUFFLE, shuffle[1]).permutation(self.n)]
        )
        yield self.whole._replace(order=order)


class IterableFeed:
    """Mini-batches that an iterable of the caller's gives."""

    n: int | None = None
    batch_size: int | None = None
    whole: Block | None = None

    def __init__(self, who: str, batches: Any, ports: Ports, epochs: int) -> None:
        self.who, self.batches, self.ports = who, batches, ports
        if epochs > 1 and iter(batches) is batches:
            raise ValueError(
                f"{who}: expected an iterable that can be gone through {epochs} times, got a one-time "
                f"{type(batches).__name__}; pass a list or an object whose __iter__ starts again, or epochs=1"
            )

    def blocks(self, shuffle: tuple[int, int] | None) -> Iterator[Block]:
        """Yield each batch after checking it; order is the iterable's affair."""
        ports = self.ports
        for batch in self.batches:
            if not isinstance(batch, tuple | list) or len(batch) not in (2, 3):
                got = f"{len(batch)} parts" if isinstance(batch, tuple | list) else type(batch).__name__
                raise TypeError(f"{self.who}: expected batches (x, y) or (x, y, sample_weight), got {got}")
            feed = ArrayFeed(self.who, batch[0], batch[1], batch[2] if len(batch) == 3 else None, None, ports, 1)
            yield feed._load([slice(0, feed.n)])


class ExamplesFeed:
    """Examples that are made for each block, in a random order of all of them."""

    whole: Block | None = None

    def __init__(self, who: str, examples: Examples, ports: Ports, batch_size: int) -> None:
        self.who, self.examples, self.ports = who, examples, ports
        self.total = len(examples)
        if self.total < 1:
            raise ValueError(f"{who}: expected at least one example, got none in {examples!r:.200}")
        if examples.epoch_size is not None:
            require_count(who, "epoch_size", examples.epoch_size)
        self.n: int = self.total if examples.epoch_size is None else min(self.total, examples.epoch_size)
        self.batch_size = min(batch_size, self.n)
        row_bytes = ports.dtype.itemsize * sum(int(np.prod(shape)) for shape in ports.input_shapes)
        self.rows = max(1, MADE_BYTES // (row_bytes * self.batch_size)) * self.batch_size
        self._made(np.zeros(1, dtype=np.int64))  # what does not fit is refused before training

    def _made(self, rows: np.ndarray) -> Block:
        """Have some examples made, and check them."""
        parts = self.examples.gather(rows)
        if not isinstance(parts, tuple | list) or len(parts) not in (2, 3):
            got = f"{len(parts)} parts" if isinstance(parts, tuple | list) else type(parts).__name__
            raise TypeError(f"{self.who}: expected gather to give (X, y) or (X, y, sample_weight), got {got}")
        feed = ArrayFeed(self.who, parts[0], parts[1], parts[2] if len(parts) == 3 else None, None, self.ports, 1)
        if feed.n != len(rows):
            raise ValueError(f"{self.who}: expected gather to give {len(rows)} examples, got {feed.n}")
        return feed.whole or feed._load([slice(0, feed.n)])

    def blocks(self, shuffle: tuple[int, int] | None) -> Iterator[Block]:
        """Yield the examples of an epoch; unshuffled: all."""
        order = np.arange(self.total) if shuffle is None else self._order(*shuffle)
        for start in range(0, len(order), self.rows):
            yield self._made(order[start : start + self.rows])

    def _order(self, seed: int, epoch: int) -> np.ndarray:
        """Return the numbers of the examples of an epoch: the next ``n`` of a sequence of permutations of all."""
        first, stop = epoch * self.n, (epoch + 1) * self.n
        passes = range(first // self.total, (stop - 1) // self.total + 1)
        orders = [RandomStream(seed, SHUFFLE, number).permutation(self.total) for number in passes]
        start = first - passes[0] * self.total
        return np.concatenate(orders)[start : start + self.n]


def make_feed(
    who: str,
    X: Any,
    y: Any,
    sample_weight: Any,
    class_weight: Any,
    ports: Ports,
    batch_size: int,
    epochs: int,
    rows: Any = None,
) -> ArrayFeed | RowsFeed | ExamplesFeed | IterableFeed:
    """Return the feed that suits the data, or the numbered ``rows`` of them.

    Raises
    ------
    TypeError, ValueError
        If the data do not fit.
    """
    if isinstance(X, Examples):
        if not (y is None and sample_weight is None and class_weight is None):
            raise ValueError(
                f"{who}: expected {type(X).__name__} alone, which bring targets and weights, got y, sample_weight or "
                "class_weight beside them"
            )
        if rows is not None:
            raise ValueError(f"{who}: expected no rows beside {type(X).__name__}; take a part of it: split, between")
        return ExamplesFeed(who, X, ports, batch_size)
    if not is_batches(X, y):
        if rows is None:
            return ArrayFeed(who, X, y, sample_weight, class_weight, ports, batch_size)
        feed = ArrayFeed(who, X, y, sample_weight, None, ports, batch_size)
        return feed.rows(as_row_numbers(who, rows, feed.n), class_weight, batch_size)
    if sample_weight is not None or class_weight is not None:
        raise ValueError(
            f"{who}: expected weights within the batches, (x, y, sample_weight), got them beside an iterable"
        )
    if rows is not None:
        raise ValueError(f"{who}: expected arrays to choose rows of, got an iterable of batches")
    return IterableFeed(who, X, ports, epochs)


def is_batches(X: Any, y: Any) -> bool:
    """Whether X is an iterable of batches rather than rows."""
    return y is None and not hasattr(X, "__array__") and hasattr(X, "__iter__") and not _is_rows(X)


def as_row_numbers(who: str, rows: Any, n: int) -> np.ndarray:
    """Return numbers of rows, int64, for such numbers or a mask of ``n`` truth values.

    Raises
    ------
    TypeError, ValueError
        If they are not numbers of rows that exist.
    """
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
    return np.ascontiguousarray(array, np.int64)


def held_once(who: str, X: Any, ports: Ports, rows: Any, held: dict[Any, Any]) -> Any:
    """Return X converted to the dtype of a network if its feed would hold it whole, from ``held`` if it is there.

    Several feeds then share it, and give what each would give by itself, of ``rows`` if these are not None.

    Raises
    ------
    TypeError, ValueError
        If it does not fit.
    """
    key = ports.dtype, len(ports.input_shapes)
    parts = held.get(key)
    if parts is None:
        parts = [as_numeric(who, "X", part) for part in as_list(who, "X", X, len(ports.input_shapes))]
    if any(isinstance(x, np.memmap) for x in parts) or parts[0].ndim == 0:
        return X
    if max(len(parts[0]), np.size(rows)) * row_bytes(ports) > BUFFER_BYTES:
        return X
    held[key] = parts = [packed(who, "X", x, ports.dtype) for x in parts]
    return parts if len(parts) > 1 else parts[0]


def _is_rows(X: Any) -> bool:
    """Whether a list or tuple holds rows of numbers rather than batches."""
    if not isinstance(X, list | tuple) or not X:
        return False
    return not (isinstance(X[0], tuple | list) and len(X[0]) in (2, 3) and any(np.ndim(part) for part in X[0]))


def _read(array: np.ndarray, pieces: list[slice]) -> np.ndarray:
    """Return runs of rows; one run is a view."""
    if len(pieces) == 1:
        return np.asarray(array[pieces[0]])
    return np.concatenate([array[piece] for piece in pieces])


def _portions(starts: np.ndarray, run: int, n: int, rows: int) -> Iterator[list[slice]]:
    """Cut a sequence of runs into portions of exactly ``rows`` rows (the last one: what is left)."""
    portion: list[slice] = []
    room = rows
    for start in starts:
        at, stop = int(start), min(int(start) + run, n)
        while at < stop:
            take = min(stop - at, room)
            portion.append(slice(at, at + take))
            at, room = at + take, room - take
            if room == 0:
                yield portion
                portion, room = [], rows
    if portion:
        yield portion
