"""One network on several processes, here threads: the same bits whatever their number, and one end for all."""

import io
import threading

import numpy as np
import pytest
from helpers.team import Communicator, Place, on_team

import fastnn as fn
from fastnn._core.trainer import Trainer

ROWS, SIZES = 1100, (1, 2, 3, 4)
pytestmark = pytest.mark.filterwarnings("ignore:fit. updates from")


def dense(*between, hidden=40, inputs=12, outputs=5, **options):
    layers = [fn.Dense(hidden, "relu"), *between, fn.Dense(outputs)]
    return fn.Sequential(layers, input_shape=inputs, seed=3, **options)


def series():
    return fn.Sequential([fn.LSTM(16), fn.Dense(5)], input_shape=(6, 2), seed=3)


def images():
    return fn.Sequential([fn.Conv2D(6, 3, activation="relu"), fn.Flatten(), fn.Dense(5)], input_shape=(4, 3, 1), seed=3)


def words():
    layers = [fn.Embedding(30, 4), fn.Flatten(), fn.Dense(16, "tanh"), fn.Dense(5)]
    return fn.Sequential(layers, input_shape=12, seed=3)


def two_heads():
    x = fn.Input(12)
    h = fn.Dense(24, "tanh")(x)
    return fn.Network(inputs=x, outputs=[fn.Dense(5)(h), fn.Dense(2)(h)], seed=3)


# By name: the network, its optimiser, options of fit, and whether fit alone sums in groups or does not cut at all.
CASES = {
    "SGD": (dense, lambda: fn.SGD(0.1), {}, True),
    "momentum": (dense, lambda: fn.SGD(0.1, momentum=0.9), {}, True),
    "Adam": (dense, lambda: fn.Adam(0.01), {}, True),
    "AdamW": (dense, lambda: fn.AdamW(0.01), {}, True),
    "float64": (lambda: dense(dtype="float64"), lambda: fn.Adam(0.01), {}, True),
    "Dropout": (lambda: dense(fn.Dropout(0.3)), lambda: fn.Adam(0.01), {}, True),
    "LayerNorm": (lambda: dense(fn.LayerNorm()), lambda: fn.Adam(0.01), {}, True),
    "LSTM": (series, lambda: fn.Adam(0.01), {}, True),
    "Conv2D": (images, lambda: fn.SGD(0.1), {}, True),
    "two outputs": (two_heads, lambda: fn.Adam(0.01), {}, True),
    "weights": (dense, lambda: fn.Adam(0.01), {"weighted": True}, True),
    "alpha": (dense, lambda: fn.SGD(0.1, l2=0.1, penalty_over_rows=True), {"weighted": True}, True),
    "clip_norm": (dense, lambda: fn.SGD(0.1, clip_norm=0.05), {}, True),
    "schedule": (dense, lambda: fn.SGD(lambda step: 0.1 / (1 + step)), {}, True),
    "unshuffled": (dense, lambda: fn.Adam(0.01), {"shuffle": False}, True),
    "not cut": (dense, lambda: fn.SGD(0.1), {"batch_size": 50}, True),
    "six groups": (dense, lambda: fn.Adam(0.01), {"batch_size": 400}, True),
    "large": (lambda: dense(hidden=2000), lambda: fn.Adam(0.01), {}, False),
    "large, by parts": (lambda: dense(hidden=5000), lambda: fn.SGD(0.1, momentum=0.9), {}, False),
    "large, not cut": (lambda: dense(hidden=2000), lambda: fn.SGD(0.1), {"batch_size": 50}, True),
    "Embedding": (words, lambda: fn.Adam(0.01), {}, False),
}


def data(net, rng, weighted=False, n=ROWS):
    X = rng.normal(size=(n, *net.input_shapes[0])).astype(net.dtype)
    if any(type(view.spec).__name__ == "Embedding" for view in net.layers):
        X = rng.integers(0, 30, X.shape)
    y = [rng.integers(0, shape[0], n) for shape in net.output_shapes]
    weights = {"sample_weight": rng.uniform(0, 2, n) * (rng.random(n) < 0.8)} if weighted else {}
    return X, y if len(y) > 1 else y[0], weights


def fitted(case, comm, epochs=2):
    make, optimizer, options, _ = CASES[case]
    options, net = {"batch_size": 512, **options}, make()
    X, y, weights = data(net, np.random.default_rng(5), options.pop("weighted", False))
    several = len(net.output_shapes) > 1
    loss, metrics = ("cross_entropy", ["accuracy"]) if not several else (["cross_entropy"] * 2, [["accuracy"]] * 2)
    net.compile(loss, optimizer(), metrics=metrics)
    history = net.fit(X, y, epochs=epochs, team=comm, verbose=0, **weights, **options)
    return net.params.tobytes(), history["loss"], net.trainer.accuracies()


