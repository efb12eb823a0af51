"""The sections of a report: each shows what a metric, a plot or an insight function found."""

from collections.abc import Sequence
from dataclasses import MISSING, fields
from math import isnan, prod
from typing import Any

import numpy as np

from fastnn._version import __version__
from fastnn.graph.summary import rows_of, total
from fastnn.insight.flow import flow_rows, gradient_flow
from fastnn.insight.histograms import histograms
from fastnn.insight.importance import permutation_importance
from fastnn.insight.plots import plot_gradient_flow, plot_histograms, plot_importance
from fastnn.layers.base import Shape
from fastnn.markup.html import Html, element, pairs, table
from fastnn.metrics.calibration import Calibration
from fastnn.network import Network
from fastnn.plotting import plot_confusion_matrix, plot_history
from fastnn.reporting.features import groups_of
from fastnn.reporting.figures import MOST_POINTS, plot_calibration, plot_regression, plot_thresholds, svg
from fastnn.reporting.page import matrix
from fastnn.reporting.scores import ClassScores
from fastnn.reporting.subject import Subject
from fastnn.reporting.threshold import Curves
from fastnn.training.history import History

MOST_CELLS, MOST_TICKS = 20, 100  # classes up to which there is a matrix of counts, or a picture of one
MOST_CLASSES, MOST_PAIRS, MOST_OUTPUTS = 60, 20, 6
FLOW_ROWS = 512  # of gradient flow and histograms
IMPORTANCE_WORK, IMPORTANCE_ROWS, REPEATS = 2e10, 50, 5  # multiply-adds in all, rows at least, shuffles


def picture(figure: Any, name: str, alt: str, caption: str) -> Html:
    """Return a figure with the words for those who do not see it, and a caption."""
    return element("figure", Html(svg(figure, name, alt)), element("figcaption", caption))


def confusion(counts: np.ndarray, names: Sequence[str]) -> Html:
    """Return the confusion matrix: a table of counts, a picture where classes are many, pairs where they are more."""
    caption = "Rows: the true class. Columns: the predicted one. Colour: share of the true class."
    if len(names) <= MOST_CELLS:
        note = element("p", caption, class_="note")
        return element("div", matrix(counts.tolist(), names, caption="Confusion matrix"), note)
    wrong = counts - np.diag(np.diag(counts))
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_PAIRS]
    where = [np.unravel_index(i, wrong.shape) for i in order if wrong.flat[i]]
    pairs_table = table(
        ("true", "predicted", "rows", "share of the true class"),
        [(names[i], names[j], f"{wrong[i, j]:,}", f"{wrong[i, j] / counts[i].sum():.1%}") for i, j in where],
        caption=f"The {len(where)} most frequent confusions",
        texts=2,
    )
    if len(names) > MOST_TICKS:
        return pairs_table
    alt = f"Confusion matrix of {len(names)} classes; its most frequent confusions stand in the table below."
    return Html(picture(plot_confusion_matrix(counts, labels=names), "confusion", alt, caption) + pairs_table)


def by_class(found: ClassScores, names: Sequence[str]) -> Html:
    """Return precision, recall and F1 by class; of many classes those with the lowest F1."""
    order, caption = range(len(names)), "By class"
    if len(names) > MOST_CLASSES:
        order = np.argsort(np.nan_to_num(found.f1, nan=2), kind="stable")[:MOST_CLASSES].tolist()
        caption = f"The {MOST_CLASSES} classes of lowest F1, of {len(names)}"
    shares = (found.precision, found.recall, found.f1)
    texts = [["-" if isnan(value) else f"{value:.3f}" for value in share] for share in shares]
    rows = [(names[i], *(text[i] for text in texts), f"{found.support[i]:,}") for i in order]
    what = (
        "Precision: share of the rows taken for this class that belong to it. Recall: share of its rows that were "
        "found. F1: the harmonic mean of both. Rows: how many of them there are."
    )
    head = ("class", "precision", "recall", "F1", "rows")
    return Html(table(head, rows, caption=caption) + element("p", what, class_="note"))


def decisions(counts: np.ndarray, found: ClassScores, names: Sequence[str]) -> Html:
    """Return confusion matrix and scores by class, beside each other where there is room."""
    return element("div", confusion(counts, names), element("div", by_class(found, names)), class_="beside")


