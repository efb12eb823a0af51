"""How much a network relies on each input: what is lost when the rows trade their values of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn._spec import require_count
from fastnn.insight.score import Valued, one_input
from fastnn.training.progress import track


@dataclass(frozen=True, eq=False, repr=False)
class PermutationImportance(Valued):
    """Importance of each element of the input; ``np.asarray`` gives the values.

    Attributes
    ----------
    values : ndarray of shape input_shape, or (groups,), float64
        Mean rise of the loss when the element is shuffled among the rows.  Near 0: the network does not need it.
    deviations : ndarray of the same shape, float64
        Standard deviation of that rise over the shuffles.
    loss : float
        Of the rows as they are.
    repeats : int
        Shuffles of each element.
    """

    values: np.ndarray
    deviations: np.ndarray
    loss: float
    repeats: int

    def __repr__(self) -> str:
        worst = int(self.values.argmax())
        return (
            f"<PermutationImportance of {self.values.size} inputs; loss {self.loss:.4g}, "
            f"most for input {worst}: +{self.values.flat[worst]:.4g}>"
        )


def permutation_importance(
    net: Any,
    X: Any,
    y: Any,
    *,
    groups: Sequence[Sequence[int]] | None = None,
    repeats: int = 5,
    seed: int = 0,
    verbose: int | str = "auto",
) -> PermutationImportance:
    """Shuffle one element of the input after the other among the rows, and see how far the loss rises.

    Parameters
    ----------
    net : Network
        Compiled, with one input; left as it is.
    X : array_like of shape (B, *input_shape)
        At least 2 rows, better ones that the network has not learned from.
    y : array_like
        Targets as the loss takes them; for several outputs a list.
    groups : list of lists of int, optional
        Elements that are shuffled together, by their numbers in a flattened row, such as the columns made of one
        category; ``values`` has one for each group.  Each element by itself, if not given.
    repeats : int
        Shuffles of each element.
    seed : int
        Decides them.
    verbose : {"auto", 0, 1}
        1 a progress bar on stderr, if it takes more than a second; "auto": on a terminal; 0 none.

    Returns
    -------
    PermutationImportance
        ``values_i`` = mean over the shuffles of loss(X with element i shuffled) - loss(X).

    Raises
    ------
    TypeError, ValueError
        If the network has several inputs, there is only one row, or data or options do not fit.
    RuntimeError
        If the network is not compiled.

    Notes
    -----
    Breiman 2001, section 10; for any model Fisher, Rudin and Dominici 2019.  Of two inputs that say the same, each
    looks less important than both are together.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> net = fn.Sequential([fn.Dense(1)], input_shape=3, seed=0)
    >>> history = net.fit(X, 2 * X[:, 1], epochs=50, loss="squared_error", optimizer=fn.Adam(0.05))
    >>> found = fn.permutation_importance(net, X, 2 * X[:, 1])
    >>> int(found.values.argmax()), bool(abs(found.values[1] - 8) < 1)  # 2 a^2 var(x)
    (1, True)
    """
    who = "permutation_importance"
    require_count(who, "repeats", repeats)
    require_count(who, "seed", seed, low=0)
    one_input(who, net)
    (inputs,), targets, _, n = net.ports.batch(who, X, y, None)
    if n < 2:
        raise ValueError(f"{who}: expected at least 2 rows, got {n}; there is nothing to shuffle")
    rows = inputs.copy()  # packed rows may be the caller's own
    columns = rows.reshape(n, -1)

    def loss() -> float:
        total, weight = net.trainer.evaluate([rows], targets, None, [], n)
        return float(total / weight)

    before, random = loss(), np.random.default_rng(seed)
    together = [[i] for i in range(columns.shape[1])] if groups is None else _groups(who, groups, columns.shape[1])
    rises = np.empty((len(together), repeats))
    for i, group in enumerate(track(who, together, verbose, total=len(together), unit="input")):
        kept = columns[:, group].copy()
        for k in range(repeats):
            columns[:, group] = random.permutation(kept)
            rises[i, k] = loss() - before
        columns[:, group] = kept
    shape = net.input_shape if groups is None else (len(together),)
    return PermutationImportance(rises.mean(axis=1).reshape(shape), rises.std(axis=1).reshape(shape), before, repeats)


def _groups(who: str, groups: Any, size: int) -> list[list[int]]:
    """Return groups of elements, each within a row and in one group at most."""
    try:
        found = [[int(i) for i in group] for group in groups]
    except (TypeError, ValueError) as error:
        raise TypeError(f"{who}: expected groups to be a list of lists of numbers, got {groups!r:.80}") from error
    every = [i for group in found for i in group]
    if not found or not all(found) or len(set(every)) < len(every) or min(every) < 0 or max(every) >= size:
        raise ValueError(
            f"{who}: expected groups of numbers from 0 to {size - 1}, each in one of them at most, got {groups!r:.80}"
        )
    return found
