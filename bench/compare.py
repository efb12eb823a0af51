"""``python bench/compare.py OLD.json NEW.json``: what became faster or slower between two runs; exits 1 on a loss.

Times of NEW are first brought to the clock rate of OLD, as the multiply-add probe saw it beside each row.  A loss is
a row whose median then exceeds the one in OLD by more than its noise: the sum of both runs' interquartile ranges, each
as a share of its median, and never less than 5 %.  Rows that only one run has are named.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

FLOOR = 0.05  # what the layout of memory may do from run to run
CLOCK = "fma_float32"
FORMAT = 2  # of bench/run.py


def rows_of(result: dict[str, Any], label: str) -> dict[str, tuple[dict[str, float], float]]:
    """Times of a build and the clock beside them, by workload and instruction set."""
    return {
        f"{row['workload']}, {isa}": (row["times"][f"{label} {isa}"], row["limits"][isa][CLOCK])
        for row in result["rows"]
        for isa in result["isas"]
        if f"{label} {isa}" in row["times"]
    }


def noise(old: dict[str, float], new: dict[str, float]) -> float:
    """Share by which a time may grow without meaning anything."""
    return max(FLOOR, sum((times["q3_us"] - times["q1_us"]) / times["median_us"] for times in (old, new)))


def compare(old: dict[str, Any], new: dict[str, Any], label: str = "fastnn") -> tuple[list[str], list[str], int]:
    """Lines of the table, names of the rows that were lost, and how many rows both runs have."""
    before, after = rows_of(old, label), rows_of(new, label)
    same = old["machine"]["processor"] == new["machine"]["processor"]
    width = max(map(len, {*before, *after}), default=0)
    lines, losses = [f"{'':{width}}    old us    new us   clock  new/old   noise"], []
    common = [name for name in before if name in after]
    for name in common:
        (first, first_clock), (second, second_clock) = before[name], after[name]
        clock = second_clock / first_clock if same else 1.0
        ratio, allowed = second["median_us"] * clock / first["median_us"], noise(first, second)
        lost, gained = ratio > 1 + allowed, ratio < 1 / (1 + allowed)
        losses += [name] if lost else []
        cells = f"{first['median_us']:10.4g}{second['median_us']:10.4g}{clock:8.3f}{ratio:9.3f}{allowed:8.1%}"
        lines.append(f"{name:{width}}{cells}  {'SLOWER' if lost else 'faster' if gained else ''}".rstrip())
    lines += [f"{name:{width}}  missing in NEW" for name in before if name not in after]
    lines += [f"{name:{width}}  missing in OLD" for name in after if name not in before]
    return lines, losses, len(common)


def main(arguments: list[str] | None = None) -> int:
    """Print the table; return 1 on a loss, 2 where nothing can be compared."""
    parser = argparse.ArgumentParser(prog="compare.py", description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--label", default="fastnn", help="which build's times (fastnn)")
    chosen = parser.parse_args(arguments)
    old, new = (json.loads(path.read_text()) for path in (chosen.old, chosen.new))
    for path, result in ((chosen.old, old), (chosen.new, new)):
        if result.get("format") != FORMAT:
            print(f"compare: expected results of format {FORMAT}, got {result.get('format')}: measure {path} again")
            return 2
    lines, losses, common = compare(old, new, chosen.label)
    names = [result["machine"]["processor"] for result in (old, new)]
    if names[0] != names[1]:
        print(f"not the same processor: {' and '.join(names)}; clock rates not compared")
    print("\n".join(lines))
    if not common:
        print(f"compare: the two runs have no row of {chosen.label} in common", file=sys.stderr)
        return 2
    if losses:
        print(f"\n{len(losses)} of {common} rows slower beyond noise")
    return 1 if losses else 0


if __name__ == "__main__":
    sys.exit(main())
