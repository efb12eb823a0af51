"""Learning goes on: rates that change, loaded networks, weights that move, rows held back."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from helpers import reference as ref

import fastnn as fn

I, H, O = 3, 5, 2
TWIN = ref.TwoLayers(I, H, O)
RNG = np.random.default_rng(2)
X, T = RNG.normal(size=(40, I)), RNG.normal(size=(40, O))
LABELS = RNG.integers(O, size=40)

# By optimiser: a constructor from the rate, and the textbook's update.
OPTIMIZERS = {
    "sgd": (fn.SGD, lambda *a, h: ref.sgd(*a, h)),
    "momentum": (lambda h: fn.SGD(h, momentum=0.9), lambda *a, h: ref.momentum(*a, h, 0.9)),
    "adam": (fn.Adam, lambda *a, h: ref.adam(*a, h, 0.9, 0.999, 1e-8)),
    "rmsprop": (fn.RMSprop, lambda *a, h: ref.rmsprop(*a, h, 0.9, 1e-7)),
}
RATES = [0.01, 0.01, 0.002, 0.002, 0.03, 0.0, 0.01]


def make(optimizer="adam", loss="squared_error", **options):
    net = fn.Sequential([fn.Dense(H, "tanh"), fn.Dense(O)], input_shape=I, seed=0, dtype="float64")
    net.compile(loss, optimizer, **options)
    return net


def textbook(net, update):
    """Parameters after one update at each of RATES, by NumPy; the moments go on throughout."""
    w, state = net.params.copy(), {}
    for t, h in enumerate(RATES, start=1):
        gradient = TWIN.gradient(w, X, T)
        w = update(w, gradient, t, state, h=h)
    return w


def assigned(net):
    for h in RATES:
        if h != net.learning_rate:
            net.learning_rate = h
        net.train_step(X, T)


def by_step(net):
    for h in RATES:
        net.train_step(X, T, learning_rate=h)


def by_slow_step(net):
    for h in RATES:
        net.train_step(X.tolist(), T, np.ones(len(X)), learning_rate=h)


def by_hand(net):
    for h in RATES:
        y = net.forward(X)
        net.backward(2 * (y - T) / T.size)
        net.apply_gradients(learning_rate=h)


def in_fit(net):
    def change(info):
        if info.epoch < len(RATES):
            info.net.learning_rate = RATES[info.epoch]

    net.learning_rate = RATES[0]
    history = net.fit(X, T, epochs=len(RATES), batch_size=len(X), shuffle=False, callbacks=[change])
    assert history["learning_rate"] == RATES


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("road", [assigned, by_step, by_slow_step, by_hand, in_fit])
def test_another_rate_loses_no_moments(name, road):
    kind, update = OPTIMIZERS[name]
    net = make(kind(0.5))
    expected = textbook(net, update)
    road(net)
    np.testing.assert_allclose(net.params, expected, rtol=1e-10, atol=1e-13)


def test_a_schedule_goes_on_with_the_number_of_updates(tmp_path):
    net = make(fn.Adam(0.01))
    for _ in range(5):
        net.train_step(X, T)
    net.learning_rate = fn.StepDecay(0.1, factor=0.5, every=3)
    assert net.learning_rate == 0.05
    net.train_step(X, T)
    assert net.learning_rate == 0.025
    net.save(tmp_path / "m.safetensors", optimizer=True)
    for again in (fn.load(tmp_path / "m.safetensors"), net.copy()):
        assert again.learning_rate == 0.025
        assert again.train_step(X, T) == net.copy().train_step(X, T)


def test_a_rate_that_a_failed_fit_set_is_put_back():
    net = make(fn.Adam(0.01))

    def fail(info):
        info.net.learning_rate = 0.5
        raise LookupError

    with pytest.raises(LookupError):
        net.fit(X, T, callbacks=[fail])
    assert net.learning_rate == net.optimizer.learning_rate == 0.01


@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf"), "fast", True, None])
def test_rates_that_are_none(rate):
    net = make(fn.Adam(0.01))
    before = net.params.copy()
    with pytest.raises((TypeError, ValueError), match="learning_rate"):
        net.learning_rate = rate
    assert net.learning_rate == 0.01
    if rate is not None:
        for call in (lambda: net.train_step(X, T, learning_rate=rate), lambda: net.apply_gradients(learning_rate=rate)):
            with pytest.raises((TypeError, ValueError), match="expected learning_rate"):
                call()
    assert np.array_equal(net.params, before)


# ---- vectors that are assigned --------------------------------------------------------------------------------------


def test_operators_in_place_work_on_the_vectors():
    net = make()
    net.forward(X)
    net.backward(np.ones((40, O)))
    grads, params, view = net.grads.copy(), net.params.copy(), net.layers[0].weight
    vector = net.grads
    net.grads *= 0.5
    net.grads += 1
    net.params -= 2
    assert net.grads is vector
    np.testing.assert_allclose(net.grads, grads * 0.5 + 1)
    np.testing.assert_allclose(net.params, params - 2)
    assert np.array_equal(view.ravel(), net.params[: view.size])
    net.params = params.astype(np.float32).tolist()
    np.testing.assert_allclose(net.params, params, rtol=1e-6)
    assert np.array_equal(view.ravel(), net.params[: view.size])


@pytest.mark.parametrize("value", [3.0, np.ones(4), np.ones((37, 1)), "grads", None, [[1], [1, 2]]])
@pytest.mark.parametrize("name", ["grads", "params"])
def test_other_vectors_are_refused(name, value):
    net = make()
    before = getattr(net, name).copy()
    with pytest.raises((TypeError, ValueError), match=rf"^net\.{name}: expected values"):
        setattr(net, name, value)
    assert np.array_equal(getattr(net, name), before)


def test_other_attributes_are_as_before():
    net = make()
    net.mine = 3
    assert net.mine == 3
    del net.mine
    with pytest.raises(AttributeError):
        del net.mine
    with pytest.raises(AttributeError):
        net.trainer = None
    with pytest.raises(AttributeError, match="read-only"):
        net.astype("float32").quantized("int8").params = np.ones(3)


# ---- copies and weights ----------------------------------------------------------------------------------------------


def test_a_copy_learns_on_by_itself_bit_for_bit():
    net = make(metrics=["mse"])
    net.fit(X, T, epochs=2)
    again = net.copy()
    assert type(again) is fn.Sequential
    assert again.history.to_dict() == net.history.to_dict()
    before = net.params.copy()
    again.fit(X, T, epochs=2)
    assert np.array_equal(net.params, before)
    net.fit(X, T, epochs=2)
    assert np.array_equal(net.params, again.params)


def test_weights_are_copies_and_come_back():
    net, other = make(), fn.Sequential([fn.Dense(H, "tanh"), fn.Dense(O)], I, seed=9)
    weights = net.get_weights()
    assert [w.shape for w in weights] == [(I, H), (H,), (H, O), (O,)]
    np.testing.assert_array_equal(np.concatenate([w.ravel() for w in weights]), net.params)
    weights[0][...] = 7
    assert not np.any(net.params == 7)
    state = net.trainer.optimizer.state.copy()
    net.set_weights(other.get_weights())
    np.testing.assert_array_equal(net.params, other.params)
    assert np.array_equal(net.trainer.optimizer.state, state)
    net.set_weights(w.tolist() for w in other.get_weights())


WRONG = {
    "too few": (lambda w: w[:-1], ValueError, "expected 4 arrays, dense_1.weight, dense_1.bias, .*got 3"),
    "shape": (lambda w: [*w[:3], np.ones(3)], ValueError, r"expected dense_2.bias of shape \(2,\), got \(3,\)"),
    "nan": (lambda w: [*w[:3], np.full(2, np.nan)], ValueError, "dense_2.bias"),
    "text": (lambda w: [*w[:3], ["a", "b"]], TypeError, "weights"),
    "vector": (lambda w: np.ones(32), TypeError, r"net.params\[:\] = vector"),
    "dict": (lambda w: {"a": w}, TypeError, "expected a list of 4 arrays"),
}


@pytest.mark.parametrize("name", WRONG)
def test_other_weights_are_refused_and_nothing_is_set(name):
    change, kind, said = WRONG[name]
    net = make()
    before = net.params.copy()
    with pytest.raises(kind, match=said):
        net.set_weights(change([np.zeros_like(w) for w in net.get_weights()]))
    assert np.array_equal(net.params, before)


# ---- a loaded network -----------------------------------------------------------------------------------------------


def test_what_was_loaded_without_optimizer_learns_on(tmp_path):
    net = make()
    net.save(tmp_path / "m.safetensors")
    again, twin = fn.load(tmp_path / "m.safetensors"), make(fn.Adam(0.01))
    said = r"fit: expected a compiled network; .*or fit\(\.\.\., loss=\.\.\., optimizer=\.\.\.\); .*optimizer=True"
    with pytest.raises(RuntimeError, match=said):
        again.fit(X, T)
    with pytest.raises(RuntimeError, match=said):
        again.fit(X, T, optimizer="adam")
    again.fit(X, T, epochs=2, loss="mse", optimizer=fn.Adam(0.01))
    twin.fit(X, T, epochs=2)
    assert np.array_equal(again.params, twin.params)


# ---- probabilities --------------------------------------------------------------------------------------------------


def softmax(z):
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


# loss, units, last activation; the probabilities from the answers.
PROBABILITIES = {
    "logits": ("cross_entropy", 3, None, softmax),
    "softmax": ("cross_entropy", 3, "softmax", lambda y: y),
    "softmax, not compiled": (None, 3, "softmax", lambda y: y),
    "logit": ("binary_cross_entropy", 1, None, lambda y: np.hstack([1 - sigmoid(y), sigmoid(y)])),
    "sigmoid": ("binary_cross_entropy", 1, "sigmoid", lambda y: np.hstack([1 - y, y])),
    "sigmoid, not compiled": (None, 1, "sigmoid", lambda y: np.hstack([1 - y, y])),
    "labels": ("binary_cross_entropy", 3, None, sigmoid),
    "labels, sigmoid": ("binary_cross_entropy", 3, "sigmoid", lambda y: y),
    "labels, not compiled": (None, 3, "sigmoid", lambda y: y),
}


@pytest.mark.parametrize("name", PROBABILITIES)
def test_probabilities(name):
    loss, units, last, expected = PROBABILITIES[name]
    net = fn.Sequential([fn.Dense(units, last)], I, seed=0)
    if loss:
        net.compile(loss)
    found = net.predict_proba(X)
    np.testing.assert_allclose(found, expected(net.predict(X).astype(float)), rtol=1e-6)
    if "labels" not in name:
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)


def test_probabilities_of_several_outputs():
    x = fn.Input(I)
    net = fn.Network(x, [fn.Dense(3)(x), fn.Dense(1, "sigmoid")(x)], seed=0)
    net.compile(["cross_entropy", "binary_cross_entropy"])
    assert [p.shape for p in net.predict_proba(X)] == [(40, 3), (40, 2)]
    net.compile(["cross_entropy", "squared_error"])
    assert net.predict_proba(X)[1].shape == (40, 2)  # its last sigmoid says how it is read
    for loss in ("squared_error", "hinge", "poisson"):
        with pytest.raises(ValueError, match=f"predict_proba: expected outputs that are classes, got those of {loss}"):
            make(loss=loss).predict_proba(X)


# ---- rows held back -------------------------------------------------------------------------------------------------

SPLITS = {0.25: 30, 0.5: 20, 0.1: 36, 0.9: 4, 0.33: 26, 0.975: 1}


@pytest.mark.parametrize("fraction", SPLITS)
@pytest.mark.parametrize("weighted", [False, True])
def test_the_last_rows_are_held_back(fraction, weighted):
    """As the two parts given by hand: same order, same bits."""
    n = SPLITS[fraction]
    w = RNG.uniform(0, 2, size=40) if weighted else None
    nets = [make(fn.Adam(0.01), metrics=["mse"]) for _ in range(2)]
    nets[0].fit(X, T, epochs=3, batch_size=7, sample_weight=w, validation_split=fraction)
    held = (X[n:], T[n:]) if w is None else (X[n:], T[n:], w[n:])
    nets[1].fit(X[:n], T[:n], epochs=3, batch_size=7, sample_weight=w[:n] if weighted else None, validation_data=held)
    assert np.array_equal(nets[0].params, nets[1].params)
    for name in ("loss", "val_loss", "val_mean_squared_error"):
        assert nets[0].history[name] == nets[1].history[name]


def test_class_weights_count_and_weigh_what_is_learned_from():
    nets = [make(fn.Adam(0.01), "cross_entropy") for _ in range(2)]
    nets[0].fit(X, LABELS, epochs=2, class_weight="balanced", validation_split=0.25)
    nets[1].fit(X[:30], LABELS[:30], epochs=2, class_weight="balanced", validation_data=(X[30:], LABELS[30:]))
    assert np.array_equal(nets[0].params, nets[1].params)
    assert nets[0].history["val_loss"] == nets[1].history["val_loss"]


def containers(tmp_path):
    from scipy import sparse

    kept = np.memmap(tmp_path / "x", np.float64, "w+", shape=X.shape)
    kept[...] = X
    return {"list": X.tolist(), "sparse": sparse.csr_array(X), "memmap": kept, "fortran": np.asfortranarray(X)}


@pytest.mark.parametrize("kind", ["list", "sparse", "memmap", "fortran"])
@pytest.mark.parametrize("small_buffer", [False, True])
def test_rows_of_every_container_are_split(kind, small_buffer, tmp_path, monkeypatch):
    if small_buffer:
        monkeypatch.setattr("fastnn.data.feed.BUFFER_BYTES", 400)
    nets, rows = [make(fn.Adam(0.01)) for _ in range(2)], containers(tmp_path)[kind]
    nets[0].fit(rows, T, epochs=2, batch_size=5, validation_split=0.25, shuffle=False)
    nets[1].fit(X[:30], T[:30], epochs=2, batch_size=5, validation_data=(X[30:], T[30:]), shuffle=False)
    np.testing.assert_allclose(nets[0].params, nets[1].params, rtol=1e-12)
    np.testing.assert_allclose(nets[0].history["val_loss"], nets[1].history["val_loss"], rtol=1e-12)


NO_SPLIT = {
    "one": ((X, T), {"validation_split": 1.0}, ValueError, "expected validation_split below 1, got 1.0"),
    "negative": ((X, T), {"validation_split": -0.1}, ValueError, "expected validation_split"),
    "text": ((X, T), {"validation_split": "0.2"}, TypeError, "expected validation_split to be a number"),
    "bool": ((X, T), {"validation_split": True}, TypeError, "expected validation_split to be a number"),
    "none left": ((X, T), {"validation_split": 0.99}, ValueError, "leave rows on both sides, got 0.99 of 40"),
    "both": ((X, T), {"validation_split": 0.2, "validation_data": (X, T)}, ValueError, "got both"),
    "batches": (
        ([(X, T)],),
        {"validation_split": 0.2},
        ValueError,
        "expected arrays to split, got list; give validation",
    ),
}


@pytest.mark.parametrize("name", NO_SPLIT)
def test_splits_that_are_none(name):
    data, options, kind, said = NO_SPLIT[name]
    with pytest.raises(kind, match=said):
        make().fit(*data, **options)


def test_replacing_the_rate_leaves_the_optimizer_of_others():
    shared = fn.Adam(0.01)
    nets = [make(shared), make(shared)]
    nets[0].learning_rate = 0.1
    assert (nets[1].learning_rate, shared) == (0.01, fn.Adam(0.01))
    assert nets[0].optimizer == replace(shared, learning_rate=0.1)
    assert copy.deepcopy(nets[0]).optimizer == nets[0].optimizer
