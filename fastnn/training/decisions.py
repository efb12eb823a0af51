"""Right decisions of an epoch, as the Trainer counts them while a network learns, by the names of metrics."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastnn.graph.binding import counted, decisions

if TYPE_CHECKING:
    from fastnn.graph.graph import Graph


def running(net: "Graph") -> list[tuple[str, int, bool]]:
    """Return what is counted while a network trains: its name, its output, and whether right or wrong ones."""
    several, result = len(net.output_shapes) > 1, []
    for output, metrics in enumerate(counted(net.metrics, len(net.losses))):
        if decisions(net.losses[output], net.output_shapes[output], net.dtype)[0]:
            for metric in metrics:
                name = f"{metric.name}_{output + 1}" if several else metric.name
                result.append((name, output, metric.name == "accuracy"))
    return result


def counts(found: list[tuple[str, int, bool]], accuracies: Sequence[float]) -> dict[str, float]:
    """Return accuracy and error of an epoch by name; ``accuracies``: by output, as the Trainer counts them.

    Raises ValueError if targets are no classes.
    """
    result = {}
    for name, output, right in found:
        share = accuracies[output]
        if share < 0:
            raise ValueError(
                f"{name}: expected labels, rows that sum to 1 (one class), rows of 0 and 1 (several labels) "
                "or, for a single output, 0 and 1 (or -1 and 1) as targets, got others; use r2 for real targets"
            )
        result[name] = share if right else 1.0 - share
    return result
