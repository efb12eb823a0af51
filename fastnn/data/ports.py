"""Where user data enters: arrays become packed, finite rows of the network's dtype, or a message says what to do."""

import mmap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from fastnn.data import containers
from fastnn.data.class_weights import class_weights, labels_of
from fastnn.data.containers import Names, check_names, names_of, row_names
from fastnn.data.numbers import as_numeric, packed
from fastnn.data.sequences import Padding, counted, targets_filled_up
from fastnn.data.sparse import as_csr, dense_part, is_sparse
from fastnn.data.targets import as_targets, as_weights, loss_steps, require_targets
from fastnn.layers.base import Shape, batched
from fastnn.losses import CustomLoss, Loss

Where = slice | np.ndarray | list[slice] | None  # which rows: a run, their numbers, several runs, or all


class Block(NamedTuple):
    """Rows of each input, with their targets and weights; ``order``: which to take, in which order, None: as stored.

    ``Ports.data`` gives one of the right shapes, whose arrays are the caller's; ``Ports.ready`` one for the Trainer.
    """

    inputs: list[Any]
    targets: list[np.ndarray]
    weights: np.ndarray | None
    order: np.ndarray | None
    n: int

    @property
    def arrays(self) -> list[Any]:
        """Everything that may be the caller's."""
        return [*self.inputs, *self.targets, self.weights]

    def take(self, rows: np.ndarray) -> "Block":
        """Return a copy of some rows, by their numbers."""
        weights = None if self.weights is None else self.weights[rows]
        return Block([x[rows] for x in self.inputs], [y[rows] for y in self.targets], weights, None, len(rows))

    def part(self, start: int, stop: int) -> "Block":
        """Return a run of the rows, as views of arrays."""
        run = slice(start, stop)
        weights = None if self.weights is None else self.weights[run]
        return Block([x[run] for x in self.inputs], [y[run] for y in self.targets], weights, None, stop - start)


