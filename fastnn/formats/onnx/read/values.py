"""What flows through an ONNX graph that is read: a tensor of ours, and in which order ONNX has its axes.

Rows come first here, (B, T, H), and channels last, (B, H, W, C); ONNX also has steps first, (T, B, H), channels second,
(B, C, H, W), or axes of length 1 between.  So a value is a tensor, and for every axis of ONNX the axes of the tensor
that it runs over: none, one, or several that are merged.  Numbers are moved, by a Permute, where a layer needs them in
another order; constants are turned instead wherever that is enough.
"""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

import numpy as np

from fastnn.formats.foreign import Unsupported
from fastnn.layers.base import Shape, Tensor
from fastnn.layers.merge import Slice
from fastnn.layers.padding import Crop2D
from fastnn.layers.permute import Permute
from fastnn.layers.reshape import Flatten, Reshape

BATCH = -1  # among axes: that of the rows; others count from 0 after it
Axes = tuple[tuple[int, ...], ...]


class Value(NamedTuple):
    """A tensor as ONNX sees it."""

    tensor: Tensor
    axes: Axes

    @property
    def shape(self) -> tuple[int, ...]:
        """As in ONNX, the batch as -1."""
        return tuple(BATCH if BATCH in axis else prod(self.tensor.shape[i] for i in axis) for axis in self.axes)

    @property
    def order(self) -> tuple[int, ...]:
        """Axes of the tensor in the order of ONNX."""
        return tuple(i for axis in self.axes for i in axis)

    @property
    def in_order(self) -> bool:
        """Whether the numbers lie as in rows: those of length 1 may be anywhere."""
        order = [i for i in self.order if i == BATCH or self.tensor.shape[i] > 1]
        return order == sorted(order)  # the batch is -1


def rows(tensor: Tensor) -> Value:
    """Return a tensor as rows (B, ...)."""
    return Value(tensor, ((BATCH,), *((i,) for i in range(len(tensor.shape)))))


def image(tensor: Tensor) -> Value:
    """Return images (B, H, W, C), or sequences (B, T, C), as ONNX has them: channels second."""
    last = len(tensor.shape) - 1
    return Value(tensor, ((BATCH,), (last,), *((i,) for i in range(last))))


def as_tensor(value: Value) -> Tensor:
    """Return the tensor of a value that has the batch first, its numbers in the order of ONNX."""
    return arranged(value, range(1, len(value.axes)))


def as_image(value: Value) -> Tensor:
    """Return the tensor of images, or of sequences, whose channels are axis 1 of ONNX: here the last."""
    if len(value.axes) < 3:
        raise Unsupported(f"its input of shape {written(value)} has no axes beside the batch and the channels")
    return arranged(value, [*range(2, len(value.axes)), 1])


def arranged(value: Value, places: Sequence[int]) -> Tensor:
    """Return a tensor with these axes of ONNX, all beside the batch, in this order."""
    beside = [i for i in value.axes[0] if i != BATCH]
    if BATCH not in value.axes[0] or any(value.tensor.shape[i] > 1 for i in beside):
        raise Unsupported(f"its input of shape {written(value)} does not have the batch alone in its first axis")
    tensor, shape = value.tensor, tuple(value.shape[place] for place in places)
    order = [*beside, *(i for place in places for i in value.axes[place])]
    wide = [i for i in order if tensor.shape[i] > 1]  # where the others stand does not matter
    if wide != sorted(wide):
        small = tuple(tensor.shape[i] for i in sorted(wide))
        tensor = Permute(tuple(sorted(wide).index(i) for i in wide))(reshaped(tensor, small))
    return reshaped(tensor, shape or (1,))  # one number per row keeps an axis


def with_last(value: Value, place: int) -> Tensor:
    """Return a tensor whose last axis is that one of ONNX, behind the others in their order."""
    return arranged(value, [*(i for i in range(1, len(value.axes)) if i != place), place])


def from_last(tensor: Tensor, place: int, like: Value) -> Value:
    """Return what ``with_last`` gave, or one like it, with the axes in their places; images as images lie here."""
    rank = len(like.axes)
    order = [*(i for i in range(1, rank) if i != place), place]
    value = Value(tensor, ((BATCH,), *((order.index(i),) for i in range(1, rank))))
    return image(as_image(value)) if rank > 2 and like.axes == image(like.tensor).axes else value


def in_memory(array: np.ndarray, value: Value) -> np.ndarray:
    """Return a constant of ONNX's shape without the batch as the numbers of a row of the tensor lie."""
    order = [i for axis in value.axes for i in axis if i != BATCH]
    split = array.reshape(tuple(value.tensor.shape[i] for i in order))
    return split.transpose([order.index(i) for i in range(len(order))])


