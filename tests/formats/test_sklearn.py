"""scikit-learn's perceptrons as networks: answers beside those of scikit-learn."""

import sys
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

import fastnn as fn

RANDOM = 200


def random_mlp(seed):
    """A fitted perceptron of any kind, and rows for it."""
    networks = pytest.importorskip("sklearn.neural_network")
    rng = np.random.default_rng([seed, 6])
    X = rng.normal(size=(20, rng.integers(1, 6)))
    kind = ("two classes", "many classes", "labels", "one value", "several values")[rng.integers(5)]
    y = {
        "two classes": lambda: np.arange(20) % 2,
        "many classes": lambda: np.array(list("abcd"))[np.arange(20) % 4],
        "labels": lambda: rng.integers(0, 2, size=(20, 3)),
        "one value": lambda: rng.normal(size=20),
        "several values": lambda: rng.normal(size=(20, 3)),
    }[kind]()
    estimator = networks.MLPRegressor if "value" in kind else networks.MLPClassifier
    mlp = estimator(
        hidden_layer_sizes=tuple(rng.integers(1, 8, size=rng.integers(1, 4)).tolist()),
        activation=("identity", "logistic", "tanh", "relu")[rng.integers(4)], max_iter=1, random_state=seed,
    )  # fmt: skip
    X = X.astype((np.float32, np.float64)[rng.integers(2)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # one epoch is too few, it says
        mlp.fit(X, y)
    for arrays in (mlp.coefs_, mlp.intercepts_):
        for array in arrays:
            array[...] = rng.normal(size=array.shape)
    return mlp, X, kind


def test_random_perceptrons():
    kinds = set()
    for seed in range(RANDOM):
        mlp, X, kind = random_mlp(seed)
        net = fn.from_sklearn(mlp)
        expected = mlp.predict(X) if "value" in kind else mlp.predict_proba(X)
        expected = expected.reshape(len(X), -1)
        y = net.predict(X)
        assert (y.shape, net.dtype) == (expected.shape, mlp.coefs_[0].dtype)
        assert np.abs(y - expected).max() / max(1, np.abs(expected).max()) < (1e-5 if X.dtype == np.float32 else 1e-12)
        kinds.add((kind, mlp.activation, X.dtype.name))
    assert len(kinds) == 5 * 4 * 2


def test_logits_lead_to_the_same_answers():
    for seed in range(20):
        mlp, X, kind = random_mlp(seed)
        if "value" in kind:
            continue
        z = fn.from_sklearn(mlp, logits=True).predict(X).astype(float)
        expected = mlp.predict_proba(X)
        if kind == "many classes":
            assert np.allclose(np.exp(z) / np.exp(z).sum(axis=1, keepdims=True), expected, atol=1e-5)
        else:
            p = 1 / (1 + np.exp(-z))
            assert np.allclose(p if kind == "labels" else np.hstack([1 - p, p]), expected, atol=1e-5)


def fitted(**changes):
    made = {
        "activation": "relu", "out_activation_": "identity", "coefs_": [np.ones((2, 3)), np.ones((3, 1))],
        "intercepts_": [np.ones(3), np.ones(1)],
    }  # fmt: skip
    return SimpleNamespace(**{**made, **changes})


@pytest.mark.parametrize(
    ("mlp", "kind", "message"),
    [
        (3, TypeError, "expected an MLPClassifier or MLPRegressor, got int"),
        (SimpleNamespace(activation="relu"), RuntimeError, "expected a fitted SimpleNamespace; call fit first"),
        (fitted(activation="gelu"), ValueError, "expected activation to be one of .* got 'gelu'"),
        (fitted(out_activation_="exp"), ValueError, "got 'exp'; with logits=True the network ends before it"),
        (fitted(coefs_=[np.ones((2, 3)), np.ones((4, 1))]), ValueError, "expected coefs_ and intercepts_ of layers"),
        (fitted(intercepts_=[np.ones(3), np.ones(2)]), ValueError, "expected coefs_ and intercepts_ of layers"),
        (fitted(coefs_=[], intercepts_=[]), ValueError, "expected coefs_ and intercepts_ of layers"),
        (fitted(intercepts_=[np.ones(3), np.full(1, np.nan)]), ValueError, "expected dense_2.bias to be finite"),
        (fitted(coefs_=[np.ones((2, 3), int)]), TypeError, r"expected coefs_\[0\] in float32 or float64"),
    ],
)  # fmt: skip
def test_what_is_refused(mlp, kind, message):
    with pytest.raises(kind, match=f"from_sklearn: {message}|{message}"):
        fn.from_sklearn(mlp)


def test_a_poisson_regressor_gives_its_logarithm():
    net = fn.from_sklearn(fitted(out_activation_="exp"), logits=True)
    assert net.predict([[1.0, -3.0]]).tolist() == [[1.0]]  # relu(1 - 3 + 1) = 0 in every hidden unit


def test_scikit_learn_is_not_imported():
    before = "sklearn" in sys.modules
    assert fn.from_sklearn(fitted(), seed=4).seed == 4
    assert ("sklearn" in sys.modules) == before
