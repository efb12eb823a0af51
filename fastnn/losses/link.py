"""Links: how the raw outputs that a loss takes become answers, such as logits probabilities.

A generalised linear model says which function of the mean is linear in its inputs, the link; its inverse turns what
the network computes into what is asked for [McCullagh and Nelder 1989].
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


def _same(raw: np.ndarray) -> np.ndarray:
    return raw


def _softmax(raw: np.ndarray) -> np.ndarray:
    from scipy.special import softmax

    return softmax(raw, axis=-1)


def _sigmoid(raw: np.ndarray) -> np.ndarray:
    from scipy.special import expit

    return expit(raw)


@dataclass(frozen=True, eq=False, repr=False)
class Link:
    """How raw outputs are read.

    Attributes
    ----------
    name : str
        "identity", "softmax", "sigmoid", "log" or "margin".
    inverse : callable
        From raw outputs of shape (..., O) to answers of the same shape and dtype.
    activation : str or None
        The activation that computes ``inverse`` as the last layer of a network.
    threshold : float
        A single raw output says yes above it.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn.losses.link import SIGMOID
    >>> SIGMOID.inverse(np.array([0.0])), SIGMOID.threshold
    (array([0.5]), 0.0)
    """

    name: str
    inverse: Callable[[Any], Any] = _same
    activation: str | None = None
    threshold: float = 0.5

    def __repr__(self) -> str:
        return f"<Link {self.name}>"


IDENTITY = Link("identity")  # values; also of decisions learned as the numbers 0 and 1
SOFTMAX = Link("softmax", _softmax, activation="softmax")  # probabilities of classes that exclude each other
SIGMOID = Link("sigmoid", _sigmoid, activation="sigmoid", threshold=0.0)  # probabilities of yes, each by itself
LOG = Link("log", np.exp)  # rates
MARGIN = Link("margin", threshold=0.0)  # distances from a decision, which have no probability