def reshaped(tensor: Tensor, shape: Shape) -> Tensor:
    """Return the same numbers in a shape, without two reshapes in a row."""
    if tensor.shape == shape:
        return tensor
    while isinstance(tensor.layer, Flatten | Reshape):
        (tensor,) = tensor.inputs
    if tensor.shape == shape:
        return tensor
    return Flatten()(tensor) if len(shape) == 1 else Reshape(shape)(tensor)


def transposed(value: Value, order: tuple[int, ...]) -> Value:
    """Return the axes in another order."""
    if sorted(order) != list(range(len(value.axes))):
        raise Unsupported(f"it permutes {len(value.axes)} axes by {order}")
    return Value(value.tensor, tuple(value.axes[i] for i in order))


def unsqueezed(value: Value, places: list[int]) -> Value:
    """Return the value with axes of length 1 at these places of what comes out."""
    rank = len(value.axes) + len(places)
    axes = list(value.axes)
    for place in sorted(place % rank for place in places):
        axes.insert(place, ())
    return Value(value.tensor, tuple(axes))


def squeezed(value: Value, places: list[int] | None) -> Value:
    """Return the value without these axes of length 1, or without all."""
    shape = value.shape
    if places is None:
        places = [place for place, size in enumerate(shape) if size == 1]
    gone = {place % len(shape) for place in places}
    if any(shape[place] != 1 for place in gone):
        raise Unsupported(f"it removes the axes {sorted(gone)} of the shape {written(value)}, which are not all 1")
    dropped = {i for place in gone for i in value.axes[place]}
    kept = [axis for place, axis in enumerate(value.axes) if place not in gone]
    return renumbered(value.tensor, kept, dropped)


def renumbered(tensor: Tensor, axes: list[tuple[int, ...]], dropped: set[int]) -> Value:
    """Return a value without the axes ``dropped`` of its tensor, whose sizes are 1."""
    left = [i for i in range(len(tensor.shape)) if i not in dropped]
    if not left:  # a row of one number keeps its axis
        return Value(reshaped(tensor, (1,)), tuple(tuple(i for i in axis if i == BATCH) for axis in axes))
    number = {BATCH: BATCH, **{old: new for new, old in enumerate(left)}}
    smaller = reshaped(tensor, tuple(tensor.shape[i] for i in left)) if dropped else tensor
    return Value(smaller, tuple(tuple(number[i] for i in axis) for axis in axes))


def reshape(value: Value, target: list[int], batch: int | None) -> Value:
    """Return the value in another shape: 0 keeps a size, -1 is what is left; ``batch`` is a size that stands for it."""
    shape = value.shape
    if any(size == 0 and place >= len(shape) for place, size in enumerate(target)):
        raise Unsupported(f"it reshapes {written(value)} to {target}")
    wanted = [shape[place] if size == 0 else size for place, size in enumerate(target)]
    if value.in_order:
        return reshaped_rows(value, wanted, batch)
    if value.axes[0] == (BATCH,):
        found = cut_and_merged(value, wanted, batch)
        return reshaped_rows(rows(as_tensor(value)), wanted, batch) if found is None else found
    axes: list[tuple[int, ...]] = []
    waiting = list(value.order)
    for place, size in enumerate(wanted):  # the same order of axes: merge neighbours
        axis: tuple[int, ...] = ()
        last = place == len(wanted) - 1
        while waiting and (last or not filled(value, axis, size, batch)):
            axis += (waiting.pop(0),)
        if not filled(value, axis, size, batch) and size != -1:
            raise Unsupported(f"it reshapes {written(value)} to {target}, which does not only merge axes")
        axes.append(axis)
    if waiting:
        raise Unsupported(f"it reshapes {written(value)} to {target}, which does not only merge axes")
    return Value(value.tensor, tuple(axes))


def filled(value: Value, axis: tuple[int, ...], size: int, batch: int | None) -> bool:
    """Return whether these axes of the tensor make up an axis of that size."""
    if BATCH in axis:
        return axis == (BATCH,) and size in (-1, batch)
    return size == prod(value.tensor.shape[i] for i in axis)


