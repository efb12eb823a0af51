"""Pictures of networks as SVG: their layers as boxes, and what each reads as lines."""

from os import PathLike, fspath
from pathlib import Path
from typing import Any

from fastnn.formats.files import write_atomically
from fastnn.graph.graph import Graph
from fastnn.graph.summary import rows_of
from fastnn.markup.html import Html, element
from fastnn.plotting.layers import Box, arrange

WHO = "plot_model"
LETTER, LINE, PADDING, GAP, DROP, MARGIN = 7.2, 17.0, 12.0, 26.0, 34.0, 10.0  # pixels
FILLS = {
    "Input": "#e8ecf1", "Dense": "#d6e6f7", "PhaseDense": "#d6e6f7", "DropConnect": "#d6e6f7", "Embedding": "#d6e6f7",
    "SimpleRNN": "#fbe3d3", "LSTM": "#fbe3d3", "GRU": "#fbe3d3", "Bidirectional": "#fbe3d3", "BatchNorm": "#dcefdc",
    "LayerNorm": "#dcefdc", "Residual": "#ece0f5",
}  # fmt: skip
OTHERS = "#f6f0d8"


class ModelPicture:
    """A picture of a network, which notebooks show.

    Attributes
    ----------
    svg : str
        The picture, as an SVG document.
    """

    def __init__(self, svg: str) -> None:
        self.svg = svg

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        return f"<ModelPicture of {len(self.svg):,} letters of SVG>"


def plot_model(model: Any, path: str | PathLike[str] | None = None) -> ModelPicture:
    """Draw the layers of a network as boxes, with what each reads, its output shape and number of parameters.

    Parameters
    ----------
    model : Network or fitted estimator
        What to draw; layers within a layer, such as those of `Residual`, are not drawn.
    path : str or Path, optional
        The .svg file to write; an existing one is replaced.

    Returns
    -------
    ModelPicture
        Shown by notebooks; its text is in ``svg``.

    Raises
    ------
    TypeError, ValueError
        If the model is none, or the path does not end in .svg.
    OSError
        If the file cannot be written.

    Examples
    --------
    >>> import fastnn as fn
    >>> x = fn.Input(64, name="pixels")
    >>> h = fn.Dense(64, "tanh", name="hidden")(x)
    >>> net = fn.Network(inputs=x, outputs=fn.Dense(10)(fn.add(h, x)), seed=0)
    >>> picture = fn.plot_model(net)
    >>> "hidden" in picture.svg
    True
    """
    net = getattr(model, "network_", model)
    if not isinstance(net, Graph):
        raise TypeError(f"{WHO}: expected a Network or a fitted estimator, got {type(model).__name__}")
    if path is not None and Path(fspath(path)).suffix.lower() != ".svg":
        raise ValueError(f"{WHO}: expected a path that ends in .svg, got {fspath(path)!r:.80}")
    picture = ModelPicture(_svg(_boxes(net)))
    if path is not None:
        write_atomically(Path(fspath(path)), picture.svg.encode("utf-8"))
    return picture


def _boxes(net: Graph) -> list[Box]:
    """Return a box for every input and layer, in the order of the table of the layers."""
    number = {tensor: tensor for tensor in range(len(net.input_shapes))}
    reads: list[list[int]] = [[] for _ in net.input_shapes]
    for applied in net.applications:
        reads.append([number[tensor] for tensor in applied.inputs])
        number[applied.output] = len(reads) - 1
    details = [""] * len(net.input_shapes) + [_detail(applied.layer) for applied in net.applications]
    boxes = []
    for (name, kind, _, shape, count), detail, sources in zip(rows_of(net), details, reads, strict=True):
        below = shape if count == "0" else f"{shape}   {count}{'' if count == 'shared' else ' parameters'}"
        words = (name, f"{kind}{detail}", below)
        boxes.append(Box(words, max(map(len, words)) * LETTER + 2 * PADDING, sources, kind))
    return boxes


def _detail(layer: Any) -> str:
    """Return the activation of a layer that has or is one."""
    given = getattr(layer, "activation", None) or layer
    function = given if isinstance(given, str) else getattr(given, "function", None)
    return f", {function}" if isinstance(function, str) and function != "identity" else ""


def _svg(boxes: list[Box]) -> str:
    rows = arrange(boxes, GAP)
    height = 3 * LINE + PADDING
    step = height + DROP
    parts: list[Html] = []
    for box in boxes:
        for source in box.reads:
            parts.append(_way(boxes[source], box, height, step))
    for box in boxes:
        if box.kind != "way":
            parts += _drawn(box, MARGIN + box.row * step, height)
    wide = max(box.x + box.width / 2 for box in boxes) + 2 * MARGIN
    tall = (len(rows) - 1) * step + height + 2 * MARGIN
    label = f"A network of {sum(box.kind != 'way' for box in boxes)} layers, its inputs among them"
    tip = element("path", d="M0,0 L8,4 L0,8 z", fill="#5d6671")
    marker = element("marker", tip, id="tip", markerWidth=8, markerHeight=8, refX=7, refY=4, orient="auto")
    paper = element("rect", width=f"{wide:.0f}", height=f"{tall:.0f}", fill="#ffffff")
    return element(
        "svg", element("defs", marker), paper, *parts, xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {wide:.0f} {tall:.0f}", width=f"{wide:.0f}", height=f"{tall:.0f}", role="img", aria_label=label,
        font_family="ui-monospace, 'DejaVu Sans Mono', monospace", font_size="12",
    )  # fmt: skip


def _way(source: Box, box: Box, height: float, step: float) -> Html:
    """Return the line from one box to another; it passes straight through a row where it has no box."""
    x0, x1 = MARGIN + source.x, MARGIN + box.x
    y0, y1 = MARGIN + source.row * step + height, MARGIN + box.row * step
    through = f"M{x0:.1f},{y0 - height:.1f} L{x0:.1f},{y0:.1f} " if source.kind == "way" else f"M{x0:.1f},{y0:.1f} "
    bend = (y0 + y1) / 2
    curve = f"C{x0:.1f},{bend:.1f} {x1:.1f},{bend:.1f} {x1:.1f},{y1:.1f}"
    end = {} if box.kind == "way" else {"marker_end": "url(#tip)"}
    return element("path", d=through + curve, fill="none", stroke="#5d6671", stroke_width="1.4", **end)


def _drawn(box: Box, top: float, height: float) -> list[Html]:
    """Return a box and its words."""
    left, middle = MARGIN + box.x - box.width / 2, MARGIN + box.x
    fill = FILLS.get(box.kind, OTHERS)
    frame = element(
        "rect", x=f"{left:.1f}", y=f"{top:.1f}", width=f"{box.width:.1f}", height=f"{height:.1f}", rx=6, fill=fill,
        stroke="#5d6671", stroke_width="1",
    )  # fmt: skip
    words = []
    for i, line in enumerate(box.lines):
        look = {"font_weight": "bold", "fill": "#1c2127"} if i == 0 else {"fill": "#444b54"}
        y = top + PADDING / 2 + (i + 0.75) * LINE
        words.append(element("text", line, x=f"{middle:.1f}", y=f"{y:.1f}", text_anchor="middle", **look))
    return [frame, *words]
