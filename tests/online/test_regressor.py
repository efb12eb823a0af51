"""OnlineRegressor against the same thing written in NumPy: all rows so far, their mean and deviation, a gradient."""

import copy
import pickle

import numpy as np
import pytest

import fastnn as fn

RANDOM = np.random.default_rng(0)
ROWS = [{"a": a, "b": 100 + 20 * b, "c": c} for a, b, c in RANDOM.standard_normal((80, 3)).tolist()]
TARGETS = [3 * row["a"] - row["b"] / 10 + 5 for row in ROWS]


def zscore(values, x):
    """x by the mean and deviation of the values so far; 0 if it is missing, or none is known."""
    known = np.array([value for value in values if value is not None and value == value])
    if x is None or x != x or not len(known) or known.std() == 0:
        return 0.0
    return (x - known.mean()) / known.std()


def by_hand(rows, targets, names, rate, weights, bias, scaled=True):
    """Linear regression by stochastic gradient descent; predictions before each row, and weights after all."""
    answers = []
    for t in range(len(rows)):
        seen = [[row.get(name) for row in rows[: t + 1]] for name in names]
        spread = np.std(targets[:t]) if t and scaled else 1.0
        before = [zscore(column[:t], column[t]) for column in seen]
        answers.append((np.dot(weights, before) + bias) * (spread if t else 0.0) + (np.mean(targets[:t]) if t else 0.0))
        z = np.array([zscore(column, column[t]) for column in seen])
        gap = 2 * (weights @ z + bias - zscore(targets[: t + 1], targets[t]))
        weights, bias = weights - rate * gap * z, bias - rate * gap
    return answers, weights, bias


def linear(**options):
    model = fn.OnlineRegressor((), optimizer=fn.SGD(0.05), seed=0, dtype="float64", **options)
    return model


def run(model, rows=ROWS, targets=TARGETS):
    answers = []
    for x, y in zip(rows, targets, strict=True):
        answers.append(model.predict_one(x))
        model.learn_one(x, y)
    return answers


