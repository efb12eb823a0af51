"""Pictures of the chapters: one style, and figures that fastnn draws without pyplot."""

from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

STYLE = {
    "figure.figsize": (7.0, 3.4),
    "figure.constrained_layout.use": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "axes.axisbelow": True,
    "axes.titlesize": "medium",
    "legend.frameon": False,
    "image.cmap": "gray_r",
}


def style(gallery: dict[str, Any], file: str) -> None:
    """Set the style; called before every chapter, after matplotlib went back to its defaults."""
    mpl.rcParams.update(STYLE)


def scrape(block: Any, variables: dict[str, Any], gallery: dict[str, Any]) -> str:
    """Save figures that a block assigned to a name and pyplot does not know, such as that of ``fn.plot_history``."""
    paths = []
    for value in variables["example_globals"].values():
        if isinstance(value, Figure) and getattr(value, "number", None) is None and not hasattr(value, "_in_the_guide"):
            value._in_the_guide = True
            paths.append(next(variables["image_path_iterator"]))
            value.savefig(paths[-1])
    return figure_rst(paths, gallery["src_dir"])
