"""fastnn, through its public names."""

from collections.abc import Callable

import numpy as np

import fastnn as fn
from bench.peers.case import Case
from bench.problem import Problem
from bench.workloads import WEIGHT_DECAY, Workload


class FastnnPeer:
    """Networks of fastnn."""

    version = fn.__version__

    def __init__(self, threads: int) -> None:
        if hasattr(fn, "set_num_threads"):
            fn.set_num_threads(threads)

    def why_not(self, workload: Workload) -> str | None:
        return None

    def ways(self, workload: Workload, given: Problem, *, thorough: bool) -> dict[str, Callable[[], Case]]:
        return {"": lambda: case(workload, given)}


def network(workload: Workload, given: Problem) -> fn.Sequential:
    layers: list[fn.Layer] = []
    for _, units in workload.layers[:-1]:
        layers.append(fn.Dense(units, workload.activation))
        if workload.dropout:
            layers.append(fn.Dropout(workload.dropout))
    layers.append(fn.Dense(workload.sizes[-1]))
    net = fn.Sequential(layers, input_shape=workload.sizes[0], seed=0, dtype=workload.dtype)
    dense = [layer for layer in net.layers if layer.n_params]
    for layer, w, b in zip(dense, given.weights, given.biases, strict=True):
        layer.weight[...], layer.bias[...] = w, b
    return net


def case(workload: Workload, given: Problem) -> Case:
    net = network(workload, given)
    X, Y = given.X, given.Y
    if workload.narrow:
        narrow = net.quantized(workload.narrow)
        one = workload.mode == "predict_one"
        call, args = (narrow.predict_one, (X[0], np.empty_like(Y[0]))) if one else (narrow.predict, (X,))
        return Case(call, args, precision=workload.narrow)
    if workload.mode == "predict_one":
        return Case(net.predict_one, (X[0], np.empty_like(Y[0])))
    if workload.mode == "predict":
        return Case(net.predict, (X,))
    rate = workload.learning_rate if workload.optimizer else 0.0
    rules: dict[str, fn.optimizers.Optimizer] = {
        "adam": fn.Adam(rate),
        "adamw": fn.AdamW(rate, weight_decay=WEIGHT_DECAY),
    }
    net.compile(loss=workload.loss, optimizer=rules.get(workload.optimizer, fn.SGD(rate)))
    if workload.mode == "gradient":
        return Case(
            net.trainer.step_on, ([X], [Y], None, workload.batch, rate, False), lambda loss: (loss, net.grads.copy())
        )
    if workload.mode == "epoch":

        def epoch() -> float:
            return net.fit(X, Y, batch_size=workload.batch, verbose=0)["loss"][-1]

        return Case(epoch)
    return Case(net.train_step, (X[0], Y[0]) if workload.batch == 1 else (X, Y))


def open_peer(threads: int) -> FastnnPeer:
    return FastnnPeer(threads)
