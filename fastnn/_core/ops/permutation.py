"""How a permutation of axes is walked through: what ``permute`` copies, block by block."""

from collections.abc import Sequence
from math import prod
from typing import NamedTuple


class Walk(NamedTuple):
    """A permutation as blocks of rows: of a matrix that is turned over, or of pieces that stay as they are.

    ``outer``: (count, step in x, step in y) of the axes that say where a matrix lies, in the order of the output.
    ``rows`` of x lie ``x_row`` apart.  ``columns``: of the matrix, which lie ``y_row`` apart in y; 0 for pieces of
    ``piece`` numbers, which lie ``y_row`` apart.
    """

    outer: list[tuple[int, int, int]]
    rows: int
    x_row: int
    columns: int
    y_row: int
    piece: int


def merged(shape: Sequence[int], axes: Sequence[int]) -> tuple[list[int], list[int]]:
    """Return the same permutation of fewer axes: none of one, and as one those that stay side by side.

    Parameters
    ----------
    shape : sequence of int
        Of the input.
    axes : sequence of int
        Axis i of the output is axis ``axes[i]`` of the input.
    """
    kept = [axis for axis in axes if shape[axis] > 1]
    rank = {axis: i for i, axis in enumerate(sorted(kept))}
    groups: list[list[int]] = []  # of input axes, in the order of the output
    for axis in kept:
        if groups and rank[axis] == rank[groups[-1][-1]] + 1:
            groups[-1].append(axis)
        else:
            groups.append([axis])
    order = sorted(groups)
    return [prod(shape[axis] for axis in group) for group in order], [order.index(group) for group in groups]


def steps(sizes: Sequence[int], order: Sequence[int]) -> list[int]:
    """Return for each axis the numbers between two of its places, in an array whose axes are in this order."""
    result, step = [0] * len(sizes), 1
    for axis in reversed(order):
        result[axis] = step
        step *= sizes[axis]
    return result


def walk(shape: Sequence[int], axes: Sequence[int]) -> Walk:
    """Return the walk of a permutation; one that changes nothing is one piece.

    Parameters
    ----------
    shape, axes : sequence of int
        As for ``merged``.
    """
    sizes, order = merged(shape, axes)
    if len(sizes) < 2:
        return Walk([], 1, prod(sizes), 0, prod(sizes), prod(sizes))
    last, x, y = len(sizes) - 1, steps(sizes, range(len(sizes))), steps(sizes, order)
    if order[-1] == last:
        *outer, row, _ = order
        columns, y_row, piece = 0, y[row], sizes[last]
    else:
        *outer, row = (axis for axis in order if axis != last)
        columns, y_row, piece = sizes[last], y[last], 1
    return Walk([(sizes[axis], x[axis], y[axis]) for axis in outer], sizes[row], x[row], columns, y_row, piece)
