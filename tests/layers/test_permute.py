"""Permute: any order of any axes, against NumPy; what is refused."""

import itertools

import numpy as np
import pytest

import fastnn as fn
from fastnn._core.ops.permutation import merged, walk

ORDERS = [order for axes in range(1, 6) for order in itertools.permutations(range(axes))]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_order_of_up_to_five_axes(dtype):
    """Sizes of one, and beyond a block of 64 rows, among them; whole numbers, so that copies are equal."""
    r = np.random.default_rng(0)
    for order in ORDERS:
        for _ in range(3):
            most = (300, 90, 20, 9, 5)[len(order) - 1]
            shape = tuple(int(n) for n in r.integers(1, most, len(order)))
            net = fn.Sequential([fn.Permute(order)], shape, seed=0, dtype=dtype)
            x = np.arange(3 * np.prod(shape), dtype=dtype).reshape(3, *shape)
            expected = x.transpose(0, *(axis + 1 for axis in order))
            assert net.output_shape == expected.shape[1:]
            np.testing.assert_array_equal(net.forward(x), expected)
            np.testing.assert_array_equal(net.predict(x), expected)
            np.testing.assert_array_equal(net.backward(np.ascontiguousarray(expected)), x)


@pytest.fixture
def threads_restored():
    before = fn.get_num_threads()
    yield
    fn.set_num_threads(before)


@pytest.mark.usefixtures("threads_restored")
@pytest.mark.parametrize("shape", [(70, 67, 3), (3, 129, 65), (64, 64, 64)])
def test_blocks_and_threads_change_nothing(shape):
    x = np.arange(4 * np.prod(shape), dtype=np.float32).reshape(4, *shape)
    for order in itertools.permutations(range(3)):
        net = fn.Sequential([fn.Permute(order)], shape, seed=0)
        expected = x.transpose(0, *(axis + 1 for axis in order))
        for threads in (1, 2):
            fn.set_num_threads(threads)
            np.testing.assert_array_equal(net.predict(x), expected)
            np.testing.assert_array_equal(net.predict_one(x[2]), expected[2])


def test_axes_that_stay_side_by_side_are_one():
    assert merged((28, 28, 3), (2, 0, 1)) == ([784, 3], [1, 0])
    assert merged((7, 1, 5), (1, 2, 0)) == ([7, 5], [1, 0])
    assert merged((2, 3, 4, 5), (2, 3, 0, 1)) == ([6, 20], [1, 0])
    assert merged((2, 3, 4), (0, 1, 2)) == ([24], [0])
    assert walk((8, 2, 8, 2, 3), (0, 2, 1, 3, 4)).piece == 6
    assert walk((5, 4, 3), (0, 2, 1)) == ([(5, 12, 12)], 4, 3, 3, 4, 1)


def test_an_order_that_changes_nothing_costs_nothing():
    for order, shape in (((0, 1), (3, 4)), ((1, 0), (1, 4)), ((2, 0, 1), (3, 4, 1))):
        net = fn.Sequential([fn.Permute(order)], shape, seed=0)
        assert len(net.plan.ops) == 0
        x = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
        np.testing.assert_array_equal(net.predict(x), x.transpose(0, *(axis + 1 for axis in order)))


def test_channels_are_shuffled_as_pytorch_does():
    torch = pytest.importorskip("torch", reason="needs PyTorch")
    x = np.random.default_rng(0).normal(size=(2, 4, 5, 12)).astype(np.float32)
    layers = [fn.Reshape((4, 5, 3, 4)), fn.Permute((0, 1, 3, 2)), fn.Reshape((4, 5, 12))]
    expected = torch.nn.ChannelShuffle(3)(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).numpy()
    np.testing.assert_array_equal(fn.Sequential(layers, (4, 5, 12), seed=0).predict(x), expected.transpose(0, 2, 3, 1))


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: fn.Permute((1, 2)), ValueError, r"Permute: expected axes to be each of 0 to 1 once, .* got \(1, 2\)"),
    (lambda: fn.Permute((0, 0)), ValueError, r"each of 0 to 1 once"),
    (lambda: fn.Permute((0, -1)), ValueError, r"expected axes of at least 0, got -1"),
    (lambda: fn.Permute((0, 1.0)), TypeError, r"expected axes to be an integer"),
    (lambda: fn.Permute(1), TypeError, r"expected axes to be a tuple of integers such as \(2, 0, 1\), got 1"),
    (lambda: fn.Permute((1, 0))(fn.Input((2, 3, 4))), ValueError, r"expected rows of 2 axes, got \(B, 2, 3, 4\)"),
])  # fmt: skip
def test_refusals(make, error, message):
    with pytest.raises(error, match=message):
        make()
