"""What a network for images looks for, and where it looks."""

from typing import Any

import numpy as np

from fastnn.data.ports import dense
from fastnn.insight.attribution import Attribution, saliency
from fastnn.insight.grad_cam import grad_cam, layer_to_weigh
from fastnn.insight.image_plots import filters_of, plot_filters
from fastnn.insight.plots import plot_attribution
from fastnn.markup.html import Html, element
from fastnn.network import Network
from fastnn.reporting.sections import picture
from fastnn.reporting.subject import Subject

MOST_ROWS, MOST_FILTERS = 5, 32


def sees_images(net: Network) -> bool:
    """Whether a network has one input, and it is an image (H, W, C)."""
    return len(net.input_shapes) == 1 and len(net.input_shape) == 3


def sight(subject: Subject) -> Html:
    """Return the filters of the first convolution, and which pixels and places speak for the answers to some rows."""
    return Html(_filters(subject.net) + _evidence(subject))


def _filters(net: Any) -> Html:
    """Return the first filters, if they are small images themselves: of one channel, or of three."""
    name, weights = next(iter(filters_of(net).items()), ("", None))
    if weights is None or weights.shape[2] not in (1, 3):
        return Html("")
    count = weights.shape[-1]
    colours = "Red weights want light, blue ones dark" if weights.shape[2] == 1 else "Colours about grey, which is 0"
    return picture(
        plot_filters(net, layer=name, most=MOST_FILTERS),
        "filters",
        f"The first {min(count, MOST_FILTERS)} of {count} filters of {name}, as small images.",
        f"What {name} compares each window of an image with. {colours}; each in its own scale.",
    )


def _evidence(subject: Subject) -> Html:
    """Return maps for the first row of each of some classes; of a regression for the first rows."""
    order = np.arange(min(MOST_ROWS, subject.rows))
    if subject.classes is not None:
        order = np.sort(np.unique(subject.true, return_index=True)[1])[:MOST_ROWS]
    rows = dense(subject.X[order])
    maps: list[Attribution] = [saliency(subject.net, rows)]
    words = "saliency, the slope of the answer by pixel, red where more light speaks for it"
    if layer_to_weigh(subject.net) is not None:
        maps.append(grad_cam(subject.net, rows))
        words += f"; Grad-CAM, bright where the maps of {maps[-1].layer} speak for it"  # type: ignore[attr-defined]
    numbers = ", ".join(f"{i:,}" for i in order)
    which = "the first of its class each" if subject.classes is not None else "the first ones"
    return Html(
        element("p", f"What speaks for the largest output, in rows {numbers}, {which}: {words}.")
        + picture(
            plot_attribution(maps, rows=len(order)),
            "evidence",
            f"Rows {numbers} as images, beside maps of {' and '.join(one.method for one in maps)}.",
            "Each map has its own scale; beside the image stand the output that is explained, and its value.",
        )
    )