def cut_and_merged(value: Value, wanted: list[int], batch: int | None) -> Value | None:
    """Return rows in another shape by cutting axes of the tensor and merging them; None: that does not do it."""
    if wanted[0] not in (BATCH, batch):
        return None
    sizes, total = wanted[1:], prod(value.tensor.shape)
    known = prod(size for size in sizes if size != -1)
    if sizes.count(-1) == 1 and known:
        sizes = [total // known if size == -1 else size for size in sizes]
    if -1 in sizes or prod(sizes) != total:
        return None
    pieces: dict[int, list[int]] = {i: [] for i in value.order}  # sizes that an axis of the tensor is cut into
    merged: list[list[tuple[int, int]]] = []  # for each axis of ONNX: the axis of the tensor, and which piece of it
    waiting = [(i, value.tensor.shape[i]) for axis in value.axes[1:] for i in axis]
    for size in sizes:
        merged.append([])
        while size > 1:
            while waiting and waiting[0][1] == 1:
                waiting.pop(0)
            i, left = waiting.pop(0)
            taken = min(left, size)
            if left % taken or size % taken:
                return None
            merged[-1].append((i, len(pieces[i])))
            pieces[i].append(taken)
            size //= taken
            waiting = [(i, left // taken), *waiting] if left > taken else waiting
    order = [(i, k) for i in sorted(pieces) for k in range(len(pieces[i]))]
    shape = tuple(pieces[i][k] for i, k in order)
    axes = [tuple(order.index(piece) for piece in axis) for axis in merged]
    return joined(Value(reshaped(value.tensor, shape), ((BATCH,), *axes)))


def joined(value: Value) -> Value:
    """Return a value whose axes run over one axis of the tensor each, where those of the tensor are neighbours."""
    starts: dict[int, int] = {}
    shape: list[int] = []
    owners = {axis[0]: axis for axis in value.axes[1:] if axis and axis == tuple(range(axis[0], axis[0] + len(axis)))}
    at = 0
    while at < len(value.tensor.shape):
        axis = owners.get(at, (at,))
        starts.update(dict.fromkeys(axis, len(shape)))
        shape.append(prod(value.tensor.shape[i] for i in axis))
        at += len(axis)
    axes = (tuple(dict.fromkeys(starts[i] for i in axis)) for axis in value.axes[1:])
    return Value(reshaped(value.tensor, tuple(shape)), (value.axes[0], *axes))


def reshaped_rows(value: Value, wanted: list[int], batch: int | None) -> Value:
    """Reshape rows: the batch comes first, after axes of length 1, or is merged with the axes after it."""
    tensor = value.tensor
    total = prod(tensor.shape)
    for place, size in enumerate(wanted):
        others = wanted[place + 1 :]
        known = prod(other for other in others if other != -1)
        if others.count(-1) == 1 and known:
            others = [total // known if other == -1 else other for other in others]
        if size in (-1, batch) and others and -1 not in others and prod(others) == total:
            result = rows(reshaped(tensor, tuple(others)))
            return unsqueezed(result, list(range(place)))
        if size != 1:
            break
    ones = next((place for place, size in enumerate(wanted[1:]) if size != 1), 0)  # between the batch and the others
    for count in range(1, len(tensor.shape)):
        if wanted[0] == -1 and tuple(wanted[1 + ones :]) == tensor.shape[count:]:
            own = ((i,) for i in range(count, len(tensor.shape)))
            return Value(tensor, ((BATCH, *range(count)), *[()] * ones, *own))
    raise Unsupported(f"it reshapes {written(value)} to {wanted}, which is not one row to one row")


def part(value: Value, place: int, start: int | None, stop: int | None) -> Value:
    """Return elements start to stop of one axis that is an axis of the tensor."""
    axis = value.axes[place]
    if len(axis) != 1 or axis == (BATCH,):
        raise Unsupported(
            f"it takes a part of axis {place} of {written(value)}, which is the batch, or several axes that were merged"
        )
    (at,) = axis
    shape = value.tensor.shape
    first, last, _ = slice(start, stop).indices(shape[at])
    if first >= last:
        raise Unsupported(f"it takes the empty part {start}:{stop} of {written(value)}")
    if (first, last) == (0, shape[at]):
        return value
    step = prod(shape[at + 1 :])
    if step == 1 and at == len(shape) - 1:
        return Value(Slice(first, last)(value.tensor), value.axes)
    if at == 0:
        cut = Slice(first * step, last * step)(reshaped(value.tensor, (shape[0] * step,)))
    else:  # an image whose columns are that axis
        cropping = ((0, 0), (first, shape[at] - last))
        cut = Crop2D(cropping)(reshaped(value.tensor, (prod(shape[:at]), shape[at], step)))
    return Value(reshaped(cut, (*shape[:at], last - first, *shape[at + 1 :])), value.axes)


def written(value: Value) -> str:
    """Write the shape as ONNX has it."""
    return f"({', '.join('batch' if size == BATCH else str(size) for size in value.shape)})"
