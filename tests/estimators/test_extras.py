"""What scikit-learn's MLP does not have, and what ours does better."""

import copy
import pickle
import warnings
from importlib import import_module

import numpy as np
import pytest

import fastnn as fn
from fastnn.estimators.peers import ConvergenceWarning, DataConversionWarning, NotFittedError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 6))
Y = (X[:, 0] + X[:, 1] ** 2 > 0.7).astype(int) + (X[:, 2] > 1)
TARGET = np.sin(X[:, 0]) + 0.5 * X[:, 1]


@pytest.fixture(autouse=True)
def _no_convergence_warnings():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*(epochs are over|before it converged)")
        yield


def classifier(**options):
    return fn.MLPClassifier(**({"hidden_layer_sizes": (16,), "max_iter": 30, "random_state": 0} | options))


def regressor(**options):
    return fn.MLPRegressor(**({"hidden_layer_sizes": (16,), "max_iter": 30, "random_state": 0} | options))


# ---- validation rows of the caller's --------------------------------------------------------------------------------


def test_own_validation_rows_stop_the_training_and_the_best_weights_are_kept():
    noisy = np.where(RNG.random(200) < 0.3, 0, Y[:200])
    model = classifier(hidden_layer_sizes=(64,), max_iter=500, learning_rate_init=0.03, n_iter_no_change=20)
    model.fit(X[:200], noisy, X_val=X[200:], y_val=Y[200:])
    scores = model.validation_scores_
    assert model.n_iter_ < 500
    assert len(scores) == len(model.validation_loss_curve_) == model.n_iter_
    assert model.best_validation_score_ == max(scores)
    assert scores[-1] < max(scores)  # so that keeping the last weights would show
    assert np.mean(model.predict(X[200:]) == Y[200:]) == pytest.approx(max(scores), abs=1e-12)
    probabilities = model.predict_proba(X[200:])[np.arange(100), Y[200:]]
    assert -np.log(probabilities).mean() == pytest.approx(
        model.validation_loss_curve_[int(np.argmax(scores))], rel=1e-9
    )


def test_own_validation_weights_count():
    weights = np.r_[np.ones(50), np.zeros(50)]
    one = regressor().fit(X[:200], TARGET[:200], X_val=X[200:], y_val=TARGET[200:], sample_weight_val=weights)
    two = regressor().fit(X[:200], TARGET[:200], X_val=X[200:250], y_val=TARGET[200:250])
    np.testing.assert_allclose(one.validation_scores_, two.validation_scores_, rtol=1e-12)
    np.testing.assert_allclose(one.validation_loss_curve_, two.validation_loss_curve_, rtol=1e-12)


def test_a_warm_restart_keeps_the_best_weights_too():
    model = classifier(early_stopping=True, warm_start=True, learning_rate_init=0.1, max_iter=6)
    model.fit(X, Y)
    best, kept = model.best_validation_score_, [w.copy() for w in model.coefs_]
    model.set_params(learning_rate_init=100.0).fit(X, Y)  # spoils everything
    assert max(model.validation_scores_[6:]) < best
    assert all((a == b).all() for a, b in zip(kept, model.coefs_, strict=True))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"X_val": X}, "X_val and y_val together"),
        ({"X_val": X[:, :5], "y_val": Y}, "6 columns"),
        ({"X_val": X, "y_val": Y[:9]}, "as many targets as rows"),
        ({"X_val": X, "y_val": Y + 7}, "that are not in `classes_`"),
    ],
)
def test_validation_rows_that_do_not_fit(given, says):
    with pytest.raises(ValueError, match=says):
        classifier().fit(X, Y, **given)


