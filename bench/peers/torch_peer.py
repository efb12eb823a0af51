"""PyTorch: eager with fused optimisers, its oneDNN layers, and torch.compile."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.mkldnn import to_mkldnn

from bench.peers.case import Case
from bench.problem import Problem
from bench.workloads import WEIGHT_DECAY, Workload

RULES = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


class TorchPeer:
    """Networks of PyTorch."""

    version = torch.__version__

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(1)
        torch.manual_seed(0)

    def why_not(self, workload: Workload) -> str | None:
        return None

    def ways(self, workload: Workload, given: Problem, *, thorough: bool) -> dict[str, Callable[[], Case]]:
        torch.compiler.reset()
        if workload.trains:
            slow = {"compile": lambda: compiled_training(workload, given)}
            return {"eager": lambda: training(workload, given)} | (slow if thorough else {})
        ways = {"eager": lambda: predicting(network(workload, given), given)}
        if workload.dtype == "float32":
            ways["mkldnn"] = lambda: predicting_mkldnn(network(workload, given), given)
        slow = {"compile": lambda: predicting(compiled(network(workload, given)), given)}
        return ways | (slow if thorough else {})


def compiled(function: Any) -> Any:
    return torch.compile(function, fullgraph=True, dynamic=False)


def network(workload: Workload, given: Problem) -> nn.Sequential:
    modules: list[nn.Module] = []
    for layer, (w, b) in enumerate(zip(given.weights, given.biases, strict=True)):
        linear = nn.Linear(*w.shape, dtype=torch.from_numpy(w).dtype)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(w).t())
            linear.bias.copy_(torch.from_numpy(b))
        modules.append(linear)
        if layer < len(given.weights) - 1:
            modules.append(nn.Tanh() if workload.activation == "tanh" else nn.ReLU())
            modules += [nn.Dropout(workload.dropout)] if workload.dropout else []
    return nn.Sequential(*modules).train(workload.trains).requires_grad_(workload.trains)


def predicting(net: Any, given: Problem) -> Case:
    """In inference mode."""
    inference = torch.inference_mode()

    def call(x: torch.Tensor) -> torch.Tensor:
        with inference:
            return net(x)

    return Case(call, (torch.from_numpy(given.X),), torch.Tensor.numpy)


def predicting_mkldnn(net: nn.Sequential, given: Problem) -> Case:
    """With weights and rows in the format of its oneDNN layers."""
    packed, x = to_mkldnn(net), torch.from_numpy(given.X).to_mkldnn()

    def call() -> torch.Tensor:
        with torch.no_grad():
            return packed(x)

    return Case(call, (), lambda y: y.to_dense().numpy())


def training(workload: Workload, given: Problem) -> Case:
    """Modules, autograd, and a fused optimiser."""
    net = network(workload, given)
    params = list(net.parameters())
    criterion = nn.CrossEntropyLoss() if workload.loss == "cross_entropy" else nn.MSELoss()
    if workload.mode == "gradient":
        X, Y = torch.from_numpy(given.X), torch.from_numpy(given.Y)

        def gradient() -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
            loss = criterion(net(X), Y)
            return loss, torch.autograd.grad(loss, params)

        return Case(gradient, (), flat)
    options = {"weight_decay": WEIGHT_DECAY} if workload.optimizer == "adamw" else {}
    optimizer = RULES[workload.optimizer](params, lr=workload.learning_rate, fused=True, **options)

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return stepping(workload, given, step)


def compiled_training(workload: Workload, given: Problem) -> Case:
    """One compiled function per step: loss, gradient and update of plain tensors."""
    pairs = zip(given.weights, given.biases, strict=True)
    params = [torch.from_numpy(a).clone() for w, b in pairs for a in (np.ascontiguousarray(w.T), b)]
    moments = [[torch.zeros_like(p) for p in params] for _ in range(2)]
    t = torch.zeros((), dtype=params[0].dtype)
    rate, beta1, beta2 = workload.learning_rate if workload.optimizer else 0.0, 0.9, 0.999

    def loss_of(ps: list[torch.Tensor], x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        for layer in range(0, len(ps), 2):
            x = F.linear(x, ps[layer], ps[layer + 1])
            if layer + 2 < len(ps):
                x = torch.tanh(x) if workload.activation == "tanh" else torch.relu(x)
                x = F.dropout(x, workload.dropout) if workload.dropout else x
        return F.cross_entropy(x, y) if workload.loss == "cross_entropy" else F.mse_loss(x, y)

    gradient = torch.func.grad_and_value(loss_of)
    if workload.mode == "gradient":
        function = compiled(lambda ps, x, y: gradient(ps, x, y)[::-1])
        return Case(function, (params, torch.from_numpy(given.X), torch.from_numpy(given.Y)), flat)

    def update(
        ps: list[torch.Tensor], state: list[list[torch.Tensor]], t: torch.Tensor, x: torch.Tensor, y: torch.Tensor
    ) -> torch.Tensor:
        grads, loss = gradient(ps, x, y)
        t += 1
        for p, g, m, v in zip(ps, grads, *state, strict=True):
            if workload.optimizer == "sgd":
                p -= rate * g
                continue
            if workload.optimizer == "adamw":
                p *= 1 - rate * WEIGHT_DECAY
            m += (1 - beta1) * (g - m)
            v += (1 - beta2) * (g * g - v)
            p -= rate * (m / (1 - beta1**t)) / ((v / (1 - beta2**t)).sqrt() + 1e-8)
        return loss

    whole = compiled(update)

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return whole(params, moments, t, x, y)

    return stepping(workload, given, step)


def stepping(workload: Workload, given: Problem, step: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Case:
    """One step, or an epoch of them."""
    X, Y = torch.from_numpy(given.X), torch.from_numpy(given.Y)
    if workload.mode == "step":
        return Case(step, (X, Y), torch.Tensor.item)

    def epoch() -> float:
        total = torch.zeros(())
        for chosen in torch.randperm(len(X)).split(workload.batch):
            total += len(chosen) * step(X[chosen], Y[chosen])
        return total.item() / len(X)

    return Case(epoch)


def flat(pair: tuple[torch.Tensor, tuple[torch.Tensor, ...]]) -> tuple[float, np.ndarray]:
    return pair[0].item(), np.concatenate([g.t().numpy().ravel() for g in pair[1]])


def open_peer(threads: int) -> TorchPeer:
    return TorchPeer(threads)