@pytest.mark.parametrize("case", CASES)
def test_one_digest(case):
    alone, (one,) = fitted(case, None), on_team(lambda comm: fitted(case, comm), 1)
    if isinstance(one, BaseException):
        raise one
    assert (alone == one) is CASES[case][3]
    np.testing.assert_allclose(alone[1], one[1], rtol=1e-4)
    for size in SIZES[1:]:
        assert on_team(lambda comm: fitted(case, comm), size) == [one] * size


def test_one_digest_with_bars_and_validation_on_the_first():
    """Callbacks of the first process alone, and validation, do not let the others get ahead."""

    def work(comm):
        net = dense()
        X, y, _ = data(net, np.random.default_rng(5))
        net.compile("cross_entropy", fn.Adam(0.01), metrics=["accuracy"])
        lines = fn.EpochLog(stream=io.StringIO())
        found = net.fit(X, y, epochs=3, batch_size=512, validation_split=0.2, callbacks=[lines], team=comm)
        return net.params.tobytes(), found["val_loss"], found["val_accuracy"], lines.stream.getvalue().count("\n")

    alone = work(None)
    assert on_team(work, 3) == [alone, *[(*alone[:3], 0)] * 2]


def test_messages_of_an_update():
    """One for small gradients, or for two processes; two more where each adds up a part."""

    def calls(hidden, size):
        def work(comm):
            net = dense(hidden=hidden)
            X, y, _ = data(net, np.random.default_rng(5), n=2048)
            net.compile("cross_entropy", "adam")
            net.fit(X, y, batch_size=1024, team=comm)
            before = len(comm.calls)
            net.fit(X, y, batch_size=1024, team=comm, epochs=2)
            return comm.calls[before:]

        return [(once.count("Allgather"), once.count("Alltoall")) for once in on_team(work, size)]

    begin_and_end, updates, epochs = 2, 4, 2
    assert calls(40, 1) == [(0, 0)]
    assert calls(40, 4) == [(begin_and_end + epochs + updates, 0)] * 4
    assert calls(5000, 2) == [(begin_and_end + epochs + updates, 0)] * 2
    assert calls(5000, 4) == [(begin_and_end + epochs + 2 * updates, updates)] * 4


def test_resumed_by_another_number(tmp_path):
    X, y, _ = data(dense(), np.random.default_rng(5))
    path = tmp_path / "m.safetensors"

    def begin(comm, epochs):
        net = dense(fn.Dropout(0.2))
        net.compile("cross_entropy", fn.Adam(0.01))
        save = fn.Checkpoint(path)
        net.fit(X, y, epochs=epochs, batch_size=512, callbacks=[save], team=comm)
        return net.params.tobytes(), len(save.saved)

    def go_on(comm):
        net = fn.load(path)
        net.fit(X, y, epochs=2, batch_size=512, team=comm)
        return net.params.tobytes()

    whole = begin(None, 4)[0]
    found = on_team(lambda comm: begin(comm, 2), 3)
    assert [saved for _, saved in found] == [1, 0, 0]
    assert on_team(go_on, 2) == [whole] * 2
    assert go_on(None) == whole


# ---- one end for all -------------------------------------------------------------------------------------------------


def ended(size, on_one=None, change=None, callbacks=lambda comm: [], batch_size=512, make=dense):
    """Fit where something is wrong on the second process; what each raised, and whether its network is as before."""

    def work(comm):
        net = make()
        X, y, _ = data(net, np.random.default_rng(5))
        if change is not None and comm.Get_rank() == 1:
            X, y = change(X, y)
        net.compile("cross_entropy", fn.Adam(0.01))
        before = net.params.tobytes()
        with pytest.raises(BaseException) as caught:
            net.fit(X, y, epochs=3, batch_size=batch_size, callbacks=callbacks(comm), team=comm)
        assert net.trainer.step == 0 or isinstance(caught.value, KeyboardInterrupt)
        again = dense()
        X, y, _ = data(again, np.random.default_rng(5))
        again.compile("cross_entropy", fn.Adam(0.01))
        again.fit(X, y, batch_size=512, team=comm)  # the communicator is usable
        return type(caught.value), str(caught.value), net.params.tobytes() == before, again.params.tobytes()

    found = on_team(work, size)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    assert len({one[3] for one in found}) == 1
    return [one[:3] for one in found]


class Fails(fn.Callback):
    """Raises at an epoch, or at a mini-batch."""

    def __init__(self, comm, error, epoch=2, batch=None):
        self.one, self.error, self.epoch, self.batch = comm.Get_rank() == 1, error, epoch, batch

    def on_epoch_end(self, info):
        if self.one and info.epoch == self.epoch:
            raise self.error

    def on_batch_end(self, done_rows, total_rows, loss):
        if self.one and done_rows == self.batch:
            raise self.error


