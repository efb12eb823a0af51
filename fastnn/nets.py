"""Ready nets: architectures that papers describe, made of the layers that everybody has.

Each function is a few lines that say how the layers stand; read them to make a net of your own.  ``weights`` takes what
others published: an npz file, or a mapping of arrays such as a ``state_dict()`` of PyTorch, whose arrays come in the
order of the layers, with filters (O, C, KH, KW).  What ``net.save_weights`` wrote goes to ``net.load_weights``.
"""

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from fastnn._spec import choose, require_count, require_flag
from fastnn.data.npz import names_in, open_member, open_npz, read_values
from fastnn.errors import ModelFormatError
from fastnn.formats.files import damaged, not_a_file
from fastnn.formats.torch.convert import from_torch
from fastnn.formats.weights import OTHERS
from fastnn.layers import (
    Activation,
    AvgPool2D,
    BatchNorm,
    Concatenate,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    GlobalAvgPool2D,
    Input,
    MaxPool2D,
    Slice,
    Standardize,
    Tensor,
)
from fastnn.network import Network, Sequential

__all__ = ["lenet5", "mlp", "resnet_cifar", "squeezenet"]

Weights = str | PathLike[str] | Mapping[str, Any] | None
RESNET_DEPTHS = (20, 32, 44, 56, 110)
SQUEEZES = (16, 16, 32, 32, 48, 48, 64, 64)  # filters that fire2 to fire9 squeeze into
# The first convolution, its padding and the last one's, and behind which of the parts 1 to 9 the image is pooled.
SQUEEZENETS: dict[str, tuple[int, int, int, tuple[int, ...]]] = {
    "1.0": (96, 7, 1, (1, 4, 8)),
    "1.1": (64, 3, 0, (1, 3, 5)),
}
TILED = 16  # channels from which on tiles of a convolution, where they are asked for, are faster than its windows
POOLS = {"max": MaxPool2D, "average": AvgPool2D}
BGR_MEANS = (104.0, 117.0, 123.0)  # what published weights of SqueezeNet expect to be taken off


def mlp(
    inputs: int,
    outputs: int,
    *,
    hidden: Sequence[int] = (128,),
    activation: str = "relu",
    dropout: float = 0.0,
    seed: int | None = None,
    dtype: Any = "float32",
) -> Sequential:
    """Return a multi-layer perceptron: Dense layers with an activation, and one without at the end.

    Parameters
    ----------
    inputs, outputs : int
        Numbers of a row and of an answer.
    hidden : sequence of int
        Units of the layers between, which may be none.
    activation : str
        Of the layers between.
    dropout : float
        Rate of a Dropout behind each of these; 0: there is none.
    seed, dtype
        As for Sequential.

    Returns
    -------
    Sequential
        Whose answers are raw: logits, for a loss such as ``"cross_entropy"``.

    Raises
    ------
    ValueError, TypeError
        If a size is not a positive integer, or an option is not allowed.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.nets.mlp(64, 10, hidden=(128, 64), seed=0)
    <Sequential (B, 64) -> (B, 10), 17,226 parameters, float32>
    """
    for name, size in (("inputs", inputs), ("outputs", outputs)):
        require_count("mlp", name, size)
    layers: list[Any] = []
    for units in hidden:
        layers += [Dense(units, activation), *([Dropout(dropout)] if dropout else [])]
    return Sequential([*layers, Dense(outputs)], inputs, seed=seed, dtype=dtype)


