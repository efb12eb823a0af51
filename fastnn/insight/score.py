"""The number that is explained: one output of a copy of the network, and its gradient with respect to the input."""

from typing import Any

import numpy as np

from fastnn.data.ports import as_numeric, as_rows
from fastnn.layers.base import batched
from fastnn.network import Network


def require_network(who: str, net: Any) -> Network:
    """Return ``net`` if it is a network.

    Raises
    ------
    TypeError
        If it is not.
    """
    if not isinstance(net, Network):
        raise TypeError(f"{who}: expected a Network or Sequential, got {type(net).__name__}")
    return net


def output_layers(net: Network) -> list[str]:
    """Return the name of the layer that gives each output; "input" for an input that is passed on."""
    first = len(net.input_shapes)
    applications = net.applications
    return ["input" if i < first else applications[i - first].name for i in net.structure.outputs]


class Score:
    """One output f of a network with one input and one output vector; which one may differ from row to row.

    A copy runs, with nothing dropped out, so that gradients and the last ``forward`` of the network stay as they are.

    Raises
    ------
    TypeError
        If ``net`` is not a network.
    ValueError
        If it has several inputs or outputs, or its output is not a vector.
    """

    def __init__(self, who: str, net: Any) -> None:
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
        self.n_outputs = net.output_shape[0]

    @property
    def of(self) -> str:
        """What f is, in words."""
        name = output_layers(self.net)[0]
        activation = next((view.spec.activation_function for view in self.net.layers if view.name == name), None)
        return f"output of {name!r}" + (f", after {activation.function}" if activation else ", no activation")

    def rows(self, X: Any) -> np.ndarray:
        """Return X as packed rows."""
        return as_rows(self.who, "X", X, self.net.input_shape, self.net.dtype)

    def targets(self, target: Any, X: np.ndarray) -> np.ndarray:
        """Return the output to look at for each row, int64 of shape (B,).

        Raises
        ------
        TypeError, ValueError
            If ``target`` is not None, an output's number, or one number per row.
        """
        if target is None:
            return np.asarray(self.net.predict(X).argmax(axis=1), np.int64)
        given = as_numeric(self.who, "target", target)
        if given.dtype.kind not in "iu":
            raise TypeError(f"{self.who}: expected target to hold integers, got dtype {given.dtype}; use .astype(int)")
        if given.shape not in ((), (len(X),)):
            raise ValueError(f"{self.who}: expected target to be one integer or {len(X)}, got shape {given.shape}")
        wrong = given[(given < 0) | (given >= self.n_outputs)]
        if wrong.size:
            raise ValueError(
                f"{self.who}: expected target from 0 to {self.n_outputs - 1}, an output of the network, got "
                f"{wrong.flat[0]}"
            )
        return np.full(len(X), given, np.int64) if given.ndim == 0 else given.astype(np.int64)

    def values(self, X: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return f of each row, float64 of shape (B,)."""
        return self.net.predict(X)[np.arange(len(X)), targets].astype(np.float64)

    def gradient(self, X: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return df/dx of each row, in the network's dtype, of the shape of X."""
        result = np.empty_like(X)
        for start in range(0, len(X), self.net.chunk):
            part = slice(start, start + self.net.chunk)
            dy = np.zeros_like(self.net.forward(X[part]))
            dy[np.arange(len(dy)), targets[part]] = 1
            result[part] = self.net.backward(dy, parameters=False)
        return result
