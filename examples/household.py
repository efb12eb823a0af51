"""A household for the forecaster: made-up series at five-minute steps, errors and picture of its forecasts.

Load (kW) is what the house itself takes, what people do by the clock and the day of the week, heating below 15 degrees
and cooling above 24, a refrigerator, a washing machine now and then, and a car.  With it come temperature, solar power,
the price of electricity, and the plan of when to charge the car, which is kept more or less.
"""

import sys
from pathlib import Path

import numpy as np

DAY = 288  # steps
Series = dict[str, np.ndarray]


def drifting(random: np.random.Generator, steps: int, memory: int) -> np.ndarray:
    """Return an autoregressive process of unit variance that forgets within ``memory`` steps, by the hour."""
    hours, keep = steps // 12 + 2, np.exp(-12 / memory)
    values = random.normal(size=hours)
    for hour in range(1, hours):
        values[hour] = keep * values[hour - 1] + np.sqrt(1 - keep**2) * values[hour]
    return np.interp(np.arange(steps) / 12, np.arange(hours), values)


def bump(hour: np.ndarray, at: float, width: float) -> np.ndarray:
    """Return a daily bump of height 1."""
    return np.exp(-0.5 * (((hour - at + 12) % 24 - 12) / width) ** 2)


def household(days: int, seed: int = 0) -> Series:
    """Return the series of a household, float32, from a midnight between Sunday and Monday on."""
    random, steps = np.random.default_rng(seed), days * DAY
    t = np.arange(steps)
    hour, weekend = t % DAY / 12, (t // DAY % 7 >= 5).astype(float)
    year = np.cos(2 * np.pi * (t / DAY - 200) / 365)  # 1 in summer
    clouds = 1 / (1 + np.exp(-1.5 * drifting(random, steps, DAY // 2)))
    temperature = (
        11 + 9 * year - (3 + 2 * year) * np.cos(2 * np.pi * (hour - 3) / 24) + 3 * drifting(random, steps, 2 * DAY)
    )
    sun = 5 * np.clip(np.cos(2 * np.pi * (hour - 13) / 24) + 0.25 * year - 0.1, 0, None) * (1 - 0.8 * clouds)
    price = 0.22 + 0.06 * bump(hour, 8, 1.5) + 0.1 * bump(hour, 19, 2) - 0.05 * bump(hour, 13, 2) * (1 - clouds)
    price += 0.02 * drifting(random, steps, DAY)
    people = (1 - weekend) * (0.9 * bump(hour, 7, 0.8) + 1.2 * bump(hour, 19, 1.8))
    people += weekend * (0.7 * bump(hour, 9.5, 1.5) + 0.6 * bump(hour, 13, 1.5) + 1.1 * bump(hour, 19.5, 2.2))
    heating = 0.16 * np.clip(15 - temperature, 0, None) * (0.7 + 0.3 * (hour > 5.5) * (hour < 22))
    cooling = 0.25 * np.clip(temperature - 24, 0, None)
    refrigerator = 0.12 * ((t + 3 * np.sin(t / 50)) % 9 < 4)
    car, plan = charging(random, days)
    load = 0.25 + people * np.exp(0.15 * drifting(random, steps, 6)) + heating + cooling + refrigerator + car
    load += washing(random, days) + 0.04 * random.normal(size=steps)
    values = {"load": load, "temperature": temperature, "sun": sun, "price": price, "plan": plan}
    return {name: series.astype(np.float32) for name, series in values.items()}


def charging(random: np.random.Generator, days: int) -> tuple[np.ndarray, np.ndarray]:
    """Return what the car takes and what was planned: 3.6 kW for one to four hours, on most evenings of working days.

    It begins up to a quarter of an hour late, takes less at the end, and one time in twenty the car is not there.
    """
    power, plan = np.zeros((2, (days + 1) * DAY))
    for day in range(days):
        if random.random() < (0.65 if day % 7 < 5 else 0.2):
            start = day * DAY + int(12 * random.normal(20, 1))
            steps, late = int(12 * random.uniform(1, 4)), random.integers(0, 4)
            plan[start : start + steps] = 3.6
            if random.random() > 0.05:
                power[start + late : start + late + steps] = 3.6 * np.minimum(1, np.arange(steps, 0, -1) / 6)
    return power[: days * DAY], plan[: days * DAY]


def washing(random: np.random.Generator, days: int) -> np.ndarray:
    """Return what a washing machine takes, which nobody plans: 2 kW for half an hour, some three times in two days."""
    power = np.zeros((days + 1) * DAY)
    for start in random.integers(0, days * DAY, 3 * days // 2):
        if 7 * 12 < start % DAY < 21 * 12:
            power[start : start + 6] = 2
    return power[: days * DAY]


def naive(load: np.ndarray, start: int, steps: int) -> np.ndarray:
    """Return the forecast of who knows the last day alone: it comes again, and again."""
    return np.resize(load[start - DAY : start], steps)


def errors(load: np.ndarray, forecasts: dict[int, np.ndarray]) -> dict[str, float]:
    """Return how far the forecasts, by the time when they begin, are from what came, and from yesterday's values."""
    ours = np.array([made - load[at:][: len(made)] for at, made in forecasts.items()])
    yesterday = np.array(
        [naive(load, start, len(made)) - load[start:][: len(made)] for start, made in forecasts.items()]
    )
    absolute, square = np.abs(ours).mean(), np.square(ours).mean()
    return {
        "mean absolute error, kW": float(absolute),
        "mean absolute error, forecast / yesterday again": float(absolute / np.abs(yesterday).mean()),
        "root mean square error, likewise": float(np.sqrt(square / np.square(yesterday).mean())),
    }


def peak_memory() -> float:
    """Return the most memory that the process has had, in MB."""
    import resource  # not on every system

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


def draw(load: np.ndarray, forecasts: dict[int, np.ndarray], path: Path) -> None:
    """Draw the first forecast against what came, beside yesterday again, and the error of all by how far ahead."""
    import pictures  # here, so that the application itself needs no matplotlib

    picture = pictures.figure(9, 7)
    above, below = picture.subplots(2, 1)
    start, first = next(iter(forecasts.items()))
    steps = len(first)
    hours = np.arange(steps) / 12
    above.plot(
        np.arange(-DAY, steps) / 12, load[start - DAY : start + steps], color="#999999", linewidth=1, label="load"
    )
    above.plot(hours, naive(load, start, steps), color="#d1541f", linewidth=1, alpha=0.7, label="yesterday again")
    above.plot(hours, first, color="#1f5fa8", linewidth=1.6, label="forecast")
    pictures.dress(above, "hours ahead", "kW", "the first of the forecasts")
    above.legend(frameon=False, ncols=3, loc="upper left")
    for name, color, made in (
        ("yesterday again", "#d1541f", {start: naive(load, start, steps) for start in forecasts}),
        ("forecast", "#1f5fa8", forecasts),
    ):
        errors = np.mean([np.abs(made[start] - load[start : start + steps]) for start in made], axis=0)
        below.plot(hours[11::24] + 0.5, errors.reshape(-1, 24).mean(axis=1), color=color, marker="o", label=name)
    below.set_ylim(0)
    pictures.dress(below, "hours ahead", "mean absolute error, kW", f"{len(forecasts)} forecasts")
    below.legend(frameon=False)
    pictures.save(picture, path)
