"""A photograph painted like a picture, beside PyTorch doing the same: ``python -m bench.style CONTENT STYLE``.

As the command ``python -m fastnn style`` does it, with its weights (``python -m fastnn data squeezenet``), from the
same white noise.  In turn: fastnn; in both orders of axes PyTorch's gradient under the L-BFGS of fastnn, and PyTorch's
own L-BFGS with its line search, the image clipped before each evaluation, as is usual there.  Losses and gradients of
the first image are compared before anything is timed.  ``--threads 2``; ``--isa avx2`` holds both to it.
"""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from time import perf_counter, sleep

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import fastnn as fn
from bench.image_nets import Fire
from bench.images import PAUSE, agree, medians
from bench.machine import describe
from bench.variants import hold
from fastnn._core.table import isa
from fastnn.cli.style import CONTENT, SMOOTH, STYLE, WEIGHTS, opened
from fastnn.insight.descent import lbfgs

RATIO = 0.03
FIRES = ((96, 16), (128, 16), (128, 32), (256, 32))  # up to the last layer that is asked
MEANS = (123.0, 117.0, 104.0)
Function = Callable[[np.ndarray], tuple[float, np.ndarray]]


class Features(nn.Module):
    """What SqueezeNet's first layers say to an image, pools averaging."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.fires = nn.Conv2d(3, 96, 7, 2), nn.ModuleList(Fire(*size) for size in FIRES)
        self.register_buffer("means", torch.tensor(MEANS).reshape(1, 3, 1, 1))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        """Of an image (1, C, H, W), 0 to 255."""
        said = [functional.relu(self.stem(x - self.means))]
        for number, fire in enumerate(self.fires):
            pooled = functional.avg_pool2d(said[-1], 3, 2, ceil_mode=True) if number in (0, 3) else said[-1]
            said.append(fire(pooled))
        return said


class TorchLoss:
    """The loss of ``fn.StyleLoss`` as a graph of PyTorch."""

    def __init__(self, module: Features, content: torch.Tensor, style: torch.Tensor, scales: Sequence[float]) -> None:
        self.module, self.scales = module, scales
        with torch.no_grad():
            self.content = module(content)[STYLE.index(CONTENT)]
            self.grams = [self.gram(*one) for one in zip(module(style), scales, strict=True)]

    @staticmethod
    def gram(features: torch.Tensor, scale: float) -> torch.Tensor:
        """Products of all pairs of channels, as means over the places."""
        flat = features[0].flatten(1)
        return flat @ flat.T * (scale**2 / flat.shape[1])

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Of an image (1, C, H, W)."""
        said = self.module(image)
        at = STYLE.index(CONTENT)
        loss = RATIO * self.scales[at] ** 2 / 2 * (said[at] - self.content).square().mean()
        for features, scale, wanted in zip(said, self.scales, self.grams, strict=True):
            loss = loss + (self.gram(features, scale) - wanted).square().sum() / (4 * len(wanted) ** 2 * len(STYLE))
        down, right = image[:, :, 1:] - image[:, :, :-1], image[..., 1:] - image[..., :-1]
        return loss + SMOOTH / image.numel() * (down.square().sum() + right.square().sum())

    def function(self, layout: torch.memory_format) -> Function:
        """Value and gradient of an image (H, W, C) of NumPy, without a copy where the order of axes is the same."""

        def look(image: np.ndarray) -> tuple[float, np.ndarray]:
            x = torch.from_numpy(image).permute(2, 0, 1)[None].contiguous(memory_format=layout).requires_grad_()
            loss = self(x)
            (slope,) = torch.autograd.grad(loss, x)
            return loss.item(), np.ascontiguousarray(slope[0].permute(1, 2, 0).numpy())

        return look


