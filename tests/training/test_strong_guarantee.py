"""Calls that fail after a good fit leave everything as it was: parameters, optimiser, counters, history, attributes, bits.

``FAILURES`` has one row for each kind: of a network, then of the estimators.  A network is compared by its pickle, which
holds its parameters, the state of the optimiser, all counters, losses, schedule, history and names of columns.
"""
# ruff: noqa: E501  (a case of a table is one line)

import pickle
import warnings

import numpy as np
import pytest

import fastnn as fn
from fastnn.losses import CustomLoss
from fastnn.schedules import CallableSchedule

RNG = np.random.default_rng(0)
N = 64
X = RNG.normal(size=(N, 5)).astype(np.float32)
Y = RNG.integers(0, 3, N)
XV, YV = X[:10].copy(), Y[:10].copy()
ONES = np.ones(N, np.float32)


class Boom(Exception):
    """What the tests raise."""


class Raising(fn.Callback):
    """Raises in one of its hooks, the second time that is called if there is one."""

    def __init__(self, hook, error=Boom, after=1):
        self.hook, self.error, self.left = hook, error, after

    def _at(self, hook):
        if hook == self.hook:
            self.left -= 1
            if self.left < 0:
                raise self.error("boom")

    def on_fit_begin(self, net, epochs):
        self.left = 0 if self.hook == "on_fit_begin" else self.left
        self._at("on_fit_begin")

    def on_batch_end(self, *args):
        self._at("on_batch_end")

    def on_progress(self, *args):
        self._at("on_progress")

    def on_epoch_end(self, info):
        self._at("on_epoch_end")

    def on_fit_end(self, net, history):
        self.left = 0 if self.hook == "on_fit_end" else self.left
        self._at("on_fit_end")


COUNT = {"left": None}


def counted_loss(y_true, y_pred):
    if COUNT["left"] is not None:
        COUNT["left"] -= 1
        if COUNT["left"] < 0:
            raise Boom("loss")
    error = y_pred - np.eye(3)[y_true.astype(int)] if y_true.ndim == 1 else y_pred - y_true
    return (error**2).sum(axis=1), 2 * error


def counted_forward(x):
    if COUNT["left"] is not None:
        COUNT["left"] -= 1
        if COUNT["left"] < 0:
            raise Boom("layer")
    return x


def plain_backward(x, y, dy):
    if COUNT["left"] is not None and COUNT["left"] == 0:
        raise Boom("backward")
    return dy


def bad_metric(y_true, y_pred):
    raise Boom("metric")


def bad_rate(step):
    return float("nan") if step > 18 else 0.01


def raising_rate(step):
    if step > 18:
        raise Boom("rate")
    return 0.01


def batches(bad):
    for k in range(4):
        if k == 2 and bad == "raises":
            raise Boom("batches")
        yield (X[:8, :4] if k == 2 and bad == "shape" else X[:8]), (Y[:8] + 9 if k == 2 and bad == "labels" else Y[:8])


def network(layers=(), loss="cross_entropy", optimizer=None):
    net = fn.Sequential([fn.Dense(8, "tanh"), fn.BatchNorm(), fn.Dropout(0.2), *layers, fn.Dense(3)], 5, seed=0)
    net.compile(loss, optimizer or fn.Adam(fn.StepDecay(0.01, factor=0.5, every=10)), metrics=["accuracy"])
    net.fit(X, Y if loss == "cross_entropy" else np.eye(3, dtype=np.float32)[Y], epochs=2, batch_size=16, verbose=0)
    return net


def with_custom_layer():
    return network([fn.Custom(counted_forward, plain_backward)])


def with_own_loss():
    return network(loss=counted_loss)


def with_rate(rate):
    return lambda: network(optimizer=fn.SGD(CallableSchedule(rate)))


def fits(**options):
    return lambda net: net.fit(X, Y, **({"epochs": 3, "batch_size": 16, "verbose": 0} | options))


def counting(left, call):
    def run(net):
        COUNT["left"] = left
        try:
            call(net)
        finally:
            COUNT["left"] = None

    return run


def changed(array, value, at=3):
    copy = array.copy()
    copy[at] = value
    return copy


def reentrant(net):
    net.fit(X, Y, epochs=2, callbacks=[lambda info: net.fit(X, Y)], verbose=0)


