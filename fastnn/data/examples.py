"""Examples that are made as they are needed, and never all at once."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

MADE_BYTES = 1 << 22  # of inputs made at a time, so that they are read while in the cache


class Examples:
    """Base of data that make their rows on demand: ``fit``, ``evaluate`` and ``predict`` ask for some at a time.

    Derive from it, and give it ``__len__``, the number of examples, and ``gather``; ``stream`` if they change by the
    epoch, or are made ahead.  ``fit`` shuffles all of them
    anew every epoch and holds some megabytes of rows at once.

    Attributes
    ----------
    epoch_size : int or None
        Examples that an epoch of a shuffled ``fit`` takes, at most; None: all.  The next epoch goes on where it
        ended, so that all have had their turn before one comes again.  Without shuffling all are taken.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> class Noisy(fn.Examples):
    ...     def __init__(self, X, y):
    ...         self.X, self.y, self.random = X, y, np.random.default_rng(0)
    ...     def __len__(self):
    ...         return len(self.X)
    ...     def gather(self, rows):
    ...         return self.X[rows] + self.random.normal(0, 0.1, self.X[rows].shape), self.y[rows]
    >>> net = fn.Sequential([fn.Dense(10)], input_shape=64, seed=0)
    >>> history = net.fit(Noisy(*fn.load_digits()), epochs=5, loss="cross_entropy")
    >>> history["loss"][-1] < history["loss"][0]
    True
    """

    epoch_size: int | None = None

    def __len__(self) -> int:
        """Return the number of examples."""
        raise NotImplementedError(f"{type(self).__name__}: expected a method __len__, the number of examples")

    def gather(self, rows: np.ndarray) -> tuple[Any, ...]:
        """Return the examples of these numbers.

        Parameters
        ----------
        rows : ndarray of shape (B,), int64
            Numbers from 0 to ``len(self) - 1``, in any order.

        Returns
        -------
        tuple
            ``(X, y)`` or ``(X, y, sample_weight)``, such as ``fit`` takes; for several inputs or outputs lists.
        """
        raise NotImplementedError(f"{type(self).__name__}: expected a method gather(rows) that gives (X, y)")

    def stream(self, parts: Sequence[np.ndarray], epoch: int | None) -> Iterator[tuple[Any, ...]]:
        """Yield the examples of each part in turn: what ``fit`` and ``evaluate`` take.

        By default ``gather`` of each.  Override it where examples differ from epoch to epoch, or are made ahead of
        training by other threads.

        Parameters
        ----------
        parts : sequence of ndarray of shape (B,), int64
            Numbers of examples.
        epoch : int or None
            Number of the epoch, from 0, over all fits of the network; None: not to learn from, but to judge by.

        Yields
        ------
        tuple
            As ``gather`` returns it.
        """
        for rows in parts:
            yield self.gather(rows)


def count_of(who: str, examples: Examples) -> int:
    """Return how many examples there are; ValueError if there are none."""
    n = len(examples)
    if n < 1:
        raise ValueError(f"{who}: expected at least one example, got none in {examples!r:.200}")
    return n
