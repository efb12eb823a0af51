"""Networks as modules of PyTorch, or as a state dict where a row of modules cannot hold them."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn import layers
from fastnn.formats import gates
from fastnn.formats.activations import alpha_of
from fastnn.formats.torch.convert import TORCH
from fastnn.graph.graph import Graph
from fastnn.graph.layer_view import LayerView
from fastnn.layers.base import Layer

BEYOND = 100.0  # threshold of Softplus, above which PyTorch takes the identity: the same in float64


def to_torch(net: Graph, *, state_dict: bool = False) -> Any:
    """See ``Network.to_torch``."""
    torch = import_torch()
    if not state_dict and (modules := modules_of(torch.nn, net)) is not None:
        made = torch.nn.Sequential(modules).to(getattr(torch, str(net.dtype)))
        made.load_state_dict(
            {name: torch.from_numpy(array) for name, array in arrays_of(net, made=True).items()}, strict=False
        )
        return made.eval()
    return OrderedDict((name, torch.from_numpy(array)) for name, array in arrays_of(net).items())


def import_torch() -> Any:
    """Return the package torch; raises ImportError if it is not installed."""
    try:
        import torch
    except ImportError as error:
        raise ImportError("to_torch: needs the package torch; install it with: pip install torch") from error
    return torch


def modules_of(nn: Any, net: Graph) -> "OrderedDict[str, Any] | None":
    """Return the modules of a network whose layers stand in a row and have twins there, else None."""
    structure = net.structure
    in_a_row = all(node.inputs == (i,) for i, node in enumerate(structure.nodes))
    if not in_a_row or len(structure.input_shapes) != 1 or structure.outputs != (len(structure.nodes),):
        return None
    views = {id(view.spec): view for view in net.layers}
    modules: OrderedDict[str, Any] = OrderedDict()
    made: dict[int, list[tuple[str, Any]]] = {}  # the same layer twice is the same module twice
    for place, application in enumerate(net.applications):
        layer, again = application.layer, id(application.layer) in made
        if type(layer) not in MODULES:
            return None
        if not again:
            parts = MODULES[type(layer)](nn, layer, views[id(layer)])
            if parts is None:
                return None
            made[id(layer)] = parts
        for suffix, module in made[id(layer)]:
            modules[f"{application.name}{suffix}" + f"_{place}" * again] = module
    return modules


Parts = list[tuple[str, Any]] | None  # what is added to the layer's name, and the module


def activation(nn: Any, layer: Layer) -> Any | None:
    """Return the module of an activation, or None."""
    if not isinstance(layer, layers.Activation) or layer.function not in ACTIVATIONS:
        return None
    return ACTIVATIONS[layer.function](nn, alpha_of(layer))


ACTIVATIONS: dict[str, Callable[[Any, float], Any]] = {
    "identity": lambda nn, alpha: nn.Identity(),
    "sigmoid": lambda nn, alpha: nn.Sigmoid(),
    "tanh": lambda nn, alpha: nn.Tanh(),
    "relu": lambda nn, alpha: nn.ReLU(),
    "leaky_relu": lambda nn, alpha: nn.LeakyReLU(alpha),
    "elu": lambda nn, alpha: nn.ELU(alpha),
    "selu": lambda nn, alpha: nn.SELU(),
    "softplus": lambda nn, alpha: nn.Softplus(threshold=BEYOND),
    "gelu": lambda nn, alpha: nn.GELU(),
    "gelu_tanh": lambda nn, alpha: nn.GELU(approximate="tanh"),
    "silu": lambda nn, alpha: nn.SiLU(),
    "clipped_relu": lambda nn, alpha: nn.Hardtanh(0.0, alpha) if alpha else None,
    "softmax": lambda nn, alpha: nn.Softmax(dim=-1),
    "log_softmax": lambda nn, alpha: nn.LogSoftmax(dim=-1),
}


def alone(nn: Any, layer: Any, view: LayerView) -> Parts:
    """An activation that is a layer."""
    module = activation(nn, layer)
    return None if module is None else [("", module)]


def dense(nn: Any, layer: Any, view: LayerView) -> Parts:
    """Linear, and the activation after it."""
    parts = [("", nn.Linear(view.input_shapes[0][-1], layer.units, bias=layer.bias))]
    if layer.activation_layer is None:
        return parts
    module = activation(nn, layer.activation_layer)
    return None if module is None else [*parts, ("_activation", module)]


def dropout(nn: Any, layer: Any, view: LayerView) -> Parts:
    """Dropout that scales while training, as PyTorch's does."""
    return [("", nn.Dropout(layer.rate))] if layer.inverted else None


def reshape(nn: Any, layer: Any, view: LayerView) -> Parts:
    """Flatten and Unflatten."""
    return [("_flat", nn.Flatten()), ("", nn.Unflatten(1, view.output_shape))]


def batch_norm(nn: Any, layer: Any, view: LayerView) -> Parts:
    """BatchNorm1d of vectors: of sequences it has the channels second."""
    if len(view.output_shape) != 1:
        return None
    affine = layer.scale or layer.shift
    return [("", nn.BatchNorm1d(view.output_shape[-1], layer.epsilon, 1 - layer.momentum, affine=affine))]


def layer_norm(nn: Any, layer: Any, view: LayerView) -> Parts:
    """LayerNorm."""
    affine = layer.scale or layer.shift
    return [("", nn.LayerNorm(view.output_shape[-1], layer.epsilon, elementwise_affine=affine, bias=layer.shift))]


def embedding(nn: Any, layer: Any, view: LayerView) -> Parts:
    """Embedding, which takes integers."""
    return [("", nn.Embedding(layer.vocabulary, layer.units, padding_idx=layer.padding_index))]


MODULES: dict[type[Layer], Callable[[Any, Any, LayerView], Parts]] = {
    layers.Activation: alone,
    layers.BatchNorm: batch_norm,
    layers.Dense: dense,
    layers.Dropout: dropout,
    layers.Embedding: embedding,
    layers.Flatten: lambda nn, layer, view: [("", nn.Flatten())],
    layers.LayerNorm: layer_norm,
    layers.Reshape: reshape,
}


def arrays_of(net: Graph, made: bool = False) -> dict[str, np.ndarray]:
    """Return the parameters as PyTorch has them, by ``layer.parameter``; ``made``: for modules that have them all."""
    result: dict[str, np.ndarray] = {}
    for view in net.layers:
        arrays = arrays_of_layer(view)
        if made and isinstance(view.spec, layers.BatchNorm | layers.LayerNorm) and (view.spec.scale or view.spec.shift):
            arrays.setdefault("weight", np.ones(view.output_shape[-1], net.dtype))
            if isinstance(view.spec, layers.BatchNorm):
                arrays.setdefault("bias", np.zeros(view.output_shape[-1], net.dtype))
        result |= {f"{view.name}.{name}": np.array(array, net.dtype, order="C") for name, array in arrays.items()}
    return result


def arrays_of_layer(view: LayerView) -> dict[str, np.ndarray]:
    """Return the parameters of one layer by PyTorch's names; layers that it does not have keep theirs."""
    layer: Any = view.spec
    if type(layer) in gates.LAYERS.values():
        gates.check_torch("to_torch", layer)
        return gates.to_torch(layer, view.parameters)
    names = TORCH.names.get(type(layer), {})
    found = {}
    for name, array in view.parameters.items():
        turned = isinstance(layer, layers.Dense)
        value = array.T if turned and name == "weight" else array
        if isinstance(layer, layers.Embedding) and layer.padding_index is not None:
            value = array.copy()
            value[layer.padding_index] = 0
        found[names.get(name, name)] = value
    return found
