"""Schedules against closed forms and hand-made tables."""

import copy
import json
import math
import pickle

import numpy as np
import pytest

from fastnn.errors import ModelFormatError
from fastnn.schedules import (
    CallableSchedule,
    Constant,
    CosineDecay,
    ExponentialDecay,
    InverseTimeDecay,
    OneCycle,
    ReduceOnPlateau,
    Schedule,
    StepDecay,
    as_schedule,
    monitor_sign,
)

ALL = [
    Constant(0.1),
    StepDecay(0.1, factor=0.5, every=10),
    ExponentialDecay(0.1, factor=0.5, every=10),
    InverseTimeDecay(0.1, rate=0.5, every=10),
    CosineDecay(0.1, total_steps=100, warmup_steps=10, final=0.01),
    OneCycle(0.1, total_steps=100, start_factor=10, final_factor=100, peak_at=0.4),
    ReduceOnPlateau(0.1, factor=0.5, patience=3),
]


@pytest.mark.parametrize("schedule", ALL, ids=lambda schedule: type(schedule).__name__)
def test_config_round_trip_through_json(schedule):
    again = Schedule.from_config(json.loads(json.dumps(schedule.to_config())))
    assert again == schedule
    assert type(again) is type(schedule)
    assert [again(step) for step in range(0, 200, 7)] == [schedule(step) for step in range(0, 200, 7)]


@pytest.mark.parametrize("schedule", ALL, ids=lambda schedule: type(schedule).__name__)
def test_rates_are_python_floats_from_zero_to_the_largest(schedule):
    rates = [schedule(step) for step in range(300)]
    assert all(type(rate) is float for rate in rates)
    assert min(rates) >= 0.0
    assert max(rates) == pytest.approx(0.1, rel=1e-3)


def test_integer_rate_gives_float():
    assert type(Constant(1)(0)) is float


def test_step_decay_by_hand():
    schedule = StepDecay(0.8, factor=0.5, every=3)
    assert [schedule(step) for step in range(8)] == [0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.2, 0.2]


def test_exponential_decay_meets_step_decay_at_whole_periods():
    assert ExponentialDecay(0.8, factor=0.5, every=3)(6) == pytest.approx(0.2, rel=1e-15)
    assert ExponentialDecay(0.8, factor=0.25, every=4)(2) == pytest.approx(0.4, rel=1e-15)


def test_inverse_time_decay_by_hand():
    schedule = InverseTimeDecay(1.0, rate=2.0, every=4)
    assert [schedule(step) for step in (0, 2, 4, 16)] == [1.0, 1 / 2, 1 / 3, 1 / 9]


def test_cosine_decay_warms_up_linearly_then_follows_the_cosine():
    schedule = CosineDecay(0.4, total_steps=14, warmup_steps=4, final=0.1)
    assert [schedule(step) for step in range(5)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4], rel=1e-15)
    assert schedule(9) == pytest.approx(0.25)  # half-way: mean of both ends
    assert schedule(4 + 10 / 3) == pytest.approx(0.1 + 0.3 * 0.75)  # cos(pi / 3) = 1/2
    assert [schedule(step) for step in (14, 15, 1000)] == [0.1, 0.1, 0.1]


def test_one_cycle_starts_peaks_and_ends_where_it_says():
    schedule = OneCycle(1.0, total_steps=11, start_factor=4, final_factor=1000, peak_at=0.4)
    rates = [schedule(step) for step in range(11)]
    assert rates[0] == pytest.approx(0.25)
    assert rates[2] == pytest.approx((0.25 + 1.0) / 2)
    assert rates[4] == pytest.approx(1.0)
    assert rates[7] == pytest.approx((1.0 + 0.001) / 2)
    assert rates[10] == pytest.approx(0.001)
    assert schedule(500) == rates[10]
    assert rates[:5] == sorted(rates[:5])
    assert rates[4:] == sorted(rates[4:], reverse=True)


def test_plateau_falls_after_patience_epochs_without_gain():
    schedule = ReduceOnPlateau(0.1, factor=0.5, patience=2, min_delta=0.01, minimum=0.03)
    seen = []
    for loss in (1.0, 0.9, 0.895, 0.9, 0.8, 0.8, math.nan, 0.79, 0.795, 0.7):
        schedule.observe(loss)
        seen.append(schedule(0))
    # 0.895 gains less than min_delta; 0.9 is the second without gain: fall.  0.8 gains; 0.8, nan: fall to the minimum.
    assert seen == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.03, 0.03, 0.03, 0.03])


def test_plateau_takes_accuracies_the_other_way():
    schedule = ReduceOnPlateau(0.1, factor=0.5, patience=2, monitor="val_accuracy")
    for value in (0.5, 0.6, 0.7, 0.8):
        schedule.observe(value)
    assert schedule(0) == 0.1
    for value in (0.7, 0.6):
        schedule.observe(value)
    assert schedule(0) == 0.05


