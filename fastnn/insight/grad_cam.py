"""Where in an image the evidence for a class lies, by the last maps of features."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.insight.attribution import Attribution
from fastnn.insight.score import Score
from fastnn.insight.seam import Seam, title_of
from fastnn.layers.base import batched
from fastnn.layers.pooling import AvgPool2D, MaxPool2D
from fastnn.network import Network


@dataclass(frozen=True, eq=False, repr=False)
class GradCAM(Attribution):
    """Maps of the evidence for one output; ``values`` has one number per pixel, (B, H, W).

    Attributes
    ----------
    layer : str
        The layer whose maps of features were weighed.
    weights : ndarray of shape (B, C)
        What a map of features weighs: the mean of df over the map.
    maps : ndarray of shape (B, h, w)
        The weighed sum, 0 where it is below, as small as the layer's maps; ``values`` are these at the size of the
        image, by bilinear interpolation.
    """

    layer: str
    weights: np.ndarray
    maps: np.ndarray


def grad_cam(net: Any, X: Any, target: Any = None, *, layer: str | None = None) -> GradCAM:
    """Return where the evidence for an output lies: the maps of a layer, weighed by how the output rests on them.

    Other parameters are those of saliency.  It raises the same errors.

    Parameters
    ----------
    layer : str, optional
        A layer that gives images (h, w, C), after its activation; if not given, the last such layer that is no pooling.

    Returns
    -------
    GradCAM
        ``maps[b] = max(0, sum_c weights[b, c] A[b, :, :, c])`` with ``weights[b, c] = mean over i, j of df/dA[b, i, j,
        c]`` and A what the layer says.

    Notes
    -----
    Selvaraju et al. 2017, eq. 1 and 2.  Negative evidence is cut off; explain the class that it speaks for instead.  f
    is what the network answers: see ``saliency``, and explain logits where you can.  Where a mean over each map and
    one Dense layer follow, the weights are that layer's, over the number of pixels: class activation maps (Zhou et al.
    2016).

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> layers = [fn.Conv2D(8, 3, "relu"), fn.MaxPool2D(2), fn.Conv2D(8, 3, "relu"), fn.GlobalAvgPool2D(), fn.Dense(3)]
    >>> net = fn.Sequential(layers, input_shape=(8, 8, 1), seed=0)
    >>> found = fn.grad_cam(net, np.ones((2, 8, 8, 1)))
    >>> found.layer, found.maps.shape, found.values.shape
    ('conv2d_2', (2, 4, 4), (2, 8, 8))
    """
    who = "grad_cam"
    score = Score(who, net, X, target)
    if len(score.net.input_shape) != 3:
        raise ValueError(f"{who}: expected a network for images (H, W, C), got {batched(score.net.input_shape)}")
    title = layer_to_weigh(score.net) if layer is None else title_of(who, score.net, layer)
    if title is None:
        raise ValueError(f"{who}: expected a network with a layer that gives images (H, W, C), got none")
    seam = Seam(score, title)
    if len(seam.shape) != 3:
        raise ValueError(f"{who}: expected a layer that gives images, got {title!r}, which gives {batched(seam.shape)}")
    said, slope = seam.look(score.rows)
    weights = slope.mean(axis=(1, 2), dtype=np.float64)
    maps = np.maximum(np.einsum("bijc,bc->bij", said, weights), 0)
    height, width = score.net.input_shape[:2]
    values = resizing(seam.shape[0], height) @ maps @ resizing(seam.shape[1], width).T
    parts = (array.astype(score.rows.dtype) for array in (values, weights, maps))
    values, weights, maps = parts
    return GradCAM("Grad-CAM", values, layer=title, weights=weights, maps=maps, **score.explained())


def resizing(size: int, wanted: int) -> np.ndarray:
    """Return the matrix (wanted, size) of linear interpolation between pixels, which are as wide as their distance."""
    places = np.clip((np.arange(wanted) + 0.5) * size / wanted - 0.5, 0, size - 1)
    return np.maximum(1 - np.abs(places[:, None] - np.arange(size)), 0)


def layer_to_weigh(net: Network) -> str | None:
    """Return the title of the last layer that gives images and is no pooling; None if there is none."""
    found = [
        application.title
        for application in net.applications
        if len(application.output_shape) == 3 and not isinstance(application.layer, MaxPool2D | AvgPool2D)
    ]
    return found[-1] if found else None
