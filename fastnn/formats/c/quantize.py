"""Weights in 8 bits: symmetric, with a scale of its own for every output."""

from typing import NamedTuple

import numpy as np

from fastnn.graph.graph import Graph

LEVELS = 127  # -127 .. 127: the same on both sides of 0


class Quantized(NamedTuple):
    """``values[i, o] * scale[o]``: whole numbers (I, O) in int8, and floating-point scales (O,)."""

    values: np.ndarray
    scale: np.ndarray


def quantize(w: np.ndarray) -> Quantized:
    """Return the nearest matrix of 8-bit integers: ``|w - values * scale| <= scale / 2``, scale = max|w| / 127."""
    scale = (np.abs(w).max(axis=0) / LEVELS).astype(w.dtype)
    values = np.rint(w / np.where(scale > 0, scale, 1))
    return Quantized(np.clip(values, -LEVELS, LEVELS).astype(np.int8), scale)


def quantize_network(net: Graph) -> tuple[dict[tuple[str, str], Quantized], Graph]:
    """Return the matrices of layers in 8 bits, by (layer, parameter), and a network with the weights they stand for."""
    quantized, copy = {}, net.astype(net.dtype)
    for view, twin in zip(net.layers, copy.layers, strict=True):
        for parameter in view.spec.matrices:
            found = quantize(view.parameters[parameter])
            quantized[view.name, parameter] = found
            twin.parameters[parameter][...] = found.values.astype(np.float64) * found.scale
    return quantized, copy
