"""What docs/measured.rst tells of images: its tables are written from ``bench/published_images.json``.

``python -m bench.image_tables RESULT.json ...`` publishes what ``python -m bench.images --json RESULT.json`` found, in
place of what was there of the same processor, instruction set and number of threads.  Without a name it writes the
tables again, as ``tests/test_bench_publish.py`` expects them.
"""

import json
import sys
from pathlib import Path
from textwrap import fill
from typing import Any

from bench.publish import ISAS, MEASURED, WIDTH, between
from bench.tables import list_table

PUBLISHED = Path(__file__).parent / "published_images.json"
MARKS = ".. images", ".. /images"
OWN, WINOGRAD = "fastnn", "fastnn with winograd"
Run = dict[str, Any]


def cut(run: Run) -> Run:
    """What is published of a run: three digits of each time."""

    def times(found: dict[str, float]) -> dict[str, float]:
        return {name: float(f"{seconds:.3g}") for name, seconds in found.items()}

    rows = []
    for row in run["rows"]:
        kept = {"name": row["name"]}
        if "shares" in row:
            kept["shares"] = {name: round(share, 2) for name, share in row["shares"].items()}
        kept |= {key: times(row[key]) for key in ("forward", "forward and backward", "seconds") if key in row}
        rows.append(kept)
    machine = {fact: run["machine"][fact] for fact in ("processor", "python", "date", "commit")}
    return {"machine": machine, "isa": run["isa"], "threads": run["threads"], "rows": rows}


def place(run: Run) -> tuple[str, str, int]:
    """What a run is replaced by."""
    return run["machine"]["processor"], run["isa"], run["threads"]


def best(times: dict[str, float]) -> tuple[str, float]:
    """The fastest peer and its seconds."""
    others = {name: seconds for name, seconds in times.items() if not name.startswith(OWN)}
    name = min(others, key=lambda one: others[one])
    return name, others[name]


def milliseconds(seconds: float) -> str:
    """Three digits."""
    return f"{seconds * 1e3:.3g}"


def net_cells(times: dict[str, float]) -> list[str]:
    """Ours, with Winograd's tiles where a net has them, the best peer's, and its time over each of ours."""
    peer, seconds = best(times)
    mine = [times[name] for name in (OWN, WINOGRAD) if name in times]
    shown = [" / ".join(map(milliseconds, mine)), f"{peer} {milliseconds(seconds)}"]
    return [*shown, " / ".join(f"{seconds / own:.2f}x" for own in mine)]


def nets(runs: list[Run]) -> list[str]:
    """The table of whole nets, on each number of threads."""
    head = ["net"]
    for run in runs:
        head += [f"{run['threads']} thread{'s' * (run['threads'] > 1)}: fastnn", "best peer", ""]
    found = [{row["name"]: row["seconds"] for row in run["rows"] if "seconds" in row} for run in runs]
    names = [name for name in found[0] if all(name in times for times in found)]
    return list_table(head, [[name, *(cell for times in found for cell in net_cells(times[name]))] for name in names])


def layers(run: Run) -> list[str]:
    """The table of layers: shares of the peak, and forward and backward beside the best peer."""
    lines = []
    for row in (row for row in run["rows"] if "shares" in row):
        peer, seconds = best(row["forward and backward"])
        shares = [f"{row['shares'][kind]:.0%}" for kind in ("forward", "input gradient", "weight gradient")]
        lines.append([row["name"], *shares, f"{peer} {seconds / row['forward and backward'][OWN]:.2f}x"])
    return list_table(["layer", "forward", "input gradient", "weight gradient", "all, beside the best peer"], lines)


def section(published: list[Run]) -> str:
    """The text between the marks."""
    text: list[str] = []
    for processor, isa in dict.fromkeys(place(run)[:2] for run in published):
        runs = [run for run in published if place(run)[:2] == (processor, isa)]
        machine = runs[0]["machine"]
        about = (
            f"{processor}, {ISAS[isa]}, {machine['date'][:10]}, float32: milliseconds, with Winograd's tiles after the "
            "stroke, and the best peer's time over ours."
        )
        shares = "Layers on one thread, as shares of the multiply-adds that the core can do."
        text += [fill(about, WIDTH), "", *nets(runs), ""]
        text += [shares, "", *layers(runs[0]), ""]
    return "\n".join(text).rstrip()


def page(published: list[Run]) -> str:
    """docs/measured.rst with these tables."""
    return between(MEASURED, section(published), MARKS)


def main(paths: list[str]) -> None:
    """Publish, and write the tables."""
    runs = {place(run): run for run in json.loads(PUBLISHED.read_text())} if PUBLISHED.exists() else {}
    runs |= {place(run): cut(run) for run in (json.loads(Path(path).read_text()) for path in paths)}
    published = [runs[key] for key in sorted(runs)]
    PUBLISHED.write_text(json.dumps(published, indent=1) + "\n")
    MEASURED.write_text(page(published))


if __name__ == "__main__":
    main(sys.argv[1:])
