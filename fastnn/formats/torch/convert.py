"""PyTorch's modules and state dicts as networks and weights; PyTorch itself is not imported."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastnn.formats import gates
from fastnn.formats.arrays import as_array, assign, common_dtype
from fastnn.formats.foreign import Arrays, Library, check_into
from fastnn.formats.torch.images import from_there, orders
from fastnn.formats.torch.modules import layers_of
from fastnn.graph.graph import Graph
from fastnn.graph.layer_view import LayerView
from fastnn.graph.structure import chain
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
from fastnn.layers.base import Shape

RECURRENT = re.compile(r"(weight_ih|weight_hh|bias_ih|bias_hh)(_l\d+(?:_reverse)?)")


def from_torch(
    source: Any,
    *,
    into: Graph | None = None,
    names: Mapping[str, str] | None = None,
    input_shape: int | tuple[int, ...] | None = None,
    seed: int | None = None,
) -> Any:
    """Return a PyTorch module as a network, or a network with the weights of a state dict.

    Parameters
    ----------
    source : torch.nn.Module, or mapping of str to tensor or array
        A module (Sequential, or one of those below) is turned into layers.  A mapping is what ``state_dict()`` gives,
        or a file of weights: it needs ``into``.
    into : Network, optional
        Takes the weights; all of them or, if anything does not fit, none.  With it a module may be of any class: its
        ``state_dict()`` counts.
    names : mapping of str to str, optional
        Which module, by the begin of its names in the state dict (``"encoder.0"``, ``"rnn.l0"``, ``"rnn.l0_reverse"``),
        goes to which layer.  If not given, they are taken in order: the state dict's, and that of ``into.layers``.
    input_shape : int or tuple of int, optional
        Shape of one row, where a module begins with something that does not know it.
    seed : int, optional
        Of the new network, for what is random in training that follows.

    Returns
    -------
    Network
        ``into``, or a new Sequential in the dtype of the weights.

    Raises
    ------
    TypeError
        If source is neither module nor mapping, or a tensor is not float32 or float64.
    ValueError
        If a module is none of fastnn's layers, or weights do not fit the network: the message names them.

    Notes
    -----
    Modules: Sequential, Linear, ReLU, LeakyReLU, ELU, SELU, Sigmoid, Tanh, Softplus, GELU (tanh form), SiLU, Softmax,
    Hardtanh, ReLU6, PReLU, Identity, Dropout, Flatten, Unflatten, BatchNorm1d of vectors, LayerNorm over the last axis,
    Embedding, GroupNorm, and LSTM, GRU or RNN as the last one, whose sequence is the output; rows come first, as with
    ``batch_first=True``.  Of images: Conv2d, ConvTranspose2d, MaxPool2d, AvgPool2d, AdaptiveAvgPool2d and
    AdaptiveMaxPool2d to a size that divides the image, ZeroPad2d, ConstantPad2d, ReflectionPad2d, ReplicationPad2d
    (before a Conv2d its padding), Upsample by whole factors (nearest, or bilinear with ``align_corners=False``),
    PixelShuffle, PixelUnshuffle, BatchNorm2d, InstanceNorm2d, LocalResponseNorm, Dropout2d and Softmax2d; of
    sequences Conv1d, after such a padding too, and the same pools, norms and dropout.  PyTorch's images are (B, C,
    H, W) and its sequences for these modules (B, C, T), those of the network (B, H, W, C) and (B, T, C), and so is
    ``input_shape``.

    ``weight`` of a Linear is (out, in) there and (in, out) here, of a convolution (out, in, rows, columns) there
    and (rows, columns, in, out) here, of a transposed one (in, out, rows, columns) and (rows, columns, out,
    in).  Where an image was flattened, what reads it has its numbers in another order: it is brought into that of
    (H, W, C), in ``into`` too.  The two biases of LSTM and RNN become their sum, those of a GRU stay apart within
    the reach of the reset gate.  A momentum m of BatchNorm is ``1 - m`` here.  The bounds of a Hardtanh and the
    slopes of a PReLU become numbers of Activation and Scale; Scale layers of ``into`` keep theirs.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> state = {"0.weight": np.ones((3, 2)), "0.bias": np.arange(3.0)}  # model.state_dict()
    >>> net = fn.from_torch(state, into=fn.Sequential([fn.Dense(3)], input_shape=2, seed=0))
    >>> net.predict([[1, 2]])
    array([[3., 4., 5.]], dtype=float32)
    """
    is_module = callable(getattr(source, "state_dict", None)) and callable(getattr(source, "named_children", None))
    if not is_module and not isinstance(source, Mapping):
        raise TypeError(f"from_torch: expected a torch.nn.Module or a state dict, got {type(source).__name__}")
    if into is None:
        if not is_module:
            raise ValueError(
                "from_torch: expected a network to load the state dict into, which holds weights alone; pass "
                "into=fn.Sequential(...)"
            )
        if names is not None:
            raise ValueError("from_torch: names goes with into; a module alone needs none")
        layers, shape, state, numbers = layers_of(source, input_shape)
        arrays = [value for group in groups_of(state).values() for value in group.values()]
        into = Graph.of(chain(layers, shape), kind="Sequential", seed=seed, dtype=common_dtype(arrays))
        into.draw_parameters()  # what are settings there and parameters here stay so
        for view in into.layers:
            for name, array in numbers.get(id(view.spec), {}).items():
                view.parameters[name][...] = array
    else:
        check_into("from_torch", into, input_shape, seed)
        state = source.state_dict() if is_module else source
    load_state(into, groups_of(state), names)
    return into


def groups_of(state: Mapping[str, Any]) -> dict[str, Arrays]:
    """Return the arrays of each layer, by the begin of their names."""
    groups: dict[str, Arrays] = {}
    for key, value in state.items():
        prefix, _, name = str(key).rpartition(".")
        if name == "num_batches_tracked":
            continue
        if found := RECURRENT.fullmatch(name):
            name, prefix = found[1], f"{prefix}.{found[2][1:]}".lstrip(".")
        groups.setdefault(prefix, {})[name] = as_array("from_torch", str(key), value)
    return groups


def load_state(net: Graph, groups: dict[str, Arrays], names: Mapping[str, str] | None) -> None:
    """Set all parameters of a network, or none."""
    views = {view.name: view for view in net.layers if view.parameters and not isinstance(view.spec, Scale)}
    if names is None:
        if len(groups) != len(views):
            raise ValueError(
                f"from_torch: expected weights for {len(views)} layers ({', '.join(views)[:200]}), got "
                f"{len(groups)} ({', '.join(groups)[:200]})"
            )
        names = dict(zip(groups, views, strict=True))
    elif set(names) != set(groups) or sorted(names.values()) != sorted(views):
        raise ValueError(
            f"from_torch: expected names to lead from each of {', '.join(groups)[:200]} to one of "
            f"{', '.join(views)[:200]}, got {dict(names)!r:.200}"
        )
    values: Arrays = {}
    images = orders(net)
    for prefix, layer in names.items():
        for name, array in parameters_of(views[layer], prefix, groups[prefix], images.get(layer)).items():
            values[f"{layer}.{name}"] = array
    for view in net.layers:
        if isinstance(view.spec, Scale):  # its numbers are settings there, not weights
            values |= {f"{view.name}.{name}": np.array(array) for name, array in view.parameters.items()}
    assign("from_torch", net, values)


def parameters_of(view: LayerView, prefix: str, arrays: Arrays, order: Shape | None) -> Arrays:
    """Return the parameters of one layer from one module's arrays; raises ValueError if they are of another kind."""
    expected, convert = TORCH.reading(view, order)
    if set(arrays) != set(expected):
        raise ValueError(
            f"from_torch: expected {', '.join(expected)} for {type(view.spec).__name__} {view.name!r}, got "
            f"{', '.join(arrays)[:200]} from {prefix!r:.80}; see its bias, scale and shift, and the order of the layers"
        )
    result = convert(arrays)
    for name, own in view.parameters.items():
        if result[name].shape != own.shape:
            raise ValueError(
                f"from_torch: expected {view.name}.{name} of shape {own.shape}, got {result[name].shape} from "
                f"{prefix!r:.80}"
            )
    return result


