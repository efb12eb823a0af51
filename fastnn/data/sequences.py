"""Sequences of different lengths: filled up to the steps of a network, and answers cut to their lengths again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Lengths = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Padding:
    """How a network takes sequences that are shorter than the shape of an input.

    ``fills``: for each input the value of steps that do not count; None where ``reasons`` says why it has none.
    ``sources``: for each output the input along whose steps it goes, None if along none.  ``passed``: for each input
    whether layers pass over steps that hold the value, so that no step of a sequence may.
    """

    shapes: tuple[tuple[int, ...], ...]
    fills: tuple[float | None, ...]
    reasons: tuple[str, ...]
    sources: tuple[int | None, ...]
    passed: tuple[bool, ...]

    def are_sequences(self, values: Any, k: int) -> bool:
        """Whether this is a list of sequences (t, ...), not all of T steps, for input ``k`` of shape (T, ...)."""
        shape = self.shapes[k]
        if not isinstance(values, list | tuple) or not values or len(shape) > 2:
            return False
        if not hasattr(values[0], "__len__") or np.ndim(values[0]) != len(shape):
            return False
        if all(hasattr(value, "__len__") and len(value) == shape[0] for value in values):
            return False
        return len(shape) == 2 or self.fills[k] is not None  # else rows of features, which must all be as long

    def is_short(self, value: Any, k: int) -> bool:
        """Whether this is one sequence of fewer steps than input ``k`` has, which takes such."""
        shape = self.shapes[k]
        if len(shape) > 2 or np.ndim(value) != len(shape) or not 0 < len(value) < shape[0]:
            return False
        return self.fills[k] is not None

    def filled_up(self, who: str, values: Sequence[Any], k: int) -> Array:
        """Return sequences as rows of input ``k``; ValueError if one does not fit, or the network would see the end."""
        fill = self.fills[k]
        if fill is None:
            raise ValueError(
                f"{who}: expected sequences of {self.shapes[k][0]} steps, got shorter ones, but {self.reasons[k]}; "
                "give recurrent layers a mask_value and embeddings a padding_index, or pad the sequences"
            )
        return filled_up(who, "X", values, self.shapes[k], fill, self.passed[k])

    def lengths(self, X: Any) -> list[Lengths | None]:
        """Return for each input how many steps each of its sequences has, None where they are whole."""
        values = [X] if len(self.shapes) == 1 else X
        return [lengths_of(value) if self.are_sequences(value, k) else None for k, value in enumerate(values)]

    def cut(self, X: Any, answers: list[Array]) -> list[Any]:
        """Return answers to these rows, those to sequences cut to their lengths, as a list."""
        lengths = self.lengths(X)
        ends = [None if source is None else lengths[source] for source in self.sources]
        return [
            answer if end is None else [y[:n] for y, n in zip(answer, end, strict=True)]
            for answer, end in zip(answers, ends, strict=True)
        ]


def lengths_of(values: Sequence[Any]) -> Lengths:
    """Return how many steps each sequence has."""
    return np.array([len(value) for value in values], dtype=np.int64)


def counted(lengths: Lengths, steps: int) -> npt.NDArray[np.bool_]:
    """Return whether each step (N, T) counts."""
    return np.arange(steps) < lengths[:, None]


def filled_up(who: str, name: str, values: Sequence[Any], shape: tuple[int, ...], fill: float, passed: bool) -> Array:
    """Return sequences (t, ...) as rows (N, T, ...), their ends at ``fill``; ValueError if one does not fit.

    ``passed``: steps that hold ``fill`` are passed over, so no sequence may have any.
    """
    rows = [np.asarray(value) for value in values]
    for k, row in enumerate(rows):
        if row.ndim != len(shape) or row.shape[1:] != shape[1:] or not 1 <= len(row) <= shape[0]:
            sizes = ", ".join(map(str, shape[1:]))
            raise ValueError(
                f"{who}: expected {name} to hold sequences ({f't, {sizes}' if sizes else 't,'}) of 1 to {shape[0]} "
                f"steps, got {row.shape} at {k}; give the network an input_shape of more steps, or cut them"
            )
        same = (row == fill).reshape(len(row), -1).all(axis=1)
        if passed and same.any():
            raise ValueError(
                f"{who}: expected sequences without steps that consist of {fill:g}, which stands for steps that do not "
                f"count, got one at {k}, step {int(same.argmax())}; give the layers another mask_value or padding_index"
            )
    result = np.full((len(rows), *shape), fill, np.result_type(*rows))
    for out, row in zip(result, rows, strict=True):
        out[: len(row)] = row
    return result


def targets_filled_up(who: str, values: Any, lengths: Lengths, steps: int) -> Any:
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
