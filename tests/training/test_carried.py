"""Norms, sums and activations around a convolution are done image by image with it: same numbers, on any threads."""

import numpy as np
import pytest
from helpers.bits import native
from helpers.reference import batch_norm_training

import fastnn as fn
from fastnn._core.workspace import Layout

OPTIMIZERS = {
    "sgd": lambda: fn.SGD(0.05),
    "momentum": lambda: fn.SGD(0.05, momentum=0.9),
    "adam": lambda: fn.Adam(0.01),
    "clipped": lambda: fn.Adam(0.01, clip_norm=0.1),
}


@pytest.fixture(autouse=True)
def threads():
    """Leave the number of threads as it was."""
    before = fn.get_num_threads()
    yield
    fn.set_num_threads(before)


def conv(filters, **options):
    return fn.Conv2D(filters, options.pop("kernel", 3), bias=options.pop("bias", False), **options)


def after(x):
    """Residual blocks as they were first published, the second with strides and a convolution in its link."""
    x = fn.Activation("relu")(fn.BatchNorm()(conv(16)(x)))
    y = fn.Activation("relu")(fn.BatchNorm()(conv(16)(x)))
    x = fn.Activation("relu")(x + fn.BatchNorm()(conv(16)(y)))
    y = fn.Activation("relu")(fn.BatchNorm()(conv(20, strides=2)(x)))
    y = fn.BatchNorm()(conv(20)(y))
    return fn.Activation("relu")(y + fn.BatchNorm()(conv(20, kernel=1, strides=2)(x)))


def before(x):
    """Blocks with the norm and the activation before the convolution."""
    x = conv(8)(x)
    for activation in ("relu", "tanh"):
        y = conv(8)(fn.Activation(activation)(fn.BatchNorm()(x)))
        x = x + conv(8, bias=True)(fn.Activation("elu")(fn.BatchNorm(scale=False)(y)))
    return fn.BatchNorm(shift=False)(x)


def mixed(x):
    """Activations before norms, padding that shows pixels, groups, norms behind each other, and what is not carried."""
    x = fn.BatchNorm()(conv(16, activation="relu", padding_mode="reflect")(x))
    x = fn.BatchNorm()(fn.Activation("sigmoid")(conv(16, padding_mode="replicate")(x)))
    x = conv(6, padding="valid")(fn.BatchNorm()(fn.BatchNorm()(x)))
    x = conv(6, groups=3)(fn.PixelNorm()(fn.BatchNorm()(x)))
    x = fn.MaxPool2D(2)(fn.Activation("leaky_relu")(fn.BatchNorm()(x)))
    return fn.BatchNorm()(conv(5, winograd=True)(conv(16)(x)))


def beside(x):
    """A sum of two convolutions, of which the second stands right before it."""
    x = conv(8, name="first")(x) + conv(8, name="second")(x)
    return conv(4)(fn.Activation("relu")(fn.BatchNorm()(x)))


NETWORKS = {"after": after, "before": before, "mixed": mixed, "beside": beside}


def network(name, optimizer="momentum", dtype="float32", size=9, **options):
    image = fn.Input((size, size, 3))
    net = fn.Network(image, fn.GlobalAvgPool2D()(NETWORKS[name](image)), seed=1, dtype=dtype)
    net.compile(loss="squared_error", optimizer=OPTIMIZERS[optimizer]() if isinstance(optimizer, str) else optimizer)
    return net


def data(net, n):
    random = np.random.default_rng(n)
    X = random.standard_normal((n, *net.input_shape)).astype(net.dtype)
    return X, random.standard_normal((n, net.output_shape[0])).astype(net.dtype)


@native(9 * 20 * 20)
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_step_has_the_bits_of_one_by_hand(name, optimizer, dtype):
    """By hand each op goes through the whole batch before the next; the memory of the step is garbage at first.

    Plain SGD adds each block of images to the parameters: of several, the sum is rounded otherwise.
    """
    for n in (2,) if optimizer == "sgd" else (2, 5, 17):
        for count in (1, 2, 3):
            fn.set_num_threads(count)
            trained, by_hand = (network(name, optimizer, dtype) for _ in range(2))
            X, target = data(trained, n)
            trained.trainer.workspace(n).fill(0xFF)
            for step in range(2):
                trained.train_step(X, target)
                y = by_hand.forward(X, training=True)
                by_hand.backward(np.asarray(1 / n / y.shape[1], dtype) * (2 * (y - target)))
                by_hand.apply_gradients()
                assert trained.params.tobytes() == by_hand.params.tobytes(), (n, count, step)


@native(9 * 20 * 20)
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_threads_change_no_bit(name, optimizer):
    for size, n in ((9, 3), (9, 40), (70, 3), (36, 17)):
        results = set()
        for count in (1, 2, 3, 5):
            fn.set_num_threads(count)
            net = network(name, optimizer, size=size)
            X, target = data(net, n)
            losses = [net.train_step(X, target) for _ in range(2)]
            results.add((*losses, net.params.tobytes()))
        assert len(results) == 1, (size, n)


