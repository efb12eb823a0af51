"""A step of critic and generator at 16 x 16 pixels, and the same in PyTorch with the weights of fastnn's.

As ``examples/progressive_gan.py`` takes it once a size has faded in: Wasserstein critic with drift, the penalty on its
slopes and the deviation of the batch, PixelNorm in the generator; PyTorch's penalty by double backward, its critic not
learned while the generator is.  Adam for both, fused in PyTorch; neither rates equalised nor weights averaged.  Before
it is timed the gradients of both networks are compared, but for the last update of any.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import fastnn as fn

BATCH, SIDE, CHANNELS, LATENT = 16, 16, 64, 64
DRIFT, PENALTY = 1e-3, 10.0
RATE, BETAS = 1e-3, (0.0, 0.99)
TOLERANCE = 2e-4  # of the largest value; the bias of the judge is what is left of sums that cancel, 3e-5 found
Call = Callable[[], Any]
Batch = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]  # real, where between, latents of either step
LEAKY = fn.Activation("leaky_relu", alpha=0.2)


def generator(winograd: bool) -> fn.Network:
    """From the hypersphere to pictures."""

    def convolved(x: fn.Tensor) -> fn.Tensor:
        return fn.PixelNorm()(fn.Conv2D(CHANNELS, 3, LEAKY, winograd=winograd)(x))

    z = fn.Input(LATENT)
    h = fn.Dense(16 * CHANNELS, LEAKY)(fn.PixelNorm()(z))
    h = convolved(fn.PixelNorm()(fn.Reshape((4, 4, CHANNELS))(h)))
    for _ in range(2):
        h = convolved(convolved(fn.Upsample2D(2)(h)))
    return fn.Network(z, fn.Conv2D(1, 1)(h), seed=0)


def critic(winograd: bool) -> fn.Network:
    """The way back, to one number."""
    h = picture = fn.Input((SIDE, SIDE, 1))
    h = fn.Conv2D(CHANNELS, 1, LEAKY)(h)
    for _ in range(2):
        for _ in range(2):
            h = fn.Conv2D(CHANNELS, 3, LEAKY, winograd=winograd)(h)
        h = fn.AvgPool2D(2)(h)
    h = fn.Conv2D(CHANNELS, 3, LEAKY, winograd=winograd)(fn.MinibatchStdDev(4)(h))
    h = fn.Dense(CHANNELS, LEAKY)(fn.Flatten()(h))
    return fn.Network(picture, fn.Dense(1)(h), seed=1)


def pixel_norm(x: torch.Tensor) -> torch.Tensor:
    """As ``fn.PixelNorm``."""
    return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


def deviation(x: torch.Tensor) -> torch.Tensor:
    """As ``fn.MinibatchStdDev(4)``."""
    spread = (x.unflatten(0, (-1, 4)).var(1, correction=0) + 1e-8).sqrt().mean((1, 2, 3), keepdim=True)
    return torch.cat([x, spread.repeat_interleave(4, 0).expand(-1, 1, *x.shape[2:])], 1)


def leaky(x: torch.Tensor) -> torch.Tensor:
    """As ``LEAKY``."""
    return functional.leaky_relu(x, 0.2)


class Generator(nn.Module):
    """As ``generator``."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(LATENT, 16 * CHANNELS)
        self.body = nn.ModuleList(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1) for _ in range(5))
        self.last = nn.Conv2d(CHANNELS, 1, 1)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """Pictures (B, 1, H, W), with channels last where the weights lie so."""
        h = leaky(self.first(pixel_norm(z))).view(-1, 4, 4, CHANNELS).permute(0, 3, 1, 2)
        if not self.body[0].weight.is_contiguous(memory_format=torch.channels_last):
            h = h.contiguous()
        h = pixel_norm(h)
        for number, layer in enumerate(self.body):
            if number in (1, 3):
                h = functional.interpolate(h, scale_factor=2)
            h = pixel_norm(leaky(layer(h)))
        return self.last(h)


class Critic(nn.Module):
    """As ``critic``."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, CHANNELS, 1)
        self.body = nn.ModuleList(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1) for _ in range(4))
        self.last = nn.Conv2d(CHANNELS + 1, CHANNELS, 3, padding=1)
        self.dense, self.judge = nn.Linear(16 * CHANNELS, CHANNELS), nn.Linear(CHANNELS, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Of pictures (B, 1, H, W)."""
        h = leaky(self.first(x))
        for number, layer in enumerate(self.body):
            h = leaky(layer(h))
            if number % 2:
                h = functional.avg_pool2d(h, 2)
        h = leaky(self.last(deviation(h)))
        return self.judge(leaky(self.dense(h.permute(0, 2, 3, 1).flatten(1))))


def turned(value: np.ndarray) -> np.ndarray:
    """A weight with its axes in the order of PyTorch."""
    return np.ascontiguousarray(value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T)


