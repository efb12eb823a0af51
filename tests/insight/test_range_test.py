"""The range test against gradient descent in NumPy and the limit of stability in closed form."""

import copy

import numpy as np
import pytest

import fastnn as fn

RANDOM = np.random.default_rng(0)
N = 60
ROTATION = np.linalg.qr(RANDOM.standard_normal((N, 3)))[0]


def quadratic(eigenvalues, optimizer, dtype="float64"):
    """A linear model without bias whose Hessian, of the mean squared error, has these eigenvalues; and its data."""
    X = ROTATION[:, : len(eigenvalues)] * np.sqrt(N * np.array(eigenvalues) / 2)
    y = X @ np.ones(len(eigenvalues)) + 0.5 * (RANDOM.standard_normal(N))
    net = fn.Sequential([fn.Dense(1, bias=False, kernel_initializer="zeros")], X.shape[1], seed=0, dtype=dtype)
    net.compile("squared_error", optimizer)
    np.testing.assert_allclose(np.linalg.eigvalsh(2 / N * X.T @ X), np.sort(eigenvalues), rtol=1e-12)
    return net, X, y


def descent(X, y, rates):
    """The losses before each update of gradient descent on all rows."""
    w, losses = np.zeros(X.shape[1]), []
    for rate in rates:
        losses.append(np.mean((X @ w - y) ** 2))
        w -= rate * 2 / N * X.T @ (X @ w - y)
    return losses


def averages(losses, b):
    """Weighted means over all losses so far, a step back counting b times as much."""
    return [np.average(losses[: k + 1], weights=b ** np.arange(k + 1)[::-1]) for k in range(len(losses))]


@pytest.mark.parametrize("smoothing", [0.0, 0.8])
def test_it_is_gradient_descent_at_rising_rates(smoothing):
    net, X, y = quadratic([4.0, 1.0, 0.3], fn.SGD(123.0))
    found = fn.lr_find(net, X, y, batch_size=N, start=1e-3, stop=1.0, steps=40, smoothing=smoothing)
    np.testing.assert_allclose(found.rates, 1e-3 * 1000 ** (np.arange(40) / 39)[: len(found.rates)], rtol=1e-12)
    losses = descent(X, y, found.rates)
    np.testing.assert_allclose(found.losses, losses, rtol=1e-9)
    np.testing.assert_allclose(found.smoothed, averages(losses, smoothing), rtol=1e-9)
    assert found.suggestion == pytest.approx(found.rates[np.argmin(averages(losses, smoothing))] / 10)


def test_the_loss_turns_where_stability_ends():
    """One eigenvalue: the distance from the minimum is multiplied by (1 - rate * eigenvalue) each time, so the loss
    falls as long as the rate is below 2 / eigenvalue, and not beyond."""
    net, X, y = quadratic([8.0, 8.0, 8.0], fn.SGD(0.1))
    limit = 2 / 8.0
    found = fn.lr_find(net, X, y, batch_size=N, start=limit * 0.4, stop=limit * 3, steps=12, smoothing=0.0)
    # The loss of update k + 1 shows what the rate of update k did.
    fell = np.diff(found.losses) < 0
    assert fell.tolist() == (found.rates[:-1] < limit).tolist()
    assert 0 < fell.sum() < len(fell)


@pytest.mark.parametrize("eigenvalues", [[50.0, 3.0, 0.1], [0.02, 0.01, 0.01], [1.3]])
def test_the_suggestion_lies_below_the_limit(eigenvalues):
    net, X, y = quadratic(eigenvalues, fn.SGD(0.1))
    limit = 2 / max(eigenvalues)
    found = fn.lr_find(net, X, y, batch_size=N, stop=1e4)
    assert found.diverged
    assert limit < found.rates[-1] < 30 * limit
    assert limit / 100 < found.suggestion < limit
    # With it, training goes down; at 1.1 times the limit it does not.
    net.fit(X, y, epochs=500, batch_size=N, optimizer=fn.SGD(found.suggestion))
    assert net.evaluate(X, y)["loss"] < found.losses[0]
    with pytest.raises(fn.DivergenceError):
        net.fit(X, y, epochs=5000, batch_size=N, optimizer=fn.SGD(1.1 * limit))


