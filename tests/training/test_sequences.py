"""Losses, weights and metrics of networks whose outputs run over steps."""

import numpy as np
import pytest
from helpers import reference as ref

import fastnn as fn

B, T, I, O = 6, 5, 3, 4
RNG = np.random.default_rng(0)
X = RNG.standard_normal((B, T, I))
LABELS = RNG.integers(0, O, (B, T))
WEIGHTS = RNG.random((B, T)) * (RNG.random((B, T)) > 0.4)


def make(loss, units=O, metrics=()):
    net = fn.Sequential([fn.Dense(units)], (T, I), dtype="float64", seed=0)
    net.compile(loss, fn.SGD(0.1), metrics=metrics)
    return net


def by_steps(name, y, t):
    """The loss of each step (B, T) by the twin of the loss of a row."""
    return getattr(ref, name)(y.reshape(B * T, -1), t.reshape(B * T, -1)).reshape(B, T)


@pytest.mark.parametrize("name", ["squared_error", "distance", "absolute_error", "cross_entropy"])
def test_the_loss_of_a_row_is_the_mean_over_its_steps(name):
    net, target = make(name), RNG.dirichlet(np.ones(O), (B, T))
    losses = by_steps(name, net.predict(X), target)
    assert net.evaluate(X, target)["loss"] == pytest.approx(losses.mean(), rel=1e-12)
    rows = RNG.random(B)
    expected = (rows @ losses.mean(axis=1)) / rows.sum()
    assert net.evaluate(X, target, sample_weight=rows)["loss"] == pytest.approx(expected, rel=1e-12)
    expected = (WEIGHTS * losses).sum() / WEIGHTS.sum()
    assert net.evaluate(X, target, sample_weight=WEIGHTS)["loss"] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("weights", [None, WEIGHTS[:, 0] + 0.1, WEIGHTS], ids=["none", "rows", "steps"])
def test_gradients_are_those_of_the_weighted_mean(weights):
    """Softmax and cross-entropy in closed form: dL/dz = w (softmax(z) - onehot) / sum of w."""
    net = make("cross_entropy")
    z = net.predict(X)
    each, total = np.ones((B, T)), B * T
    if weights is not None:
        each = np.broadcast_to(weights[:, None] / T, (B, T)) if weights.ndim == 1 else weights
        total = weights.sum()
    dz = each[..., None] * (ref.softmax(z) - np.eye(O)[LABELS]) / total
    before = net.params.copy()
    net.fit(X, LABELS, sample_weight=weights, batch_size=B, epochs=1, shuffle=True)
    dw, db = X.reshape(-1, I).T @ dz.reshape(-1, O), dz.reshape(-1, O).sum(axis=0)
    assert ref.relative(before - net.params, 0.1 * np.concatenate([dw.ravel(), db])) < 1e-12


def test_labels_and_one_hot_rows_are_one():
    nets = [make("cross_entropy"), make("cross_entropy")]
    nets[0].fit(X, LABELS, epochs=3, batch_size=2, sample_weight=WEIGHTS + 0.01)
    nets[1].fit(X, np.eye(O)[LABELS], epochs=3, batch_size=2, sample_weight=WEIGHTS + 0.01)
    assert ref.relative(nets[0].params, nets[1].params) < 1e-12


def test_train_step_takes_what_fit_takes():
    nets = [make("cross_entropy") for _ in range(2)]
    nets[0].fit(X, LABELS, sample_weight=WEIGHTS, batch_size=B, shuffle=False)
    nets[1].train_step(X, LABELS, sample_weight=WEIGHTS)
    assert np.array_equal(nets[0].params, nets[1].params)
    row = make("cross_entropy")
    row.train_step(X[0], LABELS[0], sample_weight=WEIGHTS[0])
    batch = make("cross_entropy")
    batch.train_step(X[:1], LABELS[:1], sample_weight=WEIGHTS[:1])
    assert np.array_equal(row.params, batch.params)


def test_pieces_of_a_mini_batch_keep_their_weights():
    """A batch that is cut into pieces learns what smaller arrays with the same sums would."""
    rows = 2048
    x, labels = RNG.standard_normal((rows, T, I)), RNG.integers(0, O, (rows, T))
    weights = RNG.random((rows, T))
    net = make("cross_entropy")
    z = net.predict(x)
    dz = weights[..., None] * (ref.softmax(z) - np.eye(O)[labels]) / weights.sum()
    before = net.params.copy()
    net.train_step(x, labels, sample_weight=weights)
    dw, db = x.reshape(-1, I).T @ dz.reshape(-1, O), dz.reshape(-1, O).sum(axis=0)
    assert ref.relative(before - net.params, 0.1 * np.concatenate([dw.ravel(), db])) < 1e-11


def test_metrics_see_the_weights_of_steps():
    net = make("cross_entropy", metrics=["accuracy"])
    right = net.predict(X).argmax(axis=-1) == LABELS
    assert net.evaluate(X, LABELS)["accuracy"] == pytest.approx(right.mean())
    expected = (right * WEIGHTS).sum() / WEIGHTS.sum()
    assert net.evaluate(X, LABELS, sample_weight=WEIGHTS)["accuracy"] == pytest.approx(expected)


def test_one_number_per_step():
    net = make("squared_error", units=1)
    target = RNG.standard_normal((B, T))
    expected = ((net.predict(X)[..., 0] - target) ** 2).mean()
    assert net.evaluate(X, target)["loss"] == pytest.approx(expected, rel=1e-12)


def test_what_does_not_fit_is_refused():
    net = make("cross_entropy")
    for y, message in (
        (LABELS[:, 0], r"expected y of shape \(6, 5, 4\) or integer labels \(6, 5\), got \(6,\); .*add Flatten"),
        (LABELS + 1, "expected labels from 0 to 3"),
        (np.ones((B, T, O)), "rows of probabilities that sum to 1"),
    ):
        with pytest.raises(ValueError, match=f"^fit: .*{message}"):
            net.fit(X, y)
    with pytest.raises(
        ValueError, match=r"sample_weight of shape \(6,\), one per row or \(6, 5\), one per step, got \(5,"
    ):
        net.fit(X, LABELS, sample_weight=np.ones((T, B)))
    with pytest.raises(ValueError, match="class_weight expected one label per row"):
        net.fit(X, LABELS, class_weight="balanced")
    custom = make(lambda t, y: ((y - t).sum(axis=(1, 2)), np.ones_like(y)))
    with pytest.raises(ValueError, match=r"expected sample_weight of shape \(6,\), one per row, got"):
        custom.fit(X, np.zeros((B, T, O)), sample_weight=WEIGHTS)
    with pytest.raises(ValueError, match="cross_entropy expected one output per class"):
        make("cross_entropy", units=1)
