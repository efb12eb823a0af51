"""From layers to C: one emitter per layer, and the table of them.

An emitter gets a ``Site``, adds its statements, and returns the Value of the output and the formula of the layer.  A
new layer needs a function here and its row in ``EMITTERS``, or its reason in ``WITHOUT``; what C it calls stands in
``functions``.
"""

from collections.abc import Callable
from dataclasses import replace
from math import prod

import numpy as np

from fastnn import layers
from fastnn.formats.activations import alpha_of, without
from fastnn.formats.c.functions import ACTIVATIONS
from fastnn.formats.c.layout import blocks, crop, pad, permute, upsample
from fastnn.formats.c.program import Site, Value
from fastnn.formats.c.recurrent import gru, lstm, simple_rnn
from fastnn.layers.activation import DEFAULT_ALPHA, OF_VECTORS
from fastnn.layers.base import Layer, Shape

Emitted = tuple[Value, str]


def emit(site: Site) -> Emitted:
    """Emit one application of a layer; raises ValueError if the layer has no form in C."""
    kind = type(site.layer)
    if kind not in EMITTERS:
        reason = WITHOUT.get(kind, "it has no form in C yet: add it to fastnn/formats/c/emitters.py")
        raise ValueError(f"export_c: {site.layer.title} cannot be exported: {reason}")
    return EMITTERS[kind](site)


def activation(site: Site) -> Emitted:
    """An activation function, in place where that disturbs no one."""
    name, x = site.layer.function, site.reads[0]
    if name == "identity":
        return site.inputs[0], x
    out = site.in_place()
    if name in OF_VECTORS:
        *leading, columns = site.output_shape
        site.call(name, prod(leading), columns, site.inputs[0], out)
        return out, f"{name}({x})"
    if name not in ACTIVATIONS:
        raise without("export_c", site.layer, "C")
    alpha = [alpha_of(site.layer)] if name in DEFAULT_ALPHA else []
    site.call(name, out.size, *alpha, site.inputs[0], out)
    return out, f"{name}({x})" if not alpha else f"{name}({x}, alpha = {alpha[0]:g})"


def activated(site: Site, z: Value, formula: str) -> Emitted:
    """What the activation of a layer makes of its weighted input: a name, a layer without parameters, or none."""
    layer = site.layer.activation_layer
    if layer is None:
        return z, formula
    shapes = (site.output_shape,)
    return emit(replace(site, layer=layer, inputs=[z], input_shapes=shapes, parameters={}, reads=[formula]))


def affine(site: Site) -> str:
    """The formula of a layer that multiplies by weights."""
    return f"{site.reads[0]} W" + " + b" * ("bias" in site.parameters)


def dense(site: Site, factor: float = 1.0) -> Emitted:
    """``activation(x W + b)`` of each vector along the last axis; the weights times a factor."""
    *leading, inputs = site.input_shapes[0]
    z, outputs = site.new(), site.output_shape[-1]
    weight, bias = site.matrix("weight", factor), site.constant("bias")
    site.call("dense", prod(leading), inputs, outputs, site.inputs[0], weight, bias, z)
    return activated(site, z, affine(site))


def dropconnect(site: Site) -> Emitted:
    """A Dense layer: all connections count now, by 1 - rate where training did not scale them."""
    return dense(site, 1.0 if site.layer.inverted else 1 - site.layer.rate)


def phase_dense(site: Site) -> Emitted:
    """``activation(sum_k c_k(p) (x W_k + b_k))``."""
    x, phase = site.inputs
    z, weight, bias = site.new(), site.constant("weight"), site.constant("bias")
    basis, product = site.use(f"phase_{site.layer.phase_function}"), site.use("phase_product")
    site.line("{")
    site.line("int point[4];")
    site.line(f"{site.program.real} c[4];")
    site.line(f"const int count = {basis}({site.layer.control_points}, *({phase.c}), point, c);")
    site.line(f"{product}({x.size}, {z.size}, count, point, c, {x.c}, {weight}, {bias}, {z.c});")
    site.line("}")
    formula = f"{site.reads[0]} W(p){' + b(p)' * site.layer.bias}, p = {site.reads[1]}, {site.layer.phase_function}"
    return activated(site, z, formula)


