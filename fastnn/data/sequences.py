"""Sequences of different lengths: filled up to the steps of a network, and answers cut to their lengths again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Padding:
    """How a network takes sequences that are shorter than the shape of an input.

    ``fills``: for each input the value of steps that do not count; None where ``reasons`` says why it has none.
    ``sources``: for each output the input along whose steps it goes, None if along none.
    """

    fills: tuple[float | None, ...]
    reasons: tuple[str, ...]
    sources: tuple[int | None, ...]


def are_sequences(values: Any, shape: tuple[int, ...]) -> bool:
    """Whether this is a list of sequences (t, ...), not all of T steps, for an input (T, ...)."""
    if not isinstance(values, list | tuple) or not values or len(shape) > 2:
        return False
    first = values[0]
    if not hasattr(first, "__len__") or np.ndim(first) != len(shape):
        return False
    return any(not hasattr(value, "__len__") or len(value) != shape[0] for value in values)


def lengths_of(values: Sequence[Any]) -> npt.NDArray[np.int64]:
    """Return how many steps each sequence has."""
    return np.array([len(value) for value in values], dtype=np.int64)


def counted(lengths: npt.NDArray[np.int64], steps: int) -> npt.NDArray[np.bool_]:
    """Return whether each step (N, T) counts."""
    return np.arange(steps) < lengths[:, None]


def filled_up(who: str, name: str, values: Sequence[Any], shape: tuple[int, ...], fill: float) -> Array:
    """Return sequences (t, ...) as rows (N, T, ...), their ends at ``fill``; ValueError if one does not fit."""
    rows = [np.asarray(value) for value in values]
    for k, row in enumerate(rows):
        if row.ndim != len(shape) or row.shape[1:] != shape[1:] or not 1 <= len(row) <= shape[0]:
            sizes = ", ".join(map(str, shape[1:]))
            raise ValueError(
                f"{who}: expected {name} to hold sequences ({f't, {sizes}' if sizes else 't,'}) of 1 to {shape[0]} "
                f"steps, got {row.shape} at {k}; give the network an input_shape of more steps, or cut them"
            )
        same = (row == fill).reshape(len(row), -1).all(axis=1)
        if same.any():
            raise ValueError(
                f"{who}: expected sequences without steps that consist of {fill:g}, which stands for steps that do not "
                f"count, got one at {k}, step {int(same.argmax())}; give the layers another mask_value or padding_index"
            )
    result = np.full((len(rows), *shape), fill, np.result_type(*rows))
    for out, row in zip(result, rows, strict=True):
        out[: len(row)] = row
    return result


def targets_filled_up(who: str, values: Any, lengths: npt.NDArray[np.int64], steps: int) -> Any:
    """Return targets (N, T, ...) of sequences, for steps that do not count the first step's; others as they are."""
    if not isinstance(values, list | tuple) or not values or np.ndim(values[0]) == 0:
        return values
    rows = [np.asarray(value) for value in values]
    if len(rows) != len(lengths) or any(len(row) != n for row, n in zip(rows, lengths, strict=True)):
        if all(len(row) == steps for row in rows):
            return values
        k = next((k for k, (row, n) in enumerate(zip(rows, lengths, strict=False)) if len(row) != n), len(rows))
        got = f"{len(rows)} of them" if k >= min(len(rows), len(lengths)) else f"{len(rows[k])} for {lengths[k]} at {k}"
        raise ValueError(f"{who}: expected as many targets as steps in every sequence, got {got}")
    result = np.empty((len(rows), steps, *rows[0].shape[1:]), np.result_type(*rows))
    for out, row in zip(result, rows, strict=True):
        out[: len(row)], out[len(row) :] = row, row[:1]
    return result
