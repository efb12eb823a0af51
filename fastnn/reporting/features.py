"""What the inputs of a report are called, which belong together, and what the rows were before they were encoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Source:
    """Rows as a network takes them, and as the user has them.

    ``X`` goes into the network.  ``raw`` is what the user gave, a data frame or an array, of which ``columns`` are the
    names, if it has any; ``names`` are those of the columns of ``X``.
    """

    model: Any
    X: Any
    raw: Any
    columns: list[str] | None
    names: list[str] | None


def source_of(model: Any, X: Any) -> Source:
    """Take model and rows apart: the steps of a Pipeline before its last one transform them, frames are arrays."""
    columns = [str(name) for name in X.columns] if hasattr(X, "columns") else None
    steps = getattr(model, "steps", None)
    if steps is None or not hasattr(model, "named_steps"):
        return Source(model, X.to_numpy() if columns and hasattr(X, "to_numpy") else X, X, columns, columns)
    made, names = X, columns
    if len(steps) > 1:
        before = model[:-1]
        made = before.transform(X)
        try:
            names = [str(name) for name in before.get_feature_names_out()]
        except (AttributeError, ValueError):  # a step that does not name what it makes
            names = None
    if hasattr(made, "toarray"):
        made = made.toarray()
    elif hasattr(made, "to_numpy"):
        made = made.to_numpy()
    return Source(steps[-1][1], made, X, columns, names)


def groups_of(names: Sequence[str], columns: Sequence[str] | None) -> dict[str, list[int]]:
    """Return by name the inputs that belong together: those made of one column.

    ``column=category`` says so, as tables are read here; names that scikit-learn's transformers give, such as
    ``onehot__colour_red``, are looked up among the ``columns`` there were before.
    """
    found: dict[str, list[int]] = {}
    known = sorted(columns or (), key=len, reverse=True)
    for number, name in enumerate(names):
        column = name.partition("=")[0] if "=" in name else name
        if column == name and columns is not None:
            end = name.rpartition("__")[2]
            column = next((c for c in known if end == c or end.startswith(f"{c}_")), name)
        found.setdefault(column, []).append(number)
    return found


def cells(
    source: Source, rows: np.ndarray, names: Sequence[str] | None, most: int
) -> tuple[list[str], list[list[str]]]:
    """Return names, and the values of these rows by column, of at most so many columns as the user has them."""
    if hasattr(source.raw, "columns"):
        chosen = source.raw.iloc[rows, :most]
        return [str(name) for name in chosen.columns], [[_short(v) for v in chosen[name]] for name in chosen.columns]
    values = np.asarray(source.raw)[rows].reshape(len(rows), -1)[:, :most]
    head = [f"input {j}" for j in range(values.shape[1])] if names is None else list(names)[: values.shape[1]]
    return head, [[_short(v) for v in column] for column in values.T]


def _short(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float | np.floating) else str(value)[:40]
