"""Activations at every float32 number there is, in units in the last place."""

import numpy as np
from scipy import special

from fastnn._core import doors, table

PROMISE = "activations stay within what csrc/README.md says, at all 2^32 float32 numbers"
SHORT = 1 / 4093  # a prime: all exponents and endings come up

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717
BLOCK = 1 << 21
FORMULAS = {
    "sigmoid": special.expit,
    "tanh": np.tanh,
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))),
    "elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "selu": lambda x: SELU_SCALE * np.where(x > 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0))),
    "silu": lambda x: x * special.expit(x),
    "gelu": lambda x: x * special.ndtr(x),
}
LIMITS = {"sigmoid": 1.5, "tanh": 1.35, "softplus": 2.35, "elu": 1.1, "selu": 2.0, "silu": 2.2, "gelu": 2.25}
BASE = {"gelu": 2.8}  # without a fused multiply-add


def ulps(got: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Distances in units in the last place of float32, subnormal numbers included; exact is far more precise."""
    unit = np.spacing(np.minimum(np.abs(exact), 2.0**127).astype(np.float32)).astype(np.float64)
    overflows = np.abs(exact) >= 2.0**128 - 2.0**103  # rounded, that is inf
    return np.where(overflows & (got == np.copysign(np.inf, exact)), 0, np.abs(got.astype(np.float64) - exact) / unit)


def worst(name: str, isa: str, step: int) -> tuple[float, float]:
    """The largest distance at every step-th float32 number, and where it is."""
    found = (0.0, 0.0)
    for first in range(0, 1 << 32, BLOCK * step):
        bits = np.arange(first, min(first + BLOCK * step, 1 << 32), step, dtype=np.uint64).astype(np.uint32)
        x = bits.view(np.float32)
        got = doors.activation_forward(name, x, isa=isa)
        nan = np.isnan(x)
        assert np.isnan(got[nan]).all(), f"{name} of NaN is a number"
        x, got = x[~nan], got[~nan]
        ends = np.isinf(x)
        edge = {-np.inf: FORMULAS[name](np.array([-1e6]))[0], np.inf: FORMULAS[name](np.array([1e6]))[0]}
        for end in (-np.inf, np.inf):
            limit = np.inf if edge[end] > 1e5 else np.float32(edge[end])
            assert (got[x == end] == limit).all(), f"{name} of {end}"
        x, got = x[~ends], got[~ends]
        if x.size:
            distance = ulps(got, FORMULAS[name](x.astype(np.float64)))
            assert not np.isnan(distance).any(), f"{name} is not a number somewhere"
            at = int(np.argmax(distance))
            found = max(found, (float(distance[at]), float(x[at])))
    return found


def run(share: float) -> dict:
    isas = table.supported_isas()
    found: dict = {}
    for isa in dict.fromkeys((isas[0], isas[-1])):  # those with a multiply-add have the same bits
        with np.errstate(all="ignore"):
            distances = {name: worst(name, isa, round(1 / share)) for name in FORMULAS}
        limits = LIMITS | BASE if isa == "base" else LIMITS
        for name, (distance, at) in distances.items():
            assert distance <= limits[name], f"{name} is {distance:.2f} ulp off at {at!r}, {limits[name]} are allowed"
        found[isa] = {name: round(distance, 2) for name, (distance, _) in distances.items()}
    return {"ulp": found}