def with_gradient(value):
    def run(net):
        net.grads[:] = value
        net.apply_gradients(learning_rate=3e38)
        net.apply_gradients(learning_rate=3e38)

    return run


def labels_change(net):
    y = Y.copy()

    class Change(fn.Callback):
        def on_batch_end(self, *args):
            y[:] = 10**9

    net.fit(X, y, epochs=2, batch_size=16, callbacks=[Change()], verbose=0)


def loads(text):
    def run(net):
        import os
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "w.safetensors")
            if text == "other":
                fn.Sequential([fn.Dense(4)], 5, seed=0).save_weights(path)
            else:
                with open(path, "wb") as file:
                    file.write(text)
            net.load_weights(path)

    return run


TARGETS = np.eye(3, dtype=np.float32)[Y]

NETWORK = {
    "X of NaN": lambda n: n.fit(changed(X, np.nan), Y),
    "X of inf": lambda n: n.fit(changed(X, np.inf), Y),
    "X of another width": lambda n: n.fit(X[:, :4], Y),
    "X of one axis": lambda n: n.fit(X[:, 0], Y),
    "X of texts": lambda n: n.fit(np.full((N, 5), "a"), Y),
    "X of no rows": lambda n: n.fit(X[:0], Y[:0]),
    "y of another length": lambda n: n.fit(X, Y[:-1]),
    "a label too large": lambda n: n.fit(X, changed(Y, 3)),
    "a label below 0": lambda n: n.fit(X, changed(Y, -1)),
    "labels as floats": lambda n: n.fit(X, Y.astype(np.float32)),
    "no y": lambda n: n.fit(X),
    "a negative weight": fits(sample_weight=changed(ONES, -1.0)),
    "a weight of NaN": fits(sample_weight=changed(ONES, np.nan)),
    "weights of another length": fits(sample_weight=ONES[:3]),
    "weights of an unknown class": fits(class_weight={7: 1.0}),
    "no epochs": fits(epochs=0),
    "no rows in a batch": fits(batch_size=0),
    "shuffle as text": fits(shuffle="yes"),
    "a callback that is none": fits(callbacks=[3]),
    "callbacks that are no list": fits(callbacks=3),
    "validation rows of another width": fits(validation_data=(XV[:, :4], YV)),
    "validation rows of NaN": fits(validation_data=(changed(XV, np.nan), YV)),
    "validation labels too large": fits(validation_data=(XV, YV + 3)),
    "validation weights below 0": fits(validation_data=(XV, YV, -np.ones(10))),
    "a split of 1.5": fits(validation_split=1.5),
    "an unknown loss": fits(loss="nonsense"),
    "an unknown optimiser": fits(optimizer="nonsense"),
    "two losses for one output": fits(loss=["cross_entropy", "squared_error"]),
    "metrics without a loss": fits(metrics=["accuracy"]),
    "an unknown metric": fits(loss="cross_entropy", metrics=["nonsense"]),
    "compiled anew, then bad data": lambda n: n.fit(changed(X, np.nan), Y, loss="hinge", optimizer=fn.SGD(0.5)),
    "compiled anew, then an error": fits(loss="hinge", optimizer="sgd", callbacks=[Raising("on_epoch_end")]),
    "on_fit_begin raises": fits(callbacks=[Raising("on_fit_begin")]),
    "on_batch_end raises": fits(callbacks=[Raising("on_batch_end")]),
    "on_progress raises": fits(callbacks=[Raising("on_progress", after=0)]),
    "on_epoch_end raises": fits(callbacks=[Raising("on_epoch_end")]),
    "on_fit_end raises": fits(callbacks=[Raising("on_fit_end")]),
    "no memory": fits(callbacks=[Raising("on_epoch_end", MemoryError)]),
    "StopIteration": fits(callbacks=[Raising("on_epoch_end", StopIteration)]),
    "recursion": fits(callbacks=[Raising("on_batch_end", RecursionError)]),
    "a fit within": reentrant,
    "labels change": labels_change,
    "divergence": lambda n: n.fit(X * 1e19, TARGETS * 1e20, loss="squared_error", optimizer=fn.SGD(1e19)),
    "a metric raises": fits(loss="cross_entropy", metrics=[bad_metric], validation_data=(XV, YV)),
    "batches raise": lambda n: n.fit(batches("raises")),
    "a batch of another shape": lambda n: n.fit(batches("shape")),
    "a batch of bad labels": lambda n: n.fit(batches("labels")),
    "no batches": lambda n: n.fit(iter(())),
    "batches once for two epochs": lambda n: n.fit(batches(""), epochs=2),
    "train_step of NaN": lambda n: n.train_step(changed(X, np.nan), Y),
    "train_step of a bad label": lambda n: n.train_step(X, changed(Y, 9)),
    "train_step at a negative rate": lambda n: n.train_step(X, Y, learning_rate=-1.0),
    "train_step of one row": lambda n: n.train_step(X[0], 1),
    "train_step of bad weights": lambda n: n.train_step(X, Y, -ONES),
    "gradients of NaN": with_gradient(np.nan),
    "gradients of inf": with_gradient(np.inf),
    "gradients at a bad rate": lambda n: n.apply_gradients(learning_rate=float("inf")),
    "weights of another shape": lambda n: n.set_weights([w[..., None] for w in n.get_weights()]),
    "weights of NaN": lambda n: n.set_weights([*n.get_weights()[:-1], np.full(3, np.nan)]),
    "too few weights": lambda n: n.set_weights(n.get_weights()[:-1]),
    "parameters of another length": lambda n: setattr(n, "params", np.zeros(3)),
    "parameters of texts": lambda n: setattr(n, "params", "abc"),
    "a learning rate of NaN": lambda n: setattr(n, "learning_rate", float("nan")),
    "weights of another network": lambda n: n.take_weights(fn.Sequential([fn.Dense(9, name="dense_1")], 5, seed=0)),
    "compile with an unknown loss": lambda n: n.compile("nonsense"),
    "compile with bad metrics": lambda n: n.compile("cross_entropy", metrics="accuracy"),
    "a file that is none": loads(b"nonsense"),
    "a file of another network": loads("other"),
    "predict of NaN": lambda n: n.predict(changed(X, np.nan)),
    "evaluate of bad labels": lambda n: n.evaluate(X, Y + 3),
}
OTHERS = {
    "a layer raises forward": (with_custom_layer, counting(5, fits())),
    "a layer raises backward": (with_custom_layer, counting(1, fits())),
    "a layer raises in train_step": (with_custom_layer, counting(0, lambda n: n.train_step(X, Y))),
    "a loss raises": (with_own_loss, counting(5, lambda n: n.fit(X, TARGETS, epochs=3, batch_size=16, verbose=0))),
    "a rate of NaN": (with_rate(bad_rate), fits()),
    "a rate raises": (with_rate(raising_rate), fits()),
}


