"""Updates from several mini-batches: what one larger mini-batch gives, in less memory."""

import numpy as np
import pytest
from helpers.team import on_team

import fastnn as fn

N, INPUTS, OUTPUTS = 1100, 12, 5
RNG = np.random.default_rng(7)
X = RNG.normal(size=(N, INPUTS)).astype("f")
Y = RNG.integers(0, OUTPUTS, N)
WEIGHTS = RNG.uniform(0, 2, N) * (RNG.random(N) < 0.8)


def dense(*between, hidden=40, dtype="float32"):
    layers = [fn.Dense(hidden, "tanh"), *between, fn.Dense(OUTPUTS)]
    return fn.Sequential(layers, input_shape=INPUTS, seed=3, dtype=dtype)


def fitted(net, comm=None, data=(X, Y), optimizer=None, **options):
    net.compile("cross_entropy", optimizer or fn.Adam(0.01), metrics=["accuracy"])
    found = net.fit(*data, epochs=2, team=comm, verbose=0, **options)
    return net.params.tobytes(), found["loss"], found["accuracy"], net.trainer.step


class Batches:
    """Of different sizes, some with weights."""

    def __init__(self, sizes, weighted=()):
        self.ends, self.weighted = np.cumsum(sizes), weighted

    def __iter__(self):
        for k, (start, stop) in enumerate(zip([0, *self.ends[:-1]], self.ends, strict=True)):
            rows = slice(start, stop)
            yield (X[rows], Y[rows], WEIGHTS[rows]) if k in self.weighted else (X[rows], Y[rows])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"optimizer": fn.SGD(0.1)},
        {"optimizer": fn.SGD(0.1, momentum=0.9, clip_norm=0.05)},
        {"optimizer": fn.SGD(0.1, l2=0.1, penalty_over_rows=True)},
        {"sample_weight": WEIGHTS},
        {"shuffle": False, "validation_split": 0.1},
    ],
)
@pytest.mark.parametrize("batch_size", [24, 128])
def test_the_bits_of_a_larger_batch(options, batch_size):
    """Of a network whose mini-batches are cut, and below that size too; 1100 rows leave a last one that is smaller."""
    found = fitted(dense(fn.Dropout(0.3)), batch_size=batch_size, accumulate=4, **options)
    assert found == fitted(dense(fn.Dropout(0.3)), batch_size=4 * batch_size, **options)


def test_the_bits_of_a_larger_batch_from_an_iterable():
    sizes = [100, 60, 90, 70, 200, 30, 250, 50, 150, 100]
    joined = np.add.reduceat(sizes, [0, 3, 6, 9])
    found = fitted(dense(fn.Dropout(0.3)), data=(Batches(sizes),), accumulate=3)
    assert found == fitted(dense(fn.Dropout(0.3)), data=(Batches(joined),))
    assert found[3] == 2 * 4


def test_rows_without_weights_weigh_one_beside_others():
    weights = WEIGHTS.copy()
    weights[100:160] = 1
    found = fitted(dense(), data=(Batches([100, 60, 90], {0, 2}),), accumulate=3)
    expected = fitted(dense(), data=(X[:250], Y[:250]), batch_size=250, shuffle=False, sample_weight=weights[:250])
    assert found == expected


@pytest.mark.parametrize("hidden", [40, 2000])
@pytest.mark.parametrize("size", [1, 2, 4])
def test_in_a_team_the_bits_of_a_larger_batch(hidden, size):
    whole = on_team(lambda comm: fitted(dense(hidden=hidden), comm, batch_size=512), 1)
    assert on_team(lambda comm: fitted(dense(hidden=hidden), comm, batch_size=128, accumulate=4), size) == whole * size


