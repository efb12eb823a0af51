"""How gradients flow: layer by layer, how large gradient, weights and update are, and what is wrong with them."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastnn.errors import DivergenceError
from fastnn.graph.summary import aligned
from fastnn.insight.score import output_layers, require_network
from fastnn.layers.activation import Activation
from fastnn.network import Network, Sequential

VANISHING = 0.01  # of the last layer's gradient norm; below it, early layers hardly learn
EXPLODING = 100.0  # times the last layer's
VANISHING_IN_TIME = 1e-4  # of the largest norm of a step; below it, what came first is not learned from
SMALL_SLOPE = 0.05  # of the largest slope: |tanh| > .975, sigmoid outside (.0127, .9873)
DEAD_SHARE = 0.25  # of a layer's units
SATURATED_SHARE = 0.5  # of a layer's values
STEEPEST = {"sigmoid": 0.25, "tanh": 1.0, "softmax": 0.25}  # functions that are flat at both ends
ONE_SIDED = {"relu", "leaky_relu", "elu", "selu", "softplus", "gelu", "gelu_tanh", "silu"}  # flat, if at all, for z < 0


@dataclass(frozen=True, eq=False, repr=False)
class GradientFlow:
    """What ``gradient_flow`` found; ``print`` shows a table and the verdict.

    Attributes
    ----------
    layers : list of str
        Layers with parameters or an activation, in the order in which they run.  All arrays have this order, shape
        (L,) and dtype float64; NaN where a layer has no such thing.
    kinds : list of str
        Type and activation, such as "Dense tanh".
    parameters : ndarray
        How many there are.
    gradient, weight, update : ndarray
        Euclidean norms over all parameters of the layer (biases included) of the gradient of the loss, of the
        parameters, and of the change that the optimiser would make now.  Divided by ``sqrt(parameters)`` they are root
        mean squares.
    update_ratio : ndarray
        update / weight.
    gradient_ratio : ndarray
        gradient / gradient of the last layer with parameters.
    dead : ndarray
        Share of units (relu family) through which no gradient passes at any row.
    saturated : ndarray
        Share of values (sigmoid, tanh, softmax) at which the activation is flat.
    loss : float
        Of these rows.
    through_time : dict of str to ndarray of shape (T,)
        By recurrent layer the norms of the gradient with respect to its state h after each step, in the order of time.
    verdict : str
        What is wrong and what may help, a line each; or "healthy".
    """

    layers: list[str]
    kinds: list[str]
    parameters: np.ndarray
    gradient: np.ndarray
    weight: np.ndarray
    update: np.ndarray
    update_ratio: np.ndarray
    gradient_ratio: np.ndarray
    dead: np.ndarray
    saturated: np.ndarray
    loss: float
    through_time: dict[str, np.ndarray]
    verdict: str

    def as_dict(self) -> dict[str, Any]:
        """Return all attributes by name."""
        return dict(vars(self))

    def __str__(self) -> str:
        head = ("layer", "", "parameters", "gradient", "/ last", "weight", "update", "/ weight", "dead", "saturated")
        columns = (
            (self.parameters, ",.0f"), (self.gradient, ".2e"), (self.gradient_ratio, ".1e"), (self.weight, ".3g"),
            (self.update, ".1e"), (self.update_ratio, ".1e"), (self.dead, ".0%"), (self.saturated, ".0%"),
        )  # fmt: skip
        return "\n".join([*aligned([head, *flow_rows(self, columns, "")], 2), f"loss {self.loss:.4g}; {self.verdict}"])

    __repr__ = __str__


def flow_rows(flow: GradientFlow, columns: Sequence[tuple[np.ndarray, str]], missing: str) -> list[tuple[str, ...]]:
    """Return name, kind and some figures of each layer as texts; ``missing`` for NaN."""
    texts = [[missing if np.isnan(value) else format(value, form) for value in values] for values, form in columns]
    return list(zip(flow.layers, flow.kinds, *texts, strict=True))


def gradient_flow(net: Any, X: Any, y: Any, sample_weight: Any = None) -> GradientFlow:
    """Look at how the gradient of the loss on some rows reaches the layers of a network.

    Parameters
    ----------
    net : Network
        Compiled; left exactly as it is: a copy runs.
    X : array_like of shape (B, *input_shape)
        Rows, for several inputs a list; a few hundred, so that a unit that is never active is one.
    y : array_like
        Targets as the loss takes them; for several outputs a list.
    sample_weight : array_like of shape (B,) or (B, T), optional
        Weights of the rows, or of their steps, in the mean.

    Returns
    -------
    GradientFlow
        Norms and their ratios by layer, shares of dead and saturated units, and a verdict in words.

    Raises
    ------
    TypeError, ValueError
        If the data do not fit.
    RuntimeError
        If the network is not compiled.
    DivergenceError
        If the loss is not finite.

    Notes
    -----
    The network runs as in a training step, dropout at work, and the update is the one that ``train_step`` would make
    with these rows.  Frozen layers have a gradient, and an update of 0.

    Norms are Euclidean: weights that start so as to keep the size of signals give them about one size in all layers,
    whatever the widths [Glorot & Bengio 2010, section 4.2].  **vanishing**: less than 0.01 of the last layer's norm;
    **exploding**: more than 100 times it; both are rules of thumb.

    A unit is **dead** if at no row a gradient passes: relu and leaky_relu if the slope is 0 (so never for
    ``alpha > 0``), elu, selu, softplus, gelu, gelu_tanh and silu if it is below 0.05.  sigmoid, tanh and softmax are
    **saturated** where the slope is below 0.05 of its largest, ``|tanh(z)| > 0.975`` say [Glorot & Bengio 2010,
    section 3, calls units near the asymptotes so]; for softmax that of a probability with respect to its own logit.
    An activation that the loss includes (softmax under cross-entropy) does not count: together they are not flat.
    The verdict names layers with more than a quarter of units dead or half of the values saturated, and recurrent
    layers whose gradient at some step is below 1e-4 of the largest.

    Examples
    --------
    >>> import fastnn as fn
    >>> X, y = fn.load_digits()
    >>> net = fn.Sequential([fn.Dense(32, "relu"), fn.Dense(10)], input_shape=64, seed=0)
    >>> net.compile("cross_entropy", fn.SGD(0.1))
    >>> flow = fn.gradient_flow(net, X[:256], y[:256])
    >>> flow.verdict
    'healthy'
    >>> flow.update_ratio < 0.1
    array([ True,  True])
    """
    if not require_network("gradient_flow", net).n_params:
        raise ValueError("gradient_flow: expected a network with parameters, got one without")
    twin = deepcopy(net)
    inputs, targets, weights, n = twin.ports.batch("gradient_flow", X, y, sample_weight)
    loss = gradients_of("gradient_flow", twin, inputs, targets, weights, n)
    before = twin.params.copy()
    gradient = _norms(twin, twin.grads)
    dead, saturated = _shares(twin, inputs, n)
    through_time = _through_time(twin, inputs, targets, weights, n)
    twin.apply_gradients()  # may clip the gradient in place, so after its norms
    weight, update = _norms(twin, before), _norms(twin, twin.params.astype(np.float64) - before)
    rows = [i for i, view in enumerate(twin.layers) if view.parameters or view.spec.activation_function]
    learning = gradient[~np.isnan(gradient)]
    with np.errstate(divide="ignore", invalid="ignore"):
        update_ratio = update / weight
        gradient_ratio = gradient / learning[-1]
    figures: dict[str, Any] = {
        "gradient": gradient, "weight": weight, "update": update, "update_ratio": update_ratio,
        "gradient_ratio": gradient_ratio, "dead": dead, "saturated": saturated,
    }  # fmt: skip
    flow = GradientFlow(
        layers=[twin.layers[i].name for i in rows],
        kinds=[_kind(twin.layers[i].spec) for i in rows],
        parameters=np.array([twin.layers[i].n_params or np.nan for i in rows]),
        **{name: values[rows] for name, values in figures.items()},
        loss=loss,
        through_time=through_time,
        verdict="",
    )
    return replace(flow, verdict=_verdict(flow))


def gradients_of(
    who: str, twin: Network, inputs: list[np.ndarray], targets: list[np.ndarray], weights: np.ndarray | None, n: int
) -> float:
    """Return the loss, finite or DivergenceError, and leave its gradient in a copy of a network, frozen layers too."""
    free = _unfrozen(twin)
    try:
        loss = free.trainer.step_on(inputs, targets, weights, n, 0.0, False)
    except DivergenceError as error:
        raise DivergenceError(
            f"{who}: expected a finite loss, got NaN or infinity: the signal explodes on its way forward; "
            "start with smaller weights, standardise the data, or lower the learning rate"
        ) from error
    twin.grads[:] = free.grads
    return float(loss)


def _unfrozen(twin: Network) -> Network:
    """Return a copy with the same losses and dropout, in which every layer learns."""
    free = twin.astype(twin.dtype)
    free.compile(twin.losses, "sgd", loss_weights=twin.loss_weights)
    free.trainer.step = twin.trainer.step  # dropout goes by it
    return free


def _norms(net: Network, vector: np.ndarray) -> np.ndarray:
    """Return the norm of each layer's part of a parameter vector; NaN for layers without parameters."""
    squares: dict[str, float] = {}
    for place in net.places:
        part = place.of(vector).astype(np.float64)
        squares[place.layer] = squares.get(place.layer, 0.0) + float(np.vdot(part, part))
    return np.sqrt([squares.get(view.name, np.nan) for view in net.layers])