def lenet5(
    *,
    classes: int = 10,
    input_shape: tuple[int, int, int] = (28, 28, 1),
    activation: str = "relu",
    weights: Weights = None,
    seed: int | None = None,
    dtype: Any = "float32",
) -> Sequential:
    """Return LeNet-5 as it is taught today: two convolutions of 5 x 5 with pools of 2 x 2, and three Dense layers.

    Parameters
    ----------
    classes : int
        Outputs.
    input_shape : (int, int, int)
        Height, width and channels of an image.
    activation : str
        Of all layers but the last.
    weights : path, mapping of str to array, optional
        What it starts from, as PyTorch has it; see ``fastnn.nets``.
    seed, dtype
        As for Sequential.

    Returns
    -------
    Sequential
        Whose answers are logits.

    Raises
    ------
    ValueError, TypeError
        If an option is not allowed, the image is too small, or the weights are of another net.
    OSError, ModelFormatError
        If the file of weights cannot be read, or is no npz file.

    Notes
    -----
    LeCun, Bottou, Bengio & Haffner 1998, with 6 and 16 filters, 120 and 84 units.  There the pools are means with a
    learned scale, the activation is a tanh, the second convolution sees some of the channels only, and images of 28 x
    28 stand in the middle of 32 x 32; the form here, with the largest of each pool and relu, has 44,426 parameters.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.nets.lenet5(seed=0)
    <Sequential (B, 28, 28, 1) -> (B, 10), 44,426 parameters, float32>
    """
    net = Sequential(
        [
            Conv2D(6, 5, activation, padding="valid", name="conv1"),
            MaxPool2D(2),
            Conv2D(16, 5, activation, padding="valid", name="conv2"),
            MaxPool2D(2),
            Flatten(),
            Dense(120, activation, name="fc1"),
            Dense(84, activation, name="fc2"),
            Dense(classes, name="fc3"),
        ],
        input_shape,
        seed=seed,
        dtype=dtype,
    )
    return _with_weights("lenet5", net, weights)


