"""Pictures of what the insight functions return, drawn without any global state of matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fastnn._spec import require_count
from fastnn.insight.attribution import Attribution
from fastnn.insight.flow import GradientFlow, gradient_flow
from fastnn.insight.histograms import Histogram, Histograms
from fastnn.insight.importance import PermutationImportance
from fastnn.insight.maximise import MaximisedInputs
from fastnn.insight.probes import LinearProbes
from fastnn.layers.base import Shape
from fastnn.plotting.curves import _dress, _figure, _finish

_BLUE, _ORANGE, _GREEN, _GREY = "#1f5fa8", "#d1541f", "#2f8f4e", "#8a8a8a"
_MOST_TICKS = 12


def plot_gradient_flow(
    flow: GradientFlow | Mapping[str, GradientFlow] | tuple[Any, Any, Any], path: str | Path | None = None
) -> Any:
    """Draw the norms of gradient, weights and update over depth, and the shares of dead and saturated units below.

    Recurrent layers add the norm of the gradient of their state over time.

    Parameters
    ----------
    flow : GradientFlow, dict of str to GradientFlow, or tuple (net, X, y)
        What ``gradient_flow`` returned; several by title are drawn side by side on common axes.
    path : str or Path, optional
        Where to write the picture; the suffix says the format (.png, .svg, .pdf).

    Returns
    -------
    matplotlib.figure.Figure
        The figure, with an Agg canvas.

    Raises
    ------
    TypeError
        If ``flow`` is none of these.
    ValueError
        If there is none to draw.
    ImportError
        If matplotlib is not installed.

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
    flows = dict(flow) if isinstance(flow, Mapping) else {"": flow}
    for one in flows.values():
        if not isinstance(one, GradientFlow):
            raise TypeError(
                "plot_gradient_flow: expected a GradientFlow, a dict of them by title, or (net, X, y), got "
                f"{type(one).__name__}"
            )
    if not flows:
        raise ValueError("plot_gradient_flow: expected at least one GradientFlow, got an empty dict")
    over_time = any(one.through_time for one in flows.values())
    figure = _figure("plot_gradient_flow", max(7.5, 4.0 * len(flows) + 1.0), 9.2 if over_time else 6.4)
    heights = [2.4, 1, 1.6] if over_time else [2.4, 1]
    grid = figure.subplots(len(heights), len(flows), sharey="row", squeeze=False, height_ratios=heights)
    for column, (title, one) in enumerate(flows.items()):
        norms, shares = grid[:2, column]
        norms.sharex(shares)
        norms.tick_params(labelbottom=False)
        _draw_norms(norms, one)
        _draw_shares(shares, one)
        norms.set_title(title, fontsize=13)
        _dress(norms, "", "norm" if column == 0 else "")
        _dress(shares, "", "share" if column == 0 else "")
        _layer_ticks(shares, one.layers)
        if over_time:
            _draw_time(grid[2, column], one)
            _dress(grid[2, column], "time step", "norm of dh" if column == 0 else "")
    top = [line for axes in grid[0] for line in axes.get_lines() if not line.get_label().startswith("_")]
    bars = [bar for axes in grid[1] for bar in axes.containers]
    handles = {handle.get_label(): handle for handle in (*top, *bars)}
    figure.legend(handles=handles.values(), loc="outside upper center", ncols=len(handles), fontsize=11, frameon=False)
    return _finish(figure, path)


def _draw_norms(axes: Any, flow: GradientFlow) -> None:
    where = np.arange(1, len(flow.layers) + 1)
    marker = "o" if len(where) <= 20 else None
    for name, values, color in (
        ("gradient", flow.gradient, _ORANGE),
        ("weights", flow.weight, _BLUE),
        ("update", flow.update, _GREEN),
    ):
        drawn = np.isfinite(values) & (values > 0)  # a logarithm has no place for 0
        axes.plot(where[drawn], values[drawn], color=color, label=name, linewidth=2, marker=marker, markersize=4)
    axes.set_yscale("log")


def _draw_shares(axes: Any, flow: GradientFlow) -> None:
    where = np.arange(1, len(flow.layers) + 1)
    for name, values, color in (("dead units", flow.dead, "#444444"), ("saturated", flow.saturated, "#b8860b")):
        axes.bar(where, np.nan_to_num(values), width=0.8, color=color, label=name)
    axes.set_ylim(0, 1)


