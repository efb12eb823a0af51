"""Initial values of weights: scaled so that signals keep their size from layer to layer."""

from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from fastnn._core.rng import RandomStream
from fastnn._spec import Spec, above_0, checked, choose, meant, require_number


class Initializer(Spec, family="initializer"):
    """How to draw the initial values of one parameter."""

    def draw(self, shape: tuple[int, ...], fan_in: int, fan_out: int, random: RandomStream) -> np.ndarray:
        """Return float64 values of ``shape`` for a neuron of ``fan_in`` inputs that feeds ``fan_out`` outputs."""
        raise NotImplementedError

    def deviation(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> float:
        """Return the root of the mean square of the values that are drawn for such a parameter."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False, repr=False)
class VarianceScaling(Initializer):
    """Zero mean and variance ``scale / fan``.

    Parameters
    ----------
    scale : float
        Numerator of the variance.
    fan : {"fan_in", "fan_out", "fan_avg"}
        What the variance is divided by; fan_avg is the mean of both.
    distribution : {"uniform", "normal"}
        Uniform in +-sqrt(3 variance), or normal.

    Raises
    ------
    ValueError
        If a value is unknown or scale is not positive.

    Notes
    -----
    ``glorot``: 1 / fan_avg [Glorot & Bengio 2010, eq. 12 and 16]; ``he``: 2 / fan_in [He et al. 2015, eq. 10];
    ``lecun``: 1 / fan_in [LeCun et al. 1998, section 4.6].

    Examples
    --------
    >>> import fastnn as fn
    >>> layer = fn.Dense(8, "relu", kernel_initializer=fn.VarianceScaling(2.0, "fan_in", "normal"))
    """

    scale: float = checked(1.0, above_0)
    fan: Literal["fan_in", "fan_out", "fan_avg"] = "fan_avg"
    distribution: Literal["uniform", "normal"] = "uniform"

    def __post_init__(self) -> None:
        super().__post_init__()
        choose("VarianceScaling: unknown fan", self.fan, ("fan_in", "fan_out", "fan_avg"))
        choose("VarianceScaling: unknown distribution", self.distribution, ("uniform", "normal"))

    def draw(self, shape: tuple[int, ...], fan_in: int, fan_out: int, random: RandomStream) -> np.ndarray:
        """Return float64 values of ``shape``."""
        variance = self._variance(fan_in, fan_out)
        if self.distribution == "normal":
            return np.sqrt(variance) * random.normal(shape)
        return np.sqrt(3 * variance) * (2 * random.uniform(shape) - 1)

    def deviation(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> float:
        """Return ``sqrt(scale / fan)``."""
        return float(np.sqrt(self._variance(fan_in, fan_out)))

    def _variance(self, fan_in: int, fan_out: int) -> float:
        return self.scale / {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[self.fan]


@dataclass(frozen=True, eq=False, repr=False)
class Orthogonal(Initializer):
    """Orthonormal columns (or rows, where there are fewer), times ``gain`` [Saxe et al. 2014].

    Parameters
    ----------
    gain : float
        All singular values of the weight matrix.

    Raises
    ------
    ValueError
        If gain is not positive.

    Examples
    --------
    >>> import fastnn as fn
    >>> net = fn.Sequential([fn.Dense(3, kernel_initializer=fn.Orthogonal())], input_shape=5, seed=0)
    >>> w = net.layers[0].weight
    >>> bool(abs(w.T @ w - [[1, 0, 0], [0, 1, 0], [0, 0, 1]]).max() < 1e-6)
    True
    """

    gain: float = checked(1.0, above_0)

    def draw(self, shape: tuple[int, ...], fan_in: int, fan_out: int, random: RandomStream) -> np.ndarray:
        """Return float64 values of ``shape``; all axes but the last count as rows."""
        rows, columns = int(np.prod(shape[:-1])), shape[-1]
        q, r = np.linalg.qr(random.normal((max(rows, columns), min(rows, columns))))
        q = q * np.sign(np.diag(r))  # else the distribution depends on LAPACK's choice of signs
        return self.gain * (q if rows >= columns else q.T).reshape(shape)

    def deviation(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> float:
        """Return the gain, shared among the numbers of a column, or of a row of fewer."""
        return float(self.gain / np.sqrt(max(prod(shape[:-1]), shape[-1])))


@dataclass(frozen=True, eq=False, repr=False)
class Constant(Initializer):
    """The same value everywhere.

    Parameters
    ----------
    value : float
        The value.

    Raises
    ------
    ValueError
        If value is not finite.
    """

    value: float = checked(0.0, require_number)

    def draw(self, shape: tuple[int, ...], fan_in: int, fan_out: int, random: RandomStream) -> np.ndarray:
        """Return float64 values of ``shape``."""
        return np.full(shape, float(self.value))

    def deviation(self, shape: tuple[int, ...], fan_in: int, fan_out: int) -> float:
        """Return the size of the value."""
        return abs(float(self.value))


NAMES: dict[str, Initializer] = {
    "glorot_uniform": VarianceScaling(1.0, "fan_avg", "uniform"),
    "glorot_normal": VarianceScaling(1.0, "fan_avg", "normal"),
    "he_uniform": VarianceScaling(2.0, "fan_in", "uniform"),
    "he_normal": VarianceScaling(2.0, "fan_in", "normal"),
    "lecun_uniform": VarianceScaling(1.0, "fan_in", "uniform"),
    "lecun_normal": VarianceScaling(1.0, "fan_in", "normal"),
    "orthogonal": Orthogonal(),
    "zeros": Constant(0.0),
    "ones": Constant(1.0),
}


WORDS = {  # of other libraries
    "xavier_uniform": "glorot_uniform", "xavier_normal": "glorot_normal", "kaiming_uniform": "he_uniform",
    "kaiming_normal": "he_normal", "zero": "zeros", "one": "ones",
}  # fmt: skip


def as_initializer(who: str, value: str | Initializer) -> Initializer:
    """Return the initializer of that name, or ``value`` itself if it is one."""
    if isinstance(value, Initializer):
        return value
    if not isinstance(value, str):
        raise TypeError(f"{who}: expected an initializer (a name or an Initializer), got {type(value).__name__}")
    return NAMES[meant(f"{who}: unknown initializer", value, NAMES, WORDS)]
