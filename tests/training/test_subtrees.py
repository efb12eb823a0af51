"""The sum over groups: a tree that depends on their number alone, whoever has which of them."""

import numpy as np
import pytest

import fastnn as fn
from fastnn.training.subtrees import additions, most_sums, nodes, share


def tree(vectors):
    """The reference: the first half plus the second."""
    half = len(vectors) // 2
    return vectors[0] if not half else tree(vectors[:half]) + tree(vectors[half:])


def groups_of(groups):
    rng = np.random.default_rng(groups)
    x = rng.normal(size=(groups, 37)).astype(np.float32) * 10.0 ** rng.integers(-3, 4, (groups, 37))
    return x.astype(np.float32)


@pytest.mark.parametrize("size", [2, 3, 4, 5, 7, 8, 16])
@pytest.mark.parametrize("groups", [2, 4, 6, 10, 14, 16])
def test_processes_add_up_what_one_does(groups, size):
    vectors = groups_of(groups)
    sums = [
        [tree(vectors[first:stop]) for first, stop in nodes((0, groups), share(groups, rank, size))]
        for rank in range(size)
    ]
    assert max(map(len, sums)) <= most_sums(size)
    result = None
    for (rank, number), (other, its) in additions(groups, size):
        result = sums[rank][number] = sums[rank][number] + sums[other][its]
    assert result.tobytes() == tree(vectors).tobytes()
    assert tree(vectors).tobytes() != sum(vectors).tobytes() or groups == 2  # the order matters


@pytest.mark.parametrize("size", range(1, 17))
def test_each_group_has_one_process(size):
    for groups in range(2, 17):
        own = [share(groups, rank, size) for rank in range(size)]
        assert [group for first, stop in own for group in range(first, stop)] == list(range(groups))


def test_processes_have_few_sums():
    assert [most_sums(size) for size in (1, 2, 4, 8, 16)] == [1] * 5
    assert [most_sums(size) for size in (3, 5, 6, 7, 9, 11, 13)] == [2] * 7


@pytest.mark.parametrize("size", range(1, 17))
def test_their_shares_are_about_equal(size):
    shares = [stop - first for first, stop in (share(16, rank, size) for rank in range(size))]
    assert max(shares) == (16 + size - 1) // size


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_mini_batch_is_summed_so(dtype):
    """16 groups of 64 rows: each gradient by itself, times the exact 1/16, in the order of the tree."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(1024, 64)), rng.integers(0, 10, 1024)
    net = fn.Sequential([fn.Dense(128, "tanh"), fn.Dense(10)], input_shape=64, seed=0, dtype=dtype)
    net.compile("cross_entropy", fn.SGD(0.1))
    X = X.astype(dtype)

    def gradient(rows):
        net.trainer.step_on([X[rows]], [y[rows]], None, len(y[rows]), 0.0, False)
        return net.grads.copy()

    assert (net.trainer.lanes.cut_from <= 1024, net.trainer.lanes.least) == (True, 64)
    parts = [gradient(slice(64 * k, 64 * k + 64)) / np.dtype(dtype).type(16) for k in range(16)]
    found = gradient(slice(None))
    assert found.tobytes() == tree(parts).tobytes()
    assert found.tobytes() != sum(parts[1:], parts[0]).tobytes()