# ---- weights --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["balanced", {0: 2.0, 2: 0.5}])
def test_class_weights_are_sample_weights(given):
    counts = np.bincount(Y)
    each = len(Y) / (3 * counts) if given == "balanced" else np.array([2.0, 1.0, 0.5])
    weights = RNG.uniform(0.5, 1.5, len(Y))
    by_class = classifier(class_weight=given).fit(X, Y, sample_weight=weights)
    by_row = classifier().fit(X, Y, sample_weight=weights * each[Y])
    assert all((a == b).all() for a, b in zip(by_class.coefs_, by_row.coefs_, strict=True))
    named = classifier(class_weight={"abc"[k]: w for k, w in enumerate(each)}).fit(X, np.array(list("abc"))[Y], weights)
    assert all((a == b).all() for a, b in zip(named.coefs_, by_row.coefs_, strict=True))


def test_rows_of_weight_two_are_rows_twice():
    """Of one mini-batch; the penalty counts once."""
    weights = RNG.integers(1, 4, len(X))
    options = {"batch_size": 10_000, "alpha": 5.0, "max_iter": 20}
    with pytest.warns(UserWarning, match="clipped"):
        weighted = regressor(**options).fit(X, TARGET, weights)
    with pytest.warns(UserWarning, match="clipped"):
        repeated = regressor(**options).fit(np.repeat(X, weights, axis=0), np.repeat(TARGET, weights))
    for a, b in zip(weighted.coefs_, repeated.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)


# ---- design ---------------------------------------------------------------------------------------------------------


def test_the_network_is_what_the_parameters_say():
    model = classifier(
        hidden_layer_sizes=(8, 8, 5), activation=["elu", "silu", "identity"], dropout=[0.0, 0.25, 0.0],
        residual=True, normalization="layer", max_iter=2,
    ).fit(X, Y)  # fmt: skip
    kinds = [type(view.spec).__name__ for view in model.network_.layers]
    assert kinds == ["Dense", "LayerNorm", "Activation", "Dense", "LayerNorm", "Activation", "Dropout", "Add", "Dense",
                     "LayerNorm", "Dense"]  # fmt: skip
    assert [w.shape for w in model.coefs_] == [(6, 8), (8, 8), (8, 5), (5, 3)]
    assert (model.n_layers_, model.n_outputs_, model.n_features_in_) == (5, 3, 6)
    assert all(np.shares_memory(w, model.network_.params) for w in model.coefs_ + model.intercepts_)
    np.testing.assert_array_equal(model.network_.predict(X), model.predict_proba(X))


def test_dropout_follows_random_state_and_is_off_when_answering():
    one, two = (classifier(dropout=0.3).fit(X, Y) for _ in range(2))
    assert (one.predict_proba(X) == two.predict_proba(X)).all()
    assert (one.predict_proba(X) == one.predict_proba(X)).all()
    other = classifier().fit(X, Y)
    assert not np.allclose(one.coefs_[0], other.coefs_[0])


def test_a_linear_model_finds_the_least_squares_line():
    model = regressor(hidden_layer_sizes=[], solver="lbfgs", alpha=0.0, tol=1e-10, max_iter=500).fit(X, TARGET)
    expected = np.linalg.lstsq(np.c_[X, np.ones(len(X))], TARGET, rcond=None)[0]
    np.testing.assert_allclose(np.r_[model.coefs_[0][:, 0], model.intercepts_[0]], expected, atol=1e-6)


@pytest.mark.parametrize(("loss", "expected"), [("absolute_error", 0.5), (fn.Quantile(0.9), 0.9), ("quantile", 0.5)])
def test_quantile_losses_find_quantiles(loss, expected):
    noise = RNG.exponential(size=2000)
    model = regressor(loss=loss, hidden_layer_sizes=[], max_iter=300, learning_rate_init=0.02, tol=0.0)
    answers = model.fit(np.zeros((2000, 1)), noise).predict(np.zeros((1, 1)))
    assert np.mean(noise <= answers[0]) == pytest.approx(expected, abs=0.03)


