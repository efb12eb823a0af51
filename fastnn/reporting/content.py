"""What stands in a report: scores first, then section by section."""

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np

from fastnn.graph.summary import total
from fastnn.layers.base import Shape
from fastnn.markup.html import Html
from fastnn.metrics import confusion_matrix, mean_absolute_error, mean_squared_error, r2
from fastnn.metrics.calibration import calibration
from fastnn.reporting import sections
from fastnn.reporting.mistakes import worst
from fastnn.reporting.page import page
from fastnn.reporting.page import scores as tiles
from fastnn.reporting.scores import class_scores
from fastnn.reporting.sight import sees_images, sight
from fastnn.reporting.subject import Subject
from fastnn.reporting.threshold import curves
from fastnn.training.history import History

Sections = list[tuple[str, Html]]
# What is shown of the scores, first of all, and how.
SHOWN = {
    "accuracy": ("accuracy", ".2%"), "most_frequent": ("most frequent class", ".2%"), "macro_f1": ("mean F1", ".3f"),
    "r2": ("R\u00b2", ".4f"), "mean_absolute_error": ("mean absolute error", ".4g"),
    "root_mean_squared_error": ("root mean squared error", ".4g"), "loss": ("loss", ".4g"),
    "roc_auc": ("area under the ROC curve", ".4f"), "average_precision": ("average precision", ".4f"),
    "calibration_error": ("calibration error", ".4f"),
}  # fmt: skip


def content(
    subject: Subject,
    title: str,
    history: History | None,
    names: Sequence[str] | None,
    shape: Shape | None,
    *,
    rows: int,
    seed: int,
    verbose: Any,
) -> tuple[str, dict[str, float]]:
    """Return the page, and the scores on it by name."""
    net = subject.net
    scores, parts = _regressed(subject, seed) if subject.classes is None else _classified(subject, subject.classes)
    parts.append(("Most wrong rows", worst(subject, rows, names, shape)))
    if sees_images(net):
        parts.append(("What it looks at", sight(subject)))
    parts += [
        ("Learning curves", sections.learning(history)),
        ("Network", Html(sections.architecture(net) + sections.training(net, history))),
    ]
    if net.n_params:
        parts.append(("Gradients and spreads", sections.gradients(subject, seed)))
    parts.append(("Importance of the inputs", sections.importance(subject, names, _plane(shape), seed, verbose)))
    lead = f"{subject.task.capitalize()}, judged by {subject.rows:,} rows. {total(net)}."
    first = [(name, format(scores[key], form)) for key, (name, form) in SHOWN.items() if key in scores]
    return page(title, lead, tiles(first), parts), scores


def _plane(shape: Shape | None) -> Shape | None:
    """Return how each input is a pixel, None if several are one."""
    if shape is None or len(shape) == 2:
        return shape
    return shape[:2] if shape[2] == 1 else None


def _classified(subject: Subject, classes: list[str]) -> tuple[dict[str, float], Sections]:
    """Return scores and sections of a classification."""
    counts = confusion_matrix(subject.true, subject.predicted, np.arange(len(classes)))
    found = class_scores(counts)
    scores = {
        "loss": subject.loss,
        "accuracy": float(counts.trace() / counts.sum()),
        "most_frequent": float(counts.sum(axis=1).max() / counts.sum()),
        "macro_f1": found.macro_f1,
    }
    curve = None if subject.probabilities is None else calibration(subject.probabilities, subject.true)
    if curve is not None:
        scores["calibration_error"] = curve.error
    parts: Sections = [("Confusion", sections.decisions(counts, found, classes))]
    two = (
        None
        if subject.probabilities is None or len(classes) != 2
        else curves(subject.probabilities[:, 1], subject.true)
    )
    if two is not None:
        scores |= {"roc_auc": two.roc_auc, "average_precision": two.average_precision}
        parts.append(("Threshold", sections.thresholds(two, classes[1])))
    return scores, [*parts, ("Calibration", sections.calibrated(curve))]


def _regressed(subject: Subject, seed: int) -> tuple[dict[str, float], Sections]:
    """Return scores and sections of a regression."""
    scores = {
        "loss": subject.loss,
        "r2": r2(subject.true, subject.predicted),
        "mean_absolute_error": mean_absolute_error(subject.true, subject.predicted),
        "root_mean_squared_error": sqrt(mean_squared_error(subject.true, subject.predicted)),
    }
    return scores, [("Errors", sections.errors(subject, seed))]
