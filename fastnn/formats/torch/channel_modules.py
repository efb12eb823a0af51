"""Modules of PyTorch that act channel by channel of images or sequences, or give pixels other places."""

from typing import Any

from fastnn import layers
from fastnn.formats.foreign import Unsupported
from fastnn.layers.base import Layer, Shape


def instance_norm(module: Any, shape: Shape) -> list[Layer]:
    """InstanceNorm1d or InstanceNorm2d."""
    if module.track_running_stats:
        raise Unsupported("expected track_running_stats=False")
    affine = bool(module.affine)
    return [layers.InstanceNorm(epsilon=float(module.eps), scale=affine, shift=affine)]


def group_norm(module: Any, shape: Shape) -> list[Layer]:
    """GroupNorm."""
    affine = bool(module.affine)
    return [layers.GroupNorm(int(module.num_groups), epsilon=float(module.eps), scale=affine, shift=affine)]


def local_response_norm(module: Any, shape: Shape) -> list[Layer]:
    """LocalResponseNorm of an odd size."""
    if module.size % 2 == 0:
        raise Unsupported(f"expected an odd size, got {module.size}")
    return [layers.LocalResponseNorm(module.size, alpha=module.alpha, beta=module.beta, k=module.k)]


def shuffle(module: Any, shape: Shape) -> list[Layer]:
    """PixelShuffle."""
    return [layers.DepthToSpace(int(module.upscale_factor), "CRD")]


def unshuffle(module: Any, shape: Shape) -> list[Layer]:
    """PixelUnshuffle."""
    return [layers.SpaceToDepth(int(module.downscale_factor), "CRD")]


def upsample(module: Any, shape: Shape) -> list[Layer]:
    """Upsample by whole factors: nearest, or bilinear between the centres of pixels."""
    if module.mode not in ("nearest", "bilinear") or (module.mode == "bilinear" and module.align_corners):
        corners = ", align_corners=True" if module.align_corners else ""
        raise Unsupported(f"expected mode nearest, or bilinear with align_corners=False, got {module.mode}{corners}")
    if len(shape) != 3:
        raise Unsupported("expected images; fastnn makes no sequences longer")
    value = module.size if module.scale_factor is None else module.scale_factor
    both = value if isinstance(value, tuple | list) else (value, value)
    if module.scale_factor is None:
        both = tuple(wanted / n for wanted, n in zip(both, shape, strict=False))
    if any(one != int(one) or one < 1 for one in both):
        raise Unsupported(f"expected an image that is a whole number of times as large, got {value}")
    return [layers.Upsample2D((int(both[0]), int(both[1])), module.mode)]
