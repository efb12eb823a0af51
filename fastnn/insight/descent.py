"""Ways down a function of images: steps of Adam, and limited-memory BFGS, within limits of every element."""

from collections import deque
from collections.abc import Callable, Iterator

import numpy as np

Function = Callable[[np.ndarray], tuple[float, np.ndarray]]
ENOUGH = 1e-4  # part of the descent that the slope promises, which a step must keep (Nocedal & Wright, eq. 3.4)
TRIES = 10  # lengths of a step before what the slopes have told is forgotten


class Adam:
    """Steps of Adam on an array, each element kept from ``low`` to ``high``; what it remembers lies here."""

    def __init__(self, low: float = -np.inf, high: float = np.inf) -> None:
        self.low, self.high, self.steps = low, high, 0
        self.mean: np.ndarray | float = 0.0
        self.square: np.ndarray | float = 0.0

    def step(self, x: np.ndarray, slope: np.ndarray, rate: float) -> np.ndarray:
        """Return x after a step down the slope [Kingma & Ba 2015, algorithm 1]."""
        self.steps += 1
        self.mean = self.mean + 0.1 * (slope - self.mean)
        self.square = self.square + 0.001 * (slope**2 - self.square)
        size = np.sqrt(self.square / (1 - 0.999**self.steps)) + 1e-12
        return np.clip(x - rate / (1 - 0.9**self.steps) * self.mean / size, self.low, self.high).astype(x.dtype)


def lbfgs(
    function: Function, x: np.ndarray, first: float, low: float = -np.inf, high: float = np.inf, memory: int = 10
) -> Iterator[None]:
    """Go down a function by limited-memory BFGS; each item is one evaluation, and it ends where no step is left.

    [Nocedal & Wright 2006, algorithms 7.4 and 7.5, with backtracking.]  Within limits the elements that stand at one
    and would leave are held, the others move by the inverse Hessian of those alone [Bertsekas 1982].

    Parameters
    ----------
    function : callable
        Gives its value and its gradient, of the shape and dtype of x.
    x : ndarray
        Where to begin; not written to.
    first : float
        How far the element moves that moves farthest in the first step.
    low, high : float
        Limits of every element.
    memory : int
        Steps whose slopes are remembered.
    """
    pairs: deque[tuple[np.ndarray, np.ndarray, float]] = deque(maxlen=memory)
    value, slope = function(x)
    yield
    while True:
        held = ((x <= low) & (slope > 0)) | ((x >= high) & (slope < 0))
        steepest = np.where(held, 0, -slope)
        if not steepest.any():
            return
        way = np.where(held, 0, newton(steepest, pairs)) if pairs else steepest
        if np.vdot(way, slope) >= 0:  # rounding has spoilt what is remembered
            pairs.clear()
            way = steepest
        length = 1.0 if pairs else first / float(np.abs(way).max())
        for _ in range(TRIES):
            trial = np.clip(x + length * way, low, high).astype(x.dtype)
            step = trial - x
            promised = float(np.vdot(step, slope))
            reached, new_slope = function(trial)
            yield
            if reached <= value + ENOUGH * promised:
                break
            # The minimum of the parabola through both values with the slope at x, not too near and not too far.
            best = promised / (2 * (promised + value - reached)) if np.isfinite(reached) else 0.0
            length *= min(max(best, 0.1), 0.5)
        else:
            if not pairs:
                return
            pairs.clear()
            continue
        bend = new_slope - slope
        curvature = float(np.vdot(step, bend))
        if curvature > 1e-8 * float(np.linalg.norm(step) * np.linalg.norm(bend)):
            pairs.append((step, bend, curvature))
        x, value, slope = trial, reached, new_slope


def newton(q: np.ndarray, pairs: deque[tuple[np.ndarray, np.ndarray, float]]) -> np.ndarray:
    """Return the inverse Hessian that steps and bends of the slope tell, times a vector [algorithm 7.4, two loops]."""
    q, shares = q.copy(), []
    for step, bend, curvature in reversed(pairs):
        shares.append(float(np.vdot(step, q)) / curvature)
        q -= q.dtype.type(shares[-1]) * bend
    _, bend, curvature = pairs[-1]
    q *= q.dtype.type(curvature / float(np.vdot(bend, bend)))
    for (step, bend, curvature), share in zip(pairs, reversed(shares), strict=True):
        q += q.dtype.type(share - float(np.vdot(bend, q)) / curvature) * step
    return q