def dropout(site: Site) -> Emitted:
    """Nothing; or a factor, for units that training did not scale."""
    if site.layer.inverted or not site.layer.rate:
        return site.inputs[0], site.reads[0]
    out = site.in_place()
    site.call("scale", out.size, float(1 - site.layer.rate), site.inputs[0], out)
    return out, f"{1 - site.layer.rate:g} {site.reads[0]}"


def batch_norm(site: Site) -> Emitted:
    """By the running statistics; gamma and the deviation become one factor."""
    *leading, columns = site.output_shape
    out = site.in_place()
    gamma = site.parameters.get("gamma", np.ones(columns)).astype(np.float64)
    gain = gamma / np.sqrt(site.parameters["running_variance"].astype(np.float64) + site.layer.epsilon)
    mean, beta = site.constant("running_mean"), site.constant("beta")
    arguments = site.inputs[0], mean, site.constant("gain", gain), beta, out
    site.call("batch_norm", prod(leading), columns, *arguments)
    return out, f"({site.reads[0]} - mean) gain" + (" + beta" if "beta" in site.parameters else "")


def layer_norm(site: Site) -> Emitted:
    """By mean and variance of each row."""
    *leading, columns = site.output_shape
    out = site.in_place()
    arguments = float(site.layer.epsilon), site.inputs[0], site.constant("gamma"), site.constant("beta"), out
    site.call("layer_norm", prod(leading), columns, *arguments)
    formula = f"({site.reads[0]} - mean) / sqrt(variance + {site.layer.epsilon:g})"
    return out, "gamma " * ("gamma" in site.parameters) + formula + " + beta" * ("beta" in site.parameters)


def group_norm(site: Site) -> Emitted:
    """By mean and variance of each group of channels, over all pixels."""
    *leading, columns = site.output_shape
    out = site.new()
    sizes = prod(leading), columns, site.layer.channels_of(site.output_shape)
    arguments = float(site.layer.epsilon), site.inputs[0], site.constant("gamma"), site.constant("beta"), out
    site.call("group_norm", *sizes, *arguments)
    formula = f"({site.reads[0]} - mean) / sqrt(variance + {site.layer.epsilon:g})"
    return out, "gamma " * ("gamma" in site.parameters) + formula + " + beta" * ("beta" in site.parameters)


def pixel_norm(site: Site) -> Emitted:
    """By the root mean square of each pixel."""
    *leading, columns = site.output_shape
    out = site.in_place()
    site.call("pixel_norm", prod(leading), columns, float(site.layer.epsilon), site.inputs[0], out)
    return out, f"{site.reads[0]} / sqrt(mean of squares + {site.layer.epsilon:g})"


def gram(site: Site) -> Emitted:
    """The products of all pairs of channels."""
    *places, columns = site.input_shapes[0]
    out = site.new()
    site.call("gram", prod(places), columns, site.inputs[0], out)
    return out, f"mean of x[i] x[j] over {prod(places)} places of {site.reads[0]}"


def unchanged(site: Site) -> Emitted:
    """Nothing, after training."""
    return site.inputs[0], site.reads[0]


