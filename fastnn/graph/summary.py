"""The table that says what a graph is made of."""

from collections.abc import Sequence

from fastnn.graph.graph import Graph
from fastnn.graph.memory import memory_of, sized
from fastnn.graph.quantized import QuantizedGraph
from fastnn.layers.base import batched
from fastnn.markup.html import table
from fastnn.markup.notebook import shown

ROWS = 32  # of a mini-batch, where fit is not told
HEAD = ("layer", "type", "reads", "output", "parameters")
QUANTIZED_HEAD = ("layer", "type", "reads", "output", "weights", "parameters", "bytes")


def describe(net: Graph) -> str:
    """Return the table as text."""
    rows: list[tuple[str, ...]] = [HEAD, *rows_of(net)]
    rows.insert(1, tuple("-" * max(map(len, column)) for column in zip(*rows, strict=True)))
    return "\n".join([f"{type(net).__name__}, {net.dtype}, seed {net.seed}", *aligned(rows, 4), total(net), needs(net)])


def describe_html(net: Graph) -> str:
    """Return the table for a notebook."""
    caption = f"{type(net).__name__}, {net.dtype}: {total(net)}"
    return shown(table(HEAD, rows_of(net), caption=caption, texts=4))


def aligned(rows: Sequence[tuple[str, ...]], texts: int) -> list[str]:
    """Return a line for each row: the first columns, of texts, to the left, and those of numbers to the right."""
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join([*map(str.ljust, row[:texts], sizes), *map(str.rjust, row[texts:], sizes[texts:])]).rstrip()
        for row in rows
    ]


def rows_of(net: Graph) -> list[tuple[str, str, str, str, str]]:
    """Return layer, type, what it reads, shape and number of parameters of every input and layer."""
    several = len(net.input_shapes) > 1
    names = {i: name or (f"input_{i + 1}" if several else "input") for i, name in enumerate(net.structure.input_names)}
    rows = [(names[i], "Input", "", batched(shape), "0") for i, shape in enumerate(net.input_shapes)]
    counts = {view.name: f"{view.n_params:,}" for view in net.layers}
    for applied in net.applications:
        reads = ", ".join(names[i] for i in applied.inputs)
        kind = type(applied.layer).__name__
        rows.append((applied.name, kind, reads, batched(applied.output_shape), counts[applied.name]))
        counts[applied.name] = "0" if counts[applied.name] == "0" else "shared"
        names[applied.output] = applied.name
    return rows


def total(net: Graph) -> str:
    """Return how many parameters there are, and their bytes."""
    kept = sum(place.size for place in net.places if not place.learned)
    return f"{net.n_params:,} parameters{f' ({kept:,} not learned)' if kept else ''}, {net.params.nbytes:,} bytes"


def needs(net: Graph) -> str:
    """Return how much memory rows need, as ``net.memory`` counts it."""
    train, answer = (sized(memory_of(net, ROWS, training).total) for training in (True, False))
    return f"with {ROWS} rows: {train} in training, {answer} in inference"


def describe_quantized(net: QuantizedGraph) -> str:
    """Return the table of a quantised network as text: what is narrow, what stays float32, and the bytes of each."""
    rows: list[tuple[str, ...]] = [QUANTIZED_HEAD, *quantized_rows(net)]
    rows.insert(1, tuple("-" * max(map(len, column)) for column in zip(*rows, strict=True)))
    return "\n".join([f"{type(net).__name__}, weights in {net.weights_dtype}", *aligned(rows, 5), quantized_total(net)])


def describe_quantized_html(net: QuantizedGraph) -> str:
    """Return the table of a quantised network for a notebook."""
    caption = f"{type(net).__name__}, weights in {net.weights_dtype}: {quantized_total(net)}"
    return shown(table(QUANTIZED_HEAD, quantized_rows(net), caption=caption, texts=5))


def quantized_total(net: QuantizedGraph) -> str:
    """Return how many parameters there are, and their bytes beside those in float32."""
    full = net.n_params * net.dtype.itemsize
    return f"{net.n_params:,} parameters, {net.nbytes:,} bytes instead of {full:,} in float32"


def quantized_rows(net: QuantizedGraph) -> list[tuple[str, ...]]:
    """Return what stands in the table of a quantised network, for every input and layer."""
    several = len(net.input_shapes) > 1
    names = {i: name or (f"input_{i + 1}" if several else "input") for i, name in enumerate(net.structure.input_names)}
    rows: list[tuple[str, ...]] = [
        (names[i], "Input", "", batched(shape), "", "0", "0") for i, shape in enumerate(net.input_shapes)
    ]
    seen: set[str] = set()
    matrices = net.matrices
    for applied in net.applications:
        matrix = matrices.get(applied.name)
        others = sum(place.size for place in net.places if place.layer == applied.name)
        count = others + (0 if matrix is None else matrix.values.size)
        nbytes = others * net.dtype.itemsize + (0 if matrix is None else matrix.nbytes)
        weights = "" if not count else str(net.dtype) if matrix is None else net.weights_dtype
        numbers = ("shared", "shared") if count and applied.name in seen else (f"{count:,}", f"{nbytes:,}")
        reads = ", ".join(names[i] for i in applied.inputs)
        rows.append(
            (applied.name, type(applied.layer).__name__, reads, batched(applied.output_shape), weights, *numbers)
        )
        seen.add(applied.name)
        names[applied.output] = applied.name
    return rows