def check_gates(layer: Any, arrays: Arrays) -> None:
    """Raise ValueError unless every array has so many rows as the gates have units together."""
    rows = len(layer.gates) * layer.units
    for name, array in arrays.items():
        if len(array) != rows:
            raise ValueError(
                f"from_torch: expected {name} of {rows} rows for {layer.title} of {layer.units} units, got {len(array)}"
            )


def recurrent(layer: Any, arrays: Arrays) -> Arrays:
    """Return the parameters of one layer and direction of LSTM, GRU or RNN."""
    gates.check_torch("from_torch", layer)
    check_gates(layer, arrays)
    biases = [arrays[name] for name in TORCH.biases] if layer.bias else []
    return gates.parameters_of(layer, gates.TORCH, arrays["weight_ih"].T, arrays["weight_hh"].T, biases)


NORM = {"gamma": "weight", "beta": "bias", "running_mean": "running_mean", "running_variance": "running_var"}
DENSE = {"weight": "weight", "bias": "bias"}
TORCH = Library(
    "from_torch",
    "PyTorch",
    {
        **dict.fromkeys((BatchNorm, GroupNorm, InstanceNorm, LayerNorm), NORM),
        **dict.fromkeys((Conv1D, Conv2D, ConvTranspose2D, Dense, DepthwiseConv2D, DropConnect, Embedding), DENSE),
    },
    arranged=from_there,
    recurrent=("weight_ih", "weight_hh"),
    biases=("bias_ih", "bias_hh"),
    convert=recurrent,
)
