"""Tables of a result, in Markdown."""

from typing import Any

from bench.goals import verdicts
from bench.tables import OWN, Row, best_peer, is_square, micros, peers_beside, side, table

SHOWN = 3  # names of workloads skipped for one reason; the JSON has all
PUBLISHED = {
    (
        "4-32-16-4",
        "tanh",
    ): "SimpleChains.jl 41 us on 18 cores, 164 us on 4; 35x to 100x of PyTorch (julialang.org, 2022)",
    ("24-8-2", "tanh"): "SimpleChains.jl 5.66 us, Flux 96.4 us (README of SimpleChains.jl)",
}


def beside_best(result: dict[str, Any], row: Row, isa: str) -> list[str]:
    """Cells of one row on one instruction set: ours, the best peer's, their ratio, and shares of the limits."""
    own, best, bound = row["times"].get(side(OWN, isa)), best_peer(result, row, isa), row["bound"][isa]
    cells = [micros(own["median_us"]) if own else "-"]
    cells += [f"{named(row, best)} {micros(row['times'][best]['median_us'])}" if best else "-"]
    cells += [f"{row['times'][best]['median_us'] / own['median_us']:.2f}x" if own and best else "-"]
    cells += [f"{bound['us'] / own['median_us']:.0%} {bound['by']}" if own else "-"]
    return [*cells, f"{bound['flops_us'] / own['median_us']:.0%}" if own else "-"]


def named(row: Row, column: str) -> str:
    """A column, with the precision it answered in where that is lower than was to be."""
    return f"{column} {row['times'][column]['precision']}".strip()


def side_by_side(result: dict[str, Any], rows: list[Row]) -> str:
    """Every workload where a peer ran too, on every instruction set."""
    head = ["us per call"]
    for isa in result["isas"]:
        head += [f"{isa}: {OWN}", "best peer", "ratio", "of limit", "of peak"]
    lines = [
        [row["workload"], *(cell for isa in result["isas"] for cell in beside_best(result, row, isa))] for row in rows
    ]
    return table(head, lines)


def all_times(result: dict[str, Any], rows: list[Row]) -> str:
    """Every time that was measured."""
    names = [column["name"] for column in result["columns"]]
    names = [name for name in names if any(name in row["times"] for row in rows)]
    lines = [[row["workload"], *(time_of(row, name) for name in names)] for row in rows]
    return table(["us per call", *names], lines)


def time_of(row: Row, column: str) -> str:
    """One cell."""
    if column not in row["times"]:
        return "-"
    found = row["times"][column]
    return f"{micros(found['median_us'])} {found['precision']}".strip()


def goals(result: dict[str, Any], rows: list[Row]) -> str:
    """What was to be reached, and was it; a claim holds on every instruction set that was measured."""
    lines = []
    for row in rows:
        found = {isa: verdicts(result, row, isa) for isa in result["isas"]}
        for numbers in zip(*found.values(), strict=True):
            first, claim = numbers[0], "yes" if all(number.reached for number in numbers) else "no"
            lines.append(
                [row["workload"], first.what, first.shown(first.goal), *(number.text for number in numbers), claim]
            )
    return table(["goal", "", ">=", *result["isas"], "on all"], lines) if lines else ""


def builds(result: dict[str, Any], rows: list[Row]) -> str:
    """Other builds of fastnn beside this one."""
    labels = dict.fromkeys(column["label"] for column in result["columns"] if column["peer"] == OWN)
    pairs = [(label, isa) for label in labels if label != OWN for isa in result["isas"]]
    lines = []
    for row in rows:
        cells = []
        for label, isa in pairs:
            own, other = (row["times"].get(side(name, isa)) for name in (OWN, label))
            cells += [micros(other["median_us"]) if other else "-"]
            cells += [f"{other['median_us'] / own['median_us']:.2f}x" if own and other else "-"]
        lines.append([row["workload"], *cells])
    head = [cell for label, isa in pairs for cell in (f"{label} {isa}, us", f"of {OWN}'s")]
    return table(["other builds", *head], lines) if pairs else ""


def scaling(result: dict[str, Any], rows: list[Row]) -> str:
    """Several threads of fastnn against one, measured in turn."""
    lines = []
    for row in rows:
        for name, alone in row["alone"].items():
            if name in row["times"]:
                one, many = alone["median_us"], row["times"][name]["median_us"]
                cells = [micros(one), f"{row['threads']}: {micros(many)}", f"{one / many:.2f}x"]
                lines.append([row["workload"], name, *cells])
    return table(["us per call", "", "1 thread", "threads", "faster"], lines) if lines else ""


