"""Models side by side: each learns as it would alone, whatever becomes of the others."""

import io
import os
import signal
import sys
import threading

import numpy as np
import pytest
from helpers.bits import native
from helpers.processes import complaint

import fastnn as fn
from fastnn._core import pool
from fastnn.data import feed
from fastnn.training import loop

random = np.random.default_rng(0)
X = random.standard_normal((200, 6))
Y = np.stack([np.sin(X[:, 0]), X[:, 1] * X[:, 2]], axis=1)
LABELS = random.integers(0, 3, 200)
WEIGHT = random.uniform(0, 2, 200)


@pytest.fixture(autouse=True)
def threads():
    """Leave the number of threads as it was, and no thread behind."""
    before = fn.get_num_threads()
    fn.set_num_threads(2)
    yield
    assert fn.get_num_threads() == 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fit_many")]
    fn.set_num_threads(before)


def network(seed=0, units=8, *, inputs=6, outputs=2, dtype="float32", loss="squared_error", rate=0.01):
    layers = [fn.Dense(units, "relu"), fn.Dropout(0.1), fn.Dense(outputs)]
    net = fn.Sequential(layers, inputs, seed=seed, dtype=dtype)
    net.compile(loss, fn.Adam(rate))
    return net


def record(net):
    history = net.history.to_dict()
    del history["seconds"]
    return net.params.tobytes(), net.trainer.optimizer.state.tobytes(), net.epoch, net.trainer.step, history


def alone(net, *data, **options):
    net.fit(*data, verbose=0, **options)
    return record(net)


@native(64)
@pytest.mark.parametrize("n_threads", [None, 1, 3, 20])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_each_has_the_bits_that_it_would_have_alone(dtype, n_threads):
    def nets():
        return [network(k, 8 + k, dtype="float64" if k == 3 else "float32") for k in range(7)]

    data, options = X.astype(dtype), {"epochs": 5, "batch_size": 32, "sample_weight": WEIGHT}
    want = [alone(net, data, Y, **options) for net in nets()]
    many = nets()
    histories = fn.fit_many(many, data, Y, n_threads=n_threads, **options)
    assert [record(net) for net in many] == want
    assert all(history is net.history for history, net in zip(histories, many, strict=True))


ROWS = {
    "folds": [np.arange(200)[k::3] for k in range(3)],
    "bootstrap": random.integers(0, 200, (3, 200)),
    "longer than the data": random.integers(0, 200, (3, 500)),
    "masks": random.random((3, 200)) < 0.7,
    "lists": [[5, 3, 5], list(range(100)), [199]],
}


@native(64)
@pytest.mark.parametrize("options", [
    {}, {"shuffle": False}, {"batch_size": 1000}, {"sample_weight": WEIGHT}, {"callbacks": [lambda info: None]},
    {"validation_data": (X, LABELS)}, {"class_weight": "balanced"}, {"class_weight": {0: 2.0}, "sample_weight": WEIGHT},
], ids=["all", "in order", "one batch", "weighted", "watched", "validated", "balanced", "by class"])  # fmt: skip
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", ROWS)
def test_rows_are_as_copies_of_them(rows, dtype, options):
    data, rows = X.astype(dtype), ROWS[rows]
    nets = [network(k, outputs=3, loss="cross_entropy") for k in range(3)]
    fn.fit_many(nets, data, LABELS, rows=rows, epochs=3, **options)
    for k, net in enumerate(nets):
        own = dict(options)
        if "sample_weight" in own:
            own["sample_weight"] = WEIGHT[rows[k]]
        want = alone(network(k, outputs=3, loss="cross_entropy"), data[rows[k]], LABELS[rows[k]], epochs=3, **own)
        assert record(net) == want