def _draw_time(axes: Any, flow: GradientFlow) -> None:
    for name, norms in flow.through_time.items():
        drawn = norms > 0
        axes.plot(np.arange(1, len(norms) + 1)[drawn], norms[drawn], label=name, linewidth=2)
    axes.set_yscale("log")
    if len(flow.through_time) > 1:
        axes.legend(frameon=False, fontsize=10)


def _layer_ticks(axes: Any, layers: Sequence[str]) -> None:
    """Name the layers below the axis; number them where they are many."""
    if len(layers) <= _MOST_TICKS:
        style = {"rotation": 40, "ha": "right", "rotation_mode": "anchor", "fontsize": 10, "parse_math": False}
        axes.set_xticks(range(1, len(layers) + 1), layers, **style)
    else:
        axes.set_xlabel("layer", fontsize=12)
        axes.xaxis.set_major_locator(_ticks(6))


def plot_histograms(counted: Histograms, path: str | Path | None = None) -> Any:
    """Draw the histograms of weights, activations and gradients, one above the other from the first layer up.

    Parameters
    ----------
    counted : Histograms
        What ``histograms`` returned.
    path : str or Path, optional
        Where to write the picture.

    Returns
    -------
    matplotlib.figure.Figure
        Each curve has its own height, the square root of the share of values; a column has one axis, so that spreads
        can be compared.

    Raises
    ------
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.Dense(8, "tanh"), fn.Dense(3)], input_shape=4, seed=0)
    >>> figure = fn.plot_histograms(fn.histograms(net, np.eye(4)))
    """
    parts = {"weights": counted.weights, "activations": counted.activations, "gradients": counted.gradients}
    parts = {title: part for title, part in parts.items() if part}
    tallest = max(map(len, parts.values()))
    figure = _figure("plot_histograms", 4.4 * len(parts) + 0.6, min(max(3.2, 1.2 + 0.7 * tallest), 14.0))
    grid = figure.subplots(1, len(parts), squeeze=False)[0]
    for axes, (title, part), color in zip(grid, parts.items(), (_BLUE, _GREEN, _ORANGE), strict=False):
        _draw_ridges(axes, part, color)
        _dress(axes, {"weights": "weight", "activations": "activation", "gradients": "gradient"}[title], "")
        axes.xaxis.set_major_locator(_ticks(5))
        axes.set_title(title, fontsize=13)
        axes.set_yticks(range(len(part)), list(part), fontsize=10 if tallest <= 20 else 7)
        axes.set_ylim(-0.15, len(part) + 0.1)
    return _finish(figure, path)


def _ticks(most: int) -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=most, steps=[1, 2, 2.5, 5, 10])


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

    Red speaks for the output that was looked at, blue against it; each map has its own scale.

    Parameters
    ----------
    attributions : Attribution or list of Attribution
        What ``saliency``, ``smooth_grad``, ``integrated_gradients`` or ``occlusion`` returned, all for the same inputs.
    path : str or Path, optional
        Where to write the picture.
    shape : (H, W), optional
        How a row is an image; if not given, the shape of the inputs if it has two axes, else bars are drawn.
    rows : int
        How many rows to draw, from the first on.
    names : list of str, optional
        Of the elements, below the bars.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, with an Agg canvas.

    Raises
    ------
    TypeError, ValueError
        If there is nothing to draw, the inputs differ, or an argument does not fit them.
    ImportError
        If matplotlib is not installed.

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
    count, row_shape = min(rows, len(given[0].inputs)), given[0].inputs.shape[1:]
    layout = row_shape if shape is None and len(row_shape) == 2 else shape
    size = int(np.prod(row_shape))
    if layout is not None and (len(layout) != 2 or np.prod(layout) != size):
        raise ValueError(f"{who}: expected a shape (H, W) of {size} elements, got {layout}")
    if names is not None and len(names) != size:
        raise ValueError(f"{who}: expected {size} names, one per element, got {len(names)}")
    if layout is None:
        return _finish(_bars(given, count, size, names), path)
    return _finish(_maps(given, count, layout), path)


