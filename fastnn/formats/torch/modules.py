"""Which module of PyTorch becomes which layers: a table by the name of its class."""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from fastnn import layers
from fastnn.formats import gates
from fastnn.formats.activations import TABLE
from fastnn.formats.arrays import as_array
from fastnn.formats.foreign import Unsupported, layers_for
from fastnn.formats.torch.channel_modules import (
    group_norm,
    instance_norm,
    local_response_norm,
    shuffle,
    unshuffle,
    upsample,
)
from fastnn.formats.torch.image_modules import (
    PADDING_MODULES,
    Convert,
    adaptive_pooling,
    around,
    convolution,
    flatten_images,
    lone_padding,
    of_other_axes,
    padded_convolution,
    pooling,
    softmax_of_channels,
    transposed_convolution,
)
from fastnn.initializers import Constant
from fastnn.layers.base import Layer, Shape, as_shape

Numbers = dict[int, dict[str, np.ndarray]]  # of a layer, by its id: parameters that are set beside the weights


def layers_of(module: Any, input_shape: int | Shape | None) -> tuple[list[Layer], Shape, dict[str, Any], Numbers]:
    """Return a module's layers, the shape of its input, their weights and numbers beside them.

    Raises ValueError if there is a module that fastnn has no layers for.
    """
    leaves = list(leaves_of(module, ""))
    if not leaves:
        raise ValueError("from_torch: expected at least one module, got an empty Sequential")
    for name, leaf in leaves:
        check_known(name, leaf)
    first = as_shape("from_torch", first_shape(leaves) if input_shape is None else input_shape)
    x: Any = layers.Input(first)
    found: list[Layer] = []
    made: dict[int, list[Layer]] = {}  # the same module twice is the same layers twice
    state: dict[str, Any] = {}
    images = amid_images([leaf for _, leaf in leaves])
    numbers: Numbers = {}
    for place, (name, leaf) in enumerate(leaves):
        kind = type(leaf).__name__
        if kind in gates.LAYERS and place < len(leaves) - 1:
            raise ValueError(
                f"from_torch: expected {kind} {name!r} as the last module, for it gives two things; build the network, "
                "then from_torch(state_dict, into=net)"
            )
        if id(leaf) not in made:
            table = {**MODULES, **(AMID_IMAGES if images[place] else {})}
            if before := around(leaves, place - 1):
                table[kind] = padded_convolution(before)
            if around(leaves, place):
                table[kind] = lambda module, shape: []
            made[id(leaf)] = layers_for("from_torch", f"module {name!r}", kind, table, leaf, x.shape)
            numbers |= numbers_of(leaf, made[id(leaf)])
            if kind not in ACTIVATIONS:  # whose numbers are no weights here
                state |= {f"{place}.{key}": value for key, value in leaf.state_dict().items()}
        for layer in made[id(leaf)]:
            x = layer(x)
        found += made[id(leaf)]
    return found or [layers.Activation("identity")], first, state, numbers


def check_known(name: str, module: Any) -> None:
    """Raise ValueError for a class that no layer computes, before anything else is asked of the user."""
    kind = type(module).__name__
    if kind in MODULES:
        return
    if name:
        layers_for("from_torch", f"module {name!r}", kind, MODULES)
    raise ValueError(
        f"from_torch: expected a Sequential of modules that fastnn has, got a {kind}, whose forward is code; build the "
        "network and take the weights, from_torch(module.state_dict(), into=net), or read its ONNX export, from_onnx"
    )


