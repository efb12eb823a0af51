"""Models that learn in other processes are, bit for bit, as if they had learned here."""

import multiprocessing
import os
import pickle
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest

import fastnn as fn
from fastnn.estimators import MLPClassifier

random = np.random.default_rng(0)
X = random.standard_normal((90, 5))
Y = np.stack([np.sin(X[:, 0]), X[:, 1] * X[:, 2]], axis=1)
LABELS = random.integers(0, 3, 90)


class Here:
    """An executor of one call after the other, each of what pickle makes of it, ``times`` over as after a failure."""

    def __init__(self, workers=None, times=1):
        self.times, self.sizes = times, []
        if workers:
            self._max_workers = workers

    def submit(self, function, *arguments):
        data = pickle.dumps((function, arguments))
        self.sizes.append(len(data))
        function, arguments = pickle.loads(data)
        for _ in range(self.times):
            result = function(*arguments)
        future = Future()
        future.set_result(pickle.loads(pickle.dumps(result)))
        return future


class Stop(fn.Callback):
    """Ends the process that the network learns in, or raises."""

    def __init__(self, seed=None, error=None):
        self.seed, self.error = seed, error

    def on_epoch_end(self, info):
        if info.net.seed == self.seed and info.epoch == 2:
            if self.error:
                raise self.error
            os._exit(3)


def network(seed=0, **options):
    net = fn.Sequential([fn.Dense(7 + seed % 3, "relu"), fn.Dropout(0.2), fn.Dense(2)], 5, seed=seed, **options)
    net.compile("squared_error", fn.Adam(0.01), metrics=["mae"])
    return net


def record(net):
    history = net.history.to_dict()
    del history["seconds"]
    return net.params.tobytes(), net.trainer.optimizer.state.tobytes(), net.epoch, net.trainer.step, history


@pytest.fixture(scope="module")
def processes():
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as executor:
        yield executor


@pytest.fixture
def loky():
    from joblib.externals.loky import get_reusable_executor

    executor = get_reusable_executor(max_workers=2)
    yield executor
    executor.shutdown(wait=True)  # else its workers outlive the tests


@pytest.mark.slow
@pytest.mark.parametrize("where", ["processes", "loky"])
def test_each_has_the_bits_that_it_has_here(where, request):
    executor = request.getfixturevalue(where)
    elsewhere, here = ([network(k) for k in range(5)] for _ in range(2))
    rows = [np.arange(90) % 5 != k for k in range(5)]
    options = {"rows": rows, "epochs": 3, "batch_size": 16, "validation_data": (X, Y)}
    histories = fn.fit_many(elsewhere, X, Y, executor=executor, **options)
    fn.fit_many(here, X, Y, **options)
    assert [record(net) for net in elsewhere] == [record(net) for net in here]
    assert all(history is net.history for history, net in zip(histories, elsewhere, strict=True))
    fn.fit_many(elsewhere, X, Y, executor=executor, **options)  # they go on where they were
    fn.fit_many(here, X, Y, **options)
    assert [record(net) for net in elsewhere] == [record(net) for net in here]


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(("workers", "n_threads", "tasks"), [(None, None, 4), (3, None, 3), (3, 2, 2), (9, None, 4)])
def test_models_are_dealt_to_tasks_that_may_be_tried_again(workers, n_threads, tasks, times):
    elsewhere, here, executor = [network(k) for k in range(4)], [network(k) for k in range(4)], Here(workers, times)
    fn.fit_many(elsewhere, X, Y, executor=executor, n_threads=n_threads, epochs=2)
    fn.fit_many(here, X, Y, epochs=2)
    assert len(executor.sizes) == tasks
    assert [record(net) for net in elsewhere] == [record(net) for net in here]


def test_objects_that_workers_share_with_the_caller_stay_as_they_are():
    """A pool of threads hands the very objects over; a network whose fit fails must not have moved."""
    nets = [network(k) for k in range(3)]
    before = [net.params.tobytes() for net in nets]
    with ThreadPoolExecutor(2) as executor:
        outcomes = fn.fit_many(
            nets, X, Y, epochs=3, executor=executor, callbacks=[Stop(1, RuntimeError("no"))], return_exceptions=True
        )
    assert [type(outcome).__name__ for outcome in outcomes] == ["History", "RuntimeError", "History"]
    assert outcomes[1].__notes__ == ["fit_many: model 1"]
    assert [net.params.tobytes() == old for net, old in zip(nets, before, strict=True)] == [False, True, False]


def test_a_task_takes_shared_data_once():
    large = np.zeros((20_000, 5), np.float32)
    executor = Here(2)
    fn.fit_many([network(k) for k in range(6)], large, np.zeros((20_000, 2), np.float32), executor=executor)
    assert max(executor.sizes) < 1.2 * large.nbytes * 7 / 5


def test_failures_are_a_group_after_the_others():
    nets = [network(k) for k in range(3)]
    with pytest.raises(ExceptionGroup, match="1 of 3 models failed") as caught:
        fn.fit_many(nets, X, Y, epochs=3, executor=Here(2), callbacks=[Stop(2, ValueError("no"))])
    assert caught.value.exceptions[0].__notes__ == ["fit_many: model 2"]
    assert [net.epoch for net in nets] == [3, 3, 0]


def test_names_of_columns_and_estimators():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcde"))
    net, other = network(), MLPClassifier((4,), max_iter=20, tol=10.0, random_state=0)
    same = MLPClassifier((4,), max_iter=20, tol=10.0, random_state=0).fit(frame, LABELS)
    assert fn.fit_many([net, other], frame, each=[{"y": Y}, {"y": LABELS}], executor=Here())[1] is other
    assert net.ports.names == (tuple("abcde"),)
    np.testing.assert_array_equal(other.predict_proba(frame), same.predict_proba(frame))
    assert list(other.feature_names_in_) == list("abcde")


@pytest.mark.slow
def test_a_worker_that_is_lost_leaves_its_models_as_they_were():
    nets = [network(k) for k in range(2)]
    before = [net.params.tobytes() for net in nets]
    one = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    with one as executor, pytest.raises(BrokenProcessPool) as caught:
        fn.fit_many(nets, X, Y, epochs=3, executor=executor, callbacks=[Stop(1)])
    assert "the others are as they were" in caught.value.__notes__[0]
    assert [net.params.tobytes() for net in nets] == before


@pytest.mark.parametrize("executor", [2, "loky", ThreadPoolExecutor, object()])
def test_what_is_no_executor(executor):
    with pytest.raises(TypeError, match=r"fit_many: expected executor to be one of concurrent\.futures, got "):
        fn.fit_many([network()], X, Y, executor=executor)


def test_a_client_of_dask_says_what_to_write():
    class Client(Here):
        def get_executor(self):
            return Here()

    with pytest.raises(TypeError, match=r"write executor=client.get_executor\(\)"):
        fn.fit_many([network()], X, Y, executor=Client())
