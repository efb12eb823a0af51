"""MinibatchStdDev in training: groups of rows, the running deviation, and what a frozen layer does."""

import numpy as np
import pytest
from helpers import reference as ref

import fastnn as fn

EPS = 1e-12
rng = np.random.default_rng(0)


def network(shape=(3, 2, 4), dtype="float64", **options):
    return fn.Sequential([fn.MinibatchStdDev(name="m", **options)], shape, seed=0, dtype=dtype)


@pytest.mark.parametrize(("rows", "group"), [(2, 2), (4, 4), (3, 4), (8, 4), (11, 4), (16, 5), (7, 2)])
@pytest.mark.parametrize("shape", [(3, 2, 4), (5,)])
def test_training_compares_the_rows_of_a_group(rows, group, shape):
    x = rng.normal(size=(rows, *shape)) * np.arange(1, rows + 1).reshape(-1, *[1] * len(shape))
    y = network(shape, group=group).forward(x, training=True)
    assert ref.relative(y, ref.minibatch_std_dev(x, group)) <= EPS
    single = network(shape, "float32", group=group).forward(x, training=True)
    assert ref.relative(single, ref.minibatch_std_dev(x.astype(np.float32), group)) <= 1e-6


def test_identical_rows_differ_by_nothing():
    y = network().forward(np.repeat(rng.normal(size=(1, 3, 2, 4)), 8, axis=0), training=True)
    assert np.allclose(y[..., -1], 1e-4, rtol=1e-9)  # the root of epsilon
    far = network(epsilon=1e-30).forward(1e3 + np.zeros((4, 3, 2, 4)), training=True)
    assert far[..., -1].max() <= 1e-14


def test_the_bits_do_not_depend_on_threads():
    x = rng.normal(size=(64, 16, 16, 32)).astype(np.float32)
    results, before = [], fn.get_num_threads()
    try:
        for threads in (1, 2):
            fn.set_num_threads(threads)
            net = network((16, 16, 32), "float32")
            results.append([net.forward(x, training=True), net.backward(x[..., :1] + np.zeros((64, 16, 16, 33)))])
    finally:
        fn.set_num_threads(before)
    for a, b in zip(*results, strict=True):
        assert a.tobytes() == b.tobytes()


@pytest.mark.parametrize("momentum", [0.0, 0.9, 1.0])
def test_after_training_the_channel_is_its_running_mean(momentum):
    net, running = network(momentum=momentum), 0.0
    for step in range(3):
        x = step + (1 + step) * rng.normal(size=(9, 3, 2, 4))
        s = ref.minibatch_std_dev(x)[:, 0, 0, -1]
        net.forward(x, training=True)
        assert abs(net.layers[0].running_deviation[0] - running) <= EPS * (1 + running)  # until the step has succeeded
        net.backward(np.ones((9, 3, 2, 5)))
        running = momentum * running + (1 - momentum) * (s[0] + s[-1]) / 2  # of two groups, however many rows they have
        assert abs(net.layers[0].running_deviation[0] - running) <= EPS * (1 + running)
    assert ref.relative(net.predict(x), ref.with_channel(x, running)) <= EPS
    assert np.array_equal(net.predict(x)[2], net.predict_one(x[2]))


def test_a_frozen_layer_takes_the_running_mean_and_keeps_it():
    net = fn.Sequential([fn.MinibatchStdDev(name="m"), fn.Flatten(), fn.Dense(1)], (2, 2, 1), seed=0, dtype="float64")
    net.layers[0].running_deviation[...] = 3
    net.compile("squared_error", fn.SGD(0.0, groups={"m": fn.Group(frozen=True)}))
    x = rng.normal(size=(6, 2, 2, 1))
    loss = net.train_step(x, np.zeros((6, 1)))
    assert abs(loss - (net.predict(x) ** 2).mean()) <= EPS
    assert net.layers[0].running_deviation == 3


def test_one_row_cannot_be_compared():
    with pytest.raises(
        ValueError, match="MinibatchStdDev 'm': expected training batches of at least 2 rows, got one of 1"
    ):
        network().forward(np.zeros((1, 3, 2, 4)), training=True)
    with pytest.raises(ValueError, match="group"):
        fn.MinibatchStdDev(1)


def test_blend_sets_a_part_in_step_by_step():
    x = fn.Input(6)
    first, second = fn.Dense(3, name="first"), fn.Dense(3, name="second")
    net = fn.Network(x, fn.Blend(name="fade")(first(x), second(x)), seed=0)
    rows = rng.normal(size=(5, 6)).astype(np.float32)
    ends = net.activations(rows)
    fade = next(view for view in net.layers if view.name == "fade")
    net.compile("squared_error", fn.SGD(0.1))
    for alpha, end in ((0, "first"), (1, "second")):
        fade.alpha[...] = alpha
        assert net.predict(rows).tobytes() == ends[end].tobytes()
    net.train_step(rows, np.zeros((5, 3), np.float32))
    after = net.activations(rows)
    assert after["first"].tobytes() == ends["first"].tobytes()  # it does not count, so it does not learn
    assert after["second"].tobytes() != ends["second"].tobytes()
    assert fade.alpha == 1


@pytest.mark.parametrize("shapes", [[(3,)], [(3,), (4,)], [(3,), (3,), (3,)]])
def test_blend_takes_two_of_one_shape(shapes):
    with pytest.raises(ValueError, match="Blend: expected two inputs of one shape"):
        fn.Blend()(*map(fn.Input, shapes))
