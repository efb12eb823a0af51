"""Learning-rate schedules: specifications that map the number of an optimiser update to a learning rate."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from math import cos, inf, isfinite, isnan, pi
from numbers import Real
from typing import Any

from fastnn._spec import (
    Spec,
    above_0,
    at_least_0,
    checked,
    checked_by,
    choose,
    meant,
    optional,
    require_count,
    require_number,
    take_words,
)
from fastnn.metrics import METRICS
from fastnn.metrics import WORDS as METRIC_WORDS

_RATE = checked_by(at_least_0)
_COUNT = checked_by(require_count)
_factor = partial(above_0, high=1.0)  # what a rate is multiplied by
_divisor = partial(require_number, low=1.0)


class Schedule(Spec, family="schedule"):
    """Base of all schedules: ``schedule(step)`` is the learning rate of update number ``step``, from 0.

    A schedule is a frozen dataclass of JSON values (`CallableSchedule` aside), whose first field, ``learning_rate``, is
    the largest rate it gives.

    Raises
    ------
    TypeError, ValueError
        If a field, of whatever schedule, is of the wrong kind or out of range.

    Examples
    --------
    >>> import fastnn as fn
    >>> schedule = fn.StepDecay(0.1, factor=0.5, every=100)
    >>> [schedule(step) for step in (0, 99, 100, 200)]
    [0.1, 0.1, 0.05, 0.025]
    """

    def __call__(self, step: int) -> float:
        """Return the learning rate of update number ``step`` (0 for the first).

        Parameters
        ----------
        step : int
            Number of optimiser updates done before this one.

        Returns
        -------
        float
            The learning rate, at least 0.
        """
        raise NotImplementedError

    @property
    def state(self) -> dict[str, Any]:
        """What the schedule has observed; a function of the step alone keeps nothing."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up what ``state`` gave.

        Parameters
        ----------
        state : dict
            Of a schedule with the same fields.
        """
        if state:
            raise ValueError(f"{type(self).__name__}: expected an empty state, got {', '.join(sorted(state))[:80]}")


@dataclass(frozen=True, eq=False, repr=False)
class _Rated(Schedule):
    """A schedule with a largest rate; all other fields are given by name."""

    learning_rate: float = field(metadata=_RATE)


@dataclass(frozen=True, eq=False, repr=False)
class Constant(_Rated):
    """The same learning rate at every update.

    Parameters
    ----------
    learning_rate : float
        The rate, at least 0.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.schedules.Constant(0.01)(1000)
    0.01
    """

    def __call__(self, step: int) -> float:
        """Return the learning rate."""
        return float(self.learning_rate)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class StepDecay(_Rated):
    """The learning rate falls by ``factor`` after every ``every`` updates.

    Parameters
    ----------
    learning_rate : float
        Rate of the first update.
    factor : float, default 0.1
        What the rate is multiplied by, above 0 and at most 1.
    every : int
        Number of updates between two falls.

    Notes
    -----
    ``rate(step) = learning_rate * factor ** floor(step / every)``

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.StepDecay(0.1, every=1000)(999)
    0.1
    """

    factor: float = checked(0.1, _factor)
    every: int = field(metadata=_COUNT)

    def __call__(self, step: int) -> float:
        """Return the learning rate of update number ``step``."""
        return self.learning_rate * self.factor ** (step // self.every)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ExponentialDecay(_Rated):
    """The learning rate falls smoothly, by ``factor`` over each ``every`` updates.

    Parameters
    ----------
    learning_rate : float
        Rate of the first update.
    factor : float
        What the rate is multiplied by over ``every`` updates, above 0 and at most 1.
    every : int
        Number of updates over which it falls by ``factor``.

    Notes
    -----
    ``rate(step) = learning_rate * factor ** (step / every)``

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.ExponentialDecay(0.1, factor=0.25, every=100)(50)
    0.05
    """

    factor: float = field(metadata=checked_by(_factor))
    every: int = field(metadata=_COUNT)

    def __call__(self, step: int) -> float:
        """Return the learning rate of update number ``step``."""
        return self.learning_rate * float(self.factor) ** (step / self.every)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class InverseTimeDecay(_Rated):
    """The learning rate falls as one over time, as the theory of stochastic approximation asks.

    Parameters
    ----------
    learning_rate : float
        Rate of the first update.
    rate : float
        How fast it falls, at least 0: after ``every / rate`` updates it is half.
    every : int, default 1
        Number of updates in one unit of time.

    Notes
    -----
    ``rate(step) = learning_rate / (1 + rate * step / every)``; Robbins & Monro, A Stochastic Approximation Method,
    Annals of Mathematical Statistics 22 (1951).

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.InverseTimeDecay(0.1, rate=0.01)(100)
    0.05
    """

    rate: float = field(metadata=_RATE)
    every: int = checked(1, require_count)

    def __call__(self, step: int) -> float:
        """Return the learning rate of update number ``step``."""
        return self.learning_rate / (1.0 + self.rate * step / self.every)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class CosineDecay(_Rated):
    """A linear warm-up, then half a cosine down to ``final``.

    Parameters
    ----------
    learning_rate : float
        The largest rate, reached at the end of the warm-up.
    total_steps : int
        Number of updates, warm-up included, after which the rate stays at ``final``.
    warmup_steps : int, default 0
        Number of updates of the warm-up, fewer than ``total_steps``; the last of them has the largest rate.
    final : float, default 0.0
        The last rate, at most ``learning_rate``.

    Notes
    -----
    ``rate(step) = learning_rate * (step + 1) / warmup_steps`` during the warm-up, then
    ``final + (learning_rate - final) * (1 + cos(pi * t)) / 2`` with
    ``t = (step - warmup_steps) / (total_steps - warmup_steps)``: Loshchilov & Hutter, SGDR: Stochastic Gradient Descent
    with Warm Restarts, ICLR 2017, equation (5), without restarts.

    Examples
    --------
    >>> import fastnn as fn
    >>> schedule = fn.CosineDecay(0.1, total_steps=110, warmup_steps=10)
    >>> [round(schedule(step), 4) for step in (0, 9, 60, 110)]
    [0.01, 0.1, 0.05, 0.0]
    """

    total_steps: int = field(metadata=_COUNT)
    warmup_steps: int = checked(0, partial(require_count, low=0))
    final: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("CosineDecay", "final", self.final, low=0.0, high=self.learning_rate)
        if self.warmup_steps >= self.total_steps:
            raise ValueError(
                f"CosineDecay: expected warmup_steps below total_steps ({self.total_steps}), got {self.warmup_steps}; "
                "total_steps counts the warm-up too"
            )

    def __call__(self, step: int) -> float:
        """Return the learning rate of update number ``step``."""
        if step < self.warmup_steps:
            return self.learning_rate * (step + 1) / self.warmup_steps
        done = (step - self.warmup_steps) / (self.total_steps - self.warmup_steps)
        return _cosine(self.learning_rate, self.final, done)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class OneCycle(_Rated):
    """One rise to the peak rate and one long fall far below the start, both half a cosine.

    Parameters
    ----------
    learning_rate : float
        The peak rate.
    total_steps : int
        Number of updates of the whole cycle, at least 2; afterwards the last rate stays.
    start_factor : float, default 25
        The first rate is ``learning_rate / start_factor``; at least 1.
    final_factor : float, default 1e4
        The last rate is ``learning_rate / final_factor``; at least 1.
    peak_at : float, default 0.3
        Part of the cycle that the rise takes, above 0 and below 1.

    Notes
    -----
    Update 0 has the first rate, update ``total_steps - 1`` the last one.  Smith, A disciplined approach to neural
    network hyper-parameters: Part 1, arXiv:1803.09820 (2018), with cosine instead of linear pieces.

    Examples
    --------
    >>> import fastnn as fn
    >>> schedule = fn.OneCycle(0.1, total_steps=101, peak_at=0.25)
    >>> [round(schedule(step), 6) for step in (0, 25, 100)]
    [0.004, 0.1, 1e-05]
    """

    total_steps: int = field(metadata=checked_by(partial(require_count, low=2)))
    start_factor: float = checked(25.0, _divisor)
    final_factor: float = checked(1e4, _divisor)
    peak_at: float = checked(0.3, above_0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.peak_at >= 1.0:
            raise ValueError(f"OneCycle: expected peak_at below 1, got {self.peak_at!r}; it is a part of the cycle")

    def __call__(self, step: int) -> float:
        """Return the learning rate of update number ``step``."""
        done = step / (self.total_steps - 1)
        if done < self.peak_at:
            return _cosine(self.learning_rate / self.start_factor, self.learning_rate, done / self.peak_at)
        fall = (done - self.peak_at) / (1.0 - self.peak_at)
        return _cosine(self.learning_rate, self.learning_rate / self.final_factor, fall)


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ReduceOnPlateau(_Rated):
    """The learning rate falls by ``factor`` when a monitored value has not improved for ``patience`` epochs.

    Parameters
    ----------
    learning_rate : float
        The rate to start from.
    factor : float, default 0.1
        What the rate is multiplied by, above 0 and at most 1.
    patience : int, default 10
        Number of epochs in a row without gain after which the rate falls.
    min_delta : float, default 1e-4
        A change counts as a gain when it is larger than this.
    minimum : float, default 0.0
        The rate never falls below this; at most ``learning_rate``.
    monitor : str, default "val_loss"
        The value that ``fit`` hands to `observe` after each epoch, one of the names in the history.
    mode : {"auto", "min", "max"}, default "auto"
        Whether less or more is better; "auto" means more for names with accuracy or r2 in them, less for all others.

    Notes
    -----
    A function of the step alone cannot know the loss, so this schedule keeps a state beside its frozen fields, which
    ``to_config`` leaves out: `state`, `load_state` and `reset` are there to save, restore and clear it.  Give every
    network its own.

    Examples
    --------
    >>> import fastnn as fn
    >>> schedule = fn.ReduceOnPlateau(0.1, factor=0.5, patience=2)
    >>> for loss in (1.0, 0.9, 0.9, 0.9):
    ...     schedule.observe(loss)
    >>> schedule(0)
    0.05
    """

    factor: float = checked(0.1, _factor)
    patience: int = checked(10, require_count)
    min_delta: float = checked(1e-4, at_least_0)
    minimum: float = 0.0
    monitor: str = "val_loss"
    mode: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("ReduceOnPlateau", "minimum", self.minimum, low=0.0, high=self.learning_rate)
        monitor_sign("ReduceOnPlateau", self.monitor, self.mode)
        self.reset()

    def __call__(self, step: int) -> float:
        """Return the learning rate, which depends on the epochs observed and not on ``step``."""
        return max(self.learning_rate * self._state["multiplier"], float(self.minimum))

    @property
    def state(self) -> dict[str, float | None]:
        """A copy of the state: ``multiplier`` of the rate, ``best`` value or None, ``epochs_without_gain``."""
        return dict(self._state)

    def observe(self, value: float) -> None:
        """Take note of the monitored value of one epoch.

        Parameters
        ----------
        value : float
            The monitored value; one that is not a number counts as no gain.
        """
        state, sign = self._state, monitor_sign("ReduceOnPlateau", self.monitor, self.mode)
        if is_gain(value, state["best"], sign, self.min_delta):
            state.update(best=float(value), epochs_without_gain=0)
            return
        state["epochs_without_gain"] += 1
        if state["epochs_without_gain"] >= self.patience:
            state.update(multiplier=state["multiplier"] * self.factor, epochs_without_gain=0)

    def reset(self) -> None:
        """Forget all epochs observed: back to the rate to start from."""
        object.__setattr__(self, "_plateau", {"multiplier": 1.0, "best": None, "epochs_without_gain": 0})

    def load_state(self, state: dict[str, float | None]) -> None:
        """Take over a state that `state` gave.

        Raises
        ------
        TypeError, ValueError
            If it has other names, or values that no run of this schedule can reach.
        """
        who = "ReduceOnPlateau.load_state"
        if not isinstance(state, dict) or set(state) != set(self._state):
            raise ValueError(f"{who}: expected a dict of {', '.join(self._state)}, got {state!r:.100}")
        require_number(who, "multiplier", state["multiplier"], low=0.0, high=1.0)
        require_count(who, "epochs_without_gain", state["epochs_without_gain"], low=0)
        optional(require_number, who, "best", state["best"])
        self._state.update(state)

    @property
    def _state(self) -> dict[str, Any]:
        return vars(self)["_plateau"]


@dataclass(frozen=True, eq=False, repr=False)
class CallableSchedule(Schedule):
    """A function of the step as a schedule; a network that uses one is saved without it.

    Parameters
    ----------
    function : callable
        ``function(step) -> rate``.

    Raises
    ------
    TypeError
        If it is not callable.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.schedules.as_schedule(lambda step: 0.1 / (step + 1))(9)
    0.01
    """

    function: Callable[[int], float]

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise TypeError(f"CallableSchedule: expected a function of the step, got {type(self.function).__name__}")

    def __call__(self, step: int) -> float:
        """Return the rate that the function gives.

        Raises
        ------
        TypeError, ValueError
            If that is not a number, or negative, infinite or not a number.
        """
        rate = self.function(step)
        if not isinstance(rate, Real):
            raise TypeError(
                f"CallableSchedule: expected a number at step {step}, got {type(rate).__name__} {rate!r:.60}"
            )
        if not (isfinite(rate) and rate >= 0):
            raise ValueError(f"CallableSchedule: expected a finite rate of at least 0 at step {step}, got {rate!r}")
        return float(rate)

    def to_config(self) -> dict[str, Any]:
        """Raise, because a function has no JSON form.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError(
            "CallableSchedule: a function cannot be saved; use a schedule of fastnn.schedules, "
            "or save without the optimiser"
        )


