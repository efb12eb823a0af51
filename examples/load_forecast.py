"""A household's electricity two days ahead, as home automation does it: learned once, then fine-tuned all day.

1,446 inputs (a day of five series at five-minute steps, and the clock) to the load five minutes on, cut out of the
series as they are needed.  Newer examples weigh more, the last day decides when to stop.  Every two hours the network
learns from what has come in, and rolls a forecast of 576 steps out, answer by answer.  Beside it stands the daily
pattern again: yesterday's values.  Weather, price and plan are taken as known ahead.
"""

import sys
from pathlib import Path
from time import perf_counter

import common
import numpy as np
from household import DAY, draw, errors, household, peak_memory

import fastnn as fn

GOALS = {"mean absolute error, forecast / yesterday again": "<= 0.8", "root mean square error, likewise": "<= 0.8"}
AHEAD = range(DAY)  # lags of what is known in advance: from the value at the time itself back
LAGS = {"load": DAY, "temperature": AHEAD, "sun": AHEAD, "price": AHEAD, "plan": AHEAD}
STEPS, HORIZON, HALF_LIFE = DAY // 12, 2 * DAY, 60 * DAY  # two hours, two days, two months
LOSS = fn.Huber(1.35)


def clock(times: np.ndarray) -> np.ndarray:
    """Return six numbers that say what time of day and week it is."""
    angles = 2 * np.pi * times[:, None] / np.array([DAY, DAY / 2, 7 * DAY])
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def windows(series: dict[str, np.ndarray], now: int, scalers: dict[str, fn.Standardizer], limit: int) -> fn.Windows:
    """Return the examples of what is known at time ``now``: load until then, all else two days further."""
    known = {name: values[: now + (0 if name == "load" else HORIZON)] for name, values in series.items()}

    def decay(times: np.ndarray) -> np.ndarray:
        return 0.5 ** ((now - times) / HALF_LIFE)

    return fn.Windows(
        known, "load", lags=LAGS, columns=clock, sample_weight=decay, scalers=scalers, epoch_size=128 * limit
    )


def learn(examples: fn.Windows, epochs: int, limit: int, patience: int = 5) -> fn.Network:
    """Train on all but the last day, which decides when to stop."""
    train, validation = examples.split(-DAY)
    layers = [fn.Dense(512, "relu"), fn.Dropout(0.1), fn.Dense(256, "relu"), fn.Dropout(0.1), fn.Dense(64, "relu")]
    net = fn.Sequential([*layers, fn.Dense(1)], input_shape=examples.width, seed=0)
    updates = epochs * -(-min(len(train), 128 * limit) // 128)
    net.compile(LOSS, fn.AdamW(fn.CosineDecay(1e-3, total_steps=updates), weight_decay=0.01))
    stops = [fn.EarlyStopping(patience=patience)]
    net.fit(train, epochs=epochs, batch_size=128, validation_data=validation, callbacks=stops)
    return net


def follow(net: fn.Network, examples: fn.Windows, series: dict[str, np.ndarray], rounds: int) -> dict[int, np.ndarray]:
    """Fine-tune on the last week and forecast, every two hours; return the forecasts by when they begin."""
    net.compile(LOSS, fn.AdamW(1e-4, weight_decay=0.01))
    forecasts = {}
    for _ in range(rounds):
        ends = {name: examples.end + (0 if name == "load" else HORIZON) for name in series}
        examples.append({name: values[ends[name] :][:STEPS] for name, values in series.items()})
        net.fit(examples.between(-7 * DAY), epochs=1, batch_size=128)
        forecasts[examples.end] = examples.roll_out(net, HORIZON)
    return forecasts


def run(quick: bool, output: Path) -> common.Figures:
    """Learn, keep in a file, go on from the file through a day, and compare."""
    days, epochs, limit, rounds = (42, 4, 60, 2) if quick else (365, 30, 200, 12)
    series, now = household(days + 4), days * DAY
    scalers = {name: fn.Standardizer().fit(values[: now - DAY]) for name, values in series.items()}
    began = perf_counter()
    net = learn(windows(series, now, scalers, limit), epochs, limit)
    learned = perf_counter()
    net.save(output / "forecaster.safetensors", metadata={name: scaler.to_config() for name, scaler in scalers.items()})

    net = fn.load(output / "forecaster.safetensors")
    scalers = {name: fn.Standardizer.from_config(config) for name, config in net.metadata.items()}
    forecasts = follow(net, windows(series, now, scalers, limit), series, rounds)
    seconds = {
        "seconds to learn": learned - began,
        f"seconds for {rounds} fine-tunings and forecasts": perf_counter() - learned,
    }
    figures = errors(series["load"], forecasts) | seconds | {"peak memory, MB": peak_memory()}
    draw(series["load"], forecasts, output / "load_forecast.png")
    return figures


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
