"""Which layer of Keras becomes which layers here: a table by the name of its class, read from its configuration."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from fastnn.formats.activations import TABLE
from fastnn.layers.activation import Activation
from fastnn.layers.base import Layer, Shape, as_shape
from fastnn.layers.batch_norm import BatchNorm
from fastnn.layers.bidirectional import Bidirectional
from fastnn.layers.dense import Dense
from fastnn.layers.dropout import Dropout
from fastnn.layers.embedding import Embedding
from fastnn.layers.gru import GRU
from fastnn.layers.input import Input
from fastnn.layers.layer_norm import LayerNorm
from fastnn.layers.lstm import LSTM
from fastnn.layers.reshape import Flatten, Reshape
from fastnn.layers.simple_rnn import SimpleRNN

Config = dict[str, Any]


def layers_of(model: Any, input_shape: int | Shape | None) -> tuple[list[Layer], Shape]:
    """Return the layers of a model and the shape of its input.

    Raises
    ------
    ValueError
        If a layer has none here; the message names it.
    """
    if type(model).__name__ != "Sequential":
        raise ValueError(
            f"from_keras: expected a Sequential model, got {type(model).__name__}; build the network, then "
            "from_keras(model.get_weights(), into=net)"
        )
    first = as_shape("from_keras", known_shape(model) if input_shape is None else input_shape)
    x: Any = Input(first)
    layers: list[Layer] = []
    mask: float | None = None
    for place, part in enumerate(parts_of(model)):
        kind, config = type(part).__name__, part.get_config()
        name = config.get("name", place)
        try:
            if kind == "Masking":
                mask = float(config["mask_value"])
                continue
            made = LAYERS[kind](config, x.shape)
            if mask is not None:
                made, mask = [masked(made, mask)], None
        except KeyError as error:
            if kind in LAYERS:
                raise ValueError(f"from_keras: layer {name!r} ({kind}) has no setting {error}") from error
            known = ", ".join(sorted([*LAYERS, "Masking", "Sequential"]))
            raise ValueError(f"from_keras: fastnn has no layer for {name!r} ({kind}); known: {known}") from None
        except Unlike as error:
            raise ValueError(f"from_keras: layer {name!r} ({kind}): {error}") from error
        for layer in made:
            x = layer(x)
        layers += made
    if mask is not None:
        raise ValueError("from_keras: expected a recurrent layer after Masking, got the end")
    return layers or [Activation("identity")], first


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


class Unlike(ValueError):
    """What a layer does that none here does."""


def activation(config: Config, key: str = "activation") -> list[Layer]:
    """Return the activation that a setting names, or none."""
    name = config.get(key) or "linear"
    if name == "gelu":
        raise Unlike("gelu is the form with erf there, up to 5e-4 from fastnn's tanh form")
    if name not in ACTIVATIONS:
        raise Unlike(f"expected {key} to be one of {', '.join(ACTIVATIONS)}, got {name!r:.80}")
    function, alpha = ACTIVATIONS[name]
    return [] if function == "identity" else [Activation(function, alpha=alpha)]


ACTIVATIONS: dict[str, tuple[str, float | None]] = {
    **{row.keras: (name, None) for name, row in TABLE.items() if row.keras},
    "swish": ("silu", None),
    "leaky_relu": ("leaky_relu", 0.2),
}


def activation_layer(config: Config, shape: Shape) -> list[Layer]:
    """Activation."""
    return activation(config)


def relu(config: Config, shape: Shape) -> list[Layer]:
    """ReLU, which may be a leaky one."""
    if config.get("max_value") is not None or config.get("threshold"):
        raise Unlike("it has max_value or threshold")
    slope = float(config.get("negative_slope") or 0)
    return [Activation("leaky_relu", alpha=slope) if slope else Activation("relu")]


def leaky_relu(config: Config, shape: Shape) -> list[Layer]:
    """LeakyReLU."""
    slope = config["negative_slope"] if "negative_slope" in config else config["alpha"]  # its name before Keras 3
    return [Activation("leaky_relu", alpha=float(slope))]


def elu(config: Config, shape: Shape) -> list[Layer]:
    """ELU."""
    return [Activation("elu", alpha=float(config["alpha"]))]


def softmax(config: Config, shape: Shape) -> list[Layer]:
    """Softmax along the last axis."""
    require_last(config, shape)
    return [Activation("softmax")]


def require_last(config: Config, shape: Shape) -> None:
    """Raise Unlike unless a layer acts along the last axis."""
    axis = config.get("axis", -1)
    axis = axis[0] if isinstance(axis, list | tuple) and len(axis) == 1 else axis
    if axis not in (-1, len(shape)):
        raise Unlike(f"expected axis=-1, got {axis}")


def dense(config: Config, shape: Shape) -> list[Layer]:
    """Dense."""
    found = activation(config)
    return [Dense(config["units"], found[0] if found else None, bias=config["use_bias"])]


def dropout(config: Config, shape: Shape) -> list[Layer]:
    """Dropout."""
    if config.get("noise_shape"):
        raise Unlike("it has noise_shape")
    return [Dropout(float(config["rate"]))]


def flatten(config: Config, shape: Shape) -> list[Layer]:
    """Flatten."""
    return [Flatten()]


def reshape(config: Config, shape: Shape) -> list[Layer]:
    """Reshape."""
    target = [int(size) for size in config["target_shape"]]
    if -1 in target:
        known, total = 1, 1
        for size in target:
            known *= size if size != -1 else 1
        for size in shape:
            total *= size
        target = [total // known if size == -1 else size for size in target]
    return [Reshape(tuple(target))]


def batch_norm(config: Config, shape: Shape) -> list[Layer]:
    """BatchNormalization."""
    require_last(config, shape)
    momentum, epsilon = float(config["momentum"]), float(config["epsilon"])
    return [BatchNorm(momentum=momentum, epsilon=epsilon, scale=config["scale"], shift=config["center"])]


def layer_norm(config: Config, shape: Shape) -> list[Layer]:
    """LayerNormalization."""
    require_last(config, shape)
    if config.get("rms_scaling"):
        raise Unlike("it has rms_scaling")
    return [LayerNorm(epsilon=float(config["epsilon"]), scale=config["scale"], shift=config["center"])]


def embedding(config: Config, shape: Shape) -> list[Layer]:
    """Embedding."""
    if config.get("mask_zero"):
        raise Unlike("it has mask_zero, a mask for the layers that follow")
    return [Embedding(config["input_dim"], config["output_dim"])]


def recurrent(kind: Callable[..., Layer]) -> Callable[[Config, Shape], list[Layer]]:
    """Return what makes a recurrent layer."""

    def make(config: Config, shape: Shape) -> list[Layer]:
        options: Config = {}
        if kind is SimpleRNN:
            options["activation"] = {"linear": "identity"}.get(config["activation"], config["activation"])
        elif (config["activation"], config["recurrent_activation"]) != ("tanh", "sigmoid"):
            raise Unlike("expected activation='tanh' and recurrent_activation='sigmoid'")
        if kind is GRU and not config.get("reset_after", True):
            raise Unlike("expected reset_after=True: the reset gate after the product")
        for name in ("stateful", "return_state"):
            if config.get(name):
                raise Unlike(f"it has {name}; build the network, then from_keras(weights, into=net)")
        backwards, sequences = bool(config.get("go_backwards")), bool(config["return_sequences"])
        if backwards and sequences:
            raise Unlike("with go_backwards it gives the last step first; fastnn gives sequences in the order of time")
        return [
            kind(
                config["units"], return_sequences=sequences, go_backwards=backwards, bias=config["use_bias"], **options
            )
        ]

    return make


def bidirectional(config: Config, shape: Shape) -> list[Layer]:
    """Bidirectional around a recurrent layer."""
    merge = {"concat": "concat", "sum": "sum"}.get(config["merge_mode"])
    if merge is None:
        raise Unlike(f"expected merge_mode concat or sum, got {config['merge_mode']!r:.40}")
    inner = config["layer"]
    if inner["class_name"] not in RECURRENT:
        raise Unlike(f"expected LSTM, GRU or SimpleRNN within, got {inner['class_name']!r:.60}")
    (layer,) = RECURRENT[inner["class_name"]](inner["config"], shape)
    return [Bidirectional(layer, merge=merge)]


def masked(made: list[Layer], mask_value: float) -> Layer:
    """Return a recurrent layer that passes over the steps that Masking marks."""
    layer = made[0] if len(made) == 1 else None
    if not isinstance(layer, LSTM | GRU | SimpleRNN):
        raise Unlike("expected Masking right before LSTM, GRU or SimpleRNN")
    if layer.return_sequences:
        raise Unlike("after Masking a sequence repeats what came before a gap; fastnn's holds 0 there")
    return replace(layer, mask_value=mask_value)


RECURRENT = {"GRU": recurrent(GRU), "LSTM": recurrent(LSTM), "SimpleRNN": recurrent(SimpleRNN)}
LAYERS: dict[str, Callable[[Config, Shape], list[Layer]]] = {
    "Activation": activation_layer,
    "BatchNormalization": batch_norm,
    "Bidirectional": bidirectional,
    "Dense": dense,
    "Dropout": dropout,
    "ELU": elu,
    "Embedding": embedding,
    "Flatten": flatten,
    "LayerNormalization": layer_norm,
    "LeakyReLU": leaky_relu,
    "ReLU": relu,
    "Reshape": reshape,
    "Softmax": softmax,
    **RECURRENT,
}