def published(result: dict[str, Any], rows: list[Row]) -> str:
    """Workloads that others have published times of, on machines of their own."""
    lines, own = [], side(OWN, result["isas"][-1])
    for row in rows:
        source = PUBLISHED.get((row["net"], row["activation"]))
        if source and own in row["times"]:
            ours, torch = row["times"][own]["median_us"], row["times"].get("torch")
            beside = [micros(torch["median_us"]), f"{torch['median_us'] / ours:.1f}x"] if torch else ["-", "-"]
            lines.append([row["workload"], micros(ours), *beside, source])
    return table(["us per call", own, "torch", "ratio", "published"], lines) if lines else ""


def crossover(result: dict[str, Any], rows: list[Row], rival: str = "torch") -> str:
    """Where a framework catches up: steps of square layers, ratio by width."""
    lines = []
    for row in rows:
        for isa in result["isas"]:
            name = next((name for name, peer in peers_beside(result, isa).items() if peer == rival), "")
            if side(OWN, isa) in row["times"] and name in row["times"]:
                own, other = (row["times"][column]["median_us"] for column in (side(OWN, isa), name))
                cells = [row["sizes"][0], row["batch"], row["threads"], isa, micros(own), micros(other)]
                lines.append([*map(str, cells), f"{other / own:.2f}x"])
    return table(["units", "batch", "threads", "", f"{OWN} us", f"{rival} us", "ratio"], lines) if lines else ""


def limits(result: dict[str, Any]) -> str:
    """Measured rates of one core."""
    rates = next(iter(result["limits"].values()))
    lines = []
    for rate in rates:
        unit = "GFLOP/s" if rate.startswith("fma") else "GB/s"
        values = (f"{result['limits'][isa][rate] / 1e9:.1f} {unit}" for isa in result["isas"])
        lines.append([rate.replace("_", " "), *values])
    return table(["one core", *result["isas"]], lines)


def notes(result: dict[str, Any]) -> list[str]:
    """Who is missing, who could not be held, and what went wrong."""
    rows = result["rows"]
    lines = [f"- {peer} left out: {why}" for peer, why in result["absent"].items()]
    for isa in result["isas"][:-1]:
        free = [peer for name, peer in peers_beside(result, isa).items() if name == peer]
        if free:
            lines.append(f"- {isa}: {', '.join(free)} cannot be held to it, and dispatches by itself there too")
    for reason in dict.fromkeys(result["skipped"].values()):
        names = [name for name, why in result["skipped"].items() if why == reason]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        lines.append(f"- skipped: {', '.join(names[:SHOWN])}{more}: {reason}")
    for row in rows:
        lines += [f"- {row['workload']}: {peer} FAILED: {why}" for peer, why in row["failures"].items()]
        lines += [f"- {row['workload']}: {way} not used: {why}" for way, why in row["faults"].items()]
    measured = [times for row in rows for times in (*row["times"].values(), *row["alone"].values())]
    disturbed = sum(times["disturbed"] for times in measured)
    if disturbed:
        rounds = sum(len(times["rounds_us"]) for times in measured)
        lines.append(
            f"- other processes disturbed {disturbed} of {rounds} rounds: these count only the time a worker ran"
        )
    return lines


def markdown(result: dict[str, Any]) -> str:
    """All tables of a result."""
    machine, rows = result["machine"], result["rows"]
    versions = ", ".join(f"{label} {version}" for label, version in result["versions"].items())
    head = f"{machine['processor']}, Python {machine['python']}, {machine['date']}, commit {machine['commit']}."
    rule = (
        f"Medians of {result['effort']['rounds']} rounds.  ratio: best peer / fastnn.  limit: by multiply-adds at "
        "the measured peak (FMA), or by reading the weights from the level that holds them.  of peak: by "
        "multiply-adds alone.  A peer's column names the instruction set that it was held to."
    )
    square = [row for row in rows if is_square(row)]
    rest = [row for row in rows if not is_square(row)]
    shown = [row for row in rest if row["threads"] == 1 or any(best_peer(result, row, isa) for isa in result["isas"])]
    parts = ["# Side by side", head, versions, rule, limits(result) if rows else ""]
    parts += [side_by_side(result, shown), all_times(result, shown)] if rest else []
    parts += [goals(result, rest), builds(result, rest), scaling(result, rest), published(result, rest)]
    parts += [crossover(result, square), "\n".join(notes(result))]
    return "\n\n".join(part for part in parts if part) + "\n"
