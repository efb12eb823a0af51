"""scikit-learn's MLPRegressor and MLPClassifier through predict and partial_fit."""

import warnings
from collections.abc import Callable

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from bench.peers.case import Case
from bench.problem import Problem
from bench.workloads import Workload


class SklearnPeer:
    """Networks of scikit-learn, which has neither dropout, nor AdamW, nor gradients to look at."""

    version = sklearn.__version__

    def why_not(self, workload: Workload) -> str | None:
        if workload.dropout or workload.optimizer == "adamw":
            return "has no dropout and no AdamW"
        return "does not give gradients" if workload.mode == "gradient" else None

    def ways(self, workload: Workload, given: Problem, *, thorough: bool) -> dict[str, Callable[[], Case]]:
        return {"": lambda: case(workload, given)}


def case(workload: Workload, given: Problem) -> Case:
    warnings.simplefilter("ignore", ConvergenceWarning)
    outputs = workload.sizes[-1]
    rate = workload.learning_rate if workload.optimizer else 0.0
    classifies = workload.loss == "cross_entropy"
    # Its loss is half the square and its gradient a sum over the outputs: as ours with another learning rate.
    scale = 1.0 if classifies or workload.optimizer == "adam" else 2 / outputs
    kind = MLPClassifier if classifies else MLPRegressor
    net = kind(
        hidden_layer_sizes=workload.sizes[1:-1],
        activation=workload.activation,
        solver=workload.optimizer or "sgd",
        alpha=0.0,
        batch_size=workload.batch,
        learning_rate_init=rate * scale or 1e-3,
        momentum=0.0,
        nesterovs_momentum=False,
        random_state=0,
    )
    X, Y = given.X, given.Y if given.Y.ndim == 1 or outputs > 1 else given.Y[:, 0]
    classes = {"classes": np.arange(outputs)} if classifies else {}
    net.partial_fit(X[: workload.batch], Y[: workload.batch], **classes)  # makes the arrays that are filled here
    for mine, ours in zip((*net.coefs_, *net.intercepts_), (*given.weights, *given.biases), strict=True):
        mine[...] = ours
    if workload.optimizer == "adam":  # as new: partial_fit has made a step
        net._optimizer.t = 0
        for moments in (*net._optimizer.ms, *net._optimizer.vs):
            moments[...] = 0
    if not workload.trains:
        return Case(net.predict, (X,))
    return Case(net.partial_fit, (X, Y), lambda fitted: fitted.loss_ * (1 if classifies else 2))


def open_peer(threads: int) -> SklearnPeer:
    return SklearnPeer()
