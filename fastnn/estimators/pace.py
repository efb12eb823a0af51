"""The learning rate of an estimator from epoch to epoch, and the optimiser that its solver names."""

from typing import Any

import numpy as np

from fastnn.optimizers import NAMES, SGD, Adam, Optimizer
from fastnn.schedules import Constant, ReduceOnPlateau, Schedule, as_schedule
from fastnn.training.callbacks import EpochInfo

SMALLEST = 1e-6  # an adaptive rate that fell to this ends the training


def optimizer_for(estimator: Any) -> Optimizer:
    """Return the optimiser that the parameters of an estimator describe."""
    solver, rate = estimator.solver, estimator.learning_rate
    if isinstance(solver, Optimizer):
        return solver
    rate = estimator.learning_rate_init if isinstance(rate, str) else as_schedule(rate)
    common: dict[str, Any] = {"l2": float(estimator.alpha), "penalty_over_rows": True}
    moments: dict[str, Any] = {
        "beta1": float(estimator.beta_1),
        "beta2": float(estimator.beta_2),
        "epsilon": float(estimator.epsilon),
    }
    if solver == "sgd":
        momentum = float(estimator.momentum)
        return SGD(rate, momentum=momentum, nesterov=bool(estimator.nesterovs_momentum and momentum), **common)
    kind = NAMES[solver]
    if issubclass(kind, Adam):
        return kind(rate, **moments, epsilon_hat=True, **common)
    return kind(rate, **common)


class Pace:
    """The rate of the updates to come.

    Attributes
    ----------
    learning_rate : float
        Of the last epoch's end.
    """

    def __init__(self, estimator: Any, schedule: Schedule) -> None:
        self.schedule = schedule
        self.plan = (
            estimator.learning_rate if estimator.solver == "sgd" and isinstance(estimator.learning_rate, str) else ""
        )
        self.power = float(estimator.power_t)
        self.learning_rate = self.first = float(schedule(0))

    def rates(self, update: int, n: int) -> np.ndarray:
        """Return the rates of ``n`` updates from number ``update`` on.

        Raises
        ------
        ValueError
            If a schedule gives one that is negative or not finite.
        """
        if isinstance(self.schedule, Constant):
            return np.full(n, self.learning_rate)
        rates = np.array([self.schedule(update + i) for i in range(n)], dtype=np.float64)
        if not (np.isfinite(rates) & (rates >= 0)).all():
            raise ValueError(
                f"learning_rate: expected the schedule to give finite rates of at least 0, got {rates[:3]}"
            )
        self.learning_rate = float(rates[-1])
        return rates

    def require(self, names: tuple[str, ...]) -> None:
        """Raise unless what the schedule goes by is one of these.

        Raises
        ------
        ValueError
            If it is not.
        """
        if isinstance(self.schedule, ReduceOnPlateau) and self.schedule.monitor not in names:
            raise ValueError(
                f"learning_rate: expected a schedule that monitors {' or '.join(names)}, got "
                f"{self.schedule.monitor!r}; rows to validate on (X_val, early_stopping) bring val_loss"
            )

    def epoch_ends(self, rows_seen: int, info: EpochInfo) -> None:
        """Go on by the rows seen so far, or by what the schedule monitors."""
        if self.plan == "invscaling":
            self.learning_rate = self.first / (rows_seen + 1) ** self.power
        elif isinstance(self.schedule, ReduceOnPlateau):
            self.schedule.observe(info.value(self.schedule.monitor))

    def stops(self, reason: str, verbose: bool) -> bool:
        """Answer to a loss that no longer falls: stop, or go on at a fifth of the rate."""
        stop = self.plan != "adaptive" or self.learning_rate <= SMALLEST
        if self.plan == "adaptive" and not stop:
            self.learning_rate /= 5
        if verbose:
            small = " Learning rate too small." if self.plan == "adaptive" else ""
            print(f"{reason}{small} Stopping." if stop else f"{reason} Setting learning rate to {self.learning_rate:f}")
        return stop