def _maps(given: list[Attribution], count: int, layout: Shape) -> Any:
    """One line per input: the image, and a heat map per method."""
    columns = 1 + len(given)
    figure = _figure("plot_attribution", 2.0 * columns + 0.4, 2.15 * count + 0.5)
    grid = figure.subplots(count, columns, squeeze=False)
    for i in range(count):
        grid[i, 0].imshow(given[0].inputs[i].reshape(layout), cmap="gray")
        for axes, one in zip(grid[i, 1:], given, strict=True):
            values = one.values[i].reshape(layout)
            limit = float(np.abs(values).max()) or 1.0
            axes.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit)
        for axes in grid[i]:
            axes.set_xticks([])
            axes.set_yticks([])
        grid[i, 0].set_ylabel(_row_label(given[0], i), fontsize=10)
    for axes, title in zip(grid[0], ["input", *(one.method for one in given)], strict=True):
        axes.set_title(title, fontsize=11)
    return figure


def _bars(given: list[Attribution], count: int, size: int, names: Sequence[str] | None) -> Any:
    """One line per input, one column per method, one bar per element."""
    width = min(max(4.0, 1.5 + 0.22 * size), 9.0)
    figure = _figure("plot_attribution", width * len(given), 2.0 * count + 0.8)
    grid = figure.subplots(count, len(given), sharex=True, squeeze=False)
    for i in range(count):
        for axes, one in zip(grid[i], given, strict=True):
            values = one.values[i].ravel()
            colors = np.where(values > 0, "#b2182b", "#2166ac")
            axes.bar(range(size), values, color=colors)
            axes.axhline(0, color="#222222", linewidth=0.8)
            last = i == count - 1
            _dress(axes, "element" if last and names is None else "", "")
            if names is not None:
                style = {"rotation": 60, "ha": "right", "rotation_mode": "anchor", "fontsize": 9, "parse_math": False}
                axes.set_xticks(range(size), names, **style)
        grid[i, 0].set_ylabel(_row_label(given[0], i), fontsize=10)
    for axes, one in zip(grid[0], given, strict=True):
        axes.set_title(one.method, fontsize=11)
    return figure


def _row_label(attribution: Attribution, i: int) -> str:
    return f"output {attribution.targets[i]}: {attribution.outputs[i]:.3g}"


