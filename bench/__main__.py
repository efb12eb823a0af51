"""``python -m bench``: fastnn beside its peers, on this machine."""

import argparse
import json
import os
import re
import sys
from pathlib import Path

from bench import growth, products
from bench.chart import draw
from bench.peers import PEERS
from bench.publish import publish
from bench.report import markdown
from bench.run import Effort, run
from bench.tables import is_square
from bench.variants import OWN, beside, best_isa, measured_isas, variants
from bench.workloads import CROSSOVER, WORKLOADS, Workload

HERE = Path(__file__).parent


def options(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--crossover", action="store_true", help="square layers of growing width instead, against torch")
    kind.add_argument("--products", action="store_true", help="products alone instead, as shares of the peak")
    kind.add_argument("--growth", action="store_true", help="time a row against width, batch and depth instead")
    parser.add_argument("--workloads", metavar="PATTERN", default="", help="only names in which this regex is found")
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER", help=", ".join(PEERS))
    parser.add_argument("--isa", metavar="ISA,ISA", help="instruction sets of fastnn (all with FMA that there are)")
    parser.add_argument(
        "--fastnn", nargs=2, action="append", metavar=("FOLDER", "LABEL"), help="measure another build too, by a label"
    )
    parser.add_argument("--rounds", type=int, default=None, help="rounds per workload (7; with --quick 3)")
    parser.add_argument("--quick", action="store_true", help="short rounds, and nothing that is compiled for long")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder of JSON, Markdown and chart")
    parser.add_argument("--publish", action="store_true", help="also remake chart and tables of README and docs")
    parser.add_argument("--list", action="store_true", help="name the workloads and stop")
    chosen = parser.parse_args(arguments)
    if chosen.rounds is not None and chosen.rounds < 1:
        parser.error(f"--rounds: expected 1 or more, got {chosen.rounds}")
    part = chosen.workloads or chosen.quick or chosen.fastnn or chosen.crossover or chosen.products
    if chosen.publish and (part or chosen.isa or len(chosen.peers) < len(PEERS)):
        parser.error("--publish: expected the whole suite or the whole of --growth, not a part of it")
    if chosen.growth and (chosen.fastnn or chosen.quick or chosen.rounds or len(chosen.peers) < len(PEERS)):
        parser.error("--growth: takes --isa, --workloads, --out, --list and --publish alone")
    try:
        chosen.isas = measured_isas(chosen.isa)
        chosen.variants = variants(chosen.isas, chosen.fastnn)
    except ValueError as error:
        parser.error(str(error))
    return chosen


def main() -> int:
    """Measure, and write what was found."""
    chosen = options()

    def asked(name: str) -> bool:
        return bool(re.search(chosen.workloads, name))

    alone = [product for product in products.PRODUCTS if chosen.products and asked(product.name)]
    points = [point for point in growth.POINTS if chosen.growth and asked(point.name)]
    suite = CROSSOVER if chosen.crossover else () if chosen.products or chosen.growth else WORKLOADS
    workloads = [workload for workload in suite if asked(workload.name)]
    names = [case.name for cases in (alone, points, workloads) for case in cases]
    if chosen.list:
        print("\n".join(names))
        return 0
    if not names:
        print(f"bench: no workload matches {chosen.workloads!r}; --list names them", file=sys.stderr)
        return 2
    chosen.out.mkdir(parents=True, exist_ok=True)
    cores = sorted(os.sched_getaffinity(0))
    if alone:
        return products.main(alone, chosen.variants, effort(chosen), cores[0], chosen.out)
    os.sched_setaffinity(0, set(cores[:2]))
    if points:
        return growth.main(points, chosen.variants, cores, chosen.out, publish=chosen.publish)
    return side_by_side(chosen, workloads, cores)


def effort(chosen: argparse.Namespace) -> Effort:
    """How much is measured."""
    usual = Effort(3, 0.005, False) if chosen.quick else Effort()
    return Effort(chosen.rounds or usual.rounds, usual.seconds, usual.thorough)


def side_by_side(chosen: argparse.Namespace, workloads: list[Workload], cores: list[int]) -> int:
    """Measure workloads beside the peers."""
    peers = [peer for peer in chosen.peers if peer != OWN]
    columns = [*chosen.variants, *beside(chosen.isas, best_isa(), peers)]
    result = run(workloads, columns, effort(chosen), cores, chosen.out, lambda line: print(line, flush=True))
    name = "crossover" if chosen.crossover else "side_by_side"
    (chosen.out / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
    text = markdown(result)
    (chosen.out / f"{name}.md").write_text(text)
    print(f"\n{text}")
    rows = [row for row in result["rows"] if row["times"] and not is_square(row)]
    if rows:
        draw(result, [row for row in rows if len(row["times"]) > len(chosen.isas)] or rows, chosen.out / f"{name}.png")
        if chosen.publish:
            publish(result)
    print(f"written to {chosen.out}")
    return 1 if any(row["failures"] for row in result["rows"]) else 0


if __name__ == "__main__":
    sys.exit(main())