OPTIMIZERS = [
    fn.SGD(0.1, momentum=0.9),
    fn.Adam(fn.CosineDecay(0.1, total_steps=50)),
    fn.RMSprop(),
    fn.Adagrad(),
    "adadelta",
    fn.SGD(fn.ReduceOnPlateau(0.1, monitor="val_loss")),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda one: type(one).__name__)
def test_the_network_stays_as_it_is(optimizer):
    X, y = fn.load_digits()
    layers = [fn.Dense(32), fn.BatchNorm(), fn.Activation("relu"), fn.Dropout(0.2), fn.Dense(10)]
    net = fn.Sequential(layers, 64, seed=0)
    more = {"validation_data": (X, y), "verbose": 0}
    net.fit(X, y, loss="cross_entropy", optimizer=optimizer, metrics=["accuracy"], **more)
    before, twin = net.state(), copy.deepcopy(net)
    found = fn.lr_find(net, X, y)
    after = net.state()
    assert after.keys() == before.keys()
    np.testing.assert_array_equal(after.pop("params"), before.pop("params"))
    np.testing.assert_array_equal(after["compiled"].pop("state"), before["compiled"].pop("state"))
    assert after == before
    assert fn.lr_find(twin, X, y).losses.tolist() == found.losses.tolist()
    assert net.fit(X, y, **more)["loss"] == twin.fit(X, y, **more)["loss"]


@pytest.mark.parametrize(
    ("optimizer", "low", "high"), [(fn.SGD(9.0), 0.02, 0.5), ("adam", 0.001, 0.05), ("rmsprop", 0.0005, 0.02)]
)
def test_suggestions_on_digits_are_what_people_take(optimizer, low, high):
    X, y = fn.load_digits()
    for seed in range(3):
        net = fn.Sequential([fn.Dense(64, "relu"), fn.Dense(10)], 64, seed=seed)
        net.compile("cross_entropy", optimizer)
        assert low < fn.lr_find(net, X, y).suggestion < high


