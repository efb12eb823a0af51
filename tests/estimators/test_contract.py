"""scikit-learn's own judgement: its checks of estimators, its tests of its MLP, its tools that take estimators."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import fastnn as fn

pytest.importorskip("sklearn")

from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import AdaBoostClassifier, BaggingRegressor
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

ROOT = Path(fn.__file__).parents[1]
KINDS = [fn.MLPClassifier, fn.MLPRegressor]
FEW = {"max_iter": 80, "learning_rate_init": 0.01}
VARIANTS = {
    "lbfgs": {"solver": "lbfgs", "max_iter": 100},
    "sgd": {"solver": "sgd", "momentum": 0.5},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "nesterovs_momentum": False},
    "residual": {"hidden_layer_sizes": (16, 16), "activation": ["tanh", "elu"], "residual": True, **FEW},
    "layer-norm": {"normalization": "layer", "solver": "adamw", **FEW},
    "linear": {"hidden_layer_sizes": [], "learning_rate_init": 0.05, "max_iter": 80},
    "own-optimizer": {"solver": fn.RMSprop(fn.StepDecay(0.01, factor=0.5, every=100)), "activation": "silu"},
    "logistic": {"activation": "logistic", "alpha": 0.01, "tol": 1e-5, "beta_1": 0.8, "epsilon": 1e-6, **FEW},
}
# What a classifier of this kind does not have; nothing else may be skipped.
MAY_SKIP = {"check_classifiers_multilabel_output_format_decision_function"}
MAY_SKIP |= set() if os.environ.get("SCIPY_ARRAY_API") == "1" else {"check_array_api_input"}


def failures(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(model, on_fail=None)
    assert len(results) > 55
    bad = {r["check_name"]: (r["status"], str(r["exception"])[:300]) for r in results if r["status"] != "passed"}
    return {name: what for name, what in bad.items() if what[0] != "skipped" or name not in MAY_SKIP}


@pytest.mark.parametrize("kind", KINDS)
def test_check_estimator(kind):
    assert failures(kind()) == {}


@pytest.mark.slow
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("kind", KINDS)
def test_check_estimator_with_other_parameters(kind, variant):
    assert failures(kind(**VARIANTS[variant])) == {}


@pytest.mark.slow
def test_scikit_learns_own_tests_of_its_mlp(tmp_path):
    """Its test module runs with our classes in the place of its own."""
    (tmp_path / "swap.py").write_text(
        "import sklearn.neural_network as peer, fastnn\n"
        "peer.MLPClassifier, peer.MLPRegressor = fastnn.MLPClassifier, fastnn.MLPRegressor\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "swap", "-p", "no:cacheprovider", "-c", "pytest.ini",
         "--pyargs", "sklearn.neural_network.tests.test_mlp"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
    )  # fmt: skip
    last = run.stdout.strip().splitlines()[-1]
    assert run.returncode == 0, run.stdout[-2000:]
    assert int(last.split(" passed")[0].split()[-1]) >= 57, last  # 59 in 1.9
    assert "failed" not in last


# ---- tools ----------------------------------------------------------------------------------------------------------

X, Y = fn.load_digits()
X, Y = X[:400].astype(float), Y[:400]
TARGET = X @ np.linspace(-1, 1, 64) / 50


def classifier(**options):
    return fn.MLPClassifier(
        **({"hidden_layer_sizes": (16,), "max_iter": 40, "random_state": 0, "learning_rate_init": 0.02} | options)
    )


@pytest.fixture(autouse=True)
def _no_convergence_warnings():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(epochs are over|before it converged)")
        yield


def test_kinds_and_clones():
    model = classifier(dropout=[0.1], callbacks=[print], loss=fn.CrossEntropy(label_smoothing=0.1))
    assert is_classifier(model)
    assert is_regressor(fn.MLPRegressor())
    assert not is_regressor(model)
    copy = clone(model.fit(X, Y))
    assert not hasattr(copy, "coefs_")
    assert copy.get_params() == model.get_params()
    assert copy.loss is not model.loss


def test_pipeline_and_grid_search_in_two_processes():
    pipeline = make_pipeline(StandardScaler(), classifier())
    search = GridSearchCV(
        pipeline, {"mlpclassifier__alpha": [1e-4, 1e3], "mlpclassifier__dropout": [0.0, 0.2]}, cv=3, n_jobs=2
    )
    search.fit(X, Y)
    assert search.best_params_["mlpclassifier__alpha"] == 1e-4
    assert search.best_score_ > 0.85
    assert search.predict(X[:5]).tolist() == Y[:5].tolist()


def test_weights_go_through_a_pipeline():
    """Rows of weight 0 count for nothing: a class that has only such rows is never answered."""
    model = make_pipeline(StandardScaler(), classifier()).fit(X, Y, mlpclassifier__sample_weight=(Y != 3) * 1.0)
    assert 3 not in model.predict(X)


def test_cross_val_score_and_regression_in_bagging():
    assert cross_val_score(classifier(), X, Y, cv=3).mean() > 0.8
    bag = BaggingRegressor(fn.MLPRegressor(solver="lbfgs", max_iter=60, random_state=0), n_estimators=3, random_state=0)
    assert bag.fit(X, TARGET).score(X, TARGET) > 0.9


def test_calibration_boosting_and_importance():
    two = Y < 5
    calibrated = CalibratedClassifierCV(classifier(), cv=3).fit(X, two)
    assert np.allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    boosted = AdaBoostClassifier(classifier(max_iter=10), n_estimators=3, random_state=0).fit(X, Y)
    assert boosted.score(X, Y) > 0.8
    found = permutation_importance(classifier().fit(X, Y), X, Y, n_repeats=2, random_state=0)
    blank = X.std(axis=0) == 0
    assert (found.importances_mean[blank] == 0).all()
    assert found.importances_mean.max() > 0.01


def test_joblib_files_go_on(tmp_path):
    joblib = pytest.importorskip("joblib")
    model = classifier(solver="sgd", learning_rate="invscaling").fit(X, Y)
    joblib.dump(model, tmp_path / "model")
    again = joblib.load(tmp_path / "model", mmap_mode="r")
    assert (again.predict_proba(X) == model.predict_proba(X)).all()
    for one in (model, again):
        one.partial_fit(X[:50], Y[:50])
    assert all((a == b).all() for a, b in zip(model.coefs_, again.coefs_, strict=True))
    assert again._optimizer.learning_rate == model._optimizer.learning_rate


# ---- rows to validate on, within a pipeline --------------------------------------------------------------------------


def test_a_pipeline_transforms_the_rows_to_validate_on():
    scaler = StandardScaler().fit(X[:300])
    model = classifier().set_fit_request(X_val=True, y_val=True, sample_weight=True)
    assert clone(model)._requests == model._requests
    with config_context(enable_metadata_routing=True):
        pipeline = Pipeline(
            [("scale", StandardScaler().set_fit_request(sample_weight=False)), ("net", model)],
            transform_input=["X_val"],
        )
        pipeline.fit(X[:300], Y[:300], X_val=X[300:], y_val=Y[300:], sample_weight=np.ones(300))
        with pytest.raises(UnsetMetadataPassedError, match="X_val"):
            Pipeline([("net", classifier())]).fit(X, Y, X_val=X)
    alone = classifier().fit(
        scaler.transform(X[:300]), Y[:300], np.ones(300), X_val=scaler.transform(X[300:]), y_val=Y[300:]
    )
    np.testing.assert_array_equal(pipeline[-1].coefs_[0], alone.coefs_[0])
    assert pipeline[-1].validation_scores_ == alone.validation_scores_


def test_requests_of_what_there_is_not():
    with pytest.raises(TypeError, match="arguments of fit out of sample_weight, X_val"):
        classifier().set_fit_request(X_vale=True)
    with pytest.raises(ValueError, match="True, False, None or another name"):
        classifier().set_score_request(sample_weight=3)
    assert classifier().set_partial_fit_request(classes=True).get_metadata_routing().partial_fit.requests["classes"]
    with pytest.raises(TypeError, match="classes"):
        fn.MLPRegressor().set_partial_fit_request(classes=True)


def test_rows_to_validate_on_that_no_pipeline_has_transformed_are_named():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X).add_prefix("pixel")
    pipeline = make_pipeline(StandardScaler(), classifier(max_iter=2))
    with pytest.warns(UserWarning, match=r"X_val has names of columns, but X .* transform_input=\['X_val'\]"):
        pipeline.fit(frame, Y, mlpclassifier__X_val=frame[:50], mlpclassifier__y_val=Y[:50])
