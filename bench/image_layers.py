"""The layers of convolution that are measured, and the same in other libraries."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional

import fastnn as fn

Call = Callable[[], Any]


@dataclass(frozen=True)
class ImageLayer:
    """B images of ``size`` squared with C channels under K by K windows of O filters."""

    batch: int
    channels: int
    size: int
    filters: int
    kernel: int
    stride: int = 1
    padding: int = 0
    kind: str = "convolution"

    @property
    def name(self) -> str:
        """As tables call it."""
        to = "" if self.kind == "depthwise" else f" to {self.filters}"
        kind = "" if self.kind == "convolution" else f" {self.kind}"
        stride = f" by {self.stride}" if self.stride > 1 else ""
        return f"{self.batch} x {self.size}x{self.size}x{self.channels}{to}, {self.kernel}x{self.kernel}{stride}{kind}"

    def layer(self) -> fn.Layer:
        """The layer of fastnn."""
        options: Any = {"strides": self.stride, "padding": self.padding}
        if self.kind == "depthwise":
            return fn.DepthwiseConv2D(self.kernel, **options)
        return (fn.ConvTranspose2D if self.kind == "transposed" else fn.Conv2D)(self.filters, self.kernel, **options)

    def flops(self, outputs: int) -> float:
        """Of the forward pass; ``outputs``: pixels that come out of one image."""
        pixels = self.size * self.size if self.kind == "transposed" else outputs
        filters = 1 if self.kind == "depthwise" else self.filters
        return 2.0 * self.batch * pixels * self.channels * filters * self.kernel**2


LAYERS = [
    ImageLayer(128, 16, 32, 16, 3, padding=1),
    ImageLayer(128, 32, 16, 32, 3, padding=1),
    ImageLayer(128, 64, 8, 64, 3, padding=1),
    ImageLayer(1, 16, 32, 16, 3, padding=1),
    ImageLayer(1, 64, 56, 64, 3, padding=1),
    ImageLayer(128, 16, 32, 32, 3, stride=2, padding=1),
    ImageLayer(1, 64, 56, 16, 1),
    ImageLayer(1, 3, 227, 96, 7, stride=2),
    ImageLayer(128, 3, 32, 16, 3, padding=1),
    ImageLayer(128, 1, 28, 6, 5),
    ImageLayer(128, 6, 12, 16, 5),
    ImageLayer(1, 16, 55, 64, 3, padding=1),
    ImageLayer(1, 64, 13, 256, 3, padding=1),
    ImageLayer(16, 64, 16, 64, 3, padding=1),
    ImageLayer(1, 64, 56, 64, 3, padding=1, kind="depthwise"),
    ImageLayer(128, 64, 8, 64, 3, padding=1, kind="depthwise"),
    ImageLayer(16, 64, 8, 64, 4, stride=2, padding=1, kind="transposed"),
    ImageLayer(16, 64, 16, 3, 1),
]


def torch_calls(one: ImageLayer, net: fn.Sequential, X: np.ndarray, dy: np.ndarray) -> dict[str, tuple[Call, Call]]:
    """Forward, and forward with backward, of PyTorch, images channels first and channels last."""
    weight, bias = (torch.from_numpy(np.array(view)) for _, view in net.named_parameters())
    weight = weight.permute(2, 3, 0, 1) if one.kind == "depthwise" else weight.permute(3, 2, 0, 1)
    function = functional.conv_transpose2d if one.kind == "transposed" else functional.conv2d
    groups = one.channels if one.kind == "depthwise" else 1
    made: dict[str, tuple[Call, Call]] = {}
    for name, layout in (("NCHW", torch.contiguous_format), ("NHWC", torch.channels_last)):
        x, w, gradient = (
            value.contiguous(memory_format=layout)
            for value in (torch.from_numpy(X).permute(0, 3, 1, 2), weight, torch.from_numpy(dy).permute(0, 3, 1, 2))
        )
        b = bias.clone()

        def forward(x: Any = x, w: Any = w, b: Any = b) -> Any:
            with torch.inference_mode():
                return function(x, w, b, stride=one.stride, padding=one.padding, groups=groups)

        leaves = [value.clone(memory_format=torch.preserve_format).requires_grad_() for value in (x, w, b)]

        def both(leaves: Any = leaves, gradient: Any = gradient) -> Any:
            y = function(*leaves, stride=one.stride, padding=one.padding, groups=groups)
            return y.detach(), *torch.autograd.grad(y, leaves, gradient)

        made[f"PyTorch {name}"] = forward, both
    return made


def jax_calls(one: ImageLayer, net: fn.Sequential, X: np.ndarray, dy: np.ndarray) -> dict[str, tuple[Call, Call]]:
    """The same of JAX, compiled; not where it takes a hundred times as long."""
    import jax
    from jax import lax

    if one.kind != "convolution":
        return {}
    w, b = (jax.numpy.asarray(np.array(view)) for _, view in net.named_parameters())
    x, gradient = jax.numpy.asarray(X), jax.numpy.asarray(dy)

    def function(x: Any, w: Any, b: Any) -> Any:
        names, edges = ("NHWC", "HWIO", "NHWC"), [(one.padding, one.padding)] * 2
        return lax.conv_general_dilated(x, w, (one.stride,) * 2, edges, dimension_numbers=names) + b

    forward = jax.jit(function)

    @jax.jit
    def both(x: Any, w: Any, b: Any, gradient: Any) -> Any:
        y, back = jax.vjp(function, x, w, b)
        return y, *back(gradient)

    return {
        "JAX": (
            lambda: forward(x, w, b).block_until_ready(),
            lambda: jax.block_until_ready(both(x, w, b, gradient)),
        )
    }