@native(64)
@pytest.mark.parametrize("whole", [100, 300])
def test_rows_of_data_that_are_not_held_whole(whole, monkeypatch):
    """They are copied, for each model as its turn comes."""
    monkeypatch.setattr(feed, "BUFFER_BYTES", whole * 4 * 8)
    rows = [np.arange(150), random.integers(0, 200, 500)]
    nets = [network(k) for k in range(2)]
    fn.fit_many(nets, X, Y, rows=rows, epochs=2)
    for k, net in enumerate(nets):
        assert record(net) == alone(network(k), X[rows[k]], Y[rows[k]], epochs=2)


def test_shared_data_are_converted_once(monkeypatch):
    converted = []
    packed = feed.packed

    def counting(who, name, array, dtype):
        if name == "X" and array.dtype != dtype:
            converted.append(dtype)
        return packed(who, name, array, dtype)

    monkeypatch.setattr(feed, "packed", counting)
    nets = [network(k, dtype="float64" if k == 2 else "float32") for k in range(6)]
    fn.fit_many(nets, X, Y, rows=ROWS["bootstrap"][[0, 1, 2, 0, 1, 2]])
    assert converted == [np.float32]


def test_several_inputs_and_outputs():
    def make(seed):
        a, b = fn.Input(6), fn.Input(2)
        h = fn.Dense(5, "tanh")(fn.concatenate(a, b))
        net = fn.Network([a, b], [fn.Dense(2)(h), fn.Dense(1)(h)], seed=seed)
        net.compile(["squared_error", "squared_error"], fn.Adam(0.01))
        return net

    nets, data, targets = [make(k) for k in range(2)], [X, Y], [Y, Y[:, :1]]
    rows = [np.arange(100), np.arange(50, 180)]
    fn.fit_many(nets, data, targets, rows=rows, epochs=2)
    for k, net in enumerate(nets):
        assert record(net) == alone(make(k), [x[rows[k]] for x in data], [t[rows[k]] for t in targets], epochs=2)


def test_each_has_data_and_arguments_of_its_own():
    nets = [network(k) for k in range(3)]
    each = [{"X": X[:50], "y": Y[:50]}, {"epochs": 4}, {"batch_size": 7, "sample_weight": WEIGHT}]
    fn.fit_many(nets, X, Y, each=each, epochs=2)
    assert record(nets[0]) == alone(network(0), X[:50], Y[:50], epochs=2)
    assert record(nets[1]) == alone(network(1), X, Y, epochs=4)
    assert record(nets[2]) == alone(network(2), X, Y, epochs=2, batch_size=7, sample_weight=WEIGHT)


def test_batches_of_an_iterable():
    batches = [(X[:100], Y[:100]), (X[100:], Y[100:])]
    nets = [network(k) for k in range(2)]
    fn.fit_many(nets, batches, epochs=2)
    assert record(nets[1]) == alone(network(1), batches, epochs=2)


def test_each_network_has_its_own_copy_of_shared_callbacks():
    stop = fn.EarlyStopping("loss", patience=1, min_delta=10.0)
    own = fn.EarlyStopping("loss", patience=3, min_delta=10.0)
    nets = [network(k) for k in range(3)]
    fn.fit_many(nets, X, Y, epochs=10, callbacks=[stop], each=[{}, {"callbacks": [own]}, {}])
    assert [net.epoch for net in nets] == [2, 4, 2]
    assert stop.best is None
    assert own.stopped_epoch == 4


def test_loss_and_optimizer_may_be_given():
    nets = [fn.Sequential([fn.Dense(2)], 6, seed=k) for k in range(2)]
    fn.fit_many(nets, X, Y, loss="squared_error", optimizer=fn.SGD(0.1), epochs=2)
    again = fn.Sequential([fn.Dense(2)], 6, seed=1)
    assert record(nets[1]) == alone(again, X, Y, loss="squared_error", optimizer=fn.SGD(0.1), epochs=2)


class Estimator:
    """What is known of others' models: that they have ``fit``."""

    def fit(self, X, y, sample_weight=None, *, shift=0.0):
        self.X, self.y, self.sample_weight, self.shift = X, y, sample_weight, shift
        self.threads = fn.get_num_threads()
        return self


