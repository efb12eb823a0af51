"""JAX: jitted, data on the device, parameters donated to the step."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bench.peers.case import Case
from bench.problem import Problem
from bench.workloads import WEIGHT_DECAY, Workload

Params = list[tuple[jax.Array, jax.Array]]


class JaxPeer:
    """Functions compiled by XLA."""

    version = jax.__version__

    def __init__(self) -> None:
        jax.config.update("jax_cpu_enable_async_dispatch", False)  # every call here waits for its result

    def why_not(self, workload: Workload) -> str | None:
        return None

    def ways(self, workload: Workload, given: Problem, *, thorough: bool) -> dict[str, Callable[[], Case]]:
        jax.clear_caches()
        jax.config.update("jax_enable_x64", workload.dtype == "float64")
        if workload.trains:
            return {"": lambda: training(workload, given)}
        return {
            "params as arguments": lambda: predicting(workload, given, bake=False),
            "params as constants": lambda: predicting(workload, given, bake=True),
        }


def start(given: Problem) -> Params:
    return [(jnp.asarray(w), jnp.asarray(b)) for w, b in zip(given.weights, given.biases, strict=True)]


def forward(workload: Workload, params: Params, x: jax.Array, key: jax.Array | None = None) -> jax.Array:
    """Outputs; with a key, hidden units are dropped."""
    for w, b in params[:-1]:
        x = x @ w + b
        x = jnp.tanh(x) if workload.activation == "tanh" else jnp.maximum(x, 0)
        if workload.dropout and key is not None:
            key, mine = jax.random.split(key)
            keep = 1 - workload.dropout
            x = jnp.where(jax.random.bernoulli(mine, keep, x.shape), x / keep, 0)
    w, b = params[-1]
    return x @ w + b


def predicting(workload: Workload, given: Problem, *, bake: bool) -> Case:
    params, x = start(given), jnp.asarray(given.X)
    if bake:
        baked = jax.jit(lambda x: forward(workload, params, x))
        return Case(lambda: baked(x).block_until_ready(), (), np.asarray)
    jitted = jax.jit(lambda params, x: forward(workload, params, x))
    return Case(lambda: jitted(params, x).block_until_ready(), (), np.asarray)


def training(workload: Workload, given: Problem) -> Case:
    X, Y = jnp.asarray(given.X), jnp.asarray(given.Y)

    def loss_of(params: Params, x: jax.Array, y: jax.Array, key: jax.Array) -> jax.Array:
        out = forward(workload, params, x, key)
        if workload.loss == "cross_entropy":
            return -jnp.take_along_axis(jax.nn.log_softmax(out), y[:, None], 1).mean()
        return jnp.mean((out - y) ** 2)

    def step(state: Any, x: jax.Array, y: jax.Array) -> tuple[Any, jax.Array]:
        params, moments, t, key = state
        key, mine = jax.random.split(key) if workload.dropout else (key, key)
        loss, grads = jax.value_and_grad(loss_of)(params, x, y, mine)
        params, moments, t = update(workload, params, grads, moments, t)
        return (params, moments, t, key), loss

    def epoch(state: Any, X: jax.Array, Y: jax.Array, key: jax.Array) -> tuple[Any, jax.Array]:
        rows, batch = len(X), workload.batch
        order = jax.random.permutation(key, rows)
        whole = rows // batch * batch
        state, losses = jax.lax.scan(
            lambda state, chosen: step(state, X[chosen], Y[chosen]), state, order[:whole].reshape(-1, batch)
        )
        total = losses.sum() * batch
        if whole < rows:
            state, loss = step(state, X[order[whole:]], Y[order[whole:]])
            total += loss * (rows - whole)
        return state, total / rows

    params = start(given)
    key = jax.random.key(0, impl="unsafe_rbg")  # the fastest generator it has
    if workload.mode == "gradient":
        gradient = jax.jit(lambda params, x, y: jax.value_and_grad(loss_of)(params, x, y, key))
        return Case(lambda: jax.block_until_ready(gradient(params, X, Y)), (), flat)
    zeros = jax.tree.map(jnp.zeros_like, (params, params)) if workload.optimizer != "sgd" else ()
    state: Any = (params, zeros, jnp.zeros(()), key)
    jitted_step, jitted_epoch = jax.jit(step, donate_argnums=0), jax.jit(epoch, donate_argnums=0)

    def call() -> jax.Array:
        nonlocal state
        state, loss = jitted_step(state, X, Y)
        return loss.block_until_ready()

    def call_epoch() -> jax.Array:
        nonlocal state, key
        key, mine = jax.random.split(key)
        state, loss = jitted_epoch(state, X, Y, mine)
        return loss.block_until_ready()

    return Case(call_epoch if workload.mode == "epoch" else call, (), float)


def flat(pair: tuple[jax.Array, Params]) -> tuple[float, np.ndarray]:
    return float(pair[0]), np.concatenate([np.asarray(leaf).ravel() for leaf in jax.tree.leaves(pair[1])])


def update(workload: Workload, params: Params, grads: Params, moments: Any, t: jax.Array) -> tuple[Params, Any, Any]:
    rate = workload.learning_rate
    if workload.optimizer == "sgd":
        return jax.tree.map(lambda p, g: p - rate * g, params, grads), moments, t
    t = t + 1
    decay = 1 - rate * WEIGHT_DECAY if workload.optimizer == "adamw" else 1.0
    m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, moments[0], grads)
    v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, moments[1], grads)
    c1, c2 = 1 - 0.9**t, 1 - 0.999**t
    params = jax.tree.map(
        lambda p, m, v: p * (decay if p.ndim == 2 else 1.0) - rate * (m / c1) / (jnp.sqrt(v / c2) + 1e-8), params, m, v
    )
    return params, (m, v), t


def open_peer(threads: int) -> JaxPeer:
    return JaxPeer()
