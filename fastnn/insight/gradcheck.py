"""Checks of a network: are its gradients right."""

from collections.abc import Callable
from typing import Any

import numpy as np

from fastnn._core.rng import COTANGENT, RandomStream
from fastnn.data.ports import as_list
from fastnn.insight.score import by_name
from fastnn.network import Network


class GradientCheck(float):
    """The largest relative error found, with ``errors``: the relative error by parameter, and of each input."""

    errors: dict[str, float]


def gradcheck(
    net: Network, X: Any, y: Any = None, *, tolerance: float = 1e-5, samples: int = 100, seed: int = 0
) -> GradientCheck:
    """Compare the gradients of a network with numerical derivatives.

    Parameters
    ----------
    net : Network
        Left as it is: a float64 copy is checked.  Dropout is at work, with one mask throughout, and
        batch normalisation goes by these rows.
    X : array_like of shape (B, *input_shape)
        A few rows; for several inputs a list.
    y : array_like, optional
        Targets: the compiled loss is differentiated.  Without them, a random weighted sum of the outputs.
    tolerance : float
        Largest relative error allowed.
    samples : int
        Elements tried of each parameter and input, chosen at random; small ones are tried whole.
    seed : int
        Decides the weighted sum and the choice.

    Returns
    -------
    GradientCheck
        A float, the largest relative error ``|g - n| / max(|g|, |n|)`` of the tried elements as vectors, with
        ``errors`` by name.

    Raises
    ------
    ValueError
        If an error exceeds the tolerance, naming the parameter; or X does not fit.
    RuntimeError
        If y is given and the network has no loss.

    Notes
    -----
    n is the Richardson extrapolation of central differences.  Elements with a kink nearby (of relu, say), where two
    step lengths disagree, are left out; a wrong gradient is not, since both step lengths agree on the right one.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.Dense(5, "tanh"), fn.Dense(2)], input_shape=3, seed=0)
    >>> bool(fn.gradcheck(net, np.ones((4, 3))) < 1e-7)
    True
    """
    copy = net.astype("float64")
    inputs, n = copy.ports.rows("gradcheck", X)
    inputs = [x.copy() for x in inputs]
    random = RandomStream(seed, COTANGENT)
    if y is None:
        dys = [
            2 * RandomStream(seed, COTANGENT, 1 + i).uniform((n, *shape)) - 1
            for i, shape in enumerate(copy.output_shapes)
        ]
        value, gradients = _weighted_sum(copy, inputs, dys)
    else:
        net.require_compiled("gradcheck")
        copy.compile(net.losses, "sgd", loss_weights=net.loss_weights)  # frozen layers have gradients too
        value, gradients = _loss(copy, inputs, copy.ports.targets("gradcheck", y, n), n)
    arrays = {name: array for name, array in copy.named_parameters() if name in gradients}  # the others do not learn
    if y is None:
        whole = copy.plan.index_inputs(unchanged=False)  # a step away, what comes to an Embedding is no index
        arrays |= {name: x for i, (name, x) in enumerate(by_name(inputs).items()) if i not in whole}
    errors = {name: _compare(value, array, gradients[name], random, samples) for name, array in arrays.items()}
    worst = max(errors, key=lambda name: errors[name], default=None)
    if worst is not None and not errors[worst] <= tolerance:
        raise ValueError(
            f"gradcheck: expected a relative error of at most {tolerance:g}, got {errors[worst]:.3g} for "
            f"{worst}; all: " + ", ".join(f"{name} {error:.2g}" for name, error in errors.items())
        )
    result = GradientCheck(errors[worst] if worst is not None else 0.0)
    result.errors = errors
    return result


def _weighted_sum(
    net: Network, inputs: list[np.ndarray], dys: list[np.ndarray]
) -> tuple[Callable[[], float], dict[str, np.ndarray]]:
    """Return sum of dy * output as a function of what stands in the arrays, and its gradients."""

    def value() -> float:
        net.forwards = 0  # the same units are dropped out every time
        y = net.forward(inputs if len(inputs) > 1 else inputs[0], training=True)
        return sum(float(np.vdot(y, dy)) for y, dy in zip(as_list("gradcheck", "y", y, len(dys)), dys, strict=True))

    value()
    dx = net.backward(dys if len(dys) > 1 else dys[0])
    dxs = as_list("gradcheck", "X", dx, len(inputs))
    gradients = {name: view.copy() for name, view in net.named_gradients()}
    return value, gradients | by_name([dx.reshape(x.shape) for dx, x in zip(dxs, inputs, strict=True)])


def _loss(
    net: Network, inputs: list[np.ndarray], targets: list[np.ndarray], n: int
) -> tuple[Callable[[], float], dict[str, np.ndarray]]:
    """Return the loss as a function of what stands in the arrays, and its gradients."""

    def value() -> float:
        return float(net.trainer.step_on(inputs, targets, None, n, 0.0, False))

    value()
    return value, {name: view.copy() for name, view in net.named_gradients()}


def _compare(
    value: Callable[[], float], array: np.ndarray, gradient: np.ndarray, random: RandomStream, samples: int
) -> float:
    """Relative error of the gradient with respect to some elements of an array."""
    flat, exact = array.reshape(-1), gradient.reshape(-1)
    chosen = np.arange(flat.size) if flat.size <= samples else np.sort(random.permutation(flat.size)[:samples])
    coarse, fine = (np.array([_slope(value, flat, int(i), step) for i in chosen]) for step in (2e-4, 1e-4))
    numeric = (4 * fine - coarse) / 3
    size = max(float(np.linalg.norm(numeric)), float(np.linalg.norm(exact[chosen])))
    smooth = np.abs(coarse - fine) <= 1e-5 * max(size, 1e-8)
    if smooth.sum() < len(chosen) / 2:
        smooth[:] = True
    return float(np.linalg.norm((numeric - exact[chosen])[smooth])) / max(size, 1e-8)


def _slope(value: Callable[[], float], flat: np.ndarray, i: int, step: float) -> float:
    """Central difference along element i."""
    kept = flat[i]
    h = step * max(1.0, abs(kept))
    flat[i] = kept + h
    above = value()
    flat[i] = kept - h
    below = value()
    flat[i] = kept
    return (above - below) / (2 * h)
