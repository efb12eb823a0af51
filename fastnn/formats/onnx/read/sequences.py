"""The operators LSTM, GRU and RNN of ONNX as recurrent layers."""

from typing import Any, NamedTuple

from fastnn.formats import gates
from fastnn.formats.activations import BY_ONNX
from fastnn.formats.foreign import Unsupported
from fastnn.formats.onnx.read.reader import Operator
from fastnn.formats.onnx.read.values import BATCH, Value, as_tensor, reshaped, transposed
from fastnn.layers.base import Tensor
from fastnn.layers.merge import Concatenate, Slice

DIRECTIONS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
FUNCTIONS = {name: BY_ONNX[name] for name in ("Tanh", "Relu", "Sigmoid")}
DEFAULT = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}
STATES = {"LSTM": 2, "GRU": 1, "RNN": 1}


class Outputs(NamedTuple):
    """What one direction gives: every h (T, H) if it is asked for, and the final states, each (H,)."""

    sequence: Tensor | None
    finals: list[Tensor]


def recurrent(operator: Operator) -> list[Value]:
    """Return Y, Y_h and, of an LSTM, Y_c."""
    direction = operator.text("direction", "forward")
    check_options(operator, len(DIRECTIONS[direction]))
    batch_first = operator.whole("layout", 0)
    value = operator.value(0)
    x = as_tensor(value if batch_first else transposed(value, (1, 0, 2)))
    parts = [
        one_direction(operator, x, place, backwards, batch_first)
        for place, backwards in enumerate(DIRECTIONS[direction])
    ]
    units = operator.constant(2).shape[2]
    missing = Value(x, ())  # of an output that nothing reads
    y = missing
    if operator.is_read(0):
        both = joined([part.sequence for part in parts if part.sequence is not None])
        y = Value(reshaped(both, (x.shape[0], len(parts), units)), ((0,), (1,), (BATCH,), (2,)))
        y = transposed(y, (2, 0, 1, 3)) if batch_first else y
    results = [y]
    for state in range(STATES[operator.kind]):
        if not operator.is_read(1 + state):
            results.append(missing)
            continue
        final = Value(
            reshaped(joined([part.finals[state] for part in parts]), (len(parts), units)), ((0,), (BATCH,), (1,))
        )
        results.append(transposed(final, (1, 0, 2)) if batch_first else final)
    return results


def check_options(operator: Operator, directions: int) -> None:
    """Raise Unsupported for what fastnn's layers do not compute."""
    given = operator.texts("activations", [])
    expected = DEFAULT[operator.kind] * directions
    if operator.kind == "RNN":
        if any(name not in FUNCTIONS for name in given):
            raise Unsupported(f"its activations are {', '.join(given)}; known: {', '.join(FUNCTIONS)}")
    elif given and given != expected:
        raise Unsupported(f"its activations are {', '.join(given)}, not {', '.join(expected)}")
    if operator.has(4):
        raise Unsupported("it has sequence_lens; pad with a value and give the layer mask_value instead")
    for name in ("clip", "input_forget"):
        if operator.attributes.get(name):
            raise Unsupported(f"it has {name}")


def one_direction(operator: Operator, x: Tensor, place: int, backwards: bool, batch_first: int) -> Outputs:
    """Apply the layer of one direction."""
    names = {"W": 1, "R": 2, "B": 3, "P": 7}
    arrays = {name: operator.constant(i)[place] for name, i in names.items() if operator.has(i)}
    states = initial_states(operator, place, batch_first)
    sequences, count = operator.is_read(0), STATES[operator.kind]
    wanted = [operator.is_read(1 + state) for state in range(count)]
    gives_state = any(wanted[1:]) or (sequences and wanted[0])
    options: dict[str, Any] = {
        "return_sequences": sequences,
        "return_state": gives_state,
        "go_backwards": backwards,
        "bias": "B" in arrays,
    }
    units = arrays["R"].shape[1]
    if operator.kind == "LSTM":
        options["peepholes"] = "P" in arrays
    if operator.kind == "RNN":
        options["activation"] = FUNCTIONS[operator.texts("activations", ["Tanh"] * 2)[place]]
    if operator.kind == "GRU":
        options["reset_after"] = bool(operator.whole("linear_before_reset", 0))
    layer = gates.LAYERS[operator.kind](units, **options)
    parameters = gates.from_onnx(layer, arrays)
    given: Any = operator.apply(layer, x, *states, **parameters)  # two tensors with return_state
    if not gives_state:
        return Outputs(given if sequences else None, [given] * count)
    y, state = given
    flat = reshaped(state, (count * units,))
    finals = [Slice(i * units, (i + 1) * units)(flat) for i in range(count)] if count > 1 else [flat]
    return Outputs(y if sequences else None, finals)


def initial_states(operator: Operator, place: int, batch_first: int) -> list[Tensor]:
    """Return the state that a direction begins with, (S, H), or nothing where it is 0."""
    found = []
    for i in range(STATES[operator.kind]):
        if not operator.has(5 + i) or (operator.is_constant(5 + i) and not operator.constant(5 + i).any()):
            continue
        if len(DIRECTIONS[operator.text("direction", "forward")]) > 1:
            raise Unsupported("it has initial states in two directions")
        value = operator.value(5 + i)
        found.append(as_tensor(value if batch_first else transposed(value, (1, 0, 2))))
    if not found:
        return []
    if len(found) < STATES[operator.kind]:
        raise Unsupported("it has an initial h without c, or c without h")
    units = found[0].shape[-1]
    return [reshaped(joined([reshaped(x, (units,)) for x in found]), (len(found), units))]


def joined(tensors: list[Tensor]) -> Tensor:
    """Return tensors side by side."""
    return tensors[0] if len(tensors) == 1 else Concatenate()(*tensors)
