"""The network of an estimator: hidden layers and what is wanted around them, drawn as scikit-learn draws."""

from collections.abc import Iterable
from math import sqrt
from typing import Any

import numpy as np

from fastnn.layers.activation import Activation
from fastnn.layers.base import Layer
from fastnn.layers.batch_norm import BatchNorm
from fastnn.layers.dense import Dense
from fastnn.layers.dropout import Dropout
from fastnn.layers.layer_norm import LayerNorm
from fastnn.layers.residual import Residual
from fastnn.network import Sequential

ACTIVATIONS = {"identity": None, "logistic": "sigmoid"}  # scikit-learn's names where they are not ours
NORMALIZATIONS = {"batch": BatchNorm, "layer": LayerNorm}


def hidden_layers(estimator: Any) -> list[tuple[int, str, float]]:
    """Return units, activation and dropout of each hidden layer; ValueError if a list has more entries, or fewer."""
    sizes = estimator.hidden_layer_sizes
    columns: list[Any] = [[int(units) for units in (sizes if isinstance(sizes, Iterable) else [sizes])]]
    count = len(columns[0])
    for name in ("activation", "dropout"):
        value = getattr(estimator, name)
        columns.append(value if isinstance(value, list | tuple) else [value] * count)
        if len(columns[-1]) != count:
            who = type(estimator).__name__
            raise ValueError(f"{who}: expected {name} for each of {count} hidden layers, got {len(columns[-1])}")
    return list(zip(*columns, strict=True))


def build_network(
    estimator: Any, n_features: int, n_outputs: int, output: str | None, dtype: Any, seed: int
) -> Sequential:
    """Return the network; its parameters are to be drawn by ``draw``."""
    layers: list[Layer] = []
    width = n_features
    for units, activation, rate in hidden_layers(estimator):
        function = ACTIVATIONS.get(activation, activation)
        if estimator.normalization is None:
            parts: list[Layer] = [Dense(units, function)]
        else:
            parts = [Dense(units), NORMALIZATIONS[estimator.normalization]()]
            parts += [Activation(function)] if function is not None else []
        parts += [Dropout(rate)] if rate else []
        layers += [Residual(tuple(parts))] if estimator.residual and units == width else parts
        width = units
    layers.append(Dense(n_outputs, output))
    return Sequential(layers, n_features, seed=seed, dtype=dtype)


def weights_and_biases(net: Sequential) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return views of the weights (in, out) and biases (out,) of the Dense layers, from first to last."""
    dense = [view for view in net.layers if isinstance(view.spec, Dense)]
    return [view.weight for view in dense], [view.bias for view in dense]


def draw(net: Sequential, estimator: Any, random: np.random.RandomState) -> None:
    """Draw weights and biases uniformly within ``sqrt(6 / (in + out))``, of logistic layers ``sqrt(2 / (in + out))``.

    In the order, and from the stream of random numbers, in which scikit-learn draws them [Glorot & Bengio 2010].
    """
    activations = [activation for _, activation, _ in hidden_layers(estimator)]
    functions = [*activations, activations[-1] if activations else "identity"]
    for weight, bias, function in zip(*weights_and_biases(net), functions, strict=True):
        bound = sqrt((2.0 if function in ("logistic", "sigmoid") else 6.0) / sum(weight.shape))
        weight[...] = random.uniform(-bound, bound, weight.shape)
        bias[...] = random.uniform(-bound, bound, bias.shape)
