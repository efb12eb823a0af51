"""Tables of a result, in Markdown."""

from typing import Any

OWN = "fastnn"
SHOWN = 3  # names of workloads skipped for one reason; the JSON has all
PUBLISHED = {
    (
        "4-32-16-4",
        "tanh",
    ): "SimpleChains.jl 41 us on 18 cores, 164 us on 4; 35x to 100x of PyTorch (julialang.org, 2022)",
    ("24-8-2", "tanh"): "SimpleChains.jl 5.66 us, Flux 96.4 us (README of SimpleChains.jl)",
}
Row = dict[str, Any]


def micros(value: float) -> str:
    """Three digits, in microseconds."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def best_peer(row: Row) -> str | None:
    """The fastest but fastnn."""
    others = {peer: times["median_us"] for peer, times in row["times"].items() if peer != OWN}
    return min(others, key=lambda peer: others[peer]) if others else None


def table(head: list[str], lines: list[list[str]]) -> str:
    """A Markdown table, the first column to the left."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *lines))


def side_by_side(result: dict[str, Any], rows: list[Row]) -> str:
    """Every workload where a peer ran too."""
    peers = [peer for peer in result["peers"] if peer != OWN and any(peer in row["times"] for row in rows)]
    head = ["us per call", OWN, "best peer", "", "ratio", "limit", "by", "of limit", "of peak", *peers]
    lines = []
    for row in rows:
        own, best, bound = row["times"].get(OWN), best_peer(row), row["bound"]
        cells = [row["workload"], micros(own["median_us"]) if own else "-"]
        cells += [best, micros(row["times"][best]["median_us"])] if best else ["-", "-"]
        cells += [f"{row['times'][best]['median_us'] / own['median_us']:.2f}x" if own and best else "-"]
        cells += [micros(bound["us"]), bound["by"]]
        cells += [f"{bound[kind] / own['median_us']:.0%}" if own else "-" for kind in ("us", "flops_us")]
        cells += [micros(row["times"][peer]["median_us"]) if peer in row["times"] else "-" for peer in peers]
        lines.append(cells)
    return table(head, lines)


def scaling(rows: list[Row]) -> str:
    """Several threads of fastnn against one."""
    by_name = {row["workload"]: row for row in rows}
    lines = []
    for row in rows:
        alone = by_name.get(row["workload"].removesuffix(f" x{row['threads']}"))
        if row["threads"] > 1 and alone and OWN in row["times"] and OWN in alone["times"]:
            one, many = (r["times"][OWN]["median_us"] for r in (alone, row))
            lines.append([alone["workload"], micros(one), f"{row['threads']}: {micros(many)}", f"{one / many:.2f}x"])
    return table(["us per call of fastnn", "1 thread", "threads", "faster"], lines) if lines else ""


def published(rows: list[Row]) -> str:
    """Workloads that others have published times of, on machines of their own."""
    lines = []
    for row in rows:
        source = PUBLISHED.get((row["net"], row["activation"]))
        if source and OWN in row["times"]:
            own, torch = row["times"][OWN]["median_us"], row["times"].get("torch")
            beside = [micros(torch["median_us"]), f"{torch['median_us'] / own:.1f}x"] if torch else ["-", "-"]
            lines.append([row["workload"], micros(own), *beside, source])
    return table(["us per call", OWN, "torch", "ratio", "published"], lines) if lines else ""


def crossover(rows: list[Row], rival: str = "torch") -> str:
    """Where a framework catches up: steps of square layers, ratio by width."""
    lines = []
    for row in rows:
        if OWN in row["times"] and rival in row["times"]:
            own, other = (row["times"][peer]["median_us"] for peer in (OWN, rival))
            cells = [row["sizes"][0], row["batch"], row["threads"], micros(own), micros(other), f"{other / own:.2f}x"]
            lines.append([str(cell) for cell in cells])
    return table(["units", "batch", "threads", f"{OWN} us", f"{rival} us", "ratio"], lines) if lines else ""


def limits(result: dict[str, Any]) -> str:
    """Measured rates of one core."""
    lines = [
        [name.replace("_", " "), f"{value / 1e9:.1f} {'GFLOP/s' if name.startswith('fma') else 'GB/s'}"]
        for name, value in result["limits"].items()
    ]
    return table([f"one core, {result['machine']['isa']}", "measured"], lines)


def notes(result: dict[str, Any]) -> list[str]:
    """Who is missing, and what went wrong."""
    rows = result["rows"]
    lines = [f"- {peer} left out: {why}" for peer, why in result["absent"].items()]
    for reason in dict.fromkeys(result["skipped"].values()):
        names = [name for name, why in result["skipped"].items() if why == reason]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        lines.append(f"- skipped: {', '.join(names[:SHOWN])}{more}: {reason}")
    for row in rows:
        lines += [f"- {row['workload']}: {peer} FAILED: {why}" for peer, why in row["failures"].items()]
        lines += [f"- {row['workload']}: {way} not used: {why}" for way, why in row["faults"].items()]
    disturbed = sum(times["disturbed"] for row in rows for times in row["times"].values())
    if disturbed:
        rounds = sum(len(times["rounds_us"]) for row in rows for times in row["times"].values())
        lines.append(
            f"- other processes disturbed {disturbed} of {rounds} rounds: these count only the time a worker ran"
        )
    return lines


def markdown(result: dict[str, Any]) -> str:
    """All tables of a result."""
    machine, rows = result["machine"], result["rows"]
    versions = ", ".join(f"{peer} {version}" for peer, version in result["versions"].items())
    head = f"{machine['processor']}, Python {machine['python']}, {machine['date']}, commit {machine['commit']}."
    rule = (
        f"Medians of {result['effort']['rounds']} rounds.  ratio: best peer / fastnn.  limit: by multiply-adds at "
        "the measured peak (FMA), or by reading the weights from the level that holds them.  of peak: by "
        "multiply-adds alone."
    )
    square = [row for row in rows if is_square(row)]
    rest = [row for row in rows if not is_square(row)]
    parts = ["# Side by side", head, versions, rule, limits(result)]
    parts += [side_by_side(result, [row for row in rest if best_peer(row) or row["threads"] == 1])] if rest else []
    parts += [text for text in (scaling(rest), published(rest), crossover(square)) if text]
    found = notes(result)
    parts += ["\n".join(found)] if found else []
    return "\n\n".join(parts) + "\n"


def is_square(row: Row) -> bool:
    """Whether this is a row of the crossover table."""
    return len(set(row["sizes"])) == 1
