"""Columns of categories: one column of 0 and 1 for each."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn._spec import listed, require_flag
from fastnn.data.columns import Column, Numbers
from fastnn.data.texts import Markers
from fastnn.data.values import gaps_refused, texts_of

Array = npt.NDArray[Any]

MOST_CATEGORIES = 256


@dataclass(frozen=True, repr=False, eq=False)
class Category(Column):
    """A column of texts, one column of 0 and 1 for each.

    Parameters
    ----------
    categories : tuple of str
        Those that have a column of their own, in order.
    other : bool
        Whether there is a column for all others; without it they are refused.
    fill : str or None
        The category that gaps become.
    missing : bool
        Whether there is a column for gaps; with neither they are refused.
    """

    categories: tuple[str, ...] = ()
    other: bool = False
    fill: str | None = None
    missing: bool = False

    kind = "category"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("other", "missing"):
            require_flag(self.title, name, getattr(self, name))
        if len(set(self.categories)) != len(self.categories) or not (self.fill is None or self.fill in self.categories):
            raise ValueError(f"{self.title}: expected different categories, and a fill among them")

    @property
    def feature_names(self) -> list[str]:  # noqa: D102
        more = [f"{self.name}:other"] * self.other + [f"{self.name}:missing"] * self.missing
        return [f"{self.name}={one}" for one in self.categories] + more

    def text_wanted(self) -> bool:  # noqa: D102
        return True

    def encode(self, markers: Markers, column: Any) -> Numbers:  # noqa: D102
        places, gaps = self.places(markers, column, "; other=1 has a column for such")
        result = np.zeros((len(places), len(self.feature_names)))
        rows = np.flatnonzero(places >= 0)
        result[rows, places[rows]] = 1.0
        if self.missing:
            result[:, -1] = gaps
        return result

    def places(
        self, markers: Markers, column: Any, hint: str = ""
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """Return the place of each text among the categories, -1 for gaps without a fill, and where gaps are."""
        import pandas as pd

        texts = texts_of(markers, column)
        found, unique = pd.factorize(texts)
        gaps = found < 0
        if gaps.any() and self.fill is None and not self.missing:
            raise gaps_refused(markers.who, self.name, gaps)
        known = {text: place for place, text in enumerate(self.categories)}
        gap = -1 if self.fill is None else known[self.fill]
        unknown = len(self.categories) if self.other else -2
        places = np.array([*(known.get(text, unknown) for text in unique), gap], dtype=np.int64)[found]
        if not self.other and (places == -2).any():
            text = texts[int((places == -2).argmax())]
            raise ValueError(
                f"{markers.who}: column {self.name!r} has the unknown category {text!r:.60}; known: "
                f"{listed(self.categories)}{hint}"
            )
        return places, gaps

    def report(self) -> str:  # noqa: D102
        words = f"{len(self.categories)} categories" + " and others" * self.other + " and gaps" * self.missing
        gaps = "" if self.fill is None else f"gaps become {self.fill!r}"
        return "; ".join(part for part in (words, self.note, gaps) if part)
