"""What the readers of PyTorch and Keras share: layers by a table, and weights by the names that they have there."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastnn.formats import gates
from fastnn.graph.graph import Graph
from fastnn.graph.layer_view import LayerView
from fastnn.layers.base import Layer, Shape

Arrays = dict[str, np.ndarray]


class Unsupported(ValueError):
    """What a layer elsewhere does that none here does."""


class Library(NamedTuple):
    """Where a library has the parameters of layers.

    ``names``: what it calls them, by type of layer; ``arranged``: how an array lies here, by layer, parameter and the
    image that the layer's input was, if it was one; ``recurrent``, ``biases``: the names of a recurrent layer's;
    ``convert``: makes its parameters of those arrays.
    """

    who: str
    title: str
    names: Mapping[type[Layer], Mapping[str, str]]
    arranged: Callable[[Layer, str, np.ndarray, Shape | None], np.ndarray]
    recurrent: Sequence[str]
    biases: Sequence[str]
    convert: Callable[[Any, Arrays], Arrays]

    def reading(self, view: LayerView, order: Shape | None = None) -> tuple[list[str], Callable[[Arrays], Arrays]]:
        """Return the names of a layer's arrays there, and what makes its parameters of them; or raise ValueError."""
        layer: Any = view.spec
        if type(layer) in gates.LAYERS.values():
            gates.check_plain(self.who, layer)
            return [*self.recurrent, *(self.biases if layer.bias else ())], lambda arrays: self.convert(layer, arrays)
        if type(layer) not in self.names:
            raise ValueError(f"{self.who}: expected layers that {self.title} has, got {layer.title} ({view.name})")
        own = {self.names[type(layer)][parameter]: parameter for parameter in view.parameters}
        return list(own), lambda arrays: {
            own[name]: self.arranged(layer, own[name], array, order) for name, array in arrays.items()
        }


def layers_for(
    who: str, title: str, kind: str, table: Mapping[str, Callable[..., list[Layer]]], *given: Any
) -> list[Layer]:
    """Return the layers that a table has for one elsewhere; raises ValueError if none computes the same."""
    if kind not in table:
        known = ", ".join(sorted([*table, "Sequential"]))
        raise ValueError(f"{who}: fastnn has no layer for {title.removeprefix('layer ')} ({kind}); known: {known}")
    try:
        return table[kind](*given)
    except KeyError as error:
        raise ValueError(f"{who}: {title} ({kind}) has no setting {error}") from error
    except Unsupported as error:
        raise ValueError(f"{who}: {title} ({kind}): {error}") from error


def check_into(who: str, into: Any, *of_a_new_network: Any) -> None:
    """Raise TypeError or ValueError unless ``into`` is None, or a network without options that a new one would take."""
    if into is not None and not isinstance(into, Graph):
        raise TypeError(f"{who}: expected into to be a Network, got {type(into).__name__}")
    if into is not None and any(option is not None for option in of_a_new_network):
        raise ValueError(f"{who}: input_shape and seed are of a new network, and into is there already")
