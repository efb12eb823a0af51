"""Products alone, as shares of the peak measured around each: ``taskset -c 0 python -m bench --products``.

The three products of a dense layer, through the doors of their kernels, on one core; each in a loop in C.
"""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.machine import describe
from bench.pipe import Worker
from bench.run import Effort
from bench.tables import table
from bench.variants import Variant

SHAPES = [  # rows, inputs, outputs
    (32, 64, 64),
    (128, 64, 64),
    (32, 784, 128),
    (128, 784, 128),
    (512, 784, 128),
    (128, 784, 512),
    (512, 784, 512),
    (32, 512, 512),
    (128, 512, 512),
    (512, 512, 512),
    (128, 512, 311),
    (512, 512, 311),
    (128, 342, 512),
    (33, 100, 50),
    (100, 333, 257),
    (128, 1024, 1024),
    (512, 1024, 1024),
    (128, 1536, 1024),
    (128, 2048, 2048),
    (512, 2048, 2048),
]
DIRECTIONS = ("forward", "input gradient", "weight gradient")
DTYPES = ("float32", "float64")
GOAL = 0.88  # of peak
SHORT = 0.2  # of a round of the other workloads: there are many, and nobody sleeps meanwhile


@dataclass(frozen=True)
class Product:
    """One product of a layer with B rows, I inputs, O outputs."""

    direction: str
    shape: tuple[int, int, int]
    dtype: str

    @property
    def name(self) -> str:
        """What ``--workloads`` matches."""
        return f"{self.direction} {'x'.join(map(str, self.shape))} f{self.dtype[-2:]}"

    @property
    def flops(self) -> int:
        """Multiplications and additions."""
        B, inputs, outputs = self.shape
        return 2 * B * inputs * outputs


PRODUCTS = [Product(*row) for row in itertools.product(DIRECTIONS, SHAPES, DTYPES)]


def share(product: Product, found: dict[str, Any]) -> float:
    """Of the peak that was measured before and after it."""
    return product.flops / found["seconds"] / (sum(found["peaks"]) / len(found["peaks"]))


def measure(
    products: list[Product],
    chosen: list[Variant],
    effort: Effort,
    core: int,
    logs: Path,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Shares of the peak by product and variant, medians of rounds in turn."""
    workers = {
        variant.name: Worker(
            "bench.product_worker",
            "--fastnn",
            str(variant.folder),
            threads=1,
            cores=[core],
            log=logs / f"products-{variant.name.replace(' ', '-')}.log",
            variables=variant.variables,
        )
        for variant in chosen
    }
    result: dict[str, Any] = {"machine": describe(), "rounds": effort.rounds, "variants": list(workers), "rows": []}
    try:
        for product in products:
            request = {"direction": product.direction, "shape": product.shape, "dtype": product.dtype}
            found: dict[str, list[dict[str, Any]]] = {name: [] for name in workers}
            for turn in range(effort.rounds):
                order = list(workers)
                for name in order[turn % len(order) :] + order[: turn % len(order)]:
                    found[name].append(workers[name].ask("time", **request, seconds=effort.seconds * SHORT))
            row: dict[str, Any] = {"product": product.name, **request, "shares": {}, "us": {}, "peaks": {}}
            for name, answers in found.items():
                row["shares"][name] = median(share(product, answer) for answer in answers)
                row["us"][name] = median(answer["seconds"] for answer in answers) * 1e6
                row["peaks"][name] = median(itertools.chain(*(answer["peaks"] for answer in answers)))
            result["rows"].append(row)
            tell(f"{product.name}: " + ", ".join(f"{name} {value:.0%}" for name, value in row["shares"].items()))
    finally:
        for worker in workers.values():
            worker.end()
    return result


def markdown(result: dict[str, Any]) -> str:
    """A table per dtype: shapes down, directions and variants across; then the worst of each."""
    machine, names = result["machine"], result["variants"]
    parts = ["# Products alone"]
    parts += [f"{machine['processor']}, {machine['date'][:10]}, commit {machine['commit']}; shares of the peak."]
    for dtype in DTYPES:
        rows = [row for row in result["rows"] if row["dtype"] == dtype]
        if not rows:
            continue
        cells = {(row["direction"], tuple(row["shape"]), name): row["shares"][name] for row in rows for name in names}
        columns = [(direction, name) for direction in DIRECTIONS for name in names]
        columns = [column for column in columns if any((key[0], key[2]) == column for key in cells)]
        lines = []
        for shape in dict.fromkeys(tuple(row["shape"]) for row in rows):
            values = [cells.get((direction, shape, name)) for direction, name in columns]
            lines.append(["x".join(map(str, shape)), *("-" if v is None else f"{v:.0%}" for v in values)])
        parts.append(table([f"{dtype}, B x I x O", *(f"{direction}, {name}" for direction, name in columns)], lines))
    return "\n\n".join([*parts, verdict(result)]) + "\n"


def verdict(result: dict[str, Any]) -> str:
    """The worst product of each kind, and how many miss the goal."""
    lines = []
    for dtype, name, direction in itertools.product(DTYPES, result["variants"], DIRECTIONS):
        rows = [row for row in result["rows"] if (row["dtype"], row["direction"]) == (dtype, direction)]
        if not rows:
            continue
        worst = min(rows, key=lambda row: row["shares"][name])
        missed = sum(row["shares"][name] < GOAL for row in rows)
        peak = median(row["peaks"][name] for row in rows) / 1e9
        cells = [f"{dtype} {name}", direction, f"{peak:.1f}", "x".join(map(str, worst["shape"]))]
        cells += [f"{worst['shares'][name]:.0%}", f"{len(rows) - missed} of {len(rows)}"]
        lines.append([*cells, "missed" if missed else "reached"])
    return table(["", "direction", "peak, GFLOP/s", "worst", "its share", f">= {GOAL:.0%}", "goal"], lines)


def main(products: list[Product], chosen: list[Variant], effort: Effort, core: int, out: Path) -> int:
    """Measure, print and write."""
    result = measure(products, chosen, effort, core, out, lambda line: print(line, flush=True))
    (out / "products.json").write_text(json.dumps(result, indent=1) + "\n")
    (out / "products.md").write_text(markdown(result))
    print(f"\n{markdown(result)}\nwritten to {out}")
    return 0
