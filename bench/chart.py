"""A picture of a result: a line per workload and instruction set, a colour per peer, multiples of the limit."""

from pathlib import Path
from typing import Any

from bench.tables import OWN, micros, peers_beside, side

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

    isas = result["isas"]
    figure, axes = plt.subplots(figsize=(9, 1.7 + (0.1 + 0.13 * len(isas)) * len(rows)), layout="constrained")
    for place, row in enumerate(rows):
        for line, isa in enumerate(isas):
            one_line(axes, result, row, isa, place + 0.4 * (line - (len(isas) - 1) / 2))
    axes.axvline(1, color="black", linewidth=1.2, label="limit of the machine")
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axes.set_yticks(range(len(rows)), [label(result, row) for row in rows], fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="x", which="major", color="#eeeeee")
    axes.set_xlabel("time of a call, as a multiple of the limit (log scale; left is better)")
    for edge in ("top", "right", "left"):
        axes.spines[edge].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.supxlabel(about(result), fontsize=8, color="#555555")
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    names = [*(side(OWN, isa) for isa in isas), *COLOURS, "limit of the machine"]
    names = [name for name in names if name in handles]
    figure.legend([handles[n] for n in names], names, loc="outside upper center", ncols=9, frameon=False, fontsize=8)
    figure.savefig(path, dpi=110, metadata={"Description": about(result)})
    plt.close(figure)


def one_line(axes: Any, result: dict[str, Any], row: dict[str, Any], isa: str, place: float) -> None:
    """Fastnn on one instruction set, an open mark on all but the last, and the peers beside it."""
    times = {side(OWN, isa): OWN} | peers_beside(result, isa)
    multiples = {
        peer: row["times"][name]["median_us"] / row["bound"][isa]["us"]
        for name, peer in times.items()
        if name in row["times"]
    }
    axes.plot([1, max(multiples.values(), default=1)], [place, place], color="#dddddd", linewidth=1, zorder=1)
    last = isa == result["isas"][-1]
    for peer, value in multiples.items():
        # Ours is the large mark behind, so that no peer that is level with it is hidden.
        style: dict[str, Any] = {"marker": "D", "markersize": 8} if peer == OWN else {"marker": "o", "markersize": 4}
        style |= {"label": f"{OWN} {isa}" if peer == OWN else peer, "color": COLOURS[peer], "linestyle": "none"}
        style |= {} if peer != OWN or last else {"markerfacecolor": "white"}
        axes.plot(value, place, zorder=2 if peer == OWN else 3, **style)


def about(result: dict[str, Any]) -> str:
    """Where and when."""
    machine = result["machine"]
    return f"{machine['processor']}, {', '.join(result['isas'])}, {machine['date']}, commit {machine['commit']}"


def label(result: dict[str, Any], row: dict[str, Any]) -> str:
    """The workload, and what it takes us on each instruction set."""
    own = [row["times"].get(side(OWN, isa)) for isa in result["isas"]]
    found = " / ".join(micros(times["median_us"]) if times else "-" for times in own)
    return f"{row['workload']}   {found} us"
