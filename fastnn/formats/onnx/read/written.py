"""Norms that an exporter wrote out in sums, products and a root: found by their nodes, whatever axes they are over."""

from collections.abc import Callable
from typing import Any

import numpy as np

Constants = dict[str, np.ndarray]


class Makers:
    """What makes each tensor."""

    def __init__(self, nodes: list[Any], constants: Constants) -> None:
        self.nodes = {name: node for node in nodes for name in node.output if node.domain in ("", "ai.onnx")}
        self.constants = constants

    def of(self, name: str, *kinds: str) -> Any | None:
        """Return the node that makes a tensor, if it is one of these."""
        node = self.nodes.get(name)
        return node if node is not None and node.op_type in kinds else None

    def number(self, name: str) -> float | None:
        """Return a constant that is one number."""
        array = self.constants.get(name)
        return float(array.ravel()[0]) if array is not None and array.size == 1 else None

    def with_number(self, name: str, *kinds: str) -> tuple[str, float, str] | None:
        """Return the other input of a node of these kinds that has one number, the number, and the kind."""
        node = self.of(name, *kinds)
        if node is None:
            return None
        first, second = node.input
        if (number := self.number(second)) is not None:
            return first, number, node.op_type
        number = self.number(first)
        return None if number is None or node.op_type == "Div" else (second, number, node.op_type)

    def mean(self, name: str) -> tuple[str, tuple[int, ...], float] | None:
        """Return of what a tensor is the mean, over which axes, and by what the sum is divided: 0 for ReduceMean."""
        count = 0.0
        if self.of(name, "ReduceMean") is None:
            found = self.with_number(name, "Mul", "Div")
            if found is None or not found[1] or self.of(found[0], "ReduceSum") is None:
                return None
            name, count = found[0], found[1] if found[2] == "Div" else 1 / found[1]
        node = self.nodes[name]
        given = {entry.name: entry for entry in node.attribute}
        if "keepdims" in given and not given["keepdims"].i:
            return None
        axes = list(given["axes"].ints) if "axes" in given else []
        if len(node.input) > 1 and node.input[1] in self.constants:
            axes = self.constants[node.input[1]].ravel().tolist()
        return (node.input[0], tuple(axes), count) if axes else None

    def square(self, name: str) -> str | None:
        """Return of what a tensor is the square."""
        node = self.of(name, "Mul", "Pow")
        if node is None:
            return None
        same = node.input[0] == node.input[1] if node.op_type == "Mul" else self.number(node.input[1]) == 2
        return node.input[0] if same else None


def with_norms(nodes: list[Any], constants: Constants, own_node: Callable[..., Any]) -> list[Any]:
    """Return the nodes, with one in place of each division by the root of a variance, or of a mean square."""
    makers = Makers(nodes, constants)
    return [norm(node, makers, own_node) or node for node in nodes]


def norm(node: Any, makers: Makers, own_node: Callable[..., Any]) -> Any | None:
    """Return a node for ``(x - mean) / sqrt(variance + epsilon)``, or for ``x / sqrt(mean square + epsilon)``."""
    if node.op_type != "Div" or node.domain not in ("", "ai.onnx"):
        return None
    root = makers.of(node.input[1], "Sqrt")
    added = None if root is None else makers.with_number(root.input[0], "Add")
    spread = None if added is None else makers.mean(added[0])
    if added is None or spread is None or makers.square(spread[0]) != node.input[0]:
        return None
    source, centred = node.input[0], 0
    if (difference := makers.of(source, "Sub")) is not None:
        mean = makers.mean(difference.input[1])
        if mean is not None and mean == (difference.input[0], *spread[1:]):
            source, centred = difference.input[0], 1
    more = {"count": spread[2]} if spread[2] else {}
    return own_node("Norm", node.output[0], [source], axes=list(spread[1]), centred=centred, epsilon=added[1], **more)