def test_losses_per_output_have_one_scale():
    """Two copies of one target: the same model as of one, for every loss by name (log rates for poisson)."""
    for loss in ("squared_error", "huber", "log_cosh", "absolute_error", "poisson"):
        y = np.exp(TARGET)
        one = regressor(loss=loss, hidden_layer_sizes=[], solver="sgd", momentum=0.0).fit(X, y)
        two = regressor(loss=loss, hidden_layer_sizes=[], solver="sgd", momentum=0.0).fit(X, np.stack([y, y], axis=1))
        step_one = one.coefs_[0][:, 0] - start(regressor(hidden_layer_sizes=[]), 1)[:, 0]
        step_two = two.coefs_[0] - start(regressor(hidden_layer_sizes=[]), 2)
        assert 0.1 < np.linalg.norm(step_two[:, 0]) / np.linalg.norm(step_one) < 10
        assert one.loss_curve_[0] == pytest.approx(two.loss_curve_[0] / (2 if loss == "poisson" else 1), rel=0.8)


def start(model, outputs):
    """The weights that a linear model starts from, of scikit-learn's stream."""
    bound = np.sqrt(6 / (6 + outputs))
    return np.random.RandomState(model.random_state).uniform(-bound, bound, (6, outputs))


def test_a_function_as_loss_is_the_loss_of_that_formula():
    def squared(y_true, y_pred):
        return ((y_true - y_pred) ** 2).sum(axis=1) / 2, y_pred - y_true

    own, named = regressor(loss=squared).fit(X, TARGET), regressor().fit(X, TARGET)
    for a, b in zip(own.coefs_, named.coefs_, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
    np.testing.assert_allclose(own.loss_curve_, named.loss_curve_, rtol=1e-10)


def test_poisson_predicts_rates():
    rates = np.exp(0.8 * X[:, 0])
    model = regressor(loss="poisson", hidden_layer_sizes=[], solver="lbfgs", alpha=0.0, max_iter=200, tol=1e-9)
    model.fit(X, rates)
    np.testing.assert_allclose(model.predict(X), rates, rtol=1e-3)
    assert model.loss_ == pytest.approx(0, abs=1e-6)  # the deviance
    assert model.predict_one(X[0]) == model.predict(X[:1])[0]
    with pytest.raises(ValueError, match="at least 0"):
        model.fit(X, -rates)


# ---- training -------------------------------------------------------------------------------------------------------


def test_schedules_and_optimisers():
    schedule = fn.CosineDecay(0.05, total_steps=60)
    model = classifier(learning_rate=schedule, batch_size=150).fit(X, Y)
    assert model.history_.learning_rate == pytest.approx([schedule(2 * epoch + 1) for epoch in range(30)])
    own = classifier(solver=fn.Adam(0.001, epsilon_hat=True, l2=1e-4, penalty_over_rows=True)).fit(X, Y)
    named = classifier().fit(X, Y)
    assert all((a == b).all() for a, b in zip(own.coefs_, named.coefs_, strict=True))
    assert classifier(solver="rmsprop").fit(X, Y).score(X, Y) > 0.5


def test_a_schedule_on_a_plateau_goes_by_what_it_monitors():
    """Labels held out are noise, so their loss rises while the training loss falls."""
    noise = np.random.default_rng(3).permutation(Y[200:])
    for monitor, falls in (("loss", False), ("val_loss", True)):
        schedule = fn.ReduceOnPlateau(0.01, factor=0.5, patience=3, monitor=monitor)
        model = classifier(learning_rate=schedule, n_iter_no_change=100)
        model.fit(X[:200], Y[:200], X_val=X[200:], y_val=noise)
        assert (model.history_.learning_rate[-1] < 0.01) == falls
        assert model.history_.learning_rate[0] == 0.01
    for learn in (model.set_params(early_stopping=False).fit, classifier(learning_rate=schedule).partial_fit):
        with pytest.raises(ValueError, match="monitors loss, got 'val_loss'"):
            learn(X, Y, **({"classes": [0, 1, 2]} if learn.__name__ == "partial_fit" else {}))


def test_the_history_has_the_rate_of_each_epoch():
    model = classifier(solver="sgd", learning_rate="invscaling", learning_rate_init=0.1, max_iter=4).fit(X, Y)
    assert model.history_.learning_rate == pytest.approx([0.1, *(0.1 / (300 * k + 1) ** 0.5 for k in (1, 2, 3))])


def test_callbacks_see_every_epoch_and_may_stop():
    seen = []

    def look(info):
        seen.append((info.epoch, info.loss, info.val_loss, dict(info.metrics)))
        return info.epoch == 4

    model = classifier(callbacks=[look, fn.EarlyStopping("val_loss", patience=50)])
    model.fit(X[:200], Y[:200], X_val=X[200:], y_val=Y[200:])
    assert [epoch for epoch, *_ in seen] == [1, 2, 3, 4]
    assert model.n_iter_ == 4
    assert [loss for _, loss, *_ in seen] == model.loss_curve_ == model.history_.loss
    assert [loss for *_, loss, _ in seen] == model.validation_loss_curve_
    assert [metrics["val_accuracy"] for *_, metrics in seen] == model.validation_scores_


def test_verbose_prints_as_scikit_learn_does(capsys):
    classifier(verbose=True, max_iter=2, early_stopping=True).fit(X, Y)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Iteration 1, loss = ")
    assert lines[1].startswith("Validation score: 0.")
    assert len(lines) == 4


def test_training_that_does_not_settle_warns():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        classifier(max_iter=3).fit(X, Y)
    assert ["3 epochs are over" in str(warning.message) for warning in caught] == [True]


def attributes(model):
    return {name: value for name, value in vars(model).items() if name.endswith("_")}


@pytest.mark.parametrize("name", ["fit", "partial_fit", "warm fit"])
def test_divergence_leaves_the_estimator_as_it_was(name):
    model = regressor(solver="sgd").fit(X, TARGET)
    model.set_params(learning_rate_init=1e9, warm_start=name == "warm fit", max_iter=500)
    if name == "partial_fit":
        model.partial_fit(X, TARGET)  # one that works
    before, state = model.predict(X), attributes(model)
    model.set_params(shuffle=False)
    scale = np.where(np.arange(len(X)) < 200, 1, 1e200)  # the first mini-batch is well, the second overflows
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        getattr(model, name.split()[-1])(X * scale[:, None], TARGET * scale)
    assert attributes(model) == state
    assert (model.predict(X) == before).all()


@pytest.mark.parametrize(
    ("options", "X_given", "y_given"),
    [
        ({"alpha": -1}, X, Y),
        ({}, np.where(X > 2, np.nan, X), Y),
        ({}, X, Y[:7]),
        ({}, X[:0], Y[:0]),
        ({}, X[:, 0], Y),
        ({}, X, TARGET),
        ({}, X, None),
        ({"class_weight": "some"}, X, Y),
        ({"class_weight": {0: -1.0}}, X, Y),
        ({"early_stopping": True, "validation_fraction": 0.001}, X, Y),
        ({"solver": "lbfgs", "dropout": 0.1}, X, Y),
        ({"solver": "lbfgs", "normalization": "batch"}, X, Y),
        ({"dropout": [0.1, 0.2]}, X, Y),
        ({"activation": ["relu", "tanh"]}, X, Y),
        ({"activation": "softmax"}, X, Y),
        ({"solver": "newton"}, X, Y),
        ({"loss": fn.Huber()}, X, Y),
        ({"hidden_layer_sizes": (4, 0)}, X, Y),
        ({"learning_rate": 0.1}, X, Y),
        ({"momentum": 1.0}, X, Y),
        ({"alpha": 10**400}, X, Y),
        ({"solver": np.array(["adam", "sgd"])}, X, Y),
        ({}, [[10**400] * 6] * 300, Y),
        ({"callbacks": 3}, X, Y),
        ({"random_state": -1}, X, Y),
    ],
)
def test_what_is_refused_changes_nothing(options, X_given, y_given):
    model = classifier().fit(X, Y)
    before, state = model.predict_proba(X), attributes(model)
    model.set_params(**options)
    with pytest.raises((ValueError, TypeError), match=r"MLPClassifier|validation_fraction"):
        model.fit(X_given, y_given)
    assert attributes(model) == state
    assert (model.predict_proba(X) == before).all()


def test_an_interruption_keeps_what_was_learned():
    def press(info):
        if info.epoch == 3:
            raise KeyboardInterrupt

    model = classifier(callbacks=[press])
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    same = classifier(max_iter=3).fit(X, Y)
    assert all((a == b).all() for a, b in zip(model.coefs_, same.coefs_, strict=True))
    assert (model.predict(X) == same.predict(X)).all()


def all_of(model):
    """Everything that another call of partial_fit would start from."""
    net = model.network_
    known = {name: repr(value) for name, value in vars(model).items() if name not in ("network_", "_checked")}
    return [known, vars(model._optimizer).copy(), net.params.tobytes(), net.trainer.optimizer.state.tobytes(),
            net.trainer.optimizer.step, net.trainer.step]  # fmt: skip


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt, ZeroDivisionError])
@pytest.mark.parametrize("place", ["StoppingRule.on_epoch_end", "Pace.epoch_ends", "Pace.rates", "Fitted"])
def test_a_partial_fit_that_fails_changes_nothing(monkeypatch, error, place):
    stopping, base = import_module("fastnn.estimators.stopping"), import_module("fastnn.estimators.base")
    model = classifier(solver="sgd", learning_rate="invscaling", batch_size=50)
    model.partial_fit(X, Y, classes=[0, 1, 2])
    model.partial_fit(X, Y)
    before = all_of(model)

    def after(method):
        def fail(*given):
            method(*given)
            raise error

        return fail

    where, name = {
        "StoppingRule.on_epoch_end": (stopping.StoppingRule, "on_epoch_end"),
        "Pace.epoch_ends": (stopping.Pace, "epoch_ends"),
        "Pace.rates": (stopping.Pace, "rates"),
        "Fitted": (base.StoppingRule, "partial_fit"),
    }[place]
    with monkeypatch.context() as patch:
        patch.setattr(where, name, after(getattr(where, name)))
        with pytest.raises(error):
            model.partial_fit(X, Y)
    assert all_of(model) == before
    assert len(model.partial_fit(X, Y).loss_curve_) == 3


