"""Keras's models and weights as networks and weights; Keras itself is not imported."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fastnn.formats import gates
from fastnn.formats.arrays import as_array, assign, common_dtype
from fastnn.formats.foreign import Arrays, Library, check_into
from fastnn.formats.keras.layers import layers_of
from fastnn.graph.graph import Graph
from fastnn.graph.structure import chain
from fastnn.layers import BatchNorm, Dense, DropConnect, Embedding, LayerNorm


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
    source : keras.Sequential, or list of ndarray
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
        ``into``, or a new Sequential in the dtype of the weights.

    Raises
    ------
    TypeError
        If source is neither model nor list, or an array is not float32 or float64.
    ValueError
        If a layer is none of fastnn's, or weights do not fit the network: the message names them.

    Notes
    -----
    Layers: Dense, Activation, ReLU, LeakyReLU, ELU, Softmax, Dropout, Flatten, Reshape, BatchNormalization,
    LayerNormalization, Embedding, LSTM, GRU (``reset_after``), SimpleRNN, Bidirectional, nested Sequential; Masking
    right before a recurrent layer that gives its last step.  Activations: linear, relu, sigmoid, tanh, elu, selu,
    softplus, silu, leaky_relu, softmax.  gelu is the form with erf there, and the tanh form here.

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
    given = source.get_weights() if is_model else source
    arrays = [as_array("from_keras", f"weights[{i}]", array) for i, array in enumerate(given)]
    if into is None:
        layers, shape = layers_of(source, input_shape)
        into = Graph.of(chain(layers, shape), kind="Sequential", seed=seed, dtype=common_dtype(arrays))
    load_arrays(into, arrays)
    return into


def load_arrays(net: Graph, arrays: Sequence[np.ndarray]) -> None:
    """Set all parameters of a network, or none."""
    plan = [(view, *KERAS.reading(view)) for view in net.layers if view.parameters]
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
    assign("from_keras", net, values)


def recurrent(layer: Any, arrays: Arrays) -> Arrays:
    """Return the parameters of LSTM, GRU or SimpleRNN; the bias of a GRU has two rows."""
    biases: tuple[np.ndarray, ...] = ()
    if layer.bias:
        bias = arrays["bias"]
        outer, inner = bias if layer.kind == "gru" else (bias, np.zeros_like(bias))
        biases = outer, inner
    return gates.parameters_of(layer, gates.KERAS, arrays["kernel"], arrays["recurrent_kernel"], biases)


NORM = {"gamma": "gamma", "beta": "beta", "running_mean": "moving_mean", "running_variance": "moving_variance"}
DENSE = {"weight": "kernel", "bias": "bias"}
KERAS = Library(
    "from_keras",
    "Keras",
    {BatchNorm: NORM, Dense: DENSE, DropConnect: DENSE, Embedding: {"weight": "embeddings"}, LayerNorm: NORM},
    transposed=False,
    recurrent=("kernel", "recurrent_kernel"),
    biases=("bias",),
    convert=recurrent,
)
