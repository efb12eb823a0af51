"""PyTorch: eager with fused optimisers, and torch.compile."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

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

        def compiled(function: Any) -> Any:
            return torch.compile(function, fullgraph=True, dynamic=False)

        ways = {"eager": lambda: case(workload, given, lambda function: function)}
        return ways | {"compile": lambda: case(workload, given, compiled)} if thorough else ways


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
    return nn.Sequential(*modules)


def case(workload: Workload, given: Problem, treat: Callable[[Any], Any]) -> Case:
    """``treat``: what is done with the functions that are called, nothing or torch.compile."""
    X, Y = torch.from_numpy(given.X), torch.from_numpy(given.Y)
    net = network(workload, given)
    if not workload.trains:
        return predicting(treat(net.eval().requires_grad_(False)), X)
    params = list(net.parameters())
    criterion = nn.CrossEntropyLoss() if workload.loss == "cross_entropy" else nn.MSELoss()

    @treat
    def loss_of(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return criterion(net(x), y)

    if workload.mode == "gradient":

        def gradient() -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
            loss = loss_of(X, Y)
            return loss, torch.autograd.grad(loss, params)

        return Case(
            gradient, (), lambda pair: (pair[0].item(), np.concatenate([g.t().numpy().ravel() for g in pair[1]]))
        )
    options = {"weight_decay": WEIGHT_DECAY} if workload.optimizer == "adamw" else {}
    optimizer = RULES[workload.optimizer](params, lr=workload.learning_rate, fused=True, **options)

    def step(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(x, y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    if workload.mode == "step":
        return Case(step, (X, Y), torch.Tensor.item)

    def epoch() -> float:
        total = torch.zeros(())
        for chosen in torch.randperm(len(X)).split(workload.batch):
            total += len(chosen) * step(X[chosen], Y[chosen])
        return total.item() / len(X)

    return Case(epoch)


def predicting(net: Any, X: torch.Tensor) -> Case:
    """A call in inference mode: entered once, as a server would."""
    inference = torch.inference_mode()

    def call(x: torch.Tensor) -> torch.Tensor:
        with inference:
            return net(x)

    return Case(call, (X,), torch.Tensor.numpy)


def open_peer(threads: int) -> TorchPeer:
    return TorchPeer(threads)