def test_a_curve_that_finds_no_memory_to_be_cut_is_cut_later(monkeypatch):
    class Full(list):
        refuses = True

        def __delitem__(self, place):
            if self.refuses:
                raise MemoryError
            super().__delitem__(place)

    monkeypatch.setattr(import_module("fastnn.estimators.base"), "CURVE", 2)
    model = regressor()
    for _ in range(4):
        model.partial_fit(X[:1], TARGET[:1])
    model.loss_curve_ = curve = Full(model.loss_curve_)
    assert len(model.partial_fit(X[:1], TARGET[:1]).loss_curve_) == 5
    curve.refuses = False
    assert len(model.partial_fit(X[:1], TARGET[:1]).loss_curve_) == 4


def test_partial_fit_keeps_a_bounded_curve(monkeypatch):
    monkeypatch.setattr(import_module("fastnn.estimators.base"), "CURVE", 10)
    model = regressor()
    lengths = []
    for _ in range(45):
        model.partial_fit(X[:1], TARGET[:1])
        lengths.append(len(model.loss_curve_))
    assert max(lengths) == 20
    assert lengths[-1] >= 10
    assert model.t_ == 45


def test_weights_set_by_hand_count():
    model = classifier().fit(X, Y)
    model.coefs_[0] = np.zeros((6, 16))
    model.intercepts_[0] = np.zeros(16)
    constant = model.predict_proba(X)
    assert (constant == constant[0]).all()
    model.coefs_[1][...] = 0
    model.intercepts_[1][...] = [0, 0, np.log(2)]
    np.testing.assert_allclose(model.predict_proba(X[:1]), [[0.25, 0.25, 0.5]])
    model.coefs_[0] = np.zeros((5, 16))
    with pytest.raises(ValueError, match="coefs_ of shapes"):
        model.predict(X)