def resnet_cifar(
    depth: int = 20,
    *,
    shortcut: str = "A",
    residual: bool = True,
    winograd: bool = False,
    classes: int = 10,
    input_shape: tuple[int, int, int] = (32, 32, 3),
    weights: Weights = None,
    seed: int | None = None,
    dtype: Any = "float32",
) -> Network:
    """Return the residual net for small images of He et al.: 6 n + 2 layers, 16, 32 and 64 filters.

    Parameters
    ----------
    depth : {20, 32, 44, 56, 110}
        Layers with weights.
    shortcut : {"A", "B"}
        What stands on the link where the image shrinks and the channels double.  "A": every second pixel, and zeros
        for the channels that are new, half of them before and half behind, nothing to learn; "B": a convolution of 1 x
        1 with BatchNorm.
    residual : bool
        Whether there are links at all; without them it is the plain net of the paper.
    winograd : bool
        Whether its convolutions of 3 x 3 that move by a pixel, but for the first, are computed in tiles: faster, and
        less exact; see `Conv2D`, and Notes.
    classes : int
        Outputs.
    input_shape : (int, int, int)
        Height, width and channels of an image.
    weights : path, mapping of str to array, optional
        What it starts from, as PyTorch has it; see ``fastnn.nets``.  Those of github.com/akamaster/
        pytorch_resnet_cifar10 are for shortcut "A", and for images in RGB / 255 less (.485, .456, .406), divided by
        (.229, .224, .225).
    seed, dtype
        As for Network.

    Returns
    -------
    Network
        Whose answers are logits.

    Raises
    ------
    ValueError, TypeError
        If an option is not allowed, or the weights are of another net.
    OSError, ModelFormatError
        If the file of weights cannot be read, or is no npz file.

    Notes
    -----
    He, Zhang, Ren & Sun 2015, section 4.2; weights start as in He et al. 2015a.  There training has momentum .9, weight
    decay 1e-4, mini-batches of 128, a learning rate of .1 (.01 at first for 110 layers), divided by 10 at 32,000 and
    48,000 of 64,000 steps, and images that are shifted by up to 4 pixels and mirrored.  Parameters that are learned:
    270 thousand (20) to 1.7 million (110).

    With ``winograd`` ResNet-20 learns a mini-batch of 128 in three quarters of the time and answers one in half of it,
    folded.  Each of these layers rounds about twice as much; beside float64, logits are as near as without (weights
    as they start: 2 to 4e-7 of their size either way, 20 or 56 layers).

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.nets.resnet_cifar(20, seed=0)
    <Network (B, 32, 32, 3) -> (B, 10), 271,098 parameters, float32>
    """
    require_count("resnet_cifar", "depth", depth)
    if depth not in RESNET_DEPTHS:
        raise ValueError(f"resnet_cifar: expected depth to be one of {', '.join(map(str, RESNET_DEPTHS))}, got {depth}")
    choose("resnet_cifar: unknown shortcut", shortcut, ("A", "B"))
    require_flag("resnet_cifar", "residual", residual)
    require_flag("resnet_cifar", "winograd", winograd)
    x = image = Input(input_shape)
    x = _normed(x, 16, 3, 1, "relu", "stem")
    for stage, filters in enumerate((16, 32, 64), 1):
        for block in range(1, (depth - 2) // 6 + 1):
            name, stride = f"stage{stage}_{block}", 2 if stage > 1 and block == 1 else 1
            y = _normed(x, filters, 3, stride, "relu", f"{name}a", winograd)
            y = _normed(y, filters, 3, 1, None, f"{name}b", winograd)
            if residual:
                y = _linked(x, y, shortcut, f"{name}_link")
            x = Activation("relu")(y)
    logits = Dense(classes, name="logits")(GlobalAvgPool2D()(x))
    return _with_weights("resnet_cifar", Network(image, logits, seed=seed, dtype=dtype), weights)


def squeezenet(
    version: str = "1.0",
    *,
    classes: int = 1000,
    input_shape: tuple[int, int, int] = (227, 227, 3),
    dropout: float = 0.5,
    pooling: str = "max",
    winograd: bool = False,
    rgb: bool = False,
    weights: Weights = None,
    seed: int | None = None,
    dtype: Any = "float32",
) -> Network:
    """Return SqueezeNet: fire modules, which squeeze the channels before they expand them, and no Dense layer.

    Parameters
    ----------
    version : {"1.0", "1.1"}
        "1.0": that of the paper; "1.1": its authors' later one, which needs 2.4 times less arithmetic.
    classes : int
        Outputs.
    input_shape : (int, int, int)
        Height, width and channels of an image.
    dropout : float
        Rate of the Dropout before the last convolution; 0: there is none.
    pooling : {"max", "average"}
        What is taken of a window.  "average" is for `style_transfer`, whose gradient it smooths.
    winograd : bool
        Whether the convolutions of 3 x 3 in the fire modules are computed in tiles: faster, and less exact; see
        `Conv2D`, and Notes.
    rgb : bool
        Whether images are in RGB, 0 to 255, as `read_images` gives them.  The first layer then subtracts (123, 117,
        104), and weights for BGR are turned over.
    weights : path, mapping of str to array, optional
        What it starts from, as PyTorch has it; see ``fastnn.nets``.  Those of github.com/songhan/
        SqueezeNet-Deep-Compression are of version "1.0", for images in BGR, 0 to 255, less (104, 117, 123).
    seed, dtype
        As for Network.

    Returns
    -------
    Network
        Whose answers are logits, the means of the last feature maps: none is negative.

    Raises
    ------
    ValueError, TypeError
        If an option is not allowed, the image is too small, or the weights are of another net.
    OSError, ModelFormatError
        If the file of weights cannot be read, or is no npz file.

    Notes
    -----
    Iandola et al. 2016, table 1; as its authors released it, the last convolution of "1.0" has a padding of 1, and the
    last of its pools ends beyond the image where that is needed (``ceil_mode``).

    With ``winograd`` an image of 227 x 227 is answered in three quarters of the time or less.  Each of these layers
    rounds about twice as much; beside float64, logits are as near as without (2 to 3e-7 of their size either way).

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.nets.squeezenet(seed=0)
    <Network (B, 227, 227, 3) -> (B, 1000), 1,248,424 parameters, float32>
    """
    choose("squeezenet: unknown version", version, SQUEEZENETS)
    choose("squeezenet: unknown pooling", pooling, POOLS)
    require_flag("squeezenet", "winograd", winograd)
    require_flag("squeezenet", "rgb", rgb)
    filters, kernel, padding, pooled = SQUEEZENETS[version]
    x = image = Input(input_shape)
    x = Standardize(BGR_MEANS[::-1])(x) if rgb else x
    x = Conv2D(filters, kernel, "relu", strides=2, padding="valid", name="conv1")(x)
    for part in range(1, 10):
        if part > 1:
            x = _fire(x, SQUEEZES[part - 2], f"fire{part}", winograd)
        if part in pooled:
            x = POOLS[pooling](3, strides=2, ceil_mode=True)(x)
    x = Dropout(dropout)(x) if dropout else x
    x = Conv2D(classes, 1, "relu", padding=padding, name="conv10")(x)
    net = _with_weights("squeezenet", Network(image, GlobalAvgPool2D()(x), seed=seed, dtype=dtype), weights)
    if rgb and weights is not None:
        first = next(view.weight for view in net.layers if view.name == "conv1")
        first[...] = first[:, :, ::-1].copy()
    return net


def _in_tiles(x: Tensor, winograd: bool) -> bool:
    """Whether a convolution of 3 x 3, a pixel at a time, is computed in tiles: where that is faster."""
    return winograd and x.shape[-1] >= TILED


def _normed(
    x: Tensor, filters: int, kernel: int, stride: int, activation: str | None, name: str, winograd: bool = False
) -> Tensor:
    """Return a convolution with BatchNorm, and an activation behind it."""
    conv = Conv2D(
        filters,
        kernel,
        strides=stride,
        padding=kernel // 2,
        bias=False,
        winograd=(kernel, stride) == (3, 1) and _in_tiles(x, winograd),
        kernel_initializer="he_normal",
        name=name,
    )
    x = BatchNorm(name=f"{name}_norm")(conv(x))
    return Activation(activation)(x) if activation else x


def _linked(x: Tensor, y: Tensor, kind: str, name: str) -> Tensor:
    """Return y with x added, over the link that the paper has between them."""
    if x.shape == y.shape:
        return x + y
    if kind == "B":
        return y + _normed(x, y.shape[-1], 1, 2, None, name)
    return _added_amid(AvgPool2D(1, strides=2)(x), y)  # every second pixel


def _added_amid(x: Tensor, y: Tensor) -> Tensor:
    """Return y with x added to as many channels in its middle: what zeros around the channels of x would give."""
    channels, filters = x.shape[-1], y.shape[-1]
    start, stop = (filters - channels) // 2, (filters + channels) // 2
    return Concatenate()(Slice(0, start)(y), Slice(start, stop)(y) + x, Slice(stop)(y))


def _fire(x: Tensor, squeeze: int, name: str, winograd: bool) -> Tensor:
    """Return what a fire module makes of an image."""
    x = Conv2D(squeeze, 1, "relu", name=f"{name}_squeeze1x1")(x)
    tiled = _in_tiles(x, winograd)
    wide = [Conv2D(4 * squeeze, k, "relu", winograd=tiled and k == 3, name=f"{name}_expand{k}x{k}")(x) for k in (1, 3)]
    return Concatenate(name=name)(*wide)


def _with_weights(who: str, net: Any, weights: Weights) -> Any:
    """Return the net with published weights; ``.w`` and ``.b`` are short for ``.weight`` and ``.bias``."""
    if weights is None:
        return net
    if not isinstance(weights, str | PathLike | Mapping):
        raise TypeError(f"{who}: expected weights to be a path or a mapping of arrays, got {type(weights).__name__}")
    arrays = weights if isinstance(weights, Mapping) else _arrays_of(who, Path(weights), 16 * net.n_params + (1 << 20))
    short = {"w": "weight", "b": "bias"}
    parts = ((*str(key).rpartition("."), array) for key, array in arrays.items())
    return from_torch({f"{layer}{dot}{short.get(name, name)}": array for layer, dot, name, array in parts}, into=net)


def _arrays_of(who: str, path: Path, limit: int) -> dict[str, np.ndarray]:
    """Return the arrays of an npz file, of at most ``limit`` bytes; raises ModelFormatError if it is none."""
    expected = f"{who}: expected weights in an npz file, got something else in {path.name!r}"
    with damaged(expected, *OTHERS, code="alien"), open_npz(who, path, not_a_file) as archive:
        result: dict[str, np.ndarray] = {}
        for name in names_in(archive):
            with open_member(archive, name) as (file, header):
                limit -= header.nbytes
                if limit < 0:
                    raise ModelFormatError(f"{expected}: its arrays are larger than those of the network", "size")
                result[name] = read_values(file, name, header)
        return result