def test_what_is_not_a_network_gets_copies_of_its_rows():
    a, b, net = Estimator(), Estimator(), network()
    rows = [[3, 3, 1], np.arange(200) < 2, [0]]
    each = [{"shift": 1.0}, {"X": X.tolist(), "y": Y.tolist(), "sample_weight": None}, {"epochs": 3}]
    results = fn.fit_many([a, b, net], X, Y, rows=rows, each=each, sample_weight=WEIGHT)
    assert results == [a, b, net.history]
    assert (a.shift, b.shift, net.epoch) == (1.0, 0.0, 3)
    for model, chosen in ((a, [3, 3, 1]), (b, [0, 1])):
        np.testing.assert_array_equal(model.X, X[chosen])
        np.testing.assert_array_equal(model.y, Y[chosen])
    np.testing.assert_array_equal(a.sample_weight, WEIGHT[[3, 3, 1]])
    assert b.sample_weight is None
    assert a.threads == 1


def test_tables_keep_their_kind():
    pandas = pytest.importorskip("pandas")
    model = Estimator()
    table = pandas.DataFrame(X, index=np.arange(200)[::-1])
    fn.fit_many([model], table, table[0], rows=[[7, 2]])
    assert model.X.equals(table.iloc[[7, 2]])
    assert model.y.equals(table[0].iloc[[7, 2]])


def test_estimators_of_scikit_learn():
    linear = pytest.importorskip("sklearn.linear_model")
    models = [linear.Ridge(alpha=alpha) for alpha in (0.1, 1.0)]
    assert fn.fit_many(models, X, Y[:, 0], rows=[np.arange(150)] * 2) == models
    for model in models:
        A, t = X[:150] - X[:150].mean(0), Y[:150, 0] - Y[:150, 0].mean()
        np.testing.assert_allclose(model.coef_, np.linalg.solve(A.T @ A + model.alpha * np.eye(6), A.T @ t))


def failing():
    return [network(0), network(1, rate=1e30), network(2), network(3, inputs=5)]


def test_a_failure_does_not_disturb_the_others():
    nets, want = failing(), [alone(network(k), X, Y, epochs=3) for k in (0, 2)]
    before = nets[1].params.copy()
    with pytest.raises(ExceptionGroup, match=r"fit_many: 2 of 4 models failed") as found:
        fn.fit_many(nets, X, Y, epochs=3)
    diverged, shape = found.value.exceptions
    assert isinstance(diverged, fn.DivergenceError)
    assert isinstance(shape, ValueError)
    assert diverged.__notes__ == ["fit_many: model 1"]
    assert shape.__notes__ == ["fit_many: model 3"]
    assert [record(nets[0]), record(nets[2])] == want
    np.testing.assert_array_equal(nets[1].params, before)
    assert nets[1].history is None


def test_failures_as_results():
    nets = failing()
    results = fn.fit_many(nets, X, Y, epochs=3, return_exceptions=True)
    assert [type(result) for result in results] == [fn.History, fn.DivergenceError, fn.History, ValueError]


