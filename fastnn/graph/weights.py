"""Parameters of a graph as arrays of their own: given, taken, and put into its vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np

from fastnn._core.aligned import aligned_zeros
from fastnn.data.numbers import as_numeric, packed
from fastnn.graph.assembly import Place


def vector_of(params: Any, n: int, dtype: np.dtype) -> np.ndarray:
    """Return the vector for ``n`` parameters: this one, or zeros if it is None; ValueError if it cannot hold them."""
    if params is None:
        return aligned_zeros(n, dtype)
    if isinstance(params, np.ndarray) and params.shape == (n,) and params.dtype == dtype and params.flags.carray:
        return params
    got = f"{params.shape} in {params.dtype}" if isinstance(params, np.ndarray) else type(params).__name__
    raise ValueError(f"Graph.of: expected params of shape ({n},) in {dtype}, packed and writable, got {got}")


@contextmanager
def changing(self: Any) -> Iterator[None]:
    """Change parameters in the block, so that calls of other threads see all of the changes or none.

    ``predict``, ``predict_one`` and ``evaluate`` that run meanwhile answer from the parameters before or after the
    block.  ``set_weights``, ``load_weights`` and ``net.params = values`` do this by themselves; whoever writes into
    ``net.params`` while other threads ask the network needs it.

    Returns
    -------
    context manager

    Raises
    ------
    RuntimeError
        If another thread trains the network; a callback of the training may change parameters.

    Examples
    --------
    >>> import fastnn as fn
    >>> net = fn.Sequential([fn.Dense(1)], input_shape=2, seed=0)
    >>> with net.changing():
    ...     net.layers[0].weight[:] = 1
    ...     net.layers[0].bias[:] = 2
    >>> net.params
    array([1., 1., 2.], dtype=float32)
    """
    how = self.versions.change("changing")
    try:
        yield
    finally:
        self.versions.changed(how)


def fill(net: Any, name: str, vector: np.ndarray, value: Any) -> None:
    """Put what is assigned to ``net.params`` or ``net.grads`` into that vector.

    Raises TypeError or ValueError if it is no such vector of numbers.
    """
    values = as_numeric(f"net.{name}", "values", value)
    if values.shape != vector.shape:
        raise ValueError(f"net.{name}: expected values of shape {vector.shape}, got {values.shape}")
    with changing(net) if name == "params" else nullcontext():
        vector[...] = values


def set_weights(who: str, net: Any, weights: Any) -> None:
    """Set every parameter from a list of arrays; all are checked before any is set.

    Raises TypeError or ValueError if they are not as many finite arrays of the right shapes.
    """
    places: list[Place] = net.places
    names = [f"{place.layer}.{place.name}" for place in places]
    if isinstance(weights, np.ndarray) or not isinstance(weights, Iterable) or isinstance(weights, str | dict):
        raise TypeError(
            f"{who}: expected a list of {len(places)} arrays as get_weights gives, got {type(weights).__name__}; all "
            "parameters as one vector: net.params[:] = vector"
        )
    arrays = [as_numeric(who, "weights", value) for value in weights]
    if len(arrays) != len(places):
        raise ValueError(f"{who}: expected {len(places)} arrays, {', '.join(names)[:200]}, got {len(arrays)}")
    for name, place, array in zip(names, places, arrays, strict=True):
        if array.shape != place.shape:
            raise ValueError(f"{who}: expected {name} of shape {place.shape}, got {array.shape}")
    ready = [packed(who, name, array, net.dtype) for name, array in zip(names, arrays, strict=True)]
    with changing(net):
        for place, array in zip(places, ready, strict=True):
            place.of(net.params)[...] = array


def take_weights(net: Any, other: Any) -> list[str]:
    """Set the parameters that another network has by the same name; all are checked before any is set.

    Raises TypeError or ValueError if that is no network, or none of its parameters or one of another shape.
    """
    if not hasattr(other, "places"):
        raise TypeError(f"take_weights: expected another network, got {type(other).__name__}")
    given = {(place.layer, place.name): place for place in other.places}
    shared = [place for place in net.places if (place.layer, place.name) in given]
    if not shared:
        raise ValueError(
            "take_weights: expected layers of the same names in both networks, got none; give those that are to keep "
            "their weights a name: Dense(8, name='hidden')"
        )
    for place in shared:
        shape = given[place.layer, place.name].shape
        if place.shape != shape:
            raise ValueError(
                f"take_weights: expected {place.layer}.{place.name} of shape {place.shape}, got {shape}; layers that "
                "are not the same must not have the same name"
            )
    with changing(net):
        for place in shared:
            place.of(net.params)[...] = given[place.layer, place.name].of(other.params)
    return [f"{place.layer}.{place.name}" for place in shared]
