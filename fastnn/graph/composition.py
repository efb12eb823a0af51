"""Networks as parts of networks: their layers applied again, and the parameters that these start from.

A network's parameters are one vector, so a layer cannot lie in two: the new network has copies, with the values of the
moment in which it is built.
"""

from copy import copy
from typing import Any

from fastnn.graph.assembly import layer_names
from fastnn.layers.base import Layer, Tensor, batched, check_tensors


def applied(net: Any, inputs: tuple[Any, ...]) -> Any:
    """Return what copies of a network's layers make of tensors: one tensor, or for several outputs a list.

    Applied again, it applies the same copies: these share their parameters.  Raises TypeError or ValueError if the
    inputs are not tensors of the network's shapes.
    """
    who, structure = type(net).__name__, net.structure
    tensors = tuple(inputs[0]) if len(inputs) == 1 and isinstance(inputs[0], list | tuple) else inputs
    check_tensors(who, tensors)
    shapes = tuple(x.shape for x in tensors)
    if shapes != net.input_shapes:
        raise ValueError(
            f"{who}: expected inputs of shape {', '.join(map(batched, net.input_shapes))}, got "
            f"{', '.join(map(batched, shapes)) or 'none'}"
        )
    values, needed = list(tensors), structure.needed()
    for node in structure.nodes:
        layer, read = net.parts[node.layer], tuple(values[i] for i in node.inputs)
        if len(values) in needed:
            values.append(Tensor(layer.build(tuple(x.shape for x in read)).output_shape, layer, read, source=net))
        else:
            values.append(tensors[0])  # nothing reads it
    outputs = [values[i] for i in structure.outputs]
    return outputs[0] if len(outputs) == 1 else outputs


def copies(layers: tuple[Layer, ...]) -> tuple[Layer, ...]:
    """Return copies of layers, which are layers of their own."""
    return tuple(copy(layer) for layer in layers)


def sources(outputs: tuple[Tensor, ...]) -> dict[Layer, Any]:
    """Return the layers that tensors depend on and that stem from networks, each with its network."""
    found: dict[Layer, Any] = {}
    seen: set[Tensor] = set()
    stack = list(outputs)
    while stack:
        tensor = stack.pop()
        if tensor in seen:
            continue
        seen.add(tensor)
        stack += tensor.inputs
        if tensor.layer is not None and tensor.source is not None:
            found[tensor.layer] = tensor.source
    return found


def take_parameters(net: Any, found: dict[Layer, Any]) -> None:
    """Give the layers that stem from networks the parameters that they have there."""
    given: dict[tuple[Layer, str], Any] = {}
    for source in {id(source): source for source in found.values()}.values():
        layers = dict(zip(layer_names(source.structure.layers), source.parts, strict=True))
        given |= {(layers[place.layer], place.name): place.of(source.params) for place in source.places}
    for place in net.places:
        layer = net.assembly.layers[place.layer].layer
        if layer in found:
            place.of(net.params)[...] = given[layer, place.name]
