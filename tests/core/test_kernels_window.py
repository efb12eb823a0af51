"""Kernels of convolutions and of pooling against NumPy: values, gradients, what lies beyond, bits."""

import ctypes
import mmap
import sys
from itertools import pairwise

import numpy as np
import pytest
from helpers import reference as ref

from fastnn._core import doors, table

ISAS = table.supported_isas()
DTYPES = (np.float32, np.float64)
over_isas = pytest.mark.parametrize("isa", ISAS)
over_dtypes = pytest.mark.parametrize("dtype", DTYPES)
SIZES = [(1, 1, 1), (2, 3, 5), (5, 9, 16), (17, 4, 33), (8, 27, 48), (23, 18, 50), (40, 12, 3)]


def windows(pixels, depth, seed=0):
    """An array, and windows of ``depth`` elements in runs of 1, or of 3, at any places of it."""
    r = np.random.default_rng((seed, pixels, depth))
    run = 3 if depth % 3 == 0 else 1
    x = r.normal(size=400)
    run_at = r.integers(0, 200, depth // run).astype(np.int32)
    at = r.integers(0, 200 - run, pixels).astype(np.int32)
    taken = x[at[:, None] + np.repeat(run_at, run) + np.tile(np.arange(run), depth // run)]
    return x, at, run_at, run, taken


@over_isas
@over_dtypes
@pytest.mark.parametrize(("pixels", "depth", "outputs"), SIZES)
def test_window_forward(isa, dtype, pixels, depth, outputs):
    x, at, run_at, run, taken = windows(pixels, depth)
    r = np.random.default_rng(1)
    w, bias = r.normal(size=(depth, outputs)).astype(dtype), r.normal(size=outputs).astype(dtype)
    x, taken = x.astype(dtype), taken.astype(dtype).astype(float)
    size = 2 * depth * np.finfo(dtype).eps * np.abs(taken).max() * np.abs(w).max()  # roundings of a chain
    z = taken @ w.astype(float)
    found = doors.window_forward(x, w, bias, at, run_at, run, isa=isa)
    np.testing.assert_allclose(found, z + bias, rtol=0, atol=size * 4)
    found = doors.window_forward(x, w, None, at, run_at, run, "relu", isa=isa)
    np.testing.assert_allclose(found, np.maximum(z, 0), rtol=0, atol=size * 4)


@over_isas
@over_dtypes
@pytest.mark.parametrize(("pixels", "depth", "outputs"), SIZES)
def test_window_gradient(isa, dtype, pixels, depth, outputs):
    x, at, run_at, run, taken = windows(pixels, depth)
    r = np.random.default_rng(2)
    dy, dw = r.normal(size=(pixels, outputs)).astype(dtype), r.normal(size=(depth, outputs)).astype(dtype)
    expected = dw + 0.5 * taken.astype(dtype).astype(float).T @ dy.astype(float)
    doors.window_gradient(x.astype(dtype), dy, dw, at, run_at, run, 0.5, isa=isa)
    size = 2 * (pixels + 2) * np.finfo(dtype).eps * np.abs(taken).max() * np.abs(dy).max()
    np.testing.assert_allclose(dw, expected, rtol=0, atol=size * 4)


def neighbours(pixels, channels, taps, pair, seed=0):
    """As ``windows``, of rows of two pixels that lie ``pair`` apart; runs of ``taps`` pixels of ``channels``."""
    r = np.random.default_rng((seed, pixels, channels))
    run = taps * channels
    run_at = r.integers(0, 300, 3).astype(np.int32)
    first = 7 * np.arange(pixels // 2)
    at = np.stack([first, first + pair], axis=1).ravel().astype(np.int32)
    x = r.normal(size=700 + run + pair)
    return x, at, run_at, run, x[at[:, None] + np.repeat(run_at, run) + np.tile(np.arange(run), 3)]


@over_isas
@over_dtypes
@pytest.mark.parametrize("outputs", [1, 4, 8, 16, 24])
@pytest.mark.parametrize(
    ("pixels", "channels", "pair"), [(2, 16, 16), (12, 1, 1), (16, 16, 16), (38, 8, 40), (64, 5, 10)]
)
def test_pairs_and_neighbours(isa, dtype, pixels, channels, pair, outputs):
    """The tiles of few outputs, whose pixels or weights are neighbours: a product of NumPy, and the bits of others."""
    x, at, run_at, run, taken = neighbours(pixels, channels, 2, pair)
    r = np.random.default_rng(4)
    x, taken = x.astype(dtype), taken.astype(dtype).astype(float)
    w, dy = r.normal(size=(3 * run, outputs)).astype(dtype), r.normal(size=(pixels, outputs)).astype(dtype)
    bias = r.normal(size=outputs).astype(dtype)
    found = doors.window_forward(x, w, bias, at, run_at, run, isa=isa, columns=2)
    size = 8 * 3 * run * np.finfo(dtype).eps * np.abs(taken).max() * np.abs(w).max()
    np.testing.assert_allclose(found, taken @ w.astype(float) + bias, rtol=0, atol=size)
    np.testing.assert_array_equal(found, doors.window_forward(x, w, bias, at, run_at, run, isa=isa))
    dw = np.ones_like(w)
    doors.window_gradient(x, dy, dw, at, run_at, run, 0.5, isa=isa)
    size = 8 * (pixels + 2) * np.finfo(dtype).eps * np.abs(taken).max() * np.abs(dy).max()
    np.testing.assert_allclose(dw, 1 + 0.5 * taken.T @ dy.astype(float), rtol=0, atol=size)


SWEPT = [  # rows, columns, pixels between neighbours, channels, pixels of a run, outputs
    (2, 8, 1, 16, 3, 16), (3, 4, 1, 5, 3, 3), (5, 11, 1, 4, 3, 8), (7, 13, 2, 3, 3, 16), (4, 9, 1, 16, 1, 5),
    (16, 24, 1, 2, 3, 1), (2, 5, 3, 1, 2, 8), (1, 8, 1, 4, 3, 8), (6, 3, 1, 4, 3, 4), (3, 8, 1, 4, 3, 17),
]  # fmt: skip


@over_isas
@over_dtypes
@pytest.mark.parametrize("case", SWEPT, ids=str)
def test_windows_one_above_the_other(isa, dtype, case):
    """Rows of pixels whose windows overlap: a product of NumPy, and the bits of pixels that lie at any places."""
    rows, columns, step, channels, taps, outputs = case
    r = np.random.default_rng(case)
    row = (columns * step + taps) * channels
    run_at, run = (np.arange(3) * row).astype(np.int32), taps * channels
    at = (np.arange(rows)[:, None] * row + np.arange(columns) * step * channels).ravel().astype(np.int32)
    x = guarded(r.normal(size=at[-1] + run_at[-1] + run).astype(dtype))
    w, bias = r.normal(size=(3 * run, outputs)).astype(dtype), r.normal(size=outputs).astype(dtype)
    taken = x[at[:, None] + np.repeat(run_at, run) + np.tile(np.arange(run), 3)].astype(float)
    bound = np.finfo(dtype).eps * (3 * run + 1) * (np.abs(taken) @ np.abs(w.astype(float)) + np.abs(bias))
    found = doors.window_forward(x, w, bias, at, run_at, run, isa=isa, columns=columns)
    assert (np.abs(found - (taken @ w.astype(float) + bias)) <= bound).all()
    for activation in ("identity", "relu"):
        swept = doors.window_forward(x, w, None, at, run_at, run, activation, isa=isa, columns=columns)
        np.testing.assert_array_equal(swept, doors.window_forward(x, w, None, at, run_at, run, activation, isa=isa))


SIDE_BY_SIDE = [  # rows, columns, channels, pixels of a run, runs, outputs
    (3, 3, 8, 3, 1, 16), (2, 8, 16, 3, 3, 16), (1, 5, 8, 3, 2, 32), (4, 9, 24, 3, 2, 48), (2, 7, 8, 3, 3, 13),
    (5, 4, 8, 3, 1, 40), (2, 2, 8, 3, 1, 16), (1, 1, 8, 3, 1, 16), (3, 5, 4, 3, 2, 16), (3, 6, 8, 2, 3, 16),
    (2, 9, 16, 3, 1, 3),
]  # fmt: skip


@over_isas
@over_dtypes
@pytest.mark.parametrize("case", SIDE_BY_SIDE, ids=str)
def test_gradient_of_windows_side_by_side(isa, dtype, case):
    """Windows of neighbours overlap: a product of NumPy, the bits of pixels at any places, and of parts by parts."""
    rows, columns, channels, taps, runs, outputs = case
    r = np.random.default_rng(case)
    row, run = (columns + taps) * channels, taps * channels
    run_at = (np.arange(runs) * row).astype(np.int32)
    at = (np.arange(rows)[:, None] * row + np.arange(columns) * channels).ravel().astype(np.int32)
    x = guarded(r.normal(size=at[-1] + run_at[-1] + run).astype(dtype))
    dy, dw = r.normal(size=(len(at), outputs)).astype(dtype), r.normal(size=(runs * run, outputs)).astype(dtype)
    taken = x[at[:, None] + np.repeat(run_at, run) + np.tile(np.arange(run), runs)].astype(float)
    bound = np.finfo(dtype).eps * (len(at) + 2) * (np.abs(taken).T @ np.abs(dy.astype(float)) + np.abs(dw))
    whole, parts, alone = dw.copy(), dw.copy(), dw.copy()
    doors.window_gradient(x, dy, whole, at, run_at, run, 0.5, isa=isa, columns=columns)
    assert (np.abs(whole - (dw + 0.5 * taken.T @ dy.astype(float))) <= bound).all()
    doors.window_gradient(x, dy, alone, at, run_at, run, 0.5, isa=isa)
    np.testing.assert_array_equal(whole, alone)
    for first in range(0, len(dw), 24):
        part = range(first, min(first + 24, len(dw)))
        doors.window_gradient(x, dy, parts, at, run_at, run, 0.5, isa=isa, part=part, columns=columns)
    np.testing.assert_array_equal(whole, parts)


@over_isas
def test_rows_that_lie_otherwise_are_not_swept(isa):
    """Runs of a window that are further apart than rows of pixels, or nearer, as strides and dilation make them."""
    r = np.random.default_rng(5)
    at = (np.arange(4)[:, None] * 40 + np.arange(8) * 4).ravel().astype(np.int32)
    x, w = r.normal(size=400), r.normal(size=(36, 4))
    for run_at in ([0, 80, 160], [0, 20, 40], [0, 40, 120], [0, 80, 120]):
        places = np.repeat(run_at, 12) + np.tile(np.arange(12), 3)
        found = doors.window_forward(x, w, None, at, np.array(run_at, np.int32), 12, isa=isa, columns=8)
        np.testing.assert_allclose(found, x[at[:, None] + places] @ w, rtol=0, atol=1e-13)


LANES = [  # pixels, elements of a run, runs, outputs: few of these, and runs that end within a vector
    (30, 16, 3, 1), (30, 17, 3, 3), (9, 24, 3, 8), (40, 48, 2, 16), (7, 33, 1, 19), (12, 100, 2, 32), (5, 31, 2, 40),
]  # fmt: skip


def lanes(case, dtype):
    """An array that ends with the last window and is not to be read beyond; dy, and a gradient that is added to."""
    pixels, run, runs, outputs = case
    r = np.random.default_rng(case)
    run_at, at = (np.arange(runs) * (run + 5)).astype(np.int32), (np.arange(pixels) * 3).astype(np.int32)
    x = guarded(r.normal(size=at[-1] + run_at[-1] + run).astype(dtype))
    dy, dw = r.normal(size=(pixels, outputs)), r.normal(size=(runs * run, outputs))
    return x, dy.astype(dtype), dw.astype(dtype), at, run_at, run


def guarded(array):
    """A copy behind which there is memory that stops the process at once, where the system can do that."""
    if not sys.platform.startswith("linux"):
        return array.copy()
    pages = -(-array.nbytes // mmap.PAGESIZE)
    memory = mmap.mmap(-1, (pages + 1) * mmap.PAGESIZE)
    start = np.frombuffer(memory, np.uint8)
    libc = ctypes.CDLL(None, use_errno=True)
    end = start.ctypes.data + pages * mmap.PAGESIZE
    assert libc.mprotect(ctypes.c_void_p(end), ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
    first = pages * mmap.PAGESIZE - array.nbytes
    copy = start[first : first + array.nbytes].view(array.dtype)
    copy[:] = array
    return copy


@over_isas
@over_dtypes
@pytest.mark.parametrize("case", LANES, ids=str)
def test_gradient_with_windows_in_the_lanes(isa, dtype, case):
    """A product of NumPy, whole and in parts that begin and end within a run, which have the same bits."""
    x, dy, dw, at, run_at, run = lanes(case, dtype)
    places = np.repeat(run_at, run) + np.tile(np.arange(run), len(run_at))
    taken = x[at[:, None] + places].astype(float)
    shares = 0.5 * taken.T @ dy.astype(float)
    bound = np.finfo(dtype).eps * (len(at) + 2) * (np.abs(taken).T @ np.abs(dy.astype(float)) + np.abs(dw))
    whole, parts = dw.copy(), dw.copy()
    doors.window_gradient(x, dy, whole, at, run_at, run, 0.5, isa=isa)
    assert (np.abs(whole - (dw + shares)) <= bound).all()
    cuts = [0, 5, 16, len(dw) - 3, len(dw)]
    for first, last in pairwise(cuts):
        doors.window_gradient(x, dy, parts, at, run_at, run, 0.5, isa=isa, part=range(first, last))
        np.testing.assert_array_equal(parts[:last], whole[:last])
        np.testing.assert_array_equal(parts[last:], dw[last:])


@pytest.mark.skipif(not {"avx2", "avx512"} <= set(ISAS), reason="needs AVX-512")
@over_dtypes
@pytest.mark.parametrize("case", LANES, ids=str)
def test_bits_of_gradients_with_windows_in_the_lanes(dtype, case):
    """Where one instruction set has the windows in the lanes, the other may have the outputs."""
    x, dy, dw, at, run_at, run = lanes(case, dtype)
    found = [dw.copy(), dw.copy()]
    for isa, out in zip(("avx2", "avx512"), found, strict=True):
        doors.window_gradient(x, dy, out, at, run_at, run, 0.3, isa=isa)
    np.testing.assert_array_equal(*found)


FLAT = [  # images, rows, pixels of a row, pixels between rows, elements of a run, runs, outputs
    (1, 1, 16, 0, 1, 1, 1), (3, 24, 24, 4, 5, 5, 6), (2, 5, 17, 5, 3, 3, 8), (1, 3, 40, 2, 3, 3, 15),
    (2, 70, 28, 2, 3, 3, 4), (1, 2, 600, 6, 7, 7, 5), (4, 16, 16, 0, 2, 1, 3), (1, 9, 30, 9, 4, 12, 2),
    (1, 3, 700, 0, 1, 1, 14),
]  # fmt: skip


def flat(case, dtype):
    """Images of one channel, which end with the last window and are not to be read beyond, dy and what is added to."""
    images, rows, columns, gap, run, runs, outputs = case
    r = np.random.default_rng(case)
    pitch = columns + gap
    image = (rows + runs - 1) * pitch + run + 3
    at = np.arange(images)[:, None, None] * image + np.arange(rows)[:, None] * pitch + np.arange(columns)
    at, run_at = at.ravel().astype(np.int32), (np.arange(runs) * pitch).astype(np.int32)
    x = guarded(r.normal(size=at[-1] + run_at[-1] + run).astype(dtype))
    dy, dw = r.normal(size=(len(at), outputs)).astype(dtype), r.normal(size=(runs * run, outputs)).astype(dtype)
    return x, dy, dw, at, run_at, run


@over_isas
@over_dtypes
@pytest.mark.parametrize("case", FLAT, ids=str)
def test_gradient_of_one_channel(isa, dtype, case):
    """Pixels of stretches of rows lie in the lanes: a product of NumPy, and parts have the bits of the whole."""
    x, dy, dw, at, run_at, run = flat(case, dtype)
    taken = x[at[:, None] + np.repeat(run_at, run) + np.tile(np.arange(run), len(run_at))].astype(float)
    shares = 0.5 * taken.T @ dy.astype(float)
    bound = np.finfo(dtype).eps * (len(at) + 2) * (np.abs(taken).T @ np.abs(dy.astype(float)) + np.abs(dw))
    whole, parts = dw.copy(), dw.copy()
    doors.window_gradient(x, dy, whole, at, run_at, run, 0.5, isa=isa)
    assert (np.abs(whole - (dw + shares)) <= bound).all()
    for first in range(0, len(dw), 5):
        doors.window_gradient(x, dy, parts, at, run_at, run, 0.5, isa=isa, part=range(first, min(first + 5, len(dw))))
    np.testing.assert_array_equal(parts, whole)


@pytest.mark.skipif(not {"avx2", "avx512"} <= set(ISAS), reason="needs AVX-512")
@over_dtypes
@pytest.mark.parametrize("case", FLAT, ids=str)
def test_bits_of_gradients_of_one_channel(dtype, case):
    x, dy, dw, at, run_at, run = flat(case, dtype)
    found = [dw.copy(), dw.copy()]
    for isa, out in zip(("avx2", "avx512"), found, strict=True):
        doors.window_gradient(x, dy, out, at, run_at, run, 0.3, isa=isa)
    np.testing.assert_array_equal(*found)


ROWS = [  # pixels of a row, rows, elements of a run, runs, outputs
    (28, 3, 5, 5, 6), (16, 2, 3, 3, 1), (17, 5, 1, 1, 2), (32, 1, 7, 7, 3), (48, 2, 2, 4, 4), (75, 2, 6, 3, 5),
    (64, 1, 4, 32, 7), (31, 4, 3, 2, 8),
]  # fmt: skip


@over_isas
@over_dtypes
@pytest.mark.parametrize("case", ROWS, ids=str)
def test_forward_of_one_channel(isa, dtype, case):
    """Pixels that are neighbours lie in the lanes: a product of NumPy, and the bits that each has by itself."""
    columns, rows, run, runs, outputs = case
    r = np.random.default_rng(case)
    width = columns + run + 2
    at = (np.arange(rows)[:, None] * width + np.arange(columns)).ravel().astype(np.int32)
    run_at = (np.arange(runs) * width).astype(np.int32)
    x = guarded(r.normal(size=at[-1] + run_at[-1] + run).astype(dtype))
    w, bias = r.normal(size=(runs * run, outputs)).astype(dtype), r.normal(size=outputs).astype(dtype)
    taken = x[at[:, None] + np.repeat(run_at, run) + np.tile(np.arange(run), runs)].astype(float)
    bound = np.finfo(dtype).eps * (runs * run + 2) * (np.abs(taken) @ np.abs(w.astype(float)) + np.abs(bias))
    found = doors.window_forward(x, w, bias, at, run_at, run, isa=isa)
    assert (np.abs(found - (taken @ w.astype(float) + bias)) <= bound).all()
    for p in range(len(at)):
        one = doors.window_forward(x, w, bias, at[p : p + 1], run_at, run, isa=isa)
        np.testing.assert_array_equal(one[0], found[p])
    rectified = doors.window_forward(x, w, bias, at, run_at, run, "relu", isa=isa)
    np.testing.assert_array_equal(rectified, np.maximum(found, 0))


@pytest.mark.skipif(not {"avx2", "avx512"} <= set(ISAS), reason="needs AVX-512")
@over_dtypes
def test_bits_of_one_channel(dtype):
    """40 pixels of a row and six outputs: in float32 the pixels lie in the lanes with AVX-512 alone."""
    r = np.random.default_rng(7)
    at, run_at = np.arange(40, dtype=np.int32), np.array([0, 60, 120], np.int32)
    x, w = r.normal(size=200).astype(dtype), r.normal(size=(9, 6)).astype(dtype)
    found = [doors.window_forward(x, w, None, at, run_at, 3, "leaky_relu", 0.1, isa=isa) for isa in ("avx2", "avx512")]
    np.testing.assert_array_equal(*found)


def spread(dy, w, at, run_at, run, size, columns):
    """What pixels add to their windows, in float64."""
    dx = np.zeros(size)
    places = np.repeat(run_at, run) + np.tile(np.arange(run), len(run_at))
    for p, share in enumerate(dy.astype(float) @ w.astype(float).T):
        np.add.at(dx, at[p] + places, share)
    return dx


SCATTERED = [  # channels, taps of a run, runs, stride in pixels, pixels of a row, rows, outputs
    (1, 5, 5, 1, 28, 2, 6), (6, 5, 5, 1, 8, 3, 16), (3, 7, 7, 2, 11, 2, 20), (3, 3, 3, 1, 4, 4, 5),
    (1, 1, 1, 1, 3, 1, 1), (15, 17, 1, 1, 5, 1, 3), (2, 3, 2, 3, 9, 2, 4),
    # four rows at a time, and those that are left: runs below each other, two apart, too many of them for their room
    (6, 5, 5, 1, 8, 8, 16), (6, 5, 5, 1, 8, 11, 3), (1, 7, 7, 2, 9, 5, 4), (15, 3, 9, 1, 6, 4, 2),
    (1, 4, 3, 1, 3, 6, 7),
]  # fmt: skip


def scattered(case, dtype):
    channels, taps, runs, stride, columns, rows, outputs = case
    r = np.random.default_rng(case)
    width = (columns - 1) * stride + taps
    at = ((np.arange(rows)[:, None] * width + np.arange(columns)) * stride * channels).ravel().astype(np.int32)
    run_at = (np.arange(runs) * width * channels).astype(np.int32)
    size = ((rows - 1) * stride + runs) * width * channels
    w = r.normal(size=(runs * taps * channels, outputs)).astype(dtype)
    return r.normal(size=(rows * columns, outputs)).astype(dtype), w, at, run_at, taps * channels, size, columns


@over_isas
@over_dtypes
@pytest.mark.parametrize("case", SCATTERED, ids=str)
def test_scatter(isa, dtype, case):
    """scatter of weights that scatter_turn puts in the scatter_size numbers there are."""
    dy, w, at, run_at, run, size, columns = scattered(case, dtype)
    dx = np.full(size + 16, 2, dtype)
    doors.scatter(dy, w, dx, at, run_at, run, columns, isa=isa)
    taken = spread(np.abs(dy), np.abs(w), at, run_at, run, size, columns)
    bound = np.finfo(dtype).eps * (w.shape[1] + 2 + taken.size**0.5) * (taken.max() + 2)  # roundings of chain and sum
    np.testing.assert_allclose(dx[:size], 2 + spread(dy, w, at, run_at, run, size, columns), rtol=0, atol=bound)
    np.testing.assert_array_equal(dx[size:], 2)


@over_isas
@pytest.mark.parametrize("case", [(1, 3, 2, 1, 12, 2, 2), (1, 3, 2, 1, 12, 4, 2)], ids=str)
def test_scatter_of_infinity_stays_in_its_windows(isa, case):
    """Beyond the end of a run stand weights of 0, and infinity times 0 is no number."""
    dy, w, at, run_at, run, size, columns = scattered(case, np.float32)
    w[:] = 1
    dy[:] = 1
    dy[1, 0] = np.inf
    dx = np.zeros(size + 16, np.float32)
    doors.scatter(dy, w, dx, at, run_at, run, columns, isa=isa)
    seen = np.zeros(size, bool)
    seen[at[1] + (run_at[:, None] + np.arange(run))] = True
    np.testing.assert_array_equal(np.isfinite(dx[:size]), ~seen)


@pytest.mark.skipif(not {"avx2", "avx512"} <= set(ISAS), reason="needs AVX-512")
@over_dtypes
@pytest.mark.parametrize("case", SCATTERED, ids=str)
def test_bits_of_scatter(dtype, case):
    dy, w, at, run_at, run, size, columns = scattered(case, dtype)
    found = []
    for isa in ("avx2", "avx512"):
        found.append(np.zeros(size + 16, dtype))
        doors.scatter(dy, w, found[-1], at, run_at, run, columns, isa=isa)
    np.testing.assert_array_equal(*found)


@pytest.mark.skipif(not {"avx2", "avx512"} <= set(ISAS), reason="needs AVX-512")
@over_dtypes
@pytest.mark.parametrize(("pixels", "depth", "outputs"), SIZES)
def test_bits_of_windows(dtype, pixels, depth, outputs):
    x, at, run_at, run, _ = windows(pixels, depth)
    r = np.random.default_rng(3)
    x, w, dy = (
        x.astype(dtype),
        r.normal(size=(depth, outputs)).astype(dtype),
        r.normal(size=(pixels, outputs)).astype(dtype),
    )
    found = []
    for isa in ("avx2", "avx512"):
        y, dw = doors.window_forward(x, w, None, at, run_at, run, isa=isa), np.ones_like(w)
        doors.window_gradient(x, dy, dw, at, run_at, run, 0.3, isa=isa)
        found.append((y, dw))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])


POOLS = [
    ((4, 6, 3), (2, 3), (2, 2), (2, 2), (0, 0)),
    ((5, 7, 17), (3, 4), (3, 2), (2, 2), (1, 1)),
    ((1, 1, 1), (1, 1), (1, 1), (1, 1), (0, 0)),
    ((3, 5, 70), (1, 1), (3, 5), (3, 5), (0, 0)),
    ((4, 24, 6), (2, 12), (2, 2), (2, 2), (0, 0)),
    ((4, 9, 5), (3, 8), (2, 2), (1, 1), (0, 0)),
    ((4, 9, 2), (2, 5), (2, 2), (2, 2), (0, 1)),
    ((3, 6, 16), (2, 5), (2, 2), (1, 1), (0, 0)),
]


@over_isas
@over_dtypes
@pytest.mark.parametrize(("shape", "output", "size", "strides", "before"), POOLS)
def test_pools(isa, dtype, shape, output, size, strides, before):
    """Values by NumPy; gradients by differences of it, which are exact where it is linear: of small whole numbers."""
    r = np.random.default_rng(4)
    x = r.permutation(int(np.prod(shape))).reshape(shape).astype(dtype)
    dy = r.integers(1, 5, (*output, shape[2])).astype(dtype)
    for kind, counts in (("max", False), ("mean", False), ("mean", True)):

        def twin(v, kind=kind, counts=counts):
            return ref.pool2d(v[None], kind, size, strides, before, before, output, counts)[0]

        if kind == "max":
            y = doors.max_pool_forward(x, output, size, strides, before, isa)
            dx = doors.max_pool_backward(x, y, dy, size, strides, before, isa)
        else:
            y = doors.mean_pool_forward(x, output, size, strides, before, counts, isa)
            dx = doors.mean_pool_backward(x, dy, size, strides, before, counts, isa)
        np.testing.assert_allclose(y, twin(x.astype(float)), rtol=8 * np.finfo(dtype).eps)
        direction = r.uniform(-1, 1, shape)
        moved = (twin(x + 0.25 * direction) - twin(x - 0.25 * direction)) / 0.5  # no other becomes the largest
        # roundings of the sums, and of the difference of values up to x.size, twice over
        bound = (50 * np.finfo(dtype).eps + 8 * 2**-52 * x.size) * np.abs(dy).sum()
        assert abs((dy * moved).sum() - (dx * direction).sum()) < bound


@over_isas
def test_the_largest_is_nan_where_one_is(isa):
    x = np.zeros((2, 2, 20), np.float32)
    for place in np.ndindex(2, 2):
        bad = x.copy()
        bad[(*place, 7)] = np.nan
        y = doors.max_pool_forward(bad, (1, 1), (2, 2), (2, 2), isa=isa)[0, 0]
        assert np.isnan(y[7])
        assert np.isfinite(np.delete(y, 7)).all()


@over_isas
@over_dtypes
@pytest.mark.parametrize("size", [2, 3])
def test_pools_read_nothing_behind_the_image(isa, dtype, size):
    """Windows of few channels, whose vectors would reach past the end of its last page."""
    x = np.random.default_rng(5).normal(size=(2 * size, 2 * size, 3)).astype(dtype)
    cells = x.reshape(2, size, 2, size, 3)
    largest = doors.max_pool_forward(guarded(x.ravel()).reshape(x.shape), (2, 2), (size, size), (size, size), isa=isa)
    np.testing.assert_array_equal(largest, cells.max(axis=(1, 3)))