def huge(X, y):
    X = X.copy()
    X[700:] = 3e38  # of rows that lie between those which are compared
    X[np.linspace(0, len(X) - 1, 64).astype(int)] = data(dense(), np.random.default_rng(5))[0][
        np.linspace(0, len(X) - 1, 64).astype(int)
    ]
    return X, y


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("make", [dense, lambda: dense(hidden=5000)])
def test_a_process_diverges(size, make):
    found = ended(size, change=huge, make=make)
    assert [kind for kind, _, _ in found] == [fn.DivergenceError] * size
    assert len({text for _, text, _ in found}) == 1
    assert all(same for _, _, same in found)


def test_a_process_diverges_where_all_go_through_all_rows():
    found = ended(2, change=huge, batch_size=40)
    assert {kind for kind, _, _ in found} == {fn.DivergenceError}
    assert all(same for _, _, same in found)


@pytest.mark.parametrize("where", [{"epoch": 1}, {"epoch": 3}, {"batch": 512}, {"batch": 1100}])
@pytest.mark.parametrize("size", [2, 4])
def test_a_callback_raises(size, where):
    found = ended(size, callbacks=lambda comm: [Fails(comm, KeyError("lost"), **where)])
    assert found == [(KeyError, "'lost'", True)] * size


def test_interrupted():
    found = ended(2, callbacks=lambda comm: [Fails(comm, KeyboardInterrupt(), batch=512)])
    assert [kind for kind, _, _ in found] == [KeyboardInterrupt] * 2


def test_an_exception_that_cannot_be_sent():
    class Own(Exception):
        pass

    found = ended(3, callbacks=lambda comm: [Fails(comm, Own("of a class that nobody finds"))])
    assert [kind for kind, _, _ in found] == [RuntimeError, Own, RuntimeError]
    assert found[0][1] == "Own: of a class that nobody finds"


class Needs(Exception):  # which pickle cannot make again
    def __init__(self, what, why):
        super().__init__(f"{what}: {why}")


def test_an_exception_that_arrives_as_no_exception():
    found = ended(2, callbacks=lambda comm: [Fails(comm, Needs("lost", "away"))])
    assert [(kind, text) for kind, text, _ in found] == [(RuntimeError, "Needs: lost: away"), (Needs, "lost: away")]


def test_who_raised_is_said():
    def work(comm):
        net = dense()
        X, y, _ = data(net, np.random.default_rng(5))
        net.compile("cross_entropy", fn.Adam(0.01))
        with pytest.raises(KeyError) as caught:
            net.fit(X, y, batch_size=512, callbacks=[Fails(comm, KeyError("lost"), epoch=1)], team=comm)
        return getattr(caught.value, "__notes__", None)

    assert on_team(work, 2) == [["raised by process 2 of 2 of the team"], None]


# ---- what all must have alike ----------------------------------------------------------------------------------------


def refused(size=2, make=lambda rank: dense(), options=lambda rank: {}, rows=lambda rank: slice(None)):
    def work(comm):
        net = make(comm.Get_rank())
        X, y, _ = data(net, np.random.default_rng(5))
        rows_of = rows(comm.Get_rank())
        net.compile("cross_entropy", fn.Adam(0.01))
        with pytest.raises((ValueError, TypeError, RuntimeError)) as caught:
            net.fit(X[rows_of], y[rows_of], team=comm, **{"batch_size": 512, **options(comm.Get_rank())})
        return str(caught.value)

    found = on_team(work, size)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    assert len(set(found)) == 1
    return found[0]


def test_all_must_have_the_same_network():
    def seeded(rank):
        return fn.Sequential([fn.Dense(5 + rank % 2)], input_shape=12, seed=0)

    def drawn(rank):
        return fn.Sequential([fn.Dense(5)], input_shape=12, seed=rank)

    def changed(rank):
        net = dense()
        net.params[7] += rank
        return net

    assert "expected the same parameters on every process" in refused(make=seeded)
    message = "expected the same seed on every process of the team, got 0 on the first and 1 on number 2"
    assert message in refused(make=drawn)
    assert "expected the same parameters on every process" in refused(make=changed)


def test_all_must_have_the_same_rows_and_options():
    assert "the same batch_size on every" in refused(options=lambda rank: {"batch_size": 512 + rank})
    assert "the same epochs on every" in refused(options=lambda rank: {"epochs": 1 + rank})
    assert "the same rows on every" in refused(rows=lambda rank: slice(rank, None))
    assert "the same X on every" in refused(rows=lambda rank: slice(rank, ROWS - 1 + rank))


