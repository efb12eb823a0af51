"""The numbers of scikit-learn: same parameters and random_state, same weights, losses, scores and epochs."""

import warnings

import numpy as np
import pytest

import fastnn as fn

sklearn = pytest.importorskip("sklearn")

from scipy import sparse  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_diabetes, make_multilabel_classification  # noqa: E402
from sklearn.model_selection import train_test_split  # noqa: E402
from sklearn.neural_network import MLPClassifier, MLPRegressor  # noqa: E402

from fastnn.data import feed  # noqa: E402
from fastnn.estimators.holdout import hold_out  # noqa: E402

TIGHT = 1e-11  # of weights after tens to hundreds of updates in float64; what was seen is below 1e-14


def standard(X):
    return (X - X.mean(axis=0)) / X.std(axis=0)


DIGITS = fn.load_digits()
DIGITS = DIGITS[0][:700].astype(float), DIGITS[1][:700]
CANCER = standard(load_breast_cancer().data), load_breast_cancer().target
DIABETES = load_diabetes().data, load_diabetes().target / 100
LABELS = make_multilabel_classification(n_samples=90, random_state=0)
NAMES = CANCER[0], np.array(["ill", "well"], dtype=object)[CANCER[1]]

CASES = {
    "adam": (DIGITS, {}),
    "adam-own-numbers": (CANCER, {"beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-3, "alpha": 1.0}),
    "sgd": (DIGITS, {"solver": "sgd", "learning_rate_init": 0.01}),
    "sgd-plain": (CANCER, {"solver": "sgd", "momentum": 0.0, "alpha": 0.5}),
    "sgd-momentum": (CANCER, {"solver": "sgd", "nesterovs_momentum": False, "activation": "tanh"}),
    "invscaling": (CANCER, {"solver": "sgd", "learning_rate": "invscaling", "power_t": 0.3, "max_iter": 9}),
    "adaptive": (CANCER, {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.2, "max_iter": 150}),
    "small-batches": (CANCER, {"batch_size": 13, "hidden_layer_sizes": (9, 8), "activation": "logistic"}),
    "in-order": (DIGITS, {"shuffle": False, "batch_size": 64, "max_iter": 5}),
    "early": (CANCER, {"early_stopping": True, "max_iter": 150, "solver": "sgd", "learning_rate_init": 0.1}),
    "early-ties": (CANCER, {"early_stopping": True, "tol": 0.0, "n_iter_no_change": 3, "max_iter": 60}),
    "early-multiclass": (DIGITS, {"early_stopping": True, "validation_fraction": 0.25, "n_iter_no_change": 3}),
    "lbfgs": (CANCER, {"solver": "lbfgs", "max_iter": 25}),
    "lbfgs-multiclass": (DIGITS, {"solver": "lbfgs", "max_iter": 10, "alpha": 2.0, "activation": "identity"}),
    "strings": (NAMES, {"early_stopping": True}),
    "multilabel": (LABELS, {"max_iter": 40}),
    "multilabel-lbfgs": (LABELS, {"solver": "lbfgs", "max_iter": 20}),
    "regression": (DIABETES, {"max_iter": 40}),
    "regression-early": (DIABETES, {"early_stopping": True, "max_iter": 60, "learning_rate_init": 0.01}),
    "regression-lbfgs": (DIABETES, {"solver": "lbfgs", "max_iter": 20}),
    "several-outputs": ((DIABETES[0], np.stack([DIABETES[1], DIABETES[1] ** 2], axis=1)), {"max_iter": 40}),
    "poisson": (DIABETES, {"loss": "poisson", "max_iter": 40}),
    "poisson-lbfgs": (DIABETES, {"loss": "poisson", "solver": "lbfgs", "max_iter": 20}),
}  # fmt: skip


def pair(case, **more):
    (X, y), options = CASES[case]
    kinds = (
        (MLPClassifier, fn.MLPClassifier)
        if y is not DIABETES[1] and y.dtype.kind != "f"
        else (MLPRegressor, fn.MLPRegressor)
    )
    options = {"hidden_layer_sizes": (12,), "max_iter": 15, "random_state": 3} | options | more
    return X, y, [kind(**options) for kind in kinds]


def fit_both(X, y, models, **more):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for model in models:
            model.fit(X, y, **more)


def assert_same(theirs, ours, tolerance=TIGHT):
    for a, b in zip(theirs.coefs_ + theirs.intercepts_, ours.coefs_ + ours.intercepts_, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(b, a, rtol=0, atol=tolerance * max(1, np.abs(a).max()))
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.t_ == theirs.t_
    assert ours.n_layers_ == theirs.n_layers_
    assert ours.n_outputs_ == theirs.n_outputs_
    assert ours.out_activation_ == theirs.out_activation_
    assert ours.loss_ == pytest.approx(theirs.loss_, rel=100 * tolerance)


@pytest.mark.parametrize("case", CASES)
def test_weights_and_all_that_tells_of_the_training(case):
    X, y, (theirs, ours) = pair(case)
    fit_both(X, y, (theirs, ours))
    lbfgs = "lbfgs" in case
    assert_same(theirs, ours, 1e-7 if lbfgs else TIGHT)  # a line search amplifies roundings: seen up to 4e-12
    if not lbfgs:
        np.testing.assert_allclose(ours.loss_curve_, theirs.loss_curve_, rtol=1e-9)
        assert (ours.validation_scores_ is None) == (theirs.validation_scores_ is None)
        if ours.validation_scores_ is not None:
            np.testing.assert_allclose(ours.validation_scores_, theirs.validation_scores_, rtol=1e-9)
            assert ours.best_validation_score_ == pytest.approx(theirs.best_validation_score_, rel=1e-9)
            assert ours.best_loss_ is None
            assert theirs.best_loss_ is None
        else:
            assert ours.best_loss_ == pytest.approx(theirs.best_loss_, rel=1e-9)
    answers, expected = ours.predict(X), theirs.predict(X)
    assert answers.dtype == expected.dtype or case == "strings"  # labels keep their dtype with us
    assert answers.shape == expected.shape
    if answers.dtype.kind == "f":
        np.testing.assert_allclose(answers, expected, rtol=1e-5 if lbfgs else 1e-9)
    else:
        assert (answers == expected).all()
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-4, atol=1e-12)
    assert ours.score(X, y) == pytest.approx(theirs.score(X, y), rel=1e-6)


@pytest.mark.parametrize("case", ["adam", "early", "regression", "poisson", "lbfgs"])
def test_sample_weights(case):
    """Of one mini-batch, where both take the same mean; scores of rows held out are weighted too."""
    X, y, (theirs, ours) = pair(case, batch_size=1000 if "lbfgs" not in case else "auto", max_iter=12)
    fit_both(X, y, (theirs, ours), sample_weight=np.random.default_rng(0).uniform(0, 2, len(X)))
    assert_same(theirs, ours, 1e-7 if "lbfgs" in case else TIGHT)
    if ours.validation_scores_ is not None:
        np.testing.assert_allclose(ours.validation_scores_, theirs.validation_scores_, rtol=1e-9)


@pytest.mark.parametrize("case", ["adam", "sgd", "regression"])
def test_sparse_rows(case):
    X, y, (theirs, ours) = pair(case)
    fit_both(sparse.csr_matrix(X), y, (theirs, ours))
    assert_same(theirs, ours)
    np.testing.assert_allclose(ours.predict(sparse.csc_matrix(X)), ours.predict(X))


def test_sparse_rows_larger_than_a_block(monkeypatch):
    """Made dense 48 rows at a time: the mini-batches are the same, and so is the model."""
    X, y, (theirs, ours) = pair("adam", batch_size=16, max_iter=3)
    monkeypatch.setattr(feed, "BUFFER_BYTES", 0)
    monkeypatch.setattr(feed, "MADE_BYTES", 50 * 74 * 8)  # of a row and its target
    fit_both(sparse.csr_matrix(X), y, (theirs, ours))
    assert_same(theirs, ours)
    np.testing.assert_allclose(ours.predict(sparse.csr_matrix(X)), ours.predict(X))


@pytest.mark.parametrize("case", ["adam", "sgd", "invscaling", "adaptive", "regression", "lbfgs"])
def test_a_warm_start_goes_on_alike(case):
    X, y, models = pair(case, warm_start=True, max_iter=6)
    for _ in range(3):
        fit_both(X, y, models)
    assert_same(*models, 1e-7 if case == "lbfgs" else TIGHT)


@pytest.mark.parametrize("case", ["adam", "sgd", "invscaling", "adaptive", "small-batches", "multilabel", "regression"])
def test_partial_fit_goes_on_alike(case):
    X, y, models = pair(case)
    for i in range(12):
        for model in models:
            classes = {} if y.dtype.kind == "f" else {"classes": np.arange(y.shape[1]) if y.ndim == 2 else np.unique(y)}
            model.partial_fit(X[5 * i :], y[5 * i :], **classes)
    assert_same(*models)
    np.testing.assert_allclose(models[1].loss_curve_, models[0].loss_curve_, rtol=1e-9)


def test_a_random_state_object_and_the_global_one():
    for draw in (lambda: np.random.RandomState(5), lambda: None):
        X, y, models = pair("early")
        for model in models:
            np.random.seed(7)  # noqa: NPY002  (what random_state=None goes by)
            fit_both(X, y, [model.set_params(random_state=draw())])
        assert_same(*models)


def test_float32_rows_give_a_float32_model():
    X, y, models = pair("adam")
    fit_both(X.astype(np.float32), y, models)
    assert_same(*models, 2e-4)  # 60 updates in float32, in another order of summation; seen 5e-6
    assert models[1].predict_proba(X.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.5])
@pytest.mark.parametrize("by_class", [False, True])
def test_rows_held_out_are_those_of_train_test_split(fraction, by_class):
    for seed in range(20):
        n = 30 + 7 * seed
        classes = np.random.default_rng(seed).integers(0, 2, n) if by_class else None
        mine, expected = np.random.RandomState(seed), np.random.RandomState(seed)
        train, held = hold_out(n, fraction, mine, classes)
        split = train_test_split(np.arange(n), test_size=fraction, random_state=expected, stratify=classes)
        assert (train == split[0]).all()
        assert (held == split[1]).all()
        assert mine.randint(1 << 30) == expected.randint(1 << 30)  # and both stand at the same place of their stream
