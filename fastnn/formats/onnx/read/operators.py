"""Which ONNX operator becomes which layer: the table of the import.

A new operator has one function here.  It gives one value per output, or raises Unsupported with what it cannot take.
"""

from collections.abc import Callable

import numpy as np

from fastnn import layers
from fastnn.formats.activations import BY_ONNX
from fastnn.formats.foreign import Unsupported
from fastnn.formats.onnx.read import shapes
from fastnn.formats.onnx.read.reader import Operator
from fastnn.formats.onnx.read.sequences import recurrent
from fastnn.formats.onnx.read.values import BATCH, Value, as_tensor, rows, squeezed, transposed, unsqueezed, written
from fastnn.layers.activation import DEFAULT_ALPHA
from fastnn.layers.base import Tensor

WIDEST = 1024  # vector whose elements are scaled one by one, by a diagonal of weights

# ---- products -------------------------------------------------------------------------------------------------------


def gemm(operator: Operator) -> list[Value]:
    """``alpha A B + beta C`` with constant B and C."""
    value = operator.value(0)
    x = as_tensor(transposed(value, (1, 0)) if operator.whole("transA", 0) else value)
    weight = operator.constant(1).T if operator.whole("transB", 0) else operator.constant(1)
    weight = weight * weight.dtype.type(operator.attributes.get("alpha", 1.0))
    if not operator.has(2):
        return [rows(operator.apply(layers.Dense(weight.shape[1], bias=False), x, weight=weight))]
    bias = operator.constant(2) * weight.dtype.type(operator.attributes.get("beta", 1.0))
    return [rows(dense(operator, x, weight, bias))]


def dense(operator: Operator, x: Tensor, weight: np.ndarray, bias: np.ndarray) -> Tensor:
    """Apply a Dense layer whose bias may be one number for all."""
    units = weight.shape[1]
    if bias.size not in (1, units) or bias.shape[-1:] not in ((), (1,), (units,)):
        raise Unsupported(f"its bias of shape {bias.shape} is not one for each of the {units} units")
    full = np.broadcast_to(bias.reshape(-1), (units,))
    return operator.apply(layers.Dense(units), x, weight=weight, bias=full)


def matmul(operator: Operator) -> list[Value]:
    """``x W``, and the constant that the next node adds."""
    x, weight = operator.tensor(0), operator.constant(1)
    if weight.ndim != 2:
        raise Unsupported(f"its constant has the shape {weight.shape}, not (inputs, units)")
    output = operator.node.output[0]
    following = operator.only_reader("Add")
    if following is not None and following.is_constant(following.other(output)):
        bias = following.constant(following.other(output))
        if bias.size in (1, weight.shape[1]) and bias.ndim <= 1 + len(x.shape):
            operator.absorb(following)
            return [rows(dense(operator, x, weight, bias))]
    return [rows(operator.apply(layers.Dense(weight.shape[1], bias=False), x, weight=weight))]


def scaled(operator: Operator, scale: np.ndarray, shift: np.ndarray, place: int) -> list[Value]:
    """``scale x + shift`` element by element, as a Dense layer with a diagonal of weights."""
    x = operator.tensor(place)
    width = x.shape[-1]
    for array in (scale, shift):
        if array.size not in (1, width) or array.shape[-1:] not in ((), (1,), (width,)):
            raise Unsupported(f"its constant of shape {array.shape} is not one number for each of the last {width}")
    if width > WIDEST:
        raise Unsupported(f"it scales {width} numbers one by one; at most {WIDEST} are taken")
    scale, shift = (np.broadcast_to(array.reshape(-1), (width,)) for array in (scale, shift))
    return [rows(operator.apply(layers.Dense(width), x, weight=np.diag(scale), bias=shift))]


def elementwise(operator: Operator) -> list[Value]:
    """Add, Sub, Mul or Div of a tensor and a constant."""
    place = 1 if operator.is_constant(0) else 0
    c = operator.constant(1 - place)
    one, zero = np.ones(1, c.dtype), np.zeros(1, c.dtype)
    if operator.kind == "Div" and (place == 1 or not c.all()):
        raise Unsupported("it divides by what is not a constant, or by 0")
    if operator.kind in ("Mul", "Div"):
        return scaled(operator, c if operator.kind == "Mul" else one / c, zero, place)
    if operator.kind == "Add":
        return scaled(operator, one, c, place)
    return scaled(operator, one, -c, place) if place == 0 else scaled(operator, -one, c, place)


def add(operator: Operator) -> list[Value]:
    """The sum of tensors, or of a tensor and a constant."""
    places = range(len(operator.node.input))
    if operator.kind == "Add" and any(operator.is_constant(i) for i in places):
        return elementwise(operator)
    values = [operator.value(i) for i in places]
    if len(values) == 1:
        return values
    return [rows(layers.Add()(*(as_tensor(value) for value in values)))]


# ---- activations and what training needs ----------------------------------------------------------------------------


def activation(name: str) -> Callable[[Operator], list[Value]]:
    """Return what reads an activation; what alpha is where none is given, ONNX and fastnn agree on."""

    def read(operator: Operator) -> list[Value]:
        value = operator.value(0)
        given = operator.number("alpha", DEFAULT_ALPHA[name]) if name in DEFAULT_ALPHA else None
        return [Value(layers.Activation(name, alpha=given)(value.tensor), value.axes)]  # the same in any order of axes

    return read