@dataclass(frozen=True)
class Ports:
    """What goes into a network and comes out of it: shapes of a row of each input and output, losses, dtype.

    ``losses`` is empty until the network is compiled.  ``find_padding``: how sequences shorter than an input are taken.
    ``names``: of the columns of each input that it learned from, empty until there were any.
    """

    input_shapes: tuple[Shape, ...]
    output_shapes: tuple[Shape, ...]
    losses: tuple[Loss, ...]
    dtype: np.dtype
    find_padding: Callable[[], Padding]
    names: tuple[Names, ...] = ()

    @cached_property
    def padding(self) -> Padding:
        """How sequences that are shorter than an input are taken: found when the first come."""
        return self.find_padding()

    @property
    def input_bytes(self) -> int:
        """How many bytes the inputs of a row take."""
        return self.dtype.itemsize * sum(int(np.prod(shape)) for shape in self.input_shapes)

    @property
    def row_bytes(self) -> int:
        """How many bytes a row takes, its targets as wide as the outputs included."""
        return self.input_bytes + self.dtype.itemsize * sum(int(np.prod(shape)) for shape in self.output_shapes)

    @property
    def feature_names(self) -> Any:
        """Names of the columns, a tuple of texts, or None; for several inputs a list of such."""
        names = list(self.names or (None,) * len(self.input_shapes))
        return names if len(names) > 1 else names[0]

    def sources(self, who: str, X: Any) -> list[Any]:
        """Return the rows of each input, their shapes checked: arrays as they are, sparse matrices as finite CSR.

        Raises TypeError or ValueError if they do not fit.
        """
        values = as_list(who, "X", X, len(self.input_shapes))
        self.check_columns(who, X)
        inputs = [self._source(who, value, k) for k, value in enumerate(values)]
        if any(x.shape[0] != inputs[0].shape[0] for x in inputs[1:]):
            raise ValueError(f"{who}: expected as many rows in every input, got {[x.shape[0] for x in inputs]}")
        return inputs

    def _source(self, who: str, value: Any, k: int) -> Any:
        shape = self.input_shapes[k]
        if self.padding.are_sequences(value, k):
            return as_numeric(who, "X", self.padding.filled_up(who, value, k))
        if is_sparse(value):
            return as_csr(who, "X", check_rows(who, "X", value, shape), self.dtype)
        return check_rows(who, "X", as_numeric(who, "X", value), shape)

    def named(self, X: Any) -> "Ports":
        """Return the same with the names of the columns of X, for inputs that have none yet."""
        parts = X if len(self.input_shapes) > 1 and isinstance(X, tuple | list) else [X]
        given, known = [*map(names_of, parts)], self.names or (None,) * len(self.input_shapes)
        if not any(given) or len(given) != len(known):
            return self
        return replace(self, names=tuple(old or new for old, new in zip(known, given, strict=True)))

    def check_columns(self, who: str, X: Any) -> None:
        """Raise ValueError if columns of X have other names, or another order, than those that were learned from."""
        if self.names:
            for part, known in zip(as_list(who, "X", X, len(self.names)), self.names, strict=True):
                check_names(who, None if known is None else names_of(part), known)

    def row(self, who: str, name: str, x: Any, port: int = 0) -> np.ndarray:
        """Return one packed row of an input; TypeError or ValueError if it is none, or its names are others."""
        known, shape = self.names[port] if self.names else None, self.input_shapes[port]
        return as_row(who, name, containers.as_row(who, name, x, known), shape, self.dtype)

    def rows(self, who: str, X: Any) -> tuple[list[np.ndarray], int]:
        """Return packed rows of each input, and how many."""
        inputs = self.pack(who, self.sources(who, X))
        return inputs, len(inputs[0])

    def pack(self, who: str, sources: list[Any]) -> list[np.ndarray]:
        """Return packed rows for what ``sources`` gave, or for some of its rows."""
        return [packed(who, "X", dense(x), self.dtype) for x in sources]

    def data(self, who: str, X: Any, y: Any, sample_weight: Any = None) -> Block:
        """Return inputs, targets and weights of the right shapes, not converted yet.

        Raises TypeError or ValueError if they do not fit, RuntimeError if there is no loss yet.
        """
        inputs = self.sources(who, X)
        n = inputs[0].shape[0]
        lengths = self.padding.lengths(X)
        if any(each is not None for each in lengths):
            y, sample_weight = self._of_sequences(who, lengths, n, y, sample_weight)
        targets, weights = self._targets(who, y, n), None
        if sample_weight is not None:
            steps = {loss_steps(loss, shape) for loss, shape in zip(self.losses, self.output_shapes, strict=True)}
            weights = as_weights(who, sample_weight, n, steps.pop() if len(steps) == 1 else 1, self.dtype)
        return Block(inputs, targets, weights, None, n)

    def _of_sequences(self, who: str, lengths: list[np.ndarray | None], n: int, y: Any, sample_weight: Any) -> Any:
        """Return targets and weights of sequences for all steps; those that do not count have weight 0."""
        if y is None:
            return y, sample_weight
        self.require_losses(who)
        sources, shapes = self.padding.sources, self.output_shapes
        ends = [None if source is None else lengths[source] for source in sources]
        if all(end is None for end in ends):
            return y, sample_weight
        if any(end is None or isinstance(loss, CustomLoss) for end, loss in zip(ends, self.losses, strict=True)) or (
            len({shape[0] for shape in shapes}) > 1 or len(set(sources)) > 1
        ):
            raise ValueError(
                f"{who}: expected one input of sequences, and losses of fastnn's own on outputs that all go along with "
                "it, got others beside; pad the sequences and give sample_weight 0 where they have ended"
            )
        end, steps = ends[0], shapes[0][0]
        assert end is not None
        parts = [targets_filled_up(who, part, end, steps) for part in as_list(who, "y", y, len(self.losses))]
        weights = counted(end, steps).astype(self.dtype)
        if isinstance(sample_weight, list | tuple) and sample_weight and np.ndim(sample_weight[0]) == 1:
            weights *= targets_filled_up(who, sample_weight, end, steps)
        elif sample_weight is not None:
            given = as_weights(who, sample_weight, n, steps, self.dtype)
            weights *= given if given.ndim == 2 else given[:, None]
        return parts if len(parts) > 1 else parts[0], weights

    def ready(self, who: str, data: Block, where: Where = None) -> Block:
        """Return some rows of checked data, packed for the Trainer.

        Raises TypeError or ValueError if numbers are not finite, or targets not what the loss takes.
        """
        inputs = self.pack(who, [take(x, where) for x in data.inputs])
        targets = self._as_losses_take(who, [take(y, where) for y in data.targets])
        weights = None if data.weights is None else take(data.weights, where)
        return Block(inputs, targets, weights, None, len(inputs[0]))

    def batch(
        self, who: str, x: Any, y: Any, sample_weight: Any
    ) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray | None, int]:
        """Return packed inputs, targets and weights of one row or of a batch, and how many rows."""
        self.require_losses(who)
        values = as_list(who, "X", x, len(self.input_shapes))
        if any(self.padding.are_sequences(value, k) for k, value in enumerate(values)):
            inputs, targets, weights, _, n = self.ready(who, self.data(who, x, y, sample_weight))
            return inputs, targets, weights, n
        self.check_columns(who, x)
        values = [
            value if is_sparse(value) else self._row_or_rows(who, value, port) for port, value in enumerate(values)
        ]
        if values[0].shape == self.input_shapes[0] and y is not None and not is_sparse(values[0]):
            values = [value[None] for value in values]
            parts = [as_numeric(who, "y", part)[None] for part in as_list(who, "y", y, len(self.losses))]
            y = parts if len(parts) > 1 else parts[0]
            sample_weight = None if sample_weight is None else np.asarray(sample_weight)[None]
        data = self.data(who, values if len(values) > 1 else values[0], y, sample_weight)
        inputs, targets, weights, _, n = self.ready(who, data)
        return inputs, targets, weights, n

    def _row_or_rows(self, who: str, value: Any, port: int) -> np.ndarray:
        if isinstance(value, Mapping) or row_names(value) is not None:
            return containers.as_row(who, "X", value, self.names[port] if self.names else None)
        return as_numeric(who, "X", value)

    def targets(self, who: str, y: Any, n: int) -> list[np.ndarray]:
        """Return packed targets of ``n`` rows, one array per output."""
        return self._as_losses_take(who, self._targets(who, y, n))

    def _as_losses_take(self, who: str, targets: list[np.ndarray]) -> list[np.ndarray]:
        parts = zip(self.losses, targets, self.output_shapes, strict=True)
        return [as_targets(who, loss, y, shape, self.dtype) for loss, y, shape in parts]

    def _targets(self, who: str, y: Any, n: int) -> list[np.ndarray]:
        """Return the targets of ``n`` rows as numeric arrays, one per output."""
        if y is None:
            raise ValueError(f"{who}: expected targets y, got None; for an autoencoder pass X again")
        self.require_losses(who)
        parts = [as_numeric(who, "y", part) for part in as_list(who, "y", y, len(self.losses))]
        for part in parts:
            require_targets(who, part, n)
        return parts

    def by_class(self, who: str, data: Block, class_weight: Any, rows: np.ndarray | None) -> np.ndarray:
        """Return the weight of each row times that of its class.

        "balanced" counts the classes of ``rows``, by their numbers, where only these are to be learned from.  Raises
        TypeError or ValueError if the targets are not class labels, or a class is unknown.
        """
        if len(data.targets) > 1:
            raise ValueError(f"{who}: class_weight expected a network with one output, got {len(data.targets)}")
        if len(self.output_shapes[0]) > 1:
            raise ValueError(f"{who}: class_weight expected one label per row, got one per step; use sample_weight")
        labels, outputs = labels_of(who, data.targets[0], self.losses[0]), self.output_shapes[0][0]
        two = (-1, 1) if self.losses[0].targets == "signs" else (0, 1)
        result, learned = np.ones(data.n), slice(None) if rows is None else rows
        result[learned] = class_weights(who, class_weight, labels[learned], range(outputs) if outputs > 1 else two)
        return (result if data.weights is None else result * data.weights).astype(self.dtype)

    def require_losses(self, who: str) -> None:
        """Raise RuntimeError unless there is a loss for each output."""
        if not self.losses:
            here = ", or fit(..., loss=..., optimizer=...)" if who == "fit" else ""
            raise RuntimeError(
                f"{who}: expected a compiled network; call net.compile(loss=..., optimizer=...) first{here}; a file "
                "keeps loss and optimiser only from save(..., optimizer=True)"
            )

    def answers(self, n: int) -> list[np.ndarray]:
        """Return new arrays for the answers to ``n`` rows, one array per output."""
        return [np.empty((n, *shape), self.dtype) for shape in self.output_shapes]


