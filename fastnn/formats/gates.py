"""Recurrent layers elsewhere: the order of their gates, and where their biases are.

Columns here: i, f, g, o of an LSTM (g is the cell's input, elsewhere called c), r, u, n of a GRU (u is called z).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.layers import GRU, LSTM, SimpleRNN
from fastnn.layers.base import Layer

Parameters = dict[str, np.ndarray]

ONNX = {"lstm": "iofg", "gru": "urn", "simple": "h"}
KERAS = {"lstm": "ifgo", "gru": "urn", "simple": "h"}
TORCH = {"lstm": "ifgo", "gru": "run", "simple": "h"}
LAYERS: dict[str, Any] = {"GRU": GRU, "LSTM": LSTM, "RNN": SimpleRNN}  # as ONNX and PyTorch call them
OPEN = 100.0  # of a forget gate that stands open: sigmoid(100) is 1 in float32 and float64


def reorder(columns: np.ndarray, had: str, wanted: str) -> np.ndarray:
    """Return blocks of columns, one for each letter of ``had``, in the order of ``wanted``."""
    blocks = dict(zip(had, np.split(columns, len(had), axis=-1), strict=True))
    return np.concatenate([blocks[gate] for gate in wanted], axis=-1)


def to_onnx(layer: Any, parameters: Parameters) -> Parameters:
    """Return W, R, B and P of an ONNX operator with one direction."""
    kind, gates = layer.kind, "".join(layer.gates)
    units = len(parameters["recurrent_weight"])
    weight, recurrent = parameters["weight"], parameters["recurrent_weight"]
    bias = parameters.get("bias", np.zeros(len(gates) * units, weight.dtype))
    if kind == "lstm" and "f" not in gates:  # an LSTM of 1997 is one whose forget gate stands open
        gates += "f"
        weight, recurrent, bias = (
            np.concatenate([array, np.full((*array.shape[:-1], units), value, array.dtype)], axis=-1)
            for array, value in ((weight, 0), (recurrent, 0), (bias, OPEN))
        )
    weight, recurrent, bias = (reorder(array, gates, ONNX[kind]) for array in (weight, recurrent, bias))
    beside = np.zeros_like(bias)
    if "recurrent_bias" in parameters:
        beside[-units:] = parameters["recurrent_bias"]
    result = {"W": weight.T[None], "R": recurrent.T[None]}
    if "bias" in parameters or bias.any():
        result["B"] = np.concatenate([bias, beside])[None]
    if "peephole" in parameters:
        i, *f, o = parameters["peephole"]
        result["P"] = np.concatenate([i, o, *(f or [np.zeros_like(i)])])[None]
    return {name: np.ascontiguousarray(array) for name, array in result.items()}


def from_onnx(layer: Any, arrays: Parameters) -> Parameters:
    """Return the parameters of a layer, given W, R, B and P of one direction, without the axis of directions."""
    biases = np.split(arrays["B"], 2) if layer.bias else []
    result = parameters_of(layer, ONNX, arrays["W"].T, arrays["R"].T, biases)
    if "P" in arrays:
        i, o, f = np.split(arrays["P"], 3)
        result["peephole"] = np.stack([i, f, o] if "f" in layer.gates else [i, o])
    return result


def parameters_of(
    layer: Any, order: dict[str, str], weight: np.ndarray, recurrent: np.ndarray, biases: Sequence[np.ndarray]
) -> Parameters:
    """Return the parameters of a layer, given weights (inputs, gates), their order, and no or two biases."""
    had, wanted = order[layer.kind], "".join(layer.gates)
    result = {"weight": reorder(weight, had, wanted), "recurrent_weight": reorder(recurrent, had, wanted)}
    if biases:
        bias, beside = biases
        result |= merged_biases(layer, bias, beside, had, wanted)
    return result


def merged_biases(layer: Any, bias: np.ndarray, beside: np.ndarray, had: str, wanted: str) -> Parameters:
    """Return bias, and recurrent_bias of a GRU with reset_after, of the biases beside W and beside U."""
    bias, beside = reorder(bias, had, wanted), reorder(beside, had, wanted)
    if not getattr(layer, "reset_after", False):
        return {"bias": bias + beside}
    inner = len(bias) * 2 // 3  # r and u add both; n has the one beside U within the reset gate's reach
    return {"bias": np.concatenate([bias[:inner] + beside[:inner], bias[inner:]]), "recurrent_bias": beside[inner:]}


def to_torch(layer: Any, parameters: Parameters) -> Parameters:
    """Return what one layer and direction of PyTorch's LSTM, GRU or RNN has, under the names of layer 0."""
    had, wanted = "".join(layer.gates), TORCH[layer.kind]
    result = {
        "weight_ih_l0": reorder(parameters["weight"], had, wanted).T,
        "weight_hh_l0": reorder(parameters["recurrent_weight"], had, wanted).T,
    }
    if layer.bias:
        beside = np.zeros_like(parameters["bias"])
        if "recurrent_bias" in parameters:  # of n, which stands last here
            beside[-layer.units :] = parameters["recurrent_bias"]
        result |= {
            "bias_ih_l0": reorder(parameters["bias"], had, wanted),
            "bias_hh_l0": reorder(beside, had, wanted),
        }
    return result


def check_plain(who: str, layer: Layer) -> None:
    """Raise ValueError for an LSTM that only fastnn and ONNX have."""
    if isinstance(layer, LSTM) and (layer.peepholes or not layer.forget_gate):
        raise ValueError(
            f"{who}: expected {layer.title} with forget gate and without peepholes, as elsewhere; got "
            f"forget_gate={layer.forget_gate}, peepholes={layer.peepholes}"
        )


def check_torch(who: str, layer: Layer) -> None:
    """Raise ValueError also for a GRU that PyTorch has not."""
    check_plain(who, layer)
    if isinstance(layer, GRU) and not layer.reset_after:
        raise ValueError(f"{who}: expected {layer.title} with reset_after=True, the only one of PyTorch; got False")
