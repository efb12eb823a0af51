"""Layers of images and of series of Keras; it has the channels last too, unless told otherwise."""

from typing import Any

from fastnn import layers
from fastnn.formats.foreign import Unsupported
from fastnn.layers.base import Layer, Shape

Config = dict[str, Any]


def require_images(config: Config, shape: Shape, axes: int = 2) -> None:
    """Raise Unsupported unless a layer has images, or sequences where it has one axis, with the channels last."""
    if (config.get("data_format") or "channels_last") != "channels_last":
        raise Unsupported("expected data_format='channels_last'; build the model again with it, weights are the same")
    if len(shape) != axes + 1:
        wanted = "images (B, H, W, C)" if axes == 2 else "sequences (B, T, C)"
        raise Unsupported(f"expected {wanted}, got (B, {', '.join(map(str, shape))})")


def given(numbers: Any) -> Any:
    """Return a setting as layers are given it: of sequences one number alone."""
    several = tuple(numbers) if isinstance(numbers, list | tuple) else (numbers,)
    return several[0] if len(several) == 1 else several


def windows(config: Config) -> Config:
    """Return what all convolutions are given."""
    return {
        "strides": given(config["strides"]),
        "padding": config["padding"],
        "dilation": given(config["dilation_rate"]),
        "bias": config["use_bias"],
    }


def convolution(kind: Any, config: Config, shape: Shape, activation: Layer | None) -> list[Layer]:
    """Conv1D or Conv2D with an activation."""
    require_images(config, shape, 1 if kind is layers.Conv1D else 2)
    kernel, groups = given(config["kernel_size"]), config.get("groups", 1)
    return [kind(config["filters"], kernel, activation, groups=groups, **windows(config))]


def depthwise_convolution(config: Config, shape: Shape, activation: Layer | None) -> list[Layer]:
    """DepthwiseConv2D with an activation."""
    require_images(config, shape)
    kernel, multiplier = given(config["kernel_size"]), config["depth_multiplier"]
    return [layers.DepthwiseConv2D(kernel, activation, depth_multiplier=multiplier, **windows(config))]


def separable_convolution(config: Config, shape: Shape, activation: Layer | None) -> list[Layer]:
    """SeparableConv2D: each channel by itself, and then all of a pixel."""
    channels = depthwise_convolution(config | {"use_bias": False}, shape, None)
    return [*channels, layers.Conv2D(config["filters"], 1, activation, bias=config["use_bias"])]


def transposed_convolution(config: Config, shape: Shape, activation: Layer | None) -> list[Layer]:
    """Conv2DTranspose with an activation; without padding its output has at least a stride for each pixel."""
    require_images(config, shape)
    if config.get("output_padding") is not None:
        raise Unsupported("it has output_padding")
    kernel, options = given(config["kernel_size"]), windows(config)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, options["dilation"], strict=True)]
    more = tuple(max(s - r, 0) for s, r in zip(options["strides"], reach, strict=True))
    if config["padding"] == "valid":
        options["output_padding"] = more
    return [layers.ConvTranspose2D(config["filters"], kernel, activation, **options)]


def pooling(kind: Any, config: Config, shape: Shape) -> list[Layer]:
    """MaxPooling or AveragePooling, 1D or 2D: a mean is over what lies in the image."""
    require_images(config, shape, 1 if kind in (layers.MaxPool1D, layers.AvgPool1D) else 2)
    size = given(config["pool_size"])
    return [kind(size, strides=given(config["strides"] or size), padding=config["padding"])]


def padding(config: Config, shape: Shape) -> list[Layer]:
    """ZeroPadding2D."""
    require_images(config, shape)
    return [layers.Pad2D(pairs_of(config["padding"]))]


def cropping(config: Config, shape: Shape) -> list[Layer]:
    """Cropping2D."""
    require_images(config, shape)
    return [layers.Crop2D(pairs_of(config["cropping"]))]


def pairs_of(value: Any) -> Any:
    """Return ((top, bottom), (left, right)), which a configuration may have as lists."""
    return tuple(tuple(both) if isinstance(both, list | tuple) else both for both in value)


def upsampling(config: Config, shape: Shape) -> list[Layer]:
    """UpSampling2D."""
    require_images(config, shape)
    mode = config.get("interpolation", "nearest")
    if mode not in ("nearest", "bilinear"):
        raise Unsupported(f"expected interpolation nearest or bilinear, got {mode!r:.40}")
    return [layers.Upsample2D(given(config["size"]), mode)]


def global_pooling(kind: type[Layer], config: Config, shape: Shape) -> list[Layer]:
    """GlobalMaxPooling2D or GlobalAveragePooling2D."""
    require_images(config, shape)
    pooled: list[Layer] = [kind()]
    return [*pooled, layers.Reshape((1, 1, shape[-1]))] if config.get("keepdims") else pooled
