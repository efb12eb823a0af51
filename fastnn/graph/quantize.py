"""Weights as narrow numbers: 8 bits, symmetric, with a scale of its own for every output; or bfloat16."""

from typing import NamedTuple

import numpy as np

from fastnn._core.ops import bfloat16, widened
from fastnn.graph.graph import Graph

LEVELS = 127  # -127 .. 127: the same on both sides of 0


class Quantized(NamedTuple):
    """``values[i, o] * scale[o]``: whole numbers (I, O) in int8, and floating-point scales (O,).

    In bfloat16 ``values`` holds the 16 bits of each weight as uint16, and ``scale`` nothing.
    """

    values: np.ndarray
    scale: np.ndarray

    @property
    def weights(self) -> np.ndarray:
        """What they stand for, in float32 or the dtype of the scales."""
        if self.values.dtype == np.uint16:
            return widened(self.values)
        return (self.values.astype(np.float64) * self.scale).astype(self.scale.dtype)

    @property
    def nbytes(self) -> int:
        """Bytes of whole numbers and scales."""
        return self.values.nbytes + self.scale.nbytes


def quantize(w: np.ndarray) -> Quantized:
    """Return the nearest matrix of 8-bit integers: ``|w - values * scale| <= scale / 2``, scale = max|w| / 127."""
    scale = (np.abs(w).max(axis=0) / LEVELS).astype(w.dtype)
    values = np.rint(w / np.where(scale > 0, scale, 1))
    return Quantized(np.clip(values, -LEVELS, LEVELS).astype(np.int8), scale)


def quantize_bfloat16(w: np.ndarray) -> Quantized:
    """Return the nearest matrix in bfloat16, of two equally near the even one: ``|w' - w| <= 2^-8 |w|``."""
    return Quantized(bfloat16(w), np.empty(0, np.float32))


def quantize_network(net: Graph) -> tuple[dict[tuple[str, str], Quantized], Graph]:
    """Return the matrices of layers in 8 bits, by (layer, parameter), and a network with the weights they stand for."""
    quantized, copy = {}, net.astype(net.dtype)
    for view, twin in zip(net.layers, copy.layers, strict=True):
        for parameter in view.spec.matrices:
            found = quantize(view.parameters[parameter])
            quantized[view.name, parameter] = found
            twin.parameters[parameter][...] = found.weights
    return quantized, copy
