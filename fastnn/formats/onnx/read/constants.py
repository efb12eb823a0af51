"""Nodes of an ONNX graph whose inputs are constants: noise around weights and shapes that exporters leave behind.

What they compute, the reference implementation of ONNX says.
"""

from math import prod
from typing import Any

import numpy as np

from fastnn.formats.foreign import Unsupported

LIMIT = 1 << 24  # numbers that a node may make of nothing, unless the caller allows more
ARITHMETIC = frozenset(("Add", "Div", "Mul", "Neg", "Sqrt", "Sub"))
SHAPED = frozenset(("ConstantOfShape", "Expand"))  # their last input is a shape
KINDS = (
    ARITHMETIC
    | SHAPED
    | frozenset(
        ("Cast", "Concat", "Constant", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
    )
)


def fold(kind: str, node: Any, opset: int, arrays: list[np.ndarray | None], limit: int) -> list[np.ndarray]:
    """Return what a node makes of constants; None stands for an optional input that is not there."""
    from onnx import NodeProto
    from onnx.reference import ReferenceEvaluator

    given = dict(zip(node.input, arrays, strict=True))
    if kind in SHAPED:
        given[node.input[-1]] = bounded(given[node.input[-1]], limit)
    elif kind in ARITHMETIC:
        check_arithmetic(kind, [array for array in arrays if array is not None], limit)
    if kind in ("Squeeze", "Unsqueeze") and node.attribute:  # as before opset 13, which the evaluator does not know
        axes = tuple(node.attribute[0].ints)
        array = next(iter(given.values()))
        return [np.expand_dims(array, axes) if kind == "Unsqueeze" else np.squeeze(array, axes)]
    plain = NodeProto()
    plain.CopyFrom(node)
    plain.domain = ""  # of the two names of ONNX's own operators the one that the evaluator knows
    results = ReferenceEvaluator(plain, opsets={"": opset}).run(None, {k: v for k, v in given.items() if v is not None})
    if any(getattr(result, "dtype", np.dtype(str)).kind not in "biuf" for result in results):
        raise Unsupported("it holds neither numbers nor a tensor")
    return results


def bounded(shape: Any, limit: int) -> np.ndarray:
    """Return a shape that is not too large; a size that is the batch's counts as 1."""
    sizes = [max(int(size), 1) if size < 0 else int(size) for size in np.ravel(shape)]
    if prod(sizes) > limit:
        raise Unsupported(f"it would have the shape {tuple(sizes)}; max_constant={prod(sizes)} allows it")
    return np.array(sizes, np.int64)


def check_arithmetic(kind: str, arrays: list[np.ndarray], limit: int) -> None:
    """Raise Unsupported for what is not arithmetic of numbers, without a rest of integers or the size of the batch."""
    if any(array.dtype.kind == "i" and (array < 0).any() for array in arrays):
        raise Unsupported("it calculates with the size of the batch")
    if any(array.dtype.kind not in "fi" for array in arrays):
        raise Unsupported("it calculates with something other than numbers")
    size = prod(np.broadcast_shapes(*(array.shape for array in arrays)))
    if size > max(limit, *(array.size for array in arrays)):
        raise Unsupported(f"it would have {size} numbers; max_constant={size} allows it")
    if kind == "Div" and arrays[0].dtype.kind == "i" and (not arrays[1].all() or (arrays[0] % arrays[1]).any()):
        raise Unsupported("it divides integers with a rest")