@pytest.mark.parametrize(("models", "options", "error", "message"), [
    (network(), {}, TypeError, "fit_many: expected a list of models, got Sequential"),
    (3, {}, TypeError, "fit_many: expected a list of models, got int"),
    ([], {}, ValueError, "fit_many: expected at least one model, got none"),
    ([network(), 3], {}, TypeError, "fit_many: expected models with a method fit, got 3 at position 1"),
    ([Estimator], {}, TypeError, "fit_many: expected models with a method fit, got <class"),
    ([network()] * 2, {}, ValueError, "fit_many: expected each model once; make a copy.deepcopy"),
    ([network()], {"rows": [[1], [2]]}, ValueError, "fit_many: expected rows to be a list of 1, one per model, got 2"),
    ([network()], {"each": {"X": X}}, ValueError, "fit_many: expected each to be a list of 1, one per model, got dict"),
    ([network()], {"each": 5}, ValueError, "fit_many: expected each to be a list of 1, one per model, got int"),
    ([network()], {"each": [5]}, TypeError, "fit_many: expected each to hold a dict per model, got int"),
    ([network()], {"epoch": 5}, TypeError, "fit_many: expected arguments of Network.fit, got epoch"),
    ([network()], {"each": [{"verbose": 1, "a": 3}]}, TypeError, "fit_many: expected arguments of Network.fit, got a"),
    ([network()], {"n_threads": 0}, ValueError, "fit_many: expected n_threads of at least 1, got 0"),
    ([network()], {"n_threads": 1.5}, TypeError, "fit_many: expected n_threads to be an integer, got float 1.5"),
    ([network()], {"verbose": 2}, ValueError, "fit_many: expected verbose to be 'auto', 0 or 1, got 2"),
    ([fn.Sequential([fn.Dense(2)], 6)], {}, RuntimeError, "fit_many: expected a compiled network"),
], ids=lambda value: value if isinstance(value, str) else "")  # fmt: skip
def test_what_does_not_go_together(models, options, error, message):
    with pytest.raises(error) as found:
        fn.fit_many(models, X, Y, **options)
    assert str(found.value).startswith(message)
    if isinstance(models, list) and models and isinstance(models[0], fn.Network):
        assert models[0].epoch == 0


KIND = "expected rows as integers of shape (M,) or truth values of shape (200,), got "


@pytest.mark.parametrize("model", [network(), Estimator()], ids=["network", "estimator"])
@pytest.mark.parametrize(("rows", "error", "message"), [
    ([0.5], TypeError, KIND + "float64 of shape (1,)"),
    ([[1]], TypeError, KIND + "int64 of shape (1, 1)"),
    ([True], TypeError, KIND + "bool of shape (1,)"),
    ([], ValueError, "expected rows from 0 to 199, got none"),
    (np.zeros(200, bool), ValueError, "expected rows from 0 to 199, got none"),
    ([0, 200], ValueError, "expected rows from 0 to 199, got 0 to 200"),
    ([-1, 3], ValueError, "expected rows from 0 to 199, got -1 to 3"),
])  # fmt: skip
def test_rows_that_are_none(model, rows, error, message):
    (result,) = fn.fit_many([model], X, Y, rows=[rows], return_exceptions=True)
    assert isinstance(result, error)
    assert message in str(result)


def test_no_rows_of_an_iterable():
    (result,) = fn.fit_many([network()], [(X, Y)], rows=[[1]], return_exceptions=True)
    assert str(result) == "fit: expected arrays to choose rows of, got an iterable of batches"


class Terminal(io.StringIO):
    """A stream that says it is one."""

    def isatty(self):
        return True


def test_the_bar_shows_models_on_a_terminal_only(monkeypatch):
    for stream, verbose, shown in ((io.StringIO(), "auto", False), (io.StringIO(), 1, True), (Terminal(), "auto", True),
                                   (Terminal(), 0, False)):  # fmt: skip
        monkeypatch.setattr(sys, "stderr", stream)
        fn.fit_many([network(k) for k in range(3)], X, Y, verbose=verbose)
        assert ("3/3" in stream.getvalue()) == shown
        assert ("model" in stream.getvalue()) == shown
        assert "epoch" not in stream.getvalue()


def interrupt(number, frame):
    raise KeyboardInterrupt


@pytest.mark.skipif("not hasattr(signal, 'setitimer')", reason="needs interval timers")
@pytest.mark.parametrize("watched", [False, True])
def test_an_interruption_ends_all(watched):
    nets = [network(k) for k in range(5)]
    options = {"batch_size": 200, "callbacks": [lambda info: None] if watched else []}
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            fn.fit_many(nets, X, Y, epochs=10**9, **options)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert [net.epoch > 0 for net in nets] == [True, True, False, False, False]
    for k, net in enumerate(nets[:2]):
        assert len(net.history["loss"]) == net.epoch
        assert net.epoch in (net.trainer.step, net.trainer.step - 1)
        again = network(k)
        again.fit(X, Y, batch_size=200, epochs=int(net.trainer.step), verbose=0)
        np.testing.assert_array_equal(net.params, again.params)
    fn.fit_many(nets, X, Y, epochs=2)  # go on


