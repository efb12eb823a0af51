"""How time grows with width, batch and depth, beside the best peer: ``python -m bench --growth``, in six minutes.

The peers are eager PyTorch, ONNX Runtime and NumPy, as they dispatch by themselves; at each point the best counts.

A point is off the curve where it takes more than ``CLIFF`` times what its two neighbours give it, by a straight line
between them on logarithmic scales.
"""

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench.machine import describe
from bench.run import Crew, Effort, measure
from bench.tables import NAMES, OWN, Row, micros, side
from bench.variants import Variant
from bench.workloads import Workload, sgd

CLIFF = 1.5
PEERS = ("numpy", "onnxruntime", "torch")
EFFORT = Effort(rounds=3, seconds=0.004, thorough=False, settle=0.02)
PICTURE = Path(__file__).parent / "growth.png"
WIDTHS = [16, 24, 31, 32, 33, 48, 64, 65, 96, 100, 127, 128, 129, 192, 255, 256, 257, 342, 384, 511, 512, 513]
WIDTHS += [768, 1000, 1024, 1025, 1536, 2048]
BATCHES = [1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 48, 64, 65, 96, 128, 129, 192, 256, 257, 512]
BATCHES += [1000, 1024, 2048, 4096]
DEPTHS = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64]
NETS: dict[str, Callable[[int], tuple[tuple[int, ...], int]]] = {  # what grows: sizes and batch of a point
    "width": lambda width: ((width,) * 3, 128),
    "batch": lambda batch: ((784, 128, 10), batch),
    "depth": lambda depth: ((64,) * (depth + 1), 32),
}
SAID = {"width": "width of two layers, 128 rows", "batch": "rows, 784-128-10", "depth": "layers of 64 units, 32 rows"}
AXES = {"width": WIDTHS, "batch": BATCHES, "depth": DEPTHS}
MODES = ("predict", "SGD")


@dataclass(frozen=True)
class Point:
    """One network on the way."""

    what: str
    size: int
    mode: str
    threads: int

    @property
    def name(self) -> str:
        """What ``--workloads`` matches."""
        return f"{self.what} {self.size} {self.mode} x{self.threads}"

    @property
    def workload(self) -> Workload:
        """What is timed."""
        sizes, batch = NETS[self.what](self.size)
        if self.mode == "predict":
            return Workload("predict", sizes, batch, threads=self.threads)
        return sgd(sizes, batch, threads=self.threads)


POINTS = [
    Point(what, size, mode, threads)
    for what, mode, threads in itertools.product(AXES, MODES, (1, 2))
    for size in AXES[what]
]


def off_the_curve(sizes: list[int], times: list[float]) -> list[float]:
    """How many times what its neighbours give it each point takes; the first and the last have one, and get 1."""
    x, y = ([math.log(value) for value in values] for values in (sizes, times))
    inner = []
    for before, here, after in zip(range(len(x) - 2), range(1, len(x) - 1), range(2, len(x)), strict=True):
        share = (x[here] - x[before]) / (x[after] - x[before])
        inner.append(math.exp(y[here] - y[before] - share * (y[after] - y[before])))
    return [1.0, *inner, 1.0][: len(x)]