def test_a_callback_must_not_change_one_of_them():
    def change(comm, net):
        def callback(info):
            net.params[0] += comm.Get_rank()

        return callback

    def work(comm):
        net = dense()
        X, y, _ = data(net, np.random.default_rng(5))
        net.compile("cross_entropy", fn.Adam(0.01))
        with pytest.raises(ValueError, match=r"the same parameters .* a callback has changed it"):
            net.fit(X, y, batch_size=512, callbacks=[change(comm, net)], team=comm)

    assert on_team(work, 2) == [None, None]


def test_the_first_says_when_to_stop():
    def epochs(who):
        def work(comm):
            net = dense()
            X, y, _ = data(net, np.random.default_rng(5))
            net.compile("cross_entropy", fn.Adam(0.01))
            stop = lambda info: info.epoch == 2 and comm.Get_rank() == who  # noqa: E731
            return len(net.fit(X, y, epochs=4, batch_size=512, callbacks=[stop], team=comm)["loss"])

        return on_team(work, 2)

    assert epochs(0) == [2, 2]
    assert epochs(1) == [4, 4]


def test_early_stopping_goes_back_on_all():
    def work(comm):
        net = dense()
        X, y, _ = data(net, np.random.default_rng(5))
        net.compile("cross_entropy", fn.Adam(0.1))
        stop = fn.EarlyStopping(patience=2)
        net.fit(X, y, epochs=20, batch_size=512, validation_split=0.3, callbacks=[stop], team=comm)
        return net.params.tobytes(), stop.best_epoch, stop.stopped_epoch

    alone = work(None)
    assert alone[2] is not None
    assert on_team(work, 3) == [alone] * 3


def test_rows_that_meet_are_refused():
    assert "got BatchNorm; GroupNorm and LayerNorm take" in refused(make=lambda rank: dense(fn.BatchNorm()))


def test_functions_are_refused():
    square = fn.Custom(lambda x: x * x, lambda x, y, dy: 2 * x * dy, name="square")
    assert "functions in Python, which see whole mini-batches" in refused(make=lambda rank: dense(square))


def test_more_than_have_groups_are_refused():
    comm = Communicator(Place(17), 0)
    net = dense()
    net.compile("cross_entropy")
    with pytest.raises(ValueError, match=r"a team of at most 16 processes, .* got 17; take a part of it"):
        net.fit(np.ones((4, 12)), [0, 1, 2, 3], team=comm)


@pytest.mark.parametrize("comm", [3, fn, "MPI.COMM_WORLD"])
def test_others_are_refused(comm):
    net = dense()
    net.compile("cross_entropy")
    with pytest.raises(TypeError, match=r"expected team to be a communicator of mpi4py, such as MPI.COMM_WORLD, got"):
        net.fit(np.ones((4, 12)), [0, 1, 2, 3], team=comm)


def test_mini_batches_that_every_process_goes_through_as_a_whole_are_told_of():
    """By the first process alone, with the size from which on they are shared: 2**17 multiply-adds, 725 a row."""

    def notes(comm, batch_size):
        net = dense()
        X, y, _ = data(net, np.random.default_rng(5))
        net.compile("cross_entropy", fn.Adam(0.01))
        if comm.Get_rank() == 0 and comm.Get_size() > 1 and batch_size < 181:
            with pytest.warns(UserWarning, match=rf"updates from {batch_size} rows are too small .* batch_size=181 or"):
                net.fit(X, y, batch_size=batch_size, team=comm)
        else:
            net.fit(X, y, batch_size=batch_size, team=comm)

    for size, batch_size in [(1, 50), (2, 50), (2, 180)]:
        assert on_team(lambda comm, rows=batch_size: notes(comm, rows), size) == [None] * size


@pytest.mark.filterwarnings("error")
def test_mini_batches_that_are_shared_are_not_told_of():
    def work(comm):
        net = dense()
        X, y, _ = data(net, np.random.default_rng(5))
        net.compile("cross_entropy", fn.Adam(0.01))
        net.fit(X, y, batch_size=512, team=comm)
        net.fit(X, y, batch_size=50, team=comm, average_every=2)

    assert on_team(work, 2) == [None] * 2


def test_alone_afterwards():
    """What a team needs is given back: the next fit is one of this process by itself."""

    def work(comm):
        net = dense(hidden=2000)
        X, y, _ = data(net, np.random.default_rng(5))
        net.compile("cross_entropy", fn.Adam(0.01))
        net.fit(X, y, batch_size=512, team=comm)
        assert isinstance(net.trainer, Trainer)
        calls = len(comm.calls)
        net.fit(X, y, batch_size=512)
        assert len(comm.calls) == calls
        return net.trainer.lanes.cut_from > ROWS

    assert on_team(work, 2) == [True, True]
    assert threading.active_count() < 20
