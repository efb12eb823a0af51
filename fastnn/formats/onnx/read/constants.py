"""Nodes of an ONNX graph whose inputs are constants: noise around weights and shapes that exporters leave behind."""

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

LIMIT = 1 << 24  # elements that a node may make of nothing


class Unfit(ValueError):
    """A constant that cannot be worked out."""


def constant(operator: Any) -> list[np.ndarray]:
    """Return the value that a node holds."""
    from onnx import numpy_helper

    given = operator.attributes
    if "value" in given:
        return [numpy_helper.to_array(given["value"])]
    for name, dtype in (("float", np.float32), ("int", np.int64)):
        for form in (f"value_{name}", f"value_{name}s"):
            if form in given:
                return [np.array(given[form], dtype)]
    raise Unfit("it holds neither numbers nor a tensor")


def cast(operator: Any, x: np.ndarray) -> list[np.ndarray]:
    """Return the numbers in another dtype."""
    from onnx import helper

    return [x.astype(helper.tensor_dtype_to_np_dtype(operator.whole("to", 1)))]


def transpose(operator: Any, x: np.ndarray) -> list[np.ndarray]:
    """Return the axes in another order."""
    return [np.transpose(x, operator.attributes.get("perm"))]


def reshape(operator: Any, x: np.ndarray, shape: np.ndarray) -> list[np.ndarray]:
    """Return the numbers in another shape."""
    return [x.reshape([x.shape[i] if size == 0 else int(size) for i, size in enumerate(shape)])]


def unsqueeze(operator: Any, x: np.ndarray, *_: Any) -> list[np.ndarray]:
    """Return the array with more axes."""
    return [np.expand_dims(x, tuple(operator.integers(1, "axes")))]


def squeeze(operator: Any, x: np.ndarray, *_: Any) -> list[np.ndarray]:
    """Return the array with fewer axes."""
    axes = operator.integers(1, "axes")
    return [np.squeeze(x, None if axes is None else tuple(axes))]


def concat(operator: Any, *arrays: np.ndarray) -> list[np.ndarray]:
    """Return arrays one after the other."""
    return [np.concatenate(arrays, axis=operator.whole("axis", 0))]


def gather(operator: Any, x: np.ndarray, indices: np.ndarray) -> list[np.ndarray]:
    """Return elements by their indices."""
    return [np.take(x, indices, axis=operator.whole("axis", 0))]


def part(operator: Any, x: np.ndarray, *_: Any) -> list[np.ndarray]:
    """Return a part of each axis."""
    starts, stops = operator.integers(1, "starts"), operator.integers(2, "ends")
    axes = operator.integers(3, "axes") or range(len(starts))
    steps = operator.integers(4, "steps") or [1] * len(starts)
    index = [slice(None)] * x.ndim
    for axis, start, stop, step in zip(axes, starts, stops, steps, strict=True):
        index[axis] = slice(start, stop, step)
    return [x[tuple(index)]]


def fill(operator: Any, shape: np.ndarray) -> list[np.ndarray]:
    """Return one number everywhere; a size that is the batch's counts as 1."""
    from onnx import numpy_helper

    given = operator.attributes.get("value")
    value = np.zeros(1, np.float32) if given is None else numpy_helper.to_array(given)
    return [np.full(bounded(shape), value.ravel()[0])]


def expand(operator: Any, x: np.ndarray, shape: np.ndarray) -> list[np.ndarray]:
    """Return an array repeated along axes of length 1."""
    sizes = bounded(shape)
    return [np.broadcast_to(x, np.broadcast_shapes(x.shape, sizes))]


def bounded(shape: np.ndarray) -> tuple[int, ...]:
    """Return a shape that is not too large."""
    sizes = tuple(max(int(size), 1) if size < 0 else int(size) for size in np.ravel(shape))
    if prod(sizes) > LIMIT:
        raise Unfit(f"it would have the shape {sizes}")
    return sizes


def arithmetic(function: Callable[..., Any]) -> Callable[..., list[np.ndarray]]:
    """Return what works out a sum or product of numbers, but not of a size that is the batch's."""

    def work(operator: Any, *arrays: np.ndarray) -> list[np.ndarray]:
        if any(array.dtype.kind == "i" and (array < 0).any() for array in arrays):
            raise Unfit("it calculates with the size of the batch")
        if any(array.dtype.kind not in "fi" for array in arrays):
            raise Unfit("it calculates with something other than numbers")
        if prod(np.broadcast_shapes(*(array.shape for array in arrays))) > max(LIMIT, *(a.size for a in arrays)):
            raise Unfit("it is too large")
        return [function(*arrays)]

    return work


def divided(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return ``a / b``, of integers without a rest."""
    if a.dtype.kind == "f":
        return np.asarray(a / b)
    if not b.all() or (a % b).any():
        raise Unfit("it divides integers with a rest")
    return np.asarray(a // b)


FOLD: dict[str, Callable[..., list[np.ndarray]]] = {
    "Add": arithmetic(np.add),
    "Cast": cast,
    "Concat": concat,
    "Constant": constant,
    "ConstantOfShape": fill,
    "Div": arithmetic(divided),
    "Expand": expand,
    "Gather": gather,
    "Identity": lambda operator, x: [x],
    "Mul": arithmetic(np.multiply),
    "Neg": arithmetic(np.negative),
    "Reshape": reshape,
    "Slice": part,
    "Sqrt": arithmetic(np.sqrt),
    "Squeeze": squeeze,
    "Sub": arithmetic(np.subtract),
    "Transpose": transpose,
    "Unsqueeze": unsqueeze,
}
