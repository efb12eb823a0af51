"""The rows that a network gets most wrong."""

from collections.abc import Sequence
from math import prod

import numpy as np

from fastnn.data.ports import dense
from fastnn.layers.base import Shape
from fastnn.markup.html import Html, element, table
from fastnn.reporting.features import cells
from fastnn.reporting.figures import plot_images
from fastnn.reporting.sections import picture
from fastnn.reporting.subject import Subject

MOST_COLUMNS = 12  # of the inputs of a row


def worst(subject: Subject, rows: int, names: Sequence[str] | None, shape: Shape | None) -> Html:
    """Return at most so many rows that the network got wrong: tables of answers and inputs, or pictures of images."""
    order, true, predicted, listed = (_values if subject.classes is None else _classes)(subject, rows)
    if not len(order):
        return element("p", f"All {subject.rows:,} rows were answered right.")
    if shape is None:
        return Html(listed + _inputs(subject, order, names))
    images = shown(dense(subject.X[order]).reshape(len(order), *shape))
    titles = [f"{i}: {t}, not {p}" for i, t, p in zip(order, true, predicted, strict=True)]
    alt = f"The inputs of the rows in the table below, as images of {shape[0]} by {shape[1]}: " + "; ".join(titles)
    caption = f"Row: true {'value' if subject.classes is None else 'class'}, not the predicted one."
    return Html(picture(plot_images(images, titles), "worst", alt, caption) + listed)


def shown(images: np.ndarray) -> np.ndarray:
    """Return images as they are drawn: grey ones (B, H, W); colours (B, H, W, 3), from black 0 to white 1.

    Colours that are no bytes from 0 to 255, nor from 0 to 1, have black and white where the least and the largest are.
    """
    if images.shape[-1] == 1 and images.ndim == 4:
        return images[..., 0]
    if images.ndim == 3:
        return images
    low, high = float(images.min()), float(images.max())
    if low < 0 or high > 255:
        return (images - low) / (high - low)
    return images / (255.0 if high > 1 else 1.0)


def _inputs(subject: Subject, order: np.ndarray, names: Sequence[str] | None) -> Html:
    """Return what the network was given in these rows, as the user has it."""
    if len(subject.net.input_shapes) > 1:
        return Html("")
    head, columns = cells(subject.source, order, names, MOST_COLUMNS)
    size = prod(subject.net.input_shape) if subject.source.columns is None else len(subject.source.columns)
    caption = "Their inputs" + (f", the first {MOST_COLUMNS} of {size:,}" if size > MOST_COLUMNS else "")
    lines = zip([f"{i:,}" for i in order], *columns, strict=True)
    return table(["row", *head], list(lines), caption=caption)


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
