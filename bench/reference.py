"""What every peer must answer, from a plain network in float64: nobody is timed who computes something else.

The answer of a prediction and of a gradient is three numbers about its elements, of a step the losses before three
steps in a row, of an epoch its mean loss.
"""

import numpy as np

from bench.problem import Problem
from bench.workloads import WEIGHT_DECAY, Workload

STEPS = 3
TOLERANCES = {"": 0.0, "bfloat16": 0.02, "int8": 0.1}  # shares of an answer's size, narrowest last


def digest(values: np.ndarray) -> list[float]:
    """Norm, and two sums that see order and sign of the elements."""
    flat = np.asarray(values, np.float64).ravel()
    mark = np.random.default_rng(1).standard_normal((2, flat.size))
    return [float(np.linalg.norm(flat)), *map(float, mark @ flat / np.sqrt(flat.size))]


def forward(
    workload: Workload, params: list[np.ndarray], X: np.ndarray, masks: list[np.ndarray] | None = None
) -> list[np.ndarray]:
    """Activations of every layer, the input first; ``masks`` multiply the hidden ones."""
    kept = [X]
    for layer in range(len(workload.layers)):
        z = kept[-1] @ params[2 * layer] + params[2 * layer + 1]
        last = layer == len(workload.layers) - 1
        a = z if last else np.tanh(z) if workload.activation == "tanh" else np.maximum(z, 0)
        kept.append(a if last or not masks else a * masks[layer])
    return kept


def loss_and_gradients(
    workload: Workload, params: list[np.ndarray], X: np.ndarray, Y: np.ndarray, masks: list[np.ndarray] | None = None
) -> tuple[float, list[np.ndarray]]:
    """Loss, and its gradient by W1, b1, W2, b2, ..."""
    kept = forward(workload, params, X, masks)
    if workload.loss == "cross_entropy":
        shifted = kept[-1] - kept[-1].max(1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
        loss = -log_p[np.arange(len(Y)), Y].mean()
        delta = (np.exp(log_p) - np.eye(log_p.shape[1])[Y]) / len(Y)
    else:
        loss = np.mean((kept[-1] - Y) ** 2)
        delta = 2 * (kept[-1] - Y) / Y.size
    gradients: list[np.ndarray] = []
    for layer in reversed(range(len(workload.layers))):
        gradients[:0] = [kept[layer].T @ delta, delta.sum(0)]
        if layer:
            a = kept[layer]
            delta = delta @ params[2 * layer].T * (1 - a**2 if workload.activation == "tanh" else a > 0)
            if masks:
                delta *= masks[layer - 1]
    return float(loss), gradients


class Learner:
    """Parameters and the state of their optimiser."""

    def __init__(self, workload: Workload, params: list[np.ndarray]) -> None:
        self.workload, self.params, self.t = workload, params, 0
        self.random = np.random.default_rng(2)
        self.m, self.v = ([np.zeros_like(p) for p in params] for _ in range(2))

    def step(self, X: np.ndarray, Y: np.ndarray) -> float:
        """Update on a mini-batch; return the loss before."""
        w = self.workload
        keep = 1 - w.dropout
        masks = [(self.random.random((len(X), o)) < keep) / keep for _, o in w.layers[:-1]] if w.dropout else None
        loss, gradients = loss_and_gradients(w, self.params, X, Y, masks)
        self.t += 1
        for p, g, m, v in zip(self.params, gradients, self.m, self.v, strict=True):
            if w.optimizer == "sgd":
                p -= w.learning_rate * g
                continue
            if w.optimizer == "adamw" and p.ndim == 2:
                p *= 1 - w.learning_rate * WEIGHT_DECAY
            m += 0.1 * (g - m)
            v += 0.001 * (g * g - v)
            p -= w.learning_rate * (m / (1 - 0.9**self.t)) / (np.sqrt(v / (1 - 0.999**self.t)) + 1e-8)
        return loss


def answer(workload: Workload, given: Problem) -> list[float]:
    """What a peer must answer."""
    pairs = zip(given.weights, given.biases, strict=True)
    params = [array.astype(np.float64) for pair in pairs for array in pair]
    X, Y = given.X.astype(np.float64), given.Y if workload.mode == "epoch" else given.Y.astype(np.float64)
    if not workload.trains:
        return digest(forward(workload, params, X)[-1])
    if workload.mode == "gradient":
        loss, gradients = loss_and_gradients(workload, params, X, Y)
        return [loss, *digest(np.concatenate([g.ravel() for g in gradients]))]
    learner = Learner(workload, params)
    if workload.mode == "step":
        return [learner.step(X, Y) for _ in range(STEPS)]
    starts = range(0, len(X), workload.batch)
    losses = [learner.step(X[s : s + workload.batch], Y[s : s + workload.batch]) for s in starts]
    return [float(np.average(losses, weights=[min(workload.batch, len(X) - s) for s in starts]))]


def disagreement(workload: Workload, expected: list[float], found: list[float], precision: str = "") -> str | None:
    """Say how an answer differs from the reference by more than rounding, or by more than chance where there is any."""
    order = list(TOLERANCES)
    if order.index(precision) > order.index(workload.narrow):
        return f"computed in {precision}, expected {workload.narrow or workload.dtype} or better"
    if len(expected) != len(found):
        return f"answered {len(found)} numbers, expected {len(expected)}"
    if workload.mode == "step" and not workload.dropout:
        # What the updates change is small beside the loss itself: compare it too.
        expected = [expected[0], *np.diff(expected)]
        found = [found[0], *np.diff(found)]
    rounding = 1e-8 if workload.dtype == "float64" else 1e-3
    chance = 0.5 if workload.dropout else 0.05 if workload.mode == "epoch" else 0.0  # masks and shuffles differ
    noise = 1e-6 if workload.dtype == "float32" else 1e-14  # of a loss of order 1, and so of a difference of two
    share = max(rounding, chance, TOLERANCES[precision])
    size = abs(expected[0]) / np.sqrt(workload.batch * workload.sizes[-1])  # of one output, and of a sum of ``digest``
    for e, f in zip(expected, found, strict=True):
        allowed = share * abs(e) + noise * max(1.0, abs(expected[0])) + TOLERANCES[precision] * size
        if not abs(e - f) <= allowed:
            return f"answered {found}, expected {expected}"
    return None
