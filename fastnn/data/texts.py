"""What texts say: gaps, numbers as people write them, dates and times of day.  The rule book of single values."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

# What pandas.read_csv takes for a gap.
MISSING = frozenset(
    ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA",
     "NULL", "NaN", "None", "n/a", "nan", "null")
)  # fmt: skip
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.I | re.A)
_WHOLE = re.compile(r"[+-]?\d+", re.A)
_SPACES, _QUOTES = " \u00a0\u202f", "'\u2019"  # between thousands: each is read as the first of its kind
_WRITTEN = re.compile(
    rf"([$€£¥]\s?)?([+-]?)\s?([\d.,][\d.,{_SPACES}{_QUOTES}]*)([eE][+-]?\d+)?(\s?[%$€£¥])?", re.A
)  # symbol, sign, digits with what stands between them, exponent, symbol
_ISO = re.compile(
    r"(\d{4}-\d{2}-\d{2})([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?\s?(Z|UTC|[+-]\d{2}:?\d{2})?", re.A
)  # year to fraction of a second, and the offset
_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(:([0-5]\d(\.\d+)?))?", re.A)
ISO = "ISO 8601"
_DAYS = (
    "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%m-%d-%Y", "%d-%m-%Y", "%d.%m.%y", "%m/%d/%y", "%d/%m/%y",
    "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d-%b-%y", "%Y-%m",
)  # fmt: skip
DATES = (ISO, *(day + clock for day in _DAYS for clock in ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")))


class Written(NamedTuple):
    """How numbers are written: the mark before the fraction, that between thousands, and a symbol beside them."""

    decimal: str = "."
    thousands: str = ""
    symbol: str = ""

    def parse(self, text: str) -> float | None:
        """Return the number, None if it is not written so."""
        if self == PLAIN:
            return float(text) if _PLAIN.fullmatch(text) else None
        found = _WRITTEN.fullmatch(text)
        if found is None:
            return None
        before, sign, body, exponent, after = ((part or "").strip() for part in found.groups())
        if {before, after} - {""} != {self.symbol} - {""}:
            return None
        for marks in (_SPACES, _QUOTES):
            for mark in marks[1:]:
                body = body.replace(mark, marks[0])
        if not _body(self.decimal, self.thousands).fullmatch(body):
            return None
        plain = body.replace(self.thousands, "") if self.thousands else body
        return float(f"{sign}{plain.replace(self.decimal, '.')}{exponent}")

    def __str__(self) -> str:
        """Return it in words."""
        words = [f"{self.decimal!r} before the fraction"] if self.decimal != "." else []
        words += [f"{self.thousands!r} between thousands"] if self.thousands else []
        return " and ".join(words + ([f"{self.symbol!r} beside them"] if self.symbol else []))


PLAIN = Written()
_FORMS = tuple(Written(point, mark) for point, mark in (
    (".", ""), (",", ""), (".", ","), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'"),
))  # fmt: skip


@cache
def _body(decimal: str, thousands: str) -> re.Pattern[str]:
    point, mark = re.escape(decimal), re.escape(thousands)
    groups = rf"\d{{1,3}}({mark}\d{{3}})+|" if thousands else ""
    return re.compile(rf"({groups}\d+)({point}\d*)?|{point}\d+", re.A)


def forms(decimal: str | None, thousands: str | None) -> tuple[Written, ...]:
    """Return the ways to write numbers that have these marks, where they are given."""
    wanted = Written(decimal or ".", "" if thousands is None else thousands)
    agreeing = [
        form for form in _FORMS if form.decimal == (decimal or form.decimal) and thousands in (None, form.thousands)
    ]
    return (*agreeing, *([] if wanted in agreeing else [wanted]))


class NumberStudy:
    """Finds out how the numbers of a column are written, from its texts, some at a time."""

    def __init__(self, forms: tuple[Written, ...] = _FORMS) -> None:
        self.rows = dict.fromkeys(forms, 0)
        self.symbols: dict[str, int] = {}
        self.whole = True

    def add(self, text: str, rows: int) -> None:
        """Look at one more text, which so many rows hold."""
        found = _WRITTEN.fullmatch(text)
        symbol = "" if found is None else (found[1] or found[5] or "").strip()
        fits = False
        for form in self.rows:
            if form._replace(symbol=symbol).parse(text) is not None:
                self.rows[form] += rows
                fits = True
        if fits:
            self.symbols[symbol] = self.symbols.get(symbol, 0) + rows
        self.whole = self.whole and _WHOLE.fullmatch(text) is not None

    @property
    def like(self) -> int:
        """Rows whose texts are numbers in the way in which most are."""
        return min(max(self.rows.values()), max(self.symbols.values(), default=0))

    def form(self) -> Written | None:
        """Return how most of the numbers are written; None if it can be read in two ways."""
        most = max(self.rows.values())
        best = [form for form, rows in self.rows.items() if rows == most]
        if Written(",") in best and Written(".", ",") in best and PLAIN not in best:
            return None
        return best[0]._replace(symbol=max(self.symbols, key=lambda one: self.symbols[one], default=""))


class DateStudy:
    """Finds out how the dates of a column are written, from its texts, some at a time."""

    def __init__(self, wanted: str | None = None) -> None:
        self.rows = dict.fromkeys(DATES if wanted is None else (wanted,), 0)
        self.total = 0
        self._differ: set[frozenset[str]] = set()

    def add(self, texts: list[str], rows: npt.NDArray[np.int64]) -> None:
        """Look at some more texts, and how many rows hold each."""
        self.total += int(rows.sum())
        if len(self.rows) > 1 and not any(self.rows.values()):
            few = texts[:: max(1, len(texts) // 50)]
            self.rows = {form: 0 for form in self.rows if form == ISO or _all_dates(few, form)}
        values = {}
        for form in self.rows:
            dates = parse_dates(texts, form)
            values[form] = dates
            self.rows[form] += int(rows[~np.isnat(dates)].sum())
        forms = list(values)
        for i, one in enumerate(forms):
            for other in forms[i + 1 :]:
                if (values[one] != values[other]).any():
                    self._differ.add(frozenset((one, other)))

    @property
    def like(self) -> int:
        """Rows whose texts are dates in the way in which most are."""
        return max(self.rows.values(), default=0)

    def forms(self) -> list[str]:
        """Return the formats that fit most rows; several only if they read some of them differently."""
        best = [form for form, rows in self.rows.items() if rows == self.like]
        return [form for form in best if form == best[0] or frozenset((form, best[0])) in self._differ]


def _all_dates(texts: list[str], form: str) -> bool:
    """Whether at least half of a few texts are dates of a format."""
    return bool(2 * np.count_nonzero(~np.isnat(parse_dates(texts, form))) >= len(texts))


def parse_dates(texts: Iterable[str], form: str) -> npt.NDArray[np.datetime64]:
    """Return the dates and times as their texts have them, whatever the offset from UTC; NaT for what is none."""
    import pandas as pd

    if form == ISO:
        found = (_ISO.fullmatch(text) for text in texts)
        texts = ["" if one is None else one[1] + (one[2] or "").replace(" ", "T") for one in found]
        parsed = pd.to_datetime(pd.Series(texts, dtype=object), format="ISO8601", errors="coerce")
    else:
        parsed = pd.to_datetime(pd.Series(list(texts), dtype=object), format=form, errors="coerce", utc="%z" in form)
        if parsed.dt.tz is not None:
            parsed = parsed.dt.tz_localize(None)
    return np.asarray(parsed.to_numpy(), dtype="datetime64[us]")


def parse_clock(text: str) -> float | None:
    """Return a time of day in hours, None if it is none."""
    found = _CLOCK.fullmatch(text)
    return None if found is None else int(found[1]) + int(found[2]) / 60 + float(found[4] or 0) / 3600


@dataclass(frozen=True)
class Markers:
    """Who reads, and what it takes for a gap beside what pandas does."""

    who: str
    more: frozenset[str] = frozenset()

    def without_gaps(self, values: Any) -> Any:
        """Return texts without the blanks around them, None for gaps, as an object array."""
        gaps = MISSING | self.more
        result = np.empty(len(values), dtype=object)
        known: dict[Any, str | None] = {}
        for i, value in enumerate(values):
            if value not in known:
                text = value.strip()
                known[value] = None if text in gaps else text
            result[i] = known[value]
        return result
