"""Gradients by hand: steps read and write large ones where the caller's arrays lie."""

import ctypes
import mmap
import sys

import numpy as np
import pytest

import fastnn as fn

ROWS = 16


def network(filters=8, bias=False):
    """Images of 24 x 24, 18 kB a row: a batch is lent, a row is copied."""
    return fn.Sequential([fn.Conv2D(filters, 3, padding=1, bias=bias)], input_shape=(24, 24, 8), seed=0)


def drawn(seed, filters=8):
    return np.random.default_rng(seed).standard_normal((ROWS, 24, 24, filters), np.float32)


def at_page_end(array):
    """A copy behind which no memory may be read."""
    pages = -(-array.nbytes // mmap.PAGESIZE)
    memory = mmap.mmap(-1, (pages + 1) * mmap.PAGESIZE)
    start = np.frombuffer(memory, np.uint8)
    end = start.ctypes.data + pages * mmap.PAGESIZE
    assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(end), ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
    first = pages * mmap.PAGESIZE - array.nbytes
    copy = start[first : first + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[:] = array
    return copy


@pytest.mark.parametrize("activation", ["identity", "relu", "tanh"])
def test_what_the_caller_holds_stays_as_it_is(activation):
    """dy is read and not written, and a gradient that was returned is not written again."""
    net = fn.Sequential([fn.Conv2D(8, 3, activation, padding=1)], input_shape=(24, 24, 8), seed=0)
    X, dy = drawn(0), drawn(1)
    held = dy.copy()
    dy.flags.writeable = False
    net.forward(X)
    dx = net.backward(dy)
    first = dx.copy()
    net.forward(drawn(2))
    other = net.backward(drawn(3))
    assert np.array_equal(dy, held)
    assert np.array_equal(dx, first)
    assert not np.array_equal(other, first)
    assert dx.flags.writeable
    assert dx.shape == X.shape


def test_the_input_gradient_is_the_adjoint():
    """Of a linear layer sum(dy y) = sum(dx x), for the batch and for each row by itself."""
    net, X, dy = network(), drawn(0), drawn(1)
    y, dx = net.forward(X), net.backward(dy)
    sides = [np.sum(a.astype(float) * b, axis=(1, 2, 3)) for a, b in ((dy, y), (dx, X))]
    weight = np.abs(net.params.astype(float)).reshape(3, 3, 8, 8)
    padded = np.pad(np.abs(X.astype(float)), ((0, 0), (1, 1), (1, 1), (0, 0)))
    most = sum(padded[:, i : i + 24, j : j + 24] @ weight[i, j] for i in range(3) for j in range(3))
    size = np.sum(np.abs(dy) * most, axis=(1, 2, 3))
    assert (np.abs(sides[0] - sides[1]) <= 2 * (9 * 8 + 2) * np.finfo(np.float32).eps * size).all()
    for row in range(ROWS):
        net.forward(X[row : row + 1])
        assert np.array_equal(net.backward(dy[row : row + 1])[0], dx[row])


@pytest.mark.skipif(sys.platform == "win32", reason="no mprotect")
@pytest.mark.parametrize("filters", [3, 4, 8])
def test_nothing_is_read_behind_the_gradient(filters):
    """The last page ends with it, so that a copy is read instead: windows of four elements take vectors of outputs."""
    net = fn.Sequential([fn.Conv2D(filters, 1)], input_shape=(24, 24, 4), seed=0)
    X, dy = drawn(0, 4), drawn(1, filters)
    net.forward(X)
    expected = net.backward(dy)
    net.forward(X)
    assert np.array_equal(net.backward(at_page_end(dy)), expected)


def test_an_input_that_is_an_output_gets_its_gradient():
    """One that no step reads, beside one that a step does."""
    here, there = fn.Input((24, 24, 8)), fn.Input((24, 24, 8))
    net = fn.Network([here, there], [here, fn.Conv2D(8, 3)(there)], seed=0)
    dy = drawn(2)
    y = net.forward([drawn(0), drawn(1)])
    dx = net.backward([dy, np.ones_like(y[1])])
    assert np.array_equal(dx[0], dy)
    assert dx[0] is not dy
