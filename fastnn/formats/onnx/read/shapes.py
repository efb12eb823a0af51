"""Operators of ONNX that move numbers: shapes, parts, joins, and vectors from a table."""

from math import prod

import numpy as np

from fastnn.formats.foreign import Unsupported
from fastnn.formats.onnx.read import values
from fastnn.formats.onnx.read.reader import Operator
from fastnn.formats.onnx.read.values import BATCH, Value, part, reshaped, rows, squeezed, transposed
from fastnn.layers.embedding import Embedding
from fastnn.layers.merge import Concatenate
from fastnn.layers.padding import Crop2D


def cast(operator: Operator) -> list[Value]:
    """Numbers in another dtype; whole numbers must go to a table of vectors, which takes no others."""
    from onnx import TensorProto

    to = operator.whole("to", 1)
    readers = operator.reader.readers.get(operator.node.output[0], [])
    if to in (TensorProto.INT64, TensorProto.INT32):
        if operator.node.output[0] in operator.reader.outputs or any(node.op_type != "Gather" for node in readers):
            raise Unsupported("it rounds numbers")
    elif to not in (TensorProto.FLOAT, TensorProto.DOUBLE):
        raise Unsupported("it casts to something other than float32, float64 or integers")
    return [operator.value(0)]


def flatten(operator: Operator) -> list[Value]:
    """Each row a vector; one that was an image keeps its numbers where they are."""
    value = operator.value(0)
    if operator.whole("axis", 1) != 1:
        raise Unsupported("it merges the batch with something else")
    return [values.reshape(value, [0, -1], operator.reader.batch)]


def reshape(operator: Operator) -> list[Value]:
    """Another shape."""
    target = operator.integers(1, "shape")
    if target is None or (operator.whole("allowzero", 0) and 0 in target):
        raise Unsupported("its shape is missing, or that of an empty array")
    return [values.reshape(operator.value(0), target, operator.reader.batch)]


def transpose(operator: Operator) -> list[Value]:
    """Axes in another order."""
    value = operator.value(0)
    order = operator.attributes.get("perm", range(len(value.axes))[::-1])
    return [transposed(value, tuple(order))]


def concat(operator: Operator) -> list[Value]:
    """Tensors one after the other: along any axis beside the batch, at no cost along the one that is the last here."""
    given = [operator.value(i) for i in range(len(operator.node.input))]
    first, last = given[0], len(given[0].tensor.shape) - 1
    axis = operator.whole("axis", 0) % len(first.axes)
    if len(given) == 1:
        return given
    if axis == 1 and len(first.axes) > 2 and any(value.axes[1] == (len(value.axes) - 2,) for value in given):
        given = [values.image(values.as_image(value)) for value in given]  # channels, the last axis here
        first, last = given[0], len(first.axes) - 2
    if first.axes[axis] == (last,) and all(value.axes == first.axes for value in given):
        return [Value(Concatenate()(*(value.tensor for value in given)), first.axes)]
    tensors = [values.as_tensor(value) for value in given]
    shapes, rank = [x.shape for x in tensors], len(tensors[0].shape) + 1
    if axis == rank - 1:
        return [rows(Concatenate()(*tensors))]
    if axis == 0:
        raise Unsupported("it joins along axis 0, the batch")
    if axis != 1 or any(shape[1:] != shapes[0][1:] for shape in shapes):
        joined = Concatenate()(*(values.with_last(value, axis) for value in given))
        return [values.from_last(joined, axis, first)]
    flat = Concatenate()(*(reshaped(x, (prod(x.shape),)) for x in tensors))
    return [rows(reshaped(flat, (sum(shape[0] for shape in shapes), *shapes[0][1:])))]


def slice_(operator: Operator) -> list[Value]:
    """A part of an axis."""
    value = operator.value(0)
    starts, stops = operator.integers(1, "starts"), operator.integers(2, "ends")
    if starts is None or stops is None:
        raise Unsupported("it has no begin or no end")
    axes = operator.integers(3, "axes") or list(range(len(starts)))
    if any(step != 1 for step in operator.integers(4, "steps") or []):
        raise Unsupported("it takes steps other than 1")
    parts = {}
    for axis, start, stop in zip(axes, starts, stops, strict=True):
        place = axis % len(value.axes)
        if start == 0 and stop >= (value.shape[place] if value.axes[place] != (BATCH,) else 1 << 31 - 1):
            continue
        parts[place] = (start, stop)
    if len(value.tensor.shape) == 3 and {value.axes[place] for place in parts} == {(0,), (1,)}:
        return [cropped(value, {value.axes[place][0]: ends for place, ends in parts.items()})]
    for place, (start, stop) in parts.items():
        value = part(value, place, start, stop)
    return [value]


def cropped(value: Value, parts: dict[int, tuple[int, int]]) -> Value:
    """Return a part of the rows and of the columns of images."""
    cropping = []
    for size, axis in zip(value.tensor.shape[:2], range(2), strict=True):
        first, last, _ = slice(*parts[axis]).indices(size)
        if first >= last:
            raise Unsupported(f"it takes the empty part {first}:{last} of {values.written(value)}")
        cropping.append((first, size - last))
    return Value(Crop2D((cropping[0], cropping[1]))(value.tensor), value.axes)


def split(operator: Operator) -> list[Value]:
    """Parts of an axis, one after the other."""
    value, count = operator.value(0), len(operator.node.output)
    axis = operator.whole("axis", 0) % len(value.axes)
    size = value.shape[axis]
    sizes = operator.integers(1, "split") or [-(-size // count)] * (count - 1) + [
        size - -(-size // count) * (count - 1)
    ]
    if sum(sizes) != size:
        raise Unsupported(f"it splits {size} elements into {sizes}")
    stops = np.cumsum(sizes).tolist()
    return [part(value, axis, stop - size, stop) for size, stop in zip(sizes, stops, strict=True)]


def gather(operator: Operator) -> list[Value]:
    """Vectors from a constant table, or one element of an axis."""
    axis = operator.whole("axis", 0)
    if operator.is_constant(0):
        table = operator.constant(0)
        if axis != 0 or table.ndim != 2:
            raise Unsupported(
                f"its table of shape {table.shape}, read along axis {axis}, does not hold one vector per index"
            )
        return [rows(operator.apply(Embedding(*table.shape), operator.tensor(1), weight=table))]
    value, index = operator.value(0), operator.constant(1)
    if index.size != 1:
        raise Unsupported("it takes several elements of an axis; one is taken")
    axis %= len(value.axes)
    at = int(index.ravel()[0])
    taken = part(value, axis, at, at + 1 or None)
    return [squeezed(taken, [axis]) if index.ndim == 0 else taken]