take_words([kind for kind in Schedule.registry.values() if issubclass(kind, _Rated)], {"lr": "learning_rate"})


def as_schedule(value: object) -> Schedule:
    """Return a schedule for a number, a schedule, or a function of the step.

    Parameters
    ----------
    value : float, Schedule or callable
        A number becomes `Constant`, a function of the step `CallableSchedule`, a schedule is returned as it is.

    Returns
    -------
    Schedule
        The schedule.

    Raises
    ------
    TypeError
        If it is none of these.
    ValueError
        If the number is negative or not finite.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.schedules.as_schedule(0.1)
    Constant(learning_rate=0.1)
    """
    if isinstance(value, Schedule):
        return value
    if isinstance(value, Real) and not isinstance(value, bool):
        return Constant(float(value))
    if callable(value) and not isinstance(value, type):
        return CallableSchedule(value)
    raise TypeError(
        "learning_rate: expected a number, a schedule or a function of the step, "
        f"got {type(value).__name__} {value!r:.60}"
    )


def monitor_sign(who: str, monitor: str, mode: str = "auto") -> float:
    """Return 1.0 where less of the monitored value is better and -1.0 where more is; mode as in `ReduceOnPlateau`.

    Raises
    ------
    TypeError, ValueError
        If the monitor is not a text, or the mode is unknown.
    """
    if not isinstance(monitor, str):
        raise TypeError(f"{who}: expected monitor to be a name such as 'val_loss', got {type(monitor).__name__}")
    choose(f"{who}: unknown mode", mode, ("auto", "min", "max"))
    name = monitor_meant(monitor)
    more = mode == "max" or (mode == "auto" and ("accuracy" in name or "r2" in name))
    return -1.0 if more else 1.0


def monitor_meant(monitor: str) -> str:
    """Return our name of a monitored metric given another word for it, "val_accuracy" for "val_acc"; else the name."""
    prefix = "val_" if monitor.startswith("val_") else ""
    if monitor.removeprefix(prefix) == "loss":  # asked for at every epoch, and no metric
        return monitor
    try:
        return prefix + meant("metric", monitor.removeprefix(prefix), METRICS, METRIC_WORDS)
    except ValueError:
        return monitor


def is_gain(value: float, best: float | None, sign: float, min_delta: float) -> bool:
    """Whether ``value`` beats ``best``, None before the first, by more than ``min_delta``; not-a-number never does."""
    if isnan(value):
        return False
    return sign * ((sign * inf if best is None else best) - value) > min_delta


def _cosine(start: float, end: float, done: float) -> float:
    """Half a cosine from start to end, which it keeps."""
    return float(end) if done >= 1.0 else end + (start - end) * (1.0 + cos(pi * done)) / 2.0
