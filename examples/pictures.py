"""Drawing that several examples share: an empty figure, and many small pictures in one."""

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine


def figure(width: float, height: float) -> Figure:
    """Return an empty figure, of a size in inches, whose labels do not overlap."""
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    return Figure(figsize=(width, height), layout=layout, facecolor="white")


def save(picture: Figure, path: Path) -> None:
    """Write a figure."""
    picture.savefig(path, dpi=130)


def show(axes: Any, images: np.ndarray, side: int, row_labels: list[str] | None = None, title: str = "") -> None:
    """Draw images (rows, columns, side * side) in [0, 1], ink black, with a name beside each row."""
    rows, columns = images.shape[:2]
    gap = max(1, side // 14)
    tiles = np.pad(images.reshape(rows, columns, side, side), ((0, 0), (0, 0), (gap, gap), (gap, gap)))
    height = side + 2 * gap
    axes.imshow(tiles.transpose(0, 2, 1, 3).reshape(rows * height, -1), cmap="gray_r", vmin=0, vmax=1)
    names = row_labels or []
    axes.set_xticks([])
    axes.set_yticks([(row + 0.5) * height - 0.5 for row in range(len(names))], names, fontsize=11)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(title, fontsize=12)


def dress(axes: Any, xlabel: str, ylabel: str, title: str = "") -> None:
    """Name the axes, draw a light grid and leave out the box."""
    axes.set_xlabel(xlabel, fontsize=11)
    axes.set_ylabel(ylabel, fontsize=11)
    axes.set_title(title, fontsize=12)
    axes.grid(True, color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
