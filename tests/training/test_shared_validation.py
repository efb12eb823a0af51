"""Validation in a team: every process goes through a part of it, and all learn what one alone finds, bit for bit."""

import numpy as np
import pytest
from helpers.team import on_team

import fastnn as fn

N, INPUTS, OUTPUTS = 1500, 12, 5
RNG = np.random.default_rng(7)
X = RNG.normal(size=(N, INPUTS)).astype("f")
Y = RNG.integers(0, OUTPUTS, N)
REAL = RNG.normal(size=(N, 2)).astype("f")
WEIGHTS = RNG.uniform(0, 2, N)
SIZES = (1, 2, 3, 4)


def two_outputs():
    x = fn.Input(INPUTS)
    h = fn.Dense(24, "tanh")(x)
    net = fn.Network(inputs=x, outputs=[fn.Dense(OUTPUTS)(h), fn.Dense(2)(h)], seed=3)
    net.compile(
        ["cross_entropy", "squared_error"], "adam", metrics=[["accuracy", "error"], ["r2"]], loss_weights=[1, 0.3]
    )
    return net, [Y, REAL]


def one_output():
    net = fn.Sequential([fn.Dense(24, "tanh"), fn.Dense(OUTPUTS)], input_shape=INPUTS, seed=3)
    net.compile("cross_entropy", "adam", metrics=["accuracy", "error"])
    return net, Y


def no_metrics():
    net, y = one_output()
    net.compile("cross_entropy", "adam")
    return net, y


def batches(y):
    """Held out rows as batches of other sizes."""

    class Batches:
        def __iter__(self):
            for start, stop in ((0, 700), (700, 720), (720, N)):
                yield X[start:stop], y[start:stop]

    return Batches()


def found(comm, make, held):
    net, y = make()
    parts = [part[:512] for part in y] if isinstance(y, list) else y[:512]
    history = net.fit(X[:512], parts, epochs=2, batch_size=512, team=comm, validation_data=held(y), verbose=0)
    return {name: values for name, values in history.items() if name.startswith("val_")}


@pytest.mark.parametrize("make", [one_output, two_outputs, no_metrics])
@pytest.mark.parametrize(
    "held",
    [
        lambda y: (X, y),
        lambda y: (X, y, WEIGHTS),
        lambda y: (X.astype(float), y),
        lambda y: (X[:300], [part[:300] for part in y] if isinstance(y, list) else y[:300]),
        lambda y: (X[:50], [part[:50] for part in y] if isinstance(y, list) else y[:50]),
    ],
    ids=["rows", "weights", "converted", "two chunks", "one chunk"],
)
def test_the_bits_of_one_process(make, held):
    alone = found(None, make, held)
    assert len(alone) == {one_output: 3, two_outputs: 4, no_metrics: 1}[make]
    for size in SIZES:
        assert on_team(lambda comm: found(comm, make, held), size) == [alone] * size


def test_batches_of_an_iterable():
    alone = found(None, one_output, batches)
    for size in SIZES:
        assert on_team(lambda comm: found(comm, one_output, batches), size) == [alone] * size


def test_each_goes_through_its_part():
    """Rows that a layer in Python sees while nothing is learned: those of one process in all."""

    def work(comm):
        seen, learns = [0], [False]

        def forward(x):
            seen[0] += 0 if learns[0] else len(x)
            return x

        class Tells(fn.Callback):
            def on_batch_end(self, done_rows, total_rows, loss):
                learns[0] = False

            def on_epoch_end(self, info):
                learns[0] = True

        layer = fn.Custom(forward, lambda x, y, dy: dy, name="seen")
        net = fn.Sequential([fn.Dense(24, "tanh"), layer, fn.Dense(OUTPUTS)], input_shape=INPUTS, seed=3)
        net.compile("cross_entropy", "adam")
        learns[0] = True
        net.fit(
            X[:256], Y[:256], epochs=2, batch_size=256, team=comm, average_every=1, validation_data=(X, Y),
            callbacks=[Tells()],
        )  # fmt: skip
        return seen[0]

    for size in SIZES:
        seen = on_team(work, size)
        assert sum(seen) == 2 * N, seen
        assert max(seen) - min(seen) <= 2 * 256


@pytest.mark.parametrize("fault", ["metric", "rows"])
def test_one_end_for_all(fault):
    class Fails(fn.metrics.Accuracy):
        def __init__(self, fails):
            super().__init__()
            self.fails = fails

        def update(self, *arguments):
            if self.fails:
                raise KeyError("lost")
            super().update(*arguments)

    def work(comm):
        one = comm.Get_rank() == 1
        net, y = one_output()
        net.compile("cross_entropy", "adam", metrics=[Fails(one and fault == "metric")])
        before = net.params.tobytes()
        n = N - (one and fault == "rows")
        with pytest.raises((KeyError, ValueError)) as caught:
            net.fit(X, y, batch_size=512, team=comm, validation_data=(X[:n], y[:n]))
        assert net.params.tobytes() == before
        return str(caught.value)

    texts = on_team(work, 3)
    assert len(set(texts)) == 1
    expected = {"metric": "'lost'", "rows": "fit: expected the same validation rows on every process of the team"}
    assert texts[0].startswith(expected[fault])
