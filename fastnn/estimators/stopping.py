"""scikit-learn's way to train, as a callback of the fit loop: when to stop, what to print, what to leave behind."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf, nan
from typing import Any

import numpy as np

from fastnn.data.feed import Feed
from fastnn.data.shuffle import Shuffle
from fastnn.errors import DivergenceError
from fastnn.estimators.objective import Objective
from fastnn.estimators.pace import Pace
from fastnn.metrics import Metric
from fastnn.network import Sequential
from fastnn.training.callbacks import Callback, EpochInfo, as_callback
from fastnn.training.history import History
from fastnn.training.loop import Sums, describe, train, train_epoch
from fastnn.training.validation import measured

NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)


@dataclass
class Record:
    """What training leaves beside the parameters, by the names of the estimator's attributes; a warm start goes on."""

    loss_: float = nan
    loss_curve_: list[float] = field(default_factory=list)
    validation_scores_: Any = None  # lists where rows are held out
    validation_loss_curve_: Any = None
    best_loss_: float | None = inf
    best_validation_score_: float | None = None
    n_iter_: int = 0  # of the last call
    t_: int = 0  # rows seen
    _no_improvement_count: int = 0  # epochs in a row
    history_: History = field(default_factory=History)


class StoppingRule(Callback):
    """Training ends once the loss, or the score on rows held out, has not got better by ``tol`` for some epochs.

    ``estimator`` says how, by its parameters; ``pace`` may answer with a lower rate instead; ``record`` is written to.
    Where rows are held out, the parameters with the best score on them are those that stay.
    """

    def __init__(
        self, estimator: Any, objective: Objective, pace: Pace, record: Record, held: Feed | None = None
    ) -> None:
        self.estimator, self.objective, self.pace, self.record, self.held = estimator, objective, pace, record, held
        self.tol, self.verbose = float(estimator.tol), bool(estimator.verbose)
        self.best: np.ndarray | None = None

    def on_fit_begin(self, net: Any, epochs: int) -> None:
        """Begin to count; on a warm start the parameters so far are the best."""
        record = self.record
        record.n_iter_ = 0
        if self.held is not None:
            self.best = net.params.copy() if record.validation_scores_ else None
            record.validation_scores_ = record.validation_scores_ or []
            record.validation_loss_curve_ = record.validation_loss_curve_ or []

    def measure(self, info: EpochInfo, sums: Sums) -> None:
        """Bring the loss to scikit-learn's scale, the penalty included, and judge the rows held out."""
        objective, name = self.objective, self.estimator._score_name
        info.loss = objective.report * sums.loss + sums.penalty / sums.rows + objective.constant
        if self.held is not None:
            values = measured(info.net, self.held, {name: (0, Whole(self.estimator._score_outputs))})
            info.val_loss, info.metrics = objective.shown(values["loss"]), {f"val_{name}": values[name]}

    def on_epoch_end(self, info: EpochInfo) -> bool:
        """Write the epoch down; True if there were too many without a gain, and the rate has no way down."""
        record = self.record
        record.n_iter_ += 1
        record.t_ += info.samples
        record.loss_ = info.loss
        record.loss_curve_.append(info.loss)
        if self.verbose:
            print(f"Iteration {record.n_iter_}, loss = {info.loss:.8f}")
        gains = self._gains_in_loss(info) if self.held is None else self._gains_in_score(info)
        record._no_improvement_count = 0 if gains else record._no_improvement_count + 1
        self.pace.epoch_ends(record.t_)
        patience = self.estimator.n_iter_no_change
        if record._no_improvement_count <= patience:
            return False
        what = "Training loss" if self.held is None else "Validation score"
        reason = f"{what} did not improve more than tol={self.tol:f} for {patience} consecutive epochs."
        stops = self.pace.stops(reason, self._print)
        if not stops:
            record._no_improvement_count = 0
        return stops

    def _gains_in_loss(self, info: EpochInfo) -> bool:
        """Whether the training loss fell by ``tol``."""
        record = self.record
        best = inf if record.best_loss_ is None else record.best_loss_
        record.best_loss_ = min(best, info.loss)
        return not info.loss > best - self.tol

    def _gains_in_score(self, info: EpochInfo) -> bool:
        """Whether the score rose by ``tol``; keep the parameters of the best."""
        record, score = self.record, next(iter(info.metrics.values()))
        record.validation_scores_.append(score)
        record.validation_loss_curve_.append(info.val_loss)
        self._print(f"Validation score: {score:f}")
        best = -inf if record.best_validation_score_ is None else record.best_validation_score_
        record.best_validation_score_ = best
        if score > best:
            record.best_validation_score_, self.best = score, info.net.params.copy()
        return not score < best + self.tol

    def on_fit_end(self, net: Any, history: History) -> None:
        """Give the network its best parameters back."""
        if self.best is not None:
            net.params = self.best

    def _print(self, text: str) -> None:
        if self.verbose:
            print(text)

    # ---- the ways to train -------------------------------------------------------------------------------------------

    def fit(self, net: Sequential, feed: Feed, random: np.random.RandomState) -> str:
        """Train until it settles; return why it has not, or "".

        Raises DivergenceError if the loss became infinite or NaN, unless there are best parameters of held-out rows.
        """
        estimator, record = self.estimator, self.record
        epochs, order = int(estimator.max_iter), order_of(estimator, feed, random)
        calls = [self, *map(as_callback, estimator.callbacks or ())]
        try:
            stopped = train(
                net, feed, epochs, record.history_, calls,
                order=lambda: order, rates=self.pace.rates, measure=self.measure,
            )  # fmt: skip
        except DivergenceError:
            if self.best is None:
                raise DivergenceError(NOT_FINITE) from None
            record.validation_scores_.append(nan)
            record.validation_loss_curve_.append(nan)
            return "the loss became infinite or NaN; training stopped with the best weights so far"
        if stopped:
            return ""
        what = "loss" if self.held is None else "score"
        return f"{epochs} epochs are over and the {what} has not settled; raise max_iter, or tol"

    def partial_fit(self, net: Sequential, feed: Feed, random: np.random.RandomState | None) -> None:
        """Go once through the rows; this counts as no epoch of the network.

        Raises DivergenceError if the loss or a parameter became infinite or NaN.
        """
        order = None if random is None else order_of(self.estimator, feed, random)
        try:
            sums = train_epoch(net, feed, order, (), self.pace.rates)
        except DivergenceError:
            raise DivergenceError(NOT_FINITE) from None
        self.record.n_iter_ = 0
        self.on_epoch_end(describe(net, sums, 1, self.measure))