def thresholds(found: Curves, name: str) -> Html:
    """Return what moving the threshold of two classes trades."""
    half = found.at(0.5)
    rows: list[tuple[str, ...]] = []
    for what, place in (("0.5", half), (f"{found.thresholds[found.best]:.4g}, of the best F1", found.best)):
        if place is None:
            rows.append((what, "-", f"{0:.3f}", f"{0:.3f}", f"{0:.3f}", "0"))
            continue
        shares = (found.precision, found.recall, found.f1, found.false_positive_rate)
        rows.append(
            (what, *(f"{share[place]:.3f}" for share in shares), f"{found.hits[place] + found.alarms[place]:,}")
        )
    head = (
        "taken for it from a probability of",
        "precision",
        "recall",
        "F1",
        "false positive rate",
        "rows taken for it",
    )
    listed = table(head, rows, caption=f"Thresholds of {name}")
    said = (
        f"Area under the ROC curve {found.roc_auc:.4f}: so often a row of {name} gets a higher probability of it than "
        f"one that is none. Average precision {found.average_precision:.4f}, by chance "
        f"{found.yes / (found.yes + found.no):.4f}."
    )
    alt = f"ROC and precision-recall curve; area under the ROC curve {found.roc_auc:.4f}."
    caption = "Left: ROC curve. Right: precision and recall. Dashed: by chance."
    return Html(element("p", said) + picture(plot_thresholds(found), "threshold", alt, caption) + listed)


def calibrated(found: Calibration | None) -> Html:
    """Return the calibration curve, or why there is none."""
    if found is None:
        return element("p", "The outputs are scores and no probabilities, so there is nothing to calibrate.")
    over = float(found.counts @ (found.confidence - found.accuracy))
    tendency = "overconfident" if over > 0 else "underconfident"
    said = (
        f"Expected calibration error {found.error:.4f}: by so much, averaged over the rows, the probability of an "
        f"answer differs from how often such answers are right. On the whole the network is {tendency}."
    )
    points = "; ".join(f"{c:.2f}: {a:.2f}" for c, a in zip(found.confidence, found.accuracy, strict=True))
    alt = f"Calibration curve: mean probability of the answer, and share that is right: {points}."
    caption = "Above: on the dashed line the network is right as often as it is sure. Below: how many rows."
    return Html(element("p", said) + picture(plot_calibration(found), "calibration", alt, caption))


def errors(subject: Subject, seed: int) -> Html:
    """Return what the errors of a regression look like."""
    true, predicted = subject.true[:, :MOST_OUTPUTS], subject.predicted[:, :MOST_OUTPUTS]
    outputs = subject.true.shape[1]
    names = [""] if outputs == 1 else [f"(output {i + 1})" for i in range(true.shape[1])]
    caption = (
        "Left: predicted over true values; on the line they agree. Middle: error, predicted - true. Right: errors."
    )
    if subject.rows > MOST_POINTS:
        caption += f" Points are {MOST_POINTS:,} of {subject.rows:,} rows, at random; the histogram counts all."
    if outputs > MOST_OUTPUTS:
        caption += f" The first {MOST_OUTPUTS} of {outputs} outputs."
    error = predicted - true
    alt = f"Errors from {error.min():.4g} to {error.max():.4g}, mean {error.mean():.4g}, for true values from "
    alt += f"{true.min():.4g} to {true.max():.4g}."
    return picture(plot_regression(true, predicted, names, seed), "errors", alt, caption)


def learning(history: History | None) -> Html:
    """Return the learning curves."""
    if history is None or not history.epochs:
        return element("p", "There is no history: the network was trained elsewhere, step by step, or not at all.")
    alt = f"Learning curves over {len(history.epochs)} epochs."
    for name, values in history.items():
        if name not in ("learning_rate", "seconds"):
            alt += f" {name}: from {values[0]:.4g} to {values[-1]:.4g}."
    caption = "Loss after each epoch."
    if "val_loss" in history and not all(map(isnan, history["val_loss"])):
        epoch, value = history.best("val_loss")
        caption = f"Loss after each epoch; the least validation loss, {value:.4g}, was reached in epoch {epoch}."
    return picture(plot_history(history), "learning", alt, caption)


def architecture(net: Network) -> Html:
    """Return the table of the layers."""
    head = ("layer", "type", "reads", "output", "parameters")
    return table(head, rows_of(net), caption=f"{type(net).__name__}: {total(net)}", texts=4)


def training(net: Network, history: History | None) -> Html:
    """Return how it was trained, and with what this page was made."""
    import platform
    from time import strftime

    from fastnn._core.pool import get_threads
    from fastnn._core.table import isa

    rows: list[tuple[object, object]] = [("loss", _short(net.losses[0])), ("optimiser", _short(net.optimizer))]
    if history is not None and history.epochs:
        rows.append(("epochs", f"{len(history.epochs):,}"))
        if "seconds" in history:
            seconds = float(np.nansum(history["seconds"]))
            rows.append(("time", f"{seconds:.3g} s, {seconds / len(history.epochs):.3g} s an epoch"))
    rows += [("updates", f"{net.trainer.optimizer.step:,}")] if net.trainer.optimizer.step else []
    rows += [
        ("seed", str(net.seed)),
        ("arithmetic", f"{net.dtype}, {isa()}, {get_threads()} threads here"),
        ("versions here", f"fastnn {__version__}, NumPy {np.__version__}, Python {platform.python_version()}"),
        ("page made", strftime("%Y-%m-%d %H:%M")),
    ]
    return pairs(rows, caption="Training")


