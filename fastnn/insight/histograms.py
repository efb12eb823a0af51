"""Histograms of weights, activations and gradients, layer by layer."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn._spec import require_count
from fastnn.insight.flow import gradients_of
from fastnn.insight.score import require_network
from fastnn.network import Network

Histogram = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True, eq=False, repr=False)
class Histograms:
    """What ``histograms`` counted.

    Attributes
    ----------
    weights : dict of str to (counts, edges)
        Per layer with parameters, all of them but biases; as ``numpy.histogram`` gives them: int64 counts of shape
        (bins,) and float64 edges of shape (bins + 1,).
    activations : dict of str to (counts, edges)
        Per layer.
    gradients : dict of str to (counts, edges)
        Of the loss with respect to the same parameters as in weights; empty without targets.
    """

    weights: dict[str, Histogram]
    activations: dict[str, Histogram]
    gradients: dict[str, Histogram]

    def __repr__(self) -> str:
        return (
            f"<Histograms of the weights of {len(self.weights)} layers, the activations of {len(self.activations)} "
            f"and the gradients of {len(self.gradients)}>"
        )


def histograms(net: Any, X: Any, y: Any = None, *, bins: int = 50) -> Histograms:
    """Count how weights, activations and gradients are spread in each layer.

    Parameters
    ----------
    net : Network
        Left as it is; compiled, if y is given.
    X : array_like of shape (B, *input_shape)
        Rows; for several inputs a list.
    y : array_like, optional
        Targets: with them, gradients of the loss are counted too, as in a training step.
    bins : int
        Of each histogram, between the least and the largest value of its layer.

    Returns
    -------
    Histograms
        ``weights``, ``activations`` (with nothing dropped out) and ``gradients`` by layer.

    Raises
    ------
    TypeError, ValueError
        If the data do not fit.
    RuntimeError
        If y is given and the network is not compiled.
    DivergenceError
        If y is given and the loss is not finite.

    Notes
    -----
    Spreads that shrink or grow from layer to layer are how Glorot and Bengio 2010 (figures 6 and 7) show that
    signals and gradients vanish.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.Dense(8, "tanh"), fn.Dense(3)], input_shape=4, seed=0)
    >>> counts, edges = fn.histograms(net, np.eye(4), bins=10).activations["dense_1"]
    >>> int(counts.sum()), edges.shape
    (32, (11,))
    """
    require_count("histograms", "bins", bins)
    require_network("histograms", net)
    twin, gradients = deepcopy(net), {}
    activations = {name: np.histogram(a.astype(np.float64), bins) for name, a in twin.activations(X).items()}
    if y is not None:
        gradients_of("histograms", twin, *twin.ports.batch("histograms", X, y, None))
        gradients = _by_layer(twin, twin.grads, bins)
    return Histograms(_by_layer(twin, twin.params, bins), activations, gradients)


def _by_layer(net: Network, vector: np.ndarray, bins: int) -> dict[str, Histogram]:
    """Return a histogram of each layer's part of a parameter vector, biases left out."""
    parts: dict[str, list[np.ndarray]] = {}
    for place in net.places:
        if place.decays:
            parts.setdefault(place.layer, []).append(place.of(vector).ravel().astype(np.float64))
    return {layer: np.histogram(np.concatenate(values), bins) for layer, values in parts.items()}
