"""A layer within a network as a place to look at: what it says there, and the gradient of an output with respect to it.

``backward`` gives gradients of parameters and inputs.  So a second input of zeros is added to what the layer says: its
gradient is that of the layer's output, whatever runs past the layer.
"""

from dataclasses import replace
from typing import Any

import numpy as np

from fastnn._spec import choose
from fastnn.graph.graph import Graph
from fastnn.graph.structure import Node, Structure
from fastnn.insight.score import Score
from fastnn.layers.merge import Add
from fastnn.network import Network


def title_of(who: str, net: Network, layer: str) -> str:
    """Return what the last application of a layer is called; ValueError if there is none of that name."""
    titles = {application.name: application.title for application in net.applications}
    choose(f"{who}: unknown layer", layer, list(titles))
    return titles[layer]


class Seam:
    """A layer of the network of a ``Score``, by the title of its application."""

    def __init__(self, score: Score, title: str) -> None:
        net, self.score = score.net, score
        self.tensor = next(a.output for a in net.applications if a.title == title)
        self.shape = next(a.output_shape for a in net.applications if a.title == title)
        structure = with_addend(net.structure, self.tensor, self.shape)
        self.net = Graph.of(structure, kind="Network", seed=net.seed, dtype=net.dtype, params=net.params)

    def look(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what the layer says to packed rows, and df/d(that), both of shape (B, *shape) in the net's dtype."""
        said, slope = np.empty((2, len(X), *self.shape), X.dtype)
        for start in range(0, len(X), self.net.chunk):
            part = slice(start, start + self.net.chunk)
            said[part], f = self.net.forward([X[part], np.zeros_like(said[part])])
            dy = np.zeros_like(f)
            dy[np.arange(len(dy)), self.score.targets[part]] = 1
            slope[part] = self.net.backward([None, dy], parameters=False)[1]
        return said, slope


def with_addend(structure: Structure, tensor: int, shape: Any) -> Structure:
    """Return a graph with a second input that is added to a tensor of this shape, and the sum as its first output."""
    first, after = len(structure.input_shapes), tensor + 1  # of the nodes in the new numbers: the tensor moved by one
    layers = (*structure.layers, Add())

    def moved(read: int) -> int:
        """The new number of a tensor, the sum in place of the tensor itself."""
        return read if read < first else read + 1 + (read >= tensor)

    nodes = [Node(node.layer, tuple(map(moved, node.inputs))) for node in structure.nodes]
    nodes.insert(tensor - first + 1, Node(len(layers) - 1, (after, first)))
    return replace(
        structure,
        input_shapes=(*structure.input_shapes, shape),
        input_names=(*structure.input_names, None),
        layers=layers,
        nodes=tuple(nodes),
        outputs=(after + 1, *map(moved, structure.outputs)),
    )