def run(
    points: list[Point], builds: list[Variant], cores: list[int], logs: Path, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Microseconds per row of every point, by column."""
    crew = Crew(cores, logs, [])
    chosen = [*builds, *(Variant(label=peer, peer=peer) for peer in PEERS)]
    isas = list(dict.fromkeys(variant.isa for variant in builds))
    result: dict[str, Any] = {"machine": describe(), "isas": isas, "rows": [], "failures": []}
    try:
        for point in points:
            found = measure(crew, point.workload, chosen, EFFORT)
            row: Row = asdict(point) | {"us": {}, "alone": {}}
            for kind, key in (("us", "times"), ("alone", "alone")):
                row[kind] = {name: times["median_us"] / found["batch"] for name, times in found[key].items()}
            result["rows"].append(row)
            result["failures"] += [f"{point.name}: {name} FAILED: {why}" for name, why in found["failures"].items()]
            tell(
                f"{point.name}: " + ", ".join(f"{name} {value:.3g}" for name, value in row["us"].items()) + " us a row"
            )
    finally:
        crew.dismiss_all()
    result["absent"] = crew.absent
    return result


def best(row: Row) -> str | None:
    """The fastest peer at a point."""
    times = {name: value for name, value in row["us"].items() if name in NAMES}
    return min(times, key=lambda name: times[name]) if times else None


def curve(result: dict[str, Any], what: str, mode: str, threads: int, column: str) -> tuple[list[int], list[float]]:
    """Sizes and times of one line of the picture; the column "best": whichever peer is."""
    rows = [row for row in result["rows"] if (row["what"], row["mode"], row["threads"]) == (what, mode, threads)]
    pairs = [(row["size"], row["us"].get(best(row) or "" if column == "best" else column)) for row in rows]
    kept = [(size, us) for size, us in pairs if us is not None]
    return [size for size, _ in kept], [us for _, us in kept]


def lines(result: dict[str, Any]) -> list[tuple[str, str, int]]:
    """What grows, what is done and on how many threads, as far as it was measured."""
    return list(dict.fromkeys((row["what"], row["mode"], row["threads"]) for row in result["rows"]))


def markdown(result: dict[str, Any]) -> str:
    """Points off the curve, points where two threads are slower than one, and points where a peer is faster."""
    machine, columns = result["machine"], [side(OWN, isa) for isa in result["isas"]]
    parts = [f"# Growth\n\n{machine['processor']}, {machine['date']}, commit {machine['commit']}."]
    cliffs = []
    for (what, mode, threads), column in itertools.product(lines(result), columns):
        sizes, times = curve(result, what, mode, threads, column)
        for size, us, factor in zip(sizes, times, off_the_curve(sizes, times), strict=True):
            if factor > CLIFF:
                cliffs.append(f"- {what} {size} {mode} x{threads}, {column}: {micros(us)} us a row, {factor:.2f}x")
    slower, behind = [], []
    for row, column in itertools.product(result["rows"], columns):
        name, us, other = f"{row['what']} {row['size']} {row['mode']} x{row['threads']}, {column}", row["us"], best(row)
        if column in row["alone"] and us[column] > 1.03 * row["alone"][column]:
            slower.append(f"- {name}: {us[column] / row['alone'][column]:.2f}x the time on one")
        if column in us and other and us[other] < us[column]:
            behind.append(f"- {name}: {NAMES[other]} takes {us[other] / us[column]:.2f}x of ours")
    for title, found in (
        (f"Points more than {CLIFF}x above the line between their neighbours", cliffs),
        ("Points where two threads are slower than one", slower),
        ("Points where a peer is faster", behind),
        ("Failures", [f"- {failure}" for failure in result["failures"]]),
    ):
        parts.append(f"## {title}: {len(found)} of {len(result['rows']) * len(columns)}\n\n" + "\n".join(found))
    return "\n\n".join(part.strip() for part in parts) + "\n"


def draw(result: dict[str, Any], path: Path) -> None:
    """Write the picture: a panel for what grows and for what is done; points off the curve are ringed."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    modes, grows = (list(dict.fromkeys(row[key] for row in result["rows"])) for key in ("mode", "what"))
    size = 4 * len(grows), 1 + 3 * len(modes)
    figure, panels = plt.subplots(len(modes), len(grows), figsize=size, layout="constrained", squeeze=False)
    colours = dict(zip(result["isas"], ("#1f77b4", "#d62728", "#2ca02c"), strict=False))
    for (line, mode), (place, what) in itertools.product(enumerate(modes), enumerate(grows)):
        axes = panels[line][place]
        for threads, style in ((1, "-"), (2, "--")):
            said = "one thread" if threads == 1 else "two"
            for isa, colour in colours.items():
                sizes, times = curve(result, what, mode, threads, side(OWN, isa))
                axes.plot(sizes, times, style, color=colour, linewidth=1.2, label=f"{OWN} {isa}, {said}")
                off = [k for k, factor in enumerate(off_the_curve(sizes, times)) if factor > CLIFF]
                axes.plot([sizes[k] for k in off], [times[k] for k in off], "o", color=colour, fillstyle="none")
            sizes, times = curve(result, what, mode, threads, "best")
            axes.plot(sizes, times, style, color="#999999", linewidth=1, label=f"best peer, {said}")
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.yaxis.set_minor_formatter(lambda value, _: "")
        axes.grid(color="#eeeeee")
        axes.set_title(f"{mode}: {SAID[what]}", fontsize=9)
    for row in panels:
        row[0].set_ylabel("us a row")
    machine = result["machine"]
    figure.suptitle(f"{machine['processor']}, {machine['date'][:10]}, commit {machine['commit']}", fontsize=9)
    handles, names = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main(points: list[Point], builds: list[Variant], cores: list[int], out: Path, *, publish: bool) -> int:
    """Measure, draw, print and write; with ``publish`` also the picture of the guide."""
    result = run(points, builds, cores, out, lambda line: print(line, flush=True))
    (out / "growth.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "growth.md").write_text(markdown(result))
    draw(result, out / "growth.png")
    if publish:
        draw(result, PICTURE)
    print(f"\n{markdown(result)}\nwritten to {out}")
    return 1 if result["failures"] else 0
