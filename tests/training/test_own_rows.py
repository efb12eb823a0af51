"""Processes, here threads, that learn from rows of their own: local SGD, and batches that are dealt out."""

import numpy as np
import pytest
from helpers.team import Communicator, Place, on_team

import fastnn as fn

N, INPUTS, OUTPUTS = 1100, 12, 5
RNG = np.random.default_rng(7)
X = RNG.normal(size=(N, INPUTS))
Y = RNG.integers(0, OUTPUTS, N)
WEIGHTS = RNG.uniform(0, 2, N) * (RNG.random(N) < 0.8)
RATE, MOMENTUM = 0.3, 0.8
SIZES = (1, 2, 3, 4)


def dense(*between, hidden=20, dtype="float64", **options):
    layers = [fn.Dense(hidden, "tanh"), *between, fn.Dense(OUTPUTS)]
    return fn.Sequential(layers, input_shape=INPUTS, seed=3, dtype=dtype, **options)


def found_by(work, size):
    """What each thread returned; raises what one raised."""
    found = on_team(work, size)
    for one in found:
        if isinstance(one, BaseException):
            raise one
    return found


def compiled(net, optimizer=None):
    net.compile("cross_entropy", optimizer or fn.SGD(RATE, momentum=MOMENTUM), metrics=["accuracy"])
    return net


def matrices(net):
    return [np.vstack([layer.weight, layer.bias]).copy() for layer in net.layers]


# ---- references ------------------------------------------------------------------------------------------------------


def gradient(w, part, weights):
    """Sum of weighted losses of some rows by NumPy, its gradient, right decisions with their weights."""
    W, V = w
    x, y, weight = np.c_[X[part], np.ones(len(part))], Y[part], weights[part]
    a = np.c_[np.tanh(x @ W), np.ones(len(part))]
    z = a @ V
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    loss, right = -(weight * np.log(p[np.arange(len(part)), y])).sum(), (weight * (z.argmax(axis=1) == y)).sum()
    p[np.arange(len(part)), y] -= 1
    p *= weight[:, None]
    return loss, right, (x.T @ ((p @ V[:-1].T) * (1 - a[:, :-1] ** 2)), a.T @ p)


def local_sgd(w, parts_of, every, weights, epochs=2, momentum=MOMENTUM):
    """Momentum on each process, means of parameters and velocities after so many updates and after an epoch.

    ``parts_of``: by process its rows of each mini-batch.  Returns parameters, and loss and accuracy of each epoch.
    """
    size = len(parts_of)
    at = [[m.copy() for m in w] for _ in range(size)]
    velocity = [[np.zeros_like(m) for m in w] for _ in range(size)]
    history = []
    for _ in range(epochs):
        losses, rights, seen, since = 0.0, 0.0, 0.0, np.zeros(size)
        for k in range(len(parts_of[0])):
            for rank in range(size):
                part = parts_of[rank][k]
                if not len(part):
                    continue
                weight = weights[part].sum()
                loss, right, grads = gradient(at[rank], part, weights)
                losses, rights, seen = losses + loss, rights + right, seen + weight
                since[rank] += weight
                for i, g in enumerate(grads):
                    velocity[rank][i] = momentum * velocity[rank][i] - RATE * g / max(weight, 1e-300)
                    at[rank][i] = at[rank][i] + velocity[rank][i]
            if (k + 1) % every == 0 or k + 1 == len(parts_of[0]):
                share = since / since.sum() if since.sum() else np.full(size, 1 / size)
                for both in (at, velocity):
                    for i in range(len(w)):
                        mean = sum(s * one[i] for s, one in zip(share, both, strict=True))
                        for one in both:
                            one[i] = mean.copy()
                since[:] = 0
        history.append((losses / seen, rights / seen))
    return at[0], history


