"""What the README and docs/measured.rst tell of a result: their tables are written from ``bench/published.json``.

``python -m bench.publish`` writes the tables again from there, as ``tests/test_bench_publish.py`` expects them.
"""

import json
from pathlib import Path
from textwrap import fill
from typing import Any

from bench.chart import draw
from bench.tables import NAMES, OWN, Row, best_peer, list_table, micros, peers_beside, side, table
from bench.workloads import WORKLOADS

HERE = Path(__file__).parent
RESULT, CHART = HERE / "published.json", HERE / "side_by_side.png"
README, MEASURED = HERE.parent / "README.md", HERE.parent / "docs" / "measured.rst"
MARKS = {README: ("<!-- bench -->", "<!-- /bench -->"), MEASURED: (".. bench", ".. /bench")}
WIDTH = 120  # of a line of prose
ISAS = {"avx2": "AVX2", "avx512": "AVX-512", "base": "base"}
BRIEF = {  # the table of the README: what a reader calls these workloads
    "predict_one 4-64-64-2": "answer for one row, 4-64-64-2",
    "predict_one 784-128-10": "answer for one row, 784-128-10",
    "predict_one 784-512-512-10": "answer for one row, 784-512-512-10",
    "SGD 784-128-10 b1": "learn from one row, 784-128-10, SGD",
    "Adam 784-128-10 b128": "learn from 128 rows, 784-128-10, Adam",
    "SGD 784-512-512-10 b128": "learn from 128 rows, 784-512-512-10, SGD",
    "predict 784-128-10 b128": "answers for 128 rows, 784-128-10",
    "predict 784-512-512-10 b512": "answers for 512 rows, 784-512-512-10",
}


def cut(result: dict[str, Any]) -> dict[str, Any]:
    """The part that is published: the rows of the chart and of the tables, and of a time its median."""
    wanted = {workload.name for workload in WORKLOADS if workload.headline} | set(BRIEF)
    rows = []
    for row in result["rows"]:
        if row["workload"] in wanted:
            kept = {key: row[key] for key in ("workload", "headline", "threads", "bound")}
            for kind in ("times", "alone"):
                kept[kind] = {
                    name: {"median_us": round(times["median_us"], 4), "precision": times["precision"]}
                    for name, times in row[kind].items()
                }
            rows.append(kept)
    machine = {fact: result["machine"][fact] for fact in ("processor", "python", "date", "commit")}
    kept = {key: result[key] for key in ("format", "isas", "columns", "versions")}
    return {"machine": machine, **kept, "rows": rows}


def words(result: dict[str, Any], column: str) -> str:
    """A peer as readers know it."""
    return NAMES[next(found["peer"] for found in result["columns"] if found["name"] == column)]


def ratio(result: dict[str, Any], row: Row, isa: str) -> float | None:
    """The best peer's time over ours."""
    own, best = row["times"].get(side(OWN, isa)), best_peer(result, row, isa)
    return row["times"][best]["median_us"] / own["median_us"] if own and best else None


def cells(result: dict[str, Any], row: Row, isa: str, bold: str) -> list[str]:
    """Ours, the best peer's, and their ratio: bold where it is a claim, which has to hold on every instruction set."""
    own, best, here = row["times"].get(side(OWN, isa)), best_peer(result, row, isa), ratio(result, row, isa)
    claim = all((ratio(result, row, each) or 0.0) >= 1.0 for each in result["isas"])
    shown = [micros(own["median_us"]) if own else "-"]
    shown += [f"{words(result, best)} {micros(row['times'][best]['median_us'])}" if best else "-"]
    factor = f"{here:.2g}x" if here and here >= 9.95 else f"{here:.2f}x" if here else "-"
    return [*shown, f"{bold}{factor}{bold}" if claim else factor]


