"""Pictures of what the insight functions return, drawn without any global state of matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastnn._spec import require_count
from fastnn.insight.attribution import Attribution
from fastnn.insight.flow import GradientFlow, gradient_flow
from fastnn.insight.grad_cam import GradCAM
from fastnn.insight.histograms import Histogram, Histograms
from fastnn.insight.importance import PermutationImportance
from fastnn.insight.maximise import MaximisedInputs
from fastnn.insight.probes import LinearProbes
from fastnn.layers.base import Shape
from fastnn.plotting import figure as draw

_MOST_TICKS = 12


def _by_title(who: str, given: Any, kind: type, otherwise: str = "") -> dict[str, Any]:
    """Return what is to be drawn by its title, if it is one of ``kind`` or a dict of such."""
    found = dict(given) if isinstance(given, Mapping) else {"": given}
    if not found:
        raise ValueError(f"{who}: expected at least one {kind.__name__}, got an empty dict")
    for one in found.values():
        if not isinstance(one, kind):
            raise TypeError(
                f"{who}: expected a {kind.__name__}, a dict of them by title{otherwise}, got {type(one).__name__}"
            )
    return found


def _image_shape(who: str, own: Shape, shape: Shape | None) -> Shape | None:
    """Return how elements of the shape ``own`` are an image, or None if they are none."""
    layout = own if shape is None and len(own) == 2 else shape
    if shape is None and len(own) == 3 and own[-1] == 1:
        layout = own[:2]
    if layout is not None and (len(layout) != 2 or np.prod(layout) != np.prod(own)):
        raise ValueError(f"{who}: expected a shape (H, W) of {np.prod(own)} elements, got {layout}")
    return layout


def _check_names(who: str, names: Sequence[str] | None, size: int) -> None:
    if names is not None and len(names) != size:
        raise ValueError(f"{who}: expected {size} names, one per element, got {len(names)}")


def plot_gradient_flow(
    flow: GradientFlow | Mapping[str, GradientFlow] | tuple[Any, Any, Any], path: str | Path | None = None
) -> Any:
    """Draw the norms of gradient, weights and update over depth, and the shares of dead and saturated units, if any.

    Recurrent layers add the norm of the gradient of their state over time.

    Other parameters are those of plot_history.

    Parameters
    ----------
    flow : GradientFlow, dict of str to GradientFlow, or tuple (net, X, y)
        What ``gradient_flow`` returned; several by title are drawn side by side on common axes.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError
        If ``flow`` is none of these.
    ValueError
        If there is none to draw.

    Examples
    --------
    >>> import fastnn as fn
    >>> X, y = fn.load_digits()
    >>> net = fn.Sequential([fn.Dense(32, "relu"), fn.Dense(10)], input_shape=64, seed=0)
    >>> net.compile("cross_entropy", fn.SGD(0.1))
    >>> figure = fn.plot_gradient_flow((net, X[:256], y[:256]))
    """
    if isinstance(flow, tuple) and len(flow) == 3:
        flow = gradient_flow(*flow)
    flows = _by_title("plot_gradient_flow", flow, GradientFlow, ", or (net, X, y)")
    over_time = any(one.through_time for one in flows.values())
    shared = any(np.nansum(share) > 0 for one in flows.values() for share in (one.dead, one.saturated))
    heights = [2.4] + [1.0] * shared + [1.6] * over_time  # a panel that has nothing to show is left out
    figure = draw.new_figure("plot_gradient_flow", max(7.5, 4.0 * len(flows) + 1.0), 1.84 * sum(heights) + 0.1)
    grid = figure.subplots(len(heights), len(flows), sharey="row", squeeze=False, height_ratios=heights)
    for column, (title, one) in enumerate(flows.items()):
        norms = lowest = grid[0, column]
        _draw_norms(norms, one)
        norms.set_title(title, fontsize=13)
        draw.dress(norms, "", "norm" if column == 0 else "")
        if shared:
            lowest = grid[1, column]
            norms.sharex(lowest)
            norms.tick_params(labelbottom=False)
            _draw_shares(lowest, one)
            draw.dress(lowest, "", "share" if column == 0 else "")
        _layer_ticks(lowest, one.layers)
        if over_time:
            for name, values in one.through_time.items():
                _draw_positive(grid[-1, column], values, name)
            grid[-1, column].set_yscale("log")
            if len(one.through_time) > 1:
                grid[-1, column].legend(frameon=False, fontsize=10)
            draw.dress(grid[-1, column], "time step", "norm of dh" if column == 0 else "")
    top = [line for axes in grid[0] for line in axes.get_lines() if not line.get_label().startswith("_")]
    bars = [bar for axes in grid[1] for bar in axes.containers] if shared else []
    handles = {handle.get_label(): handle for handle in (*top, *bars)}
    figure.legend(handles=handles.values(), loc="outside upper center", ncols=len(handles), fontsize=11, frameon=False)
    return draw.finish(figure, path)


def _draw_norms(axes: Any, flow: GradientFlow) -> None:
    marker = "o" if len(flow.layers) <= 20 else None
    for name, values, color in (
        ("gradient", flow.gradient, draw.ORANGE),
        ("weights", flow.weight, draw.BLUE),
        ("update", flow.update, draw.GREEN),
    ):
        _draw_positive(axes, values, name, color=color, marker=marker, markersize=4)


def _draw_positive(axes: Any, values: np.ndarray, name: str, **style: Any) -> None:
    """Draw a curve on a logarithmic axis, which has no place for 0."""
    drawn = np.flatnonzero(np.isfinite(values) & (values > 0))
    axes.plot(drawn + 1, values[drawn], label=name, linewidth=2, **style)
    axes.set_yscale("log")


def _draw_shares(axes: Any, flow: GradientFlow) -> None:
    where = np.arange(1, len(flow.layers) + 1)
    for name, values, color in (("dead units", flow.dead, "#444444"), ("saturated", flow.saturated, draw.GOLD)):
        axes.bar(where, np.nan_to_num(values), width=0.8, color=color, label=name)
    axes.set_ylim(0, 1)


def _layer_ticks(axes: Any, layers: Sequence[str]) -> None:
    """Name the layers below the axis; number them where they are many."""
    if len(layers) <= _MOST_TICKS:
        draw.name_ticks(axes, range(1, len(layers) + 1), layers, rotation=40, size=10)
    else:
        axes.set_xlabel("layer", fontsize=12)
        draw.few_ticks(axes.xaxis, 6)


def plot_histograms(counted: Histograms, path: str | Path | None = None) -> Any:
    """Draw the histograms of weights, activations and gradients, one above the other from the first layer up.

    Other parameters are those of plot_history.

    Parameters
    ----------
    counted : Histograms
        What ``histograms`` returned.

    Returns
    -------
    matplotlib.figure.Figure
        Each curve has its own height, the square root of the share of values; a column has one axis, so that spreads
        can be compared.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.Dense(8, "tanh"), fn.Dense(3)], input_shape=4, seed=0)
    >>> figure = fn.plot_histograms(fn.histograms(net, np.eye(4)))
    """
    parts = {"weights": counted.weights, "activations": counted.activations, "gradients": counted.gradients}
    parts = {title: part for title, part in parts.items() if part}
    tallest = max(map(len, parts.values()))
    figure = draw.new_figure("plot_histograms", 4.4 * len(parts) + 0.6, min(max(3.2, 1.2 + 0.7 * tallest), 14.0))
    grid = figure.subplots(1, len(parts), squeeze=False)[0]
    for axes, (title, part), color in zip(grid, parts.items(), (draw.BLUE, draw.GREEN, draw.ORANGE), strict=False):
        _draw_ridges(axes, part, color)
        draw.dress(axes, title.removesuffix("s"))
        draw.few_ticks(axes.xaxis)
        axes.set_title(title, fontsize=13)
        axes.set_yticks(range(len(part)), list(part), fontsize=10 if tallest <= 20 else 7)
        axes.set_ylim(-0.15, len(part) + 0.1)
    return draw.finish(figure, path)


def _draw_ridges(axes: Any, part: Mapping[str, Histogram], color: str) -> None:
    for level, (counts, edges) in enumerate(part.values()):
        height = 0.9 * np.sqrt(counts / counts.max())
        axes.fill_between(edges, level, level + np.append(height, height[-1]), step="post", color=color, alpha=0.55)
        axes.plot(edges, level + np.append(height, height[-1]), drawstyle="steps-post", color=color, linewidth=0.8)


def plot_attribution(
    attributions: Attribution | Sequence[Attribution],
    path: str | Path | None = None,
    *,
    shape: Shape | None = None,
    rows: int = 6,
    names: Sequence[str] | None = None,
) -> Any:
    """Draw attributions beside the inputs: heat maps of images, bars of anything else.

    Red speaks for the output that was looked at, blue against it; each map has its own scale.  Of images (H, W, C) the
    channels of a pixel are summed; maps of Grad-CAM lie over the image.

    Other parameters are those of plot_history.

    Parameters
    ----------
    attributions : Attribution or list of Attribution
        What ``saliency``, ``smooth_grad``, ``integrated_gradients``, ``occlusion`` or ``grad_cam`` returned, all for
        the same inputs.
    shape : (H, W), optional
        How a row is an image; if not given, the shape of the inputs if it has two axes or is (H, W, C), else bars are
        drawn.
    rows : int
        How many rows to draw, from the first on.
    names : list of str, optional
        Of the elements, below the bars.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        If there is nothing to draw, the inputs differ, or an argument does not fit them.

    Examples
    --------
    >>> import fastnn as fn
    >>> X, y = fn.load_digits()
    >>> net = fn.Sequential([fn.Dense(32, "relu"), fn.Dense(10)], input_shape=64, seed=0)
    >>> maps = [fn.saliency(net, X[:3]), fn.integrated_gradients(net, X[:3])]
    >>> figure = fn.plot_attribution(maps, shape=(8, 8))
    """
    who = "plot_attribution"
    given = [attributions] if isinstance(attributions, Attribution) else list(attributions)
    if not given or not all(isinstance(one, Attribution) for one in given):
        raise TypeError(f"{who}: expected an Attribution or a list of them, got {attributions!r:.80}")
    if not all(np.array_equal(one.inputs, given[0].inputs) for one in given):
        raise ValueError(f"{who}: expected attributions of the same inputs, got different ones")
    require_count(who, "rows", rows)
    row_shape = given[0].inputs.shape[1:]
    size = int(np.prod(row_shape))
    _check_names(who, names, size)
    if len(row_shape) == 3 and shape is None:
        pictures, values_of = given[0].inputs, [one.by_pixel() for one in given]
        layout: Shape | None = row_shape[:2]
    else:
        layout = _image_shape(who, row_shape, shape)
        pictures, values_of = given[0].inputs, [one.values for one in given]
        if layout is not None:
            pictures = pictures.reshape(-1, *layout)
    count, maps = min(rows, len(given[0].inputs)), layout is not None
    columns, width = len(given) + maps, 2.0 if maps else min(max(4.0, 1.5 + 0.22 * size), 9.0)
    height = 2.15 * count + 0.5 if maps else 2.0 * count + 0.8
    figure = draw.new_figure(who, width * columns + 0.4 * maps, height)
    grid = figure.subplots(count, columns, sharex=not maps, squeeze=False)
    for i, line in enumerate(grid):
        if layout is not None:
            draw.show_picture(line[0], pictures[i])
        for axes, one, explained in zip(line[maps:], given, values_of, strict=True):
            if layout is not None and isinstance(one, GradCAM):
                draw.show_picture(axes, pictures[i])
                draw.show_image(axes, explained[i], layout, cmap="inferno", alpha=0.6)
                continue
            if layout is not None:
                draw.show_signed(axes, explained[i], layout)
                continue
            values = explained[i].ravel()
            axes.bar(range(size), values, color=np.where(values > 0, "#b2182b", "#2166ac"))
            axes.axhline(0, color=draw.BLACK, linewidth=0.8)
            draw.dress(axes, "element" if i == count - 1 and names is None else "")
            if names is not None:
                draw.name_ticks(axes, range(size), names, rotation=60, size=9)
        line[0].set_ylabel(f"output {given[0].targets[i]}: {given[0].outputs[i]:.3g}", fontsize=10)
    for axes, title in zip(grid[0], ["input"] * maps + [one.method for one in given], strict=True):
        axes.set_title(title, fontsize=11)
    return draw.finish(figure, path)


def plot_maximised(found: MaximisedInputs, path: str | Path | None = None, *, shape: Shape | None = None) -> Any:
    """Draw the inputs that units answer to: a grid of images, or curves over the elements.

    Other parameters are those of plot_history.

    Parameters
    ----------
    found : MaximisedInputs
        What ``maximise_activation`` returned.
    shape : (H, W), optional
        How an input is an image; if not given, the shape of the inputs if it has two axes or is (H, W, C), else bars
        are drawn.

    Returns
    -------
    matplotlib.figure.Figure
        Red above 0 and blue below; images of three channels in colours.

    Raises
    ------
    ValueError
        If the shape does not fit.

    Examples
    --------
    >>> import fastnn as fn
    >>> net = fn.Sequential([fn.Dense(32, "tanh"), fn.Dense(10)], input_shape=64, seed=0)
    >>> figure = fn.plot_maximised(fn.maximise_activation(net, range(10)), shape=(8, 8))
    """
    own = found.values.shape[1:]
    colours = shape is None and len(own) == 3 and own[-1] != 1
    count, layout = len(found.units), own if colours else _image_shape("plot_maximised", own, shape)
    columns = min(count, 5 if layout is not None else 2)
    lines = -(-count // columns)
    width = 2.1 if layout is not None else 4.5
    figure = draw.new_figure("plot_maximised", max(width * columns + 0.4, 4.5), 2.45 * lines + 0.4)
    for i, axes in enumerate(figure.subplots(lines, columns, squeeze=False).flat):
        if i >= count:
            axes.set_axis_off()
            continue
        if layout is None:
            axes.bar(range(found.values[i].size), found.values[i].ravel(), color=draw.BLUE)
            draw.dress(axes, "element")
        elif colours:
            draw.show_picture(axes, found.values[i])
        else:
            draw.show_signed(axes, found.values[i], layout)
        axes.set_title(f"unit {found.units[i]}: {found.activations[-1, i]:.3g}", fontsize=10)
    figure.suptitle(f"inputs that units of {found.layer} answer to", fontsize=12)
    return draw.finish(figure, path)


def plot_probes(probes: LinearProbes | Mapping[str, LinearProbes], path: str | Path | None = None) -> Any:
    """Draw the accuracy of linear probes over depth.

    Other parameters are those of plot_history.

    Parameters
    ----------
    probes : LinearProbes, or dict of str to LinearProbes
        What ``linear_probes`` returned; several by title, for networks of the same layers, share one axis.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    TypeError, ValueError
        If there are none, or their layers differ.

    Examples
    --------
    >>> import fastnn as fn
    >>> X, y = fn.load_digits()
    >>> net = fn.Sequential([fn.Dense(32, "relu"), fn.Dense(10)], input_shape=64, seed=0)
    >>> figure = fn.plot_probes(fn.linear_probes(net, X[:500], y[:500], epochs=2))
    """
    several = _by_title("plot_probes", probes, LinearProbes)
    first = next(iter(several.values()))
    if any(one.layers != first.layers for one in several.values()):
        raise ValueError("plot_probes: expected probes of the same layers, got different ones; draw them one by one")
    figure = draw.new_figure("plot_probes", 7.5, 4.8)
    axes = figure.add_subplot()
    where = np.arange(1, len(first.layers) + 1)
    for (title, one), color in zip(
        several.items(), (draw.ORANGE, draw.BLUE, draw.GREEN, draw.GREY) * len(several), strict=False
    ):
        prefix = f"{title}, " if title else ""
        axes.plot(where, one.accuracy, "o-", color=color, linewidth=2, label=f"{prefix}held-out rows")
        axes.plot(where, one.training_accuracy, "o--", color=color, linewidth=1.2, markersize=4, alpha=0.6,
                  label=f"{prefix}training rows")  # fmt: skip
    draw.dress(axes, "", "accuracy of a linear probe")
    _layer_ticks(axes, first.layers)
    figure.legend(loc="outside upper center", ncols=2, fontsize=10, frameon=False)
    return draw.finish(figure, path)


def plot_importance(
    found: PermutationImportance,
    path: str | Path | None = None,
    *,
    shape: Shape | None = None,
    names: Sequence[str] | None = None,
    most: int = 20,
) -> Any:
    """Draw the importance of the inputs: a bar for each of the most important ones, or a heat map of an image.

    Other parameters are those of plot_history.

    Parameters
    ----------
    found : PermutationImportance
        What ``permutation_importance`` returned.
    shape : (H, W), optional
        How a row is an image; if not given, the shape of the inputs if it has two axes, else bars are drawn.
    names : list of str, optional
        Of the elements, beside the bars; their numbers, if not given.
    most : int
        How many bars at most.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, with an Agg canvas.  Whiskers show one standard deviation over the shuffles.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit the inputs.

    Examples
    --------
    >>> import fastnn as fn
    >>> X, y = fn.load_digits()
    >>> net = fn.Sequential([fn.Dense(32, "relu"), fn.Dense(10)], input_shape=64, seed=0)
    >>> net.compile("cross_entropy")
    >>> figure = fn.plot_importance(fn.permutation_importance(net, X[:200], y[:200], repeats=1), shape=(8, 8))
    """
    who, size = "plot_importance", found.values.size
    require_count(who, "most", most)
    layout = _image_shape(who, found.values.shape, shape)
    _check_names(who, names, size)
    if layout is not None:
        figure = draw.new_figure(who, 5.2, 4.2)
        axes = figure.add_subplot()
        limit = float(found.values.max())
        image = draw.show_image(axes, found.values, layout, cmap="Blues", vmin=0.0, vmax=limit if limit > 0 else 1.0)
        figure.colorbar(image, ax=axes).set_label("rise of the loss when shuffled", fontsize=11)
        return draw.finish(figure, path)
    order = np.argsort(-found.values.ravel(), kind="stable")[:most][::-1]  # the most important one on top
    figure = draw.new_figure(who, 7.5, 1.0 + 0.3 * len(order))
    axes = figure.add_subplot()
    where = np.arange(len(order))
    axes.barh(
        where, found.values.ravel()[order], xerr=found.deviations.ravel()[order], color=draw.BLUE, ecolor=draw.GREY
    )
    draw.dress(axes, "rise of the loss when shuffled")
    draw.few_ticks(axes.xaxis, 6)
    axes.axvline(0, color=draw.BLACK, linewidth=0.8)
    axes.grid(False, axis="y")
    labels = [str(i if names is None else names[i]) for i in order.tolist()]
    axes.set_yticks(where, labels, fontsize=10, parse_math=False)
    return draw.finish(figure, path)
