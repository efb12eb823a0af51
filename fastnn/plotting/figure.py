"""What all pictures share: figures without any global state of matplotlib, their colours, axes and ticks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastnn.layers.base import Shape

BLUE, ORANGE, GREEN, GREY, BLACK = "#1f5fa8", "#d1541f", "#2f8f4e", "#8a8a8a", "#222222"
VIOLET, GOLD, TEAL = "#7a4fa3", "#b8860b", "#008b8b"


def require_matplotlib(who: str) -> None:
    """Raise ImportError, which says what to install, unless there is matplotlib."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(f'{who} needs matplotlib: pip install "fastnn[plot]"') from error


def new_figure(who: str, width: float, height: float) -> Any:
    """Return an empty figure of this size in inches, with an Agg canvas: no window, usable in threads."""
    require_matplotlib(who)
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)
    figure = Figure(figsize=(width, height), layout=layout, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def finish(figure: Any, path: str | Path | None) -> Any:
    """Return the figure, written to ``path`` if there is one."""
    if path is not None:
        figure.savefig(path, dpi=150)
    return figure


def dress(axes: Any, xlabel: str = "", ylabel: str = "") -> None:
    """Readable labels, a light grid, no box."""
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel(xlabel, fontsize=12)
    axes.set_ylabel(ylabel, fontsize=12)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(True, which="major", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=11)
    axes.spines[["top", "right"]].set_visible(False)


def few_ticks(axis: Any, most: int = 5) -> None:
    """Put ticks at round numbers, about so many at most."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10]))


def name_ticks(axes: Any, where: Sequence[int], names: Sequence[str], *, rotation: int, size: int) -> None:
    """Write names below the axis, aslant, letter by letter as they are."""
    axes.set_xticks(
        where, names, rotation=rotation, ha="right", rotation_mode="anchor", fontsize=size, parse_math=False
    )


def plain_numbers(axis: Any) -> None:
    """Write 0.2 at a logarithmic axis, not 2 x 10^-1, where matplotlib would write anything."""
    from matplotlib.ticker import LogFormatter

    class Plain(LogFormatter):
        def __call__(self, x: float, pos: int | None = None) -> str:
            return f"{x:g}" if super().__call__(x, pos) else ""

    axis.set_major_formatter(Plain())
    axis.set_minor_formatter(Plain(labelOnlyBase=False, minor_thresholds=(2, 0.5)))


def show_image(axes: Any, values: np.ndarray, shape: Shape, **options: Any) -> Any:
    """Draw a row of numbers as an image without ticks."""
    axes.set_xticks([])
    axes.set_yticks([])
    return axes.imshow(values.reshape(shape), **options)


def show_signed(axes: Any, values: np.ndarray, shape: Shape, limit: float | None = None) -> None:
    """Draw a row of numbers as an image, red above 0 and blue below; deepest at ``limit``, or at the largest."""
    most = float(np.abs(values).max()) if limit is None else limit
    show_image(axes, values, shape, cmap="RdBu_r", vmin=-(most or 1.0), vmax=most or 1.0)


def show_picture(axes: Any, image: np.ndarray) -> None:
    """Draw an image (H, W) or (H, W, C): of three channels in colours, of others the mean in grey.

    Colours that do not lie in [0, 1], as those of standardised images, are spread over it.
    """
    if image.ndim == 3 and image.shape[-1] == 3:
        low, high = min(float(image.min()), 0.0), max(float(image.max()), 1.0)
        show_image(axes, (image - low) / (high - low), image.shape)
    else:
        grey = image.mean(axis=-1) if image.ndim == 3 else image
        show_image(axes, grey, grey.shape, cmap="gray")


def show_weights(axes: Any, image: np.ndarray) -> None:
    """Draw weights (H, W, C) of one channel or three as an image: signed, or in colours about grey, which is 0."""
    if image.shape[-1] == 1:
        show_signed(axes, image, image.shape[:2])
    else:
        show_image(axes, 0.5 + 0.5 * image / (float(np.abs(image).max()) or 1.0), image.shape)
