"""What the columns of a whole table are: their names, a study of each, and what their gaps become."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn.data.categories import Category
from fastnn.data.columns import Boolean, Column, Date, Dropped, Filled
from fastnn.data.rules import Rules, Source
from fastnn.data.study import ColumnStudy
from fastnn.data.values import gaps_refused, values_of

Array = npt.NDArray[Any]

SAMPLE = 1 << 20  # values of a column that median and most frequent value are taken of
_INDEX = re.compile(r"|Unnamed: ?\d+(\.\d+)*|__index_level_\d+__")


def check_names(who: str, source: Source, rules: Rules, wanted: Sequence[str] | None) -> dict[str, Dropped]:
    """Return the columns to leave out because of their names; ValueError for a name twice."""
    names = source.names
    result = {name: Dropped(name, "as asked") for name in rules.drop}
    for place, name in enumerate(names):
        if name in result or (wanted is not None and name not in wanted):
            continue
        if names.count(name) > 1 and name.strip():
            raise ValueError(
                f"{who}: column {name!r} stands {names.count(name)} times among the names; rename one of them, or "
                f"leave them out: drop=[{name!r}]"
            )
        if wanted is None and name in source.index:
            result[name] = Dropped(name, "the index of the table")
        elif wanted is None and place == 0 and _INDEX.fullmatch(name.strip()):
            result[name] = Dropped(name, "a saved index: the first column, without a name")
    return result


def study(source: Source, names: Sequence[str], rules: Rules, more: Sequence[str] = ()) -> dict[str, ColumnStudy]:
    """Look at all rows of some columns."""
    result = {name: ColumnStudy(name, rules) for name in (*names, *more)}
    texts = [name for name, kind in rules.kinds.items() if kind == "category" and name in result]
    _go_through(source, result, texts)
    again = [name for name, one in result.items() if "text" in one.seen and one.mixed]
    if again:  # numbers so far, and a text further on: what are they, as texts?
        fresh = {name: ColumnStudy(name, rules) for name in again}
        _go_through(source, fresh, again)
        result |= fresh
    return result


def _go_through(source: Source, studies: dict[str, ColumnStudy], texts: Sequence[str]) -> None:
    for frame, where in source.stretches(list(studies), texts):
        for name, one in studies.items():
            one.add(frame[name], where)


def text_columns(columns: dict[str, Column]) -> list[str]:
    """Return the columns to leave as they are written in a file."""
    return [name for name, one in columns.items() if one.text_wanted()]


def refuse_gaps(studies: dict[str, ColumnStudy], columns: dict[str, Column]) -> None:
    """Raise ValueError for a column with gaps that nothing fills."""
    for name, one in columns.items():
        found = studies[name]
        open_gaps = (isinstance(one, Filled) and one.fill is None) or (
            isinstance(one, Category) and one.fill is None and not one.missing
        )
        if found.gaps and open_gaps:
            gaps = np.zeros(found.rows, dtype=bool)
            gaps[: found.gaps] = True
            where = f" in {found.gaps_where}" if found.gaps_where else ""
            raise gaps_refused(found.rules.markers.who, name, gaps, where)


def require_names(who: str, columns: dict[str, Column]) -> None:
    """Raise ValueError for a column that has values and no name."""
    for name, one in columns.items():
        if _INDEX.fullmatch(name.strip()) and not isinstance(one, Dropped):
            raise ValueError(
                f"{who}: column {name!r} has values and no name; name it, or leave it out: drop=[{name!r}]"
            )


class Sample:
    """The mean of values, and those of which median and most frequent value are taken: of up to 2**20 all."""

    def __init__(self) -> None:
        self.parts: list[Array] = []
        self.held = self.rows = 0
        self.step, self.sum = 1, 0.0

    def add(self, values: Array) -> None:
        """Take up some more, without gaps."""
        self.sum += float(values.sum())
        chosen = values[-self.rows % self.step :: self.step]
        self.rows += len(values)
        self.parts.append(chosen)
        self.held += len(chosen)
        while self.held > SAMPLE:
            self.parts = [np.concatenate(self.parts)[::2]]
            self.held, self.step = len(self.parts[0]), 2 * self.step

    def value(self, impute: str) -> float:
        """Return what gaps become."""
        values = np.concatenate(self.parts)
        if impute == "mean":
            return self.sum / self.rows
        if impute == "median":
            return float(np.median(values))
        found, counts = np.unique(values, return_counts=True)
        return float(found[counts.argmax()])


def fill(source: Source, columns: dict[str, Column], rules: Rules) -> dict[str, Column]:
    """Return the columns with what their gaps become, and dates with whether they have times."""
    wanted = {
        name: one
        for name, one in columns.items()
        if isinstance(one, Filled) and (rules.impute is not None or isinstance(one, Date))
    }
    samples = {name: Sample() for name in wanted}
    result, hours = dict(columns), dict.fromkeys(wanted, False)
    if not wanted:
        return result
    for frame, _ in source.stretches(list(wanted), text_columns(columns)):
        for name, one in wanted.items():
            found = values_of(rules.markers, frame[name])
            if found.kind == "empty":
                continue
            values = one.values(rules.markers, found)[~found.gaps]  # type: ignore[attr-defined]
            if isinstance(one, Date):
                seconds = values.astype("datetime64[us]").astype(np.int64) / 1e6
                hours[name] = hours[name] or bool((seconds % 86400 != 0).any())
                values = seconds
            if not np.isfinite(values).all():
                infinite = np.count_nonzero(~np.isfinite(values))
                raise ValueError(
                    f"{rules.markers.who}: column {name!r} has {infinite} infinite values; drop those rows"
                )
            samples[name].add(values)
    for name, one in wanted.items():
        if isinstance(one, Date):
            one = replace(one, hours=hours[name])
        if rules.impute is not None and samples[name].rows:
            value: Any = samples[name].value("most_frequent" if isinstance(one, Boolean) else rules.impute)
            if isinstance(one, Date):
                value = str(np.datetime64(round(value), "s"))
            one = one.filled(value)
        result[name] = one
    return result