def parts(size, batch_size, n=N):
    """By process its rows of each mini-batch of all rows in order."""
    result = []
    for rank in range(size):
        mine = []
        for start in range(0, n, batch_size):
            rows = np.arange(start, min(start + batch_size, n))
            mine.append(rows[len(rows) * rank // size : len(rows) * (rank + 1) // size])
        result.append(mine)
    return result


def assert_is(found, w, history):
    for values, expected in zip(found[0], w, strict=True):
        np.testing.assert_allclose(values, expected, rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(found[1], [loss for loss, _ in history], rtol=1e-10)
    np.testing.assert_allclose(found[2], [right for _, right in history], rtol=1e-12)


# ---- local SGD -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("every", [1, 3, 100])
@pytest.mark.parametrize("size", [2, 3, 4])
def test_local_sgd_by_numpy(size, every, weighted):
    weights = WEIGHTS if weighted else np.ones(N)
    start = matrices(dense())

    def work(comm):
        net = compiled(dense())
        options = {"sample_weight": WEIGHTS} if weighted else {}
        found = net.fit(X, Y, epochs=2, batch_size=90, shuffle=False, team=comm, average_every=every, **options)
        return matrices(net), found["loss"], found["accuracy"], net.params.tobytes(), net.trainer.step

    found = found_by(work, size)
    assert_is(found[0], *local_sgd(start, parts(size, 90), every, weights))
    assert len({one[3] for one in found}) == 1
    assert [one[1:3] for one in found] == [found[0][1:3]] * size
    assert [one[4] for one in found] == [2 * 13] * size


@pytest.mark.parametrize("size", [3, 4])
def test_a_process_without_rows_makes_no_update_of_its_own(size):
    """The last mini-batch has fewer rows than there are processes; and where one's rows all weigh nothing."""
    n, batch = 82, 20
    weights = np.ones(N)
    weights[parts(size, batch, n)[1][0]] = 0  # the second process has only such in the first mini-batch
    start = matrices(dense())

    def work(comm):
        net = compiled(dense(), fn.SGD(RATE))
        options = {"sample_weight": weights[:n], "average_every": 1}
        found = net.fit(X[:n], Y[:n], epochs=2, batch_size=batch, shuffle=False, team=comm, **options)
        return matrices(net), found["loss"], found["accuracy"], net.trainer.step, net.trainer.optimizer.step

    found = found_by(work, size)
    assert_is(found[0], *local_sgd(start, parts(size, batch, n), 1, weights, momentum=0.0))
    assert [one[3:] for one in found] == [(10, 10)] * size


@pytest.mark.parametrize("size", [2, 3, 4])
@pytest.mark.parametrize("hidden", [20, 2500])
@pytest.mark.parametrize(
    "options", [{}, {"l2": 0.1}, {"l2": 40.0, "penalty_over_rows": True}, {"schedule": True}], ids=str
)
def test_averaged_after_each_update_of_sgd_it_is_fit(size, hidden, options):
    """The mean of steps is a step along the mean gradient: also shuffled, with dropout, which goes by the row."""
    options = dict(options)
    rate = (lambda step: RATE / (1 + step)) if options.pop("schedule", False) else RATE

    def work(comm, **more):
        net = compiled(dense(fn.Dropout(0.3), hidden=hidden), fn.SGD(rate, **options))
        found = net.fit(X[:1080], Y[:1080], epochs=2, batch_size=120, team=comm, **more)
        return net.params.copy(), found["loss"], found["accuracy"]

    alone = work(None)
    found = found_by(lambda comm: work(comm, average_every=1), size)
    np.testing.assert_allclose(found[0][0], alone[0], rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(found[0][1:], alone[1:], rtol=1e-9)
    assert all((one[0] == found[0][0]).all() for one in found)


def test_a_team_of_one_is_fit():
    def work(comm, **more):
        net = compiled(dense(fn.Dropout(0.3)), fn.Adam(0.01))
        net.fit(X, Y, epochs=2, batch_size=90, team=comm, **more)
        return net.params.tobytes()

    assert found_by(lambda comm: work(comm, average_every=5), 1) == [work(None)]


def test_accumulated_updates_count():
    def work(comm, **more):
        net = compiled(dense(fn.Dropout(0.3), hidden=3000))
        net.fit(X, Y, epochs=2, shuffle=True, team=comm, average_every=2, **more)
        return net.params.copy(), net.trainer.step

    pieces = found_by(lambda comm: work(comm, batch_size=40, accumulate=3), 2)
    whole = found_by(lambda comm: work(comm, batch_size=120), 2)
    np.testing.assert_allclose(pieces[0][0], whole[0][0], rtol=1e-7, atol=1e-10)
    assert pieces[1][1] == whole[1][1] == 20


def test_what_is_not_learned_stays_bit_for_bit():
    """Frozen layers are equal on all processes, and their mean is themselves."""

    def work(comm):
        net = fn.Sequential([fn.Dense(20, name="kept"), fn.Dense(OUTPUTS)], input_shape=INPUTS, seed=3)
        compiled(net, fn.Adam(0.01, groups={"kept": fn.Group(frozen=True)}))
        before = net.layers[0].weight.copy()
        net.fit(X, Y, epochs=3, batch_size=90, team=comm, average_every=2)
        return bool((net.layers[0].weight == before).all()), net.params.tobytes()

    found = found_by(work, 3)
    assert [same for same, _ in found] == [True] * 3
    assert len({params for _, params in found}) == 1


@pytest.mark.parametrize("optimizer", [fn.Adam(0.01), fn.AMSGrad(0.01), fn.Adagrad(0.1), fn.SGD(0.1, momentum=0.9)])
def test_resumed_from_a_checkpoint_it_is_the_same(optimizer, tmp_path):
    """What the optimiser keeps is averaged too, so a file of one process holds all that there is."""
    path = tmp_path / "m.safetensors"

    def begin(comm, epochs):
        net = compiled(dense(fn.Dropout(0.2)), optimizer)
        options = {"batch_size": 90, "callbacks": [fn.Checkpoint(path)], "team": comm, "average_every": 4}
        net.fit(X, Y, epochs=epochs, **options)
        return net.params.tobytes()

    def go_on(comm):
        net = fn.load(path)
        net.fit(X, Y, epochs=2, batch_size=90, team=comm, average_every=4)
        return net.params.tobytes()

    whole = found_by(lambda comm: begin(comm, 4), 3)
    found_by(lambda comm: begin(comm, 2), 3)
    assert found_by(go_on, 3) == whole


def test_layers_in_which_rows_meet_and_functions_are_allowed():
    """Rows meet only within a process; running statistics are averaged."""

    def work(comm):
        square = fn.Custom(lambda x: x * x, lambda x, y, dy: 2 * x * dy, name="square")
        net = compiled(dense(fn.BatchNorm(), square))
        net.fit(X, Y, epochs=2, batch_size=91, team=comm, average_every=3)
        assert np.isfinite(net.params).all()
        return net.params.tobytes()

    assert len(set(found_by(work, 3))) == 1


def test_how_decisions_are_counted_is_told_by_all_targets():
    """The second process alone has rows of several labels, by which each label is a decision: share of right ones."""
    labels = np.zeros((N, 3))
    labels[np.arange(N), np.arange(N) % 3] = 1
    for part in parts(2, 90)[1]:
        labels[part] = RNG.integers(0, 2, (len(part), 3))
    start = fn.Sequential([fn.Dense(3)], input_shape=INPUTS, seed=3, dtype="float64")

    def work(comm):
        net = start.copy()
        net.compile("binary_cross_entropy", fn.SGD(1e-30), metrics=["accuracy"])
        return net.fit(X, labels, batch_size=90, shuffle=False, team=comm, average_every=3)["accuracy"][0]

    expected = ((start.predict(X) > 0) == labels).mean()
    np.testing.assert_allclose(found_by(work, 2), [expected] * 2, rtol=1e-12)


def test_messages():
    """One of a few bytes and the vectors, every so many updates: two calls where these are small, three where not."""

    def calls(hidden, size):
        def work(comm):
            net = compiled(dense(hidden=hidden))
            net.fit(X[:1000], Y[:1000], batch_size=100, team=comm, average_every=4, epochs=2)
            return comm.calls.count("Allgather"), comm.calls.count("Alltoall")

        return found_by(work, size)

    begin_and_end, epochs, means = 2, 2, 2 * 3
    assert calls(20, 3) == [(begin_and_end + 2 * epochs + 2 * means, 0)] * 3
    assert calls(5000, 3) == [(begin_and_end + 2 * epochs + 2 * means, means)] * 3


# ---- batches that are dealt out --------------------------------------------------------------------------------------


class Dealt:
    """Batches of this process's rows; ``share`` says whose they are."""

    def __init__(self, batches, share, weights=None, dtype=np.float64):
        self.batches, self.share, self.weights, self.dtype = batches, share, weights, dtype

    def __iter__(self):
        for part in self.batches:
            batch = X[part].astype(self.dtype), Y[part]
            yield batch if self.weights is None else (*batch, self.weights[part])


def dealt(comm, batch_size, weights=None, n=N, dtype=np.float64):
    share = comm.Get_rank(), comm.Get_size()
    return Dealt(parts(share[1], batch_size, n)[share[0]], share, weights, dtype)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_gradients_of_dealt_batches_by_numpy(size, weighted):
    """What one process learns from all of the rows of each mini-batch; of 91 rows the parts are uneven."""
    weights = WEIGHTS if weighted else np.ones(N)
    start = matrices(dense())

    def work(comm):
        net = compiled(dense())
        batches = dealt(comm, 91, WEIGHTS if weighted else None)
        held = X[:400], Y[:400], WEIGHTS[:400]
        found = net.fit(batches, epochs=2, team=comm, validation_data=held)
        return matrices(net), found["loss"], found["accuracy"], net.params.tobytes(), found["val_loss"]

    found = found_by(work, size)
    assert_is(found[0], *local_sgd(start, parts(1, 91), 1, weights))
    assert len({one[3] for one in found}) == 1
    assert [one[1:3] for one in found] == [found[0][1:3]] * size
    loss = gradient(found[0][0], np.arange(400), WEIGHTS)[0] / WEIGHTS[:400].sum()
    np.testing.assert_allclose([one[4][-1] for one in found], loss, rtol=1e-10)


@pytest.mark.parametrize("size", [2, 4])
def test_penalties_over_rows_are_those_of_all_rows(size):
    def work(comm):
        net = compiled(dense(), fn.SGD(RATE, l2=40.0, penalty_over_rows=True))
        batches = [(X[part], Y[part], WEIGHTS[part]) for part in parts(1, 91)[0]]
        net.fit(batches if comm is None else dealt(comm, 91, WEIGHTS), epochs=2, team=comm)
        return net.params.copy()

    alone = work(None)
    for one in found_by(work, size):
        np.testing.assert_allclose(one, alone, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("size", [2, 3])
def test_a_process_whose_rows_weigh_nothing(size):
    weights = WEIGHTS.copy()
    for part in parts(size, 90)[0]:
        weights[part] = 0  # the first process has no rows that count
    start = matrices(dense())

    def work(comm):
        net = compiled(dense())
        found = net.fit(dealt(comm, 90, weights), epochs=2, team=comm)
        return matrices(net), found["loss"], found["accuracy"]

    for one in found_by(work, size):
        assert_is(one, *local_sgd(start, parts(1, 90), 1, weights))


@pytest.mark.parametrize("size", [2, 3])
def test_local_sgd_on_dealt_batches(size):
    start = matrices(dense())

    def work(comm):
        net = compiled(dense())
        found = net.fit(dealt(comm, 91, WEIGHTS), epochs=2, team=comm, average_every=4)
        return matrices(net), found["loss"], found["accuracy"]

    for one in found_by(work, size):
        assert_is(one, *local_sgd(start, parts(size, 91), 4, WEIGHTS))


def test_dealt_batches_accumulate():
    start = matrices(dense())
    whole = parts(1, 91)[0]

    def work(comm):
        net = compiled(dense())
        found = net.fit(dealt(comm, 91), epochs=2, team=comm, accumulate=3)
        return matrices(net), found["loss"], found["accuracy"]

    joined = [np.concatenate(whole[k : k + 3]) for k in range(0, len(whole), 3)]
    for one in found_by(work, 2):
        assert_is(one, *local_sgd(start, [joined], 1, np.ones(N)))


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("hidden", [20, 5000])
def test_validation_that_is_dealt_out(size, hidden):
    """Every process learns loss and metrics of all rows."""

    def work(comm):
        net = compiled(dense(hidden=hidden))
        options = {"batch_size": 128, "average_every": 4} if hidden == 20 else {"batch_size": 256}
        found = net.fit(X, Y, team=comm, validation_data=dealt(comm, 91, WEIGHTS, n=500), **options)
        return (
            found["val_loss"][0],
            found["val_accuracy"][0],
            net.evaluate(X[:500], Y[:500], sample_weight=WEIGHTS[:500]),
        )

    found = found_by(work, size)
    assert len({one[:2] for one in found}) == 1
    np.testing.assert_allclose(found[0][0], found[0][2]["loss"], rtol=1e-12)
    np.testing.assert_allclose(found[0][1], found[0][2]["accuracy"], rtol=1e-12)


def test_more_processes_than_a_mini_batch_has_groups():
    """Their number is not limited where each has rows of its own."""
    start = matrices(dense())

    def work(comm):
        net = compiled(dense())
        found = net.fit(X, Y, epochs=2, batch_size=110, shuffle=False, team=comm, average_every=2)
        return matrices(net), found["loss"], found["accuracy"]

    assert_is(found_by(work, 18)[0], *local_sgd(start, parts(18, 110), 2, np.ones(N)))


# ---- one end for all -------------------------------------------------------------------------------------------------


class Fails(fn.Callback):
    """Raises on the second process, at an epoch or in the middle of one."""

    def __init__(self, comm, error, epoch=2, batch=None):
        self.one, self.error, self.epoch, self.batch, self.seen = comm.Get_rank() == 1, error, epoch, batch, 0

    def on_epoch_end(self, info):
        if self.one and info.epoch == self.epoch:
            raise self.error

    def on_batch_end(self, done_rows, total_rows, loss):
        self.seen += 1
        if self.one and self.seen == self.batch:
            raise self.error


WAYS = {
    "apart": lambda comm: ({"X": X, "y": Y}, {"average_every": 3}),
    "dealt": lambda comm: ({"X": dealt(comm, 90)}, {}),
    "dealt, apart": lambda comm: ({"X": dealt(comm, 90)}, {"average_every": 3}),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("where", [{"epoch": 1}, {"epoch": 3}, {"epoch": 0, "batch": 1}, {"epoch": 0, "batch": 17}])
def test_a_callback_raises(way, size, where):
    def work(comm):
        net = compiled(dense())
        before = net.params.tobytes()
        data, options = WAYS[way](comm)
        with pytest.raises(KeyError, match="lost") as caught:
            net.fit(
                **data,
                batch_size=90,
                epochs=3,
                callbacks=[Fails(comm, KeyError("lost"), **where)],
                team=comm,
                **options,
            )
        assert net.params.tobytes() == before
        assert net.trainer.step == 0
        again = compiled(dense())
        again.fit(**data, batch_size=90, team=comm, **options)  # the communicator is usable
        return again.params.tobytes(), getattr(caught.value, "__notes__", None)

    found = found_by(work, size)
    assert len({params for params, _ in found}) == 1
    assert [notes for _, notes in found] == [
        None if rank == 1 else [f"raised by process 2 of {size} of the team"] for rank in range(size)
    ]


@pytest.mark.parametrize("way", WAYS)
def test_a_process_diverges(way, monkeypatch):
    size = 3
    monkeypatch.setitem(globals(), "X", X.copy())
    X[parts(size, 90)[1][7][0]] = 1e300  # a row of the second process

    def work(comm):
        net = fn.Sequential([fn.Dense(OUTPUTS)], input_shape=INPUTS, seed=3, dtype="float64")
        net.compile("squared_error", fn.SGD(0.01))
        before = net.params.tobytes()
        data, options = WAYS[way](comm)
        with pytest.raises(fn.DivergenceError) as caught:
            net.fit(**one_hot(data), batch_size=90, epochs=3, shuffle=False, team=comm, **options)
        assert net.params.tobytes() == before
        return str(caught.value)

    assert len(set(found_by(work, size))) == 1


def one_hot(data):
    """The same with real targets."""
    if "y" in data:
        return {"X": data["X"], "y": np.eye(OUTPUTS)[data["y"]]}
    batches = data["X"]

    class Real(Dealt):
        def __iter__(self):
            for x, y in super().__iter__():
                yield x, np.eye(OUTPUTS)[y]

    return {"X": Real(batches.batches, batches.share)}


@pytest.mark.parametrize("batch", [2, 5, 14])
def test_interrupted_all_are_as_after_the_last_mean(batch):
    """Each has gone its own way since; an epoch has 13 updates."""

    def work(comm):
        net = compiled(dense(), fn.Adam(0.01))
        with pytest.raises(KeyboardInterrupt):
            net.fit(
                X, Y, batch_size=90, epochs=3, team=comm, average_every=4, shuffle=False,
                callbacks=[Fails(comm, KeyboardInterrupt(), epoch=0, batch=batch)],
            )  # fmt: skip
        net.fit(X[:90], Y[:90], batch_size=90, team=comm, average_every=4)  # all are alike, or this is refused
        return net.params.tobytes(), net.trainer.step - 1, net.trainer.optimizer.step - 1

    found = found_by(work, 3)
    assert len(set(found)) == 1
    expected = {2: 0, 5: 4, 14: 13}[batch]
    assert found[0][1:] == (expected, expected)


def test_the_first_says_when_to_stop():
    def work(comm):
        net = compiled(dense())
        stop = lambda info: info.epoch == 2 and comm.Get_rank() == 0  # noqa: E731
        return len(net.fit(X, Y, epochs=5, batch_size=90, callbacks=[stop], team=comm, average_every=3)["loss"])

    assert found_by(work, 3) == [2, 2, 2]


# ---- what is refused -------------------------------------------------------------------------------------------------


def refused(size, options, data=lambda comm: {"X": X, "y": Y}, make=dense):
    def work(comm):
        net = compiled(make())
        with pytest.raises((ValueError, TypeError, RuntimeError)) as caught:
            net.fit(**data(comm), team=comm, **{"batch_size": 90, **options(comm.Get_rank())})
        return str(caught.value)

    found = found_by(work, size)
    assert len(set(found)) == 1
    return found[0]


def test_average_every_needs_a_team():
    with pytest.raises(ValueError, match="fit: expected a team for average_every, got none"):
        compiled(dense()).fit(X, Y, average_every=3)


@pytest.mark.parametrize("every", [0, -1, 2.5, "3"])
def test_numbers_of_updates_that_are_none(every):
    with pytest.raises((TypeError, ValueError), match="fit: expected average_every"):
        compiled(dense()).fit(X, Y, team=Communicator(Place(1), 0), average_every=every)


def test_all_must_be_asked_alike():
    assert "the same average_every on every" in refused(2, lambda rank: {"average_every": 2 + rank})
    assert "the same average_every on every" in refused(2, lambda rank: {"average_every": 2} if rank else {})
    assert "the same batch_size on every" in refused(2, lambda rank: {"batch_size": 128 + rank})

    def one_dealt(comm):
        return {"X": dealt(comm, 90)} if comm.Get_rank() else {"X": X, "y": Y}

    batches = lambda comm: {"X": dealt(comm, 90)}  # noqa: E731
    assert "the same accumulate on every" in refused(2, lambda rank: {"accumulate": 1 + rank}, batches)
    assert "the same way of dealing out rows on every" in refused(2, lambda rank: {}, one_dealt)


def test_fewer_rows_than_processes():
    message = refused(4, lambda rank: {"average_every": 2, "batch_size": 3})
    assert "updates from at least one row for each of the 4 processes of the team, got 3 rows" in message


def test_shares_of_others():
    def swapped(comm):
        return {"X": Dealt(parts(2, 90)[0], (1 - comm.Get_rank(), 2))}

    message = refused(2, lambda rank: {}, swapped)
    assert "expected X to be the share (0, 2) of this process of the team, got (1, 2)" in message


def test_as_many_batches_for_all():
    def uneven(comm):
        batches = dealt(comm, 90)
        if comm.Get_rank() == 1:
            batches.batches = batches.batches[:-1]
        return {"X": batches}

    assert "to be at the same mini-batch, got some that are elsewhere" in refused(2, lambda rank: {}, uneven)
    assert "elsewhere" in refused(2, lambda rank: {"average_every": 1}, uneven)


def test_rows_that_meet_between_processes():
    message = refused(2, lambda rank: {}, lambda comm: {"X": dealt(comm, 90)}, lambda: dense(fn.BatchNorm()))
    assert "since they lie in several processes of the team, got BatchNorm" in message


def test_alone_afterwards():
    def work(comm):
        net = compiled(dense())
        net.fit(X, Y, batch_size=90, team=comm, average_every=2)
        calls, other = len(comm.calls), net.copy()
        net.fit(X, Y, batch_size=90)
        other.fit(X, Y, batch_size=90)
        assert len(comm.calls) == calls
        return bool((net.params == other.params).all())

    assert found_by(work, 2) == [True, True]