def learned(pairs: Iterable[tuple[str, np.ndarray]]) -> list[np.ndarray]:
    """Parameters or their gradients, without running statistics, as PyTorch has them."""
    return [turned(np.array(value)) for name, value in pairs if "running" not in name]


def with_weights(module: nn.Module, net: fn.Network, layout: torch.memory_format) -> nn.Module:
    """The module with the parameters of the net, which both have in the same order."""
    for theirs, value in zip(module.parameters(), learned(net.named_parameters()), strict=True):
        with torch.no_grad():
            theirs.copy_(torch.from_numpy(value))
    return module.to(memory_format=layout)


def by_fastnn(G: fn.Network, D: fn.Network, batch: Batch) -> Iterator[fn.Network]:
    """Take a step; yield the critic, then the generator, when its gradient is there and before it is used."""
    real, where, for_critic, for_generator = batch
    fake = G.forward(for_critic)
    y = D.forward(np.concatenate([real, fake]), training=True)
    D.backward(np.concatenate([2 * DRIFT * y[:BATCH] - 1, np.ones((BATCH, 1))]) / BATCH, inputs=False)
    fn.gradient_penalty(D, fake + where * (real - fake), PENALTY)
    yield D
    D.apply_gradients()
    D.forward(G.forward(for_generator, training=True), training=True)
    G.backward(D.backward(np.full((BATCH, 1), -1 / BATCH), parameters=False), inputs=False)
    yield G
    G.apply_gradients()


def by_torch(G: nn.Module, D: nn.Module, rules: list[Any], batch: list[torch.Tensor]) -> Iterator[nn.Module]:
    """The same in PyTorch."""
    real, where, for_critic, for_generator = batch
    with torch.no_grad():
        fake = G(for_critic)
    y = D(torch.cat([real, fake]))
    loss = y[BATCH:].mean() - y[:BATCH].mean() + DRIFT * y[:BATCH].square().mean()
    between = torch.lerp(fake, real, where).requires_grad_()
    (slope,) = torch.autograd.grad(D(between).sum(), between, create_graph=True)
    loss = loss + PENALTY * (slope.flatten(1).norm(dim=1) - 1).square().mean()
    rules[1].zero_grad(set_to_none=True)
    loss.backward()
    yield D
    rules[1].step()
    D.requires_grad_(False)
    rules[0].zero_grad(set_to_none=True)
    (-D(G(for_generator)).mean()).backward()
    D.requires_grad_(True)
    yield G
    rules[0].step()


def agree(name: str, mine: list[np.ndarray], theirs: list[np.ndarray]) -> None:
    """Stop if a gradient is another one."""
    for number, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        worst = np.abs(a - b).max() / np.abs(b).max()
        if not worst < TOLERANCE:
            raise SystemExit(f"{name}: another gradient {number}, by {worst:.1e} of the largest value")


def gan_step(threads: int, compiled: bool) -> dict[str, Call]:
    """A step by the name of who takes it; PyTorch's compiler has no double backward."""
    random = np.random.default_rng(0)
    real = random.uniform(-1, 1, (BATCH, SIDE, SIDE, 1)).astype(np.float32)
    where = random.uniform(size=(BATCH, 1, 1, 1)).astype(np.float32)
    batch = real, where, *random.standard_normal((2, BATCH, LATENT), dtype=np.float32)
    steps: dict[str, Callable[[], Iterator[Any]]] = {}
    for layout, name in ((torch.contiguous_format, "NCHW"), (torch.channels_last, "NHWC")):
        nets = generator(False), critic(False)
        modules = with_weights(Generator(), nets[0], layout), with_weights(Critic(), nets[1], layout)
        rules = [torch.optim.Adam(module.parameters(), RATE, BETAS, fused=True) for module in modules]
        images = [torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=layout) for x in batch[:2]]
        theirs = [*images, *map(torch.from_numpy, batch[2:])]
        steps[f"PyTorch {name}"] = partial(by_torch, *modules, rules, theirs)
    for name, winograd in (("fastnn with winograd", True), ("fastnn", False)):
        nets = generator(winograd), critic(winograd)
        for net in nets:
            net.compile(optimizer=fn.Adam(RATE, beta1=BETAS[0], beta2=BETAS[1]))
        steps[name] = partial(by_fastnn, *nets, batch)
    first: dict[str, list[list[np.ndarray]]] = {}
    for name, step in steps.items():
        first[name] = [gradients(net) for net in step()]
    for name, found in first.items():
        for number, who in enumerate(("critic", "generator")):
            agree(f"{name}, {who}", first["fastnn"][number], found[number])
    return {name: partial(taken, step) for name, step in reversed(steps.items())}


def gradients(net: Any) -> list[np.ndarray]:
    """The gradients of a network or module."""
    if isinstance(net, nn.Module):
        return [np.array(one.grad) for one in net.parameters()]
    return learned(net.named_gradients())


def taken(step: Callable[[], Iterator[Any]]) -> None:
    """Take a step to its end."""
    for _ in step():
        pass