# ---- answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_one_row_is_answered_as_in_a_batch(dtype):
    rows = X.astype(dtype)
    for y in (Y, Y > 0, np.array(list("abc"))[Y], np.stack([Y > 0, Y > 1], axis=1).astype(int)):
        model = classifier().fit(rows, y)
        answers = model.predict(rows)
        for i in range(20):
            one = model.predict_one(rows[i])
            assert np.array_equal(one, answers[i])
    values = regressor().fit(rows, TARGET)
    assert [values.predict_one(row) for row in rows[:20]] == values.predict(rows[:20]).tolist()
    assert values.predict(rows).dtype == dtype


def test_probabilities_are_neither_0_nor_1_and_their_logarithms_finite():
    for y in (Y > 0, Y, np.stack([Y > 0, Y > 1], axis=1).astype(int)):
        model = classifier(hidden_layer_sizes=[]).fit(X, y)
        extreme = 1e5 * X
        likely = model.predict_proba(extreme)
        assert (likely > 0).all()
        assert likely.max() <= 1
        if y.ndim == 1:
            np.testing.assert_allclose(likely.sum(axis=1), 1)
        log = model.predict_log_proba(extreme)
        assert np.isfinite(log).all()
        np.testing.assert_array_equal(log, np.log(likely))
    two = classifier(hidden_layer_sizes=[]).fit(X, Y > 0)
    z = extreme[:5] @ two.coefs_[0][:, 0] / 1e4 + two.intercepts_[0]
    expected = np.exp(-np.logaddexp(0, z))  # of the first class: 1 / (1 + exp(z)), also where 1 - p is rounded to 0
    np.testing.assert_allclose(two.predict_proba(extreme[:5] / 1e4)[:, 0], expected, rtol=1e-10)


