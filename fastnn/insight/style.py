"""Pictures painted in the style of another: an image that descends a ``StyleLoss``."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn._spec import choose, require_count, require_number
from fastnn.data.ports import as_row
from fastnn.insight.descent import Adam, Function, lbfgs
from fastnn.insight.maximise import limits
from fastnn.insight.score import Valued
from fastnn.insight.style_loss import StyleLoss, StyleTerms
from fastnn.schedules import CosineDecay
from fastnn.training.progress import track

OPTIMIZERS = ("lbfgs", "adam")
STARTS = ("noise", "content")


@dataclass(frozen=True, eq=False, repr=False)
class StyledImage(Valued):
    """An image made from the content of one picture and the style of another; ``np.asarray`` gives it.

    Attributes
    ----------
    values : ndarray of shape (H, W, C)
        The best image that was met.
    start : ndarray of shape (H, W, C)
        What it was made from.
    losses : ndarray of shape (evaluations, 4), float64
        Total, content, style and variation of every image that was tried, in that order; see ``StyleTerms``.
    loss : StyleLoss
        What was descended.
    """

    values: np.ndarray
    start: np.ndarray
    losses: np.ndarray
    loss: StyleLoss

    @property
    def best(self) -> StyleTerms:
        """The terms of the best image."""
        return StyleTerms(*self.losses[self.losses[:, 0].argmin()].tolist())

    def __repr__(self) -> str:
        return (
            f"<image {self.values.shape}; loss {self.losses[0, 0]:.3g} -> {self.best.total:.3g} in "
            f"{len(self.losses)} evaluations>"
        )


def style_transfer(
    net: Any,
    content: Any,
    style: Any,
    *,
    content_layers: Any = (),
    style_layers: Any = (),
    ratio: float = 0.03,
    smooth: float = 0.0,
    start: Any = "noise",
    optimizer: str = "lbfgs",
    evaluations: int = 300,
    learning_rate: float | None = None,
    bounds: tuple[float, float] | None = None,
    seed: int = 0,
    callback: Callable[[int, np.ndarray, StyleTerms], None] | None = None,
    verbose: int | str = "auto",
) -> StyledImage:
    """Make an image that shows what one picture shows, painted like another.

    Parameters
    ----------
    net : Network
        With one input of images (H, W, C); left as it is.
    content, style : array_like of shape (H, W, C), or None
        The two pictures, in the numbers that the network takes; None: an image of the other alone.
    content_layers, style_layers, ratio, smooth
        As for `StyleLoss`.
    start : {"noise", "content"} or array_like of shape (H, W, C)
        What to begin with: white noise of the mean and deviation of the content (or the style, if there is none), the
        content, or an image.
    optimizer : {"lbfgs", "adam"}
        Limited-memory BFGS, which remembers ten steps, or Adam, whose rate falls to 0 by a cosine.
    evaluations : int
        Evaluations of the loss and its gradient.
    learning_rate : float, optional
        How far an element moves in a first step: of BFGS the one that moves farthest, of Adam each.  A twentieth of the
        deviation of the pictures' elements if not given.
    bounds : (low, high), optional
        Limits of every element, kept after each step: (0, 255) for a network that takes pictures as files have them.
    seed : int
        Decides the noise.
    callback : callable, optional
        ``callback(evaluation, image, terms)``, called after each evaluation with the best image so far, which it must
        not change, and its terms.
    verbose : {"auto", 0, 1}
        1 a progress bar on stderr, if it takes more than a second; "auto": on a terminal; 0 none.

    Returns
    -------
    StyledImage
        The best image, and the losses on the way.  BFGS ends before its evaluations are spent where no step is left.

    Raises
    ------
    TypeError, ValueError
        As `StyleLoss`; or if there is no such start or optimiser, or an argument does not fit.

    Notes
    -----
    Gatys, Ecker & Bethge 2015: layers conv1_1, 2_1, 3_1, 4_1, 5_1 of VGG-19 for the style, conv4_2 for the content,
    white noise to begin with, and mean pooling, which smooths the gradient.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> layers = [fn.Conv2D(4, 3, "relu", name="edges"), fn.Flatten(), fn.Dense(2)]
    >>> net = fn.Sequential(layers, input_shape=(8, 8, 3), seed=0)
    >>> photograph, painting = np.random.default_rng(0).random((2, 8, 8, 3))
    >>> found = fn.style_transfer(
    ...     net, photograph, painting, content_layers="edges", style_layers="edges", bounds=(0, 1), evaluations=50
    ... )
    >>> found.values.shape, bool(found.best.total < 0.05 * found.losses[0, 0])
    ((8, 8, 3), True)
    """
    who = "style_transfer"
    choose(f"{who}: unknown optimizer", optimizer, OPTIMIZERS)
    require_count(who, "evaluations", evaluations)
    low, high = limits(who, bounds)
    loss = StyleLoss(
        net, content, style, content_layers=content_layers, style_layers=style_layers, ratio=ratio, smooth=smooth
    )
    given = [as_row(who, "picture", p, loss.shape, net.dtype) for p in (content, style) if p is not None]
    rate = learning_rate
    if rate is None:
        rate = float(np.mean([picture.std(dtype=np.float64) for picture in given])) / 20 or 1.0
    require_number(who, "learning_rate", rate, low=0, strict=True)
    x = np.clip(begin(who, start, given, content is not None, seed), low, high).astype(net.dtype)
    found: list[StyleTerms] = []
    best = (x, StyleTerms(np.inf, np.inf, np.inf, np.inf))

    def function(image: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal best
        terms, gradient = loss.look(image)
        best = min(best, (image, terms), key=lambda one: one[1].total)
        found.append(terms)
        return terms.total, gradient

    way = (
        lbfgs(function, x, rate, low, high) if optimizer == "lbfgs" else adam(function, x, rate, low, high, evaluations)
    )
    for number, _ in zip(track(who, range(evaluations), verbose, unit="evaluation"), way, strict=False):
        if callback is not None:
            callback(number, *best)
    return StyledImage(best[0], x, np.array(found, np.float64), loss)


def begin(who: str, start: Any, given: list[np.ndarray], content: bool, seed: int) -> np.ndarray:
    """Return the image to begin with."""
    first = given[0]
    if not isinstance(start, str):
        return as_row(who, "start", start, first.shape, first.dtype)
    choose(f"{who}: unknown start", start, STARTS)
    if start == "content":
        if not content:
            raise ValueError(f"{who}: expected a content to start from, got None; use start='noise'")
        return first
    noise = np.random.default_rng(seed).standard_normal(first.shape)
    image: np.ndarray = first.mean(dtype=np.float64) + first.std(dtype=np.float64) * noise
    return image


def adam(function: Function, x: np.ndarray, rate: float, low: float, high: float, steps: int) -> Iterator[None]:
    """Go down a function by Adam at a rate that falls to 0; each item is one evaluation."""
    optimizer, rates = Adam(low, high), CosineDecay(rate, total_steps=steps)
    for step in range(steps):
        slope = function(x)[1]
        yield
        x = optimizer.step(x, slope, rates(step))
