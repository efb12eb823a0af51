"""A small line chart as SVG, for where there is no matplotlib, and no need of it."""

from collections.abc import Mapping, Sequence
from math import isfinite, log10

from fastnn.markup.html import Html, element

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 460, 190, 62, 12, 26, 24
COLORS = ("#1f77c4", "#d1641f", "#2f9f5e", "#8a5fc3")


def lines(x: Sequence[float], series: Mapping[str, Sequence[float]], label: str) -> Html:
    """Return a chart of each series (one value for each x) by name; the axis is logarithmic where all are above 0."""
    points = {name: [(a, b) for a, b in zip(x, values, strict=True) if isfinite(b)] for name, values in series.items()}
    values = [b for line in points.values() for _, b in line]
    if not values:
        return Html("")
    logarithmic = min(values) > 0 and max(values) > 10 * min(values)
    ends = [log10(v) if logarithmic else v for v in (min(values), max(values))]
    across, up = (x[-1] - x[0]) or 1, (ends[1] - ends[0]) or 1
    parts: list[Html] = []
    for end, height in ((min(values), HEIGHT - BOTTOM), (max(values), TOP)):
        rule = {"x1": LEFT, "x2": WIDTH - RIGHT, "y1": height, "y2": height}
        parts.append(element("line", **rule, stroke="currentColor", stroke_opacity=0.25))
        parts.append(_text(f"{end:.3g}", LEFT - 6, height + 4, "end"))
    parts.append(_text(f"{x[0]:g}", LEFT, HEIGHT - 6, "start"))
    parts.append(_text(f"{label} {x[-1]:g}", WIDTH - RIGHT, HEIGHT - 6, "end"))
    at = LEFT
    for color, (name, line) in zip(COLORS, points.items(), strict=False):
        places = [
            f"{LEFT + (a - x[0]) / across * (WIDTH - LEFT - RIGHT):.1f},"
            f"{HEIGHT - BOTTOM - ((log10(b) if logarithmic else b) - ends[0]) / up * (HEIGHT - BOTTOM - TOP):.1f}"
            for a, b in line
        ]
        parts.append(element("polyline", points=" ".join(places), fill="none", stroke=color, stroke_width=2))
        parts.append(element("text", name, x=at, y=14, fill=color, font_size=12))
        at += 7 * len(name) + 18
    return element(
        "svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", width=WIDTH, role="img", aria_label=", ".join(points),
        xmlns="http://www.w3.org/2000/svg", font_family="system-ui, sans-serif",
    )  # fmt: skip


def _text(words: str, x: float, y: float, anchor: str) -> Html:
    return element("text", words, x=x, y=y, text_anchor=anchor, font_size=11, fill="currentColor")
