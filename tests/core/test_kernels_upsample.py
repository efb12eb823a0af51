"""Kernels that make images larger, against NumPy; gradients as the transposed map; bits.

By the mode: upsample_nearest_forward and upsample_nearest_backward, upsample_bilinear_forward and
upsample_bilinear_backward.
"""

import numpy as np
import pytest
from helpers import reference as ref

from fastnn._core import doors, table

ISAS = table.supported_isas()
SIZES = [((1, 1, 1), (2, 3)), ((2, 3, 5), (2, 2)), ((3, 2, 17), (3, 1)), ((4, 5, 3), (1, 4)), ((2, 2, 40), (5, 4))]
over = [
    pytest.mark.parametrize("mode", ["nearest", "bilinear"]),
    pytest.mark.parametrize("isa", ISAS),
    pytest.mark.parametrize("dtype", [np.float32, np.float64]),
    pytest.mark.parametrize(("shape", "factor"), SIZES),
]


def over_all(test):
    for mark in over:
        test = mark(test)
    return test


@over_all
def test_forward(mode, isa, dtype, shape, factor):
    x = np.random.default_rng(0).normal(size=shape).astype(dtype)
    expected = ref.upsample2d(x[None].astype(np.float64), factor, mode)[0]
    found = doors.upsample_forward(x, factor, mode, isa)
    # four weights of two roundings, and a chain of four: 7 half eps of the largest pixel around
    bound = 0 if mode == "nearest" else 4 * np.finfo(dtype).eps * np.abs(x).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=bound)


@over_all
def test_backward_is_the_transposed_map(mode, isa, dtype, shape, factor):
    """The gradient of pixel p is the dot product of dy with what one at p becomes."""
    dy = np.random.default_rng(1).normal(size=(shape[0] * factor[0], shape[1] * factor[1], shape[2])).astype(dtype)
    units = np.eye(shape[0] * shape[1]).reshape(-1, *shape[:2], 1)
    weights = ref.upsample2d(units, factor, mode)[..., 0]
    expected = np.tensordot(weights, dy.astype(np.float64), axes=((1, 2), (0, 1))).reshape(shape)
    terms = np.tensordot(weights, np.abs(dy.astype(np.float64)), axes=((1, 2), (0, 1))).reshape(shape)
    bound = (4 * factor[0] * factor[1] + 4) * np.finfo(dtype).eps * terms  # of a sum of as many terms
    assert (np.abs(doors.upsample_backward(dy, factor, mode, isa) - expected) <= bound).all()


@pytest.mark.skipif(not {"avx2", "avx512"} <= set(ISAS), reason="needs AVX-512")
@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("shape", "factor"), SIZES)
def test_bits(mode, dtype, shape, factor):
    x = np.random.default_rng(2).normal(size=shape).astype(dtype)
    y = [doors.upsample_forward(x, factor, mode, isa) for isa in ("avx2", "avx512")]
    np.testing.assert_array_equal(*y)
    np.testing.assert_array_equal(*(doors.upsample_backward(y[0], factor, mode, isa) for isa in ("avx2", "avx512")))
