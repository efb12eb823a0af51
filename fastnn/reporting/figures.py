"""Pictures that only a report needs, and any picture of matplotlib as part of a page that is light or dark."""

import re
from collections.abc import Sequence
from html import escape
from io import BytesIO
from typing import Any

import numpy as np

from fastnn.metrics.calibration import Calibration
from fastnn.plotting import figure as draw
from fastnn.reporting.threshold import Curves

MOST_POINTS = 1000  # of a cloud; more of them say no more, and make the page large
# Colours of the pictures, and the variables of the page that take their place.
COLORS = {
    "#000000": "ink", draw.BLACK: "ink", "#444444": "ink", "#ffffff": "paper", "#dddddd": "line", draw.GREY: "soft",
    draw.BLUE: "blue", draw.ORANGE: "orange", draw.GREEN: "green", draw.GOLD: "gold", draw.VIOLET: "violet",
    draw.TEAL: "teal",
}  # fmt: skip


def svg(figure: Any, name: str, alt: str) -> str:
    """Return a picture as an element of a page: its text is text, its colours are the page's, its ids its own."""
    from matplotlib import rc_context

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": name}), BytesIO() as file:
        figure.savefig(file, format="svg", metadata={"Creator": None, "Date": None, "Format": None, "Type": None})
        text = file.getvalue().decode("utf-8")
    text = re.sub(r"<!--.*?-->\s*|<metadata>.*?</metadata>\s*", "", text[text.index("<svg") :], flags=re.DOTALL)
    box = re.search(r"viewBox=\"[^\"]*\"", text)
    assert box is not None
    head = f'<svg {box[0]} role="img" aria-label="{escape(alt)}" style="width: {figure.get_figwidth() * 96:.0f}px">'
    return head + re.sub(r"<[^>]*>", lambda tag: _own(tag[0], name), text[text.index(">") + 1 :].strip())


def _own(tag: str, name: str) -> str:
    """Return a tag with ids of this picture, and the page's colours."""
    tag = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", tag.replace("xlink:href", "href"))
    return re.sub(": (#[0-9a-f]{6})", lambda found: f": {_variable(found[1])}", tag)


def _variable(color: str) -> str:
    return f"var(--{COLORS[color]})" if color in COLORS else color


def plot_calibration(found: Calibration) -> Any:
    """Draw how often the network is right over how sure it is, and below how many rows are how sure."""
    figure = draw.new_figure("report", 6.4, 5.2)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    above.plot([0, 1], [0, 1], "--", color=draw.GREY, linewidth=1.2, label="as sure as right")
    above.plot(found.confidence, found.accuracy, "o-", color=draw.BLUE, linewidth=2, label="network")
    above.set_ylim(-0.02, 1.02)
    draw.dress(above, ylabel="share that is right")
    above.legend(frameon=False, fontsize=10, loc="upper left")
    below.bar(found.confidence, found.counts, width=0.02, color=draw.BLUE)
    below.set_yscale("log")
    below.set_ylim(bottom=0.7)  # one row shows
    draw.plain_numbers(below.yaxis)
    draw.dress(below, "probability of the predicted class", "rows")
    below.set_xlim(0, 1.02)
    below.set_xticks(np.arange(0, 1.1, 0.2))
    return figure


def plot_thresholds(found: Curves) -> Any:
    """Draw recall over false alarms, and precision over recall, with the thresholds 0.5 and that of the best F1."""
    figure = draw.new_figure("report", 9.6, 4.4)
    left, right = figure.subplots(1, 2)
    left.plot([0, 1], [0, 1], "--", color=draw.GREY, linewidth=1.2)
    left.plot(np.r_[0, found.false_positive_rate], np.r_[0, found.recall], color=draw.BLUE, linewidth=2)
    right.axhline(found.yes / (found.yes + found.no), linestyle="--", color=draw.GREY, linewidth=1.2)
    right.step(
        np.r_[0, found.recall], np.r_[found.precision[0], found.precision], where="pre", color=draw.BLUE, linewidth=2
    )
    half = found.at(0.5)
    for place, name, color in ((half, "0.5", draw.ORANGE), (found.best, "best F1", draw.GREEN)):
        if place is not None:
            left.plot(found.false_positive_rate[place], found.recall[place], "o", color=color, markersize=8, label=name)
            right.plot(found.recall[place], found.precision[place], "o", color=color, markersize=8, label=name)
    for axes in (left, right):
        axes.set_xlim(-0.02, 1.02)
        axes.set_ylim(-0.02, 1.04)
    draw.dress(left, "false positive rate", "recall")
    draw.dress(right, "recall", "precision")
    for axes in (left, right):
        draw.few_ticks(axes.xaxis)
    left.legend(frameon=False, fontsize=10, loc="lower right", title="threshold")
    return figure


def plot_regression(true: np.ndarray, predicted: np.ndarray, names: Sequence[str], seed: int) -> Any:
    """Draw, for each output a line: predicted over true, the error over the predicted, and a histogram of errors."""
    outputs = true.shape[1]
    figure = draw.new_figure("report", 10.5, 3.7 * outputs)
    some = np.arange(len(true))
    if len(true) > MOST_POINTS:
        some = np.random.default_rng(seed).choice(len(true), MOST_POINTS, replace=False)
    for line, name, t, p in zip(figure.subplots(outputs, 3, squeeze=False), names, true.T, predicted.T, strict=True):
        ends = [float(min(t.min(), p.min())), float(max(t.max(), p.max()))]
        line[0].plot(ends, ends, color=draw.GREY, linewidth=1.2)
        line[0].plot(t[some], p[some], "o", color=draw.BLUE, markersize=3, alpha=0.5, markeredgewidth=0)
        line[1].axhline(0, color=draw.GREY, linewidth=1.2)
        line[1].plot(p[some], (p - t)[some], "o", color=draw.BLUE, markersize=3, alpha=0.5, markeredgewidth=0)
        line[2].hist(p - t, bins=min(50, max(10, int(np.sqrt(len(t))))), color=draw.BLUE)
        line[2].axvline(0, color=draw.GREY, linewidth=1.2)
        suffix = f" {name}" if name else ""
        for axes, xlabel, ylabel in zip(
            line, (f"true{suffix}", f"predicted{suffix}", f"error{suffix}"), ("predicted", "error", "rows"), strict=True
        ):
            draw.dress(axes, xlabel, ylabel)
            draw.few_ticks(axes.xaxis)
            draw.few_ticks(axes.yaxis)
    return figure


def plot_images(images: np.ndarray, titles: Sequence[str]) -> Any:
    """Draw rows as images, each below its title."""
    columns = min(len(images), 5)
    lines = -(-len(images) // columns)
    figure = draw.new_figure("report", 1.9 * columns + 0.2, 2.15 * lines + 0.1)
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for axes, image, title in zip(grid.flat, images, titles, strict=False):
        axes.imshow(image, cmap="gray", interpolation="nearest")
        axes.set_title(title, fontsize=10, parse_math=False)
    return figure
