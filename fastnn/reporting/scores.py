"""Figures of a report that no metric gives: scores by class."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class ClassScores:
    """Scores of each of K classes, float64; NaN where they say nothing (0/0)."""

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray

    @property
    def macro_f1(self) -> float:
        """Mean of F1 over the classes that occur, among the true or the predicted ones."""
        return float(np.nanmean(self.f1))


def class_scores(matrix: np.ndarray) -> ClassScores:
    """Return precision ``TP / (TP + FP)``, recall ``TP / (TP + FN)`` and ``F1 = 2 TP / (2 TP + FP + FN)`` by class.

    ``matrix`` is what ``confusion_matrix`` gives: true classes in rows.
    """
    hits, true, found = np.diag(matrix).astype(np.float64), matrix.sum(axis=1), matrix.sum(axis=0)
    with np.errstate(invalid="ignore"):
        return ClassScores(hits / found, hits / true, 2 * hits / (true + found), true)
