"""Forecasting further than the horizon: a network's answers are taken for values, and the windows move on."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn.data.inputs import Inputs, Needed, require_known
from fastnn.data.series import Offsets, Series

Array = npt.NDArray[Any]


def roll_out(inputs: Inputs, target: Series, horizon: int, net: Any, steps: int, start: int) -> Array:
    """Return what the network forecasts of the target for ``steps`` times from ``start`` on, as windows show it.

    Where values before ``start`` that are looked at are missing, its answers stand for them: see ``_begin``.
    """
    past = inputs.offsets.get(target.name)
    own = {target.name, *inputs.flags_of(target.name)}
    others = [(inputs.series[name], offsets) for name, offsets in inputs.offsets.items() if name not in own]
    times = np.arange(start, start + steps, horizon)
    require_known("roll_out", start, int(times[-1]) + 1, others)
    shown = inputs.series[target.name] if past is not None else target
    begin, back = (start, 0) if past is None else (_begin(shown, past, others, times), -past.first)
    room = start - begin + len(times) * horizon
    ahead = shown.tail(begin, back, room)
    missing = np.empty(0, np.int64)
    if begin < start:
        between = shown.at(begin, Offsets(range(start - begin)))
        ahead.store(between, begin)
        missing = begin + np.flatnonzero(~np.isfinite(between).reshape(start - begin, -1).all(axis=1))
    series = {**inputs.series, target.name: ahead}
    for name in inputs.flags_of(target.name):
        series[name] = inputs.series[name].tail(begin, back, room)
        series[name].store(np.ones((room, *target.channels), target.dtype), begin)

    asked = np.concatenate([missing, times])
    made = [None] * len(asked) if inputs.columns is None else inputs.made(asked)
    row, answer = np.empty(inputs.width, net.dtype), np.empty(horizon * target.size, net.dtype)
    values = answer.reshape(horizon, *target.channels)
    for time, columns in zip(asked.tolist(), made, strict=True):
        if time < start and np.isfinite(ahead.at(time, Offsets([0]))).all():
            continue  # an answer before reached it
        inputs.write(row, time, columns, series)
        net.predict_one(row, out=answer)
        if time < start:
            ahead.complete(values, time)
        else:
            ahead.store(values, time)
    return ahead.at(start, Offsets(range(steps)))


def _begin(target: Series, past: Offsets, others: Needed, times: Array) -> int:
    """Return the last time, at most the first of ``times``, from which on all is known that answers do not bring."""
    start = int(times[0])
    candidates = np.flatnonzero(target.known(0, start + 1, past))[::-1]
    for begin in candidates.tolist():
        looked = np.unique(np.add.outer(np.concatenate([np.arange(begin, start), times]), past.values))
        before = Offsets(looked[looked < begin] - begin)
        if target.known(begin, begin + 1, before).all() and all(
            series.known(begin, start, offsets).all() for series, offsets in others
        ):
            return int(begin)
    looked = np.unique(np.add.outer(times - start, past.values))
    require_known("roll_out", start, start + 1, [(target, Offsets(looked[looked < 0]))])
    return start