def sigmoid(operator: Operator) -> list[Value]:
    """Sigmoid, or silu where its only use is to be multiplied by its input."""
    following = operator.only_reader("Mul")
    if (
        following is not None
        and following.node.input[following.other(operator.node.output[0])] == operator.node.input[0]
    ):
        operator.absorb(following)
        return activation("silu")(operator)
    return activation("sigmoid")(operator)


def selu(operator: Operator) -> list[Value]:
    """Selu with its own two numbers."""
    for name, expected in (("alpha", 1.6732632), ("gamma", 1.0507010)):
        if abs(operator.number(name, expected) - expected) > 1e-6:
            raise Unsupported(f"its {name} is {operator.number(name, expected)}, not {expected}")
    return activation("selu")(operator)


def gelu(operator: Operator) -> list[Value]:
    """Gelu in its tanh form."""
    if operator.text("approximate", "none") != "tanh":
        raise Unsupported("it is the form with erf, up to 5e-4 from fastnn's; use the tanh form (approximate='tanh')")
    return activation("gelu")(operator)


def softmax(operator: Operator) -> list[Value]:
    """Softmax along the last axis."""
    value = operator.value(0)
    rank = len(value.axes)
    axis = operator.whole("axis", -1 if operator.reader.opset >= 13 else 1) % rank
    if axis != rank - 1 or (operator.reader.opset < 13 and rank > 2):
        raise Unsupported(f"it is along axis {axis} of {written(value)}, and can be along the last alone")
    return [rows(layers.Activation("softmax")(as_tensor(value)))]


def log_softmax(operator: Operator) -> list[Value]:
    """Log-softmax, which no layer is."""
    raise Unsupported("losses here take logits: export the network without it, and train with loss='cross_entropy'")


def dropout(operator: Operator) -> list[Value]:
    """Dropout; the form that scales afterwards is followed by that product."""
    value = operator.value(0)
    ratio = operator.constant(1).ravel()[0] if operator.has(1) else operator.attributes.get("ratio", 0.5)
    rate, inverted = float(str(np.float32(ratio))), True
    if operator.has(2) and operator.constant(2).any():
        raise Unsupported("it is in training mode; export the network for inference")
    following = operator.only_reader("Mul")
    if following is not None and rate:
        place = following.other(operator.node.output[0])
        if following.is_constant(place) and following.constant(place).size == 1:
            inverted = abs(float(following.constant(place).ravel()[0]) - (1 - rate)) > 1e-6
            if not inverted:
                operator.absorb(following)
    return [Value(layers.Dropout(rate, inverted=inverted)(value.tensor), value.axes)]


def batch_norm(operator: Operator) -> list[Value]:
    """BatchNormalization by running statistics, of rows of channels."""
    value = operator.value(0)
    if operator.whole("training_mode", 0) or operator.whole("spatial", 1) != 1:
        raise Unsupported("it is in training mode; export the network for inference")
    rank = len(value.tensor.shape)
    if value.axes != ((BATCH, *range(rank - 1)), (rank - 1,)):
        raise Unsupported(f"it normalises axis 1 of {written(value)}, and can the last of two alone")
    names = ("gamma", "beta", "running_mean", "running_variance")
    layer = layers.BatchNorm(momentum=operator.number("momentum", 0.9), epsilon=operator.number("epsilon", 1e-5))
    parameters = {name: operator.constant(i + 1) for i, name in enumerate(names)}
    return [Value(operator.apply(layer, value.tensor, **parameters), value.axes)]


def layer_norm(operator: Operator) -> list[Value]:
    """LayerNormalization over the last axis."""
    x = operator.tensor(0)
    if operator.whole("axis", -1) not in (-1, len(x.shape)):
        raise Unsupported("it normalises more than the last axis")
    layer = layers.LayerNorm(epsilon=operator.number("epsilon", 1e-5), shift=operator.has(2))
    parameters = {name: operator.constant(i) for i, name in ((1, "gamma"), (2, "beta")) if operator.has(i)}
    return [rows(operator.apply(layer, x, **parameters))]


OPERATORS: dict[str, Callable[[Operator], list[Value]]] = {
    **{operator: activation(name) for operator, name in BY_ONNX.items()},  # below those that are not that simple
    "Add": add,
    "BatchNormalization": batch_norm,
    "Cast": shapes.cast,
    "Concat": shapes.concat,
    "Div": elementwise,
    "Dropout": dropout,
    "Flatten": shapes.flatten,
    "GRU": recurrent,
    "Gather": shapes.gather,
    "Gelu": gelu,
    "Gemm": gemm,
    "Identity": lambda operator: [operator.value(0)],
    "LSTM": recurrent,
    "LayerNormalization": layer_norm,
    "LogSoftmax": log_softmax,
    "MatMul": matmul,
    "Mul": elementwise,
    "RNN": recurrent,
    "Reshape": shapes.reshape,
    "Selu": selu,
    "Sigmoid": sigmoid,
    "Slice": shapes.slice_,
    "Softmax": softmax,
    "Split": shapes.split,
    "Squeeze": lambda operator: [squeezed(operator.value(0), operator.integers(1, "axes"))],
    "Sub": elementwise,
    "Sum": add,
    "Transpose": shapes.transpose,
    "Unsqueeze": lambda operator: [unsqueezed(operator.value(0), operator.integers(1, "axes") or [])],
}
