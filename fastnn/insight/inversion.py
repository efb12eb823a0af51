"""Images that a layer cannot tell from a given one: what it keeps, and what it forgets."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn._spec import require_count, require_number
from fastnn.data.ports import as_rows
from fastnn.insight.descent import Adam
from fastnn.insight.maximise import limits
from fastnn.insight.score import Valued, one_input
from fastnn.insight.seam import title_of
from fastnn.insight.variation import total_variation
from fastnn.layers.base import batched
from fastnn.schedules import CosineDecay
from fastnn.training.progress import track


@dataclass(frozen=True, eq=False, repr=False)
class InvertedFeatures(Valued):
    """Images made from features; ``np.asarray`` gives them.

    Attributes
    ----------
    values : ndarray of shape (B, H, W, C)
        The images that were found.
    inputs : ndarray of shape (B, H, W, C)
        Those whose features they were to have.
    layer : str
        The layer whose features these are.
    distances : ndarray of shape (steps + 1, B), float64
        ``|Phi(x) - Phi(x0)|^2 / |Phi(x0)|^2`` before every step, and at the end.
    """

    values: np.ndarray
    inputs: np.ndarray
    layer: str
    distances: np.ndarray

    def __repr__(self) -> str:
        before, after = self.distances[[0, -1]].mean(axis=1)
        return (
            f"<images {batched(self.values.shape[1:])} from features of {self.layer!r}; mean distance {before:.3g} -> "
            f"{after:.3g}>"
        )


def invert_features(
    net: Any,
    X: Any,
    layer: str,
    *,
    smooth: float = 0.1,
    beta: float = 2.0,
    steps: int = 300,
    learning_rate: float = 0.05,
    noise: float = 0.1,
    bounds: tuple[float, float] | None = None,
    seed: int = 0,
    verbose: int | str = "auto",
) -> InvertedFeatures:
    """Find images in which a layer sees the same as in given ones, starting from noise.

    Parameters
    ----------
    net : Network
        With one input of images (H, W, C); left as it is.
    X : array_like of shape (B, H, W, C)
        The images.
    layer : str
        Name of the layer; what it says, after its activation, are the features Phi.
    smooth : float
        Weight of the total variation ``V = sum over i, j, c of ((x[i, j + 1, c] - x[i, j, c])^2 + (x[i + 1, j, c] -
        x[i, j, c])^2)^(beta / 2)``.
    beta : float
        Its exponent, at least 1: 2 blurs edges, 1 keeps them.
    steps : int
        Steps of Adam, whose rate falls to 0 by a cosine.
    learning_rate : float
        The rate it begins with: about how far an element moves in a step.
    noise : float
        Standard deviation of the noise to start from, about the middle of ``bounds``, or 0.
    bounds : (low, high), optional
        Limits of every element, kept after each step; they take the place of the paper's second penalty.
    seed : int
        Decides the noise.
    verbose : {"auto", 0, 1}
        1 a progress bar on stderr, if it takes more than a second; "auto": on a terminal; 0 none.

    Returns
    -------
    InvertedFeatures
        ``x`` of ``min over x of |Phi(x) - Phi(x0)|^2 / |Phi(x0)|^2 + smooth V(x) / (H W C)``, V the total
        variation, as far as the steps came.

    Raises
    ------
    TypeError, ValueError
        If the network has several inputs or takes no images, there is no such layer, X or an argument does not fit, or
        the features of an image are all 0.

    Notes
    -----
    Mahendran and Vedaldi 2015, eq. 2 to 4.  All images are looked for side by side, so their number is limited by the
    memory of one batch.

    Examples
    --------
    >>> import fastnn as fn
    >>> X, y = fn.load_digits()
    >>> layers = [fn.Conv2D(8, 3, "relu", name="first"), fn.Flatten(), fn.Dense(10)]
    >>> net = fn.Sequential(layers, input_shape=(8, 8, 1), seed=0)
    >>> found = fn.invert_features(net, X[:2].reshape(-1, 8, 8, 1), "first", bounds=(0, 1))
    >>> bool((found.distances[-1] < 0.05).all())
    True
    """
    who = "invert_features"
    one_input(who, net)
    if len(net.input_shape) != 3:
        raise ValueError(f"{who}: expected a network for images (H, W, C), got {batched(net.input_shape)}")
    require_number(who, "smooth", smooth, low=0)
    require_number(who, "beta", beta, low=1)
    require_count(who, "steps", steps)
    require_number(who, "learning_rate", learning_rate, low=0, strict=True)
    require_number(who, "noise", noise, low=0)
    low, high = limits(who, bounds)
    inner = net.astype(net.dtype).tap(title_of(who, net, layer))
    rows = as_rows(who, "X", X, net.input_shape, net.dtype)
    wanted = inner.predict(rows)
    axes = tuple(range(1, wanted.ndim))
    sizes = np.square(wanted, dtype=np.float64).sum(axis=axes, keepdims=True)
    if (silent := np.flatnonzero(sizes == 0)).size:
        raise ValueError(
            f"{who}: expected features that are not all 0, got none else from {layer!r} for row {silent[0]}; take an "
            "earlier layer"
        )
    middle = 0.0 if bounds is None else (low + high) / 2
    x = middle + noise * np.random.default_rng(seed).standard_normal(rows.shape)
    x = np.clip(x, low, high).astype(net.dtype)
    adam, rate = Adam(low, high), CosineDecay(learning_rate, total_steps=steps)
    distances = np.empty((steps + 1, len(x)))
    for step in track(who, range(steps + 1), verbose):
        off = inner.forward(x) - wanted
        distances[step] = (np.square(off, dtype=np.float64).sum(axis=axes, keepdims=True) / sizes).ravel()
        if step == steps:
            break
        slope = inner.backward((2 * off / sizes).astype(x.dtype), parameters=False)
        slope += smooth / x[0].size * total_variation(x, beta)[1]
        x = adam.step(x, slope, rate(step))
    return InvertedFeatures(x, rows.copy(), layer, distances)
