"""Elements of HTML and SVG.

Whatever is a text here is escaped; ``Html`` is what has been.
"""

from collections.abc import Iterable, Sequence


class Html(str):
    """A text that is HTML already."""

    __slots__ = ()


def text(value: object) -> Html:
    """Return a value as HTML: escaped, unless it is HTML already."""
    from html import escape  # importing fastnn stays quick

    return value if isinstance(value, Html) else Html(escape(str(value)))


def element(name: str, *content: object, **attributes: object) -> Html:
    """Return an element; ``class_`` and ``aria_label`` become ``class`` and ``aria-label``."""
    from html import escape

    given = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"' for key, value in attributes.items())
    return Html(f"<{name}{given}>{''.join(map(text, content))}</{name}>")


def table(head: Sequence[object], rows: Iterable[Sequence[object]], *, caption: object, texts: int = 1) -> Html:
    """Return a table whose first column names the rows; after the first ``texts`` columns come numbers."""
    kinds = [{} if i < texts else {"class_": "number"} for i in range(len(head))]
    cells = [element("th", name, scope="col", **kind) for name, kind in zip(head, kinds, strict=True)]
    lines = [
        [row_name(name), *(element("td", value, **kind) for value, kind in zip(values, kinds[1:], strict=True))]
        for name, *values in rows
    ]
    return cells_table(caption, cells, lines)


def pairs(rows: Iterable[tuple[object, object]], *, caption: object) -> Html:
    """Return a table of two columns, what and what it is."""
    return cells_table(caption, [], [[row_name(name), element("td", value)] for name, value in rows])


def row_name(name: object) -> Html:
    """Return the first cell of a row."""
    return element("th", name, scope="row")


def cells_table(caption: object, head: list[Html], rows: Iterable[list[Html]], **attributes: object) -> Html:
    """Return a table of these cells, which scrolls where it is too wide."""
    parts = [element("thead", element("tr", *head))] if head else []
    body = element("tbody", *(element("tr", *row) for row in rows))
    return element("div", element("table", element("caption", caption), *parts, body, **attributes), class_="wide")
