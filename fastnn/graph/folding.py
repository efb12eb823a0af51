"""Networks for inference in which a batch normalisation is part of the layer before it."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from fastnn.graph.assembly import layer_names
from fastnn.graph.graph import Graph
from fastnn.graph.structure import Node, Structure
from fastnn.layers import BatchNorm, Conv1D, Conv2D, ConvTranspose2D, Dense, DepthwiseConv2D
from fastnn.layers.base import Layer


def by_output(gain: np.ndarray, shape: tuple[int, ...], groups: int) -> np.ndarray:
    """Return the gain of each element of weights (..., O)."""
    return gain


def by_channel(gain: np.ndarray, shape: tuple[int, ...], groups: int) -> np.ndarray:
    """Return it for weights (KH, KW, C, M), whose output is c M + m."""
    return gain.reshape(shape[-2:])


def by_filter(gain: np.ndarray, shape: tuple[int, ...], groups: int) -> np.ndarray:
    """Return it for weights (KH, KW, O / groups, C): a channel sees the outputs of its group."""
    return np.repeat(gain.reshape(groups, -1).T, shape[-1] // groups, axis=1)


# Layers that are affine in their input before the activation, with a ``weight`` and a ``bias`` (O,).
FOLDS: dict[type[Layer], Callable[[np.ndarray, tuple[int, ...], int], np.ndarray]] = {
    Conv1D: by_output,
    Conv2D: by_output,
    ConvTranspose2D: by_filter,
    Dense: by_output,
    DepthwiseConv2D: by_channel,
}


def folded(net: Graph) -> Graph:
    """Return a network, not compiled, in which each BatchNorm that can be is folded into the layer before it."""
    found = foldable(net.structure)
    structure, replaced = without(net.structure, found)
    result: Graph = type(net).of(structure, seed=net.seed, dtype=net.dtype)
    given = named(net, net.structure.layers)
    norms = {net.structure.nodes[before].layer: net.structure.nodes[norm].layer for norm, before in found.items()}
    sources = {replaced.get(i, layer): i for i, layer in enumerate(net.structure.layers)}
    for layer, parameters in named(result, structure.layers).items():
        i = sources[layer]
        source = given[net.structure.layers[i]]
        if i in norms:
            norm = net.structure.layers[norms[i]]
            source = merged(net.structure.layers[i], source, given[norm], norm.epsilon)  # type: ignore[attr-defined]
        for name, array in parameters.items():
            array[...] = source[name]
    result.metadata = dict(net.metadata)
    result.ports = replace(result.ports, names=net.ports.names)
    return result


def foldable(structure: Structure) -> dict[int, int]:
    """Return the nodes that are such a BatchNorm, each with the node before it.

    Both layers are applied once, nothing else reads what is between them, and the first has no activation.
    """
    ports = len(structure.input_shapes)
    uses = Counter(node.layer for node in structure.nodes)
    readers = Counter([*structure.outputs, *(tensor for node in structure.nodes for tensor in node.inputs)])
    result = {}
    for position, node in enumerate(structure.nodes):
        if not isinstance(structure.layers[node.layer], BatchNorm) or uses[node.layer] > 1:
            continue
        (tensor,) = node.inputs
        before = structure.nodes[tensor - ports] if tensor >= ports else None
        if before is None or readers[tensor] > 1 or uses[before.layer] > 1:
            continue
        layer = structure.layers[before.layer]
        if type(layer) in FOLDS and layer.activation_layer is None:  # type: ignore[attr-defined]
            result[position] = tensor - ports
    return result


def without(structure: Structure, found: dict[int, int]) -> tuple[Structure, dict[int, Layer]]:
    """Return the structure without those nodes, and the layers that take their place, by their old number."""
    ports = len(structure.input_shapes)
    replaced: dict[int, Layer] = {}
    for before in found.values():
        layer: Any = structure.layers[structure.nodes[before].layer]
        replaced[structure.nodes[before].layer] = replace(layer, bias=True)
    gone = {structure.nodes[norm].layer for norm in found}
    kept = [i for i in range(len(structure.layers)) if i not in gone]
    numbers = {old: new for new, old in enumerate(kept)}
    tensors = list(range(ports))  # by old number
    nodes: list[Node] = []
    for position, node in enumerate(structure.nodes):
        if position in found:
            tensors.append(tensors[node.inputs[0]])
            continue
        nodes.append(Node(numbers[node.layer], tuple(tensors[i] for i in node.inputs)))
        tensors.append(ports + len(nodes) - 1)
    layers = tuple(replaced.get(i, structure.layers[i]) for i in kept)
    outputs = tuple(tensors[i] for i in structure.outputs)
    return Structure(structure.input_shapes, structure.input_names, layers, tuple(nodes), outputs), replaced


def merged(
    spec: Layer, layer: dict[str, np.ndarray], norm: dict[str, np.ndarray], epsilon: float
) -> dict[str, np.ndarray]:
    """Return weight and bias that do both: ``(x W + b - mean) gain + beta``, computed in float64."""
    wide = {name: array.astype(np.float64) for name, array in norm.items()}
    gain = wide.get("gamma", 1.0) / np.sqrt(wide["running_variance"] + epsilon)
    bias = (layer.get("bias", 0.0) - wide["running_mean"]) * gain + wide.get("beta", 0.0)
    weight = layer["weight"]
    return {"weight": weight * FOLDS[type(spec)](gain, weight.shape, getattr(spec, "groups", 1)), "bias": bias}


def named(net: Graph, layers: Iterable[Layer]) -> dict[Layer, dict[str, np.ndarray]]:
    """Return views of the parameters of each layer."""
    views = {view.name: view.parameters for view in net.layers}
    layers = tuple(layers)
    return {layer: views[name] for layer, name in zip(layers, layer_names(layers), strict=True)}
