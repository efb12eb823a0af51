"""Updates that leave something infinite or NaN though the loss was finite: taken back, and said."""

import copy

import numpy as np
import pytest

import fastnn as fn
from fastnn.errors import DivergenceError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 20)).astype(np.float32)
Y = RNG.normal(size=(32, 3)).astype(np.float32)
HUGE = 1e38
OPTIMIZERS = {
    "sgd": lambda rate: fn.SGD(rate),
    "momentum": lambda rate: fn.SGD(rate, momentum=0.9),
    "nesterov": lambda rate: fn.SGD(rate, momentum=0.9, nesterov=True),
    "adam": lambda rate: fn.Adam(rate),
    "amsgrad": lambda rate: fn.AMSGrad(rate),
    "rmsprop": lambda rate: fn.RMSprop(rate),
    "clipped": lambda rate: fn.SGD(rate, clip_value=10.0),
    "decayed": lambda rate: fn.AdamW(rate, weight_decay=0.1),
}


def network(optimizer, layers=None, loss="squared_error", inputs=20):
    net = fn.Sequential(layers or [fn.Dense(16, "tanh"), fn.Dense(3)], inputs, seed=0)
    net.compile(loss, optimizer)
    return net


def twice(net):
    """Apply the gradients at a rate that makes each parameter infinite by the second time, at the latest."""
    net.apply_gradients(learning_rate=3e38)
    net.apply_gradients(learning_rate=3e38)


def bits(net):
    trainer = net.trainer
    return net.params.tobytes(), trainer.optimizer.state.tobytes(), trainer.optimizer.step, trainer.step


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("rows", [1, 32])
def test_an_update_that_overflows_is_taken_back(name, rows):
    net = network(OPTIMIZERS[name](0.01))
    for _ in range(3):
        net.train_step(X[:rows], Y[:rows])
    net.trainer.guard.__init__(net.params, net.trainer.optimizer)  # no copy yet: the next update begins with one
    before, other = bits(net), copy.deepcopy(net)
    with pytest.raises(DivergenceError, match="as before the call; lower the learning rate"):
        net.train_step(X[:rows], 1e3 * Y[:rows], learning_rate=3e38)
    assert bits(net) == before
    assert net.train_step(X[:rows], Y[:rows]) == other.train_step(X[:rows], Y[:rows])
    assert bits(net) == bits(other)


def test_float64_too():
    net = fn.Sequential([fn.Dense(3)], 20, seed=0, dtype="float64")
    net.compile("squared_error", fn.SGD(1e308))
    before = bits(net)
    with pytest.raises(DivergenceError, match="as before the call"):
        net.train_step(X.astype(float), 1e3 * Y.astype(float))
    assert bits(net) == before


def test_what_the_optimiser_keeps_may_overflow_alone():
    """g squared is infinite in float32 from 1.9e19 on; the step of Adam is then 0, and stays it."""
    net = network(fn.Adam(0.01), [fn.Dense(3)])
    before = bits(net)
    with pytest.raises(DivergenceError, match="or what the optimiser keeps"):
        net.train_step(X * 1e10, Y * 1e12)
    assert bits(net) == before
    with pytest.raises(DivergenceError):
        net.fit(X * 1e10, Y * 1e12)
    assert bits(net) == before


def test_a_copy_of_some_updates_before_where_one_costs_more_than_an_update():
    layers, x, y = [fn.Dense(512), fn.Dense(3)], RNG.normal(size=2048).astype(np.float32), Y[0]
    net = network(fn.SGD(1e-3), layers, inputs=2048)
    seen = []
    for _ in range(100):
        seen.append(bits(net))
        net.train_step(x, y)
    lost = net.trainer.guard.behind
    assert 0 < lost < 64
    with pytest.raises(DivergenceError, match=rf"both are as {lost} updates? before it"):
        net.train_step(x * 1e10, y, learning_rate=HUGE)
    assert bits(net) == seen[100 - lost]


@pytest.mark.parametrize("change", ["params", "view", "set_weights", "resume", "state"])
def test_what_others_wrote_since_the_last_copy_is_not_lost(change):
    layers, x, y = [fn.Dense(512), fn.Dense(3)], RNG.normal(size=2048).astype(np.float32), Y[0]
    net = network(fn.SGD(1e-5, momentum=0.5), layers, inputs=2048)
    for _ in range(50):
        net.train_step(x, y)
        if net.trainer.guard.behind > 1:
            break
    if change == "params":
        net.params *= 0.5
    elif change == "view":
        net.layers[0].weight[...] = 0.25
    elif change == "set_weights":
        net.set_weights([0.5 * w for w in net.get_weights()])
    elif change == "resume":
        net.resume(net.state()["compiled"] | {"updates": 1000})
    else:
        net.trainer.optimizer.state[...] = 0.125
    before = bits(net)
    with pytest.raises(DivergenceError, match="before the call"):
        net.train_step(x * 1e10, y, learning_rate=HUGE)
    assert bits(net) == before


def test_gradients_that_are_not_finite_are_not_applied():
    for optimizer in OPTIMIZERS.values():
        net = network(optimizer(0.1))
        net.train_step(X, Y)
        before = bits(net)
        for bad in (np.inf, -np.inf, np.nan):
            net.grads[:] = 0.5
            net.grads[7] = bad
            with pytest.raises(DivergenceError, match="apply_gradients: expected finite gradients"):
                net.apply_gradients()
            assert bits(net) == before
        net.grads[:] = 3e38
        with pytest.raises(DivergenceError, match="apply_gradients: the update made"):
            twice(net)
        assert np.isfinite(net.params).all()
        assert np.isfinite(net.trainer.optimizer.state).all()


def test_layers_and_losses_in_python_are_looked_at_as_well():
    """NumPy makes the floating-point unit forget what it has met."""

    def quiet(x):
        np.add(x, 1.0)
        return x

    def back(x, y, dy):
        np.add(dy, 1.0)
        return dy

    net = network(fn.SGD(HUGE), [fn.Dense(3), fn.Custom(quiet, back)])
    before = bits(net)
    with pytest.raises(DivergenceError, match="as before the call"):
        net.train_step(X, 1e3 * Y)
    assert bits(net) == before


def test_running_statistics_that_overflow():
    net = network(fn.SGD(0.0), [fn.BatchNorm(), fn.Dense(3)])
    before = bits(net)
    with pytest.raises(DivergenceError):
        net.train_step(X * 1e25, Y)  # the variance, 1e50, is no float32
    assert bits(net) == before


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_tell_what_their_floating_point_units_have_met(threads):
    layers = [fn.Dense(512, "relu"), fn.Dense(512, "relu"), fn.Dense(3)]
    rows = RNG.normal(size=(256, 256)).astype(np.float32)
    net = network(fn.SGD(HUGE), layers, inputs=256)
    before, threads_before = bits(net), fn.get_num_threads()
    fn.set_num_threads(threads)
    try:
        with pytest.raises(DivergenceError, match="as before the call"):
            net.train_step(rows, 1e4 * RNG.normal(size=(256, 3)).astype(np.float32))
    finally:
        fn.set_num_threads(threads_before)
    assert bits(net) == before


def test_fit_is_undone_as_a_whole():
    net = network(fn.SGD(0.01))
    net.fit(X, Y, epochs=2)
    before, epoch, history = bits(net), net.epoch, net.history
    net.learning_rate = 1e38
    with pytest.raises(DivergenceError, match="the network is as it was before fit"):
        net.fit(X, Y, epochs=2, batch_size=32)
    assert bits(net) == before
    assert (net.epoch, net.history) == (epoch, history)
