"""Splitting rows at random into a part to train on and a part to test on."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn._spec import above_0
from fastnn.data.containers import column_or_numbers, opened, take_rows

Array = npt.NDArray[Any]


def split(
    X: Any, y: Any, fraction: float = 0.2, *, stratify: bool = False, seed: int | None = 0
) -> tuple[Any, Any, Any, Any]:
    """Split rows at random into a training part and a test part.

    Parameters
    ----------
    X : array_like of shape (B, ...) or data frame
        Inputs.
    y : array_like of shape (B, ...) or data frame
        Targets.
    fraction : float, default 0.2
        Part of the rows that goes to the test part, above 0 and below 1; rounded to whole rows, at least one on each
        side.
    stratify : bool, default False
        Whether each class (each distinct value or one-hot row of ``y``) keeps its share in both parts, to within one
        row.
    seed : int or None, default 0
        Seed of the shuffle; None takes a new one each time.

    Returns
    -------
    X_train, X_test, y_train, y_test : ndarray or data frame
        Copies, in random order.  Of a data frame such frames, their columns as they were; of one that pyarrow reads
        Arrow tables.

    Raises
    ------
    ValueError
        If the numbers of rows differ or are less than 2, the fraction is out of range, or a class to stratify has only
        one row.

    Examples
    --------
    >>> import fastnn as fn
    >>> X, y = fn.data.load_digits()
    >>> X_train, X_test, y_train, y_test = fn.data.split(X, y, stratify=True)
    >>> len(X_train), len(X_test)
    (1438, 359)
    """
    inputs, targets = _with_rows(X), _with_rows(y)
    if not inputs.shape or not targets.shape or len(inputs) != len(targets):
        raise ValueError(f"split: expected as many rows in X as in y, got shapes {inputs.shape} and {targets.shape}")
    above_0("split", "fraction", fraction)
    rows = len(inputs)
    if rows < 2 or fraction >= 1.0:
        raise ValueError(f"split: expected at least 2 rows and a fraction below 1, got {rows} rows and {fraction!r}")
    test_rows = min(max(round(fraction * rows), 1), rows - 1)
    rng = np.random.default_rng(seed)
    order = rng.permutation(rows)
    if stratify:
        order = _test_first_by_class(column_or_numbers("split", "y", targets), order, test_rows)
    test, train = rng.permutation(order[:test_rows]), rng.permutation(order[test_rows:])
    X_train, X_test, y_train, y_test = (take_rows(table, part) for table in (inputs, targets) for part in (train, test))
    return X_train, X_test, y_train, y_test


def _with_rows(values: Any) -> Any:
    """Return a frame to take rows of, or an array of all else."""
    frame = opened(values)
    return np.asarray(values) if frame is None else frame


def _test_first_by_class(targets: Array, order: Array, test_rows: int) -> Array:
    """Reorder so that the first ``test_rows`` rows hold each class by its share (largest remainders round up)."""
    keys = targets.reshape(len(targets), -1)
    axis = 0 if keys.shape[1] > 1 else None  # objects, as texts of pandas are, have an order only one by one
    classes, index, counts = np.unique(keys, axis=axis, return_inverse=True, return_counts=True)
    if counts.min() < 2:
        raise ValueError(
            f"split: expected at least 2 rows of each class to stratify, got 1 of class "
            f"{classes[counts.argmin()].squeeze().tolist()!r:.60}; leave it out or use stratify=False"
        )
    exact = counts * (test_rows / len(targets))
    share = np.floor(exact).astype(np.int64)
    share[np.argsort(share - exact, kind="stable")[: test_rows - share.sum()]] += 1
    by_class = order[np.argsort(index.reshape(-1)[order], kind="stable")]
    position = np.concatenate([np.arange(count) for count in counts])
    is_test = position < np.repeat(share, counts)
    return np.concatenate([by_class[is_test], by_class[~is_test]])
