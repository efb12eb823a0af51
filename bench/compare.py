"""``python bench/compare.py OLD.json NEW.json``: what became faster or slower between two runs; exits 1 on a loss.

A loss is a row whose median in NEW exceeds the one in OLD by more than its noise: the sum of both runs' interquartile
ranges, each as a share of its median, and never less than 5 %.  Rows that only one run has are named.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

FLOOR = 0.05  # what a machine's clock rate and memory layout may do from run to run


def times_of(result: dict[str, Any], peer: str) -> dict[str, dict[str, float]]:
    """Median and quartiles of a peer, by workload."""
    return {row["workload"]: row["times"][peer] for row in result["rows"] if peer in row["times"]}


def noise(old: dict[str, float], new: dict[str, float]) -> float:
    """Share by which a time may grow without meaning anything."""
    return max(FLOOR, sum((times["q3_us"] - times["q1_us"]) / times["median_us"] for times in (old, new)))


def compare(old: dict[str, Any], new: dict[str, Any], peer: str = "fastnn") -> tuple[list[str], list[str], int]:
    """Lines of the table, names of the rows that were lost, and how many rows both runs have."""
    before, after = times_of(old, peer), times_of(new, peer)
    width = max(map(len, {*before, *after}), default=0)
    lines, losses = [f"{'':{width}}    old us    new us  new/old   noise"], []
    common = [name for name in before if name in after]
    for name in common:
        ratio = after[name]["median_us"] / before[name]["median_us"]
        allowed = noise(before[name], after[name])
        lost, gained = ratio > 1 + allowed, ratio < 1 / (1 + allowed)
        losses += [name] if lost else []
        cells = f"{before[name]['median_us']:10.4g}{after[name]['median_us']:10.4g}{ratio:9.3f}{allowed:8.1%}"
        lines.append(f"{name:{width}}{cells}  {'SLOWER' if lost else 'faster' if gained else ''}".rstrip())
    lines += [f"{name:{width}}  missing in NEW" for name in before if name not in after]
    lines += [f"{name:{width}}  missing in OLD" for name in after if name not in before]
    return lines, losses, len(common)


def main(arguments: list[str] | None = None) -> int:
    """Print the table; return 1 on a loss, 2 where nothing can be compared."""
    parser = argparse.ArgumentParser(prog="compare.py", description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--peer", default="fastnn", help="whose times (fastnn)")
    chosen = parser.parse_args(arguments)
    old, new = (json.loads(path.read_text()) for path in (chosen.old, chosen.new))
    lines, losses, common = compare(old, new, chosen.peer)
    for fact in ("processor", "isa"):
        if old["machine"][fact] != new["machine"][fact]:
            print(f"not the same {fact}: {old['machine'][fact]} and {new['machine'][fact]}")
    print("\n".join(lines))
    if not common:
        print(f"compare: the two runs have no row of {chosen.peer} in common", file=sys.stderr)
        return 2
    if losses:
        print(f"\n{len(losses)} of {common} rows slower beyond noise")
    return 1 if losses else 0


if __name__ == "__main__":
    sys.exit(main())
