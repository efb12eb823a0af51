"""Arguments of the models on streams, and names as files keep them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn._spec import listed, require_count, require_flag
from fastnn.data import RunningStandardizer

NAMES = (str, int, float, bool, type(None))  # what a file can keep as it is


def as_standardizer(who: str, name: str, value: Any, half_life: float | None = None) -> RunningStandardizer | None:
    """Return ``value`` itself, a new one for True, or None."""
    if isinstance(value, RunningStandardizer):
        return value
    require_flag(who, name, value)
    return RunningStandardizer(half_life=half_life) if value else None


def as_json(who: str, what: str, name: Any) -> Any:
    """Return a name as a file keeps it; ValueError if it would come back as something else."""
    value = name.item() if isinstance(name, np.generic) else name
    if not isinstance(value, NAMES):
        raise ValueError(
            f"{who}: expected the name of a {what} in a file to be a text, number or bool, got {name!r:.60}"
        )
    return value


def as_columns(who: str, features: Any) -> dict[Any, int]:
    """Return the column of each feature named beforehand."""
    if features is None:
        return {}
    if isinstance(features, str | bytes) or not isinstance(features, Sequence) or not features:
        raise TypeError(f"{who}: expected features to be a list of names, got {features!r:.60}")
    columns = {name: column for column, name in enumerate(features)}
    if len(columns) != len(features):
        raise ValueError(f"{who}: expected every feature once, got {listed(map(repr, features))}")
    return columns


def as_hidden(who: str, network: Any) -> tuple[int, ...]:
    """Return the sizes of the hidden layers."""
    if isinstance(network, str | bytes) or not isinstance(network, Sequence):
        raise TypeError(
            f"{who}: expected a Network, or the sizes of the hidden layers such as (32, 32), got {network!r:.60}"
        )
    for units in network:
        require_count(who, "sizes of hidden layers", units)
    return tuple(int(units) for units in network)