def test_plateau_state_round_trip_reset_and_independence():
    schedule = ReduceOnPlateau(0.1, factor=0.5, patience=1)
    fresh = schedule.state
    assert fresh == {"multiplier": 1.0, "best": None, "epochs_without_gain": 0}
    schedule.observe(1.0)
    schedule.observe(1.0)
    assert schedule(0) == 0.05
    other = ReduceOnPlateau(0.1, factor=0.5, patience=1)
    other.load_state(json.loads(json.dumps(schedule.state)))
    assert other(0) == 0.05
    copied = copy.deepcopy(schedule)
    pickled = pickle.loads(pickle.dumps(schedule))
    schedule.reset()
    assert schedule.state == fresh
    assert copied(0) == pickled(0) == other(0) == 0.05
    assert "multiplier" not in schedule.to_config()
    fresh["multiplier"] = 0.0
    assert schedule(0) == 0.1


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, "expected a dict of multiplier, best, epochs_without_gain, got {}"),
        ({"multiplier": 2.0, "best": None, "epochs_without_gain": 0}, "multiplier"),
        ({"multiplier": 1.0, "best": math.inf, "epochs_without_gain": 0}, "best"),
        ({"multiplier": 1.0, "best": None, "epochs_without_gain": -1}, "epochs_without_gain"),
    ],
)
def test_plateau_refuses_impossible_states(state, message):
    schedule = ReduceOnPlateau(0.1)
    with pytest.raises(ValueError, match=message):
        schedule.load_state(state)
    assert schedule.state["multiplier"] == 1.0


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Constant(-0.1), ValueError, r"Constant: expected learning_rate .* of at least 0, got -0\.1"),
        (lambda: Constant(math.nan), ValueError, "Constant: expected learning_rate to be a finite number"),
        (lambda: Constant("0.1"), TypeError, "Constant: expected learning_rate to be a number, got str"),
        (lambda: StepDecay(0.1, every=0), ValueError, "StepDecay: expected every of at least 1, got 0"),
        (lambda: StepDecay(0.1, factor=0.0, every=1), ValueError, "StepDecay: expected factor .* above 0"),
        (lambda: ExponentialDecay(0.1, factor=1.5, every=1), ValueError, "ExponentialDecay: expected factor .* most 1"),
        (lambda: InverseTimeDecay(0.1, rate=-1.0), ValueError, "InverseTimeDecay: expected rate"),
        (lambda: CosineDecay(0.1, total_steps=5, warmup_steps=5), ValueError, r"warmup_steps below total_steps \(5\)"),
        (lambda: CosineDecay(0.1, total_steps=5, final=0.2), ValueError, "CosineDecay: expected final .* most 0.1"),
        (lambda: OneCycle(0.1, total_steps=1), ValueError, "OneCycle: expected total_steps of at least 2, got 1"),
        (lambda: OneCycle(0.1, total_steps=9, peak_at=1.0), ValueError, "OneCycle: expected peak_at below 1"),
        (lambda: OneCycle(0.1, total_steps=9, start_factor=0.5), ValueError, "OneCycle: expected start_factor"),
        (lambda: ReduceOnPlateau(0.1, patience=0), ValueError, "ReduceOnPlateau: expected patience of at least 1"),
        (lambda: ReduceOnPlateau(0.1, minimum=0.2), ValueError, "ReduceOnPlateau: expected minimum"),
        (lambda: ReduceOnPlateau(0.1, mode="least"), ValueError, "ReduceOnPlateau: unknown mode 'least'"),
        (lambda: ReduceOnPlateau(0.1, monitor=3), TypeError, "ReduceOnPlateau: expected monitor to be a name"),
        (lambda: as_schedule("fast"), TypeError, "learning_rate: expected a number, .* got str 'fast'"),
        (lambda: as_schedule(True), TypeError, "learning_rate: expected a number, .* got bool"),
        (lambda: as_schedule(StepDecay), TypeError, "learning_rate: expected a number, .* got type"),
    ],
)
def test_wrong_values_are_refused_by_name(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_as_schedule_takes_numbers_schedules_and_functions():
    schedule = StepDecay(0.1, every=5)
    assert as_schedule(schedule) is schedule
    assert as_schedule(np.float32(0.5)) == Constant(0.5)
    wrapped = as_schedule(lambda step: np.float32(1.0) / (1 + step))
    assert isinstance(wrapped, CallableSchedule)
    assert (wrapped(3), type(wrapped(3))) == (0.25, float)


@pytest.mark.parametrize("rate", [-1.0, math.nan, math.inf])
def test_function_with_an_impossible_rate(rate):
    with pytest.raises(ValueError, match=r"CallableSchedule: expected a finite rate .* at step 7"):
        as_schedule(lambda step: rate)(7)


def test_function_with_no_number():
    with pytest.raises(TypeError, match=r"CallableSchedule: expected a number at step 0, got NoneType"):
        as_schedule(lambda step: None)(0)


def test_functions_are_neither_saved_nor_loaded():
    with pytest.raises(TypeError, match="a function cannot be saved"):
        as_schedule(abs).to_config()
    with pytest.raises(ModelFormatError, match="expected a function"):
        Schedule.from_config({"type": "CallableSchedule", "function": "os.system"})


def test_alien_config_is_refused():
    with pytest.raises(ModelFormatError, match="unknown schedule 'Magic'"):
        Schedule.from_config({"type": "Magic"})
    with pytest.raises(ModelFormatError, match="StepDecay: unknown field 'power'"):
        Schedule.from_config({"type": "StepDecay", "learning_rate": 0.1, "every": 3, "power": 2})
    with pytest.raises(ModelFormatError, match="StepDecay"):
        Schedule.from_config({"type": "StepDecay", "learning_rate": 0.1})


@pytest.mark.parametrize(
    ("monitor", "mode", "sign"),
    [
        ("val_loss", "auto", 1.0),
        ("val_error", "auto", 1.0),
        ("val_accuracy", "auto", -1.0),
        ("r2", "auto", -1.0),
        ("val_r2", "min", 1.0),
        ("gain", "max", -1.0),
    ],
)
def test_direction_of_a_monitor(monitor, mode, sign):
    assert monitor_sign("test", monitor, mode) == sign