def _short(spec: Any) -> str:
    """Return a specification with what differs from its defaults, and its learning rate."""
    shown = []
    for field in fields(spec):
        value = getattr(spec, field.name)
        usual = field.default_factory() if field.default_factory is not MISSING else field.default
        if value != usual or field.name == "learning_rate":
            shown.append(f"{field.name}={value!r:.200}")
    return f"{type(spec).__name__}({', '.join(shown)})"


def gradients(subject: Subject, seed: int) -> Html:
    """Return gradient flow with its verdict, and the histograms of weights, activations and gradients."""
    X, y = subject.some(FLOW_ROWS, seed)
    flow = gradient_flow(subject.net, X, y)
    if flow.verdict == "healthy":
        words = "Healthy: gradients reach every layer, and no layer is dead or saturated."
        verdict = element("div", words, class_="verdict well")
    else:
        findings = element("ul", *(element("li", line) for line in flow.verdict.split("\n")))
        verdict = element("div", findings, class_="verdict")
    columns = (
        (flow.gradient, ".2e"), (flow.gradient_ratio, ".1e"), (flow.weight, ".3g"), (flow.update_ratio, ".1e"),
        (flow.dead, ".0%"), (flow.saturated, ".0%"),
    )  # fmt: skip
    head = ("layer", "type", "gradient", "/ last layer's", "weights", "update / weights", "dead", "saturated")
    count = min(subject.rows, FLOW_ROWS)
    listed = table(head, flow_rows(flow, columns, "-"), caption=f"Norms by layer, on {count:,} rows", texts=2)
    drawn = picture(
        plot_gradient_flow(flow),
        "flow",
        f"Norms of gradient, weights and update by layer, as in the table below. {flow.verdict}",
        "Norms of gradient, weights and of the next update, and the shares of dead and saturated units.",
    )
    counted = picture(
        plot_histograms(histograms(subject.net, X, y)),
        "histograms",
        f"Histograms of weights, activations and gradients of {len(flow.layers)} layers.",
        "How weights, activations and gradients are spread in each layer, from the first up.",
    )
    return Html(verdict + drawn + listed + counted)


def importance(subject: Subject, names: Sequence[str] | None, shape: Shape | None, seed: int, verbose: Any) -> Html:
    """Return what shuffling each input costs, where that is not too much work."""
    net = subject.net
    if len(net.input_shapes) > 1:
        return element("p", "The network has several inputs; shuffle them with fastnn.permutation_importance by hand.")
    size = prod(net.input_shape)
    groups = None if names is None or shape else groups_of(names, subject.source.columns)
    if groups is not None and len(groups) < size:
        together, labels = list(groups.values()), list(groups)
    else:
        together, labels = None, [str(name) for name in (range(size) if names is None else names)]
    steps = prod(net.input_shape[:-1])  # weights meet every step of a sequence, every pixel of an image
    work = len(labels) * REPEATS * max(net.n_params, 1) * steps  # multiply-adds a row
    most = int(min(IMPORTANCE_WORK // work, 2000))
    if most < IMPORTANCE_ROWS or subject.rows < 2:
        call = element("code", "fastnn.permutation_importance(net, X, y)")
        return element("p", f"Left out: shuffling {len(labels):,} inputs in turn takes long here. ", call, " does it.")
    X, y = subject.some(most, seed)
    found = permutation_importance(net, X, y, groups=together, repeats=REPEATS, seed=seed, verbose=verbose)
    order = np.argsort(-found.values.ravel(), kind="stable")[:20]
    values, spread = found.values.ravel(), found.deviations.ravel()
    rows = [(labels[i], f"{values[i]:+.4g}", f"{spread[i]:.2g}") for i in order]
    said = (
        f"How far the loss rises above {found.loss:.4g} when one input is shuffled among {min(most, subject.rows):,} "
        "rows: near 0, the network does without it. Inputs that say the same stand in for each other."
    )
    if together is not None:
        said += " Inputs that were made of one column are shuffled together."
    alt = f"Importance of {len(labels)} inputs; most: " + ", ".join(f"{labels[i]} {values[i]:+.3g}" for i in order[:5])
    caption = f"Mean over {REPEATS} shuffles" + ("." if shape else "; whiskers are one standard deviation.")
    drawn = picture(
        plot_importance(found, shape=shape, names=None if names is None else labels), "importance", alt, caption
    )
    listed = table(("input", "rise of the loss", "deviation"), rows, caption=f"The {len(rows)} most important inputs")
    return Html(element("p", said) + drawn + listed)
