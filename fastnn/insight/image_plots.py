"""Pictures of what networks for images hold and see: filters, maps of features, and images made from features."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastnn._spec import choose, require_count
from fastnn.insight.inversion import InvertedFeatures
from fastnn.insight.score import one_input, require_network
from fastnn.plotting import figure as draw

_MOST_CHANNELS = 16


def plot_filters(net: Any, path: str | Path | None = None, *, layer: str | None = None, most: int = 32) -> Any:
    """Draw the filters of a convolution: what each window of the image is compared with.

    Other parameters are those of plot_history.

    Parameters
    ----------
    net : Network
        With a layer whose weights are windows, (KH, KW, C, O).
    layer : str, optional
        Its name; the first such layer if not given.
    most : int
        How many filters to draw, from the first on.

    Returns
    -------
    matplotlib.figure.Figure
        Of one channel red above 0 and blue below, of three in colours about grey, each filter in its own scale; of
        others a row per filter, with its first 16 channels side by side in one scale.

    Raises
    ------
    TypeError, ValueError
        If ``net`` is no network, has no such layer, or ``most`` does not fit.

    Examples
    --------
    >>> import fastnn as fn
    >>> net = fn.Sequential([fn.Conv2D(8, 5, "relu"), fn.Flatten(), fn.Dense(10)], input_shape=(28, 28, 1), seed=0)
    >>> figure = fn.plot_filters(net)
    """
    who = "plot_filters"
    require_count(who, "most", most)
    weights = filters_of(require_network(who, net))
    if not weights:
        raise ValueError(f"{who}: expected a network with a convolution of images, got none")
    name = next(iter(weights)) if layer is None else layer
    choose(f"{who}: unknown layer of filters", name, list(weights))
    filters = np.moveaxis(weights[name], -1, 0)[:most]
    count, channels = len(filters), filters.shape[-1]
    if channels in (1, 3):
        columns = min(count, 8)
        lines = -(-count // columns)
        figure = draw.new_figure(who, max(1.0 * columns + 0.3, 3.0), 1.0 * lines + 0.6)
        for axes, image in _filled(figure.subplots(lines, columns, squeeze=False).flat, filters):
            draw.show_weights(axes, image)
    else:
        shown = min(channels, _MOST_CHANNELS)
        figure = draw.new_figure(who, max(0.6 * shown + 1.0, 4.0), 0.6 * count + 0.6)
        for i, line in enumerate(figure.subplots(count, shown, squeeze=False)):
            limit = float(np.abs(filters[i]).max())
            for channel, axes in enumerate(line):
                image = filters[i, :, :, channel]
                draw.show_signed(axes, image, image.shape, limit)
            line[0].set_ylabel(f"{i}", fontsize=9, rotation=0, ha="right", va="center")
    figure.suptitle(f"{_some(count, weights[name].shape[-1])} filters of {name}", fontsize=12)
    return draw.finish(figure, path)


def plot_feature_maps(
    net: Any, x: Any, path: str | Path | None = None, *, layers: Sequence[str] | None = None, most: int = 8
) -> Any:
    """Draw what the layers of a network make of one image: a row per layer, with its first maps of features.

    Other parameters are those of plot_history.

    Parameters
    ----------
    net : Network
        With one input of images (H, W, C); left as it is.
    x : array_like of shape (H, W, C)
        The image.
    layers : list of str, optional
        Names of layers that give images; all of them if not given.
    most : int
        How many maps of each, from the first on.

    Returns
    -------
    matplotlib.figure.Figure
        Bright where a map is high; each map has its own scale.

    Raises
    ------
    TypeError, ValueError
        If ``net`` is no such network, x does not fit, or a layer gives no images.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> layers = [fn.Conv2D(8, 3, "relu"), fn.MaxPool2D(2), fn.Flatten(), fn.Dense(10)]
    >>> net = fn.Sequential(layers, input_shape=(28, 28, 1), seed=0)
    >>> figure = fn.plot_feature_maps(net, np.ones((28, 28, 1)))
    """
    who = "plot_feature_maps"
    require_count(who, "most", most)
    one_input(who, net)
    if len(net.input_shape) != 3 or np.shape(x) != net.input_shape:
        raise ValueError(f"{who}: expected one image of {net.input_shape} for a network of images, got {np.shape(x)}")
    image = np.asarray(x)
    said = {name: values[0] for name, values in net.astype(net.dtype).activations(image[None]).items()}
    maps = {name: values for name, values in said.items() if values.ndim == 3}
    if not maps:
        raise ValueError(f"{who}: expected a network with a layer that gives images (h, w, C), got none")
    for name in maps if layers is None else layers:
        choose(f"{who}: unknown layer of images", name, list(maps))
    names = list(maps) if layers is None else list(layers)
    if not names:
        raise ValueError(f"{who}: expected at least one layer, got an empty list")
    columns = min(most, max(maps[name].shape[-1] for name in names))
    figure = draw.new_figure(who, 1.15 * (columns + 1) + 0.6, 1.15 * len(names) + 0.7)
    grid = figure.subplots(len(names), columns + 1, squeeze=False)
    for line, name in zip(grid, names, strict=True):
        line[0].set_axis_off()
        for axes, values in _filled(line[1:], np.moveaxis(maps[name], -1, 0)[:columns]):
            draw.show_image(axes, values, values.shape, cmap="viridis")
        shape, total = maps[name].shape, maps[name].shape[-1]
        text = f"{name}\n{shape[0]} x {shape[1]}\n{_some(min(columns, total), total)}"
        line[0].text(1.0, 0.5, text, transform=line[0].transAxes, ha="right", va="center", fontsize=9)
    figure.suptitle("maps of features", fontsize=12)
    return draw.finish(figure, path)


def plot_inversion(
    found: InvertedFeatures | Sequence[InvertedFeatures], path: str | Path | None = None, *, rows: int = 6
) -> Any:
    """Draw images beside those made from what layers see in them.

    Other parameters are those of plot_history.

    Parameters
    ----------
    found : InvertedFeatures or list of InvertedFeatures
        What ``invert_features`` returned, all for the same images.
    rows : int
        How many images, from the first on.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        If there is nothing to draw, or the images differ.

    Examples
    --------
    >>> import fastnn as fn
    >>> X, y = fn.load_digits()
    >>> net = fn.Sequential([fn.Conv2D(8, 3, "relu"), fn.Flatten(), fn.Dense(10)], input_shape=(8, 8, 1), seed=0)
    >>> figure = fn.plot_inversion(fn.invert_features(net, X[:2].reshape(-1, 8, 8, 1), "conv2d_1", steps=20))
    """
    who = "plot_inversion"
    require_count(who, "rows", rows)
    given = [found] if isinstance(found, InvertedFeatures) else list(found)
    if not given or not all(isinstance(one, InvertedFeatures) for one in given):
        raise TypeError(f"{who}: expected InvertedFeatures or a list of them, got {found!r:.80}")
    if not all(np.array_equal(one.inputs, given[0].inputs) for one in given):
        raise ValueError(f"{who}: expected images made for the same inputs, got different ones")
    count = min(rows, len(given[0].inputs))
    figure = draw.new_figure(who, max(1.7 * (len(given) + 1) + 0.3, 3.0), 1.75 * count + 0.5)
    for i, line in enumerate(figure.subplots(count, len(given) + 1, squeeze=False)):
        draw.show_picture(line[0], given[0].inputs[i])
        for axes, one in zip(line[1:], given, strict=True):
            draw.show_picture(axes, one.values[i])
            axes.set_xlabel(f"distance {one.distances[-1, i]:.2g}", fontsize=9)
        if i == 0:
            for axes, title in zip(line, ["input", *(one.layer for one in given)], strict=True):
                axes.set_title(title, fontsize=11)
    return draw.finish(figure, path)


def filters_of(net: Any) -> dict[str, np.ndarray]:
    """Return the weights of layers that look at images through windows, (KH, KW, C, O), by name."""
    weights = {view.name: view.parameters["weight"] for view in net.layers if "weight" in view.parameters}
    return {name: values for name, values in weights.items() if values.ndim == 4}


def _filled(places: Any, images: Any) -> Any:
    """Yield axes with the images that stand there, and make the other axes empty."""
    for i, axes in enumerate(places):
        if i < len(images):
            yield axes, images[i]
        else:
            axes.set_axis_off()


def _some(count: int, total: int) -> str:
    """Say how many of all are shown."""
    return f"{count}" if count == total else f"{count} of {total}"
