"""Ensembles: means, spread, votes and entropies of what the members say, against NumPy and SciPy."""

import numpy as np
import pytest
from helpers.model_files import assemble, parts
from scipy.special import expit, softmax
from scipy.stats import entropy

import fastnn as fn

random = np.random.default_rng(0)
X = random.standard_normal((60, 5))
X32 = X.astype(np.float32)


def networks(outputs=3, n=4, *, loss=None, last=None, dtype="float32", optimizer="adam"):
    nets = []
    for seed in range(n):
        layers = [fn.Dense(7, "tanh"), fn.Dense(outputs, last)]
        net = fn.Sequential(layers, 5, seed=seed, dtype=dtype)
        net.params[:] *= 3  # so that they disagree
        if loss is not None:
            net.compile(loss, optimizer)
        nets.append(net)
    return nets


def stack(nets, activation=None):
    y = np.stack([net.predict(X) for net in nets]).astype(float)
    return y if activation is None else softmax(y, axis=-1) if activation == "softmax" else expit(y)


def close(a, b, dtype="float32"):
    assert a.dtype == dtype
    np.testing.assert_allclose(
        a, b, rtol=2e-6 if dtype == "float32" else 1e-13, atol=1e-7 if dtype == "float32" else 1e-14
    )


KINDS = {
    "values": ("squared_error", None, None),
    "logits of classes": ("cross_entropy", None, "softmax"),
    "probabilities of classes": ("cross_entropy", "softmax", None),
    "logits": ("binary_cross_entropy", None, "sigmoid"),
    "probabilities": ("binary_cross_entropy", "sigmoid", None),
    "margins": ("hinge", None, None),
    "a regression that ends in a sigmoid": ("squared_error", "sigmoid", None),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_mean_and_deviation(kind, compiled, dtype):
    loss, last, activation = KINDS[kind]
    nets = networks(loss=loss if compiled else None, last=last, dtype=dtype)
    ensemble = fn.Ensemble(nets, loss=None if compiled else loss)
    y = stack(nets, activation)
    close(ensemble.predict(X), y.mean(axis=0), dtype)
    mean, std = ensemble.predict(X, return_std=True)
    close(mean, y.mean(axis=0), dtype)
    close(std, y.std(axis=0), dtype)
    for k in range(3):
        close(ensemble.predict_one(X[k]), y[:, k].mean(axis=0), dtype)


def test_a_large_mean_does_not_hide_the_deviation():
    nets = networks(1, dtype="float64", loss="squared_error")
    for net in nets:
        net.layers[-1].bias[:] = 1e8
    _, std = fn.Ensemble(nets).predict(X, return_std=True)
    np.testing.assert_allclose(std, stack(nets).std(axis=0), rtol=1e-6)


def test_steps_are_rows_of_their_own():
    nets = [fn.Sequential([fn.SimpleRNN(4, return_sequences=True), fn.Dense(3)], (6, 2), seed=k) for k in range(3)]
    x = random.standard_normal((8, 6, 2))
    ensemble = fn.Ensemble(nets, loss="cross_entropy")
    p = np.stack([softmax(net.predict(x).astype(float), axis=-1) for net in nets])
    close(ensemble.predict(x), p.mean(axis=0))
    close(ensemble.uncertainty(x).entropy, entropy(p.mean(axis=0), axis=-1))
    assert ensemble.vote(x).shape == (8, 6)


@pytest.mark.parametrize("last", [None, "softmax"])
def test_entropy_and_disagreement_of_classes(last):
    nets = networks(loss="cross_entropy", last=last)
    p = stack(nets, "softmax" if last is None else None)
    found = fn.Ensemble(nets).uncertainty(X)
    close(found.probabilities, p.mean(axis=0))
    close(found.entropy, entropy(p.mean(axis=0), axis=-1))
    mutual = entropy(p.mean(axis=0), axis=-1) - entropy(p, axis=-1).mean(axis=0)
    np.testing.assert_allclose(found.mutual_information, mutual, rtol=1e-5, atol=1e-7)
    assert mutual.max() > 0.1


def test_entropy_and_disagreement_of_questions():
    nets = networks(2, loss="binary_cross_entropy")
    p = stack(nets, "sigmoid")
    found = fn.Ensemble(nets).uncertainty(X)
    bernoulli = [entropy(np.stack([q, 1 - q]), axis=0) for q in (p.mean(axis=0), p)]
    close(found.entropy, bernoulli[0])
    np.testing.assert_allclose(found.mutual_information, bernoulli[0] - bernoulli[1].mean(axis=0), rtol=1e-5, atol=1e-7)


def test_what_is_certain_has_no_entropy():
    """Not NaN where a probability is 0, nor less than 0 for rounding."""
    for outputs, loss in ((2, "cross_entropy"), (1, "binary_cross_entropy")):
        nets = networks(outputs, n=3)
        for net in nets:
            net.params[:] = 0
            net.layers[-1].bias[0] = 1e4
        found = fn.Ensemble(nets, loss=loss).uncertainty(X)
        assert (found.entropy == 0).all()
        assert (found.mutual_information == 0).all()
    same = networks(3, n=1) * 3
    assert (fn.Ensemble(same, loss="cross_entropy").uncertainty(X).mutual_information >= 0).all()


def biased(*biases, loss):
    nets = networks(len(biases[0]), n=len(biases))
    for net, bias in zip(nets, biases, strict=True):
        net.params[:] = 0
        net.layers[-1].bias[:] = bias
    return fn.Ensemble(nets, loss=loss)


@pytest.mark.parametrize(("biases", "label"), [
    ([[1, 0, 0], [1, 0, 0], [0, 9, 0]], 0),  # most votes, against the larger mean
    ([[1, 0, 0], [0, 9, 0]], 1),  # as many votes: the larger mean
    ([[9, 0, 0], [0, 1, 0]], 0),
    ([[0, 0, 1]], 2),
])  # fmt: skip
def test_votes_for_classes(biases, label):
    ensemble = biased(*biases, loss="cross_entropy")
    assert ensemble.vote(X).tolist() == [label] * 60
    assert ensemble.vote(X).dtype == np.int64


@pytest.mark.parametrize(("biases", "label"), [
    ([[-1], [-1], [9]], 0), ([[1], [1], [-9]], 1), ([[1], [-9]], 0), ([[9], [-1]], 1), ([[0]], 1),
])  # fmt: skip
def test_votes_for_yes(biases, label):
    assert biased(*biases, loss="binary_cross_entropy").vote(X).tolist() == [label] * 60


def test_votes_on_several_questions():
    nets = networks(2, n=5, loss="binary_cross_entropy")
    votes = (stack(nets) >= 0).sum(axis=0)
    np.testing.assert_array_equal(fn.Ensemble(nets).vote(X), votes > 2.5)


@pytest.mark.parametrize(("loss", "activation"), [("squared_error", None), ("cross_entropy", "softmax")])
def test_rows_are_judged_by_those_that_have_not_seen_them(loss, activation):
    nets = networks(loss=loss)
    rows = [np.arange(30), np.arange(60) % 3 > 0, [0, 0, 3], np.arange(60)[::-1][:57]]
    y = stack(nets, activation)
    want = np.full((60, 3), np.nan)
    for k in range(60):
        unseen = [m for m, seen in enumerate(rows) if k not in (np.flatnonzero(seen) if m == 1 else seen)]
        if unseen:
            want[k] = y[unseen, k].mean(axis=0)
    assert not np.isnan(want).any()
    close(fn.Ensemble(nets).predict_left_out(X, rows), want)
    rows = [np.arange(50), [2], np.arange(60) != 7, np.arange(60)]
    found = fn.Ensemble(nets).predict_left_out(X, rows)
    assert np.flatnonzero(np.isnan(found).all(axis=1)).tolist() == [2]
    assert np.flatnonzero(np.isnan(found).any(axis=1)).tolist() == [2]


def test_several_inputs():
    nets = []
    for seed in range(3):
        a, b = fn.Input(5), fn.Input(2)
        nets.append(fn.Network([a, b], fn.Dense(1)(fn.concatenate(a, b)), seed=seed))
    ensemble, x = fn.Ensemble(nets, loss="squared_error"), [X, X[:, :2]]
    y = np.stack([net.predict(x) for net in nets])
    close(ensemble.predict(x), y.mean(axis=0))
    close(ensemble.predict_one([X[0], X[0, :2]]), y[:, 0].mean(axis=0))
    rows = [np.arange(60) < 50] * 3
    close(ensemble.predict_left_out(x, rows)[50:], y[:, 50:].mean(axis=0))


def test_bagging_tells_how_it_will_do():
    """The error on rows left out of each sample is near that on new rows, which that on the rows learned is not."""
    rng = np.random.default_rng(3)
    x, new = rng.uniform(-2, 2, (150, 1)), rng.uniform(-2, 2, (2000, 1))
    targets = np.sin(2 * x) + 0.3 * rng.standard_normal((150, 1))
    rows = rng.integers(0, 150, (12, 150))
    nets = [fn.Sequential([fn.Dense(50, "relu"), fn.Dense(50, "relu"), fn.Dense(1)], 1, seed=k) for k in range(12)]
    fn.fit_many(nets, x, targets, rows=rows, epochs=300, loss="squared_error", optimizer=fn.Adam(0.01))
    ensemble = fn.Ensemble(nets)
    left_out = np.nanmean((ensemble.predict_left_out(x, rows) - targets) ** 2)
    learned = np.mean((ensemble.predict(x) - targets) ** 2)
    error = np.mean((ensemble.predict(new) - np.sin(2 * new)) ** 2) + 0.3**2
    assert 0.8 < left_out / error < 1.25, (left_out, error)
    assert learned < 0.8 * left_out, learned


# ---- files ----


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_keeps_every_bit(kind, tmp_path):
    loss, last, _ = KINDS[kind]
    ensemble = fn.Ensemble(networks(loss=loss, last=last))
    ensemble.models[0].metadata = {"note": 1}
    ensemble.save(tmp_path / "e.safetensors")
    again = fn.Ensemble.load(tmp_path / "e.safetensors")
    assert (len(again), again.outputs) == (4, ensemble.outputs)
    assert again.models[0].metadata == {"note": 1}
    for a, b in zip(again.predict(X, return_std=True), ensemble.predict(X, return_std=True), strict=True):
        np.testing.assert_array_equal(a, b)
    assert again.models[0].trainer is None
    again.save(tmp_path / "f.safetensors")
    assert (tmp_path / "f.safetensors").read_bytes() == (tmp_path / "e.safetensors").read_bytes()


def test_a_file_resumes(tmp_path):
    nets, labels = networks(loss="cross_entropy"), random.integers(0, 3, 60)
    fn.fit_many(nets, X, labels, epochs=2)
    fn.Ensemble(nets).save(tmp_path / "e.safetensors", optimizer=True)
    again = fn.Ensemble.load(tmp_path / "e.safetensors")
    fn.fit_many(nets, X, labels, epochs=2)
    fn.fit_many(again.models, X, labels, epochs=2)
    np.testing.assert_array_equal(again.predict(X), fn.Ensemble(nets).predict(X))


def rewritten(path, change):
    """The file with another description."""
    header, description, body = parts(path.read_bytes(), "fastnn_ensemble")
    change(description)
    path.write_bytes(assemble(header, description, body, key="fastnn_ensemble"))


@pytest.mark.parametrize(("change", "message"), [
    (lambda d: d.update(format=4), "expected format 3, got 4"),
    (lambda d: d.update(outputs="logits"), "outputs: 'logits'"),
    (lambda d: d.pop("outputs"), "expected format, outputs and members of an ensemble"),
    (lambda d: d.update(members=3), "expected format, outputs and members of an ensemble"),
    (lambda d: d.update(members=[]), "the description does not make an ensemble"),
    (lambda d: d["members"].pop(), "arrays that the model does not have: 1/dense_1.bias"),
    (lambda d: d["members"].append(d["members"][0]), "Dense needs more parameters than the file holds"),
    (lambda d: d["members"].append([]), "the description does not make an ensemble"),
    (lambda d: d["members"][0].pop("seed"), "expected the fields format, kind"),
    (lambda d: d["members"][0].update(dtype="float64"), "expected float64 (5, 7), got float32 (5, 7)"),
])  # fmt: skip
def test_files_that_do_not_agree_with_themselves(change, message, tmp_path):
    path = tmp_path / "e.safetensors"
    fn.Ensemble(networks(n=2), loss="squared_error").save(path)
    rewritten(path, change)
    with pytest.raises(fn.ModelFormatError) as found:
        fn.Ensemble.load(path)
    assert str(found.value).startswith("load 'e.safetensors': ")
    assert message in str(found.value)


def test_files_of_another_kind(tmp_path):
    nets = networks(n=1)
    nets[0].save(tmp_path / "net.safetensors")
    with pytest.raises(fn.ModelFormatError, match="expected an ensemble saved by fastnn, got another kind of model"):
        fn.Ensemble.load(tmp_path / "net.safetensors")
    fn.Ensemble(nets, loss="squared_error").save(tmp_path / "e.safetensors")
    with pytest.raises(fn.ModelFormatError, match="expected a network saved by fastnn, got another kind of model"):
        fn.load(tmp_path / "e.safetensors")
    data = (tmp_path / "e.safetensors").read_bytes()
    (tmp_path / "e.safetensors").write_bytes(data[:-3])
    with pytest.raises(fn.ModelFormatError):
        fn.Ensemble.load(tmp_path / "e.safetensors")
    with pytest.raises(FileNotFoundError):
        fn.Ensemble.load(tmp_path / "none.safetensors")


# ---- what does not go together ----


SAME = "Ensemble: expected members of the same "


def several():
    x = fn.Input(5)
    return fn.Network(x, [fn.Dense(1)(x), fn.Dense(1)(x)])


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: (networks()[0],), TypeError, "Ensemble: expected a list of networks, got Sequential"),
    (lambda: (5,), TypeError, "Ensemble: expected a list of networks, got int"),
    (lambda: ([],), ValueError, "Ensemble: expected at least one network, got none"),
    (lambda: ([5],), TypeError, "Ensemble: expected networks, got int; of an estimator pass its network_"),
    (lambda: ([several()],), ValueError, "Ensemble: expected networks with one output, got 2"),
    (lambda: (networks(2) + networks(3),), ValueError, SAME + "output_shapes, got ((2,),) and ((3,),)"),
    (lambda: (networks() + networks(dtype="float64"),), ValueError, SAME + "dtype, got float32 and float64"),
    (lambda: (networks(),), RuntimeError, "Ensemble: expected compiled networks, or loss='cross_entropy'"),
    (lambda: (networks(loss="hinge") + networks(loss="cross_entropy"),), ValueError, "Ensemble: expected members that"),
])  # fmt: skip
def test_members_that_do_not_go_together(make, error, message):
    with pytest.raises(error) as found:
        fn.Ensemble(*make())
    assert str(found.value).startswith(message)


def test_values_have_no_votes():
    ensemble = fn.Ensemble(networks(loss="squared_error"))
    for method in (ensemble.vote, ensemble.uncertainty):
        with pytest.raises(ValueError, match="expected networks trained with cross_entropy or binary_cross_entropy"):
            method(X)


@pytest.mark.parametrize(("x", "rows", "message"), [
    (X, [[1]], "predict_left_out: expected rows of 4 members, got 1"),
    (X, [[60]] * 4, "predict_left_out: expected rows from 0 to 59, got 60 to 60"),
    (5.0, [[1]] * 4, "predict_left_out: expected X of shape (B, 5), got ()"),
    (X[:, :4], [[1]] * 4, "predict_left_out: expected X of shape (B, 5), got (60, 4)"),
])  # fmt: skip
def test_rows_left_out_that_do_not_fit(x, rows, message):
    with pytest.raises(ValueError) as found:
        fn.Ensemble(networks(loss="squared_error")).predict_left_out(x, rows)
    assert str(found.value).startswith(message)


def test_representation():
    ensemble = fn.Ensemble(networks(loss="cross_entropy"))
    assert repr(ensemble) == "<Ensemble of 4, softmax: <Sequential (B, 5) -> (B, 3), 66 parameters, float32>>"
