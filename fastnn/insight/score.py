"""The number that is explained: one output of a copy of the network, and its gradient with respect to the input."""

from typing import Any

import numpy as np

from fastnn.data.numbers import as_numeric, packed
from fastnn.data.ports import as_rows
from fastnn.layers.base import batched
from fastnn.network import Network


def require_network(who: str, net: Any) -> Network:
    """Return ``net``, or raise TypeError if it is no network."""
    if not isinstance(net, Network):
        raise TypeError(f"{who}: expected a Network or Sequential, got {type(net).__name__}")
    return net


def one_input(who: str, net: Any) -> None:
    """Raise TypeError unless ``net`` is a network, ValueError unless it has one input."""
    if len(require_network(who, net).input_shapes) != 1:
        raise ValueError(f"{who}: expected a network of one input, got {len(net.input_shapes)}")


class Valued:
    """A result that NumPy takes for its ``values``."""

    values: np.ndarray

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype=dtype, copy=copy)


def by_name(inputs: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Name the arrays of the inputs: input, or input_1, input_2 ..."""
    return {f"input_{i + 1}" if len(inputs) > 1 else "input": x for i, x in enumerate(inputs)}


def output_layers(net: Network) -> list[str]:
    """Return the name of the layer that gives each output; "input" for an input that is passed on."""
    first = len(net.input_shapes)
    applications = net.applications
    return ["input" if i < first else applications[i - first].name for i in net.structure.outputs]


class Score:
    """One output f of a network with one input and one output vector, at some rows; which one may differ by row.

    ``rows`` are the packed rows X, ``targets`` the number of the output to look at for each, int64 of shape (B,).  A
    copy of the network runs, with nothing dropped out, so that gradients and the last ``forward`` stay as they are.

    Raises
    ------
    TypeError, ValueError
        If ``net`` is not a network, has several inputs or outputs, or its output is not a vector; X does not fit; or
        ``target`` is not None, an output's number, or one number per row.
    """

    def __init__(self, who: str, net: Any, X: Any, target: Any) -> None:
        ports = len(require_network(who, net).input_shapes), len(net.output_shapes)
        if ports != (1, 1):
            raise ValueError(
                f"{who}: expected a network of one input and one output, got {ports[0]} and {ports[1]}; for others "
                "call net.forward, and net.backward with a dy that is 1 at the output of interest"
            )
        if len(net.output_shape) != 1:
            raise ValueError(
                f"{who}: expected a network with output (B, O), got {batched(net.output_shape)}; add Flatten()"
            )
        self.who, self.net = who, net.astype(net.dtype)
        self.rows = as_rows(who, "X", X, net.input_shape, net.dtype)
        self.targets = self._targets(target)

    def explained(self) -> dict[str, Any]:
        """Return what an ``Attribution`` says of the rows and of f, by name."""
        name = output_layers(self.net)[0]
        activation = next((view.spec.activation_function for view in self.net.layers if view.name == name), None)
        of = f"output of {name!r}" + (f", after {activation.function}" if activation else ", no activation")
        outputs = self.values(self.rows)
        return {"inputs": self.rows.copy(), "targets": self.targets, "outputs": outputs, "of": of}

    def spread(self, name: str, values: Any) -> np.ndarray:
        """Return a number or an array as packed rows of the shape of ``rows``; ValueError if it does not broadcast."""
        array, shape = as_numeric(self.who, name, values), self.rows.shape
        try:
            whole = np.broadcast_to(array, shape)
        except ValueError:
            raise ValueError(
                f"{self.who}: expected {name} to be a number or to broadcast to {shape}, got shape {array.shape}"
            ) from None
        return packed(self.who, name, whole, self.rows.dtype)

    def _targets(self, target: Any) -> np.ndarray:
        """Return the output to look at for each row."""
        n, n_outputs = len(self.rows), self.net.output_shape[0]
        if target is None:
            return np.asarray(self.net.predict(self.rows).argmax(axis=1), np.int64)
        given = as_numeric(self.who, "target", target)
        if given.dtype.kind not in "iu":
            raise TypeError(f"{self.who}: expected target to hold integers, got dtype {given.dtype}; use .astype(int)")
        if given.shape not in ((), (n,)):
            raise ValueError(f"{self.who}: expected target to be one integer or {n}, got shape {given.shape}")
        wrong = given[(given < 0) | (given >= n_outputs)]
        if wrong.size:
            raise ValueError(
                f"{self.who}: expected target from 0 to {n_outputs - 1}, an output of the network, got {wrong.flat[0]}"
            )
        return np.full(n, given, np.int64)

    def values(self, X: np.ndarray, targets: Any = None) -> np.ndarray:
        """Return f of each row of X, or another output, float64 of shape (B,)."""
        return self.net.predict(X)[np.arange(len(X)), self.targets if targets is None else targets].astype(np.float64)

    def gradient(self, X: np.ndarray) -> np.ndarray:
        """Return df/dx of each row of X, in the network's dtype, of the shape of X."""
        result = np.empty_like(X)
        for start in range(0, len(X), self.net.chunk):
            part = slice(start, start + self.net.chunk)
            dy = np.zeros_like(self.net.forward(X[part]))
            dy[np.arange(len(dy)), self.targets[part]] = 1
            result[part] = self.net.backward(dy, parameters=False)
        return result
