"""One picture of a result: microseconds on a log scale, a line per workload, a colour per peer."""

from pathlib import Path
from typing import Any

OWN = "fastnn"
COLOURS = {
    "fastnn": "#d62728",
    "numpy": "#4c72b0",
    "sklearn": "#dd8452",
    "onnxruntime": "#55a868",
    "openvino": "#8c6bb1",
    "torch": "#937860",
    "jax": "#17a2b8",
}


def draw(result: dict[str, Any], rows: list[dict[str, Any]], path: Path) -> None:
    """Write the chart of some rows as PNG."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 1.6 + 0.27 * len(rows)), layout="constrained")
    shown: set[str] = set()
    for place, row in enumerate(rows):
        times = {peer: found["median_us"] for peer, found in row["times"].items()}
        ends = [row["bound"]["us"], *times.values()]
        axes.plot([min(ends), max(ends)], [place, place], color="#dddddd", linewidth=1, zorder=1)
        axes.plot(
            row["bound"]["us"], place, "|", color="black", markersize=9, zorder=2, label=None if shown else "limit"
        )
        for peer, value in times.items():
            own = peer == OWN
            axes.plot(
                value,
                place,
                "D" if own else "o",
                color=COLOURS[peer],
                markersize=8 if own else 5,
                zorder=4 if own else 3,
                label=None if peer in shown else peer,
            )
        shown |= {*times, "limit"}
    axes.set_xscale("log")
    axes.set_yticks(range(len(rows)), [row["workload"] for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="x", which="major", color="#eeeeee")
    axes.set_xlabel("microseconds per call (log scale; left is better)")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    machine = result["machine"]
    axes.set_title(f"{machine['processor']}, {machine['isa']}, {machine['date'][:10]}", fontsize=8, color="#555555")
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    names = [name for name in (*COLOURS, "limit") if name in handles]
    figure.legend(
        [handles[name] for name in names], names, loc="outside upper center", ncols=8, frameon=False, fontsize=9
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)