def leaves_of(module: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Yield the modules within nested Sequentials, with their names."""
    if type(module).__name__ != "Sequential":
        yield name, module
        return
    names = {id(part): child for child, part in module.named_children()}  # which names a module once
    for part in module:
        yield from leaves_of(part, f"{name}.{names[id(part)]}".lstrip("."))


def first_shape(leaves: list[tuple[str, Any]]) -> Shape:
    """Return the shape of a row from the first module that says it."""
    for _, leaf in leaves:
        kind = type(leaf).__name__
        if kind in SIZES:
            return (int(np.ravel(getattr(leaf, SIZES[kind]))[0]),)
        if kind not in ("Identity", "Dropout", *ACTIVATIONS):
            break
    raise ValueError(
        "from_torch: expected input_shape, the shape of one row, which the first module does not say: of images (H, W, "
        "C), the channels last"
    )


def amid_images(modules: list[Any]) -> list[bool]:
    """Return for each module whether images, or sequences with the channels second, go into it or come out of it.

    They do between Unflatten and Flatten where any module there is made for them.
    """
    found: list[bool] = []
    part: list[str] = []
    for place, module in enumerate(modules):
        kind = type(module).__name__
        if kind == "Unflatten":
            found += [any(one in OF_IMAGES for one in part)] * len(part)
            part = []
        part.append(kind)
        if kind == "Flatten" or place == len(modules) - 1:
            found += [any(one in OF_IMAGES for one in part)] * len(part)
            part = []
    return found


def function(name: str) -> Convert:
    """Return what makes an activation without numbers."""
    return lambda module, shape: [layers.Activation(name)]


def gelu(module: Any, shape: Shape) -> list[Layer]:
    """GELU in either form."""
    return [layers.Activation("gelu_tanh" if module.approximate == "tanh" else "gelu")]


def softplus(module: Any, shape: Shape) -> list[Layer]:
    """Softplus; what it gives above the threshold is the same within 2e-9."""
    if module.beta != 1 or module.threshold < 20:
        raise Unsupported(f"expected beta=1 and a threshold of at least 20, got {module.beta} and {module.threshold}")
    return [layers.Activation("softplus")]


def of_vectors(name: str) -> Convert:
    """Return what makes Softmax or LogSoftmax, along the last axis."""

    def make(module: Any, shape: Shape) -> list[Layer]:
        if module.dim not in (-1, len(shape), *([None] if len(shape) == 1 else [])):
            raise Unsupported(f"expected dim=-1, got {module.dim}")
        return [layers.Activation(name)]

    return make


def hard_tanh(module: Any, shape: Shape) -> list[Layer]:
    """Hardtanh and ReLU6: ``min(max(z, low), high)``, the clipped form of relu around shifts by low."""
    low, high = float(module.min_val), float(module.max_val)
    clipped = layers.Activation("clipped_relu", alpha=high - low)
    return [shift_by(-low), clipped, shift_by(low)] if low else [clipped]


def shift_by(number: float) -> Layer:
    """``z + number``."""
    return layers.Scale(scale=False, beta_initializer=Constant(number))


def prelu(module: Any, shape: Shape) -> list[Layer]:
    """PReLU: leaky_relu for one slope that is not negative, else ``max(z, 0) - slope max(-z, 0)``, slope by slope."""
    slopes = as_array("from_torch", "weight", module.weight)
    if slopes.size == 1 and slopes[0] >= 0:
        return [layers.Activation("leaky_relu", alpha=float(slopes[0]))]
    if slopes.size != 1:
        require_vectors(shape)
    below = (
        layers.Scale(shift=False, gamma_initializer=Constant(-1.0)),
        layers.Activation("relu"),
        layers.Scale(shift=False),
    )
    return [layers.Residual(below, projection=layers.Activation("relu"))]


def numbers_of(module: Any, made: list[Layer]) -> Numbers:
    """Return what a module sets in the layers made of it that is no weight in PyTorch's order: by the layer's id."""
    if type(module).__name__ == "PReLU" and isinstance(made[0], layers.Residual):
        return {id(made[0].layers[-1]): {"gamma": -as_array("from_torch", "weight", module.weight)}}
    return {}


def flatten(module: Any, shape: Shape) -> list[Layer]:
    """Flatten of all axes beside the batch, or of some."""
    rank = len(shape) + 1
    start, end = module.start_dim % rank - 1, module.end_dim % rank - 1
    if start < 0:
        raise Unsupported("it merges the batch with something else")
    if (start, end) == (0, rank - 2):
        return [layers.Flatten()]
    return [layers.Reshape((*shape[:start], prod(shape[start : end + 1]), *shape[end + 1 :]))]


def unflatten(module: Any, shape: Shape) -> list[Layer]:
    """Unflatten of one axis."""
    axis = module.dim % (len(shape) + 1) - 1
    if axis < 0:
        raise Unsupported("it splits the batch")
    sizes = [int(size) for size in module.unflattened_size]
    known = prod(size for size in sizes if size != -1)
    sizes = [shape[axis] // known if size == -1 else size for size in sizes]
    return [layers.Reshape((*shape[:axis], *sizes, *shape[axis + 1 :]))]


def require_vectors(shape: Shape) -> None:
    """Raise Unsupported unless the channels, axis 1 there, are the last axis."""
    if len(shape) != 1:
        raise Unsupported(f"its channels are axis 1 of (B, {', '.join(map(str, shape))}), fastnn's the last")


def group_norm_of_vectors(module: Any, shape: Shape) -> list[Layer]:
    """GroupNorm where nothing is an image."""
    require_vectors(shape)
    return group_norm(module, shape)


def batch_norm(module: Any, shape: Shape) -> list[Layer]:
    """BatchNorm1d of vectors."""
    require_vectors(shape)
    if module.running_mean is None:
        raise Unsupported("expected track_running_stats=True")
    momentum = 0.9 if module.momentum is None else 1 - float(module.momentum)
    scale, shift = module.weight is not None, module.bias is not None
    return [layers.BatchNorm(momentum=momentum, epsilon=float(module.eps), scale=scale, shift=shift)]


def layer_norm(module: Any, shape: Shape) -> list[Layer]:
    """LayerNorm over the last axis."""
    if len(module.normalized_shape) != 1:
        raise Unsupported(f"expected it over the last axis, got normalized_shape={tuple(module.normalized_shape)}")
    return [layers.LayerNorm(epsilon=float(module.eps), scale=module.weight is not None, shift=module.bias is not None)]


def embedding(module: Any, shape: Shape) -> list[Layer]:
    """Embedding; a padding whose vector is not 0 is an index like any other."""
    if module.max_norm is not None:
        raise Unsupported("it has max_norm")
    padding = module.padding_idx
    if padding is not None and as_array("from_torch", "weight", module.weight)[padding].any():
        padding = None
    return [layers.Embedding(module.num_embeddings, module.embedding_dim, padding_index=padding)]


def recurrent(module: Any, shape: Shape) -> list[Layer]:
    """LSTM, GRU or RNN of any number of layers, in one or both directions."""
    kind = type(module).__name__
    if getattr(module, "proj_size", 0):
        raise Unsupported("it has proj_size")
    options: dict[str, Any] = {"return_sequences": True, "bias": bool(module.bias)}
    if kind == "RNN":
        options["activation"] = module.nonlinearity
    found: list[Layer] = []
    for number in range(module.num_layers):
        if number and module.dropout:
            found.append(layers.Dropout(float(module.dropout)))
        layer = gates.LAYERS[kind](module.hidden_size, **options)
        found.append(layers.Bidirectional(layer) if module.bidirectional else layer)
    return found


# ---- images: (C, H, W) there, (H, W, C) here ------------------------------------------------------------------------


def image_norm(module: Any, shape: Shape) -> list[Layer]:
    """BatchNorm2d, or BatchNorm1d of sequences: the channels are the last axis here."""
    return batch_norm(module, shape[-1:])


def unflatten_images(module: Any, shape: Shape) -> list[Layer]:
    """Unflatten to images: to (C, H, W), and the channels last."""
    (layer,) = unflatten(module, shape)
    rank = len(layer.build((shape,)).output_shape)
    return [layer, layers.Permute((*range(1, rank), 0))]


def dropout_of_channels(module: Any, shape: Shape) -> list[Layer]:
    """Dropout1d or Dropout2d."""
    return [layers.SpatialDropout(float(module.p))]


AMID_IMAGES: dict[str, Convert] = {
    "BatchNorm1d": image_norm,
    "Flatten": flatten_images,
    "GroupNorm": group_norm,
    "LogSoftmax": softmax_of_channels("log_softmax"),
    "Softmax": softmax_of_channels("softmax"),
    "Unflatten": unflatten_images,
    **dict.fromkeys(("Embedding", "LayerNorm", "Linear", *gates.LAYERS), of_other_axes),
}
OF_IMAGES: dict[str, Convert] = {
    **dict.fromkeys((f"Adaptive{kind}Pool{axes}d" for kind in ("Avg", "Max") for axes in (1, 2)), adaptive_pooling),
    **dict.fromkeys((f"{kind}Pool{axes}d" for kind in ("Avg", "Max") for axes in (1, 2)), pooling),
    **dict.fromkeys(PADDING_MODULES, lone_padding),
    "BatchNorm2d": image_norm,
    "Conv1d": convolution,
    "Conv2d": convolution,
    "ConvTranspose2d": transposed_convolution,
    "Dropout1d": dropout_of_channels,
    "Dropout2d": dropout_of_channels,
    "InstanceNorm1d": instance_norm,
    "InstanceNorm2d": instance_norm,
    "LocalResponseNorm": local_response_norm,
    "PixelShuffle": shuffle,
    "PixelUnshuffle": unshuffle,
    "Softmax2d": function("softmax"),
    "Upsample": upsample,
    "UpsamplingBilinear2d": upsample,
    "UpsamplingNearest2d": upsample,
}
SIZES = {"Linear": "in_features", "BatchNorm1d": "num_features", "LayerNorm": "normalized_shape"}
ACTIVATIONS: dict[str, Convert] = {
    **{row.torch: function(name) for name, row in TABLE.items() if row.torch},
    "ELU": lambda module, shape: [layers.Activation("elu", alpha=float(module.alpha))],
    "GELU": gelu,
    "Hardtanh": hard_tanh,
    "LeakyReLU": lambda module, shape: [layers.Activation("leaky_relu", alpha=float(module.negative_slope))],
    "LogSoftmax": of_vectors("log_softmax"),
    "PReLU": prelu,
    "ReLU6": hard_tanh,
    "Softmax": of_vectors("softmax"),
    "Softplus": softplus,
}
MODULES: dict[str, Convert] = {
    **ACTIVATIONS,
    "BatchNorm1d": batch_norm,
    "Dropout": lambda module, shape: [layers.Dropout(float(module.p))],
    "Embedding": embedding,
    "Flatten": flatten,
    "GroupNorm": group_norm_of_vectors,
    "Identity": lambda module, shape: [],
    "LayerNorm": layer_norm,
    "Linear": lambda module, shape: [layers.Dense(module.out_features, bias=module.bias is not None)],
    "Unflatten": unflatten,
    **OF_IMAGES,
    **dict.fromkeys(gates.LAYERS, recurrent),
}
