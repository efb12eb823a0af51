"""scikit-learn's multi-layer perceptrons as networks."""

from typing import Any

import numpy as np

from fastnn.formats.arrays import as_array, assign, common_dtype
from fastnn.graph.graph import Graph
from fastnn.graph.structure import chain
from fastnn.layers.activation import Activation
from fastnn.layers.base import Layer
from fastnn.layers.dense import Dense

ACTIVATIONS = {"identity": None, "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}
OUTPUTS = {"identity": None, "logistic": "sigmoid", "softmax": "softmax"}


def from_sklearn(mlp: Any, *, logits: bool = False, seed: int | None = None) -> Any:
    """Return a fitted MLPClassifier or MLPRegressor as a network.

    Parameters
    ----------
    mlp : MLPClassifier or MLPRegressor
        Anything with ``coefs_``, ``intercepts_``, ``activation`` and ``out_activation_`` will do; scikit-learn itself
        is not imported.
    logits : bool
        Leave out the activation of the last layer, for losses that take logits.
    seed : int, optional
        Of the network, for what is random in training that follows.

    Returns
    -------
    Sequential
        In the dtype of ``coefs_``.  It answers what ``predict_proba`` does, one column per class of ``classes_``, or
        ``predict`` of a regressor, as (B, outputs).

    Raises
    ------
    TypeError
        If mlp is something else.
    RuntimeError
        If it is not fitted.
    ValueError
        If an activation is unknown here, or the arrays do not fit together.

    Notes
    -----
    Two classes, for which scikit-learn has one output z, become two: ``softmax(0, z) = (1 - sigmoid(z), sigmoid(z))``.
    With ``logits`` the one output z stays, as BinaryCrossEntropy takes it.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> from types import SimpleNamespace
    >>> mlp = SimpleNamespace(  # fitted: MLPRegressor((2,)).fit(X, y)
    ...     activation="relu", out_activation_="identity",
    ...     coefs_=[np.eye(2), np.ones((2, 1))], intercepts_=[np.zeros(2), np.ones(1)],
    ... )
    >>> fn.from_sklearn(mlp).predict([[2.0, -3.0]])
    array([[3.]])
    """
    if not hasattr(mlp, "activation"):
        raise TypeError(f"from_sklearn: expected an MLPClassifier or MLPRegressor, got {type(mlp).__name__}")
    if not hasattr(mlp, "coefs_"):
        raise RuntimeError(f"from_sklearn: expected a fitted {type(mlp).__name__}; call fit first")
    for what, name, known in (
        ("activation", mlp.activation, ACTIVATIONS),
        ("out_activation_", mlp.out_activation_, OUTPUTS),
    ):
        if name not in known and not (logits and what == "out_activation_"):
            hint = "; with logits=True the network ends before it" if what == "out_activation_" else ""
            raise ValueError(f"from_sklearn: expected {what} to be one of {', '.join(known)}, got {name!r:.60}{hint}")
    weights = [as_array("from_sklearn", f"coefs_[{i}]", w) for i, w in enumerate(mlp.coefs_)]
    biases = [as_array("from_sklearn", f"intercepts_[{i}]", b) for i, b in enumerate(mlp.intercepts_)]
    check_shapes(weights, biases)
    output = None if logits else OUTPUTS[mlp.out_activation_]
    if output == "sigmoid" and hasattr(mlp, "classes_") and biases[-1].size == 1:
        output = "softmax"
        weights[-1], biases[-1] = (np.concatenate([np.zeros_like(a), a], axis=-1) for a in (weights[-1], biases[-1]))
    layers: list[Layer] = [Dense(w.shape[1], ACTIVATIONS[mlp.activation]) for w in weights[:-1]]
    layers.append(Dense(weights[-1].shape[1], None if output is None else Activation(output)))
    net = Graph.of(chain(layers, weights[0].shape[0]), kind="Sequential", seed=seed, dtype=common_dtype(weights))
    values: dict[str, np.ndarray] = {}
    for view, w, b in zip(net.layers, weights, biases, strict=True):
        values |= {f"{view.name}.weight": w, f"{view.name}.bias": b}
    assign("from_sklearn", net, values)
    return net


def check_shapes(weights: list[np.ndarray], biases: list[np.ndarray]) -> None:
    """Raise ValueError unless each matrix goes on where the one before ends."""
    shapes = [w.shape for w in weights], [b.shape for b in biases]
    fits = weights and all(len(shape) == 2 for shape in shapes[0])
    if (
        not fits
        or [(s[1],) for s in shapes[0]] != shapes[1]
        or any(a[1] != b[0] for a, b in zip(shapes[0], shapes[0][1:], strict=False))
    ):
        raise ValueError(
            f"from_sklearn: expected coefs_ and intercepts_ of layers in a row, got {shapes[0]} and {shapes[1]}"
        )
