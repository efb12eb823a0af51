"""The rows that a network gets most wrong."""

from typing import Any

import numpy as np

from fastnn.layers.base import Shape
from fastnn.markup.html import Html, element, table
from fastnn.reporting.figures import plot_images
from fastnn.reporting.sections import picture
from fastnn.reporting.subject import Subject


def worst(subject: Subject, rows: int, X: Any, shape: Shape | None) -> Html:
    """Return at most so many rows that the network got wrong: a table, and pictures if they are images."""
    order, true, predicted, listed = (_values if subject.classes is None else _classes)(subject, rows)
    if not len(order):
        return element("p", f"All {subject.rows:,} rows were answered right.")
    if shape is None:
        return listed
    images = np.asarray(X)[order].reshape(len(order), *shape)
    titles = [f"{i}: {t}, not {p}" for i, t, p in zip(order, true, predicted, strict=True)]
    alt = f"The inputs of the rows in the table below, as images of {shape[0]} by {shape[1]}: " + "; ".join(titles)
    caption = f"Row: true {'value' if subject.classes is None else 'class'}, not the predicted one."
    return Html(picture(plot_images(images, titles), "worst", alt, caption) + listed)


Found = tuple[np.ndarray, list[str], list[str], Html]


def _classes(subject: Subject, most: int) -> Found:
    """Return the rows, their true and predicted classes, and a table; the least probable truth first."""
    assert subject.classes is not None
    wrong, shares = np.flatnonzero(subject.predicted != subject.true), subject.probabilities
    if shares is not None:
        wrong = wrong[np.argsort(shares[wrong, subject.true[wrong]], kind="stable")]
    order = wrong[:most]
    true, predicted = ([subject.classes[k] for k in part[order]] for part in (subject.true, subject.predicted))
    head, columns = ["row", "true", "predicted"], [[f"{i:,}" for i in order], true, predicted]
    caption = f"{len(order):,} of {len(wrong):,} rows that were answered wrong"
    if shares is not None:
        head += ["probability of the predicted", "of the true class"]
        columns += [[f"{v:.3f}" for v in shares[order, part[order]]] for part in (subject.predicted, subject.true)]
        caption += ", the least probable truth first"
    return order, true, predicted, table(head, list(zip(*columns, strict=True)), caption=caption, texts=3)


def _values(subject: Subject, most: int) -> Found:
    """Return the rows of largest error, their true and predicted values, and a table."""
    spread = subject.true.std(axis=0)
    size = np.abs(subject.predicted - subject.true) / np.where(spread > 0, spread, 1)
    order = np.argsort(-size.max(axis=1), kind="stable")[:most]
    column = size[order].argmax(axis=1)
    true, predicted = subject.true[order, column], subject.predicted[order, column]
    head, columns = ["row"], [[f"{i:,}" for i in order]]
    caption = "The rows of largest error"
    if subject.true.shape[1] > 1:
        head, columns = [*head, "output"], [*columns, [str(j + 1) for j in column]]
        caption += ", in standard deviations of the output"
    columns += [[f"{v:.5g}" for v in values] for values in (true, predicted, predicted - true)]
    listed = table([*head, "true", "predicted", "error"], list(zip(*columns, strict=True)), caption=caption)
    return order, [f"{v:.4g}" for v in true], [f"{v:.4g}" for v in predicted], listed
