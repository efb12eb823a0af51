"""NumPy by hand, with care: buffers made beforehand, ``out=`` everywhere, one flat vector for the optimiser."""

from collections.abc import Callable

import numpy as np

from bench.peers.case import Case
from bench.problem import Problem
from bench.workloads import WEIGHT_DECAY, Workload


class NumpyPeer:
    """Networks written out in NumPy."""

    version = np.__version__

    def why_not(self, workload: Workload) -> str | None:
        return None

    def ways(self, workload: Workload, given: Problem, *, thorough: bool) -> dict[str, Callable[[], Case]]:
        return {"": lambda: case(workload, given)}


class Net:
    """A network for up to ``rows`` rows at a time."""

    def __init__(self, workload: Workload, given: Problem, rows: int) -> None:
        self.workload, dtype = workload, given.X.dtype
        pairs = list(zip(given.weights, given.biases, strict=True))
        self.params = np.concatenate([array.ravel() for pair in pairs for array in pair])
        self.grads, self.m, self.v, self.t1, self.t2 = (np.zeros_like(self.params) for _ in range(5))
        self.w, self.b = self.views(self.params)
        self.dw, self.db = self.views(self.grads)
        self.z = [np.empty((rows, o), dtype) for _, o in workload.layers]
        self.delta = [np.empty((rows, o), dtype) for _, o in workload.layers]
        self.slope = [np.empty((rows, o), dtype) for _, o in workload.layers]
        self.mask = [np.empty((rows, o), dtype) for _, o in workload.layers]
        self.ones = np.ones(rows, dtype)
        self.random = np.random.default_rng(0)
        self.t = 0
        self.stack = list(zip(self.w, self.b, self.z, strict=True))

    def views(self, flat: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Weights and biases within a flat vector."""
        weights, biases, at = [], [], 0
        for i, o in self.workload.layers:
            weights.append(flat[at : at + i * o].reshape(i, o))
            biases.append(flat[at + i * o : at + i * o + o])
            at += i * o + o
        return weights, biases

    def predict(self, X: np.ndarray) -> np.ndarray:
        a = X
        last = self.stack[-1][0]
        for w, b, z in self.stack:
            np.dot(a, w, out=z)
            np.add(z, b, out=z)
            if w is not last:
                if self.workload.activation == "tanh":
                    np.tanh(z, out=z)
                else:
                    np.maximum(z, 0, out=z)
            a = z
        return a

    def forward(self, X: np.ndarray, n: int) -> None:
        """Activations of n rows into ``z``."""
        a, keep = X, 1 - self.workload.dropout
        last = len(self.stack) - 1
        for layer, (w, b, whole) in enumerate(self.stack):
            z = whole[:n]
            np.dot(a, w, out=z)
            np.add(z, b, out=z)
            if layer < last:
                if self.workload.activation == "tanh":
                    np.tanh(z, out=z)
                else:
                    np.maximum(z, 0, out=z)
                if self.workload.dropout:
                    mask = self.mask[layer][:n]
                    self.random.random(out=mask, dtype=mask.dtype)
                    np.less(mask, keep, out=mask, casting="unsafe")
                    np.multiply(mask, 1 / keep, out=mask)
                    np.multiply(z, mask, out=z)
            a = z

    def loss(self, Y: np.ndarray, n: int) -> float:
        """Mean loss; leaves its gradient by the outputs in the last ``delta``."""
        y, delta = self.z[-1][:n], self.delta[-1][:n]
        if self.workload.loss == "cross_entropy":
            np.subtract(y, y.max(1, keepdims=True), out=y)
            np.exp(y, out=delta)
            total = delta.sum(1, keepdims=True)
            rows = np.arange(n)
            value = float((np.log(total[:, 0]) - y[rows, Y]).mean())
            np.divide(delta, total, out=delta)
            delta[rows, Y] -= 1
            np.multiply(delta, 1 / n, out=delta)
            return value
        np.subtract(y, Y, out=delta)
        flat = delta.ravel()
        value = float(np.dot(flat, flat)) / delta.size
        np.multiply(delta, 2 / delta.size, out=delta)
        return value

    def gradient(self, X: np.ndarray, Y: np.ndarray) -> float:
        """Loss; the gradient goes to ``grads``."""
        n = len(X)
        self.forward(X, n)
        value = self.loss(Y, n)
        for layer in range(len(self.stack) - 1, -1, -1):
            delta = self.delta[layer][:n]
            a = self.z[layer - 1][:n] if layer else X
            if n == 1:
                np.multiply(a.T, delta, out=self.dw[layer])
                self.db[layer][:] = delta[0]
            else:
                np.dot(a.T, delta, out=self.dw[layer])
                np.dot(self.ones[:n], delta, out=self.db[layer])
            if layer:
                below, slope = self.delta[layer - 1][:n], self.slope[layer - 1][:n]
                np.dot(delta, self.w[layer].T, out=below)
                if self.workload.activation == "tanh":
                    np.multiply(a, a, out=slope)
                    np.subtract(1, slope, out=slope)
                else:
                    np.greater(a, 0, out=slope, casting="unsafe")
                np.multiply(below, slope, out=below)
                if self.workload.dropout:
                    np.multiply(below, self.mask[layer - 1][:n], out=below)
        return value

    def step(self, X: np.ndarray, Y: np.ndarray) -> float:
        """Loss before the update."""
        value = self.gradient(X, Y)
        rate, g = self.workload.learning_rate, self.grads
        if self.workload.optimizer == "sgd":
            np.multiply(g, rate, out=g)
            np.subtract(self.params, g, out=self.params)
            return value
        if self.workload.optimizer == "adamw":
            for w in self.w:
                np.multiply(w, 1 - rate * WEIGHT_DECAY, out=w)
        self.t += 1
        m, v, t1, t2 = self.m, self.v, self.t1, self.t2
        np.multiply(m, 0.9, out=m)
        np.multiply(g, 0.1, out=t1)
        np.add(m, t1, out=m)
        np.multiply(v, 0.999, out=v)
        np.multiply(g, g, out=g)
        np.multiply(g, 0.001, out=g)
        np.add(v, g, out=v)
        root = (1 - 0.999**self.t) ** 0.5
        np.sqrt(v, out=t1)
        np.add(t1, 1e-8 * root, out=t1)
        np.divide(m, t1, out=t2)
        np.multiply(t2, rate * root / (1 - 0.9**self.t), out=t2)
        np.subtract(self.params, t2, out=self.params)
        return value

    def epoch(self, X: np.ndarray, Y: np.ndarray) -> float:
        """Mean loss over shuffled mini-batches."""
        batch, total = self.workload.batch, 0.0
        order = self.random.permutation(len(X))
        rows = np.empty((batch, X.shape[1]), X.dtype)
        for start in range(0, len(X), batch):
            chosen = order[start : start + batch]
            n = len(chosen)
            np.take(X, chosen, axis=0, out=rows[:n], mode="clip")
            total += n * self.step(rows[:n], Y[chosen])
        return total / len(X)


def case(workload: Workload, given: Problem) -> Case:
    net = Net(workload, given, workload.batch)
    if not workload.trains:
        return Case(net.predict, (given.X,))
    if workload.mode == "gradient":
        return Case(net.gradient, (given.X, given.Y), lambda loss: (loss, net.grads))
    return Case(net.epoch if workload.mode == "epoch" else net.step, (given.X, given.Y))


def open_peer(threads: int) -> NumpyPeer:
    return NumpyPeer()
