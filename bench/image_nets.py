"""Whole nets for images, and the same as modules of PyTorch, with the weights of fastnn's."""

from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import fastnn as fn
from bench.gan_step import gan_step
from bench.image_runtimes import runtimes

Call = Callable[[], Any]
Maker = Callable[..., fn.Network]
Workload = Callable[[int, bool], dict[str, Call]]


class Block(nn.Module):
    """Two convolutions with batch normalisation, and a link past them: the one of He et al. without weights."""

    def __init__(self, inputs: int, filters: int, stride: int) -> None:
        super().__init__()
        self.first, self.norm1 = nn.Conv2d(inputs, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters)
        self.second, self.norm2 = nn.Conv2d(filters, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters)
        self.stride, self.more = stride, (filters - inputs) // 2

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of images (B, C, H, W)."""
        y = functional.relu(self.norm1(self.first(x)))
        y = self.norm2(self.second(y))
        if self.more:
            x = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.more, self.more))
        return functional.relu(y + x)


class Fire(nn.Module):
    """Channels squeezed, then expanded by windows of two sizes."""

    def __init__(self, inputs: int, squeeze: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeeze, 1)
        self.expand1, self.expand3 = nn.Conv2d(squeeze, 4 * squeeze, 1), nn.Conv2d(squeeze, 4 * squeeze, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of images (B, C, H, W)."""
        x = functional.relu(self.squeeze(x))
        return torch.cat([functional.relu(self.expand1(x)), functional.relu(self.expand3(x))], 1)


def lenet5() -> nn.Module:
    """As ``fn.nets.lenet5``."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


def resnet20() -> nn.Module:
    """As ``fn.nets.resnet_cifar(20)``."""
    sizes = [(16, 16, 1)] * 3 + [(16, 32, 2)] + [(32, 32, 1)] * 2 + [(32, 64, 2)] + [(64, 64, 1)] * 2
    stem = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)]
    return nn.Sequential(*stem, *(Block(*size) for size in sizes), *head)


def squeezenet() -> nn.Module:
    """As ``fn.nets.squeezenet``."""
    pool = nn.MaxPool2d(3, 2, ceil_mode=True)
    fires = [Fire(*size) for size in ((96, 16), (128, 16), (128, 32), (256, 32), (256, 48), (384, 48), (384, 64))]
    body = [*fires[:3], pool, *fires[3:], pool, Fire(512, 64)]
    stem, head = [nn.Conv2d(3, 96, 7, 2), nn.ReLU(), pool], [nn.Conv2d(512, 1000, 1), nn.ReLU()]
    return nn.Sequential(*stem, *body, *head, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def with_weights(module: nn.Module, net: fn.Network) -> nn.Module:
    """The module with the parameters of the net, which both have in the same order."""
    mine = [np.array(value) for name, value in net.named_parameters() if "running" not in name]
    for theirs, value in zip(module.parameters(), mine, strict=True):
        turned = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T
        if value.ndim == 2 and value.shape[0] == 256:  # the first Dense layer behind images
            turned = value.reshape(4, 4, 16, -1).transpose(3, 2, 0, 1).reshape(-1, 256)
        with torch.no_grad():
            theirs.copy_(torch.from_numpy(np.ascontiguousarray(turned)))
    return module


def images(net: fn.Network, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and labels."""
    random = np.random.default_rng(0)
    X = random.standard_normal((batch, *net.input_shape), np.float32)
    return X, random.integers(0, net.output_shape[0], batch)


def ways(module: Any, X: np.ndarray, compiled: bool) -> Iterator[tuple[str, Any, Any]]:
    """The module and its images in both orders of axes, as it is and compiled."""
    for layout, name in ((torch.contiguous_format, "NCHW"), (torch.channels_last, "NHWC")):
        own = deepcopy(module).to(memory_format=layout)
        x = torch.from_numpy(X).permute(0, 3, 1, 2).contiguous(memory_format=layout)
        yield f"PyTorch {name}", own, x
        if compiled:
            yield f"PyTorch {name} compiled", torch.compile(deepcopy(own), fullgraph=True, dynamic=False), x


