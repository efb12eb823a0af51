"""Sums over the groups of a mini-batch as a pairwise tree, of which each process of a team has some groups.

The tree depends on the number of groups alone: the sum of a node is that of its first half plus that of its second.
A process adds up the largest nodes that lie within its groups; whoever has all of these sums can add up the rest, and
gets the bits that one process gets which has all groups.
"""

from fastnn._core.trainer import first_group

Node = tuple[int, int]  # groups first .. stop - 1
Place = tuple[int, int]  # a process, and which of its sums

GROUPS = 16  # of a mini-batch, at most; their number is even


def share(groups: int, rank: int, size: int) -> Node:
    """Return the groups of a process, as the Trainer cuts them."""
    return first_group(groups, rank, size), first_group(groups, rank + 1, size)


def nodes(node: Node, own: Node) -> list[Node]:
    """Return the largest nodes below ``node``, itself included, that lie within the groups ``own``."""
    (first, stop), (start, end) = node, own
    if stop <= start or end <= first:
        return []
    if start <= first and stop <= end:
        return [node]
    middle = (first + stop) // 2
    return nodes((first, middle), own) + nodes((middle, stop), own)


def additions(groups: int, size: int) -> list[tuple[Place, Place]]:
    """Return in order which sums to add to which; the last addition makes the total."""
    places = {
        node: (rank, number)
        for rank in range(size)
        for number, node in enumerate(nodes((0, groups), share(groups, rank, size)))
    }
    result: list[tuple[Place, Place]] = []

    def total(first: int, stop: int) -> Place:
        if (first, stop) in places:
            return places[first, stop]
        middle = (first + stop) // 2
        result.append((total(first, middle), total(middle, stop)))
        return result[-1][0]

    total(0, groups)
    return result


def most_sums(size: int) -> int:
    """Return how many sums a process of so many may have."""
    return max(
        len(nodes((0, groups), share(groups, rank, size))) for groups in range(2, GROUPS + 1, 2) for rank in range(size)
    )