def free(result: dict[str, Any]) -> list[str]:
    """Peers that stand beside a lesser instruction set as they dispatch by themselves."""
    columns = [peers_beside(result, isa) for isa in result["isas"][:-1]]
    return list(dict.fromkeys(NAMES[peer] for found in columns for name, peer in found.items() if name == peer))


def where(result: dict[str, Any]) -> str:
    """Machine, date and rules of the tables."""
    machine, several = result["machine"], len(result["isas"]) > 1
    text = f"One core of an {machine['processor']}, {machine['date'][:10]}, float32, microseconds, beside the best peer"
    return f"{text}{' (on AVX2 held to AVX2); bold: ahead on both' if several else '; bold: ahead'}."


def peers(result: dict[str, Any]) -> str:
    """Who was there, and who was not held."""
    names = [NAMES[peer] for peer in dict.fromkeys(column["peer"] for column in result["columns"]) if peer != OWN]
    text = f"Peers: {', '.join(names)}, each tuned."
    return f"{text} {', '.join(free(result))} cannot be held to AVX2." if free(result) else text


def readme(result: dict[str, Any]) -> str:
    """The section of the README."""
    head, rows = ["call"], {row["workload"]: row for row in result["rows"]}
    for isa in result["isas"]:
        head += [f"{ISAS[isa]}: {OWN}", "best peer", ""]
    lines = [
        [text, *(cell for isa in result["isas"] for cell in cells(result, rows[name], isa, "**"))]
        for name, text in BRIEF.items()
        if name in rows
    ]
    return f"{fill(where(result), WIDTH)}\n\n{table(head, lines)}"


def measured(result: dict[str, Any]) -> str:
    """The table of docs/measured.rst."""
    head = ["call"]
    for isa in result["isas"]:
        head += [f"{ISAS[isa]}: {OWN}", "best peer", "", "of peak", "1 thread"]
    lines = []
    for row in result["rows"]:
        line = [f"``{row['workload']}``"]
        for isa in result["isas"]:
            own, alone = row["times"].get(side(OWN, isa)), row["alone"].get(side(OWN, isa))
            peak = row["bound"][isa]["flops_us"] / own["median_us"] if own else 0.0
            line += cells(result, row, isa, "**")
            line += [f"{peak:.0%}" if row["bound"][isa]["by"] == "FMA" and own else "-"]
            line += [micros(alone["median_us"]) if alone else "-"]
        lines.append(line)
    used = [place for place in range(len(head)) if any(line[place] != "-" for line in lines)]
    text = [fill(f"{where(result)} {peers(result)} x2: on two threads, beside our time on one.", WIDTH), ""]
    shown = [[line[place] for place in used] for line in [head, *lines]]
    return "\n".join(text + list_table(shown[0], shown[1:]))


def between(path: Path, text: str, marks: tuple[str, str] | None = None) -> str:
    """A page with this text between marks, those of a result if no others are given.

    Raises
    ------
    ValueError
        If the page lacks a mark.
    """
    page, (begin, end) = path.read_text(), marks or MARKS[path]
    before, found, rest = page.partition(f"{begin}\n")
    _, again, after = rest.partition(f"\n{end}\n")
    if not (found and again):
        raise ValueError(f"{path}: expected a line {begin!r} and later a line {end!r}")
    return f"{before}{begin}\n\n{text}\n\n{end}\n{after}"


def pages(result: dict[str, Any]) -> dict[Path, str]:
    """The pages as this result makes them."""
    return {README: between(README, readme(result)), MEASURED: between(MEASURED, measured(result))}


def publish(result: dict[str, Any]) -> None:
    """Write the result, the chart and the tables."""
    kept = cut(result)
    RESULT.write_text(json.dumps(kept, indent=1) + "\n")
    draw(kept, [row for row in kept["rows"] if row["headline"]], CHART)
    write(kept)


def write(result: dict[str, Any]) -> None:
    """Write the tables."""
    for path, text in pages(result).items():
        path.write_text(text)


if __name__ == "__main__":
    write(json.loads(RESULT.read_text()))
