"""Operators of ai.onnx.ml around a network or a linear model, as scikit-learn's exporter writes them."""

from typing import Any

import numpy as np

from fastnn import layers
from fastnn.formats.foreign import Unsupported
from fastnn.formats.onnx.read.reader import Operator
from fastnn.formats.onnx.read.values import Value, rows
from fastnn.layers.base import Tensor

TRANSFORMS = {"NONE": None, "LOGISTIC": "sigmoid", "SOFTMAX": "softmax"}


def floats(operator: Operator, name: str) -> np.ndarray:
    """Return an attribute that is a list of numbers."""
    return np.asarray(operator.attributes.get(name, ()), np.float32)


def scaler(operator: Operator) -> list[Value]:
    """``(x - offset) scale``."""
    x = operator.tensor(0)
    offset, scale = (np.broadcast_to(floats(operator, name), (x.shape[-1],)) for name in ("offset", "scale"))
    centred = operator.apply(layers.Scale(scale=False), x, beta=-offset)
    return [rows(operator.apply(layers.Scale(shift=False), centred, gamma=scale))]


def linear(operator: Operator, outputs: int) -> Tensor:
    """``x W + b``; the attributes hold a row of W for each output."""
    x = operator.tensor(0)
    weight, bias = floats(operator, "coefficients"), floats(operator, "intercepts")
    if weight.size != outputs * x.shape[-1]:
        raise Unsupported(f"it has {weight.size} coefficients, not {outputs} times {x.shape[-1]}")
    bias = bias if bias.size else np.zeros(outputs, np.float32)
    if bias.size != outputs:
        raise Unsupported(f"it has {bias.size} intercepts, not {outputs}")
    return operator.apply(layers.Dense(outputs), x, weight=weight.reshape(outputs, -1).T, bias=bias)


def transformed(operator: Operator, y: Tensor) -> Tensor:
    """What post_transform makes of the answer."""
    name = operator.text("post_transform", "NONE")
    if name not in TRANSFORMS:
        raise Unsupported(f"its post_transform is {name}; known: {', '.join(TRANSFORMS)}")
    function = TRANSFORMS[name]
    return layers.Activation(function)(y) if function else y


def linear_regressor(operator: Operator) -> list[Value]:
    """LinearRegressor."""
    return [rows(transformed(operator, linear(operator, operator.whole("targets", 1))))]


def linear_classifier(operator: Operator) -> list[Value]:
    """Scores of LinearClassifier; its first output, the labels, is left out."""
    if operator.is_read(0):
        raise Unsupported(f"its labels are no numbers; read the scores alone, outputs={operator.node.output[1]!r:.80}")
    classes = classes_of(operator.attributes)
    y = transformed(operator, linear(operator, len(classes or [])))
    return [rows(y), rows(y)]


def normalizer(operator: Operator) -> list[Value]:
    """Normalizer, where the rows add up to 1 already: behind a softmax."""
    x = operator.tensor(0)
    layer = x.layer
    if operator.text("norm", "MAX") != "L1" or not (
        isinstance(layer, layers.Activation) and layer.function == "softmax"
    ):
        raise Unsupported(
            f"it divides rows by their {operator.text('norm', 'MAX')} norm, which is 1 behind a softmax alone; "
            f"outputs={operator.node.input[0]!r:.80} ends before it"
        )
    return [rows(x)]


def classes_of(attributes: dict[str, Any]) -> list[Any] | None:
    """Return the labels that a node keeps, or None."""
    for name in ("classlabels_strings", "classlabels_int64s", "classlabels_ints"):
        if attributes.get(name):
            return [label.decode() if isinstance(label, bytes) else label for label in attributes[name]]
    return None