def test_regression_is_the_one_by_hand():
    model = linear(features=["a", "b", "c"])
    weights, bias = model.net.layers[0].weight[:, 0].copy(), float(model.net.layers[0].bias[0])
    answers, weights, bias = by_hand(ROWS, TARGETS, "abc", 0.05, weights, bias)
    np.testing.assert_allclose(run(model), answers, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(model.net.layers[0].weight[:, 0], weights, rtol=1e-9)
    np.testing.assert_allclose(model.net.layers[0].bias, bias, rtol=1e-9)


def test_missing_and_late_features():
    """Absent, None and NaN are one thing; a name takes the next column when it is first learnt."""
    rows = [dict(row) for row in ROWS]
    for t, row in enumerate(rows):
        if t % 3 == 1:
            del row["a"]
        if t % 4 == 2:
            row["b"] = None
        if t % 5 == 3:
            row["b"] = np.nan
        if t >= 40:
            row["late"] = float(t % 7)
    model = linear(n_features=4)
    assert model.features == []
    weights, bias = model.net.layers[0].weight[:, 0].copy(), float(model.net.layers[0].bias[0])
    answers, weights, bias = by_hand(rows, TARGETS, ("a", "b", "c", "late"), 0.05, weights, bias)
    np.testing.assert_allclose(run(model, rows), answers, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(model.net.layers[0].weight[:, 0], weights, rtol=1e-9)
    assert model.features == ["a", "b", "c", "late"]


def test_arrays_dicts_and_their_order_give_the_same_bits():
    named, arrays, lists, turned = (linear(n_features=3) for _ in range(4))
    answers = run(named)
    rows = np.array([[row["a"], row["b"], row["c"]] for row in ROWS])
    assert run(arrays, rows) == answers
    assert run(lists, rows.tolist()) == answers
    named.features.append("not the model's own list")
    assert run(turned, [ROWS[0], *({name: row[name] for name in "cab"} for row in ROWS[1:])]) == answers
    np.testing.assert_array_equal(arrays.net.params, named.net.params)


def test_without_standardising_values_go_in_as_they_are():
    model = linear(features=["a", "b"], standardize=False, standardize_target=False)
    w = model.net.layers[0].weight[:, 0].copy()
    assert model.predict_one({"a": 2.0, "b": 3.0}) == pytest.approx(2 * w[0] + 3 * w[1])
    assert model.predict_one({"b": 3}) == pytest.approx(3 * w[1])
    loss = model.learn_one({"a": 2.0, "b": 3.0}, 1.0)
    gap = 2 * w[0] + 3 * w[1] - 1
    assert loss == pytest.approx(gap**2)
    np.testing.assert_allclose(model.net.layers[0].weight[:, 0], w - 0.05 * 2 * gap * np.array([2.0, 3.0]), rtol=1e-12)


def test_forgetting_follows_a_change_of_scale():
    running = fn.RunningStandardizer(half_life=20)
    model = fn.OnlineRegressor((8,), standardize=running, optimizer=fn.SGD(0.05), seed=0)
    assert model.standardizer is running
    assert model.target_standardizer.half_life == 20
    for factor in (1.0, 1e4):
        for x in RANDOM.standard_normal((500, 1)):
            model.learn_one({"x": factor * x[0]}, factor * 2 * x[0])
    assert model.predict_one({"x": 1e4}) == pytest.approx(2e4, rel=0.2)


def test_network_of_ones_own_is_trained_itself():
    net = fn.Sequential([fn.Dense(1, kernel_initializer="zeros")], 2, seed=0)
    model = fn.OnlineRegressor(net, standardize=False, standardize_target=False)
    assert model.net is net
    assert net.losses[0].kernel == "squared_error"
    assert net.optimizer == fn.Adam()
    net.compile(None, fn.SGD(0.25))
    fn.OnlineRegressor(net)
    assert net.optimizer == fn.SGD(0.25)
    net.compile("huber", fn.SGD(0.5))
    fn.OnlineRegressor(net, standardize_target=False)
    assert net.optimizer == fn.SGD(0.5)
    assert net.losses[0].kernel == "huber"
    model = fn.OnlineRegressor(net, loss="poisson", standardize=False, standardize_target=False)
    assert net.optimizer == fn.SGD(0.5)
    model.learn_one([1.0, 0.0], 3)
    assert model.predict_one([1.0, 0.0]) == pytest.approx(np.exp(2 * 0.5 * (3 - 1)))  # both weight and bias moved by 1


@pytest.mark.parametrize("optimizer", [fn.SGD(0.01, momentum=0.9), fn.Adam(fn.CosineDecay(0.01, total_steps=300))])
def test_a_saved_model_goes_on_with_the_same_bits(optimizer, tmp_path):
    model = fn.OnlineRegressor(
        (6, 4), n_features=5, optimizer=optimizer, standardize=fn.RunningStandardizer(half_life=9, clip=3), seed=0,
        unknown="ignore",
    )  # fmt: skip
    run(model)
    model.net.metadata["note"] = "mine"
    model.save(tmp_path / "m.safetensors")
    others = [
        fn.OnlineRegressor.load(tmp_path / "m.safetensors"),
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
    ]
    rows = [{**row, "d": 1.0 + row["a"], "e": 0.0, "f": 9.0} for row in ROWS]
    answers = run(model, rows)
    for other in others:
        assert other.net is not model.net
        assert run(other, rows) == answers
        np.testing.assert_array_equal(other.net.params, model.net.params)
        assert other.standardizer.to_config() == model.standardizer.to_config()
        assert other.target_standardizer.to_config() == model.target_standardizer.to_config()
        assert other.features == ["a", "b", "c", "d", "e"]
        assert other.net.metadata == {"note": "mine"}


def test_a_new_model_can_be_copied_and_saved_once_there_is_a_network(tmp_path):
    model = fn.OnlineRegressor((4,), seed=0)
    assert model.predict_one({"a": 1.0}) == 0.0
    assert model.net is None
    assert run(copy.deepcopy(model)) == run(pickle.loads(pickle.dumps(model)))
    assert model.net is None
    with pytest.raises(RuntimeError, match="has learnt a row"):
        model.save(tmp_path / "m")
    model = fn.OnlineRegressor((4,), features=["a", "b", "c"], seed=0)
    model.save(tmp_path / "m")
    assert run(fn.OnlineRegressor.load(tmp_path / "m")) == run(model)


def state(model):
    return (
        None if model.net is None else model.net.params.tolist(),
        None if model.net is None else (model.net.trainer.step, model.net.trainer.optimizer.state.tolist()),
        model.standardizer.to_config(), model.target_standardizer.to_config(), model.features,
    )  # fmt: skip


@pytest.mark.parametrize("begun", [False, True])
def test_a_refused_row_changes_nothing(begun):
    model = fn.OnlineRegressor((4,), seed=0, optimizer=fn.SGD(0.1))
    if begun:
        run(model)
    before = state(model)
    first = {**ROWS[0]}
    for x, y, error, message in (
        ({**first, "a": "red"}, 1.0, TypeError, "learn_one: expected a number for feature 'a', got str 'red'"),
        ({**first, "a": np.inf}, 1.0, ValueError, "learn_one: expected a finite number for feature 'a'"),
        ({**first, "a": 10**400}, 1.0, ValueError, "learn_one: expected a finite number for feature 'a'"),
        (first, "1", TypeError, "expected the target to be a number, got str '1'"),
        (first, np.nan, ValueError, "expected a finite target, got nan"),
        (first, 10**400, ValueError, "expected a finite target, got 1000"),
        (first, 1e200, ValueError, r"a target up to 1e150, got 1e\+200"),
        (3, 1.0, ValueError if not begun else TypeError, "learn_one: expected"),
        ("abc", 1.0, TypeError, "learn_one: expected"),
        (np.zeros((2, 3)), 1.0, ValueError if not begun else TypeError, "learn_one: expected"),
    ):
        with pytest.raises(error, match=message):
            model.learn_one(x, y)
        assert state(model) == before
    if begun:
        with pytest.raises(TypeError, match="expected a dict of feature name to number, as before, got ndarray"):
            model.learn_one(np.zeros(3), 1.0)
        with pytest.raises(
            ValueError, match=r"out of 'a', 'b', 'c', got the new one 'd', for which .* give n_features"
        ):
            model.learn_one({**first, "d": 1.0}, 1.0)
        with pytest.raises(ValueError, match="'d'"):
            model.predict_one({**first, "d": 1.0})
        assert state(model) == before
    else:
        with pytest.raises(ValueError, match="at least one feature"):
            model.learn_one({}, 1.0)
        assert state(model) == before


def test_a_diverging_row_changes_nothing():
    """A loss beyond float32: what standardises has not learnt the row either."""
    model = fn.OnlineRegressor((), seed=0, optimizer=fn.SGD(0.1), standardize_target=False)
    for value in (0.0, 1.0, 2.0):
        model.learn_one({"a": value}, value)
    before, params = model.standardizer.to_config(), model.net.params.copy()
    with pytest.raises(fn.DivergenceError):
        model.learn_one({"a": 7.0}, 1e30)
    assert model.standardizer.to_config() == before
    np.testing.assert_array_equal(model.net.params, params)


def test_ignored_features_have_no_part():
    strict, loose = fn.OnlineRegressor((4,), seed=0), fn.OnlineRegressor((4,), seed=0, unknown="ignore")
    run(strict)
    more = [ROWS[0], *({"new": t, **row} for t, row in enumerate(ROWS[1:]))]
    run(loose, more)
    np.testing.assert_array_equal(strict.net.params, loose.net.params)
    assert loose.predict_one({"other": 5, **ROWS[3]}) == strict.predict_one(ROWS[3])


def test_predicting_changes_nothing():
    model = fn.OnlineRegressor((4,), n_features=5, seed=0)
    run(model)
    before = state(model)
    plain = model.predict_one(ROWS[0])
    assert model.predict_one({**ROWS[0], "new": 1e6}) == plain
    assert state(model) == before


def test_refused_arguments():
    two = fn.Sequential([fn.Dense(2)], 3, seed=0)
    one = fn.Sequential([fn.Dense(1)], 3, seed=0)
    square = fn.Sequential([fn.Flatten(), fn.Dense(1)], (2, 2), seed=0)
    for arguments, options, error, message in (
        ((two,), {}, ValueError, "one output"),
        ((square,), {}, ValueError, "one input of shape"),
        ((one,), {"seed": 1}, ValueError, "no n_features, seed or dtype beside a network"),
        ((one,), {"features": list("abcd")}, ValueError, "at most 3 features"),
        (("32",), {}, TypeError, "expected a Network, or the sizes"),
        (((3, 0),), {}, ValueError, "sizes of hidden layers of at least 1"),
        ((), {"features": "ab"}, TypeError, "features to be a list"),
        ((), {"features": ["a", "a"]}, ValueError, "every feature once"),
        ((), {"features": ["a", "b"], "n_features": 1}, ValueError, "at most 1 features"),
        ((), {"loss": "hinge"}, ValueError, "use OnlineClassifier"),
        ((), {"loss": "poisson"}, ValueError, "standardize_target=False"),
        ((), {"loss": "nonsense"}, ValueError, "unknown loss"),
        ((), {"optimizer": "nonsense"}, ValueError, "unknown optimizer"),
        ((), {"unknown": "grow"}, ValueError, "known: raise, ignore"),
        ((), {"standardize": 1}, TypeError, "standardize"),
        ((), {"standardize_target": None}, TypeError, "standardize_target"),
        ((), {"dtype": "int8"}, ValueError, "dtype"),
        ((), {"n_features": 0}, ValueError, "n_features"),
    ):
        with pytest.raises(error, match=message):
            fn.OnlineRegressor(*arguments, **options)
    scaler = fn.RunningStandardizer().update([1.0, 2.0])
    for options in (
        {"loss": "hinge"},
        {"loss": "huber", "standardize": scaler},
        {"loss": "huber", "optimizer": "none"},
    ):
        with pytest.raises(ValueError):
            fn.OnlineRegressor(one, **options)
    assert one.trainer is None  # a network that is refused has not been compiled


def test_foreign_files(tmp_path):
    path = tmp_path / "m.safetensors"
    model = fn.OnlineRegressor((4,), seed=0)
    run(model)
    model.net.save(path, optimizer=True)
    with pytest.raises(fn.ModelFormatError, match=r"OnlineRegressor\.save wrote"):
        fn.OnlineRegressor.load(path)
    model.save(path)
    with pytest.raises(fn.ModelFormatError, match=r"OnlineClassifier\.save wrote"):
        fn.OnlineClassifier.load(path)
    good = fn.load(path).metadata["online"]
    for change in ({"features": ["a", "a", "b"]}, {"features": list("abcd")}, {"by_name": 3}, {"unknown": "grow"},
                   {"standardizer": 4}, {"target": {**good["target"], "mean": [0.0, 0.0]}}):  # fmt: skip
        model.net.save(path, optimizer=True, metadata={"online": {**good, **change}})
        with pytest.raises(fn.ModelFormatError):
            fn.OnlineRegressor.load(path)
    tuples = fn.OnlineRegressor((4,), seed=0)
    tuples.learn_one({("a", 1): 1.0}, 1.0)
    with pytest.raises(ValueError, match="name of a feature"):
        tuples.save(path)
