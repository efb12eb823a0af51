"""Which value fills up short sequences of a network, and which of its outputs go along with their steps."""

from __future__ import annotations

from dataclasses import dataclass

from fastnn.data.sequences import Padding
from fastnn.graph.structure import Structure
from fastnn.layers import (
    Activation,
    Add,
    Concatenate,
    Conv1D,
    Dense,
    Dropout,
    Embedding,
    GaussianNoise,
    LayerNorm,
    PixelNorm,
    SpatialDropout,
)
from fastnn.layers.base import Layer
from fastnn.layers.recurrent import _Recurrent

KEEPS_ZERO = ("identity", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "gelu_tanh", "silu")


@dataclass(frozen=True)
class _Steps:
    """What a tensor holds along the steps of an input: ``fill`` where a sequence has ended, None: anything."""

    source: int
    fill: float | None


class _SeesPadding(ValueError):
    """A layer whose answer to the steps that count would depend on those that do not."""


def padding_of(structure: Structure) -> Padding:
    """Return how the network takes sequences shorter than its input shapes.

    Every layer that an input reaches must treat the steps one by one, or pass over those whose inputs are the value
    that fills them up, so that the answer is the one to the sequence by itself.
    """
    fills: list[float | None] = []
    reasons: list[str] = []
    sources: list[int | None] = [None] * len(structure.outputs)
    for number, shape in enumerate(structure.input_shapes):
        fill, reason = None, "it has no steps"
        if len(shape) <= 2:
            fill, reason = _fill_of(structure, number)
        if fill is not None:
            try:
                for output, steps in enumerate(_along(structure, number, fill)):
                    if steps is not None and sources[output] is not None:
                        raise _SeesPadding("two inputs of steps meet in an output")
                    sources[output] = number if steps is not None else sources[output]
            except _SeesPadding as error:
                fill, reason = None, str(error)
        fills.append(fill)
        reasons.append(reason)
    passed = tuple(
        any(
            node.inputs[:1] == (number,) and not isinstance(structure.layers[node.layer], Conv1D)
            for node in structure.nodes
        )
        for number in range(len(fills))
    )
    return Padding(structure.input_shapes, tuple(fills), tuple(reasons), tuple(sources), passed)


def _fill_of(structure: Structure, number: int) -> tuple[float | None, str]:
    """Return the value that the layers which an input enters pass over, or why there is none."""
    found: set[float] = set()
    layers = [structure.layers[node.layer] for node in structure.nodes if node.inputs[:1] == (number,)]
    for layer in layers:
        if isinstance(layer, _Recurrent) and layer.mask_value is not None:
            found.add(float(layer.mask_value))
        elif isinstance(layer, Embedding) and layer.padding_index is not None:
            found.add(float(layer.padding_index))
        elif isinstance(layer, Conv1D) and layer.keeps_steps:
            found.add(0.0)
        elif isinstance(layer, _Recurrent | Embedding):
            option = "padding_index" if isinstance(layer, Embedding) else "mask_value"
            return None, f"{layer.title} has no {option}, the value of steps that do not count"
        else:
            return None, f"{layer.title} would see the padding"
    if len(found) != 1:
        return None, "the layers that it enters pass over different values" if found else "no layer passes over steps"
    return found.pop(), ""


def _along(structure: Structure, number: int, fill: float) -> list[_Steps | None]:
    """Return what each output holds along the steps of an input."""
    tensors: list[_Steps | None] = [None] * len(structure.input_shapes)
    tensors[number] = _Steps(number, fill)
    for node in structure.nodes:
        tensors.append(_after(structure.layers[node.layer], [tensors[i] for i in node.inputs], number))
    return [tensors[i] for i in structure.outputs]


def _after(layer: Layer, inputs: list[_Steps | None], number: int) -> _Steps | None:
    """Return what a layer gives along the steps; raise _SeesPadding if it mixes them up."""
    steps = [x for x in inputs if x is not None]
    if not steps:
        return None
    fill = steps[0].fill
    if isinstance(layer, _Recurrent):
        if len(steps) > 1 or inputs[0] is None or fill is None or fill != layer.mask_value:
            raise _SeesPadding(f"{layer.title} would see steps filled with other than its mask_value")
        if layer.truncate is not None and layer.go_backwards:
            raise _SeesPadding(f"{layer.title} truncates gradients from the padded end on")
        if layer.return_sequences and layer.return_state:
            raise _SeesPadding(f"{layer.title} gives sequence and state in one")
        return _Steps(number, 0.0) if layer.return_sequences else None
    if isinstance(layer, Embedding):
        return _Steps(number, 0.0 if fill == layer.padding_index else None)
    if isinstance(layer, Conv1D) and layer.keeps_steps:
        if layer.padding != "causal" and fill != 0:
            raise _SeesPadding(f"{layer.title} with padding other than 'causal' would see the padding, which is not 0")
        return _Steps(number, None)
    if isinstance(layer, Dense | LayerNorm | GaussianNoise):
        return _Steps(number, None)
    if isinstance(layer, Dropout | SpatialDropout | PixelNorm):
        return _Steps(number, 0.0 if fill == 0 else None)
    if isinstance(layer, Activation):
        return _Steps(number, 0.0 if fill == 0 and layer.function in KEEPS_ZERO else None)
    if isinstance(layer, Add | Concatenate):
        zeros = len(steps) == len(inputs) and all(x.fill == 0 for x in steps)
        return _Steps(number, 0.0 if zeros else None)
    raise _SeesPadding(f"{layer.title} would see the padding")