def test_one_class_and_scores():
    one = classifier().fit(X, np.full(300, "only"))
    assert (one.predict(X) == "only").all()
    assert (one.predict_proba(X) == 1).all()
    assert one.predict_proba(X).shape == (300, 1)
    assert one.predict_one(X[0]) == "only"
    labels = np.stack([Y > 0, Y > 1], axis=1).astype(int)
    several = classifier(max_iter=60).fit(X, labels)
    right = (several.predict(X) == labels).all(axis=1)
    assert several.score(X, labels) == right.mean()
    weights = RNG.random(300)
    assert several.score(X, labels, weights) == pytest.approx(right @ weights / weights.sum())
    values = regressor().fit(X, TARGET)
    residual = TARGET - values.predict(X)
    mean = TARGET @ weights / weights.sum()
    assert values.score(X, TARGET, weights) == pytest.approx(
        1 - weights @ residual**2 / (weights @ (TARGET - mean) ** 2)
    )


def test_before_fit_there_is_nothing_to_ask():
    for ask in (
        lambda m: m.predict(X),
        lambda m: m.predict_one(X[0]),
        lambda m: m.plot_history(),
        lambda m: m.save("x"),
    ):
        with pytest.raises((NotFittedError, ValueError), match="not fitted yet"):
            ask(classifier())


def test_columns_and_names():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcdef"))
    model = classifier().fit(frame, Y)
    assert model.feature_names_in_.tolist() == list("abcdef")
    with pytest.raises(ValueError, match=r"Feature names must be in the same order"):
        model.predict(frame[list("bacdef")])
    with pytest.raises(ValueError, match=r"unseen at fit time:\n- z"):
        model.predict(frame.rename(columns={"a": "z"}))
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        model.predict(X)
    with pytest.raises(ValueError, match="X has 5 features, but MLPClassifier is expecting 6"):
        model.set_params().fit(X, Y).predict(X[:, :5])
    assert not hasattr(model, "feature_names_in_")
    with pytest.warns(UserWarning, match="column-vector y") as caught:
        classifier().fit(X, Y[:, None])
    assert issubclass(caught[0].category, DataConversionWarning | UserWarning)


