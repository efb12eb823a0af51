"""Where the boxes of a graph stand: in rows from the inputs down, with few crossings, and bends for long ways."""

from collections.abc import Sequence
from dataclasses import dataclass, field

SWEEPS = 8  # down and up again, in which boxes move to the middle of those they are joined to


@dataclass
class Box:
    """A box of the picture, or the place where a long way passes a row: then it has no lines.

    ``x`` is its middle; ``row`` counts from the inputs down.
    """

    lines: tuple[str, ...]
    width: float
    reads: list[int] = field(default_factory=list)
    kind: str = ""
    row: int = 0
    x: float = 0.0


def arrange(boxes: list[Box], gap: float) -> list[list[int]]:
    """Set row and x of every box, and add a box without lines to each row that a way passes; return the rows.

    ``boxes`` stand after those that they read.
    """
    for box in boxes:
        box.row = 1 + max((boxes[i].row for i in box.reads), default=-1)
    for number in range(len(boxes)):
        for k, source in enumerate(boxes[number].reads):
            for passed in range(boxes[source].row + 1, boxes[number].row):
                boxes.append(Box((), 8.0, [source], "way", passed))
                source = len(boxes) - 1
            boxes[number].reads[k] = source
    rows: list[list[int]] = [[] for _ in range(1 + max(box.row for box in boxes))]
    for number, box in enumerate(boxes):
        rows[box.row].append(number)
    readers: list[list[int]] = [[] for _ in boxes]
    for number, box in enumerate(boxes):
        for i in box.reads:
            readers[i].append(number)
    for row in rows:
        _spread(boxes, row, [float(i) for i in range(len(row))], gap)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for row in rows[1:] if down else rows[-2::-1]:
            wanted = []
            for number in row:
                joined = boxes[number].reads if down else readers[number]
                wanted.append(sum(boxes[i].x for i in joined) / len(joined) if joined else boxes[number].x)
            order = sorted(range(len(row)), key=wanted.__getitem__)
            row[:] = [row[i] for i in order]
            _spread(boxes, row, [wanted[i] for i in order], gap)
    left = min(box.x - box.width / 2 for box in boxes)
    for box in boxes:
        box.x -= left
    return rows


def _spread(boxes: list[Box], row: Sequence[int], wanted: Sequence[float], gap: float) -> None:
    """Put the boxes of a row where they are wanted, in this order and without overlap, as near as that allows."""
    groups: list[tuple[float, float, list[int]]] = []  # middle, width, boxes
    for number, x in zip(row, wanted, strict=True):
        middle, width, members = x, boxes[number].width, [number]
        while groups and groups[-1][0] + groups[-1][1] / 2 + gap > middle - width / 2:
            before, size, others = groups.pop()
            share = len(others) / (len(others) + len(members))
            middle, width = share * before + (1 - share) * middle, size + gap + width
            members = others + members
        groups.append((middle, width, members))
    for middle, width, members in groups:
        at = middle - width / 2
        for number in members:
            boxes[number].x = at + boxes[number].width / 2
            at += boxes[number].width + gap
