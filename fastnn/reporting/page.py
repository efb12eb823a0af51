"""One self-contained page: its elements, its style (``page.css``), and nothing from elsewhere."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from fastnn.markup.html import Html, cells_table, element, row_name


def matrix(counts: Sequence[Sequence[int]], names: Sequence[str], *, caption: object) -> Html:
    """Return a square table of counts, each coloured by its share of its row."""
    lines = []
    for name, row in zip(names, counts, strict=True):
        total, line = max(sum(row), 1), [row_name(name)]
        for count in row:
            style = {"style": f"--share: {count / total:.3f}"} | ({"class_": "full"} if count > 0.55 * total else {})
            line.append(element("td", f"{count:,}" if count else "", **style))
        lines.append(line)
    cells = [element("td"), *(element("th", name, scope="col") for name in names)]
    return cells_table(caption, cells, lines, class_="matrix")


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
