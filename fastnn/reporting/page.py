"""One self-contained page: its elements, its style (``page.css``), and nothing from elsewhere.

Whatever is a text here is escaped; ``Html`` is what has been.
"""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path


class Html(str):
    """A text that is HTML already."""

    __slots__ = ()


def text(value: object) -> Html:
    """Return a value as HTML: escaped, unless it is HTML already."""
    return value if isinstance(value, Html) else Html(escape(str(value)))


def element(name: str, *content: object, **attributes: object) -> Html:
    """Return an element; ``class_`` and ``aria_label`` become ``class`` and ``aria-label``."""
    given = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"' for key, value in attributes.items())
    return Html(f"<{name}{given}>{''.join(map(text, content))}</{name}>")


def table(head: Sequence[object], rows: Iterable[Sequence[object]], *, caption: object, texts: int = 1) -> Html:
    """Return a table whose first column names the rows; after the first ``texts`` columns come numbers."""
    kinds = [{} if i < texts else {"class_": "number"} for i in range(len(head))]
    cells = [element("th", name, scope="col", **kind) for name, kind in zip(head, kinds, strict=True)]
    lines = [
        [_name(name), *(element("td", value, **kind) for value, kind in zip(values, kinds[1:], strict=True))]
        for name, *values in rows
    ]
    return _table(caption, cells, lines)


def pairs(rows: Iterable[tuple[object, object]], *, caption: object) -> Html:
    """Return a table of two columns, what and what it is."""
    return _table(caption, [], [[_name(name), element("td", value)] for name, value in rows])


def matrix(counts: Sequence[Sequence[int]], names: Sequence[str], *, caption: object) -> Html:
    """Return a square table of counts, each coloured by its share of its row."""
    lines = []
    for name, row in zip(names, counts, strict=True):
        total, line = max(sum(row), 1), [_name(name)]
        for count in row:
            style = {"style": f"--share: {count / total:.3f}"} | ({"class_": "full"} if count > 0.55 * total else {})
            line.append(element("td", f"{count:,}" if count else "", **style))
        lines.append(line)
    cells = [element("td"), *(element("th", name, scope="col") for name in names)]
    return _table(caption, cells, lines, class_="matrix")


def _name(name: object) -> Html:
    """Return the first cell of a row."""
    return element("th", name, scope="row")


def _table(caption: object, head: list[Html], rows: Iterable[list[Html]], **attributes: object) -> Html:
    """Return a table of these cells, which scrolls where it is too wide."""
    parts = [element("thead", element("tr", *head))] if head else []
    body = element("tbody", *(element("tr", *row) for row in rows))
    return element("div", element("table", element("caption", caption), *parts, body, **attributes), class_="wide")


def scores(values: Iterable[tuple[object, object]]) -> Html:
    """Return the figures that come first, large."""
    return element(
        "dl", *(element("div", element("dt", name), element("dd", value)) for name, value in values), class_="scores"
    )


def page(title: str, lead: object, first: Html, sections: Sequence[tuple[str, Html]]) -> str:
    """Return the whole page: a title, a line below it, what comes first, and sections by title."""
    named = [(f"section-{i + 1}", name, content) for i, (name, content) in enumerate(sections)]
    links = [element("li", element("a", name, href=f"#{anchor}")) for anchor, name, _ in named]
    header = element("header", element("h1", title), element("p", lead, class_="lead"))
    main = element(
        "main",
        first,
        element("nav", element("ul", *links), aria_label="Sections"),
        *(element("section", element("h2", name, id=anchor), content) for anchor, name, content in named),
    )
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="fastnn">\n{element("title", title)}\n<style>\n{style}</style>\n</head>\n'
        f"<body>\n{header}\n{main}\n</body>\n</html>\n"
    )
