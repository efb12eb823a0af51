"""Training by mini-batches until the loss, or the score on rows held out, no longer gets better."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf, nan
from time import perf_counter
from typing import Any

import numpy as np

from fastnn._core.table import all_finite
from fastnn.errors import DivergenceError
from fastnn.estimators.objective import Objective
from fastnn.estimators.pace import Pace
from fastnn.estimators.rows import dense_blocks
from fastnn.network import Sequential
from fastnn.threads import obey
from fastnn.training.callbacks import Callback, EpochInfo, as_callback
from fastnn.training.history import History

NOT_FINITE = (
    "Solver produced non-finite parameter weights. The input data may contain large values and need to be preprocessed."
)


@dataclass
class Rows:
    """Rows to learn from or to validate on: inputs, targets as the loss takes them, weights or None."""

    X: Any
    targets: np.ndarray
    weights: np.ndarray | None

    def __len__(self) -> int:
        return self.X.shape[0]

    def take(self, rows: np.ndarray) -> "Rows":
        """Return some of them."""
        return Rows(self.X[rows], self.targets[rows], None if self.weights is None else self.weights[rows])


@dataclass
class Record:
    """What training leaves beside the parameters; a warm start goes on with it."""

    loss: float = nan
    losses: list[float] = field(default_factory=list)
    scores: Any = None  # lists where rows are held out
    validation_losses: Any = None
    best_loss: float | None = inf
    best_score: float | None = None
    epochs: int = 0  # of the last call
    rows_seen: int = 0
    stalled: int = 0  # epochs in a row without a gain
    history: History = field(default_factory=History)


@dataclass
class Course:
    """How to train: what the parameters of an estimator say of it."""

    who: str
    objective: Objective
    batch_size: int
    max_iter: int
    tol: float
    patience: float
    shuffle: bool
    verbose: bool
    score_name: str
    score: Callable[[np.ndarray, Rows], float]
    callbacks: Sequence[Any] = ()


def train(
    course: Course,
    net: Sequential,
    pace: Pace,
    record: Record,
    rows: Rows,
    held: Rows | None,
    random: np.random.RandomState,
) -> str:
    """Train until it settles, keeping the best parameters where rows are held out; return why it has not, or "".

    Raises
    ------
    DivergenceError
        If the loss became infinite or NaN, unless rows are held out and there are best parameters so far.
    """
    order = np.arange(len(rows)) if course.shuffle else None
    best = net.params.copy() if held is not None and record.scores else None
    if held is not None:
        record.scores, record.validation_losses = record.scores or [], record.validation_losses or []
    calls = [as_callback(callback) for callback in course.callbacks]
    record.epochs = 0
    for call in calls:
        call.on_fit_begin(net, course.max_iter)
    try:
        while record.epochs < course.max_iter:
            obey()
            began = perf_counter()
            order = shuffled(order, course, random)
            try:
                loss = epoch(course, net, pace, rows, order, calls)
            except DivergenceError:
                if best is None:
                    raise
                for curve in (record.scores, record.validation_losses):
                    curve.append(nan)
                return "the loss became infinite or NaN; training stopped with the best weights so far"
            note(record, loss, len(rows), course)
            if held is None:
                count_stalls(record, course.tol)
            elif judge(course, net, record, held):
                best = net.params.copy()
            info = describe(course, net, pace, record, perf_counter() - began, len(rows))
            record.history.append(
                info.epoch, **info.monitored(), learning_rate=info.learning_rate, seconds=info.seconds
            )
            pace.epoch_ends(record.rows_seen, info)
            stop = any([bool(call.on_epoch_end(info)) for call in calls])  # noqa: C419  (every callback hears of it)
            if has_settled(course, pace, record, "Training loss" if held is None else "Validation score") or stop:
                return ""
    finally:
        if best is not None:
            net.params[:] = best
        for call in calls:
            call.on_fit_end(net, record.history)
    what = "loss" if held is None else "score"
    return f"{course.max_iter} epochs are over and the {what} has not settled; raise max_iter, or tol"


def shuffled(order: np.ndarray | None, course: Course, random: np.random.RandomState) -> np.ndarray | None:
    """Return the rows in a new random order; one mini-batch of all rows has no order to speak of."""
    if order is None or len(order) <= course.batch_size:
        return None
    steps = np.arange(len(order))
    random.shuffle(steps)
    return order[steps]


def epoch(
    course: Course, net: Sequential, pace: Pace, rows: Rows, order: np.ndarray | None, calls: list[Callback]
) -> float:
    """Go once through the rows; return the mean loss, penalty and all, as it was met."""
    listeners = [call for call in calls if type(call).on_batch_end is not Callback.on_batch_end]
    trainer, objective, n = net.trainer, course.objective, len(rows)
    total = weight = penalty = 0.0
    done = 0

    def tick(rows_done: int, mean: float) -> None:
        obey()
        for call in listeners:
            call.on_batch_end(done + rows_done, n, mean)

    for block, where in dense_blocks(rows.X, order, course.batch_size):
        whole = where is None
        part = rows.targets if whole else rows.targets[where]
        weights = rows.weights if whole or rows.weights is None else rows.weights[where]
        size = len(block)
        rates = pace.rates(trainer.optimizer.step, -(-size // course.batch_size))
        at = order if whole else None
        try:
            loss, mass = trainer.run([block], [part], weights, at, size, course.batch_size, rates, tick)
        except DivergenceError:
            raise DivergenceError(NOT_FINITE) from None
        total, weight, penalty, done = total + loss, weight + mass, penalty + trainer.penalty_sum, done + size
    for call in listeners:
        call.on_batch_end(done, n, total / weight if weight else 0.0)
    if not all_finite(net.params):  # the last update is followed by no loss that would tell
        raise DivergenceError(NOT_FINITE)
    return objective.report * (total / weight if weight else 0.0) + penalty / n + objective.constant


def note(record: Record, loss: float, n: int, course: Course) -> None:
    """Write an epoch down."""
    record.epochs += 1
    record.rows_seen += n
    record.loss = loss
    record.losses.append(loss)
    if course.verbose:
        print(f"Iteration {record.epochs}, loss = {loss:.8f}")


def count_stalls(record: Record, tol: float) -> None:
    """Count the epochs in a row that the training loss did not fall by ``tol``."""
    best = inf if record.best_loss is None else record.best_loss
    record.stalled = record.stalled + 1 if record.loss > best - tol else 0
    record.best_loss = min(best, record.loss)


def has_settled(course: Course, pace: Pace, record: Record, what: str) -> bool:
    """Answer to too many epochs without a gain: stop, or go on at a lower rate."""
    if record.stalled <= course.patience:
        return False
    reason = f"{what} did not improve more than tol={course.tol:f} for {course.patience} consecutive epochs."
    stops = pace.stops(reason, course.verbose)
    if not stops:
        record.stalled = 0
    return stops


def judge(course: Course, net: Sequential, record: Record, held: Rows) -> bool:
    """Score the rows held out and count the epochs in a row without a gain; return whether this is the best so far."""
    loss, outputs = validate(net, held)
    score = course.score(outputs, held) if np.isfinite(outputs).all() else nan
    shown = course.objective.report * loss + course.objective.constant
    record.scores.append(score)
    record.validation_losses.append(shown)
    if course.verbose:
        print(f"Validation score: {score:f}")
    best = -inf if record.best_score is None else record.best_score
    record.stalled = record.stalled + 1 if score < best + course.tol else 0
    record.best_score = score if score > best else best
    return score > best


def validate(net: Sequential, held: Rows) -> tuple[float, np.ndarray]:
    """Return mean loss and outputs on the rows held out."""
    outputs = np.empty((len(held), *net.output_shape), net.dtype)
    total = weight = 0.0
    for block, where in dense_blocks(held.X, None, 1):
        part = slice(0, len(held)) if where is None else where
        weights = None if held.weights is None else held.weights[part]
        loss, mass = net.trainer.evaluate([block], [held.targets[part]], weights, [outputs[part]], len(block))
        total, weight = total + loss, weight + mass
    return total / weight if weight else 0.0, outputs


def describe(course: Course, net: Sequential, pace: Pace, record: Record, seconds: float, n: int) -> EpochInfo:
    """Count an epoch and return what there is to tell of it."""
    net.epoch += 1
    held = bool(record.scores)
    return EpochInfo(
        epoch=net.epoch,
        epochs=course.max_iter,
        loss=record.loss,
        val_loss=record.validation_losses[-1] if held else None,
        metrics={f"val_{course.score_name}": record.scores[-1]} if held else {},
        learning_rate=pace.learning_rate,
        seconds=seconds,
        samples=n,
        net=net,
    )