def test_frozen_layers():
    """The others learn as they would beside frozen convolutions; a frozen norm takes its running statistics."""
    names = [view.name for view in network("after").layers if view.parameters]
    convolutions = [name for name in names if name.startswith("conv")]
    for chosen in (convolutions[:1], convolutions[:3], convolutions[1:2], names[:1], names[:2], names[:5], names[3:4]):
        groups = {name: fn.Group(frozen=True) for name in chosen}
        part, whole = (network("after", fn.SGD(0.05, momentum=0.9, groups=given)) for given in (groups, {}))
        start = {key: array.copy() for key, array in part.named_parameters()}
        X, target = data(part, 6)
        part.trainer.workspace(6).fill(0xFF)
        for net in (part, whole):
            net.train_step(X, target)
        learned = dict(whole.named_parameters())
        for key, array in part.named_parameters():
            if key.split(".")[0] in chosen:
                assert array.tobytes() == start[key].tobytes()
            elif set(chosen) <= set(convolutions):
                assert array.tobytes() == learned[key].tobytes(), (chosen, key)
            else:
                assert np.isfinite(array).all()


def test_a_convolution_that_nobody_learns_from_carries_nothing_back():
    results = []
    for groups in ({}, {"second": fn.Group(frozen=True)}):
        net = network("beside", fn.SGD(0.05, momentum=0.9, groups=groups))
        X, target = data(net, 6)
        net.trainer.workspace(6).fill(0xFF)
        net.train_step(X, target)
        results.append(dict(net.named_parameters())["first.weight"].tobytes())
    assert results[0] == results[1]


@pytest.mark.parametrize("name", NETWORKS)
def test_what_a_group_writes_lies_apart_from_what_it_reads(name):
    """Rows of one are written while those of another are still to be read; what is done in place is one tensor."""
    net = network(name)
    plan = net.trainer.plan
    layout = Layout(plan, gradients=plan.wanted_gradients([True] * len(plan.ops)), sources=plan.outputs)
    checked = 0
    for way in (1, -1):
        for first, last in set(plan.spans(way)):
            read, written = set(), set()
            for index in range(first, last + 1):
                ins, outs = plan.step_inputs(index), plan.step_outputs(index)
                values = {("value", layout.value_roots[tensor]) for tensor in ins}
                if way == 1:
                    read |= values
                    written |= {("value", layout.value_roots[tensor]) for tensor in outs}
                else:
                    read |= {("gradient", layout.gradient_roots[tensor]) for tensor in outs}
                    read |= values if plan.ops[index].reads_input else set()
                    written |= {("gradient", layout.gradient_roots[tensor]) for tensor in ins}
            for one in written & layout.places.keys():
                for other in (read | written) & layout.places.keys() - {one}:
                    low, high = sorted((one, other), key=layout.places.get)
                    assert layout.places[low] + plan.widths[low[1]] <= layout.places[high], (way, first, last)
                    checked += last > first
    assert checked >= 10


def numpy_loss(params, X, target):
    """1 x 1 convolutions, which are products, with norms between and a link, in plain NumPy."""
    w1, g1, b1, w2, g2, b2, w3 = params
    x = np.maximum(batch_norm_training(X @ w1, g1, b1), 0)
    x = np.maximum(batch_norm_training(x @ w2, g2, b2) + x, 0) @ w3
    return ((x.mean((1, 2)) - target) ** 2).mean()


def test_the_gradient_is_that_of_numpy():
    """Central differences of the loss in NumPy, along random directions of each parameter."""
    image = fn.Input((3, 4, 5))
    x = fn.Activation("relu")(fn.BatchNorm(name="n1")(conv(16, kernel=1, name="c1")(image)))
    x = fn.Activation("relu")(fn.BatchNorm(name="n2")(conv(16, kernel=1, name="c2")(x)) + x)
    net = fn.Network(image, fn.GlobalAvgPool2D()(conv(4, kernel=1, name="c3")(x)), seed=1, dtype="float64")
    net.compile(loss="squared_error", optimizer=fn.SGD(1.0))
    assert [group.way for group in net.trainer.plan.groups] == [1, 1, 1, -1, -1, -1]
    random = np.random.default_rng(0)
    X, target = random.standard_normal((6, 3, 4, 5)), random.standard_normal((6, 4))
    named = dict(net.named_parameters())
    keys = ["c1.weight", "n1.gamma", "n1.beta", "c2.weight", "n2.gamma", "n2.beta", "c3.weight"]
    for key in keys:
        named[key][...] += 0.1 * random.standard_normal(named[key].shape)
    start = [named[key].copy() for key in keys]
    arrays = [array.reshape(array.shape[-2:]) if array.ndim == 4 else array for array in start]
    assert abs(net.train_step(X, target) - numpy_loss(arrays, X, target)) < 1e-12
    for place, key in enumerate(keys):
        along = random.standard_normal(arrays[place].shape)
        high, low = (
            numpy_loss([a + h * along if i == place else a for i, a in enumerate(arrays)], X, target)
            for h in (1e-6, -1e-6)
        )
        slope = ((start[place] - named[key]).reshape(along.shape) * along).sum()
        assert abs(slope - (high - low) / 2e-6) < 1e-7 * max(1, abs(slope)), key


def test_groups_of_a_residual_net():
    """Which steps go with which convolution: (way, before, after, whether sums are collected) by convolution."""
    net = fn.nets.resnet_cifar(20, shortcut="B", seed=0)
    net.compile("cross_entropy", "sgd")
    groups = [tuple(group) for group in net.trainer.plan.groups]
    there = [(before, after, collects) for way, _, before, after, collects in groups if way == 1]
    back = [(before, after, collects) for way, _, before, after, collects in groups if way == -1]
    assert there[:4] == [(0, 0, True), (2, 0, True), (1, 0, True), (3, 0, True)]  # norm, add, fan-out
    assert back[:4] == [(1, 0, False), (1, 1, True), (1, 0, True), (1, 2, True)]
    assert len(there) == len(back) == 21