def plot_maximised(found: MaximisedInputs, path: str | Path | None = None, *, shape: Shape | None = None) -> Any:
    """Draw the inputs that units answer to: a grid of images, or curves over the elements.

    Parameters
    ----------
    found : MaximisedInputs
        What ``maximise_activation`` returned.
    path : str or Path, optional
        Where to write the picture.
    shape : (H, W), optional
        How an input is an image; if not given, the shape of the inputs if it has two axes, else bars are drawn.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, with an Agg canvas.

    Raises
    ------
    ValueError
        If the shape does not fit.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import fastnn as fn
    >>> net = fn.Sequential([fn.Dense(32, "tanh"), fn.Dense(10)], input_shape=64, seed=0)
    >>> figure = fn.plot_maximised(fn.maximise_activation(net, range(10)), shape=(8, 8))
    """
    row_shape, count = found.values.shape[1:], len(found.units)
    layout = row_shape if shape is None and len(row_shape) == 2 else shape
    if layout is not None and (len(layout) != 2 or np.prod(layout) != np.prod(row_shape)):
        raise ValueError(f"plot_maximised: expected a shape (H, W) of {np.prod(row_shape)} elements, got {layout}")
    columns = min(count, 5 if layout is not None else 2)
    lines = -(-count // columns)
    width = 2.1 if layout is not None else 4.5
    figure = _figure("plot_maximised", max(width * columns + 0.4, 4.5), 2.45 * lines + 0.4)
    for i, axes in enumerate(figure.subplots(lines, columns, squeeze=False).flat):
        if i >= count:
            axes.set_axis_off()
            continue
        if layout is None:
            axes.bar(range(found.values[i].size), found.values[i].ravel(), color=_BLUE)
            _dress(axes, "element", "")
        else:
            limit = float(np.abs(found.values[i]).max()) or 1.0
            axes.imshow(found.values[i].reshape(layout), cmap="RdBu_r", vmin=-limit, vmax=limit)
            axes.set_xticks([])
            axes.set_yticks([])
        axes.set_title(f"unit {found.units[i]}: {found.activations[-1, i]:.3g}", fontsize=10)
    figure.suptitle(f"inputs that units of {found.layer} answer to", fontsize=12)
    return _finish(figure, path)


def plot_probes(probes: LinearProbes | Mapping[str, LinearProbes], path: str | Path | None = None) -> Any:
    """Draw the accuracy of linear probes over depth.

    Parameters
    ----------
    probes : LinearProbes, or dict of str to LinearProbes
        What ``linear_probes`` returned; several by title, for networks of the same layers, share one axis.
    path : str or Path, optional
        Where to write the picture.

    Returns
    -------
    matplotlib.figure.Figure
        The figure, with an Agg canvas.

    Raises
    ------
    ValueError
        If there are none, or their layers differ.
    ImportError
        If matplotlib is not installed.

    Examples
    --------
    >>> import fastnn as fn
    >>> X, y = fn.load_digits()
    >>> net = fn.Sequential([fn.Dense(32, "relu"), fn.Dense(10)], input_shape=64, seed=0)
    >>> figure = fn.plot_probes(fn.linear_probes(net, X[:500], y[:500], epochs=2))
    """
    several = dict(probes) if isinstance(probes, Mapping) else {"": probes}
    if not several:
        raise ValueError("plot_probes: expected at least one LinearProbes, got an empty dict")
    first = next(iter(several.values()))
    if any(one.layers != first.layers for one in several.values()):
        raise ValueError("plot_probes: expected probes of the same layers, got different ones; draw them one by one")
    figure = _figure("plot_probes", 7.5, 4.8)
    axes = figure.add_subplot()
    where = np.arange(1, len(first.layers) + 1)
    for (title, one), color in zip(several.items(), (_ORANGE, _BLUE, _GREEN, _GREY) * len(several), strict=False):
        prefix = f"{title}, " if title else ""
        axes.plot(where, one.accuracy, "o-", color=color, linewidth=2, label=f"{prefix}held-out rows")
        axes.plot(where, one.training_accuracy, "o--", color=color, linewidth=1.2, markersize=4, alpha=0.6,
                  label=f"{prefix}training rows")  # fmt: skip
    _dress(axes, "", "accuracy of a linear probe")
    _layer_ticks(axes, first.layers)
    figure.legend(loc="outside upper center", ncols=2, fontsize=10, frameon=False)
    return _finish(figure, path)


def plot_importance(
    found: PermutationImportance,
    path: str | Path | None = None,
    *,
    shape: Shape | None = None,
    names: Sequence[str] | None = None,
    most: int = 20,
) -> Any:
    """Draw the importance of the inputs: a bar for each of the most important ones, or a heat map of an image.

    Parameters
    ----------
    found : PermutationImportance
        What ``permutation_importance`` returned.
    path : str or Path, optional
        Where to write the picture.
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
    ImportError
        If matplotlib is not installed.

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
    layout = found.values.shape if shape is None and found.values.ndim == 2 else shape
    if layout is not None and (len(layout) != 2 or np.prod(layout) != size):
        raise ValueError(f"{who}: expected a shape (H, W) of {size} elements, got {layout}")
    if names is not None and len(names) != size:
        raise ValueError(f"{who}: expected {size} names, one per element, got {len(names)}")
    if layout is not None:
        figure = _figure(who, 5.2, 4.2)
        axes = figure.add_subplot()
        limit = float(found.values.max())
        image = axes.imshow(found.values.reshape(layout), cmap="Blues", vmin=0.0, vmax=limit if limit > 0 else 1.0)
        axes.set_xticks([])
        axes.set_yticks([])
        figure.colorbar(image, ax=axes).set_label("rise of the loss when shuffled", fontsize=11)
        return _finish(figure, path)
    order = np.argsort(-found.values.ravel(), kind="stable")[:most][::-1]  # the most important one on top
    figure = _figure(who, 7.5, 1.0 + 0.3 * len(order))
    axes = figure.add_subplot()
    where = np.arange(len(order))
    axes.barh(where, found.values.ravel()[order], xerr=found.deviations.ravel()[order], color=_BLUE, ecolor=_GREY)
    _dress(axes, "rise of the loss when shuffled", "")
    axes.xaxis.set_major_locator(_ticks(6))
    axes.axvline(0, color="#222222", linewidth=0.8)
    axes.grid(False, axis="y")
    labels = [str(i if names is None else names[i]) for i in order.tolist()]
    axes.set_yticks(where, labels, fontsize=10, parse_math=False)
    return _finish(figure, path)
