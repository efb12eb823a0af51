"""A penalty on the gradient of a network by its input, with its own gradient by the parameters."""

from typing import Any

import numpy as np

from fastnn._spec import above_0, at_least_0, require_flag
from fastnn.graph.graph import Graph


def gradient_penalty(
    net: Graph,
    X: Any,
    weight: float = 10.0,
    *,
    target: float = 1.0,
    training: bool = True,
    step: float | None = None,
) -> float:
    """Return a penalty for slopes other than ``target``, and add its gradient by the parameters to ``net.grads``.

    ``weight mean_b (|dy_b/dx_b| - target)^2``: what keeps the critic of a Wasserstein GAN from growing without bounds.

    Parameters
    ----------
    net : Network
        The critic, with one input and one output, of which the sum over its numbers counts.
    X : array_like of shape (B, *input_shape)
        Where the slope is measured: for WGAN-GP between real and generated samples, at random places.
    weight : float
        Factor of the penalty, at least 0.
    target : float
        The slope that costs nothing.  With 0 and real samples, it is twice the penalty R1 of the same weight.
    training : bool
        Whether the network runs as in training: with dropout, with statistics of this batch.  Running statistics stay.
    step : float, optional
        None: the gradient is exact.  Otherwise, for smooth networks, whose layers have no tangent, it is the quotient
        of a difference of two gradients, ``step`` before and behind each row: 0.01 suits float32, 1e-4 float64, for
        inputs around 1.

    Returns
    -------
    float
        The penalty.

    Raises
    ------
    ValueError
        If ``step`` is not given and a layer has no tangent, such as a smooth activation, a normalisation or a largest
        of several; if the network has several inputs or outputs, or X does not fit.
    TypeError
        If net is no network, X not numeric.

    Notes
    -----
    Gulrajani et al. 2017, algorithm 1; R1: Mescheder et al. 2018.  With ``g_b = dy_b/dx_b`` and ``u_b = dP/dg_b``, the
    gradient of the penalty is how the gradient of ``sum y`` by the parameters changes where the rows move along u.  So
    a pass forward and one back give g; a second pass forward takes u along as a tangent, through the same pieces of
    piecewise linear functions and without biases, and each layer with weights adds the product of that with the
    gradient that it had on the way back [Pearlmutter 1994].  MinibatchStdDev is curved: what that adds goes back from
    there.

    ``net.backward`` replaces ``grads``, so call it before; the next ``backward`` needs a ``forward`` of its own.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.Dense(1)], input_shape=2, seed=0, dtype="float64")
    >>> net.layers[0].weight[...] = [[3], [4]]
    >>> fn.gradient_penalty(net, np.zeros((7, 2)), weight=1)  # the slope is 5 everywhere
    16.0
    >>> net.grads  # 2 (5 - 1) times the direction
    array([4.8, 6.4, 0. ])
    """
    who = "gradient_penalty"
    if not isinstance(net, Graph):
        raise TypeError(f"{who}: expected a network, got {type(net).__name__}")
    at_least_0(who, "weight", weight)
    at_least_0(who, "target", target)
    require_flag(who, "training", training)
    if step is not None:
        above_0(who, "step", step)
    if len(net.input_shapes) != 1 or len(net.output_shapes) != 1:
        raise ValueError(
            f"{who}: expected a network with one input and one output, got {len(net.input_shapes)} and "
            f"{len(net.output_shapes)}"
        )
    if step is None:
        _require_tangents(who, net)
    (x,), n = net.ports.rows(who, X)
    run = _Run(net, n, training)
    g = run.slope(x, step is None)
    norm = np.sqrt((g * g).sum(axis=1, keepdims=True))
    rate = 2 * weight / n * (norm - target)
    # Where there is no slope there is no direction either.
    direction = np.divide(rate * g, norm, out=np.zeros_like(g), where=norm > 0)
    if step is None:
        net._tangent_rows([direction.astype(net.dtype)])
    elif size := np.abs(rate).max():
        rows = x.reshape(n, -1)
        for side in (step, -step):
            run.add_gradient(rows + (side / size) * direction, size / (2 * side))
    net._forget_rows()
    return float(weight * ((norm - target) ** 2).mean())


class _Run:
    """Passes through a network that draw the same masks."""

    def __init__(self, net: Graph, n: int, training: bool) -> None:
        self.net, self.n, self.training = net, n, training
        net.forwards += training
        self.ones = np.ones((n, *net.output_shape), net.dtype)

    def forward(self, x: np.ndarray, tangents: bool) -> None:
        net = self.net
        net._forward_rows([x], self.n, self.training, net.seed, (1 << 63) + net.forwards, tangents)

    def slope(self, x: np.ndarray, tangents: bool) -> np.ndarray:
        """Return the gradient of the sum of all answers by each row, in float64."""
        self.forward(x, tangents)
        dxs = self.net._backward_rows([self.ones], False, parameters=False)
        return np.asarray(dxs)[0].astype(np.float64)

    def add_gradient(self, rows: np.ndarray, factor: float) -> None:
        """Add that by the parameters, times a factor."""
        self.forward(np.ascontiguousarray(rows, self.net.dtype), False)
        self.net._backward_rows([(factor * self.ones).astype(self.net.dtype)], True, inputs=False)


def _require_tangents(who: str, net: Graph) -> None:
    """Raise ValueError unless every layer can send tangents on."""
    for op, application in zip(net.plan.ops, net.assembly.step_applications, strict=True):
        if not op.has_tangent and application is not None:
            what = f"its {op.activation}" if op.activation else type(application.layer).__name__
            raise ValueError(
                f"{who}: expected layers through which a tangent goes (Dense, convolutions, relu and leaky_relu, mean "
                f"pools, sums and what moves numbers), got {application.title!r}, and {what} has none; "
                "take others, or pass step=0.01 for a difference quotient"
            )