def local_response_norm(site: Site) -> Emitted:
    """By the squares of the channels beside."""
    *leading, columns = site.output_shape
    layer, out = site.layer, site.new()
    numbers = float(layer.alpha / layer.size), float(layer.beta), float(layer.k)
    site.call("local_response", prod(leading), columns, layer.size // 2, *numbers, site.inputs[0], out)
    scale = f"({layer.k:g} + {layer.alpha:g} mean of the squares of {layer.size} channels)"
    return out, f"{site.reads[0]} / {scale}^{layer.beta:g}"


def embedding(site: Site) -> Emitted:
    """The vector of each index; the function of the network gives 1 for what is no index."""
    out, table = site.new(), site.parameters["weight"]
    if site.layer.padding_index is not None:
        table = table.copy()
        table[site.layer.padding_index] = 0
    sizes = f"{prod(site.input_shapes[0])}, {site.layer.vocabulary}, {site.layer.units}"
    weight = site.constant("weight", table)
    site.line(f"if ({site.use('embedding')}({sizes}, {site.inputs[0].c}, {weight}, {out.c}))")
    site.line("    return 1;")
    site.program.can_fail = True
    return out, f"the vectors of the indices {site.reads[0]}, whole numbers from 0 to {site.layer.vocabulary - 1}"


def conv2d(site: Site) -> Emitted:
    """``activation(x * W + b)``, a window at a time; where padding shows the image, an index says which pixel."""
    g = site.layer.geometry(site.input_shapes[0])
    z, weight, bias = site.new(), site.constant("weight"), site.constant("bias")
    mode = ("zeros", "reflect", "replicate").index(g.mode)
    sizes = (
        g.height,
        g.width,
        g.channels,
        g.filters,
        *g.output,
        *g.kernel,
        *g.strides,
        *g.dilation,
        *g.before,
        g.groups,
    )
    site.call("conv2d", *sizes, mode, site.inputs[0], weight, bias, z)
    return activated(site, z, f"{site.reads[0]} * W" + " + b" * ("bias" in site.parameters))


def conv_transpose2d(site: Site) -> Emitted:
    """``activation(b + what pixels add to their windows)``: the geometry is that of the convolution back."""
    g = site.layer.geometry(site.input_shapes[0])
    z, weight, bias = site.new(), site.constant("weight"), site.constant("bias")
    large, steps = (g.height, g.width), (*g.kernel, *g.strides, *g.dilation)
    sizes = (*g.output, g.filters, g.channels, *large, *steps, *g.before, g.groups)
    site.call("conv_transpose2d", *sizes, site.inputs[0], weight, bias, z)
    return activated(site, z, f"{site.reads[0]} spread by W" + " + b" * ("bias" in site.parameters))


def as_image(shape: Shape) -> tuple[int, int, int]:
    """Return the shape of an image; a sequence (T, C) is one of one column."""
    return shape[0], shape[1] if len(shape) == 3 else 1, shape[-1]


def pooling(site: Site) -> Emitted:
    """The largest or the mean of each window."""
    shape, layer, out = site.input_shapes[0], site.layer, site.new()
    kernel, strides, before, _ = layer.windows(*shape[:-1])
    sizes = (*as_image(shape), *as_image(site.output_shape)[:2], *kernel, *strides, *before)
    if layer.kind == "max":
        site.call("max_pool", *sizes, site.inputs[0], out)
    else:
        site.call("mean_pool", *sizes, int(layer.counts_outside), site.inputs[0], out)
    return out, f"{layer.kind} of {kernel[0]} x {kernel[1]} windows of {site.reads[0]}"


def global_pooling(site: Site) -> Emitted:
    """The largest or the mean of each channel."""
    (height, width, channels), out = as_image(site.input_shapes[0]), site.new()
    sizes = (height, width, channels, 1, 1, height, width, height, width, 0, 0)
    if site.layer.kind == "max":
        site.call("max_pool", *sizes, site.inputs[0], out)
    else:
        site.call("mean_pool", *sizes, 0, site.inputs[0], out)
    return out, f"{site.layer.kind} of each channel of {site.reads[0]}"


def same_numbers(site: Site) -> Emitted:
    """Another shape: nothing to do."""
    return site.inputs[0], f"{site.reads[0]} as ({', '.join(map(str, site.output_shape))})"


def scale(site: Site) -> Emitted:
    """A factor and a shift for each channel."""
    *leading, columns = site.output_shape
    out = site.in_place()
    site.call("scaled", prod(leading), columns, site.inputs[0], site.constant("gamma"), site.constant("beta"), out)
    return out, "gamma " * ("gamma" in site.parameters) + site.reads[0] + " + beta" * ("beta" in site.parameters)


def standardize(site: Site) -> Emitted:
    """By given means and deviations."""
    *leading, columns = site.output_shape
    out, (mean, gain) = site.in_place(), site.layer.of_channels(columns)
    arguments = site.inputs[0], site.constant("mean", mean), site.constant("gain", 1 / gain), "0", out
    site.call("batch_norm", prod(leading), columns, *arguments)
    return out, f"({site.reads[0]} - mean) gain"


def reduce(site: Site) -> Emitted:
    """The sum, the mean or the largest along an axis."""
    shape, function = site.input_shapes[0], site.layer.function
    at, out = site.layer.place(shape), site.new()
    sizes = prod(shape[:at]), shape[at], prod(shape[at + 1 :])
    if function == "max":
        site.call("largest_of", *sizes, site.inputs[0], out)
    else:
        site.call("sum_of", *sizes, 1 / shape[at] if function == "mean" else 1.0, site.inputs[0], out)
    return out, f"{function} of {site.reads[0]} along axis {at}"


def merged(function: str, sign: str) -> Callable[[Site], Emitted]:
    """Return what emits one number made of two, element by element, for two or more."""

    def emit_merged(site: Site) -> Emitted:
        first, *others = site.inputs
        out = site.in_place() if all(first is not other for other in others) else site.new()
        for other in others:
            site.call(function, out.size, first, other, out)
            first = out
        return out, sign.join(site.reads)

    return emit_merged


def blend(site: Site) -> Emitted:
    """Two parts of one whole."""
    alpha = float(site.parameters["alpha"][0])
    first, second = site.new(), site.new()
    site.call("scale", first.size, 1 - alpha, site.inputs[0], first)
    site.call("scale", second.size, alpha, site.inputs[1], second)
    site.call("add", first.size, first, second, first)
    return first, f"{1 - alpha:g} {site.reads[0]} + {alpha:g} {site.reads[1]}"


def minibatch_std_dev(site: Site) -> Emitted:
    """One more channel, which training left a number for."""
    *leading, channels = site.input_shapes[0]
    out, pixels = site.new(), prod(leading)
    deviation = site.constant("running_deviation", np.repeat(site.parameters["running_deviation"], pixels))
    site.call("put_columns", pixels, channels, channels + 1, site.inputs[0], out)
    site.call("put_columns", pixels, 1, channels + 1, deviation, out.part(channels, out.size - channels))
    return out, f"[{site.reads[0]}, deviation]"


def concatenate(site: Site) -> Emitted:
    """Side by side along the last axis."""
    out, column = site.new(), 0
    *leading, row = site.output_shape
    for x, shape in zip(site.inputs, site.input_shapes, strict=True):
        site.call("put_columns", prod(leading), shape[-1], row, x, out.part(column, out.size - column))
        column += shape[-1]
    return out, f"[{', '.join(site.reads)}]"


def slice_(site: Site) -> Emitted:
    """A part of a vector: a pointer into it; of several, the columns that it has of each."""
    *leading, width = site.input_shapes[0]
    start, stop = site.layer.ends(width)
    if prod(leading) == 1:
        return site.inputs[0].part(start, stop - start), f"{site.reads[0]}[{start}:{stop}]"
    out = site.new()
    site.call("crop", width, 1, prod(leading), stop - start, 0, start, site.inputs[0], out)
    return out, f"{site.reads[0]}[..., {start}:{stop}]"


EMITTERS: dict[type[Layer], Callable[[Site], Emitted]] = {
    layers.Activation: activation,
    layers.Add: merged("add", " + "),
    layers.AvgPool1D: pooling,
    layers.AvgPool2D: pooling,
    layers.BatchNorm: batch_norm,
    layers.Blend: blend,
    layers.Conv1D: conv2d,
    layers.Conv2D: conv2d,
    layers.ConvTranspose2D: conv_transpose2d,
    layers.Concatenate: concatenate,
    layers.Crop2D: crop,
    layers.Dense: dense,
    layers.DepthwiseConv2D: conv2d,
    layers.DepthToSpace: blocks,
    layers.DropConnect: dropconnect,
    layers.Dropout: dropout,
    layers.Embedding: embedding,
    layers.Flatten: same_numbers,
    layers.GRU: gru,
    layers.GlobalAvgPool1D: global_pooling,
    layers.GaussianNoise: unchanged,
    layers.GlobalAvgPool2D: global_pooling,
    layers.GlobalMaxPool1D: global_pooling,
    layers.GlobalMaxPool2D: global_pooling,
    layers.Gram: gram,
    layers.GroupNorm: group_norm,
    layers.InstanceNorm: group_norm,
    layers.LSTM: lstm,
    layers.LayerNorm: layer_norm,
    layers.MaxPool1D: pooling,
    layers.LocalResponseNorm: local_response_norm,
    layers.MaxPool2D: pooling,
    layers.MinibatchStdDev: minibatch_std_dev,
    layers.Multiply: merged("multiply", " * "),
    layers.Pad2D: pad,
    layers.Permute: permute,
    layers.PhaseDense: phase_dense,
    layers.PixelNorm: pixel_norm,
    layers.Reduce: reduce,
    layers.Reshape: same_numbers,
    layers.Scale: scale,
    layers.SimpleRNN: simple_rnn,
    layers.Slice: slice_,
    layers.Standardize: standardize,
    layers.SpatialDropout: unchanged,
    layers.SpaceToDepth: blocks,
    layers.Upsample2D: upsample,
}
WITHOUT: dict[type[Layer], str] = {
    layers.Custom: "its functions are Python; build it of other layers, or export the parts before and after it",
}
