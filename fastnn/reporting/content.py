"""What stands in a report: scores first, then section by section."""

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np

from fastnn.graph.summary import total
from fastnn.layers.base import Shape
from fastnn.metrics import confusion_matrix, mean_absolute_error, mean_squared_error, r2
from fastnn.reporting import sections
from fastnn.reporting.mistakes import worst
from fastnn.reporting.page import Html, page
from fastnn.reporting.page import scores as tiles
from fastnn.reporting.scores import calibration, class_scores
from fastnn.reporting.subject import Subject
from fastnn.training.history import History

Parts = tuple[dict[str, float], list[tuple[object, object]], list[tuple[str, Html]]]


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
    scores, first, parts = (
        _regressed(subject, seed) if subject.classes is None else _classified(subject, subject.classes)
    )
    parts += [
        ("Most wrong rows", worst(subject, rows, subject.X, shape)),
        ("Learning curves", sections.learning(history)),
        ("Network", Html(sections.architecture(net) + sections.training(net, history))),
    ]
    if net.n_params:
        parts.append(("Gradients and spreads", sections.gradients(subject, seed)))
    parts.append(("Importance of the inputs", sections.importance(subject, names, shape, seed, verbose)))
    lead = f"{subject.task.capitalize()}, judged by {subject.rows:,} rows. {total(net)}."
    return page(title, lead, tiles(first), parts), scores


def _classified(subject: Subject, classes: list[str]) -> Parts:
    """Return scores, what of them comes first, and the sections of a classification."""
    counts = confusion_matrix(subject.true, subject.predicted, np.arange(len(classes)))
    found = class_scores(counts)
    scores = {
        "loss": subject.loss,
        "accuracy": float(counts.trace() / counts.sum()),
        "most_frequent": float(counts.sum(axis=1).max() / counts.sum()),
        "macro_f1": found.macro_f1,
    }
    first: list[tuple[object, object]] = [
        ("accuracy", f"{scores['accuracy']:.2%}"),
        ("most frequent class", f"{scores['most_frequent']:.2%}"),
        ("mean F1", f"{scores['macro_f1']:.3f}"),
        ("loss", f"{subject.loss:.4g}"),
    ]
    curve = None if subject.probabilities is None else calibration(subject.probabilities, subject.true)
    if curve is not None:
        scores["calibration_error"] = curve.error
        first.append(("calibration error", f"{curve.error:.4f}"))
    parts = [
        ("Confusion", sections.decisions(counts, found, classes)),
        ("Calibration", sections.calibrated(curve)),
    ]
    return scores, first, parts


def _regressed(subject: Subject, seed: int) -> Parts:
    """Return scores, what of them comes first, and the sections of a regression."""
    scores = {
        "loss": subject.loss,
        "r2": r2(subject.true, subject.predicted),
        "mean_absolute_error": mean_absolute_error(subject.true, subject.predicted),
        "root_mean_squared_error": sqrt(mean_squared_error(subject.true, subject.predicted)),
    }
    first: list[tuple[object, object]] = [
        ("R\u00b2", f"{scores['r2']:.4f}"),
        ("mean absolute error", f"{scores['mean_absolute_error']:.4g}"),
        ("root mean squared error", f"{scores['root_mean_squared_error']:.4g}"),
        ("loss", f"{subject.loss:.4g}"),
    ]
    return scores, first, [("Errors", sections.errors(subject, seed))]
