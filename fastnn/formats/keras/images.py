"""Layers of images of Keras; it has the channels last too, unless told otherwise."""

from typing import Any

from fastnn import layers
from fastnn.formats.foreign import Unsupported
from fastnn.layers.base import Layer, Shape

Config = dict[str, Any]


def require_images(config: Config, shape: Shape) -> None:
    """Raise Unsupported unless a layer has images with the channels last."""
    if (config.get("data_format") or "channels_last") != "channels_last":
        raise Unsupported("expected data_format='channels_last'; build the model again with it, weights are the same")
    if len(shape) != 3:
        raise Unsupported(f"expected images (B, H, W, C), got (B, {', '.join(map(str, shape))})")


def convolution(config: Config, shape: Shape, activation: Layer | None) -> list[Layer]:
    """Conv2D with an activation."""
    require_images(config, shape)
    return [
        layers.Conv2D(
            config["filters"], tuple(config["kernel_size"]), activation, strides=tuple(config["strides"]),
            padding=config["padding"], dilation=tuple(config["dilation_rate"]), groups=config.get("groups", 1),
            bias=config["use_bias"],
        )
    ]  # fmt: skip


def pooling(kind: type[Layer], config: Config, shape: Shape) -> list[Layer]:
    """MaxPooling2D or AveragePooling2D: a mean is over what lies in the image."""
    require_images(config, shape)
    strides = config["strides"] or config["pool_size"]
    return [kind(tuple(config["pool_size"]), strides=tuple(strides), padding=config["padding"])]  # type: ignore[call-arg]


def global_pooling(kind: type[Layer], config: Config, shape: Shape) -> list[Layer]:
    """GlobalMaxPooling2D or GlobalAveragePooling2D."""
    require_images(config, shape)
    pooled: list[Layer] = [kind()]
    return [*pooled, layers.Reshape((1, 1, shape[-1]))] if config.get("keepdims") else pooled
