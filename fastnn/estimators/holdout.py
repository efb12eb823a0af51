"""Rows held out to validate on, drawn as scikit-learn's train_test_split draws them."""

from math import ceil

import numpy as np


def hold_out(
    n: int, fraction: float, random: np.random.RandomState, classes: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the row numbers to train and to validate on; with ``classes`` (N,) each class keeps its share.

    Raises ValueError if either part would be too small.
    """
    n_held = ceil(fraction * n)
    if n_held >= n:
        raise ValueError(f"validation_fraction: expected rows to be left to train on, got n_samples={n}; lower it")
    if classes is None:
        order = random.permutation(n)
        train, held = order[n_held:], order[:n_held]
    else:
        train, held = _by_class(n - n_held, n_held, classes, random)
    if len(held) < 2:
        raise ValueError(
            f"The validation set is too small: expected at least 2 rows, got {len(held)}. Increase "
            "'validation_fraction' or the size of your dataset."
        )
    return train, held


def _by_class(
    n_train: int, n_held: int, classes: np.ndarray, random: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Draw within each class."""
    labels, numbers, counts = np.unique(classes, return_inverse=True, return_counts=True)
    if counts.min() < 2:
        raise ValueError(
            "The least populated classes in y have only 1 member, but one must be trained on and one validated on. "
            f"Classes with too few members are: {[str(label) for label in labels[counts < 2]]}"
        )
    for part, size in (("training", n_train), ("validation", n_held)):
        if size < len(labels):
            raise ValueError(f"validation_fraction: {size} rows for {part} cannot hold all {len(labels)} classes")
    rows = np.split(np.argsort(numbers, kind="stable"), np.cumsum(counts)[:-1])
    to_train = _shares(counts, n_train, random)
    to_hold = _shares(counts - to_train, n_held, random)
    train, held = [], []
    for own, first, second in zip(rows, to_train, to_hold, strict=True):
        own = own[random.permutation(len(own))]
        train.append(own[:first])
        held.append(own[first : first + second])
    return random.permutation(np.concatenate(train)), random.permutation(np.concatenate(held))


def _shares(counts: np.ndarray, draws: int, random: np.random.RandomState) -> np.ndarray:
    """Return how many of ``draws`` fall to each class: in proportion, and largest remainders first, ties by lot."""
    exact = counts / counts.sum() * draws
    shares = np.floor(exact)
    missing = int(draws - shares.sum())
    for remainder in np.unique(exact - shares)[::-1]:
        if not missing:
            break
        tied = np.flatnonzero(exact - np.floor(exact) == remainder)
        chosen = random.choice(tied, size=min(len(tied), missing), replace=False)
        shares[chosen] += 1
        missing -= len(chosen)
    return shares.astype(int)
