"""Pictures of a walk: a strip of poses with curves below it, and an animation."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pfnn import skeleton
from pfnn.character import Frame
from pfnn.ground import Ground

CONTACT = "#ffd21f"
SPAN = 260.0  # of the ground that the animation shows around the character, centimetres


def smooth(values: np.ndarray, frames: int = 60) -> np.ndarray:
    """Return the mean over a second around each frame; as long as the input."""
    padded = np.pad(values, (frames // 2, frames - frames // 2 - 1), mode="edge")
    return np.convolve(padded, np.ones(frames) / frames, mode="valid")


def strip(path: Path, frames: Sequence[Frame], speeds: np.ndarray, commands: np.ndarray, ground: Ground) -> None:
    """Draw poses over the profile of the ground, the path from above, speeds, and when each foot is down."""
    import matplotlib.pyplot as plt

    parent, roots = skeleton.parents(), np.array([frame.root for frame in frames])
    seconds = np.arange(len(frames)) / 60
    figure = plt.figure(figsize=(12, 8.6), layout="constrained")
    grid = figure.add_gridspec(3, 2, height_ratios=(1.25, 1.2, 0.55), width_ratios=(1.25, 1))

    axes = figure.add_subplot(grid[0, :])  # the first stretch goes along x: seen from the side
    shown = range(30, min(len(frames), 480), 50)
    x = np.linspace(roots[shown[0], 0] - 60, roots[shown[-1], 0] + 60, 400)
    profile = ground.height(np.stack([x, np.full_like(x, roots[shown[0], 1])], axis=1))
    for i in shown:
        skeleton.draw(axes, frames[i].joints[:, :2], parent, linewidth=2)
        down = frames[i].joints[list(skeleton.FEET)][frames[i].contacts > 0.5]
        axes.plot(*down[:, :2].T, "o", color=CONTACT, markersize=6, markeredgecolor="black", zorder=3)
    axes.fill_between(x, profile, profile.min() - 15, color="#d9cfbf", zorder=0)
    axes.set(title="Poses every 0.83 s over the ground under the path; yellow: feet in contact (left red, right blue)")
    axes.set(xlabel="x, cm", ylabel="height, cm", xlim=(x[0], x[-1]))
    axes.set_aspect("equal")

    axes = figure.add_subplot(grid[1, 0])
    margin = 150
    low, high = roots.min(axis=0) - margin, roots.max(axis=0) + margin
    u, v = np.meshgrid(np.linspace(low[0], high[0], 300), np.linspace(low[1], high[1], 300))
    heights = ground.height(np.stack([u, v], axis=-1))
    colours = {"cmap": "gist_earth", "vmin": heights.min() - 50, "vmax": heights.max() + 20}  # neither black nor white
    image = axes.pcolormesh(u, v, heights, shading="auto", rasterized=True, **colours)
    figure.colorbar(image, ax=axes, label="height of the ground, cm")
    axes.plot(*roots.T, color="white", linewidth=1.5)
    for second in range(0, len(frames) // 60 + 1, 5):
        place = roots[min(second * 60, len(frames) - 1)]
        axes.plot(*place, "o", color="white", markersize=4)
        axes.annotate(f"{second} s", place, textcoords="offset points", xytext=(5, 5), color="white", fontsize=9)
    axes.set(title="The path from above", xlabel="x, cm", ylabel="z, cm")
    axes.set_aspect("equal")

    axes = figure.add_subplot(grid[1, 1])
    axes.plot(seconds, 0.6 * commands, color="#888888", linestyle="--", label="stick")
    axes.plot(seconds, 0.6 * smooth(speeds), color="#1f5fa8", label="root, mean of a second")
    axes.set(title="Speed", xlabel="time, s", ylabel="m/s", xlim=(0, seconds[-1]), ylim=(0, None))
    axes.legend()
    axes = figure.add_subplot(grid[2, :])
    down = np.array([frame.contacts > 0.5 for frame in frames])
    for row, name in enumerate(("left heel", "left toe", "right heel", "right toe")):
        colour = skeleton.LEFT if row < 2 else skeleton.RIGHT
        axes.fill_between(seconds, 3 - row, 3 - row + 0.8 * down[:, row], color=colour, step="post", linewidth=0)
        axes.text(-0.2, 3.4 - row, name, ha="right", va="center", fontsize=9)
    axes.set(title="Feet in contact", xlabel="time, s", xlim=(0, seconds[-1]), yticks=[])
    figure.savefig(path, dpi=110)
    plt.close(figure)


def animate(path: Path, frames: Sequence[Frame], ground: Ground, every: int = 6) -> None:
    """Save a GIF of every so many frames, in real time: the walker over the ground around him."""
    import matplotlib.pyplot as plt
    from matplotlib.animation import FuncAnimation, PillowWriter

    parent = skeleton.parents()
    figure = plt.figure(figsize=(5, 3.8))
    axes = figure.add_axes((-0.45, -0.45, 1.9, 1.9), projection="3d", computed_zorder=False)

    def show(i: int) -> list[Any]:
        frame = frames[i]
        axes.clear()
        axes.set_axis_off()
        centre = np.round(frame.root / 20) * 20  # steps of whole squares: the ground stands still
        line = np.arange(-SPAN, SPAN + 1, 20)
        u, v = np.meshgrid(centre[0] + line, centre[1] + line, indexing="ij")
        heights = ground.height(np.stack([u, v], axis=-1))
        slope = np.stack(np.gradient(heights, 20), axis=-1)
        light = (0.3 * slope[..., 0] - 0.2 * slope[..., 1] + 1) / np.sqrt(1 + (slope**2).sum(axis=-1))
        chequered = 0.06 * ((u // 20 + v // 20) % 2)
        shade = np.clip(0.78 * light - chequered, 0.25, 1)[..., None] * np.array([1.0, 0.95, 0.84])
        axes.plot_surface(u, v, heights, facecolors=shade, rstride=1, cstride=1, shade=False, antialiased=False)
        joints = frame.joints[:, [0, 2, 1]]  # matplotlib's third axis is the vertical
        skeleton.draw(axes, joints, parent, linewidth=3, zorder=5)
        axes.plot(*joints[skeleton.HEAD], "o", color=skeleton.MIDDLE, markersize=9, zorder=6)
        down = joints[list(skeleton.FEET)][frame.contacts > 0.5]
        axes.plot(*down.T, "o", color=CONTACT, markersize=7, markeredgecolor="black", zorder=6)
        axes.set(xlim=frame.root[0] + [-150, 150], ylim=frame.root[1] + [-150, 150])
        axes.set_zlim(frame.ground - 40, frame.ground + 185)
        axes.set_box_aspect((300, 300, 225))
        axes.view_init(elev=18, azim=-62)
        axes.text2D(0.03, 0.93, f"{i / 60:.1f} s", transform=figure.transFigure)
        return []

    animation = FuncAnimation(figure, show, frames=range(0, len(frames), every))
    animation.save(path, writer=PillowWriter(fps=60 / every), dpi=80)
    plt.close(figure)
