"""Which layer of Keras becomes which layers here: a table by the name of its class, read from its configuration."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

import numpy as np

from fastnn import layers
from fastnn.formats.activations import TABLE
from fastnn.formats.foreign import Unsupported, layers_for
from fastnn.formats.keras import images
from fastnn.initializers import Constant
from fastnn.layers.base import Layer, Shape, as_shape

Config = dict[str, Any]
SMALLEST_DEVIATION = 1e-7  # that Normalization divides by


def layers_of(model: Any, input_shape: int | Shape | None) -> tuple[list[Layer], Shape]:
    """Return the layers of a Sequential and the shape of its input; raises ValueError if a layer has none here."""
    first = as_shape("from_keras", known_shape(model) if input_shape is None else input_shape)
    x: Any = layers.Input(first)
    found: list[Layer] = []
    mask: float | None = None
    for place, part in enumerate(parts_of(model)):
        title, made = made_of(part, x.shape, place)
        made, mask = with_mask(title, part, made, mask)
        for layer in made:
            x = layer(x)
        found += made
    if mask is not None:
        raise ValueError("from_keras: expected a recurrent layer after Masking or mask_zero, got the end")
    return found or [layers.Activation("identity")], first


def made_of(part: Any, shape: Shape, place: int | str) -> tuple[str, list[Layer]]:
    """Return how messages call a layer of Keras, and the layers here that compute the same."""
    kind, config = type(part).__name__, part.get_config()
    if kind == "Normalization" and config.get("mean") is None:
        config = config | dict(zip(("mean", "variance"), part.get_weights(), strict=False))
    name = config.get("name", place)
    return f"layer {name!r} ({kind})", layers_for("from_keras", f"layer {name!r}", kind, LAYERS, config, shape)


def with_mask(title: str, part: Any, made: list[Layer], mask: float | None) -> tuple[list[Layer], float | None]:
    """Return the layers with the mask that came with their input, and the mask that goes on with their output."""
    kind, config = type(part).__name__, part.get_config()
    if kind == "Masking":
        return made, float(config["mask_value"])
    if kind == "Embedding" and config.get("mask_zero"):
        check_vectors(title, part)
        return [replace(made[0], padding_index=0)], 0.0  # type: ignore[type-var]
    if mask is None:
        return made, None
    return [masked(title, made, mask)], None


def check_vectors(title: str, part: Any) -> None:
    """Raise ValueError if a vector that counts is 0 like those that are passed over."""
    weights = part.get_weights()
    if weights and not weights[0][1:].any(axis=1).all():
        raise ValueError(
            f"from_keras: {title}: expected no vector of zeros behind index 0, which mask_zero passes over"
        )


def parts_of(model: Any) -> Iterator[Any]:
    """Yield the layers within nested Sequentials."""
    for part in model.layers:
        kind = type(part).__name__
        if kind == "Sequential":
            yield from parts_of(part)
        elif kind != "InputLayer":
            yield part


def weights_of(model: Any) -> list[Any]:
    """Return the arrays of a model but for those of Normalization, which are settings here."""
    if not any(map(is_normalization, getattr(model, "layers", ()))):
        return list(model.get_weights())
    return [array for part in model.layers if not is_normalization(part) for array in weights_of(part)]


def is_normalization(part: Any) -> bool:
    """Return whether a layer of Keras is a Normalization, or holds one."""
    kind = type(part).__name__
    return kind == "Normalization" or (kind == "Sequential" and any(map(is_normalization, part.layers)))


def known_shape(model: Any) -> Shape:
    """Return the shape of a row, if the model knows it."""
    try:
        _, *shape = model.input_shape
    except (AttributeError, ValueError, TypeError):
        shape = [None]
    if None in shape:
        raise ValueError(
            f"from_keras: expected input_shape, the shape of one row, for the model has "
            f"{getattr(model, 'input_shape', None)}"
        )
    return tuple(shape)


def activation(config: Config) -> list[Layer]:
    """Return the activation that a setting names, or none."""
    name = config.get("activation") or "linear"
    if name not in ACTIVATIONS:
        raise Unsupported(f"expected activation to be one of {', '.join(ACTIVATIONS)}, got {name!r:.80}")
    function, alpha = ACTIVATIONS[name]
    return [] if function == "identity" else [layers.Activation(function, alpha=alpha)]


ACTIVATIONS: dict[str, tuple[str, float | None]] = {
    **{row.keras: (name, None) for name, row in TABLE.items() if row.keras},
    "swish": ("silu", None),
    "leaky_relu": ("leaky_relu", 0.2),
    "relu6": ("clipped_relu", 6.0),
}


def relu(config: Config, shape: Shape) -> list[Layer]:
    """ReLU, which may be a leaky one."""
    slope, limit = float(config.get("negative_slope") or 0), config.get("max_value")
    if config.get("threshold") or (slope and limit is not None):
        raise Unsupported("it has a threshold, or max_value beside a slope")
    if limit is not None:
        return [layers.Activation("clipped_relu", alpha=float(limit))]
    return [layers.Activation("leaky_relu", alpha=slope) if slope else layers.Activation("relu")]


def leaky_relu(config: Config, shape: Shape) -> list[Layer]:
    """LeakyReLU."""
    slope = config["negative_slope"] if "negative_slope" in config else config["alpha"]  # its name before Keras 3
    return [layers.Activation("leaky_relu", alpha=float(slope))]


def softmax(config: Config, shape: Shape) -> list[Layer]:
    """Softmax along the last axis."""
    require_last(config, shape)
    return [layers.Activation("softmax")]


def require_last(config: Config, shape: Shape) -> None:
    """Raise Unsupported unless a layer acts along the last axis."""
    axis = config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list | tuple) and len(axis) == 1 else axis
    if axis not in (-1, len(shape)):
        raise Unsupported(f"expected axis=-1, got {axis}")


def dense(config: Config, shape: Shape) -> list[Layer]:
    """Dense."""
    found = activation(config)
    return [layers.Dense(config["units"], found[0] if found else None, bias=config["use_bias"])]


def with_activation(
    make: Callable[[Config, Shape, Layer | None], list[Layer]],
) -> Callable[[Config, Shape], list[Layer]]:
    """Return what makes a convolution, with the activation that its configuration names."""

    def convolution(config: Config, shape: Shape) -> list[Layer]:
        found = activation(config)
        return make(config, shape, found[0] if found else None)

    return convolution


def dropout(config: Config, shape: Shape) -> list[Layer]:
    """Dropout."""
    if config.get("noise_shape"):
        raise Unsupported("it has noise_shape")
    return [layers.Dropout(float(config["rate"]))]


def dropout_of_channels(config: Config, shape: Shape) -> list[Layer]:
    """SpatialDropout1D or SpatialDropout2D."""
    if (config.get("data_format") or "channels_last") != "channels_last":
        raise Unsupported("expected data_format='channels_last'")
    return [layers.SpatialDropout(float(config["rate"]))]


def reshape(config: Config, shape: Shape) -> list[Layer]:
    """Reshape."""
    target = [int(size) for size in config["target_shape"]]
    if -1 in target:
        known = prod(size for size in target if size != -1)
        target = [prod(shape) // known if size == -1 else size for size in target]
    return [layers.Reshape(tuple(target))]


def batch_norm(config: Config, shape: Shape) -> list[Layer]:
    """BatchNormalization."""
    require_last(config, shape)
    momentum, epsilon = float(config["momentum"]), float(config["epsilon"])
    return [layers.BatchNorm(momentum=momentum, epsilon=epsilon, scale=config["scale"], shift=config["center"])]


def layer_norm(config: Config, shape: Shape) -> list[Layer]:
    """LayerNormalization."""
    require_last(config, shape)
    if config.get("rms_scaling"):
        raise Unsupported("it has rms_scaling")
    return [layers.LayerNorm(epsilon=float(config["epsilon"]), scale=config["scale"], shift=config["center"])]


def group_norm(config: Config, shape: Shape) -> list[Layer]:
    """GroupNormalization; with -1 groups each channel is one."""
    require_last(config, shape)
    options = {"epsilon": float(config["epsilon"]), "scale": config["scale"], "shift": config["center"]}
    groups = config["groups"]
    return [layers.InstanceNorm(**options) if groups == -1 else layers.GroupNorm(groups, **options)]


def normalization(config: Config, shape: Shape) -> list[Layer]:
    """Normalization by what it was adapted to, or was given: settings here."""
    if config.get("axis") is not None:
        require_last(config, shape)
    if config.get("invert"):
        raise Unsupported("it has invert")
    mean, variance = (np.asarray(config[name], np.float64).ravel() for name in ("mean", "variance"))
    deviation = np.maximum(np.sqrt(variance), SMALLEST_DEVIATION)
    return [
        layers.Standardize(*(one.tolist()[0] if one.size == 1 else tuple(one.tolist()) for one in (mean, deviation)))
    ]


def permute(config: Config, shape: Shape) -> list[Layer]:
    """Permute, whose axes count from 1."""
    return [layers.Permute(tuple(axis - 1 for axis in config["dims"]))]


def embedding(config: Config, shape: Shape) -> list[Layer]:
    """Embedding."""
    return [layers.Embedding(config["input_dim"], config["output_dim"])]


def rescaling(config: Config, shape: Shape) -> list[Layer]:
    """Rescaling by two numbers, which become parameters."""
    return [
        layers.Scale(
            gamma_initializer=Constant(number_in(config, "scale")),
            beta_initializer=Constant(number_in(config, "offset")),
        )
    ]


def number_in(config: Config, name: str) -> float:
    """Return a setting that must be one number."""
    if not isinstance(config[name], int | float):
        raise Unsupported(f"expected {name} to be one number, got {config[name]!r:.60}")
    return float(config[name])


def time_distributed(config: Config, shape: Shape) -> list[Layer]:
    """TimeDistributed around what acts along the last axis anyway."""
    kind = config["layer"]["class_name"]
    if kind not in ("Activation", "Dense", "Dropout", "LayerNormalization", "LeakyReLU", "ReLU", "ELU"):
        raise Unsupported(f"expected a layer within that acts along the last axis, such as Dense, got {kind}")
    return LAYERS[kind](config["layer"]["config"], shape)


def pooling(function: str) -> Callable[[Config, Shape], list[Layer]]:
    """Return what makes a global pooling over time."""

    def make(config: Config, shape: Shape) -> list[Layer]:
        if config.get("data_format", "channels_last") != "channels_last" or len(shape) != 2:
            raise Unsupported(
                f"expected sequences (B, T, C) with the channels last, got (B, {', '.join(map(str, shape))})"
            )
        pooled: list[Layer] = [layers.Reduce(function)]
        return [*pooled, layers.Reshape((1, shape[-1]))] if config.get("keepdims") else pooled

    return make


def recurrent(kind: Callable[..., Layer]) -> Callable[[Config, Shape], list[Layer]]:
    """Return what makes a recurrent layer."""

    def make(config: Config, shape: Shape) -> list[Layer]:
        options: Config = {}
        if kind is layers.SimpleRNN:
            options["activation"] = {"linear": "identity"}.get(config["activation"], config["activation"])
        elif (config["activation"], config["recurrent_activation"]) != ("tanh", "sigmoid"):
            raise Unsupported("expected activation='tanh' and recurrent_activation='sigmoid'")
        if kind is layers.GRU:
            options["reset_after"] = bool(config.get("reset_after", True))
        for name in ("stateful", "return_state"):
            if config.get(name):
                raise Unsupported(f"it has {name}; build the network, then from_keras(weights, into=net)")
        backwards, sequences = bool(config.get("go_backwards")), bool(config["return_sequences"])
        if backwards and sequences:
            raise Unsupported(
                "with go_backwards it gives the last step first; fastnn keeps sequences in the order of time"
            )
        return [
            kind(
                config["units"], return_sequences=sequences, go_backwards=backwards, bias=config["use_bias"], **options
            )
        ]

    return make


def bidirectional(config: Config, shape: Shape) -> list[Layer]:
    """Bidirectional around a recurrent layer."""
    merge = config["merge_mode"]
    if merge not in ("concat", "sum"):
        raise Unsupported(f"expected merge_mode concat or sum, got {merge!r:.40}")
    inner = config["layer"]
    if inner["class_name"] not in RECURRENT:
        raise Unsupported(f"expected LSTM, GRU or SimpleRNN within, got {inner['class_name']!r:.60}")
    (layer,) = RECURRENT[inner["class_name"]](inner["config"], shape)
    return [layers.Bidirectional(layer, merge=merge)]


def masked(title: str, made: list[Layer], mask_value: float) -> Layer:
    """Return a recurrent layer that passes over the steps that Masking marks."""
    layer = made[0] if len(made) == 1 else None
    if isinstance(layer, layers.Bidirectional):
        return replace(layer, layer=masked(title, [layer.layer], mask_value))
    if not isinstance(layer, layers.LSTM | layers.GRU | layers.SimpleRNN):
        raise ValueError(f"from_keras: {title}: expected LSTM, GRU or SimpleRNN right after Masking or mask_zero")
    if layer.return_sequences:
        raise ValueError(
            f"from_keras: {title}: after Masking a sequence repeats what came before a gap; fastnn's holds 0 there"
        )
    return replace(layer, mask_value=mask_value)


RECURRENT = {"GRU": recurrent(layers.GRU), "LSTM": recurrent(layers.LSTM), "SimpleRNN": recurrent(layers.SimpleRNN)}
LAYERS: dict[str, Callable[[Config, Shape], list[Layer]]] = {
    "Activation": lambda config, shape: activation(config),
    "AveragePooling1D": partial(images.pooling, layers.AvgPool1D),
    "AveragePooling2D": partial(images.pooling, layers.AvgPool2D),
    "BatchNormalization": batch_norm,
    "Bidirectional": bidirectional,
    "Conv1D": with_activation(partial(images.convolution, layers.Conv1D)),
    "Conv2D": with_activation(partial(images.convolution, layers.Conv2D)),
    "Conv2DTranspose": with_activation(images.transposed_convolution),
    "Cropping2D": images.cropping,
    "Dense": dense,
    "DepthwiseConv2D": with_activation(images.depthwise_convolution),
    "Dropout": dropout,
    "ELU": lambda config, shape: [layers.Activation("elu", alpha=float(config["alpha"]))],
    "Embedding": embedding,
    "Flatten": lambda config, shape: [layers.Flatten()],
    "GaussianNoise": lambda config, shape: [layers.GaussianNoise(float(config["stddev"]))],
    "GlobalAveragePooling1D": pooling("mean"),
    "GlobalAveragePooling2D": partial(images.global_pooling, layers.GlobalAvgPool2D),
    "GlobalMaxPooling1D": pooling("max"),
    "GlobalMaxPooling2D": partial(images.global_pooling, layers.GlobalMaxPool2D),
    "GroupNormalization": group_norm,
    "LayerNormalization": layer_norm,
    "LeakyReLU": leaky_relu,
    "Masking": lambda config, shape: [],  # goes into the layer after it
    "MaxPooling1D": partial(images.pooling, layers.MaxPool1D),
    "MaxPooling2D": partial(images.pooling, layers.MaxPool2D),
    "Normalization": normalization,
    "Permute": permute,
    "ReLU": relu,
    "Rescaling": rescaling,
    "Reshape": reshape,
    "SeparableConv2D": with_activation(images.separable_convolution),
    "Softmax": softmax,
    **dict.fromkeys(("SpatialDropout1D", "SpatialDropout2D"), dropout_of_channels),
    "TimeDistributed": time_distributed,
    "UpSampling2D": images.upsampling,
    "ZeroPadding2D": images.padding,
    **RECURRENT,
}