# ---- keeping --------------------------------------------------------------------------------------------------------


def same(a, b):
    assert type(a) is type(b)
    assert repr(a.get_params()) == repr(b.get_params())
    for name in (
        "loss_",
        "n_iter_",
        "t_",
        "loss_curve_",
        "validation_scores_",
        "best_loss_",
        "out_activation_",
        "n_outputs_",
    ):
        assert getattr(a, name) == getattr(b, name), name
    assert a.history_.to_dict() == b.history_.to_dict()
    assert all((p == q).all() for p, q in zip(a.coefs_ + a.intercepts_, b.coefs_ + b.intercepts_, strict=True))
    return True


THREE = np.array(["x", "y", "z"], dtype=object)
SMOOTH = fn.CrossEntropy(label_smoothing=0.1)
DESIGN = {"hidden_layer_sizes": (6, 6), "residual": True, "normalization": "batch", "dropout": (0.1, 0.2)}
MODELS = {
    "numbers": lambda: classifier().fit(X, Y),
    "strings": lambda: classifier(class_weight={"a": 2}, early_stopping=True).fit(X, np.array(list("abc"))[Y]),
    "objects": lambda: classifier(loss=fn.CrossEntropy(label_smoothing=0.1)).fit(X, THREE[Y]),
    "labels": lambda: classifier().fit(X, np.stack([Y > 0, Y > 1], axis=1).astype(int)),
    "booleans": lambda: classifier(solver="sgd", learning_rate="adaptive", n_iter_no_change=np.inf).fit(X, Y > 0),
    "values": lambda: regressor(solver=fn.SGD(fn.StepDecay(0.01, every=9), momentum=0.5)).fit(X.astype("f4"), TARGET),
    "poisson": lambda: regressor(loss="poisson", solver="lbfgs").fit(X, np.exp(TARGET)),
    "design": lambda: classifier(
        hidden_layer_sizes=(6, 6), residual=True, normalization="batch", dropout=(0.1, 0.2)
    ).fit(X, Y),
}


@pytest.mark.parametrize("name", MODELS)
def test_files_pickles_and_copies_are_the_same_model_and_go_on_alike(name, tmp_path):
    model = MODELS[name]()
    model.save(tmp_path / "m.safetensors")
    others = [type(model).load(tmp_path / "m.safetensors"), pickle.loads(pickle.dumps(model)), copy.deepcopy(model)]
    for other in others:
        assert same(model, other)
        assert (model.predict(X) == other.predict(X)).all()
        assert model.predict(X).dtype == other.predict(X).dtype
    if model.solver == "lbfgs":
        return
    y = {"strings": np.array(list("abc"))[Y], "objects": THREE[Y], "values": TARGET,
         "labels": np.stack([Y > 0, Y > 1], axis=1).astype(int), "booleans": Y > 0}.get(name, Y)  # fmt: skip
    for one in [model, *others]:
        one.set_params(early_stopping=False, random_state=1)
        for _ in range(3):
            one.partial_fit(X, y)
    assert all(same(model, other) for other in others)