def test_weights_and_iterables():
    """Weights count as rows do, and an iterable brings its own batches."""
    net, X, y = quadratic([2.0, 1.0], fn.SGD(0.1))
    options = {"start": 1e-3, "stop": 0.5, "steps": 20, "smoothing": 0.0}
    weight = np.repeat([1.0, 0.0], N // 2)
    half = fn.lr_find(net, X[: N // 2], y[: N // 2], batch_size=N, **options)
    weighted = fn.lr_find(net, X, y, sample_weight=weight, batch_size=N, **options)
    np.testing.assert_allclose(weighted.losses, half.losses, rtol=1e-9)
    batches = fn.lr_find(net, [(X, y[:, None], weight)], **options)
    np.testing.assert_allclose(batches.losses, half.losses, rtol=1e-9)
    once = fn.lr_find(net, ((X, y[:, None], weight) for _ in range(20)), **options)
    assert once.losses.tolist() == batches.losses.tolist()
    with pytest.raises(ValueError, match="expected 20 batches from the iterable, got 7; lower steps"):
        fn.lr_find(net, ((X, y[:, None]) for _ in range(7)), **options)


class Digits(fn.Examples):
    X, y = fn.load_digits()

    def __len__(self):
        return len(self.X)

    def gather(self, rows):
        return self.X[rows], self.y[rows]


def test_examples_come_in_batches_of_that_size():
    net = fn.Sequential([fn.Dense(10)], 64, seed=0)
    net.compile("cross_entropy", "sgd")
    for size in (32, 500):
        made, given = (fn.lr_find(net, *data, batch_size=size, steps=9) for data in ((Digits(),), (Digits.X, Digits.y)))
        np.testing.assert_allclose(made.losses, given.losses, rtol=1e-5)


def test_all_rows_come_by_before_any_comes_again():
    X = np.arange(100.0)[:, None]
    net = fn.Sequential([fn.Dense(1, kernel_initializer="ones", bias=False)], 1, seed=0, dtype="float64")
    net.compile(lambda t, z: (z[:, 0].copy(), np.zeros_like(z)), fn.SGD(0.1))  # the loss is the input; nothing learns
    found = fn.lr_find(net, X, np.zeros((100, 1)), batch_size=10, steps=20, smoothing=0.0, start=0.1, stop=0.2)
    assert len(found.losses) == 20
    assert found.losses[:10].mean() == pytest.approx(49.5)
    assert found.losses[10:].mean() == pytest.approx(49.5)
    assert found.losses[:10].tolist() != found.losses[10:].tolist()


def test_words():
    net, X, y = quadratic([8.0], fn.SGD(0.1))
    found = fn.lr_find(net, X, y, batch_size=N, smoothing=0)
    assert repr(found).startswith(f"{len(found.rates)} updates at rates from 1e-07 to ")
    assert f"suggestion {found.suggestion:.2g}" in repr(found)
    assert "not diverged" not in repr(found)
    short = fn.lr_find(net, X, y, batch_size=N, stop=1e-3)
    assert not short.diverged
    assert "it has not diverged: raise stop" in repr(short)
    never = fn.RateSweep(np.array([0.1, 0.2]), np.array([1.0, 2.0]), np.array([1.0, 1.5]), True)
    assert np.isnan(never.suggestion)
    assert repr(never) == "2 updates at rates from 0.1 to 0.2: the loss, 1, never fell; suggestion: none"


def test_a_loss_that_is_not_finite_ends_it():
    net, X, y = quadratic([8.0], fn.SGD(0.1), dtype="float32")
    found = fn.lr_find(net, X, y, batch_size=N, start=0.01, stop=1e30, steps=20, smoothing=0.99)
    assert found.diverged
    assert np.isfinite(found.losses).all()
    net.params[:] = 1e30
    with pytest.raises(fn.DivergenceError, match="before any update"):
        fn.lr_find(net, X, y)


def test_refusals():
    net, X, y = quadratic([8.0], fn.SGD(0.1))
    bare = fn.Sequential([fn.Dense(1)], 1, seed=0)
    for arguments, options, error, message in (
        ((bare, X, y), {}, RuntimeError, "lr_find: expected a compiled network"),
        ((3, X, y), {}, TypeError, "expected a Network, got int"),
        ((net, X[:, :0], y), {}, ValueError, "lr_find: expected X of shape"),
        ((net, X), {}, ValueError, "expected targets y"),
        ((net, X, y), {"start": 0}, ValueError, "start"),
        ((net, X, y), {"start": 1.0, "stop": 1.0}, ValueError, "stop to be a finite number above 1"),
        ((net, X, y), {"steps": 1}, ValueError, "steps of at least 2"),
        ((net, X, y), {"smoothing": 1}, ValueError, "smoothing below 1"),
        ((net, X, y), {"batch_size": 0}, ValueError, "batch_size"),
    ):
        with pytest.raises(error, match=message):
            fn.lr_find(*arguments, **options)
    with pytest.raises(TypeError, match="expected what lr_find returns, got list"):
        fn.plot_lr_find([1, 2])


def test_picture(tmp_path):
    pytest.importorskip("matplotlib")
    net, X, y = quadratic([8.0, 1.0], fn.SGD(0.1))
    found = fn.lr_find(net, X, y, batch_size=N)
    figure = found.plot(tmp_path / "rates.png")
    assert (tmp_path / "rates.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    lines = {line.get_label(): line for line in axes.get_lines()}
    np.testing.assert_array_equal(lines["smoothed"].get_ydata(), found.smoothed)
    np.testing.assert_array_equal(lines["loss of each mini-batch"].get_xdata(), found.rates)
    assert lines[f"suggestion {found.suggestion:.2g}"].get_xdata()[0] == found.suggestion
    flat = fn.plot_lr_find(fn.RateSweep(found.rates[:2], np.ones(2), np.ones(2), False))
    assert len(flat.axes[0].get_lines()) == 2