@pytest.mark.skipif("not hasattr(signal, 'setitimer')", reason="needs interval timers")
def test_an_interruption_is_seen_within_a_call_of_many_epochs(monkeypatch):
    monkeypatch.setattr(loop, "UPDATES", 1 << 22)
    nets = [network(k) for k in range(2)]
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            fn.fit_many(nets, X, Y, epochs=500_000, batch_size=200)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert all(0 < net.epoch < 500_000 for net in nets)


@pytest.mark.skipif("not hasattr(signal, 'setitimer')", reason="needs interval timers")
def test_an_interruption_ends_models_within_models():
    class Nested:
        def fit(self, X, y):
            self.nets = [network(k) for k in range(2)]
            fn.fit_many(self.nets, X, y, epochs=10**9)

    models = [Nested(), Nested()]
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            fn.fit_many(models, X, Y)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert [net.epoch > 0 for model in models for net in model.nets] == [True, False] * 2


def test_what_has_not_begun_does_not():
    class Leaves(Estimator):
        def fit(self, X, y):
            raise SystemExit

    models = [Leaves(), Estimator(), Estimator(), Estimator()]
    with pytest.raises(SystemExit):
        fn.fit_many(models, X, Y, n_threads=1)
    assert not hasattr(models[3], "X")


def test_what_a_callback_raises_that_is_no_exception_ends_all():
    def leave(info):
        raise SystemExit(3)

    nets = [network(k) for k in range(4)]
    with pytest.raises(SystemExit):
        fn.fit_many(nets, X, Y, epochs=10**9, n_threads=2, each=[{}, {"callbacks": [leave]}, {}, {}])
    assert nets[3].epoch == 0


def test_a_limit_is_its_thread_s_alone():
    x = np.ones((2, 1, 5))
    found = {}

    def limited():
        found["before"] = pool.limit_threads(1)
        found["threads"] = fn.get_num_threads()
        found["idents"] = len(np.unique(pool.sum_rows(x)[1]))
        found["limit"] = pool.limit_threads(found["before"])
        found["after"] = fn.get_num_threads()

    fn.set_num_threads(2)
    thread = threading.Thread(target=limited)
    thread.start()
    thread.join()
    assert found == {"before": pool.MAX_THREADS, "threads": 1, "idents": 1, "limit": 1, "after": 2}
    assert len(np.unique(pool.sum_rows(x, 2)[1])) == 2
    for count in (0, pool.MAX_THREADS + 1):
        with pytest.raises(ValueError, match=f"got {count}"):
            pool.limit_threads(count)


def test_models_within_models():
    """A fit of many within a fit of many stays on its thread."""

    class Nested:
        def fit(self, X, y):
            self.nets = [network(k) for k in range(3)]
            self.within = fn.get_num_threads()
            fn.fit_many(self.nets, X, y, epochs=2)
            self.after = fn.get_num_threads()

    models = [Nested(), Nested()]
    fn.fit_many(models, X, Y)
    for model in models:
        assert (model.within, model.after) == (1, 1)
        assert record(model.nets[2]) == alone(network(2), X, Y, epochs=2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_that_is_forked_afterwards_can_do_the_same():
    assert not complaint("""
import os
import numpy as np
import fastnn as fn

def train():
    nets = [fn.Sequential([fn.Dense(8, "relu"), fn.Dense(1)], 3, seed=k) for k in range(4)]
    fn.fit_many(nets, np.ones((50, 3)), np.ones(50), n_threads=2, epochs=3, loss="squared_error")
    return b"".join(net.params.tobytes() for net in nets)

fn.set_num_threads(2)
first = train()
child = os.fork()
if child == 0:
    os._exit(0 if train() == first and fn.get_num_threads() == 2 else 3)
assert os.waitpid(child, 0)[1] == 0
assert train() == first
""")
