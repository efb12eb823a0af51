"""Attributions by gradient: how much each element of the input says about one output."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from fastnn._spec import choose, require_count, require_number
from fastnn.insight.score import Score, Valued
from fastnn.layers.base import batched
from fastnn.training.progress import track


@dataclass(frozen=True, eq=False, repr=False)
class Attribution(Valued):
    """What each element of some inputs says about one output f of a network; ``np.asarray`` gives the values.

    Attributes
    ----------
    method : str
        Name of the method.
    values : ndarray of shape (B, *input_shape)
        The attribution of each element.
    inputs : ndarray of shape (B, *input_shape)
        The rows that were explained.
    targets : ndarray of shape (B,), int64
        Which output was looked at.
    outputs : ndarray of shape (B,), float64
        f, that output's value.
    of : str
        What f is: the output of which layer, after which activation.
    """

    method: str
    values: np.ndarray
    inputs: np.ndarray
    targets: np.ndarray
    outputs: np.ndarray
    of: str

    def by_pixel(self, channels: Literal["sum", "max"] = "sum") -> np.ndarray:
        """Return one number per pixel of images.

        Parameters
        ----------
        channels : {"sum", "max"}
            What becomes of the channels of a pixel: their sum, which keeps signs, and of complete attributions the
            total; or the largest absolute value [Simonyan, Vedaldi & Zisserman 2013, section 3.1].

        Returns
        -------
        ndarray of shape (B, H, W)

        Raises
        ------
        ValueError
            If the inputs are not images (H, W, C), or ``channels`` is neither.

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> net = fn.Sequential([fn.Flatten(), fn.Dense(2)], input_shape=(4, 4, 3), seed=0)
        >>> fn.saliency(net, np.ones((5, 4, 4, 3))).by_pixel("max").shape
        (5, 4, 4)
        """
        choose("by_pixel: unknown channels", channels, ("sum", "max"))
        if self.inputs.ndim != 4:
            raise ValueError(f"by_pixel: expected images (B, H, W, C), got {batched(self.inputs.shape[1:])}")
        values = self.values if self.values.ndim == 4 else self.values[..., None]  # of Grad-CAM one per pixel
        return values.sum(axis=-1) if channels == "sum" else np.abs(values).max(axis=-1)

    def __repr__(self) -> str:
        return f"<{self.method} of {len(self.values)} rows, {batched(self.values.shape[1:])}; f: {self.of}>"


@dataclass(frozen=True, eq=False, repr=False)
class IntegratedGradients(Attribution):
    """Attributions that sum to a difference of outputs.

    Attributes
    ----------
    baseline : ndarray of shape (B, *input_shape)
        Where the paths begin.
    baseline_outputs : ndarray of shape (B,), float64
        f there.
    delta : ndarray of shape (B,), float64
        ``sum of values - (f(x) - f(baseline))``: 0 but for the finite number of steps.
    relative_delta : ndarray of shape (B,), float64
        ``|delta| / |f(x) - f(baseline)|``; 0 where both are 0.
    """

    baseline: np.ndarray
    baseline_outputs: np.ndarray

    @property
    def delta(self) -> np.ndarray:
        """How far the sums are from complete."""
        sums = self.values.reshape(len(self.values), -1).sum(axis=1, dtype=np.float64)
        return sums - (self.outputs - self.baseline_outputs)

    @property
    def relative_delta(self) -> np.ndarray:
        """The same, as a part of the difference."""
        delta, difference = np.abs(self.delta), np.abs(self.outputs - self.baseline_outputs)
        with np.errstate(divide="ignore"):
            return np.divide(delta, difference, out=np.zeros_like(delta), where=delta > 0)

    def __repr__(self) -> str:
        worst = f"{self.relative_delta.max():.2g}"
        return f"{super().__repr__()[:-1]}; sums are f(x) - f(baseline) to a relative {worst}>"


def saliency(net: Any, X: Any, target: Any = None) -> Attribution:
    """Return the gradient of an output with respect to the input, ``df/dx``.

    Parameters
    ----------
    net : Network
        With one input and one output vector; left as it is.
    X : array_like of shape (B, *input_shape)
        Rows to explain.
    target : int or array_like of int of shape (B,), optional
        Which output is f, one for all or one per row; if not given, the largest one of each row: the predicted class.

    Returns
    -------
    Attribution
        ``values[b, i] = df/dx_i`` at row b.

    Raises
    ------
    TypeError, ValueError
        If the network has several inputs or outputs, or an argument does not fit.

    Notes
    -----
    Simonyan, Vedaldi and Zisserman 2013, section 3; pictures often show the absolute value, and of colours the largest
    (``by_pixel("max")``).  f is what the network
    answers: a logit, or, if it ends in a softmax, a probability, whose gradient is almost 0 where the network is sure.
    Explain logits where you can.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.Dense(3)], input_shape=4, seed=0)
    >>> attribution = fn.saliency(net, np.ones((2, 4)), target=1)
    >>> bool(np.allclose(attribution.values, net.layers[0].weight[:, 1]))
    True
    """
    score = Score("saliency", net, X, target)
    return Attribution("saliency", score.gradient(score.rows), **score.explained())


def smooth_grad(
    net: Any,
    X: Any,
    target: Any = None,
    *,
    noise: float = 0.15,
    samples: int = 50,
    seed: int = 0,
    verbose: int | str = "auto",
) -> Attribution:
    """Return the mean gradient of an output over noisy copies of the input.

    Other parameters are those of saliency.  It raises the same errors.

    Parameters
    ----------
    noise : float
        Standard deviation of the Gaussian noise, as a part of the range max - min of each row.
    samples : int
        Noisy copies of each row.
    seed : int
        Decides the noise.
    verbose : {"auto", 0, 1}
        1 a progress bar on stderr, if it takes more than a second; "auto": on a terminal; 0 none.

    Returns
    -------
    Attribution
        ``values = mean over k of df/dx (x + noise (max x - min x) e_k)``, e_k standard normal.

    Notes
    -----
    Smilkov et al. 2017, section 2; they find 10 to 20 % of noise best.  What f is: see ``saliency``.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.Dense(8, "relu"), fn.Dense(3)], input_shape=4, seed=0)
    >>> fn.smooth_grad(net, np.eye(4), noise=0.2).values.shape
    (4, 4)
    """
    require_number("smooth_grad", "noise", noise, low=0)
    require_count("smooth_grad", "samples", samples)
    score = Score("smooth_grad", net, X, target)
    rows = score.rows
    axes = tuple(range(1, rows.ndim))
    scale = noise * (rows.max(axis=axes, keepdims=True) - rows.min(axis=axes, keepdims=True))
    random = np.random.default_rng(seed)
    total = np.zeros(rows.shape)
    for _ in track("smooth_grad", range(samples), verbose):
        total += score.gradient(rows + scale * random.standard_normal(rows.shape, rows.dtype.type))
    return Attribution("SmoothGrad", (total / samples).astype(rows.dtype), **score.explained())


def integrated_gradients(
    net: Any, X: Any, target: Any = None, *, baseline: Any = 0.0, steps: int = 50, verbose: int | str = "auto"
) -> IntegratedGradients:
    """Return the gradient of an output, integrated from a baseline to the input and times the way.

    Other parameters are those of saliency.  It raises the same errors.

    Parameters
    ----------
    baseline : float or array_like that broadcasts to X
        An input that says nothing: a black image, the mean row.
    steps : int
        Points on each path.
    verbose : {"auto", 0, 1}
        1 a progress bar on stderr, if it takes more than a second; "auto": on a terminal; 0 none.

    Returns
    -------
    IntegratedGradients
        ``values_i = (x_i - x0_i) integral over a in [0, 1] of df/dx_i (x0 + a (x - x0))``.  They are complete: their
        sum is f(x) - f(x0), and ``delta`` says how far it is from it.

    Notes
    -----
    Sundararajan, Taly and Yan 2017, eq. 1 and proposition 1.  The integral is taken by Gauss-Legendre quadrature: exact
    for polynomials, and off by order 1/steps at the kinks of relu; take more steps where ``relative_delta`` is above
    0.01.  f is what the network answers: a logit, or after a softmax a probability (``.of`` says which).  The paper
    explains probabilities; logits need fewer steps.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.Dense(8, "tanh"), fn.Dense(3)], input_shape=4, seed=0)
    >>> attribution = fn.integrated_gradients(net, np.eye(4))
    >>> bool(attribution.relative_delta.max() < 1e-3)
    True
    """
    require_count("integrated_gradients", "steps", steps)
    score = Score("integrated_gradients", net, X, target)
    rows, begin = score.rows, score.spread("baseline", baseline)
    way = rows - begin
    points, weights = np.polynomial.legendre.leggauss(int(steps))  # on [-1, 1], where the weights sum to 2
    total = np.zeros(rows.shape)
    path = list(zip((points + 1) / 2, weights / 2, strict=True))
    for point, weight in track("integrated_gradients", path, verbose):
        total += weight * score.gradient(begin + rows.dtype.type(point) * way)
    return IntegratedGradients(
        "integrated gradients",
        (total * way).astype(rows.dtype),
        baseline=begin.copy(),
        baseline_outputs=score.values(begin),
        **score.explained(),
    )