def _through_time(
    twin: Network, inputs: list[np.ndarray], targets: list[np.ndarray], weights: np.ndarray | None, n: int
) -> dict[str, np.ndarray]:
    """Return the norm of the gradient of each recurrent layer's state by time step."""
    result: dict[str, np.ndarray] = {}
    if not any(view.spec.states for view in twin.layers):
        return result
    for index, gradient in _unfrozen(twin).trainer.state_gradients(inputs, targets, weights, n).items():
        norms = np.sqrt(np.square(gradient, dtype=np.float64).sum(axis=(1, 2)))
        applied: Any = twin.assembly.step_applications[index]
        result[applied.title] = norms[::-1] if applied.layer.go_backwards else norms
    return result


def _shares(net: Network, inputs: list[np.ndarray], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the share of dead units and of saturated values of each layer, NaN where that means nothing."""
    values: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {}
    for application, z, a in net.run_layers(inputs, n, training=True, step=net.trainer.step):
        units = application.output_shape[-1]  # at every step of a sequence the same
        values.setdefault(application.name, []).append((z.reshape(-1, units), a.reshape(-1, units)))
    included = {name for name, output in zip(output_layers(net), net.outputs, strict=True) if output.applied}
    dead, saturated = np.full((2, len(net.layers)), np.nan)
    for i, view in enumerate(net.layers):
        activation = view.spec.activation_function
        if activation is None or view.name in included:
            continue
        slope = np.abs(np.concatenate([_slope(activation, z, a) for z, a in values[view.name]]))
        if activation.function in STEEPEST:
            saturated[i] = (slope < SMALL_SLOPE * STEEPEST[activation.function]).mean()
        elif activation.function in ONE_SIDED:
            flat = slope == 0 if activation.function in ("relu", "leaky_relu") else slope < SMALL_SLOPE
            dead[i] = flat.all(axis=0).mean()
    return dead, saturated


def _slope(activation: Activation, z: np.ndarray, a: np.ndarray) -> np.ndarray:
    """Return da/dz, element by element."""
    if activation.function == "softmax":
        return a * (1 - a)
    alone = Sequential([activation], input_shape=z.shape[1], seed=0, dtype=z.dtype)
    alone.forward(z)
    return alone.backward(np.ones_like(z), parameters=False)


def _verdict(flow: GradientFlow) -> str:
    """Say what is wrong and what may help."""
    layers, gradient, ratio = flow.layers, flow.gradient, flow.gradient_ratio
    learning = np.flatnonzero(~np.isnan(gradient))
    findings = []
    if gradient[learning[-1]] == 0:
        findings.append(
            f"no gradient in {layers[learning[-1]]}, the last layer with parameters, to compare others with; look for "
            "dead or saturated units, or a loss that cannot fall"
        )
        ratio = np.full(len(ratio), np.nan)
    low, high = learning[ratio[learning] < VANISHING], learning[ratio[learning] > EXPLODING]
    below = low.size and len(low) == np.sum(learning <= low[-1])
    place = f"from {layers[low[-1]]} down" if below else _listed(layers, low)
    dying, flat = np.flatnonzero(flow.dead > DEAD_SHARE), np.flatnonzero(flow.saturated > SATURATED_SHARE)
    for which, badness, what, text in (
        (
            low, -ratio, f"vanishing {place}",
            "the gradient norm of {0} is {1:.1e} of the last layer's; try residual links (Residual), relu with "
            "he_normal, another initialisation, or batch normalisation",
        ),
        (
            high, ratio, f"exploding {_listed(layers, high)}",
            "the gradient norm of {0} is {1:.1e} times the last layer's; try clip_norm in the optimiser, smaller "
            "initial weights, or normalisation",
        ),
        (
            dying, flow.dead, f"dead units {_listed(layers, dying)}",
            "{1:.0%} of {0} pass no gradient at any row; try leaky_relu or elu, he_normal, or a lower learning rate",
        ),
        (
            flat, flow.saturated, f"saturated {_listed(layers, flat)}",
            "{1:.0%} of the values of {0} lie where the activation is flat; try standardised inputs, smaller initial "
            "weights, or relu",
        ),
    ):  # fmt: skip
        if which.size:
            worst = which[np.argmax(badness[which])]
            findings.append(f"{what}: {text.format(layers[worst], abs(badness[worst]))}")
    for name, norms in flow.through_time.items():
        if norms.max() > 0 and norms.min() < VANISHING_IN_TIME * norms.max():
            findings.append(
                f"vanishing through time in {name}: the gradient norm falls to {norms.min() / norms.max():.1e} of its "
                f"largest over {len(norms)} steps; try LSTM or GRU, forget_bias=1, or shorter sequences"
            )
    return "\n".join(findings) if findings else "healthy"


def _listed(layers: list[str], which: np.ndarray) -> str:
    """Name some layers, and count the rest."""
    names = [layers[i] for i in which]
    return "in " + (", ".join(names) if len(names) <= 4 else f"{names[0]}, {names[1]} and {len(names) - 2} more")


def _kind(spec: Any) -> str:
    """Return type and activation."""
    activation = spec.activation_function
    return type(spec).__name__ if activation is None else f"{type(spec).__name__} {activation.function}"
