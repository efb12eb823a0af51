"""Calibration by temperature: probabilities of a classifier that are as high as it is often right."""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastnn.layers.activation import Activation
from fastnn.layers.base import batched
from fastnn.layers.dense import Dense
from fastnn.losses.link import SIGMOID, SOFTMAX
from fastnn.metrics.calibration import calibration
from fastnn.metrics.labels import class_numbers
from fastnn.network import Network

WHO = "calibrate"
LOW, HIGH = 1e-2, 1e2  # temperatures that are looked at


@dataclass(frozen=True, eq=False)
class Calibrated:
    """What ``calibrate`` found.

    Attributes
    ----------
    model : Network or estimator
        A copy of what was given, whose logits are divided by the temperature; it answers, saves and exports as any
        other.
    temperature : float
        Above 1: the probabilities were too extreme; below: not extreme enough.
    log_loss, log_loss_before : float
        Mean of -log p of what is true, in nats, with the temperature and without, on the rows given.
    error, error_before : float
        Expected calibration error in 15 bins, likewise; of several yes-or-no outputs the mean over them.
    """

    model: Any
    temperature: float
    log_loss: float
    log_loss_before: float
    error: float
    error_before: float


def calibrate(model: Any, X: Any, y: Any) -> Calibrated:
    """Find the temperature that makes a classifier's probabilities honest, and divide its logits by it in a copy.

    Networks that are trained long say 99 % where they are right nine times out of ten.  One number mends most of that;
    no answer changes, only how sure it is.

    Parameters
    ----------
    model : Network or fitted estimator
        A classifier, compiled, whose one output is made by a Dense layer: logits, or with softmax or sigmoid behind.
        Left as it is.
    X : array_like of shape (B, *input_shape)
        Rows that it has not learned from; for several inputs a list.
    y : array_like
        Their labels: as ``evaluate`` takes them; for an estimator as its ``fit`` does.

    Returns
    -------
    Calibrated
        The calibrated copy, the temperature, and log loss and calibration error before and after.

    Raises
    ------
    TypeError, ValueError
        If the model is no classifier of this kind, the data do not fit, or no temperature between 0.01 and 100 is best:
        then all rows are answered right, or hardly better than by chance.
    RuntimeError
        If the network is not compiled.

    Notes
    -----
    T minimises the mean of ``-log softmax(z / T)[y]``, for sigmoids that of the binary cross-entropy: Guo et al., On
    Calibration of Modern Neural Networks, 2017.  Weights and bias of the last Dense layer are divided by T, so nothing
    is left to do when the network answers.

    Examples
    --------
    >>> import fastnn as fn
    >>> X, y = fn.load_digits()
    >>> X, X_held, y, y_held = fn.split(X, y, 0.5, stratify=True, seed=0)
    >>> net = fn.Sequential([fn.Dense(64, "relu"), fn.Dense(10)], input_shape=64, seed=0)
    >>> history = net.fit(X, y, epochs=150, loss="cross_entropy", optimizer="adam")
    >>> found = fn.calibrate(net, X_held, y_held)
    >>> found.temperature > 1, found.log_loss < found.log_loss_before
    (True, True)
    >>> found.model.save("digits.safetensors")  # doctest: +SKIP
    """
    from scipy.optimize import minimize_scalar

    net = getattr(model, "network_", model)
    if not isinstance(net, Network):
        raise TypeError(f"{WHO}: expected a Network or a fitted estimator, got {type(model).__name__}")
    name = _last_dense(net)
    if net is not model:
        y = _numbers(model, net, y)
        X = model.network_inputs(X) if hasattr(model, "network_inputs") else X
    net.evaluate(X, y)  # refuses what does not fit
    logits = np.asarray(net.preactivations(X)[name], np.float64).reshape(-1, net.output_shape[-1])
    true = _true(net, np.asarray(y), logits.shape[1])

    def cost(log_t: float) -> float:
        return _log_loss(logits / np.exp(log_t), true)

    ends = np.log(LOW), np.log(HIGH)
    best = float(minimize_scalar(cost, bounds=ends, method="bounded", options={"xatol": 1e-8}).x)
    temperature = float(np.exp(best))
    if min(best - ends[0], ends[1] - best) < 1e-2:
        why = (
            "all rows are answered right: give rows that it has not learned from, or more of them"
            if best < 0
            else "the answers say next to nothing about these rows: look at their labels, or train first"
        )
        raise ValueError(f"{WHO}: expected a best temperature between {LOW:g} and {HIGH:g}, got none; {why}")
    made = deepcopy(model)
    layer = next(view for view in getattr(made, "network_", made).layers if view.name == name)
    for parameter in layer.parameters.values():
        parameter /= temperature
    return Calibrated(
        made, temperature, cost(best), cost(0.0), _error(logits / temperature, true), _error(logits, true)
    )


