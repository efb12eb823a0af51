"""Descriptions with another content: something in them changed, dropped, put in, repeated or moved; and bytes likewise."""
# ruff: noqa: E501  (a case of a table is one line)

import copy
import random
from typing import Any

VALUES = [None, True, False, 0, 1, -1, 2, 3, 7, 0.5, -0.5, 1e308, float("nan"), float("inf"), 2**31, 2**40, 2**53 + 1, 2**63, 2**64, 10**30, 10**400,
          "", "a", "Dense", "relu", "Residual", "Custom", "Flatten", "softmax", "float64", "Network", "\0", "../x", "x" * 300, [], [1], [2**40] * 3, [[1]], {},
          {"type": "Dense"}, {"type": "Residual", "layers": [{"type": "Flatten", "name": None}], "projection": None, "name": None},
          {"type": "Custom", "name": "square"}, {"type": "Constant", "learning_rate": 1}, {"type": "Orthogonal", "gain": 1.0}, {"a": 1}]  # fmt: skip


def places(value, path=()):
    """Every place in nested lists and dicts."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from places(item, (*path, i))


def mutate(value: Any, chance: random.Random) -> Any:
    """Change, drop, add, repeat or swap something somewhere in lists and dicts."""
    found = [path for path in places(value) if path]
    if not found:
        return value
    path = chance.choice(found)
    value = copy.deepcopy(value)
    parent = value
    for key in path[:-1]:
        parent = parent[key]
    kind, last = chance.randrange(7), path[-1]
    if kind <= 2:
        parent[last] = copy.deepcopy(chance.choice(VALUES))
    elif kind == 3:
        del parent[last]
    elif kind == 4 and isinstance(parent, dict):
        parent[chance.choice(["type", "name", "units", "extra", "layers", "shape", "dtype"])] = chance.choice(VALUES)
    elif kind == 5 and isinstance(parent, list):
        other = chance.randrange(len(parent))
        parent[last], parent[other] = parent[other], parent[last]
    elif isinstance(parent, list):
        parent.insert(last, copy.deepcopy(parent[last]))
    elif isinstance(parent[last], int | float) and not isinstance(parent[last], bool):
        parent[last] += chance.choice([-1, 1, 0.5, 2**32])
    else:
        parent[f"{last}x"] = parent.pop(last)
    return value


def change_at(at: int, broken: bytearray, values: bytes, chance: random.Random) -> None:
    """Flip a bit of what lies there, make it one of ``values``, or take out, put in, cut off or repeat bytes."""
    kind = chance.randrange(6)
    if kind == 0 and broken:
        broken[at] ^= 1 << chance.randrange(8)
    elif kind == 1 and broken:
        broken[at] = chance.choice(values)
    elif kind == 2:
        del broken[at : at + chance.choice([1, 1, 4, 50])]
    elif kind == 3:
        broken[at:at] = chance.randbytes(chance.choice([1, 1, 8]))
    elif kind == 4:
        del broken[at:]
    else:
        broken[at:at] = broken[at : at + chance.choice([1, 10, 100])]
