"""Which layer of Keras becomes which layers here: a table by the name of its class, read from its configuration."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import prod
from typing import Any

from fastnn import layers
from fastnn.formats.activations import TABLE
from fastnn.formats.foreign import Unsupported, layers_for
from fastnn.layers.base import Layer, Shape, as_shape

Config = dict[str, Any]


def layers_of(model: Any, input_shape: int | Shape | None) -> tuple[list[Layer], Shape]:
    """Return the layers of a model and the shape of its input; raises ValueError if a layer has none here."""
    if type(model).__name__ != "Sequential":
        raise ValueError(
            f"from_keras: expected a Sequential model, got {type(model).__name__}; build the network, then "
            "from_keras(model.get_weights(), into=net)"
        )
    first = as_shape("from_keras", known_shape(model) if input_shape is None else input_shape)
    x: Any = layers.Input(first)
    found: list[Layer] = []
    mask: float | None = None
    for place, part in enumerate(parts_of(model)):
        kind, config = type(part).__name__, part.get_config()
        name = config.get("name", place)
        made = layers_for("from_keras", f"layer {name!r}", kind, LAYERS, config, x.shape)
        if kind == "Masking":
            mask = float(config["mask_value"])
        elif mask is not None:
            made, mask = [masked(f"layer {name!r} ({kind})", made, mask)], None
        for layer in made:
            x = layer(x)
        found += made
    if mask is not None:
        raise ValueError("from_keras: expected a recurrent layer after Masking, got the end")
    return found or [layers.Activation("identity")], first


def parts_of(model: Any) -> Iterator[Any]:
    """Yield the layers within nested Sequentials."""
    for part in model.layers:
        kind = type(part).__name__
        if kind == "Sequential":
            yield from parts_of(part)
        elif kind != "InputLayer":
            yield part


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
    if name == "gelu":
        raise Unsupported("gelu is the form with erf there, up to 5e-4 from fastnn's tanh form")
    if name not in ACTIVATIONS:
        raise Unsupported(f"expected activation to be one of {', '.join(ACTIVATIONS)}, got {name!r:.80}")
    function, alpha = ACTIVATIONS[name]
    return [] if function == "identity" else [layers.Activation(function, alpha=alpha)]


ACTIVATIONS: dict[str, tuple[str, float | None]] = {
    **{row.keras: (name, None) for name, row in TABLE.items() if row.keras},
    "swish": ("silu", None),
    "leaky_relu": ("leaky_relu", 0.2),
}


def relu(config: Config, shape: Shape) -> list[Layer]:
    """ReLU, which may be a leaky one."""
    if config.get("max_value") is not None or config.get("threshold"):
        raise Unsupported("it has max_value or threshold")
    slope = float(config.get("negative_slope") or 0)
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


def dropout(config: Config, shape: Shape) -> list[Layer]:
    """Dropout."""
    if config.get("noise_shape"):
        raise Unsupported("it has noise_shape")
    return [layers.Dropout(float(config["rate"]))]


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


def embedding(config: Config, shape: Shape) -> list[Layer]:
    """Embedding."""
    if config.get("mask_zero"):
        raise Unsupported("it has mask_zero, a mask for the layers that follow")
    return [layers.Embedding(config["input_dim"], config["output_dim"])]


def recurrent(kind: Callable[..., Layer]) -> Callable[[Config, Shape], list[Layer]]:
    """Return what makes a recurrent layer."""

    def make(config: Config, shape: Shape) -> list[Layer]:
        options: Config = {}
        if kind is layers.SimpleRNN:
            options["activation"] = {"linear": "identity"}.get(config["activation"], config["activation"])
        elif (config["activation"], config["recurrent_activation"]) != ("tanh", "sigmoid"):
            raise Unsupported("expected activation='tanh' and recurrent_activation='sigmoid'")
        if kind is layers.GRU and not config.get("reset_after", True):
            raise Unsupported("expected reset_after=True: the reset gate after the product")
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
    if not isinstance(layer, layers.LSTM | layers.GRU | layers.SimpleRNN):
        raise ValueError(f"from_keras: {title}: expected Masking right before LSTM, GRU or SimpleRNN")
    if layer.return_sequences:
        raise ValueError(
            f"from_keras: {title}: after Masking a sequence repeats what came before a gap; fastnn's holds 0 there"
        )
    return replace(layer, mask_value=mask_value)


RECURRENT = {"GRU": recurrent(layers.GRU), "LSTM": recurrent(layers.LSTM), "SimpleRNN": recurrent(layers.SimpleRNN)}
LAYERS: dict[str, Callable[[Config, Shape], list[Layer]]] = {
    "Activation": lambda config, shape: activation(config),
    "BatchNormalization": batch_norm,
    "Bidirectional": bidirectional,
    "Dense": dense,
    "Dropout": dropout,
    "ELU": lambda config, shape: [layers.Activation("elu", alpha=float(config["alpha"]))],
    "Embedding": embedding,
    "Flatten": lambda config, shape: [layers.Flatten()],
    "LayerNormalization": layer_norm,
    "LeakyReLU": leaky_relu,
    "Masking": lambda config, shape: [],  # goes into the layer after it
    "ReLU": relu,
    "Reshape": reshape,
    "Softmax": softmax,
    **RECURRENT,
}