def _last_dense(net: Network) -> str:
    """Return the name of the layer that makes the logits, known to be Dense and to make nothing else."""
    net.require_compiled(WHO)
    if len(net.output_shapes) != 1:
        shapes = ", ".join(map(batched, net.output_shapes))
        raise ValueError(f"{WHO}: expected a network with one output, got {shapes}")
    link = net.outputs[0].link
    if link not in (SOFTMAX, SIGMOID):
        raise ValueError(f"{WHO}: expected a classifier with probabilities, got the loss {net.losses[0]!r:.80}")
    made = {applied.output: applied for applied in net.applications}
    last = made.get(net.structure.outputs[0])
    fine: tuple[str | None, ...] = ("identity", link.activation)
    if last is not None and isinstance(last.layer, Activation) and last.layer.function in fine:
        last, fine = made.get(last.inputs[0]), ("identity",)
    if last is None or not isinstance(last.layer, Dense) or _function(last.layer) not in fine:
        found = "an input" if last is None else repr(last.layer)
        raise ValueError(f"{WHO}: expected logits made by a Dense layer at the end, got {found:.120}")
    uses = sum(applied.name == last.name for applied in net.applications)
    readers = sum(last.output in applied.inputs for applied in net.applications)
    if uses > 1 or readers > (last.output != net.structure.outputs[0]):
        raise ValueError(
            f"{WHO}: expected the last layer {last.name!r} to make nothing but the output, got it used elsewhere"
        )
    return last.name


def _function(layer: Dense) -> str:
    """Return the name of a layer's activation."""
    given = layer.activation or "identity"
    return given if isinstance(given, str) else str(getattr(given, "function", given))


def _numbers(model: Any, net: Network, y: Any) -> np.ndarray:
    """Return the labels of an estimator as its network takes them."""
    classes, labels = getattr(model, "classes_", None), np.asarray(y)
    if classes is None:
        raise TypeError(f"{WHO}: expected a classifier, got {type(model).__name__}")
    return labels if labels.ndim > 1 else class_numbers(WHO, labels, np.asarray(classes))


def _true(net: Network, y: np.ndarray, width: int) -> np.ndarray:
    """Return class numbers (N,) for a softmax, 0 and 1 of shape (N, O) for sigmoids."""
    if net.outputs[0].link is SIGMOID:
        return (y.reshape(-1, width) > 0.5).astype(np.int64)
    whole = y.size == np.prod(net.output_shape) * len(y) and y.ndim == len(net.output_shape) + 1
    return y.reshape(-1, width).argmax(axis=1) if whole else y.reshape(-1).astype(np.int64)


def _log_loss(z: np.ndarray, true: np.ndarray) -> float:
    if true.ndim == 2:
        return float(np.logaddexp(0, np.where(true, -z, z)).mean())
    z = z - z.max(axis=1, keepdims=True)
    return float((np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), true]).mean())


def _error(z: np.ndarray, true: np.ndarray) -> float:
    if true.ndim == 2:
        yes = SIGMOID.inverse(z)
        return float(
            np.mean([calibration(np.stack([1 - p, p], 1), t).error for p, t in zip(yes.T, true.T, strict=True)])
        )
    return calibration(SOFTMAX.inverse(z), true).error