def as_parts(who: str, what: str, parts: Any) -> tuple[Any, Any, Any]:
    """Return X, y and the weights, or None, of a tuple of the user's; TypeError if it is none of two or three parts."""
    if not isinstance(parts, tuple | list) or len(parts) not in (2, 3):
        got = type(parts).__name__ + (f" of {len(parts)}" if isinstance(parts, tuple | list) else "")
        raise TypeError(f"{who}: expected {what} (X, y) or (X, y, sample_weight), got {got}")
    return parts[0], parts[1], parts[2] if len(parts) == 3 else None


def dense(x: Any) -> np.ndarray:
    """Return rows as an array: a sparse matrix with its zeros, an array as it is."""
    return dense_part(x) if is_sparse(x) else x


def take(array: Any, where: Where) -> Any:
    """Return some rows; a contiguous range of them is a view, those of a sparse matrix are a new array."""
    if where is None:
        return array
    if is_sparse(array):
        return dense_part(array, where)
    if isinstance(where, list):
        return np.concatenate([array[run] for run in where]) if len(where) > 1 else np.asarray(array[where[0]])
    return array[where]


def as_rows(who: str, name: str, values: Any, shape: Shape, dtype: np.dtype) -> np.ndarray:
    """Return ``values`` as packed rows (B, *shape); TypeError or ValueError if they are no such finite numbers."""
    return packed(who, name, check_rows(who, name, as_numeric(who, name, values), shape), dtype)


