"""One self-contained page: its elements, its style, and nothing from elsewhere.

Whatever is a text here is escaped; ``Html`` is what has been.
"""

from collections.abc import Iterable, Sequence
from html import escape


class Html(str):
    """A text that is HTML already."""

    __slots__ = ()


STYLE = """
:root { --paper: #ffffff; --panel: #f5f7f9; --ink: #1c2127; --soft: #5d6671; --line: #dde2e7;
  --blue: #1f5fa8; --orange: #d1541f; --green: #2f8f4e; --gold: #a5780a; --violet: #7a4fa3; --teal: #00807f; }
@media screen and (prefers-color-scheme: dark) {
  :root { color-scheme: dark; --paper: #14171b; --panel: #1d2127; --ink: #e7eaee; --soft: #a0a9b4; --line: #353c45;
    --blue: #78b0ee; --orange: #f39a6b; --green: #74cb92; --gold: #dcb04e; --violet: #bb98e0; --teal: #5cc7c6; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 2.5rem 1.5rem 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif; }
h1 { margin: 0; font-size: 1.9rem; line-height: 1.2; letter-spacing: -0.01em; overflow-wrap: anywhere; }
h2 { margin: 3rem 0 0.6rem; padding-top: 0.9rem; border-top: 1px solid var(--line); font-size: 1.3rem; }
h3 { margin: 1.6rem 0 0.4rem; font-size: 1rem; }
p { margin: 0.5rem 0; max-width: 46rem; }
a { color: var(--blue); }
.lead, .note, caption, figcaption { color: var(--soft); }
.lead { margin: 0.4rem 0 0; }
.note, caption, figcaption { font-size: 0.9rem; }
nav ul { display: flex; flex-wrap: wrap; gap: 0.2rem 1.2rem; margin: 1.2rem 0 0; padding: 0; list-style: none;
  font-size: 0.9rem; }
.scores { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 0.8rem;
  margin: 1.6rem 0 0; }
.scores div { padding: 0.8rem 1rem; border-radius: 0.4rem; background: var(--panel); }
.scores dt { color: var(--soft); font-size: 0.85rem; }
.scores dd { margin: 0; font-size: 1.6rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: 0.92rem; font-variant-numeric: tabular-nums; }
caption { padding-bottom: 0.4rem; text-align: left; }
th, td { padding: 0.28rem 0.9rem 0.28rem 0; text-align: left; vertical-align: baseline; }
thead th { border-bottom: 1px solid var(--soft); font-weight: 600; }
tbody th { max-width: 24rem; font-weight: 500; overflow-wrap: break-word; }
tbody tr + tr > * { border-top: 1px solid var(--line); }
.number { padding-left: 0.9rem; padding-right: 0.9rem; text-align: right; white-space: nowrap; }
.matrix th, .matrix td { min-width: 2.7rem; padding: 0.35rem 0.5rem; border: 0; text-align: center; }
.matrix thead th { max-width: 8rem; border: 0; }
.matrix tbody th { max-width: 14rem; text-align: right; }
.matrix tbody tr + tr > * { border: 0; }
.matrix td { border: 1px solid var(--paper) !important; color: var(--ink);
  background: color-mix(in srgb, var(--blue) calc(var(--share) * 100%), var(--panel)); }
.matrix td.full { color: var(--paper); }
.beside { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 0 3rem; }
.beside > * { max-width: 100%; }
.beside p { max-width: 24rem; }
figure { margin: 1.2rem 0; }
figure svg { display: block; max-width: 100%; height: auto; }
figure svg text { fill: var(--ink); font-family: inherit !important; }
.verdict { margin: 0.8rem 0; padding: 0.6rem 1rem; border-left: 4px solid var(--orange); background: var(--panel); }
.verdict.well { border-color: var(--green); }
.verdict ul { margin: 0; padding-left: 1.1rem; }
@media print {
  :root { font-size: 70%; }
  body { max-width: none; padding: 0; }
  nav { display: none; }
  h2 { margin-top: 2rem; }
  figure svg { max-width: min(100%, 13cm); }
  .wide { overflow: visible; }
  h2 { break-after: avoid; }
  figure, table, .verdict, .scores { break-inside: avoid; }
  .matrix td, .scores div { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""


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
    lines = []
    for name, *values in rows:
        rest = [element("td", value, **kind) for value, kind in zip(values, kinds[1:], strict=True)]
        lines.append(element("tr", element("th", name, scope="row"), *rest))
    body = element("table", element("caption", caption), _head(cells), element("tbody", *lines))
    return element("div", body, class_="wide")


def pairs(rows: Iterable[tuple[object, object]], *, caption: object) -> Html:
    """Return a table of two columns, what and what it is."""
    lines = [element("tr", element("th", name, scope="row"), element("td", value)) for name, value in rows]
    return element("div", element("table", element("caption", caption), element("tbody", *lines)), class_="wide")


def matrix(counts: Sequence[Sequence[int]], names: Sequence[str], *, caption: object) -> Html:
    """Return a square table of counts, each coloured by its share of its row."""
    cells = [element("td"), *(element("th", name, scope="col") for name in names)]
    lines = []
    for name, row in zip(names, counts, strict=True):
        total = max(sum(row), 1)
        line = [element("th", name, scope="row")]
        for count in row:
            style = {"style": f"--share: {count / total:.3f}"} | ({"class_": "full"} if count > 0.55 * total else {})
            line.append(element("td", f"{count:,}" if count else "", **style))
        lines.append(element("tr", *line))
    body = [element("caption", caption), _head(cells), element("tbody", *lines)]
    return element("div", element("table", *body, class_="matrix"), class_="wide")


def _head(cells: Sequence[Html]) -> Html:
    return element("thead", element("tr", *cells))


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
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="generator" content="fastnn">\n{element("title", title)}\n<style>{STYLE}</style>\n</head>\n'
        f"<body>\n{header}\n{main}\n</body>\n</html>\n"
    )
