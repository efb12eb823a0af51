"""Layers that give numbers other places, as C: what they call, and what emits it."""

from collections.abc import Sequence

from fastnn._core.ops.permutation import merged, steps
from fastnn.formats.c.program import Site, Value
from fastnn.layers.images import pair, sides

PERMUTE = """\
/* y = x with its axes in another order: how many places each axis of y has, the last first, and how far apart in x. */
static void self_permute(int axes, const int *count, const int *step, int size, const real *x, real *y)
{
    int n, i, j;
    for (n = 0; n < size; n += count[0]) {
        int rest = n / count[0];
        const real *from = x;
        for (i = 1; i < axes; i++) {
            from += rest % count[i] * step[i];
            rest /= count[i];
        }
        for (j = 0; j < count[0]; j++)
            y[n + j] = from[j * step[0]];
    }
}
"""

PAD = """\
/* y (rows, columns) shows x from (top, left) on; around it zeros or value (mode 0), x mirrored (1), or its edge (2). */
static void self_pad(int height, int width, int channels, int rows, int columns, int top, int left, int mode,
                     real value, const real *x, real *y)
{
    int i, j, c;
    for (i = 0; i < rows; i++)
        for (j = 0; j < columns; j++, y += channels) {
            const int h = self_place(i - top, height, mode), w = self_place(j - left, width, mode);
            for (c = 0; c < channels; c++)
                y[c] = h < 0 || w < 0 ? value : x[(h * width + w) * channels + c];
        }
}
"""

CROP = """\
/* y: rows and columns of x, from (top, left) on. */
static void self_crop(int width, int channels, int rows, int columns, int top, int left, const real *x, real *y)
{
    int i, j;
    for (i = 0; i < rows; i++)
        for (j = 0; j < columns * channels; j++)
            *y++ = x[((top + i) * width + left) * channels + j];
}
"""

UPSAMPLE_NEAREST = """\
/* Each pixel of x as a block of y. */
static void self_upsample_nearest(int height, int width, int channels, int row_factor, int column_factor, const real *x,
                                  real *y)
{
    int i, j, c;
    for (i = 0; i < height * row_factor; i++)
        for (j = 0; j < width * column_factor; j++)
            for (c = 0; c < channels; c++)
                *y++ = x[(i / row_factor * width + j / column_factor) * channels + c];
}
"""

UPSAMPLE_BILINEAR = """\
/* Each pixel of y from the four of x around its centre. */
static void self_upsample_bilinear(int height, int width, int channels, int row_factor, int column_factor,
                                   const real *x, real *y)
{
    int i, j, c;
    for (i = 0; i < height * row_factor; i++)
        for (j = 0; j < width * column_factor; j++) {
            const int down = 2 * i + 1 - row_factor, across = 2 * j + 1 - column_factor;
            const int h = down > 0 ? down / (2 * row_factor) : 0, w = across > 0 ? across / (2 * column_factor) : 0;
            const int below = h + 1 < height ? width * channels : 0, beside = w + 1 < width ? channels : 0;
            const real u = down > 0 ? (real)(down - 2 * row_factor * h) / (real)(2 * row_factor) : 0.0;
            const real v = across > 0 ? (real)(across - 2 * column_factor * w) / (real)(2 * column_factor) : 0.0;
            const real *p = x + (h * width + w) * channels;
            for (c = 0; c < channels; c++, p++)
                *y++ = (1.0 - u) * ((1.0 - v) * p[0] + v * p[beside])
                       + u * ((1.0 - v) * p[below] + v * p[below + beside]);
        }
}
"""


def permuted(site: Site, shape: Sequence[int], axes: Sequence[int]) -> Value:
    """Emit a copy of the input, of this shape, with its axes in another order; none where that changes nothing."""
    sizes, order = merged(shape, axes)
    if len(sizes) < 2:
        return site.inputs[0]
    out, apart = site.new(), steps(sizes, range(len(sizes)))
    order = order[::-1]
    site.line("{")
    for name, numbers in (("count", sizes), ("step", apart)):
        site.line(f"static const int {name}[{len(order)}] = {{{', '.join(str(numbers[axis]) for axis in order)}}};")
    site.call("permute", len(order), "count", "step", out.size, site.inputs[0], out)
    site.line("}")
    return out


def permute(site: Site) -> tuple[Value, str]:
    """The axes in another order."""
    axes = site.layer.axes
    return permuted(site, site.input_shapes[0], axes), f"{site.reads[0]}, axes {', '.join(map(str, axes))}"


def blocks(site: Site) -> tuple[Value, str]:
    """Channels that become blocks of pixels, or the other way."""
    layer = site.layer
    words = f"{type(layer).__name__} of blocks of {layer.block} x {layer.block}, {layer.mode}"
    if layer.block == 1:
        return site.inputs[0], site.reads[0]
    return permuted(site, *layer.moves(site.input_shapes[0])), f"{site.reads[0]}, {words}"


def pad(site: Site) -> tuple[Value, str]:
    """Rows and columns around the image."""
    layer, out = site.layer, site.new()
    (top, _), (left, _) = sides(layer.title, "padding", layer.padding)
    mode = {"reflect": 1, "replicate": 2}.get(layer.mode, 0)
    sizes = (*site.input_shapes[0], *site.output_shape[:2], top, left)
    site.call("pad", *sizes, mode, float(layer.value), site.inputs[0], out)
    return out, f"{site.reads[0]} in {site.output_shape[0]} x {site.output_shape[1]}, around it {layer.mode}"


def crop(site: Site) -> tuple[Value, str]:
    """Some rows and columns of the image."""
    layer, out, (_, width, channels) = site.layer, site.new(), site.input_shapes[0]
    (top, bottom), (left, right) = sides(layer.title, "cropping", layer.cropping)
    site.call("crop", width, channels, *site.output_shape[:2], top, left, site.inputs[0], out)
    return out, f"{site.reads[0]} without {top}, {bottom}, {left} and {right} at its top, bottom, left and right"


def upsample(site: Site) -> tuple[Value, str]:
    """A larger image."""
    layer, out = site.layer, site.new()
    factor = pair(layer.title, "factor", layer.factor)
    site.call(f"upsample_{layer.mode}", *site.input_shapes[0], *factor, site.inputs[0], out)
    return out, f"{site.reads[0]}, {factor[0]} x {factor[1]} times as large, {layer.mode}"