def nets(make: Maker) -> dict[str, fn.Network]:
    """The net by the name that its rows have; where it has convolutions that can be in tiles, with them too."""
    made = {"fastnn": make(seed=0)}
    if "winograd" in signature(make).parameters:
        made["fastnn with winograd"] = make(seed=0, winograd=True)
    return made


def step(make: Maker, theirs: Any, batch: int, mine: fn.optimizers.Optimizer, rule: Any, **options: float) -> Workload:
    """A mini-batch learned."""

    def calls(threads: int, compiled: bool) -> dict[str, Call]:
        found = nets(make)
        X, y = images(found["fastnn"], batch)
        module = with_weights(theirs(), found["fastnn"]).train()
        made: dict[str, Call] = {}
        for name, net in found.items():
            net.compile("cross_entropy", mine)
            made[name] = partial(net.train_step, X, y)
        for name, own, x in ways(module, X, compiled):
            optimizer, labels = rule(own.parameters(), fused=True, **options), torch.from_numpy(y)

            def one(own: Any = own, x: Any = x, optimizer: Any = optimizer, labels: Any = labels) -> float:
                optimizer.zero_grad(set_to_none=True)
                loss = functional.cross_entropy(own(x), labels)
                loss.backward()
                optimizer.step()
                return loss.item()

            made[name] = one
        return made

    return calls


def answers(make: Maker, theirs: Any, batch: int) -> Workload:
    """Images answered."""

    def calls(threads: int, compiled: bool) -> dict[str, Call]:
        found = nets(make)
        X, _ = images(found["fastnn"], batch)
        module = with_weights(theirs(), found["fastnn"]).eval()
        made: dict[str, Call] = {}
        for name, net in found.items():
            folded = net.fold()
            made[name] = partial(folded.predict, X) if batch > 1 else partial(folded.predict_one, X[0])
        made |= runtimes(found["fastnn"], X, threads)
        for name, own, x in ways(module, X, compiled):

            def one(own: Any = own, x: Any = x) -> Any:
                with torch.inference_mode():
                    return own(x)

            made[name] = one
        return made

    return calls


def picture_gradient(make: Maker, theirs: Any) -> Workload:
    """One image, forward, and the gradient of it alone, as style transfer needs it."""

    def calls(threads: int, compiled: bool) -> dict[str, Call]:
        found = nets(make)
        X, _ = images(found["fastnn"], 1)
        module = with_weights(theirs(), found["fastnn"]).eval().requires_grad_(False)
        dy = np.ones((1, *found["fastnn"].output_shape), np.float32)

        def gradient(net: fn.Network) -> Any:
            net.forward(X)
            return net.backward(dy, parameters=False)

        made: dict[str, Call] = {name: partial(gradient, net) for name, net in found.items()}
        for name, own, x in ways(module, X, compiled):
            x.requires_grad_()

            def one(own: Any = own, x: Any = x) -> Any:
                return torch.autograd.grad(own(x).sum(), x)

            made[name] = one
        return made

    return calls


WORKLOADS: dict[str, Workload] = {
    "LeNet-5, step of 128, Adam": step(fn.nets.lenet5, lenet5, 128, fn.Adam(1e-3), torch.optim.Adam, lr=1e-3),
    "LeNet-5, answers to 128": answers(fn.nets.lenet5, lenet5, 128),
    "LeNet-5, answer to 1": answers(fn.nets.lenet5, lenet5, 1),
    "ResNet-20, step of 128, momentum": step(
        fn.nets.resnet_cifar, resnet20, 128, fn.SGD(0.1, momentum=0.9), torch.optim.SGD, lr=0.1, momentum=0.9
    ),
    "ResNet-20, answers to 128": answers(fn.nets.resnet_cifar, resnet20, 128),
    "ResNet-20, answer to 1": answers(fn.nets.resnet_cifar, resnet20, 1),
    "SqueezeNet, answer to 1": answers(fn.nets.squeezenet, squeezenet, 1),
    "SqueezeNet, gradient of 1 image": picture_gradient(fn.nets.squeezenet, squeezenet),
    "Critic and generator, step of 16": gan_step,
}
