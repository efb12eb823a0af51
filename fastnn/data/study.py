"""The rule book of columns: what a column of a table is, found out from its values, some rows at a time."""

import re
from copy import copy
from dataclasses import replace
from math import ceil
from typing import Any
from warnings import warn

import numpy as np
import numpy.typing as npt

from fastnn.data.categories import MOST_CATEGORIES, Category
from fastnn.data.columns import Boolean, Column, Date, Dropped, Number, Time, as_flag
from fastnn.data.row_numbers import RowNumbers
from fastnn.data.rules import Rules
from fastnn.data.texts import DateStudy, NumberStudy, Written, parse_clock
from fastnn.data.values import Values, texts_of, values_of

Array = npt.NDArray[Any]

MOST_TEXTS = 100_000  # different ones that are counted
MOST_CLASSES = 10_000
_SURE = 20  # rows from which on a column is taken for a count of the rows
_NOTHING = re.compile(r"\W+|n\.?a\.?|unknown|missing|nil|not available|x+", re.I)  # people's words for a gap


class ColumnStudy:
    """What is known of a column so far."""

    def __init__(self, name: str, rules: Rules) -> None:
        self.name, self.rules = name, rules
        self.rows = self.gaps = 0
        self.seen: dict[str, str] = {}  # kinds, and the file that each was seen in first
        self.texts: dict[str, int] = {}  # how many rows hold each
        self.uncounted = 0  # rows of further texts
        self.numbers, self.dates, self.clocks = NumberStudy(rules.forms), DateStudy(rules.date_format), 0
        self.whole, self.named, self.infinite = True, False, 0  # named: stored as categories
        self.counting = RowNumbers()
        self.gaps_where = ""

    def add(self, column: Any, where: str) -> None:
        """Look at some more rows."""
        if self.rules.kinds.get(self.name) == "category":
            texts = texts_of(self.rules.markers, column)
            found = Values("text", texts, np.array([text is None for text in texts], dtype=bool))
        else:
            found = values_of(self.rules.markers, column)
        self.named = self.named or hasattr(column.dtype, "categories")
        self.rows += len(found.values)
        gaps = int(found.gaps.sum())
        if gaps and not self.gaps:
            self.gaps_where = where
        self.gaps += gaps
        if found.kind == "empty":
            return
        self.seen.setdefault(found.kind, where)
        self.whole = self.whole and found.whole
        if found.kind == "number":
            self.counting.add(found.values)
            self.infinite += int(np.isinf(found.values).sum())
        elif found.kind == "text":
            self._add_texts(found.values[~found.gaps])

    def _add_texts(self, texts: Array) -> None:
        import pandas as pd

        places, unique = pd.factorize(texts)
        counts = np.bincount(places, minlength=len(unique))
        numbers = dates = self.rules.kinds.get(self.name) != "category"
        dates = dates and (self.dates.like > 0 or self.dates.total == 0)
        for text, rows in zip(unique, counts.tolist(), strict=True):
            if text in self.texts or len(self.texts) < MOST_TEXTS:
                self.texts[text] = self.texts.get(text, 0) + rows
            else:
                self.uncounted += rows
            if numbers:
                self.numbers.add(text, rows)
                self.clocks += rows if parse_clock(text) is not None else 0
        if dates and self.numbers.like * 2 < sum(self.texts.values()) + self.uncounted:
            self.dates.add(list(unique), counts)

    @property
    def mixed(self) -> bool:
        """Whether it was of several kinds, texts among them."""
        return len(self.seen) > 1

    # ---- what it is --------------------------------------------------------------------------------------------------

    def column(self) -> Column:
        """Return what the column is; ValueError where that is not clear."""
        wanted = self.rules.kinds.get(self.name)
        typed = [kind for kind in self.seen if kind != "text"]
        if self.infinite:
            raise self._refused(f"has {self.infinite} infinite values; drop those rows")
        if len(typed) > 1:
            raise self._several(typed[0], typed[1])
        if not self.seen:
            return Dropped(self.name, "it has no values")
        result = self._of_texts() if "text" in self.seen else self._of_kind(typed[0])
        if "text" in self.seen and typed and result.kind != typed[0]:
            first, second = self.seen
            raise self._several(first, second)
        if wanted is not None and result.kind != wanted:
            raise self._refused(f"is to be a {wanted}, and its values are of kind {result.kind}", example=True)
        self._warn_of_counts(result)
        return result

    def _of_kind(self, kind: str) -> Column:
        if self.rules.kinds.get(self.name) == "boolean" and kind == "number":
            return Boolean(self.name, indicator=self._indicator)
        kinds = {"number": Number, "boolean": Boolean, "date": Date, "time": Time}
        whole = {"whole": self.whole} if kind == "number" else {}
        return kinds[kind](self.name, indicator=self._indicator, **whole)

    @property
    def _indicator(self) -> bool:
        return self.gaps > 0 and self.rules.impute is not None

    def _of_texts(self) -> Column:
        wanted = self.rules.kinds.get(self.name)
        if wanted == "category" or (self.named and wanted is None):
            return self._category()
        words = {text.lower() for text in self.texts}
        if words <= {"true", "false"} or (wanted == "boolean" and all(as_flag(word) is not None for word in words)):
            return Boolean(self.name, indicator=self._indicator)
        rows = self.rows - self.gaps
        likes = {"number": self.numbers.like, "date": self.dates.like, "time": self.clocks}
        kind = max(likes, key=lambda one: likes[one])
        if likes[kind] == rows:
            return self._written(kind)
        others = [text for text in self.texts if not self._is(kind, text)]
        if 2 * likes[kind] >= rows or (likes[kind] and all(_NOTHING.fullmatch(text) for text in others)):
            raise self._almost(kind, likes[kind], rows, others)
        return self._category()

    def _is(self, kind: str, text: str) -> bool:
        """Whether a text is what most are."""
        if kind == "number":
            written = self.numbers.form() or Written()
            return written.parse(text) is not None
        if kind == "time":
            return parse_clock(text) is not None
        study = DateStudy(self.dates.forms()[0] if self.dates.like else None)
        study.add([text], np.ones(1, dtype=np.int64))
        return study.like > 0

    def _written(self, kind: str) -> Column:
        """Return the column of texts that all are numbers, dates or times."""
        if kind == "time":
            return Time(self.name, indicator=self._indicator)
        example = next(iter(self.texts))
        if kind == "number":
            written = self.numbers.form()
            if written is None:
                text = next(text for text in self.texts if "," in text)
                raise self._refused(
                    f"has texts such as {text!r:.60}, in which the comma may stand before a fraction or between "
                    "thousands; say decimal=',' or thousands=','"
                )
            note = "" if written == Written() else f"texts such as {example!r:.40}"
            whole = self.numbers.whole
            return Number(self.name, note, indicator=self._indicator, whole=whole, **written._asdict())
        found = self.dates.forms()
        if len(found) > 1:
            raise self._refused(
                f"has dates such as {example!r:.60}, of which the day may stand first or the month; say "
                + " or ".join(f"date_format={form!r}" for form in found[:2])
            )
        return Date(self.name, f"texts such as {example!r:.40}", indicator=self._indicator, format=found[0])

    def _category(self) -> Column:
        """Return the column of texts that are names of something."""
        texts, other, missing = dict(self.texts), False, False
        note = ""
        if self.rules.other is not None:
            total = self.rows - self.gaps
            least = ceil(self.rules.other * total) if isinstance(self.rules.other, float) else self.rules.other
            often = sorted((text for text in texts if texts[text] >= least), key=lambda text: (-texts[text], text))
            kept = often[: MOST_CATEGORIES - 1]
            if not kept:
                return Dropped(self.name, f"each of its {len(texts)} texts is rare")
            rare, other = len(texts) - len(kept), True
            note = f"{rare} rare ones count as others" if rare else ""
            texts = {text: texts[text] for text in kept}
        elif len(texts) > MOST_CATEGORIES:
            raise self._refused(
                f"has {'more than ' * bool(self.uncounted)}{len(texts)} different texts, more than {MOST_CATEGORIES}; "
                f"other=10 puts those of fewer than 10 rows together, drop=[{self.name!r}] leaves the column out"
            )
        fill = None
        if self.rules.impute is not None and texts:
            missing = self.gaps > 0
            if self.rules.impute == "most_frequent" or not missing:
                fill = min(texts, key=lambda text: (-texts[text], text))
        return Category(self.name, note, tuple(sorted(texts)), other, fill, missing)

    def target(self) -> Column:
        """Return what the column is as a target: a number, a boolean or a category without gaps."""
        who = self.rules.markers.who
        if self.gaps:
            where = f" in {self.gaps_where}" if self.gaps_where else ""
            raise ValueError(
                f"{who}: column {self.name!r} has {self.gaps} missing values in {self.rows} rows{where}, and is the "
                "target; fill them or drop those rows"
            )
        study = replace_rules(self, impute=None, other=None)
        texts = "text" in self.seen and len(self.seen) == 1
        result = study._of_targets() if texts else study.column()
        if not isinstance(result, Number | Boolean | Category):
            raise ValueError(
                f"{who}: expected numbers, booleans or classes in the target {self.name!r}, got {result.kind}s; turn "
                "them into numbers"
            )
        return result

    def _of_targets(self) -> Column:
        """Return what a target of texts is; it may have more of them than a feature."""
        rows = self.rows - self.gaps
        if len(self.texts) <= MOST_CATEGORIES or 2 * max(self.numbers.like, self.dates.like, self.clocks) >= rows:
            return self._of_texts()
        if len(self.texts) > MOST_CLASSES:
            raise self._refused(f"is the target and has more than {MOST_CLASSES} different texts")
        return Category(self.name, "", tuple(sorted(self.texts)))

    # ---- what is said ------------------------------------------------------------------------------------------------

    def _refused(self, what: str, example: bool = False) -> ValueError:
        got = f", such as {next(iter(self.texts))!r:.60}" if example and self.texts else ""
        return ValueError(f"{self.rules.markers.who}: column {self.name!r} {what}{got}")

    def _almost(self, kind: str, like: int, rows: int, others: list[str]) -> ValueError:
        values = ", ".join(repr(text) for text in others[:3])
        name = self.name
        return self._refused(
            f"has texts of which {like} of {rows} are {kind}s, the others such as {values:.100}; "
            f"na_values={others[:3]} takes these for gaps, kinds={{{name!r}: 'category'}} every text for a category, "
            f"drop=[{name!r}] leaves the column out"
        )

    def _several(self, one: str, other: str) -> ValueError:
        first, second = (f" in {self.seen[kind]}" if self.seen[kind] else "" for kind in (one, other))
        return ValueError(
            f"{self.rules.markers.who}: expected one kind of values in column {self.name!r}, got {one}s{first} and "
            f"{other}s{second}; turn them into one kind, or leave it out: drop=[{self.name!r}]"
        )

    def _warn_of_counts(self, column: Column) -> None:
        """Warn of a column that says which row it is."""
        rows = self.rows - self.gaps
        alike = isinstance(column, Category) and len(self.texts) == rows and self.rules.other is None
        if self.name in self.rules.kinds or rows < _SURE:
            return
        if (isinstance(column, Number) and "text" not in self.seen and self.whole and self.counting.counts) or alike:
            warn(
                f"{self.rules.markers.who}: column {self.name!r} has another value in every row"
                f"{'' if alike else ', in order,'} and may be their number, which says nothing about rows to come; "
                f"drop=[{self.name!r}] leaves it out, kinds={{{self.name!r}: {column.kind!r}}} keeps it",
                stacklevel=2,
            )


def replace_rules(study: ColumnStudy, **changes: Any) -> ColumnStudy:
    """Return a view of a study under other rules."""
    result = copy(study)
    result.rules = replace(study.rules, **changes)
    return result
