"""Columns of a table, each with the rules by which its values become numbers: specifications that files keep."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fastnn._spec import Spec, require_flag, require_number
from fastnn.data.texts import Markers, Written, parse_clock, parse_dates
from fastnn.data.values import Values, gaps_refused, values_of

Array = npt.NDArray[Any]
Numbers = npt.NDArray[np.float64]

WORDS = (("true", "false"), ("yes", "no"), ("y", "n"), ("t", "f"), ("on", "off"), ("1", "0"), ("1.0", "0.0"))
YES, NO = (frozenset(words) for words in zip(*WORDS, strict=True))


@dataclass(frozen=True, repr=False, eq=False)
class Column(Spec, family="column"):
    """Base of all kinds of columns.

    Parameters
    ----------
    name : str
        Its name.
    note : str
        What was found out about it, for the report.
    """

    name: str
    note: str = ""

    kind = ""  # in words

    @property
    def feature_names(self) -> list[str]:
        """Names of the columns of numbers that it makes."""
        raise NotImplementedError

    @property
    def with_unit(self) -> list[bool]:
        """Which of these hold amounts in some unit; the others are 0 and 1, sines and cosines, all of one size."""
        return [False] * len(self.feature_names)

    def encode(self, markers: Markers, column: Any) -> Numbers:
        """Return a pandas Series (B,) as numbers (B, len(feature_names)); ValueError if they cannot be."""
        raise NotImplementedError

    def text_wanted(self) -> bool:
        """Whether a file is to be read without turning what looks like numbers into numbers."""
        return False

    def report(self) -> str:
        """Return in words what becomes of it."""
        return self.note

    def _refuse(self, markers: Markers, expected: str, got: str, hint: str = "") -> ValueError:
        return ValueError(
            f"{markers.who}: expected {expected} in column {self.name!r}, as in the data that were learnt from, got "
            f"{got}{hint}"
        )

    @classmethod
    def _field_from_json(cls, name: str, value: Any) -> Any:
        if name in ("name", "note", "decimal", "thousands", "symbol", "format") and not isinstance(value, str):
            raise TypeError(f"expected {name} to be a text, got {value!r:.60}")
        if name == "categories" and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
            raise TypeError(f"expected {name} to be a list of texts, got {value!r:.60}")
        return super()._field_from_json(name, value)


@dataclass(frozen=True, repr=False, eq=False)
class Dropped(Column):
    """A column that is left out; ``note`` says why."""

    kind = "dropped"

    @property
    def feature_names(self) -> list[str]:  # noqa: D102
        return []

    def encode(self, markers: Markers, column: Any) -> Numbers:  # noqa: D102
        return np.zeros((len(column), 0))

    def report(self) -> str:  # noqa: D102
        return f"left out: {self.note}" if self.note else "left out"


@dataclass(frozen=True, repr=False, eq=False)
class Filled(Column, abstract=True):
    """Base of columns whose gaps are filled.

    Parameters
    ----------
    fill : float, str or None
        What gaps become; None where they are refused.
    indicator : bool
        Whether a column of 0 and 1 says where the gaps were.
    """

    fill: Any = None
    indicator: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_flag(self.title, "indicator", self.indicator)
        if self.fill is not None:
            self._check_fill()

    def _check_fill(self) -> None:
        require_number(self.title, "fill", self.fill)

    @property
    def parts(self) -> list[str]:
        """Names of the columns of numbers beside that of gaps."""
        return [self.name]

    @property
    def feature_names(self) -> list[str]:  # noqa: D102
        return [*self.parts, *([f"{self.name}:missing"] if self.indicator else [])]

    @property
    def with_unit(self) -> list[bool]:  # noqa: D102
        return [part not in self.circles for part in self.parts] + [False] * self.indicator

    @property
    def circles(self) -> list[str]:
        """Those of the parts that are sines and cosines."""
        return []

    def encode(self, markers: Markers, column: Any) -> Numbers:  # noqa: D102
        found = values_of(markers, column)
        if found.gaps.any() and self.fill is None:
            raise gaps_refused(markers.who, self.name, found.gaps)
        result = np.empty((len(column), len(self.feature_names)))
        if found.kind != "empty":
            result[:, : len(self.parts)] = self._numbers(markers, found)
        if found.gaps.any():
            result[found.gaps, : len(self.parts)] = self._of_fill()
        if self.indicator:
            result[:, -1] = found.gaps
        infinite = ~np.isfinite(result).all(axis=1)
        if infinite.any():
            raise ValueError(
                f"{markers.who}: column {self.name!r} has {np.count_nonzero(infinite)} infinite values; drop those rows"
            )
        return result

    def _numbers(self, markers: Markers, found: Values) -> Numbers:
        """Return values (B, len(parts)), or (B, 1), anything where there are gaps."""
        raise NotImplementedError

    def _of_fill(self) -> Any:
        return self.fill

    def filled(self, value: Any) -> Self:
        """Return the column with another value for gaps."""
        return type(self)(**{**self._values(), "fill": value})

    def report(self) -> str:
        """Return in words what becomes of it."""
        gaps = (
            ""
            if self.fill is None
            else f"gaps become {self.fill if isinstance(self.fill, str) else f'{self.fill:.6g}'}"
        )
        return "; ".join(part for part in (self._words(), self.note, gaps) if part)

    def _words(self) -> str:
        return self.kind


@dataclass(frozen=True, repr=False, eq=False)
class Number(Filled):
    """A column of numbers, from texts perhaps; ``decimal``, ``thousands`` and ``symbol`` are those of `Written`."""

    decimal: str = "."
    thousands: str = ""
    symbol: str = ""
    whole: bool = False  # as a target: whether it is one of whole numbers

    kind = "number"

    @property
    def written(self) -> Written:
        """How its texts are written."""
        return Written(self.decimal, self.thousands, self.symbol)

    def text_wanted(self) -> bool:  # noqa: D102
        return self.written != Written()

    def _words(self) -> str:
        return " with ".join(part for part in (self.kind, str(self.written)) if part)

    def _numbers(self, markers: Markers, found: Values) -> Numbers:
        values = self.values(markers, found)
        return values[:, None]

    def values(self, markers: Markers, found: Values) -> Numbers:
        """Return values (B,), NaN for gaps."""
        if found.kind in ("number", "boolean") and not self.symbol:
            return found.values
        if found.kind != "text":
            raise self._refuse(markers, "numbers" + (f" with {self.symbol!r}" if self.symbol else ""), f"{found.kind}s")
        return from_texts(found, self.written.parse, lambda text: self._refuse(
            markers, " with ".join(part for part in ("numbers", str(self.written)) if part), f"{text!r:.60}",
            f"; na_values={text!r:.60} takes it for a gap",
        ))  # fmt: skip


@dataclass(frozen=True, repr=False, eq=False)
class Boolean(Filled):
    """A column of true and false, as 1 and 0; texts too: true and false, yes and no, y and n, t and f, on and off."""

    kind = "boolean"

    @property
    def with_unit(self) -> list[bool]:  # noqa: D102
        return [False] * len(self.feature_names)

    def _numbers(self, markers: Markers, found: Values) -> Numbers:
        return self.values(markers, found)[:, None]

    def values(self, markers: Markers, found: Values) -> Numbers:
        """Return values (B,), NaN for gaps."""
        if found.kind == "boolean":
            return found.values
        if found.kind == "number" and np.isin(found.values[~found.gaps], (0, 1)).all():
            return found.values
        if found.kind != "text":
            raise self._refuse(markers, "true and false", f"{found.kind}s")
        return from_texts(found, as_flag, lambda text: self._refuse(markers, "true and false", f"{text!r:.60}"))


@dataclass(frozen=True, repr=False, eq=False)
class Time(Filled):
    """A column of times of day, as hours, and as the sine and cosine of the part of the day that has passed."""

    kind = "time"

    @property
    def parts(self) -> list[str]:  # noqa: D102
        return [f"{self.name}:hour", *self.circles]

    @property
    def circles(self) -> list[str]:  # noqa: D102
        return [f"{self.name}:hour_sin", f"{self.name}:hour_cos"]

    def _numbers(self, markers: Markers, found: Values) -> Numbers:
        return _clock(self.values(markers, found))

    def values(self, markers: Markers, found: Values) -> Numbers:
        """Return the hours (B,), NaN for gaps."""
        if found.kind == "time":
            return found.values
        if found.kind != "text":
            raise self._refuse(markers, "times such as 08:30", f"{found.kind}s")
        return from_texts(
            found, parse_clock, lambda text: self._refuse(markers, "times such as 08:30", f"{text!r:.60}")
        )

    def _of_fill(self) -> Any:
        return _clock(np.array([self.fill]))[0]


@dataclass(frozen=True, repr=False, eq=False)
class Date(Filled):
    """A column of dates: year, month, day, weekday (0 for Monday), hour, and sines and cosines of what comes round.

    Parameters
    ----------
    format : str
        How its texts are written, as for ``strptime``, or "ISO 8601".
    hours : bool
        Whether it has times of day beside.
    """

    format: str = "ISO 8601"
    hours: bool = False

    kind = "date"

    def _check_fill(self) -> None:
        if not isinstance(self.fill, str) or np.isnat(np.datetime64(self.fill)):
            raise TypeError(f"{self.title}: expected fill to be a date as text, got {self.fill!r:.60}")

    @property
    def parts(self) -> list[str]:  # noqa: D102
        whole = ("year", "month", "day", "weekday", *["hour"] * self.hours)
        return [*(f"{self.name}:{part}" for part in whole), *self.circles]

    @property
    def circles(self) -> list[str]:  # noqa: D102
        rounds = ("month", "day", "weekday", *["hour"] * self.hours)
        return [f"{self.name}:{part}_{function}" for part in rounds for function in ("sin", "cos")]

    def _numbers(self, markers: Markers, found: Values) -> Numbers:
        return self._expanded(self.values(markers, found))

    def values(self, markers: Markers, found: Values) -> Array:
        """Return the dates (B,) as datetime64, NaT for gaps."""
        if found.kind == "date":
            return found.values
        if found.kind != "text":
            raise self._refuse(markers, "dates", f"{found.kind}s")
        texts = ["" if gap else text for text, gap in zip(found.values, found.gaps, strict=True)]
        result = parse_dates(texts, self.format)
        wrong = np.flatnonzero(np.isnat(result) & ~found.gaps)
        if len(wrong):
            raise self._refuse(markers, f"dates written as {self.format}", f"{texts[wrong[0]]!r:.60}")
        return result

    def _of_fill(self) -> Any:
        return self._expanded(np.array([self.fill], dtype="datetime64[us]"))[0]

    def _expanded(self, dates: Array) -> Numbers:
        gaps = np.isnat(dates)
        dates = np.where(gaps, np.datetime64(0, "us"), dates)
        months, days = dates.astype("datetime64[M]"), dates.astype("datetime64[D]")
        month = months.astype(np.int64) % 12
        day = (days - months.astype("datetime64[D]")).astype(np.int64)
        weekday = (days.astype(np.int64) + 3) % 7  # day 0 was a Thursday
        length = ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(np.int64)
        year = dates.astype("datetime64[Y]").astype(np.int64) + 1970
        clock = _clock((dates - days) / np.timedelta64(1, "h"))
        whole = [year, month + 1, day + 1, weekday, *([clock[:, 0]] if self.hours else [])]
        circles = [part for share in (month / 12, day / length, weekday / 7) for part in _circle(share)]
        return np.column_stack([*whole, *circles, *(clock.T[1:] if self.hours else ())]).astype(np.float64)


def as_flag(text: str) -> float | None:
    """Return 1 for yes, 0 for no, None for other words."""
    word = text.lower()
    return 1.0 if word in YES else 0.0 if word in NO else None


def from_texts(found: Values, parse: Any, refused: Any) -> Numbers:
    """Return texts (B,) as numbers, NaN for gaps; raises what ``refused`` gives for the first that is none."""
    known: dict[str | None, float | None] = {None: np.nan}
    result = np.empty(len(found.values))
    for i, text in enumerate(found.values):
        if text not in known:
            known[text] = parse(text)
        value = known[text]
        if value is None:
            raise refused(text)
        result[i] = value
    return result


def _circle(share: Numbers) -> tuple[Numbers, Numbers]:
    """Return sine and cosine of parts of a round."""
    return np.sin(2 * np.pi * share), np.cos(2 * np.pi * share)


def _clock(hours: Numbers) -> Numbers:
    """Return hours and their place on the circle of the day, (B, 3)."""
    return np.column_stack([hours, *_circle(hours / 24)])
