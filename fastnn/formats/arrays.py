"""Numbers from elsewhere: arrays of any library as NumPy arrays, and into a network all at once or not at all."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastnn._core.table import all_finite
from fastnn.graph.graph import Graph


def as_array(who: str, name: str, value: Any) -> np.ndarray:
    """Return an array or a tensor as a NumPy array; raises TypeError unless it holds float32 or float64."""
    for step in ("detach", "cpu", "numpy"):  # a tensor; arrays have none of these
        method = getattr(value, step, None)
        if not callable(method):
            continue
        try:
            value = method()
        except TypeError as error:  # bfloat16 has no NumPy twin
            raise TypeError(f"{who}: expected {name} in float32 or float64, got {error}; convert it first") from error
    array = np.asarray(value)
    if array.dtype not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise TypeError(f"{who}: expected {name} in float32 or float64, got {array.dtype}; convert it first")
    return array


def require_finite(who: str, net: Graph) -> None:
    """Raise ValueError unless all parameters are finite."""
    if not all_finite(net.params):
        raise ValueError(
            f"{who}: expected finite parameters in {net.dtype}, got NaN or inf; train again with a lower learning rate"
        )


def common_dtype(arrays: list[np.ndarray]) -> np.dtype:
    """Return float64 if any array has it, else float32."""
    return np.dtype(np.float64 if any(array.dtype == np.float64 for array in arrays) else np.float32)


def assign(who: str, net: Graph, values: Mapping[str, np.ndarray]) -> None:
    """Set all parameters by name, or none; raises ValueError if names or shapes differ, or a value is not finite."""
    views = dict(net.named_parameters())
    if missing := sorted(views.keys() - values.keys()):
        raise ValueError(f"{who}: expected values for all parameters, got none for {', '.join(missing)[:200]}")
    if alien := sorted(values.keys() - views.keys()):
        raise ValueError(f"{who}: expected parameters of the network, got {', '.join(alien)[:200]} besides")
    ready = {}
    for name, view in views.items():
        given = np.asarray(values[name])
        if given.shape != view.shape:
            raise ValueError(f"{who}: expected {name} of shape {view.shape}, got {given.shape}")
        with np.errstate(over="ignore"):
            ready[name] = np.ascontiguousarray(given, net.dtype)
        if not all_finite(ready[name]):
            raise ValueError(f"{who}: expected {name} to be finite in {net.dtype}, got NaN or inf")
    for name, view in views.items():
        view[...] = ready[name]
