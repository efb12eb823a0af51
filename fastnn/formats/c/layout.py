"""Layers that give numbers other places, as C: what they call, and what emits it."""

from collections.abc import Sequence

from fastnn._core.ops.permutation import merged, steps
from fastnn.formats.c.program import Site, Value

PERMUTE = """\
/* y = x with its axes in another order: count of each axis of y, the last first, and how far apart it lies in x. */
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