def of_network(net):
    return pickle.dumps(net), net.predict(X).tobytes(), [*net.__dict__]


@pytest.mark.parametrize("name", NETWORK)
def test_a_call_that_fails_changes_nothing(name):
    check(network(), NETWORK[name])


@pytest.mark.parametrize("name", OTHERS)
def test_code_of_the_users_that_raises_changes_nothing(name):
    make, call = OTHERS[name]
    check(make(), call)


def check(net, call):
    before, objects = of_network(net), (net.trainer, net.history, net.optimizer)
    twin = pickle.loads(before[0])
    with pytest.raises((ValueError, TypeError, RuntimeError, MemoryError, Boom, StopIteration, OSError)):
        call(net)
    assert of_network(net) == before
    assert all(one is other for one, other in zip((net.trainer, net.history, net.optimizer), objects, strict=True))
    assert goes_on(net) == goes_on(twin)


def goes_on(net):
    """What the network makes of more epochs: with the masks of dropout, rates and order that come next."""
    y = TARGETS if isinstance(net.losses[0], CustomLoss) else Y
    net.fit(X, y, epochs=2, batch_size=16, verbose=0)
    return net.params.tobytes(), net.trainer.optimizer.state.tobytes()


# ---- estimators ----


def classifier(**options):
    est = fn.MLPClassifier((8,), max_iter=3, random_state=0, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return est.fit(X, Y)


def regressor(**options):
    est = fn.MLPRegressor(hidden_layer_sizes=(8,), max_iter=3, random_state=0, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return est.fit(X, X[:, 0])


def with_options(call, **options):
    """The call, with options that are set for it alone."""

    def run(est):
        before = est.get_params()
        est.set_params(**options)
        try:
            call(est)
        finally:
            est.set_params(**{name: before[name] for name in options})

    return run


def refit(est):
    est.fit(X, Y if isinstance(est, fn.MLPClassifier) else X[:, 0])


def partly(est):
    est.partial_fit(X, Y if isinstance(est, fn.MLPClassifier) else X[:, 0])


ESTIMATORS = {
    "fit of NaN": (classifier, lambda e: e.fit(changed(X, np.nan), Y)),
    "fit of another length": (classifier, lambda e: e.fit(X, Y[:-1])),
    "fit of negative weights": (classifier, lambda e: e.fit(X, Y, sample_weight=-ONES)),
    "fit of one class": (classifier, lambda e: e.fit(X, np.full(N, np.nan))),
    "fit with a bad alpha": (classifier, with_options(refit, alpha=-1.0)),
    "fit with a bad solver": (classifier, with_options(refit, solver="nonsense")),
    "fit with a bad activation": (classifier, with_options(refit, activation="nonsense")),
    "fit that diverges": (
        regressor,
        with_options(lambda e: e.fit(X * 1e15, X[:, 0] * 1e15), learning_rate_init=1e30, solver="sgd"),
    ),
    "fit with a callback that raises": (classifier, with_options(refit, callbacks=[Raising("on_epoch_end")])),
    "fit without memory": (regressor, with_options(refit, callbacks=[Raising("on_epoch_end", MemoryError)])),
    "warm fit with a callback that raises": (
        classifier,
        with_options(refit, warm_start=True, callbacks=[Raising("on_epoch_end")]),
    ),
    "warm fit of new classes": (classifier, with_options(lambda e: e.fit(X, Y + 5), warm_start=True)),
    "partial_fit of another width": (classifier, lambda e: e.partial_fit(X[:, :4], Y)),
    "partial_fit of NaN": (classifier, lambda e: e.partial_fit(changed(X, np.nan), Y)),
    "partial_fit of a new class": (classifier, lambda e: e.partial_fit(X, Y + 1)),
    "partial_fit of other classes": (classifier, lambda e: e.partial_fit(X, Y, classes=[0, 1])),
    "partial_fit with early stopping": (classifier, with_options(partly, early_stopping=True)),
    "partial_fit of negative weights": (regressor, lambda e: e.partial_fit(X, X[:, 0], sample_weight=-ONES)),
    "partial_fit that diverges": (regressor, lambda e: e.partial_fit(X * 1e19, X[:, 0] * 1e30)),
    "predict of another width": (regressor, lambda e: e.predict(X[:, :3])),
}


def of_estimator(est):
    attributes = {
        name: pickle.dumps(value) for name, value in vars(est).items() if name != "_checked"
    }  # options as they were last checked
    return attributes, est.predict(X).tobytes()


@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator_whose_call_fails_is_as_before(name):
    make, call = ESTIMATORS[name]
    est = make()
    before = of_estimator(est)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises((ValueError, TypeError, RuntimeError, MemoryError, Boom)):
            call(est)
    attributes, answers = of_estimator(est)
    assert [*attributes] == [*before[0]]
    assert [k for k, v in attributes.items() if v != before[0][k]] == []
    assert answers == before[1]


def test_there_are_enough_of_them():
    assert len(NETWORK) + len(OTHERS) + len(ESTIMATORS) >= 64


# ---- interruptions: as documented, at the last whole update, which a callback sees ----


@pytest.mark.parametrize("hook", ["on_batch_end", "on_epoch_end"])
def test_an_interruption_leaves_the_updates_that_were_made(hook):
    net, twin = network(), network()
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, Y, epochs=3, batch_size=16, shuffle=False, callbacks=[Raising(hook, KeyboardInterrupt)], verbose=0)
    updates = net.trainer.optimizer.step - twin.trainer.optimizer.step
    assert updates == (2 if hook == "on_batch_end" else 8)
    for k in range(updates):
        part = slice(16 * (k % 4), 16 * (k % 4) + 16)
        twin.train_step(X[part], Y[part])
    assert net.params.tobytes() == twin.params.tobytes()
    assert net.trainer.optimizer.state.tobytes() == twin.trainer.optimizer.state.tobytes()
    assert goes_on(net)
