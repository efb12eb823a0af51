"""A raw series through windows, beside an LSTM: what a household will take in the next hour.

Both networks read load, weather, price and the car's plan of a household every five minutes, as they come, and say at
every step what the mean load of the hour to come will be.  The first sees the past through causal convolutions whose
places lie 1, 2, 4 ... 64 steps apart (van den Oord et al. 2016; Bai, Kolter and Koltun 2018): 21 hours in seven layers.
The second is an LSTM with about as many parameters.  Who knows the last hour alone says that it comes again.
"""

import sys
from pathlib import Path
from time import perf_counter

import common
import numpy as np
import pictures
from household import DAY, household

import fastnn as fn

GOALS = {
    "convolutions, absolute error / the last hour again": "<= 0.4",
    "convolutions / LSTM, absolute error": "<= 1.15",
    "convolutions / LSTM, seconds of an epoch": "<= 1",
}
HOUR, STEPS = 12, 2 * DAY  # the length of a row; the first day of it is there to be remembered
DILATIONS = (1, 2, 4, 8, 16, 32, 64)


def rows(days: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return inputs (N, STEPS, 7), and load of the hour to come and of the last one, both (N, STEPS, 1), in kW.

    A row begins every day.
    """
    series = household(days + 1, seed)
    t = np.arange(days * DAY)
    ahead = np.minimum(t + HOUR, len(t) - 1)  # of the car what is planned an hour from now
    clock = 2 * np.pi * t / DAY
    columns = [series["load"][t], series["temperature"][t] / 10, series["sun"][t], 10 * series["price"][t]]
    inputs = np.stack([*columns, series["plan"][ahead], np.sin(clock), np.cos(clock)], axis=1)
    sums = np.concatenate([np.zeros(HOUR), np.cumsum(series["load"], dtype=np.float64)])
    means = (sums[HOUR:] - sums[:-HOUR]) / HOUR  # of the hour that ends with each step
    starts = np.arange(0, len(t) - STEPS + 1, DAY)
    taken = starts[:, None] + np.arange(STEPS)
    coming, last = ((means[at][taken, None]).astype(np.float32) for at in (t + HOUR, t))
    return inputs[taken].astype(np.float32), coming, last


def convolutions(seed: int) -> fn.Network:
    """Seven causal convolutions, each with a link around it, and a dense layer at every step."""
    x = series = fn.Input((STEPS, 7))
    x = fn.Conv1D(24, 1)(x)
    start = fn.VarianceScaling(0.3)  # so that seven sums keep the size of what goes through them
    for dilation in DILATIONS:
        seen = fn.Conv1D(24, 3, "relu", padding="causal", dilation=dilation, kernel_initializer=start)(x)
        x = fn.add(x, seen)
    return fn.Network(series, fn.Dense(1)(x), seed=seed)


def lstm(seed: int) -> fn.Network:
    """An LSTM, and a dense layer at every step."""
    return fn.Sequential([fn.LSTM(52, return_sequences=True), fn.Dense(1)], (STEPS, 7), seed=seed)


def error(made: np.ndarray, came: np.ndarray) -> float:
    """Return the mean absolute error over the second day of each row, in kW."""
    return float(np.abs(made - came)[:, DAY:].mean())


def run(quick: bool, output: Path) -> common.Figures:
    """Train both on the same rows, test them on another household's, and draw a day."""
    days, epochs = (8, 2) if quick else (180, 40)
    (X, y, _), (X_test, y_test, last) = rows(days, seed=0), rows(max(days // 4, 3), seed=1)
    weight = np.ones(y.shape[:2], np.float32)
    weight[:, :DAY] = 0.1  # what comes before is not known there
    figures, made = {"the last hour again, kW": error(last, y_test)}, {}
    for name, build in (("convolutions", convolutions), ("LSTM", lstm)):
        net = build(0)
        steps = epochs * -(-len(X) // 8)
        net.compile("absolute_error", fn.Adam(fn.CosineDecay(6e-3, total_steps=steps), clip_norm=1.0))
        began = perf_counter()
        net.fit(X, y, epochs=epochs, batch_size=8, sample_weight=weight)
        figures[f"{name}, seconds of an epoch"] = (perf_counter() - began) / epochs
        made[name] = net.predict(X_test)
        figures[f"{name}, kW"] = error(made[name], y_test)
        print(f"{name}: {net.n_params:,} parameters, {figures[f'{name}, kW']:.3f} kW off", flush=True)
    draw(y_test, last, made, output / "conv-series.png")
    figures["convolutions, absolute error / the last hour again"] = (
        figures["convolutions, kW"] / figures["the last hour again, kW"]
    )
    figures["convolutions / LSTM, absolute error"] = figures["convolutions, kW"] / figures["LSTM, kW"]
    seconds = (figures[f"{name}, seconds of an epoch"] for name in made)
    figures["convolutions / LSTM, seconds of an epoch"] = next(seconds) / next(seconds)
    return figures


def draw(came: np.ndarray, last: np.ndarray, made: dict[str, np.ndarray], path: Path) -> None:
    """Draw what came on the second day of the first row, and what was said an hour before."""
    figure = pictures.figure(9, 4)
    axes = figure.subplots()
    hours = np.arange(DAY) / 12
    axes.plot(hours, came[0, DAY:, 0], color="#999999", linewidth=2.5, label="the next hour, as it came")
    axes.plot(hours, last[0, DAY:, 0], ":", color="0.4", linewidth=1, label="the last hour")
    for (name, values), color in zip(made.items(), ("#1f5fa8", "#d1541f"), strict=True):
        axes.plot(hours, values[0, DAY:, 0], color=color, linewidth=1.4, label=name)
    pictures.dress(axes, "hour of the day", "mean load of the next hour, kW")
    axes.legend(frameon=False, ncols=4, loc="upper left")
    pictures.save(figure, path)


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
