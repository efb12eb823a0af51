"""A table as people have them: numbers, categories, gaps and dates, and one row in twenty of the class sought."""

import numpy as np
import pandas as pd


def adult(rows, seed):
    """A frame with the target "income" ("high" or "low")."""
    random = np.random.default_rng(seed)
    age, hours = random.integers(17, 90, rows).astype(float), random.normal(40, 12, rows).clip(1, 99).round()
    gain = np.where(random.random(rows) < 0.1, random.lognormal(8, 1, rows).round(), 0)
    work = random.choice(["Private", "State", "Self", "Never", "Without"], rows, p=[0.7, 0.15, 0.13, 0.015, 0.005])
    school = random.choice(["HS", "College", "Bachelors", "Masters", "Doctorate"], rows, p=[0.4, 0.3, 0.2, 0.08, 0.02])
    since = pd.Timestamp("2010-01-01") + pd.to_timedelta(random.integers(0, 5000, rows), "D")
    levels = {"HS": 0, "College": 0.6, "Bachelors": 1.6, "Masters": 2.2, "Doctorate": 3}
    level = pd.Series(school).map(levels).to_numpy()
    score = level - ((age - 48) / 18) ** 2 + 0.05 * (hours - 40) + np.log1p(gain) / 4 + 0.9 * (work == "Self")
    score += 1.0 * (since.month == 12) + 0.25 * (2018 - since.year) + random.logistic(0, 0.5, rows)
    columns = {"age": age, "workclass": work, "hours": hours, "education": school, "gain": gain, "since": since}
    frame = pd.DataFrame(columns)
    frame.loc[random.random(rows) < 0.1, "age"] = np.nan
    frame.loc[random.random(rows) < 0.07, "workclass"] = None
    return frame.assign(income=np.where(score > np.quantile(score, 0.95), "high", "low"))