def order_of(estimator: Any, feed: Feed, random: np.random.RandomState) -> Shuffle | None:
    """Return the order of the rows, or None; one mini-batch of all rows has no order to speak of."""
    return RandomOrder(random) if estimator.shuffle and feed.n != feed.batch_size else None


class RandomOrder(Shuffle):
    """The random order of epoch after epoch that scikit-learn draws: each shuffles the one before."""

    def __init__(self, random: np.random.RandomState) -> None:
        self.random = random
        self.order: np.ndarray | None = None

    def permutation(self, n: int) -> np.ndarray:
        """Return the order of the next epoch."""
        steps = np.arange(n)
        self.random.shuffle(steps)
        self.order = steps if self.order is None else self.order[steps]
        return self.order


class Whole(Metric):
    """A score of all rows at once; they may come in several blocks."""

    def __init__(self, score: Callable[[np.ndarray, np.ndarray, np.ndarray | None], float]) -> None:
        self.score = score
        super().__init__()

    def reset(self) -> None:
        """Forget all rows."""
        self._parts: list[tuple[Any, ...]] = []

    def update(self, y_true: Any, y_pred: Any, weight: Any = None) -> None:
        """Keep some rows."""
        self._parts.append((y_pred, y_true, weight))

    def result(self) -> float:
        """Return the score, NaN if an answer is not finite."""
        outputs, targets, weights = (
            parts[0] if len(parts) == 1 or parts[0] is None else np.concatenate(parts)
            for parts in zip(*self._parts, strict=True)
        )
        return self.score(outputs, targets, weights) if np.isfinite(outputs).all() else nan
