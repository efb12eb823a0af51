"""What the inputs of a report are called, which belong together, and what the rows were before they were encoded."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from fastnn.data.containers import columns_of, opened, take_rows
from fastnn.data.ports import dense
from fastnn.data.sparse import is_sparse


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
    """Take model and rows apart: the steps of a Pipeline before its last one transform them, an estimator encodes."""
    found = columns_of(X)
    columns = None if found is None else [str(name) for name in found[0]]
    steps = getattr(model, "steps", None)
    made, names, last = X, columns, model
    if steps is not None and hasattr(model, "named_steps"):
        last = steps[-1][1]
    if steps is not None and last is not model and len(steps) > 1:
        before = model[:-1]
        made = before.transform(X)
        try:
            names = [str(name) for name in before.get_feature_names_out()]
        except (AttributeError, ValueError):  # a step that does not name what it makes
            names = None
    if (encoder := getattr(last, "encoder_", None)) is not None:
        names = encoder.get_feature_names_out().tolist()
    if hasattr(last, "network_inputs"):
        made = last.network_inputs(made)
    return Source(last, made, X, columns, names)


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
    if (frame := opened(source.raw)) is not None:
        named, columns = columns_of(take_rows(frame, rows)) or ([], iter(()))
        lists = [column.to_pylist() if hasattr(column, "to_pylist") else column for column in islice(columns, most)]
        return [str(name) for name in named[:most]], [[_short(v) for v in values] for values in lists]
    values = dense(source.raw[rows] if is_sparse(source.raw) else np.asarray(source.raw)[rows]).reshape(len(rows), -1)[
        :, :most
    ]
    head = [f"input {j}" for j in range(values.shape[1])] if names is None else list(names)[: values.shape[1]]
    return head, [[_short(v) for v in column] for column in values.T]


def _short(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float | np.floating) else str(value)[:40]
