"""The learning-rate range test: which rates make a network learn, and which make it diverge."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastnn._spec import require_count, require_number
from fastnn.data.feed import Feed, make_feed
from fastnn.data.ports import Block
from fastnn.data.shuffle import Shuffle
from fastnn.errors import DivergenceError
from fastnn.graph.graph import Graph
from fastnn.plotting.figure import BLUE, ORANGE, dress, finish, new_figure
from fastnn.schedules import Constant
from fastnn.training.callbacks import Callback, EpochInfo
from fastnn.training.history import History
from fastnn.training.loop import train

_TIMES = 3.0  # the fall of the loss, or the loss, by which it may rise
_SAFETY = 10.0  # the suggestion is so many times below the rate of the least loss


@dataclass(frozen=True, eq=False, repr=False)
class RateSweep:
    """What ``lr_find`` found.

    Attributes
    ----------
    rates : ndarray of shape (S,), float64
        Learning rate of each update, rising; the last is the one after which the test stopped.
    losses : ndarray of shape (S,), float64
        Loss of the mini-batch of each update, before it.
    smoothed : ndarray of shape (S,), float64
        Their moving average.
    suggestion : float
        A tenth of the rate at which ``smoothed`` is least; NaN if it did not fall at all.
    diverged : bool
        Whether the loss rose so far that the test stopped; if not, ``stop`` was too low to see the end.
    """

    rates: np.ndarray
    losses: np.ndarray
    smoothed: np.ndarray
    diverged: bool

    @property
    def suggestion(self) -> float:
        """A tenth of the rate at which the smoothed loss is least."""
        best = int(np.argmin(self.smoothed))
        return float(self.rates[best] / _SAFETY) if best > 0 else float("nan")

    def plot(self, path: str | Path | None = None) -> Any:
        """Draw it, to ``path`` if there is one: see `plot_lr_find`."""
        return plot_lr_find(self, path)

    def __repr__(self) -> str:
        first, best = self.smoothed[0], int(np.argmin(self.smoothed))
        text = f"{len(self.rates)} updates at rates from {self.rates[0]:.3g} to {self.rates[-1]:.3g}: "
        if best == 0:
            text += f"the loss, {first:.4g}, never fell; suggestion: none"
        else:
            text += (
                f"the loss fell from {first:.4g} to {self.smoothed[best]:.4g} at {self.rates[best]:.3g}; "
                f"suggestion {self.suggestion:.2g}"
            )
        if not self.diverged:
            text += "; it has not diverged: raise stop to see where it does"
        return text


def lr_find(
    net: Graph,
    X: Any,
    y: Any = None,
    *,
    sample_weight: Any = None,
    batch_size: int = 32,
    start: float = 1e-7,
    stop: float = 10.0,
    steps: int = 100,
    smoothing: float = 0.9,
) -> RateSweep:
    """Find a learning rate: train a copy at rates that rise from update to update, and look at its loss.

    Parameters
    ----------
    net : Network
        Compiled with loss and optimiser; its learning rate, or schedule, does not matter.  Left as it is: a copy
        learns, from the present parameters and state of the optimiser.
    X, y, sample_weight
        As in ``fit``: arrays, or an iterable of batches.
    batch_size : int
        Rows per update, as it will be in ``fit``: the suggestion is one for this size.
    start, stop : float
        First and last rate.
    steps : int
        Updates; the rates form a geometric series.
    smoothing : float
        b in [0, 1) of the moving average ``a_k = b a_{k-1} + (1 - b) loss_k``, which is divided by ``1 - b^k``.  0 for
        batches of all rows, whose loss has no noise.

    Returns
    -------
    RateSweep
        Rates and losses, a suggestion, and a picture of them.

    Raises
    ------
    TypeError, ValueError
        If the data or options do not fit, or an iterable gives too few batches.
    RuntimeError
        If the network is not compiled.

    Notes
    -----
    The range test is by Smith, Cyclical learning rates for training neural networks (2017), section 3.3; to take a
    tenth of the rate with the least loss is a rule of thumb of those who use it.  The least loss lies near the limit of
    stability, which is 2 / (largest eigenvalue of the Hessian) for gradient descent on a quadratic.  Where the loss
    falls most steeply, another rule, is found less reliably: noise has steep falls too.

    The test stops when the smoothed loss a has risen from its least value m by more than three times ``|m|`` and three
    times its fall so far, or when the loss is not finite.

    Examples
    --------
    >>> import fastnn as fn
    >>> X, y = fn.load_digits()
    >>> net = fn.Sequential([fn.Dense(64, "relu"), fn.Dense(10)], input_shape=64, seed=0)
    >>> net.compile("cross_entropy", fn.SGD(0.1))
    >>> found = fn.lr_find(net, X, y)
    >>> 0.01 < found.suggestion < 0.5
    True
    >>> net.compile("cross_entropy", fn.SGD(found.suggestion))
    """
    if not isinstance(net, Graph):
        raise TypeError(f"lr_find: expected a Network, got {type(net).__name__}")
    net.require_compiled("lr_find")
    require_count("lr_find", "batch_size", batch_size)
    require_count("lr_find", "steps", steps, low=2)
    require_number("lr_find", "start", start, low=0.0, strict=True)
    require_number("lr_find", "stop", stop, low=float(start), strict=True)
    require_number("lr_find", "smoothing", smoothing, low=0.0, high=1.0)
    if smoothing == 1:
        raise ValueError("lr_find: expected smoothing below 1, got 1")
    copy = deepcopy(net)
    copy.schedule = Constant(start)  # the network's own schedule is not used
    rates, test = np.geomspace(start, stop, steps), RangeTest(copy, float(smoothing))
    feed = UpdateFeed(make_feed("lr_find", copy.ports, X, y, sample_weight, batch_size=batch_size), copy, steps)
    try:
        diverged = train(
            copy, feed, steps, History(), [test],
            order=lambda: None, rates=lambda net, n: rates[len(test.losses) :][:n], measure=lambda info, sums: None,
        )  # fmt: skip
    except DivergenceError:
        diverged = True
    if not test.losses:
        raise DivergenceError("lr_find: the loss is not finite before any update; standardise the data")
    return RateSweep(rates[: len(test.losses)], np.array(test.losses), np.array(test.smoothed), diverged)


class RangeTest(Callback):
    """Keeps the loss of each update and its moving average, and stops when that has risen too far.

    An epoch is one update: see `UpdateFeed`.  One after which parameters are infinite counts, though no epoch ends
    with it.
    """

    def __init__(self, net: Graph, smoothing: float) -> None:
        self.net, self.first, self.smoothing, self.average = net, net.trainer.step, smoothing, 0.0
        self.losses: list[float] = []
        self.smoothed: list[float] = []

    def on_batch_end(self, done_rows: int, total_rows: int | None, loss: float) -> None:
        """Note the loss, if it is that of another update."""
        if self.net.trainer.step - self.first > len(self.losses):
            self.losses.append(loss)
            self.average = self.smoothing * self.average + (1 - self.smoothing) * loss
            self.smoothed.append(self.average / (1 - self.smoothing ** len(self.losses)))

    def on_epoch_end(self, info: EpochInfo) -> bool:
        """Stop if it has risen."""
        first, least, last = self.smoothed[0], min(self.smoothed), self.smoothed[-1]
        return last - least > _TIMES * max(abs(least), first - least)


class UpdateFeed:
    """One mini-batch of another feed at a time: as many epochs as updates, through all rows in new orders each time."""

    n: int | None = None
    batch_size: int | None = None
    whole: Block | None = None

    def __init__(self, feed: Feed, net: Graph, steps: int) -> None:
        self.feed, self.net, self.epoch, self.steps, self.given = feed, net, net.epoch, steps, 0
        self.batches = self._batches()

    def blocks(self, shuffle: Shuffle | None, epoch: int | None = None) -> Iterator[Block]:
        """Yield the next mini-batch."""
        block = next(self.batches, None)
        if block is None:
            raise ValueError(
                f"lr_find: expected {self.steps} batches from the iterable, got {self.given}; lower steps, or pass one "
                "that starts again"
            )
        self.given += 1
        yield block

    def _batches(self) -> Iterator[Block]:
        """Yield mini-batches, epoch after epoch, as long as there are any."""
        before = -1
        while before < self.given:
            before = self.given
            for block in self.feed.blocks(Shuffle(self.net.seed, self.epoch), self.epoch):
                order = np.arange(block.n) if block.order is None else block.order
                size = self.feed.batch_size or block.n
                updates = self.net.trainer.updates(block.n, size)
                for rows in np.split(order, range(size, updates * size, size)):
                    yield block._replace(order=rows, n=len(rows))
            self.epoch += 1


def plot_lr_find(sweep: RateSweep, path: str | Path | None = None) -> Any:
    """Draw the loss over the learning rate, and the suggestion.

    Other parameters are those of plot_history.

    Parameters
    ----------
    sweep : RateSweep
        What ``lr_find`` returned.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> import fastnn as fn
    >>> X, y = fn.load_digits()
    >>> net = fn.Sequential([fn.Dense(32, "relu"), fn.Dense(10)], input_shape=64, seed=0)
    >>> net.compile("cross_entropy", "adam")
    >>> figure = fn.plot_lr_find(fn.lr_find(net, X, y))
    """
    if not isinstance(sweep, RateSweep):
        raise TypeError(f"plot_lr_find: expected what lr_find returns, got {type(sweep).__name__}")
    figure = new_figure("plot_lr_find", 8.0, 4.8)
    axes = figure.add_subplot()
    axes.plot(sweep.rates, sweep.losses, color="#c3d3e6", linewidth=1.4, label="loss of each mini-batch")
    axes.plot(sweep.rates, sweep.smoothed, color=BLUE, linewidth=2.2, label="smoothed")
    dress(axes, "learning rate", "loss")
    axes.set_xscale("log")
    least, first = int(np.argmin(sweep.smoothed)), float(sweep.smoothed[0])
    low, high = float(sweep.losses.min()), float(sweep.losses.max())
    top = min(high, first + (first - low) + 0.1 * abs(first))  # losses that diverge would dominate the axis
    if top > low:
        axes.set_ylim(low - 0.05 * (top - low), top + 0.05 * (top - low))
    if least > 0:
        text = f"suggestion {sweep.suggestion:.2g}"
        axes.axvline(sweep.suggestion, color=ORANGE, linewidth=1.6, linestyle="--", label=text)
        axes.plot(
            sweep.rates[least], sweep.smoothed[least], "o", color=BLUE, markersize=9, markerfacecolor="none",
            label=f"least loss, at {sweep.rates[least]:.2g}",
        )  # fmt: skip
    figure.legend(loc="outside upper center", ncols=4, fontsize=10, frameon=False)
    return finish(figure, path)
