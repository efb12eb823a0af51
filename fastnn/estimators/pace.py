"""The learning rate of an estimator from epoch to epoch, and the optimiser that its solver names."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn.graph.graph import Graph
from fastnn.optimizers import NAMES, SGD, Adam, Optimizer
from fastnn.schedules import Constant, ReduceOnPlateau, Schedule, as_schedule, monitor_meant
from fastnn.training.loop import schedule_rates

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
    """The rate of the updates to come: what scikit-learn's plans make of a constant one, else what a schedule says.

    Attributes
    ----------
    first, learning_rate : float
        Of the first update, and of the last epoch's end.
    """

    def __init__(self, estimator: Any, schedule: Schedule) -> None:
        plan = estimator.learning_rate
        self.plan = plan if estimator.solver == "sgd" and isinstance(plan, str) else ""
        self.power = float(estimator.power_t)
        self.learning_rate = self.first = float(schedule(0))

    def rates(self, net: Graph, n: int) -> np.ndarray:
        """Return the rates of the network's next ``n`` updates."""
        if isinstance(net.schedule, Constant):
            rates = np.empty(n)
            rates.fill(self.learning_rate)
            return rates
        rates = schedule_rates(net, n)
        self.learning_rate = float(rates[-1])
        return rates

    def epoch_ends(self, rows_seen: int) -> None:
        """Go on by the rows seen so far."""
        if self.plan == "invscaling":
            self.learning_rate = self.first / (rows_seen + 1) ** self.power

    def stops(self, reason: str, tell: Callable[[str], None]) -> bool:
        """Answer to a loss that no longer falls: stop, or go on at a fifth of the rate."""
        stop = self.plan != "adaptive" or self.learning_rate <= SMALLEST
        if self.plan == "adaptive" and not stop:
            self.learning_rate /= 5
        small = " Learning rate too small." if self.plan == "adaptive" else ""
        tell(f"{reason}{small} Stopping." if stop else f"{reason} Setting learning rate to {self.learning_rate:f}")
        return stop


def require_monitor(schedule: Schedule, names: tuple[str, ...]) -> None:
    """Raise ValueError unless the quantity that a schedule monitors is one of these."""
    if isinstance(schedule, ReduceOnPlateau) and monitor_meant(schedule.monitor) not in names:
        raise ValueError(
            f"learning_rate: expected a schedule that monitors {' or '.join(names)}, got {schedule.monitor!r}; rows to "
            "validate on (X_val, early_stopping) bring val_loss"
        )
