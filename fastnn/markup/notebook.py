"""What notebooks show of objects (``_repr_html_``): a table or two, in the colours of the page around them."""

from fastnn.markup.html import Html, element

STYLE = """
.fastnn { overflow-x: auto; }
.fastnn table { border-collapse: collapse; margin: 0.3em 0 0.8em; font-variant-numeric: tabular-nums; }
.fastnn caption { caption-side: top; padding: 0.2em 0; text-align: left; white-space: nowrap; font-weight: 600;
  color: inherit; }
.fastnn th, .fastnn td { padding: 0.2em 0.9em 0.2em 0; border: 0; text-align: left; background: none; }
.fastnn tbody th { font-weight: 500; }
.fastnn thead th { border-bottom: 1px solid currentColor; }
.fastnn .number { padding-left: 0.9em; text-align: right; }
.fastnn svg { display: block; max-width: 100%; height: auto; }
"""


def shown(*content: object) -> Html:
    """Return the content as what a notebook shows."""
    return element("div", element("style", Html(STYLE)), *content, class_="fastnn")
