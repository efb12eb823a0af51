"""Keras's models and weights as networks and weights; Keras itself is not imported."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.formats import gates
from fastnn.formats.arrays import as_array, assign, common_dtype
from fastnn.formats.foreign import Arrays, Library, check_into
from fastnn.formats.keras.functional import graph_of
from fastnn.formats.keras.layers import is_normalization, layers_of, weights_of
from fastnn.graph.graph import Graph
from fastnn.graph.structure import chain, trace
from fastnn.layers import (
    BatchNorm,
    Conv1D,
    Conv2D,
    ConvTranspose2D,
    Dense,
    DepthwiseConv2D,
    DropConnect,
    Embedding,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    Scale,
)


def from_keras(
    source: Any,
    *,
    into: Graph | None = None,
    input_shape: int | tuple[int, ...] | None = None,
    seed: int | None = None,
) -> Any:
    """Return a Keras model as a network, or a network with the weights of one.

    Parameters
    ----------
    source : keras.Sequential, functional keras.Model, or list of ndarray
        A model is turned into layers.  A list is what ``model.get_weights()`` gives: it needs ``into``.
    into : Network, optional
        Takes the weights, layer by layer in the order of ``into.layers``; all of them or, if anything does not fit,
        none.  With it a model may be of any class: its ``get_weights()`` counts.
    input_shape : int or tuple of int, optional
        Shape of one row, where the model does not know it, such as a sequence of any length.
    seed : int, optional
        Of the new network, for what is random in training that follows.

    Returns
    -------
    Network
        ``into``, or a new network in the dtype of the weights: a Sequential of a Sequential, a Network of a functional
        model.

    Raises
    ------
    TypeError
        If source is neither model nor list, or an array is not float32 or float64.
    ValueError
        If a layer is none of fastnn's, or weights do not fit the network: the message names them.

    Notes
    -----
    Layers: Dense, Activation, ReLU, LeakyReLU, ELU, Softmax, Dropout, GaussianNoise, Flatten, Reshape, Permute,
    Rescaling by numbers, Normalization, BatchNormalization, LayerNormalization, GroupNormalization, Embedding, LSTM,
    GRU, SimpleRNN, Bidirectional, TimeDistributed around what acts along the last axis, nested Sequential; with the
    channels last, of images Conv2D, DepthwiseConv2D, SeparableConv2D, Conv2DTranspose, MaxPooling2D,
    AveragePooling2D, GlobalAveragePooling2D, GlobalMaxPooling2D, UpSampling2D, ZeroPadding2D, Cropping2D,
    SpatialDropout2D, and of sequences Conv1D, MaxPooling1D, AveragePooling1D, GlobalAveragePooling1D,
    GlobalMaxPooling1D, SpatialDropout1D; Masking, or an Embedding with ``mask_zero``, right before a recurrent layer
    that gives its last step; in functional models also Add, Subtract, Multiply, Average and
    Concatenate.  Activations: linear, relu, relu6, sigmoid, tanh, elu, selu, softplus, gelu, silu, leaky_relu,
    softmax, log_softmax.  A Rescaling becomes a Scale, and Scale layers of ``into`` keep their numbers; a
    Normalization becomes a Standardize with the numbers that it has.

    Kernels lie the same way in both; gates change their order, and the two biases of a GRU are parted.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> weights = [np.ones((2, 3), np.float32), np.arange(3, dtype=np.float32)]  # model.get_weights()
    >>> net = fn.from_keras(weights, into=fn.Sequential([fn.Dense(3)], input_shape=2, seed=0))
    >>> net.predict([[1, 2]])
    array([[3., 4., 5.]], dtype=float32)
    """
    is_model = callable(getattr(source, "get_weights", None))
    if not is_model and not isinstance(source, list | tuple):
        raise TypeError(f"from_keras: expected a model or a list of arrays, got {type(source).__name__}")
    check_into("from_keras", into, input_shape, seed)
    if into is None and not is_model:
        raise ValueError(
            "from_keras: expected a network to load the arrays into, which are weights alone; pass "
            "into=fn.Sequential(...)"
        )
    given = weights_of(source) if is_model else source
    arrays = [as_array("from_keras", f"weights[{i}]", array) for i, array in enumerate(given)]
    if into is None:
        into, arrays = new_network(source, input_shape, seed, common_dtype(arrays), arrays)
    load_arrays(into, arrays)
    return into


def new_network(
    model: Any, input_shape: Any, seed: int | None, dtype: np.dtype, arrays: list[np.ndarray]
) -> tuple[Any, list[np.ndarray]]:
    """Return the network that a model is, and its arrays in the order of the network's layers."""
    if type(model).__name__ == "Sequential":
        layers, shape = layers_of(model, input_shape)
        return with_settings(Graph.of(chain(layers, shape), kind="Sequential", seed=seed, dtype=dtype)), arrays
    if input_shape is not None:
        raise ValueError("from_keras: input_shape is of a Sequential; a functional model knows its inputs")
    read = graph_of(model)
    structure = trace(tuple(read.inputs), tuple(read.outputs))
    net = with_settings(Graph.of(structure, kind="Network", seed=seed, dtype=dtype))
    owners = {id(read.owners[view.spec]): read.owners[view.spec] for view in net.layers if view.spec in read.owners}
    given = [array for owner in owners.values() if not is_normalization(owner) for array in owner.get_weights()]
    return net, [as_array("from_keras", f"weights[{i}]", array) for i, array in enumerate(given)]


