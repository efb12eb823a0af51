"""What a classifier of two classes gains and loses with the threshold above which it says yes."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Curves:
    """Counts at every threshold, from the highest down: a row is taken for yes where its probability is at least that.

    ``thresholds`` are the distinct probabilities, float64 of shape (T,); ``hits`` and ``alarms`` the rows of the second
    and of the first class that are taken for yes, ``yes`` and ``no`` how many of each there are.
    """

    thresholds: np.ndarray
    hits: np.ndarray
    alarms: np.ndarray
    yes: int
    no: int

    @property
    def recall(self) -> np.ndarray:
        """Share of the second class that is found, also called true positive rate."""
        return self.hits / self.yes

    @property
    def false_positive_rate(self) -> np.ndarray:
        """Share of the first class that is taken for the second."""
        return self.alarms / self.no

    @property
    def precision(self) -> np.ndarray:
        """Share of what is taken for the second class that belongs to it."""
        return self.hits / (self.hits + self.alarms)

    @property
    def f1(self) -> np.ndarray:
        """``2 TP / (2 TP + FP + FN)``."""
        return 2 * self.hits / (self.hits + self.alarms + self.yes)

    @property
    def roc_auc(self) -> float:
        """Area under the curve: how often a row of the second class ranks above one of the first."""
        return float(np.trapezoid(np.r_[0, self.recall], np.r_[0, self.false_positive_rate]))

    @property
    def average_precision(self) -> float:
        """Mean of the precision, weighted by the rise of the recall."""
        return float(np.diff(np.r_[0, self.recall]) @ self.precision)

    @property
    def best(self) -> int:
        """Place of the threshold with the highest F1."""
        return int(self.f1.argmax())

    def at(self, threshold: float) -> int | None:
        """Return the place of the last threshold that is not below this one; None if nothing is taken for yes there."""
        found = int(np.searchsorted(-self.thresholds, -threshold, side="right")) - 1
        return None if found < 0 else found


def curves(yes: np.ndarray, true: np.ndarray) -> Curves | None:
    """Return the counts for probabilities of the second class and class numbers 0 and 1; None if one never occurs."""
    total = int(true.sum())
    if total in (0, len(true)):
        return None
    order = np.argsort(-yes, kind="stable")
    sure, right = yes[order], true[order].cumsum()
    last = np.flatnonzero(np.r_[np.diff(sure) != 0, True])  # of rows that are equally sure
    return Curves(sure[last], right[last], last + 1 - right[last], total, len(true) - total)
