"""Networks as modules of PyTorch, or as a state dict where a row of modules cannot hold them."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn import layers
from fastnn.formats import gates
from fastnn.formats.activations import alpha_of
from fastnn.formats.torch.convert import TORCH
from fastnn.formats.torch.images import from_here, of_images, orders
from fastnn.graph.graph import Graph
from fastnn.graph.layer_view import LayerView
from fastnn.layers.base import Layer, Shape
from fastnn.layers.images import pair, sides

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
    images = amid_images(net)
    modules: OrderedDict[str, Any] = OrderedDict()
    made: dict[int, list[tuple[str, Any]]] = {}  # the same layer twice is the same module twice
    for place, application in enumerate(net.applications):
        layer, again = application.layer, id(application.layer) in made
        if type(layer) not in MODULES:
            return None
        if not again:
            convert = AMID_IMAGES.get(type(layer), MODULES[type(layer)]) if images[place] else MODULES[type(layer)]
            parts = convert(nn, layer, views[id(layer)])
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
    """BatchNorm1d of vectors and sequences, BatchNorm2d of images."""
    kind = "BatchNorm2d" if len(view.output_shape) == 3 else "BatchNorm1d"
    affine = layer.scale or layer.shift
    return [("", getattr(nn, kind)(view.output_shape[-1], layer.epsilon, 1 - layer.momentum, affine=affine))]


def group_norm(nn: Any, layer: Any, view: LayerView) -> Parts:
    """GroupNorm."""
    affine = layer.scale or layer.shift
    return [("", nn.GroupNorm(layer.groups, view.output_shape[-1], layer.epsilon, affine))]


def instance_norm(nn: Any, layer: Any, view: LayerView) -> Parts:
    """InstanceNorm2d of images, InstanceNorm1d of sequences."""
    kind = {2: nn.InstanceNorm1d, 3: nn.InstanceNorm2d}.get(len(view.output_shape))
    affine = layer.scale or layer.shift
    return None if kind is None else [("", kind(view.output_shape[-1], layer.epsilon, affine=affine))]


def local_response_norm(nn: Any, layer: Any, view: LayerView) -> Parts:
    """LocalResponseNorm."""
    return [("", nn.LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k))]


def of_vectors(convert: Callable[[Any, Any, LayerView], Parts]) -> Callable[[Any, Any, LayerView], Parts]:
    """Return a row for what has the channels second there: of vectors they are the last axis too."""
    return lambda nn, layer, view: convert(nn, layer, view) if len(view.output_shape) == 1 else None


def padded(nn: Any, mode: str, before: tuple[int, ...], after: tuple[int, ...], *value: float) -> Any:
    """Return the module that puts something around images, or takes it off where it is less than nothing."""
    kind = {"constant": "Constant", "reflect": "Reflection", "replicate": "Replication", "zeros": "Zero"}[mode]
    around = [size for both in zip(before[::-1], after[::-1], strict=True) for size in both]  # the last axis first
    return getattr(nn, f"{kind}Pad{len(before)}d")(tuple(around), *value)


def with_activation(nn: Any, layer: Any, parts: list[tuple[str, Any]]) -> Parts:
    """Return a convolution and the activation after it."""
    if layer.activation_layer is None:
        return parts
    module = image_activation(nn, layer.activation_layer)
    return None if module is None else [*parts, ("_activation", module)]


def convolution(nn: Any, layer: Any, view: LayerView) -> Parts:
    """Conv1d or Conv2d, after a padding where that is not the same on both sides, and the activation after it."""
    g, axes = layer.geometry(view.input_shapes[0]), len(view.output_shape) - 1
    before, after = g.before[:axes], g.after[:axes]
    parts = []
    if before != after:
        parts, before = [("_padding", padded(nn, g.mode, before, after))], (0,) * axes
    options = {
        "stride": g.strides[:axes],
        "padding": before,
        "dilation": g.dilation[:axes],
        "groups": g.groups,
        "bias": layer.bias,
        "padding_mode": g.mode if any(before) else "zeros",
    }
    made = (nn.Conv1d if axes == 1 else nn.Conv2d)(g.channels, g.filters, g.kernel[:axes], **options)
    return with_activation(nn, layer, [*parts, ("", made)])


def transposed_convolution(nn: Any, layer: Any, view: LayerView) -> Parts:
    """ConvTranspose2d; what is cut off on one side alone is taken off behind it; and the activation after it."""
    g = layer.geometry(view.input_shapes[0])  # of the convolution the other way: its image is the output here
    both = tuple(map(min, g.before, g.after))
    more = tuple(
        size + before + after - ((n - 1) * s + (k - 1) * d + 1)
        for size, before, after, n, s, k, d in zip(
            (g.height, g.width), g.before, g.after, view.input_shapes[0], g.strides, g.kernel, g.dilation, strict=False
        )
    )
    made = nn.ConvTranspose2d(g.filters, g.channels, g.kernel, g.strides, both, more, g.groups, layer.bias, g.dilation)
    parts = [("", made)]
    if g.before != g.after:
        before, after = (tuple(b - one for b, one in zip(both, side, strict=True)) for side in (g.before, g.after))
        parts.append(("_crop", padded(nn, "zeros", before, after)))
    return with_activation(nn, layer, parts)


def pad(nn: Any, layer: Any, view: LayerView) -> Parts:
    """ZeroPad2d, ConstantPad2d, ReflectionPad2d or ReplicationPad2d."""
    before, after = zip(*sides(layer.title, "padding", layer.padding), strict=True)
    return [("", padded(nn, layer.mode, before, after, *([layer.value] if layer.mode == "constant" else [])))]


def crop(nn: Any, layer: Any, view: LayerView) -> Parts:
    """ZeroPad2d of less than nothing."""
    before, after = zip(*sides(layer.title, "cropping", layer.cropping), strict=True)
    return [("", padded(nn, "zeros", tuple(-n for n in before), tuple(-n for n in after)))]


def upsample(nn: Any, layer: Any, view: LayerView) -> Parts:
    """Upsample."""
    return [("", nn.Upsample(scale_factor=pair(layer.title, "factor", layer.factor), mode=layer.mode))]


def shuffle(nn: Any, layer: Any, view: LayerView) -> Parts:
    """PixelShuffle or PixelUnshuffle, which take the channels of a block as "CRD" does."""
    kind = nn.PixelShuffle if isinstance(layer, layers.DepthToSpace) else nn.PixelUnshuffle
    return [("", kind(layer.block))] if layer.mode == "CRD" or layer.block == 1 else None


def dropout_of_channels(nn: Any, layer: Any, view: LayerView) -> Parts:
    """Dropout2d of images, Dropout1d of sequences."""
    kind = {2: nn.Dropout1d, 3: nn.Dropout2d}.get(len(view.output_shape))
    return None if kind is None else [("", kind(layer.rate))]


def image_activation(nn: Any, layer: Layer) -> Any | None:
    """Return the module of an activation of images, or None: what it does along the last axis, it does to channels."""
    module = activation(nn, layer)
    if module is not None and hasattr(module, "dim"):
        module.dim = 1
    return module


def pooling(nn: Any, layer: Any, view: LayerView) -> Parts:
    """MaxPool or AvgPool, 1d or 2d, whose padding is the same on both sides."""
    axes = len(view.output_shape) - 1
    kernel, strides, before, after = (part[:axes] for part in layer.windows(*view.input_shapes[0][:-1]))
    if before != after or any(2 * p > k for p, k in zip(before, kernel, strict=True)):
        return None
    if isinstance(layer, layers.MaxPool1D | layers.MaxPool2D):
        return [("", getattr(nn, f"MaxPool{axes}d")(kernel, strides, before, ceil_mode=layer.ceil_mode))]
    options = {"ceil_mode": layer.ceil_mode, "count_include_pad": layer.count_padding}
    return [("", getattr(nn, f"AvgPool{axes}d")(kernel, strides, before, **options))]


def global_pooling(nn: Any, layer: Any, view: LayerView) -> Parts:
    """AdaptiveAvgPool or AdaptiveMaxPool, 1d or 2d, to one pixel, and its channels as a vector."""
    largest = isinstance(layer, layers.GlobalMaxPool1D | layers.GlobalMaxPool2D)
    kind = f"Adaptive{'Max' if largest else 'Avg'}Pool{len(view.input_shapes[0]) - 1}d"
    return [("", getattr(nn, kind)(1)), ("_flat", nn.Flatten())]


def layer_norm(nn: Any, layer: Any, view: LayerView) -> Parts:
    """LayerNorm."""
    affine = layer.scale or layer.shift
    return [("", nn.LayerNorm(view.output_shape[-1], layer.epsilon, elementwise_affine=affine, bias=layer.shift))]


def embedding(nn: Any, layer: Any, view: LayerView) -> Parts:
    """Embedding, which takes integers."""
    return [("", nn.Embedding(layer.vocabulary, layer.units, padding_idx=layer.padding_index))]


MODULES: dict[type[Layer], Callable[[Any, Any, LayerView], Parts]] = {
    layers.Activation: alone,
    layers.AvgPool1D: pooling,
    layers.AvgPool2D: pooling,
    layers.BatchNorm: of_vectors(batch_norm),
    layers.Conv1D: convolution,
    layers.Conv2D: convolution,
    layers.ConvTranspose2D: transposed_convolution,
    layers.Crop2D: crop,
    layers.Dense: dense,
    layers.DepthToSpace: shuffle,
    layers.DepthwiseConv2D: convolution,
    layers.Dropout: dropout,
    layers.Embedding: embedding,
    layers.Flatten: lambda nn, layer, view: [("", nn.Flatten())],
    layers.GlobalAvgPool1D: global_pooling,
    layers.GlobalAvgPool2D: global_pooling,
    layers.GlobalMaxPool1D: global_pooling,
    layers.GlobalMaxPool2D: global_pooling,
    layers.GroupNorm: of_vectors(group_norm),
    layers.InstanceNorm: instance_norm,
    layers.LayerNorm: layer_norm,
    layers.LocalResponseNorm: local_response_norm,
    layers.MaxPool1D: pooling,
    layers.MaxPool2D: pooling,
    layers.Pad2D: pad,
    layers.Reshape: reshape,
    layers.SpaceToDepth: shuffle,
    layers.SpatialDropout: dropout_of_channels,
    layers.Upsample2D: upsample,
}


def image_alone(nn: Any, layer: Layer, view: LayerView) -> Parts:
    """An activation of images that is a layer."""
    module = image_activation(nn, layer)
    return None if module is None else [("", module)]


def without_twin(nn: Any, layer: Layer, view: LayerView) -> Parts:
    """None: along the last axis there is the width of images, here the channels."""
    return None


AMID_IMAGES: dict[type[Layer], Callable[[Any, Any, LayerView], Parts]] = {
    layers.Activation: image_alone,
    layers.BatchNorm: batch_norm,
    layers.GroupNorm: group_norm,
    **dict.fromkeys((layers.Dense, layers.Embedding, layers.LayerNorm, layers.Reshape), without_twin),
}


def amid_images(net: Graph) -> list[bool]:
    """Return for each application, of layers in a row, whether it reads images: PyTorch has their channels second.

    Up to where they become vectors: from a layer of images on, and before it as far as the input.
    """
    applications = net.applications
    found = [False] * len(applications)
    start = 0
    for place, application in enumerate(applications):
        if len(application.input_shapes[0]) == 1:
            start = place + 1
        elif of_images(application.layer, application.input_shapes[0]):
            found[start : place + 1] = [True] * (place + 1 - start)
        elif place and found[place - 1]:
            found[place] = True
    return found


NORMS = (layers.BatchNorm, layers.GroupNorm, layers.InstanceNorm, layers.LayerNorm)


def arrays_of(net: Graph, made: bool = False) -> dict[str, np.ndarray]:
    """Return the parameters as PyTorch has them, by ``layer.parameter``; ``made``: for modules that have them all."""
    result: dict[str, np.ndarray] = {}
    images = orders(net)
    for view in net.layers:
        arrays = arrays_of_layer(view, images.get(view.name))
        if made and isinstance(view.spec, NORMS) and (view.spec.scale or view.spec.shift):
            arrays.setdefault("weight", np.ones(view.output_shape[-1], net.dtype))
            if not isinstance(view.spec, layers.LayerNorm):  # which may be without
                arrays.setdefault("bias", np.zeros(view.output_shape[-1], net.dtype))
        result |= {f"{view.name}.{name}": np.array(array, net.dtype, order="C") for name, array in arrays.items()}
    return result


def arrays_of_layer(view: LayerView, order: Shape | None) -> dict[str, np.ndarray]:
    """Return the parameters of one layer by PyTorch's names; layers that it does not have keep theirs."""
    layer: Any = view.spec
    if type(layer) in gates.LAYERS.values():
        gates.check_torch("to_torch", layer)
        return gates.to_torch(layer, view.parameters)
    names = TORCH.names.get(type(layer), {})
    found = {}
    for name, array in view.parameters.items():
        value = from_here(layer, name, array, order)
        if isinstance(layer, layers.Embedding) and layer.padding_index is not None:
            value = array.copy()
            value[layer.padding_index] = 0
        found[names.get(name, name)] = value
    return found
