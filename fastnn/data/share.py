"""A table dealt out to several processes: each has its rows, and its part of every mini-batch of all."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastnn._spec import require_count
from fastnn.data.table_files import Part


@dataclass(frozen=True)
class Share:
    """What process ``rank`` of ``size`` has of ``total`` rows in mini-batches of ``batch_size`` over all of them.

    Of every mini-batch each process has as many rows as the others, or one more.  A last one with fewer rows than
    there are processes joins the one before, so that each of them has rows of each.
    """

    rank: int
    size: int
    total: int
    batch_size: int

    @property
    def rows(self) -> int:
        """Its rows."""
        return self._among(self.total)

    @property
    def first(self) -> int:
        """The number of its first row: the rows of all processes before it lie before them."""
        return self.rank * (self.total // self.size) + min(self.rank, self.total % self.size)

    def end(self, batches: int) -> int:
        """Return how many of its rows are in the first so many mini-batches."""
        n = min(batches * self.batch_size, self.total)
        return self._among(self.total if self.total - n < self.size else n)

    def _among(self, n: int) -> int:
        """Return its rows among the first n that are learned from, which the processes have in turn."""
        return (n + self.size - 1 - self.rank) // self.size

    def of(self, parts: Sequence[Part]) -> list[Part]:
        """Return its parts of a table whose parts all say how many rows they have, the outer two perhaps cut."""
        result, start, stop = [], self.first, self.first + self.rows
        for part in parts:
            assert part.rows is not None
            first, last = max(start, 0), min(stop, part.rows)
            if first < last:
                result.append(part._replace(first=first, rows=last - first))
            start, stop = start - part.rows, stop - part.rows
        return result


def require_share(who: str, share: Any) -> None:
    """Raise TypeError or ValueError unless it is (rank, size) of processes that are counted from 0."""
    if not isinstance(share, tuple | list) or len(share) != 2:
        raise TypeError(f"{who}: expected share to be (rank, size) such as (0, 4), got {share!r:.60}")
    require_count(who, "the size in share", share[1])
    require_count(who, f"the rank in share, of {share[1]} processes,", share[0], low=0, high=share[1] - 1)
