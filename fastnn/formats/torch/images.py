"""Images in PyTorch have their channels first, here last: filters, and the rows that a Dense layer reads after Flatten.

An array of a layer lies otherwise there in two cases: the weight of a convolution is (O, C, KH, KW), of a transposed
one (C, O, KH, KW), and a vector that was an image counts channel by channel, so that whatever reads it has its
parameters in that order.  Sequences (T, C) are images of one axis less.
"""

from collections.abc import Mapping
from math import prod

import numpy as np

from fastnn import layers
from fastnn.graph.graph import Graph
from fastnn.layers.base import Layer, Shape

READING = (  # which are given images, or sequences whose channels are second there
    layers.AvgPool1D, layers.AvgPool2D, layers.Conv1D, layers.Conv2D, layers.ConvTranspose2D, layers.Crop2D,
    layers.DepthToSpace, layers.DepthwiseConv2D, layers.GlobalAvgPool1D, layers.GlobalAvgPool2D, layers.GlobalMaxPool1D,
    layers.GlobalMaxPool2D, layers.InstanceNorm, layers.MaxPool1D, layers.MaxPool2D, layers.Pad2D, layers.SpaceToDepth,
    layers.SpatialDropout, layers.Upsample2D,
)  # fmt: skip
NORMS = (layers.BatchNorm, layers.GroupNorm, layers.LocalResponseNorm)  # which are given anything
AXES: Mapping[type[Layer], tuple[int, ...]] = {  # of PyTorch's weight, in our order
    layers.Conv1D: (2, 1, 0),
    layers.Conv2D: (2, 3, 1, 0),
    layers.ConvTranspose2D: (2, 3, 1, 0),
    layers.DepthwiseConv2D: (2, 3, 1, 0),
}
ALONG = (layers.BatchNorm, layers.LayerNorm, layers.Scale)  # parameters are one number for each element of a vector


def from_there(layer: Layer, name: str, array: np.ndarray, order: Shape | None) -> np.ndarray:
    """Return a parameter as it lies here; ``order``: the image (H, W, C) that the vectors it meets were."""
    axes = AXES.get(type(layer), ())
    if name == "weight" and len(axes) == array.ndim:
        array = array.transpose(axes)
        if isinstance(layer, layers.DepthwiseConv2D):  # (KH, KW, 1, C M), here (KH, KW, C, M)
            return array.reshape(*array.shape[:2], -1, layer.depth_multiplier)
        return array
    if isinstance(layer, layers.Dense) and name == "weight":
        array = array.T
    return array[channels_last(order)] if order and is_turned(layer, name, array, order) else array


def from_here(layer: Layer, name: str, array: np.ndarray, order: Shape | None) -> np.ndarray:
    """Return a parameter as it lies there."""
    axes = AXES.get(type(layer), ())
    if name == "weight" and len(axes) == array.ndim:
        if isinstance(layer, layers.DepthwiseConv2D):
            array = array.reshape(*array.shape[:2], 1, -1)
        return array.transpose(np.argsort(axes))
    if order and is_turned(layer, name, array, order):
        array = array[np.argsort(channels_last(order))]
    return array.T if isinstance(layer, layers.Dense) and name == "weight" else array


def is_turned(layer: Layer, name: str, array: np.ndarray, order: Shape) -> bool:
    """Return whether the first axis of a parameter runs over the numbers of an image."""
    along = name == "weight" if isinstance(layer, layers.Dense) else isinstance(layer, ALONG)
    return along and len(array) == prod(order)


def channels_last(order: Shape) -> np.ndarray:
    """Return where each element of a flat image (H, W, C) stands in one that is flat channel by channel."""
    *sizes, channels = order
    return np.arange(prod(order)).reshape(channels, *sizes).transpose(*range(1, len(order)), 0).ravel()


def of_images(layer: Layer, shape: Shape) -> bool:
    """Return whether a layer is made for images, or normalises their channels: PyTorch has these second."""
    return isinstance(layer, READING) or (isinstance(layer, NORMS) and len(shape) == 3)


def orders(net: Graph) -> dict[str, Shape]:
    """Return the layers that read vectors which were images, by name, each with the shape (H, W, C) of those.

    An image is what a layer of images gives, whatever came over it since; where a network reads images as they are,
    Flatten before any such layer leaves the numbers in the order of the input, here as there.
    """
    images: set[int] = set()  # tensors that are images
    flat: dict[int, Shape] = {}  # tensors that are vectors and were images
    found: dict[str, Shape] = {}
    for application in net.applications:
        layer, shape = application.layer, application.output_shape
        if isinstance(layer, layers.Permute):  # what comes out of it has its axes as the user wants them
            continue
        if of_images(layer, shape) or any(i in images for i in application.inputs):
            if len(shape) > 1:
                images.add(application.output)
            elif isinstance(layer, layers.Flatten | layers.Reshape) and len(application.input_shapes[0]) > 1:
                flat[application.output] = application.input_shapes[0]
        order = next((flat[i] for i in application.inputs if i in flat), None)
        if order is None:
            continue
        if isinstance(layer, (layers.Dense, *ALONG)):
            found[application.name] = order
        if len(shape) == 1 and shape[0] == prod(order) and not isinstance(layer, layers.Dense):
            flat[application.output] = order
    return found
