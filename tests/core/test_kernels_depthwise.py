"""Kernels of depthwise convolutions against NumPy: values, gradients, what lies beside, bits."""

import numpy as np
import pytest

from fastnn._core import doors, table

ISAS = table.supported_isas()
DTYPES = (np.float32, np.float64)
over_isas = pytest.mark.parametrize("isa", ISAS)
over_dtypes = pytest.mark.parametrize("dtype", DTYPES)
# pixels, channels, rows, columns, step and gap in pixels
SIZES = [
    (1, 1, 1, 1, 1, 1), (7, 16, 3, 3, 1, 1), (8, 5, 3, 3, 1, 1), (13, 33, 4, 3, 1, 1), (3, 17, 3, 3, 2, 1),
    (9, 16, 5, 5, 1, 1), (4, 20, 2, 5, 1, 1), (6, 7, 2, 4, 1, 1), (11, 40, 3, 3, 1, 2), (5, 3, 1, 7, 3, 2),
    (10, 18, 3, 3, 2, 2),
]  # fmt: skip
over_sizes = pytest.mark.parametrize(("pixels", "C", "rows", "columns", "step", "gap"), SIZES)


def draw(pixels, C, rows, columns, step, gap, dtype):
    """Rows of an image that begin in any order, what each output sees of them (pixels, rows * columns, C), and dy."""
    r = np.random.default_rng((pixels, C, rows, columns))
    width = (pixels - 1) * step + (columns - 1) * gap + 1
    x = r.normal(size=((rows + 1) * width + 16) * C + 64).astype(dtype)  # with what a vector may reach beyond it
    at = (r.permutation(rows + 1)[:rows] * width * C).astype(np.intp)
    places = np.arange(pixels)[:, None] * step + np.arange(columns) * gap
    seen = x[(at[:, None, None, None] + places[..., None] * C + np.arange(C))].transpose(1, 0, 2, 3)
    w, b, dy = (r.normal(size=size).astype(dtype) for size in ((rows * columns, C), C, (pixels, C)))
    return x, at, seen.reshape(pixels, rows * columns, C).astype(float), w, b, dy


@over_isas
@over_dtypes
@over_sizes
def test_forward(isa, dtype, pixels, C, rows, columns, step, gap):
    x, at, seen, w, b, _ = draw(pixels, C, rows, columns, step, gap, dtype)
    terms = seen * w.astype(float)
    z = terms.sum(axis=1)
    bound = 2 * (rows * columns + 1) * np.finfo(dtype).eps * (np.abs(terms).sum(axis=1).max() + np.abs(b).max())
    found = doors.depthwise_forward(x, w, b, at, pixels, step * C, gap * C, isa=isa)
    np.testing.assert_allclose(found, z + b, rtol=0, atol=bound)
    found = doors.depthwise_forward(x, w, None, at, pixels, step * C, gap * C, "relu", isa=isa)
    np.testing.assert_allclose(found, np.maximum(z, 0), rtol=0, atol=bound)


@over_isas
@over_dtypes
@over_sizes
def test_gradient(isa, dtype, pixels, C, rows, columns, step, gap):
    x, at, seen, w, _, dy = draw(pixels, C, rows, columns, step, gap, dtype)
    terms = seen * dy.astype(float)[:, None]
    expected, dw = w + terms.sum(axis=0), w.copy()
    doors.depthwise_gradient(x, dy, dw, at, step * C, gap * C, isa)
    bound = 2 * (pixels + 1) * np.finfo(dtype).eps * (np.abs(terms).sum(axis=0).max() + np.abs(w).max())
    np.testing.assert_allclose(dw, expected, rtol=0, atol=bound)


@pytest.mark.skipif(not {"avx2", "avx512"} <= set(ISAS), reason="needs AVX-512")
@over_dtypes
@over_sizes
def test_bits(dtype, pixels, C, rows, columns, step, gap):
    """Equal on AVX2 and AVX-512; a pixel has its own whichever tile it lies in."""
    x, at, _, w, b, dy = draw(pixels, C, rows, columns, step, gap, dtype)
    ys, dws = [], []
    for isa in ("avx2", "avx512"):
        ys.append(doors.depthwise_forward(x, w, b, at, pixels, step * C, gap * C, isa=isa))
        dws.append(w.copy())
        doors.depthwise_gradient(x, dy, dws[-1], at, step * C, gap * C, isa)
    np.testing.assert_array_equal(*ys)
    np.testing.assert_array_equal(*dws)
    for p in range(pixels):
        alone = doors.depthwise_forward(x, w, b, at + p * step * C, 1, step * C, gap * C, isa="avx2")
        np.testing.assert_array_equal(alone[0], ys[0][p])