def by_ours(function: Function, start: np.ndarray, rate: float, evaluations: int) -> float:
    """The least loss that L-BFGS of fastnn meets within so many evaluations."""
    losses: list[float] = []

    def noted(image: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = function(image)
        losses.append(value)
        return value, slope

    for _ in islice(lbfgs(noted, start, rate, 0.0, 255.0), evaluations):
        pass
    return min(losses)


def by_theirs(loss: TorchLoss, start: np.ndarray, rate: float, layout: torch.memory_format, evaluations: int) -> float:
    """The least loss that L-BFGS of PyTorch meets within so many evaluations.

    Its first step is 1 long, all elements together: the image is measured in units in which that is as far as ours.
    """
    unit, losses = rate * start.size, []
    x = torch.from_numpy(start / unit).permute(2, 0, 1)[None].contiguous(memory_format=layout).requires_grad_()

    def closure() -> torch.Tensor:
        with torch.no_grad():
            x.clamp_(0.0, 255.0 / unit)
        value = loss(x * unit)
        (x.grad,) = torch.autograd.grad(value, x)
        losses.append(value.item())
        return value

    optimizer = torch.optim.LBFGS(
        [x], 1.0, max_iter=evaluations, max_eval=evaluations, tolerance_grad=0, tolerance_change=0,
        history_size=10, line_search_fn="strong_wolfe",
    )  # fmt: skip
    optimizer.step(closure)
    return min(losses[:evaluations])


def with_weights(module: Features, net: fn.Network) -> Features:
    """The module with the weights of the net's first layers, not to be learned."""
    views = dict(net.named_parameters())
    layers = {"conv1": module.stem}
    for number, fire in enumerate(module.fires, 2):
        names = ("squeeze1x1", "expand1x1", "expand3x3")
        layers |= {f"fire{number}_{name}": layer for name, layer in zip(names, fire.children(), strict=True)}
    for name, layer in layers.items():
        weight, bias = (np.array(views[f"{name}.{part}"]) for part in ("weight", "bias"))
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight.transpose(3, 2, 0, 1))))
            layer.bias.copy_(torch.from_numpy(bias))
    return module.requires_grad_(False)


def main() -> None:
    """Compare, time and print."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.style", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("content", help="a picture")
    parser.add_argument("style", help="another")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--isa", help="hold both to it")
    parser.add_argument("--evaluations", type=int, default=300)
    parser.add_argument("--size", type=int, default=256, help="pixels along the longer side")
    options = parser.parse_args()
    hold(options.isa)
    fn.set_num_threads(options.threads)
    torch.set_num_threads(options.threads)
    photograph, painting = opened([options.content, options.style], options.size).astype(np.float32)
    net = fn.nets.squeezenet(
        input_shape=photograph.shape, weights=fn.data_folder() / WEIGHTS, pooling="average", rgb=True
    )
    mine = fn.StyleLoss(
        net, photograph, painting, content_layers=CONTENT, style_layers=STYLE, ratio=RATIO, smooth=SMOOTH
    )
    noise = np.random.default_rng(0).standard_normal(photograph.shape)
    start = np.clip(photograph.mean() + photograph.std() * noise, 0, 255).astype(np.float32)
    rate = float(np.mean([one.std() for one in (photograph, painting)])) / 20
    functions: dict[str, Function] = {"fastnn": mine}
    ways = {"fastnn": partial(by_ours, mine, start, rate, options.evaluations)}
    for name, layout in (("NCHW", torch.contiguous_format), ("NHWC", torch.channels_last)):
        module = with_weights(Features(), net).to(memory_format=layout)
        seen, wanted = (torch.from_numpy(x).permute(2, 0, 1)[None] for x in (photograph, painting))
        theirs = TorchLoss(module, seen, wanted, [mine.scales[layer] for layer in STYLE])
        functions[f"PyTorch {name}"] = look = theirs.function(layout)
        ways[f"PyTorch {name}, same L-BFGS"] = partial(by_ours, look, start, rate, options.evaluations)
        ways[f"PyTorch {name}, its own L-BFGS"] = partial(by_theirs, theirs, start, rate, layout, options.evaluations)
    first = {name: function(start) for name, function in functions.items()}
    for name, (value, slope) in first.items():
        agree(f"{name}, loss", np.array([first["fastnn"][0]]), np.array([value]))
        agree(f"{name}, gradient", first["fastnn"][1], slope)
    print(f"{describe()['processor']}, {isa()}; {options.threads} threads; {photograph.shape}", flush=True)
    times = medians({name: partial(function, start) for name, function in functions.items()}, options.threads)
    for name, seconds in times.items():
        print(f"{name:30} loss and gradient {seconds * 1e3:7.1f} ms, {seconds / times['fastnn']:.2f}x", flush=True)
    own = 0.0
    for name, way in ways.items():
        sleep(PAUSE)
        began = perf_counter()
        least = way()
        seconds = perf_counter() - began
        own = own or seconds
        print(
            f"{name:30} {options.evaluations} evaluations {seconds:6.1f} s, {seconds / own:.2f}x; loss {least:.4g}",
            flush=True,
        )


if __name__ == "__main__":
    main()