def reference(w, rows, rate, updates, weights):
    """SGD by NumPy: softmax of tanh, gradients of the weighted mean of each update."""
    W, V = w
    for part in updates:
        x, y, weight = np.c_[rows[part], np.ones(len(part))], Y[part], weights[part]
        a = np.c_[np.tanh(x @ W), np.ones(len(part))]
        z = a @ V
        p = np.exp(z - z.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        p[np.arange(len(part)), y] -= 1
        p *= (weight / weight.sum())[:, None]
        W, V = W - rate * x.T @ ((p @ V[:-1].T) * (1 - a[:, :-1] ** 2)), V - rate * a.T @ p
    return W, V


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("accumulate", [1, 3, 7])
def test_a_large_network_goes_in_pieces(accumulate, weighted):
    """One that is never cut: against NumPy, and the memory is that of a piece."""
    net = dense(hidden=4000, dtype="float64")
    net.compile("cross_entropy", fn.SGD(0.5))
    w = [np.vstack([layer.weight, layer.bias]).copy() for layer in net.layers]
    weights = WEIGHTS if weighted else np.ones(N)
    net.fit(X, Y, batch_size=50, accumulate=accumulate, shuffle=False, sample_weight=weights if weighted else None)
    size = 50 * accumulate
    updates = [np.arange(start, min(start + size, N)) for start in range(0, N, size)]
    expected = reference(w, X.astype(float), 0.5, updates, weights)
    for layer, values in zip(net.layers, expected, strict=True):
        np.testing.assert_allclose(np.vstack([layer.weight, layer.bias]), values, rtol=1e-9, atol=1e-12)
    assert net.trainer.step == len(updates)


@pytest.mark.parametrize("optimizer", [fn.SGD(0.1), fn.SGD(0.1, momentum=0.9), fn.Adam(0.01)])
def test_a_large_network_in_pieces_drops_what_it_drops_as_a_whole(optimizer):
    """Masks go by the row in the update; right decisions are counted, losses added up."""
    nets = [dense(fn.Dropout(0.4), hidden=3000, dtype="float64") for _ in range(2)]
    pieces = fitted(nets[0], batch_size=32, accumulate=6, optimizer=optimizer)
    whole = fitted(nets[1], batch_size=192, optimizer=optimizer)
    np.testing.assert_allclose(nets[0].params, nets[1].params, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(pieces[1], whole[1], rtol=1e-9)
    assert pieces[2:] == whole[2:]


def test_memory_is_that_of_a_piece():
    """And afterwards mini-batches are whole again."""
    capacities = []

    class Looks(fn.Callback):
        def on_epoch_end(self, info):
            capacities.append(info.net.trainer.workspace().capacity)

    net = dense(hidden=4000)
    net.compile("cross_entropy", fn.SGD(0.1))
    net.fit(X, Y, batch_size=50, accumulate=8, callbacks=[Looks()])
    net.fit(X, Y, batch_size=400, callbacks=[Looks()])
    assert capacities == [50, 400]


def test_a_piece_that_diverges_changes_nothing():
    bad = X.copy()
    bad[390] = 3e38
    net = dense(hidden=4000)
    net.compile("squared_error", fn.SGD(0.1))
    before = net.params.tobytes()
    with pytest.raises(fn.DivergenceError, match=r"the loss became .* after 0 updates"):
        net.fit(bad, np.full((N, OUTPUTS), 1e30), batch_size=100, accumulate=4, shuffle=False)
    assert net.params.tobytes() == before


def test_rows_that_meet_are_refused():
    net = dense(fn.BatchNorm())
    with pytest.raises(
        ValueError, match="accumulate takes those of an update a part at a time, got BatchNorm; GroupNo"
    ):
        net.fit(X, Y, loss="cross_entropy", accumulate=2)


def test_functions_are_refused():
    net = dense(fn.Custom(lambda x: x * x, lambda x, y, dy: 2 * x * dy, name="square"))
    with pytest.raises(ValueError, match="got functions in Python, which see whole mini-batches"):
        net.fit(X, Y, loss="cross_entropy", accumulate=2)


@pytest.mark.parametrize("accumulate", [0, -1, 1.5, "2"])
def test_numbers_that_are_none_are_refused(accumulate):
    with pytest.raises((TypeError, ValueError), match="fit: expected accumulate"):
        dense().fit(X, Y, loss="cross_entropy", accumulate=accumulate)
