"""Inputs that a unit answers to most."""

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from fastnn._spec import require_count, require_number
from fastnn.data.numbers import as_numeric
from fastnn.insight.score import Valued, one_input, output_layers
from fastnn.insight.seam import title_of
from fastnn.insight.variation import total_variation
from fastnn.layers.base import Shape, batched
from fastnn.training.progress import track


@dataclass(frozen=True, eq=False, repr=False)
class MaximisedInputs(Valued):
    """Inputs that units of a layer answer to; ``np.asarray`` gives the inputs.

    Attributes
    ----------
    values : ndarray of shape (U, *input_shape)
        One input per unit.
    layer : str
        Name of the layer.
    units : ndarray of shape (U,), int64
        Numbers of the units within the layer's (flattened) output, or of its filters, if it gives images.
    activations : ndarray of shape (steps + 1, U), float64
        Activation of each unit before every step, and at the end; of a filter its sum over the image.
    """

    values: np.ndarray
    layer: str
    units: np.ndarray
    activations: np.ndarray

    def __repr__(self) -> str:
        before, after = self.activations[[0, -1]].mean(axis=1)
        return (
            f"<inputs {batched(self.values.shape[1:])} for {len(self.units)} units of {self.layer!r}; "
            f"mean activation {before:.4g} -> {after:.4g}>"
        )


def maximise_activation(
    net: Any,
    unit: Any,
    *,
    layer: str | None = None,
    steps: int = 200,
    learning_rate: float = 0.1,
    l2: float = 0.01,
    smooth: float = 0.0,
    noise: float = 0.0,
    bounds: tuple[float, float] | None = None,
    seed: int = 0,
    verbose: int | str = "auto",
) -> MaximisedInputs:
    """Climb from zero, or from noise, to an input that a unit answers to strongly.

    Parameters
    ----------
    net : Network
        With one input; left as it is.
    unit : int or array_like of int of shape (U,)
        Number of the unit within the layer's flattened output, or, of a layer that gives images, of the filter, whose
        activation is its sum over the image; several are climbed for side by side.
    layer : str, optional
        Name of the layer; if not given, the (first) output of the network.
    steps : int
        Steps of gradient ascent.
    learning_rate : float
        Length of a step, as a factor on the gradient.
    l2 : float
        Weight of the penalty ``l2/2 |x|^2``.
    smooth : float
        Weight of the total variation V of the image, of which ``invert_features`` tells more; for inputs (H, W, C).
    noise : float
        Standard deviation of the Gaussian noise to start from; 0: from zeros.
    bounds : (low, high), optional
        Limits of every element, kept after each step.
    seed : int
        Decides the noise.
    verbose : {"auto", 0, 1}
        1 a progress bar on stderr, if it takes more than a second; "auto": on a terminal; 0 none.

    Returns
    -------
    MaximisedInputs
        ``x`` of ``max over x of a_unit(x) - l2/2 |x|^2 - smooth V(x)`` as far as the steps came.

    Raises
    ------
    TypeError, ValueError
        If the network has several inputs, there is no such layer or unit, an argument does not fit, or the gradient is
        0 at the start.

    Notes
    -----
    Erhan et al. 2009; with this penalty Simonyan, Vedaldi and Zisserman 2013, eq. 1.  Prefer logits: a probability is
    flat where the network is sure.  For a linear unit ``x = w / l2``.  Total variation makes what a filter answers to
    look less like noise (Mahendran and Vedaldi 2015).

    Examples
    --------
    >>> import fastnn as fn
    >>> net = fn.Sequential([fn.Dense(8, "tanh", name="hidden"), fn.Dense(3)], input_shape=4, seed=0)
    >>> fn.maximise_activation(net, range(3), bounds=(-1, 1)).values.shape
    (3, 4)
    >>> fn.maximise_activation(net, 5, layer="hidden").activations[-1] > 0.9
    array([ True])
    """
    who = "maximise_activation"
    require_count(who, "steps", steps)
    require_number(who, "learning_rate", learning_rate, low=0, strict=True)
    require_number(who, "l2", l2, low=0)
    require_number(who, "noise", noise, low=0)
    require_number(who, "smooth", smooth, low=0)
    low, high = limits(who, bounds)
    one_input(who, net)
    if smooth and len(net.input_shape) != 3:
        raise ValueError(f"{who}: expected images (H, W, C) to smooth, got {batched(net.input_shape)}; use smooth=0")
    name = output_layers(net)[0] if layer is None else layer
    copy = net.astype(net.dtype)
    if layer is not None:
        copy = copy.tap(title_of(who, net, layer))
    units = _units(who, name, unit, copy.output_shape)
    # Outputs as (U, positions, units): of a vector one position, of images as many as there are pixels.
    layout = (len(units), -1, copy.output_shape[-1]) if len(copy.output_shape) == 3 else (len(units), 1, -1)
    chosen = np.arange(len(units)), slice(None), units
    x = noise * np.random.default_rng(seed).standard_normal((len(units), *net.input_shape))
    x = np.clip(x, low, high).astype(net.dtype)
    activations = np.empty((steps + 1, len(units)))
    for step in track(who, range(steps + 1), verbose):
        outputs = copy.forward(x)
        outputs = outputs if isinstance(outputs, list) else [outputs]
        activations[step] = outputs[0].reshape(layout)[chosen].sum(axis=1)
        if step == steps:
            break
        dys: list[Any] = [None] * len(outputs)
        dys[0] = np.zeros_like(outputs[0])
        dys[0].reshape(layout)[chosen] = 1
        slope = copy.backward(dys if len(dys) > 1 else dys[0], parameters=False)
        if step == 0 and (flat := units[~slope.reshape(len(units), -1).any(axis=1)]).size:
            raise ValueError(
                f"{who}: expected a slope to climb at the start, got a gradient of 0 for unit {flat[0]} of {name!r}; "
                "start elsewhere with noise=1.0 or another seed"
            )
        if smooth:
            slope = slope - smooth * total_variation(x)[1]
        x = np.clip(x + learning_rate * (slope - l2 * x), low, high).astype(net.dtype)
    return MaximisedInputs(x, name, units, activations)


def _units(who: str, layer: str, unit: Any, shape: Shape) -> np.ndarray:
    """Return the numbers of units, or of filters where the layer gives images, int64 of shape (U,)."""
    size, kind = (shape[-1], "filters") if len(shape) == 3 else (prod(shape), "units")
    units = np.atleast_1d(as_numeric(who, "unit", unit))
    if units.dtype.kind not in "iu" or units.ndim != 1 or not units.size:
        raise TypeError(f"{who}: expected unit to be an integer or a list of them, got {unit!r:.60}")
    wrong = units[(units < 0) | (units >= size)]
    if wrong.size:
        raise ValueError(f"{who}: expected {kind} from 0 to {size - 1} in {layer!r}, got {wrong[0]}")
    return units.astype(np.int64)


def limits(who: str, bounds: Any) -> tuple[float, float]:
    """Return the limits, infinite if there are none."""
    if bounds is None:
        return -np.inf, np.inf
    if not isinstance(bounds, tuple | list) or len(bounds) != 2:
        raise TypeError(f"{who}: expected bounds to be (low, high), got {bounds!r:.60}")
    for value in bounds:
        require_number(who, "bounds", value)
    if not bounds[0] < bounds[1]:
        raise ValueError(f"{who}: expected bounds with low < high, got {bounds!r}")
    return float(bounds[0]), float(bounds[1])
