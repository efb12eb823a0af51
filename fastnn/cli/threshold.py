"""From which probability on the rarer of two classes is the answer."""

from argparse import ArgumentTypeError
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Wanted:
    """What the threshold is chosen by: the F1 score, or what a missed row costs in false alarms."""

    cost: float | None = None


def wanted(text: str) -> Wanted:
    """Return what ``--threshold`` says: ``f1``, or ``cost=RATIO``."""
    if text == "f1":
        return Wanted()
    name, _, value = text.partition("=")
    try:
        cost = float(value)
    except ValueError:
        cost = -1.0
    if name != "cost" or not 0 < cost < float("inf"):
        raise ArgumentTypeError(f"expected f1, or cost=RATIO of a missed row to a false alarm, got {text!r}")
    return Wanted(cost)


def choose(by: Wanted, positive: npt.NDArray[np.bool_], shares: Array) -> float:
    """Return the probability (of B rows, of which some are ``positive``) that serves best, half-way to the next one.

    A row is answered as positive if its probability is at least the threshold.
    """
    order = np.argsort(-shares, kind="stable")
    ranked, hits = shares[order], np.cumsum(positive[order])
    alarms, total = np.arange(1, len(ranked) + 1), int(positive.sum())
    last = np.append(ranked[1:] < ranked[:-1], True)  # rows of one probability go together
    if by.cost is None:
        gain: Array = 2 * hits / (alarms + total)
    else:
        gain = by.cost * hits - (alarms - hits)
        if gain[last].max() <= 0:
            return 1.0
    best = int(np.flatnonzero(last)[np.argmax(gain[last])])
    below = float(ranked[best + 1]) if best + 1 < len(ranked) else 0.0
    return (float(ranked[best]) + below) / 2
