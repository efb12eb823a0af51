"""Normalisation of channels by those beside them."""

from dataclasses import KW_ONLY, dataclass
from math import prod
from typing import Any

from fastnn._core.ops import LocalResponseOp
from fastnn._spec import above_0, at_least_0, checked, require_count
from fastnn.layers.base import Built, Layer, Shape


def _require_odd(who: str, name: str, value: Any) -> None:
    require_count(who, name, value)
    if value % 2 == 0:
        raise ValueError(
            f"{who}: expected an odd {name}, the channel itself and as many on both sides, got {value}; other programs "
            "do not agree which side of an even window is longer"
        )


@dataclass(frozen=True, eq=False, repr=False)
class LocalResponseNorm(Layer):
    """Each channel divided by what the channels beside it at the same place amount to [Krizhevsky et al. 2012].

    Parameters
    ----------
    size : int
        Channels of the window, odd: the channel itself in the middle; at the edges, those that there are.
    alpha : float
        Weight of the squares, shared by the window: at least 0.
    beta : float
        Exponent, at least 0.
    k : float
        What is added, above 0.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If size is even, or a number is out of range.

    Notes
    -----
    ``y_c = x_c / (k + alpha / size * sum_i x_i^2)^beta``, i from ``c - size // 2`` to ``c + size // 2``, over the last
    axis of any shape: as ``torch.nn.LocalResponseNorm`` and LRN of ONNX.  AlexNet, whose paper does not divide alpha by
    size, has ``LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2)``.  The answers are within a few ulp for beta of 1/2
    and 3/4, which are roots; for others the error grows with ``beta |log(sum)|``, half an ulp for each.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.LocalResponseNorm(3, alpha=3.0, beta=0.5)], input_shape=(1, 1, 3), seed=0)
    >>> net.predict(np.array([[[[2.0, 2.0, 1.0]]]])).round(3)  # 2 / sqrt(1 + 8), 2 / sqrt(1 + 9), 1 / sqrt(1 + 5)
    array([[[[0.667, 0.632, 0.408]]]], dtype=float32)
    """

    size: int = checked(5, _require_odd)
    _: KW_ONLY
    alpha: float = checked(1e-4, at_least_0)
    beta: float = checked(0.75, at_least_0)
    k: float = checked(1.0, above_0)
    name: str | None = None

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op over the last axis."""
        shape = self.one_input(input_shapes)
        op = LocalResponseOp(prod(shape[:-1]), shape[-1], self.size, self.alpha, self.beta, self.k)
        return Built((op,), shape)