def check_rows(who: str, name: str, array: Any, shape: Shape) -> Any:
    """Return an array, or a sparse matrix, if it is B >= 1 rows of ``shape``; ValueError if it is not."""
    if array.shape[1:] != shape or array.ndim == 0:
        hint = ""
        if array.shape == shape:
            hint = f"; for one row pass {name}[None]"
        elif array.ndim > 1 and np.prod(array.shape[1:]) == np.prod(shape):
            hint = "; add Flatten() to the network or reshape the array"
        raise ValueError(f"{who}: expected {name} of shape {batched(shape)}, got {array.shape}{hint}")
    if array.shape[0] == 0:
        raise ValueError(f"{who}: expected at least one row in {name}, got shape {array.shape}")
    return array


def as_row(who: str, name: str, values: Any, shape: Shape, dtype: np.dtype) -> np.ndarray:
    """Return ``values`` as one packed row of ``shape``; TypeError or ValueError if it is none of finite numbers."""
    array = as_numeric(who, name, values)
    if array.shape != shape:
        hint = f"; take one row of {name}" if array.shape[1:] == shape else ""
        raise ValueError(f"{who}: expected {name} of shape {shape}, got {array.shape}{hint}")
    return packed(who, name, array, dtype)


def check_out(who: str, out: Any, answers: list[np.ndarray]) -> None:
    """Raise TypeError or ValueError unless ``out`` is a writable array of the dtype and shape of the only answer."""
    dtype, shape = answers[0].dtype, answers[0].shape
    if len(answers) > 1:
        raise ValueError(
            f"{who}: expected out to be None for a network of {len(answers)} outputs, got {type(out).__name__}; copy "
            "from the list that is returned"
        )
    if not isinstance(out, np.ndarray) or out.dtype != dtype or not out.flags.writeable:
        got = type(out).__name__
        if isinstance(out, np.ndarray):
            got = f"dtype {out.dtype}" if out.flags.writeable else f"a read-only one of {out.dtype}"
        raise TypeError(f"{who}: expected out to be a writable array of {dtype}, got {got}")
    if out.shape != shape:
        raise ValueError(f"{who}: expected out of shape {shape}, got {out.shape}")


def as_list(who: str, name: str, values: Any, count: int) -> list[Any]:
    """Return one entry per input or output: ``values``, or its items; ValueError if not so many."""
    if count == 1:
        return [values]
    if not isinstance(values, tuple | list) or len(values) != count:
        got = f"{len(values)}" if isinstance(values, tuple | list) else type(values).__name__
        port = "input" if name.lower() == "x" else "output"
        raise ValueError(
            f"{who}: expected {name} to be a list of {count} arrays, one per {port} of the network, got {got}"
        )
    return list(values)


def release(array: np.ndarray) -> None:
    """Let the system take back the pages of a memmap that were read, so that a large file does not fill the memory."""
    mapping = getattr(array, "_mmap", None)
    if isinstance(mapping, mmap.mmap) and getattr(array, "mode", None) in ("r", "r+") and hasattr(mapping, "madvise"):
        mapping.madvise(mmap.MADV_DONTNEED)
