"""How the rows of a result are read and shown."""

from typing import Any

from bench.variants import OWN

Row = dict[str, Any]
NAMES = {
    "numpy": "NumPy by hand",
    "sklearn": "scikit-learn",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "torch": "PyTorch",
    "jax": "JAX",
}


def micros(value: float) -> str:
    """Three digits, in microseconds."""
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def table(head: list[str], lines: list[list[str]]) -> str:
    """A Markdown table, the first column to the left."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *lines))


def list_table(head: list[str], lines: list[list[str]]) -> list[str]:
    """The lines of a reStructuredText table."""
    text = [".. list-table::", "   :header-rows: 1", ""]
    for line in [head, *lines]:
        text += [f"   {'*' if number == 0 else ' '} - {cell}".rstrip() for number, cell in enumerate(line)]
    return text


def side(label: str, isa: str) -> str:
    """The column of a build of fastnn."""
    return f"{label} {isa}"


def peers_beside(result: dict[str, Any], isa: str) -> dict[str, str]:
    """Peer by column: those held to an instruction set, and as they dispatch by themselves those that are not."""
    others = [column for column in result["columns"] if column["peer"] != OWN]
    held = {column["peer"] for column in others if column["isa"] == isa}
    return {c["name"]: c["peer"] for c in others if c["isa"] == isa or (not c["isa"] and c["peer"] not in held)}


def best_peer(result: dict[str, Any], row: Row, isa: str) -> str | None:
    """The column of the fastest peer beside fastnn on an instruction set."""
    times = {name: row["times"][name]["median_us"] for name in peers_beside(result, isa) if name in row["times"]}
    return min(times, key=lambda name: times[name]) if times else None


def is_square(row: Row) -> bool:
    """Whether this is a row of the crossover table."""
    return len(set(row["sizes"])) == 1
