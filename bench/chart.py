"""One picture of a result: a line per workload, a colour per peer, time as a multiple of the limit on a log scale."""

from pathlib import Path
from typing import Any

from bench.report import OWN, micros

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

    figure, axes = plt.subplots(figsize=(9, 1.7 + 0.25 * len(rows)), layout="constrained")
    for place, row in enumerate(rows):
        multiples = {peer: found["median_us"] / row["bound"]["us"] for peer, found in row["times"].items()}
        axes.plot([1, max(multiples.values())], [place, place], color="#dddddd", linewidth=1, zorder=1)
        for peer, value in multiples.items():
            # Ours is the large mark behind, so that no peer that is level with it is hidden.
            style: dict[str, Any] = (
                {"marker": "D", "markersize": 10} if peer == OWN else {"marker": "o", "markersize": 5}
            )
            axes.plot(
                value, place, color=COLOURS[peer], zorder=2 if peer == OWN else 3, linestyle="none", label=peer, **style
            )
    axes.axvline(1, color="black", linewidth=1.2, label="limit of the machine")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axes.set_yticks(range(len(rows)), [label(row) for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="x", which="major", color="#eeeeee")
    axes.set_xlabel("time of a call, as a multiple of the limit (log scale; left is better)")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    machine = result["machine"]
    axes.set_title(f"{machine['processor']}, {machine['isa']}, {machine['date'][:10]}", fontsize=8, color="#555555")
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    names = [name for name in (*COLOURS, "limit of the machine") if name in handles]
    figure.legend([handles[n] for n in names], names, loc="outside upper center", ncols=8, frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def label(row: dict[str, Any]) -> str:
    """The workload, and what it takes us."""
    own = row["times"].get(OWN)
    return f"{row['workload']}   {micros(own['median_us'])} us" if own else row["workload"]
