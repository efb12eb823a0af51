"""What a user wants of the columns of a table, and what a table is that can be gone through again and again."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from fastnn.data.texts import Markers, Written, forms

KINDS = ("number", "category", "date", "time", "boolean")


@dataclass(frozen=True)
class Rules:
    """What the user wants: of `TableEncoder`."""

    markers: Markers
    kinds: dict[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    impute: str | None = None
    other: int | float | None = None
    decimal: str | None = None
    thousands: str | None = None
    date_format: str | None = None

    @property
    def forms(self) -> tuple[Written, ...]:
        """Return how numbers may be written."""
        return forms(self.decimal, self.thousands)


class Stretch(NamedTuple):
    """Some rows of a table as a pandas frame, and the file that they are from, if any."""

    frame: Any
    where: str = ""


class Source(Protocol):
    """A table that can be gone through again and again."""

    @property
    def title(self) -> str:
        """How messages call it."""

    @property
    def names(self) -> list[str]:
        """Its columns."""

    @property
    def index(self) -> list[str]:
        """Columns that are known to be an index."""

    def stretches(self, names: Sequence[str], texts: Sequence[str]) -> Iterator[Stretch]:
        """Yield stretches of some columns, in order; ``texts``: columns to leave as they are written."""
