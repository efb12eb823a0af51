"""What a network says of rows that it does not learn from, summed: by one process, or dealt out to those of a team."""

from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn._core.versions import View
from fastnn.data.feed import Feed
from fastnn.data.ports import Block
from fastnn.metrics import Metric
from fastnn.training.team import ROWS, Team

if TYPE_CHECKING:
    from fastnn.graph.graph import Graph
    from fastnn.graph.quantized import QuantizedGraph


def measured(
    net: "Graph | QuantizedGraph",
    feed: Feed,
    metrics: dict[str, tuple[int, Metric]],
    view: View | None = None,
    team: Team | None = None,
    dealt: bool = False,
) -> dict[str, float]:
    """Return the loss over a feed, and metrics by name, each of which looks at the output with its number.

    ``view``: the parameters that are read, None: as they are at each moment.  In a team the feed has all rows, or if
    it is ``dealt`` those of this process; what is returned is of all rows, and the same on every process.

    Raises ValueError if there are no rows of positive weight.
    """
    if team is not None and team.size == 1:
        team = None
    loss_sum = weight_sum = 0.0
    for block in feed.blocks(None):
        outputs = net.ports.answers(block.n) if metrics else []
        seen = [(block, outputs)]
        if team is None:
            loss, weight = net.evaluator.evaluate(*block[:3], outputs, block.n, view)
        elif dealt:
            said = team.gather((*net.evaluator.evaluate(*block[:3], outputs, block.n), block, outputs), ROWS)
            loss, weight = (sum(one[k] for one in said) for k in (0, 1))
            seen = [one[2:] for one in said]
        else:
            loss, weight = _in_turn(net, block, outputs, team)
        loss_sum, weight_sum = loss_sum + loss, weight_sum + weight
        for rows, answers in seen:
            for output, metric in metrics.values():
                metric.update(rows.targets[output], answers[output], rows.weights)
    if not weight_sum:
        raise ValueError("evaluate: expected at least one row of positive weight, got none")
    return {"loss": loss_sum / weight_sum, **{name: metric.result() for name, (_, metric) in metrics.items()}}


def _in_turn(net: Any, block: Block, outputs: list[np.ndarray], team: Team) -> tuple[float, float]:
    """Return sums of loss and weight over a block, of which each process goes through some chunks; fill ``outputs``.

    Chunks are those of one process, and so are the bits: their sums are added up in order.
    """
    size, n = net.evaluator.chunk, block.n
    starts = range(0, n, size)
    if len(starts) == 1:
        sums: tuple[float, float] = net.evaluator.evaluate(*block[:3], outputs, n)
        return sums
    own = [starts[len(starts) * k // team.size :][:1] for k in (team.rank, team.rank + 1)]
    first, stop = (part[0] if part else n for part in own)
    found = []
    for start in range(first, stop, size):
        part = block.part(start, min(start + size, n))
        rows = slice(start, start + part.n)
        found.append(net.evaluator.evaluate(*part[:3], [output[rows] for output in outputs], part.n))
    said = team.gather((first, found, [output[first:stop] for output in outputs]), ROWS)
    loss = weight = 0.0
    for start, sums_of, answers in said:
        for more in sums_of:
            loss, weight = loss + more[0], weight + more[1]
        for output, answer in zip(outputs, answers, strict=True):
            output[start : start + len(answer)] = answer
    return loss, weight