def test_files_of_something_else_are_refused(tmp_path):
    classifier().fit(X, Y).save(tmp_path / "c.safetensors")
    with pytest.raises(fn.ModelFormatError, match=r"MLPRegressor\.save, got 'MLPClassifier'"):
        fn.MLPRegressor.load(tmp_path / "c.safetensors")
    assert fn.load(tmp_path / "c.safetensors").predict(X).shape == (300, 3)  # the network within
    fn.Sequential([fn.Dense(2)], input_shape=3, seed=0).save(tmp_path / "n.safetensors")
    with pytest.raises(fn.ModelFormatError, match="got 'a network'"):
        fn.MLPClassifier.load(tmp_path / "n.safetensors")
    net = fn.load(tmp_path / "c.safetensors")
    described = net.metadata["estimator"]
    for spoil in (
        {"params": {"alpha": {"code": 1}}},
        {"targets": {"labels": [1], "dtype": "|V9", "type": "binary"}},
        {"history": 3},
    ):
        net.save(tmp_path / "bad.safetensors", metadata={"estimator": described | spoil})
        with pytest.raises(fn.ModelFormatError):
            fn.MLPClassifier.load(tmp_path / "bad.safetensors")
    net.save(tmp_path / "more.safetensors", metadata={"estimator": described, "type": 2}, optimizer=True)
    with pytest.raises(fn.ModelFormatError, match="got another in 'its fields'"):  # it would not be written again
        fn.MLPClassifier.load(tmp_path / "more.safetensors")


@pytest.mark.parametrize(
    "options", [{"callbacks": [print]}, {"random_state": np.random.RandomState(0)}, {"loss": lambda t, y: (y[:, 0], y)}]
)
def test_code_is_not_written(options, tmp_path):
    model = (
        regressor(**options).fit(X, TARGET)
        if "loss" not in options
        else regressor().fit(X, TARGET).set_params(**options)
    )
    with pytest.raises(ValueError, match="save"):
        model.save(tmp_path / "m.safetensors")
    assert not list(tmp_path.iterdir())


def test_a_pickle_of_another_version_says_so(monkeypatch):
    data = pickle.dumps(classifier().fit(X, Y))
    monkeypatch.setattr(import_module("fastnn.estimators.fitted"), "__version__", "9.9")
    with pytest.warns(UserWarning, match=r"pickled by fastnn 0\.\S+ loaded by 9\.9"):
        pickle.loads(data)


def test_parameters_by_name():
    model = classifier(alpha=0.5, activation=("tanh",))
    assert repr(model) == (
        "MLPClassifier(hidden_layer_sizes=(16,), activation=('tanh',), alpha=0.5, max_iter=30, random_state=0)"
    )
    assert model.set_params(alpha=1.0) is model
    assert model.get_params()["alpha"] == 1.0
    with pytest.raises(ValueError, match="invalid parameter 'depth'"):
        model.set_params(alpha=2.0, depth=3)
    assert model.alpha == 1.0


def test_a_picture_of_the_history(tmp_path):
    pytest.importorskip("matplotlib")
    classifier(early_stopping=True).fit(X, Y).plot_history(tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 5000


def test_our_warning_is_a_user_warning():
    assert issubclass(ConvergenceWarning, UserWarning)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinity"), (-np.inf, "infinity")])
def test_targets_that_are_not_finite_are_named(dtype, value, word):
    y = np.zeros(8, dtype)
    y[5] = value
    with pytest.raises(ValueError, match=f"Input y contains {word}; remove these rows"):
        fn.MLPRegressor(hidden_layer_sizes=(2,), max_iter=1).fit(X[:8], y)
    with pytest.raises(ValueError, match=f"Input y contains {word}; remove these rows"):
        classifier().partial_fit(X[:8], y, classes=[0.0, 1.0])


def test_targets_without_columns_are_refused():
    model = regressor()
    with pytest.raises(ValueError, match="MLPRegressor: expected y with at least one column, got shape"):
        model.fit(X, np.zeros((300, 0)))
    assert not hasattr(model, "network_")


def test_a_solver_that_is_no_text_hides_no_method():
    model = classifier(solver=np.array(["adam", "sgd"]))
    assert hasattr(model, "partial_fit")
    with pytest.raises(ValueError, match="MLPClassifier: expected solver to be"):
        model.partial_fit(X, Y, classes=[0, 1, 2])
