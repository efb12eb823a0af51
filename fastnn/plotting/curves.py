"""Plots: learning curves and confusion matrices, drawn without any global state of matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastnn.plotting.figure import (
    BLACK,
    BLUE,
    GOLD,
    GREEN,
    ORANGE,
    TEAL,
    VIOLET,
    dress,
    finish,
    new_figure,
    plain_numbers,
)
from fastnn.training.history import History

_METRICS = (GREEN, VIOLET, GOLD, TEAL)
_NOT_METRICS = {"loss", "val_loss", "learning_rate", "seconds", "samples", "epochs"}


def plot_history(
    history: History | Mapping[str, Sequence[float]], path: str | Path | None = None, *, log: bool = True
) -> Any:
    """Draw the learning curves: training and validation loss, and the metrics on an axis of their own.

    The epoch of the least validation loss is marked.

    Parameters
    ----------
    history : History or mapping of str to list of float
        What ``fit`` returned, or its ``to_dict()``.
    path : str or Path, optional
        Where to write the picture; the suffix says the format (.png, .svg, .pdf).
    log : bool, default True
        Whether the losses have a logarithmic axis; it is linear when one of them is not above 0.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, with an Agg canvas: no window, no global state, usable in threads.

    Raises
    ------
    ValueError
        If there is no epoch to draw.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import fastnn as fn
    >>> history = fn.history.History()
    >>> for epoch in (1, 2, 3):
    ...     history.append(epoch, loss=1 / epoch, val_loss=1.1 / epoch)
    >>> figure = fn.plotting.plot_history(history)
    """
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in history.items()}
    losses: dict[str, Any] = {name: columns[name] for name in ("loss", "val_loss") if name in columns}
    if not losses or not len(next(iter(losses.values()))):
        raise ValueError(f"plot_history: expected a history with a loss, got {', '.join(columns) or 'no columns'}")
    count = len(next(iter(losses.values())))
    epochs = np.asarray(history.epochs if isinstance(history, History) else columns.get("epochs", range(1, count + 1)))
    figure = new_figure("plot_history", 8.0, 4.8)
    axes = figure.add_subplot()
    names = {"loss": ("training loss", BLUE), "val_loss": ("validation loss", ORANGE)}
    marker = "o" if count <= 30 else None
    for name, values in losses.items():
        text, color = names[name]
        axes.plot(epochs, values, color=color, label=text, linewidth=2, marker=marker, markersize=3.5)
    finite = np.concatenate([values[np.isfinite(values)] for values in losses.values()])
    if log and finite.size and (finite > 0).all():
        axes.set_yscale("log")
        plain_numbers(axes.yaxis)
    dress(axes, "epoch", "loss")
    metrics = {name: values for name, values in columns.items() if name not in _NOT_METRICS}
    if metrics:
        _plot_metrics(axes.twinx(), epochs, metrics, marker)
    _mark_best(axes, epochs, losses)
    handles = [line for one in figure.axes for line in one.get_legend_handles_labels()[0]]
    columns_of_legend = len(handles) if len(handles) <= 4 else 3
    figure.legend(handles=handles, loc="outside upper center", ncols=columns_of_legend, fontsize=10, frameon=False)
    return finish(figure, path)


def plot_confusion_matrix(
    matrix: npt.ArrayLike, path: str | Path | None = None, labels: Sequence[object] | None = None
) -> Any:
    """Draw a confusion matrix: the count in each cell, coloured by its share of the true class.

    Other parameters are those of plot_history.

    Parameters
    ----------
    matrix : array_like of shape (K, K)
        Counts, true classes in rows, predicted ones in columns, as `fastnn.metrics.confusion_matrix` gives them.
    labels : sequence of length K, optional
        Names of the classes; 0 to K-1 where they are left out.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ValueError
        If the matrix is not square, or the number of labels is another.

    Examples
    --------
    >>> import fastnn as fn
    >>> figure = fn.plotting.plot_confusion_matrix([[8, 2], [1, 9]], labels=["cat", "dog"])
    """
    counts = np.asarray(matrix)
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1] or not counts.size:
        raise ValueError(f"plot_confusion_matrix: expected a square matrix (K, K), got shape {counts.shape}")
    classes = len(counts)
    names = [str(label) for label in (range(classes) if labels is None else labels)]
    if len(names) != classes:
        raise ValueError(f"plot_confusion_matrix: expected {classes} labels, got {len(names)}")
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = min(max(4.5, 1.8 + 0.55 * classes), 14.0)
    figure = new_figure("plot_confusion_matrix", side * 1.18 + 0.5, side)
    axes = figure.add_subplot()
    image = axes.imshow(share, cmap="Blues", vmin=0.0, vmax=1.0)
    figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03).set_label("share of the true class", fontsize=11)
    rotation = 90 if max(map(len, names)) > 4 else 0
    axes.set_xticks(range(classes), names, rotation=rotation, fontsize=10, parse_math=False)
    axes.set_yticks(range(classes), names, fontsize=10, parse_math=False)
    axes.set_xlabel("predicted", fontsize=12)
    axes.set_ylabel("true", fontsize=12)
    if classes <= 20:
        for row, column in np.ndindex(classes, classes):
            if counts[row, column]:
                color = "white" if share[row, column] > 0.55 else BLACK
                text = f"{counts[row, column]:g}"
                axes.text(column, row, text, ha="center", va="center", color=color, fontsize=10)
    return finish(figure, path)


def _plot_metrics(axes: Any, epochs: Any, metrics: dict[str, Any], marker: str | None) -> None:
    for index, (name, values) in enumerate(metrics.items()):
        color, style = _METRICS[index % len(_METRICS)], "--"
        text = name.removeprefix("val_").replace("_", " ")
        label = f"validation {text}" if name.startswith("val_") else f"training {text}"
        axes.plot(epochs, values, style, color=color, label=label, linewidth=1.6, marker=marker, markersize=3)
    names = {name.removeprefix("val_").replace("_", " ") for name in metrics}
    axes.set_ylabel(names.pop() if len(names) == 1 else "metric", fontsize=12)
    axes.tick_params(labelsize=11)
    axes.spines[["top"]].set_visible(False)


def _mark_best(axes: Any, epochs: Any, losses: dict[str, Any]) -> None:
    """A ring around the least validation loss, and a line down to its epoch."""
    values = losses.get("val_loss")
    if values is None or not np.isfinite(values).any():
        return
    best = int(np.nanargmin(values))
    axes.axvline(epochs[best], color=ORANGE, linewidth=1.0, linestyle=":", alpha=0.8)
    text = f"best: epoch {epochs[best]:g}, {values[best]:.4g}"
    axes.plot(epochs[best], values[best], "o", color=ORANGE, markersize=9, markerfacecolor="none", label=text)
