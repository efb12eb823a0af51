"""Training on all rows at once by limited-memory BFGS, SciPy's."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from fastnn._core.table import all_finite
from fastnn.data.ports import Block, take
from fastnn.errors import DivergenceError
from fastnn.estimators.design import weights_and_biases
from fastnn.estimators.objective import Objective
from fastnn.estimators.stopping import NOT_FINITE, Record
from fastnn.network import Sequential

BLOCK_ROWS = 4096  # go through the network at a time, so that activations do not fill the memory


class LossAndGradient:
    """Loss and gradient as a function of one vector: all weights, then all biases, then what else there is to learn.

    Computed in float64 whatever the network's dtype: a line search compares losses that barely differ.
    """

    def __init__(self, net: Sequential, objective: Objective, alpha: float, rows: Block) -> None:
        self.net = net.astype("float64")
        self.net.compile(objective.loss, "sgd", loss_weights=[objective.share])
        self.alpha, self.rows = alpha, rows
        self.total = float(rows.n) if rows.weights is None else float(rows.weights.sum(dtype=np.float64))
        self.index, self.n_weights = places(self.net)
        self.net.params[:] = net.params
        self.start = self.net.params[self.index]

    def __call__(self, theta: np.ndarray) -> tuple[float, np.ndarray]:
        """Return both at ``theta``; an infinite loss where the network overflows."""
        net, trainer, loss, total = self.net, self.net.trainer, 0.0, np.zeros_like(self.net.params)
        net.params[self.index] = theta
        try:
            for X, targets, weights in self._blocks():
                mass = float(len(X)) if weights is None else float(weights.sum())
                loss += mass * trainer.step_on([X], [targets], weights, len(X), 0.0, False)
                total += mass * net.grads
        except DivergenceError:
            return np.inf, np.zeros_like(theta)
        gradient, w = total[self.index], theta[: self.n_weights]
        gradient[: self.n_weights] += self.alpha * w
        return (loss + self.alpha / 2 * float(w @ w)) / self.total, gradient / self.total

    def _blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray | None]]:
        """Yield rows, targets and weights in float64, some at a time."""
        rows = self.rows
        (matrix,), (y,) = rows.inputs, rows.targets
        for start in range(0, rows.n, BLOCK_ROWS):
            part = slice(start, start + BLOCK_ROWS)
            targets = y[part].astype(np.float64, copy=False) if y.dtype.kind == "f" else y[part]
            weights = None if rows.weights is None else rows.weights[part].astype(np.float64)
            yield take(matrix, part).astype(np.float64, copy=False), targets, weights


def places(net: Sequential) -> tuple[np.ndarray, int]:
    """Return where weights, biases and the rest stand in ``params``, which is overwritten, and how many are weights."""
    net.params[:] = np.arange(net.n_params)
    weights, biases = weights_and_biases(net)
    found = np.concatenate([view.ravel() for view in (*weights, *biases)]).astype(np.intp)
    rest = np.setdiff1d(np.arange(net.n_params), found)
    return np.concatenate([found, rest]), sum(view.size for view in weights)


def minimise(estimator: Any, net: Sequential, objective: Objective, record: Record, rows: Block) -> str:
    """Minimise the loss on all rows, leaving the parameters in the network; return why it has not settled, or "".

    Raises DivergenceError if parameters became infinite or NaN.
    """
    from scipy.optimize import minimize

    function, max_iter = LossAndGradient(net, objective, float(estimator.alpha), rows), int(estimator.max_iter)
    record.loss_curve_ = []

    def follow(intermediate_result: Any) -> None:
        record.loss_curve_.append(objective.shown(intermediate_result.fun))
        if estimator.verbose:
            print(f"Iteration {len(record.loss_curve_)}, loss = {record.loss_curve_[-1]:.8f}")

    result = minimize(
        function,
        function.start,
        method="L-BFGS-B",
        jac=True,
        callback=follow,
        options={"maxfun": int(estimator.max_fun), "maxiter": max_iter, "gtol": float(estimator.tol)},
    )
    with np.errstate(over="ignore"), net.changing():
        net.params[function.index] = result.x
    if not all_finite(net.params):
        raise DivergenceError(NOT_FINITE)
    record.n_iter_ = min(int(result.nit), max_iter)
    record.loss_ = record.best_loss_ = objective.shown(result.fun)
    if not result.status:
        return ""
    return (
        f"lbfgs stopped before it converged, after {result.nit} iterations ({result.message}); raise max_iter or "
        "max_fun, or scale the data"
    )