def with_settings(net: Any) -> Any:
    """Return the network with its initial values: what are settings there and parameters here stay so."""
    net.draw_parameters()
    return net


def load_arrays(net: Graph, arrays: Sequence[np.ndarray]) -> None:
    """Set all parameters of a network, or none."""
    weighted = [view for view in net.layers if view.parameters and not isinstance(view.spec, Scale)]
    plan = [(view, *KERAS.reading(view)) for view in weighted]
    expected = [f"{view.name}: {', '.join(names)}" for view, names, _ in plan]
    if sum(len(names) for _, names, _ in plan) != len(arrays):
        raise ValueError(
            f"from_keras: expected {sum(len(names) for _, names, _ in plan)} arrays ({'; '.join(expected)[:400]}), "
            f"got {len(arrays)}"
        )
    values: Arrays = {}
    left = list(arrays)
    for view, names, convert in plan:
        own = dict(zip(names, left[: len(names)], strict=True))
        del left[: len(names)]
        try:
            result = convert(own)
        except (ValueError, IndexError) as error:
            shapes = ", ".join(f"{name} {array.shape}" for name, array in own.items())
            raise ValueError(f"from_keras: {view.name} cannot take {shapes}: {error}") from error
        values |= {f"{view.name}.{name}": array for name, array in result.items()}
    for view in net.layers:
        if isinstance(view.spec, Scale):  # its numbers are settings there, not weights
            values |= {f"{view.name}.{name}": np.array(array) for name, array in view.parameters.items()}
    assign("from_keras", net, values)


def recurrent(layer: Any, arrays: Arrays) -> Arrays:
    """Return the parameters of LSTM, GRU or SimpleRNN; the bias of a GRU with reset_after has two rows."""
    biases: tuple[np.ndarray, ...] = ()
    if layer.bias:
        bias = arrays["bias"]
        outer, inner = bias if getattr(layer, "reset_after", False) else (bias, np.zeros_like(bias))
        biases = outer, inner
    return gates.parameters_of(layer, gates.KERAS, arrays["kernel"], arrays["recurrent_kernel"], biases)


NORM = {"gamma": "gamma", "beta": "beta", "running_mean": "moving_mean", "running_variance": "moving_variance"}
DENSE = {"weight": "kernel", "bias": "bias"}
KERAS = Library(
    "from_keras",
    "Keras",
    {
        Embedding: {"weight": "embeddings"},
        **dict.fromkeys((BatchNorm, GroupNorm, InstanceNorm, LayerNorm), NORM),
        **dict.fromkeys((Conv1D, Conv2D, ConvTranspose2D, Dense, DepthwiseConv2D, DropConnect), DENSE),
    },
    arranged=lambda layer, name, array, order: array,  # as here: channels last, matrices (inputs, outputs)
    recurrent=("kernel", "recurrent_kernel"),
    biases=("bias",),
    convert=recurrent,
)
