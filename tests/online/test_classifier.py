"""OnlineClassifier against softmax regression written in NumPy, and its rules for classes."""

import copy
import pickle

import numpy as np
import pytest
from scipy.special import expit, softmax

import fastnn as fn

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((120, 3))
LABELS = [("red", "green", "blue")[i] for i in (X @ RANDOM.standard_normal((3, 3))).argmax(axis=1)]


def rows():
    return [dict(zip("abc", row, strict=True)) for row in X.tolist()]


def run(model, rows, labels):
    answers = []
    for x, y in zip(rows, labels, strict=True):
        answers.append(model.predict_proba_one(x))
        model.learn_one(x, y)
    return answers


def linear(**options):
    return fn.OnlineClassifier(
        (), features=["a", "b", "c"], optimizer=fn.SGD(0.2), standardize=False, seed=0, dtype="float64", **options
    )


def test_softmax_regression_by_hand():
    model = linear(classes=["red", "green", "blue"])
    w, b = model.net.layers[0].weight.copy(), model.net.layers[0].bias.copy()
    for x, row, y in zip(X, rows(), LABELS, strict=True):
        p = softmax(x @ w + b)
        answer = model.predict_proba_one(row)
        assert list(answer) == ["red", "green", "blue"]
        np.testing.assert_allclose(list(answer.values()), p, rtol=1e-10)
        assert model.predict_one(row) == ["red", "green", "blue"][p.argmax()]
        loss = model.learn_one(row, y)
        k = model.classes.index(y)
        assert loss == pytest.approx(-np.log(p[k]), rel=1e-10)
        dz = p - np.eye(3)[k]
        w, b = w - 0.2 * np.outer(x, dz), b - 0.2 * dz
    np.testing.assert_allclose(model.net.layers[0].weight, w, rtol=1e-9)


def test_discovered_classes_take_outputs_in_turn():
    model = linear(classes=4)
    assert model.predict_proba_one(rows()[0]) == {}
    assert model.predict_one(rows()[0]) is None
    order = list(dict.fromkeys(LABELS))
    model.learn_one(rows()[0], LABELS[0])
    assert model.predict_proba_one(rows()[1]) == {order[0]: 1.0}
    run(model, rows()[1:], LABELS[1:])
    assert model.classes == order
    logits = X[0] @ model.net.layers[0].weight + model.net.layers[0].bias
    answer = model.predict_proba_one(rows()[0])
    np.testing.assert_allclose([answer[label] for label in order], softmax(logits[:3]), rtol=1e-10)
    assert sum(model.predict_one(row) == label for row, label in zip(rows(), LABELS, strict=True)) > 100


@pytest.mark.parametrize("activation", ["identity", "sigmoid"])
def test_two_classes_on_one_output(activation):
    layer = fn.Dense(1, activation, kernel_initializer="zeros")
    net = fn.Sequential([layer], 3, seed=0, dtype="float64")
    model = fn.OnlineClassifier(net, loss="binary_cross_entropy", optimizer=fn.SGD(0.2), standardize=False)
    w, b, labels = np.zeros(3), 0.0, [bool(x[0] > 0.3 * x[1]) for x in X]
    for i, (x, y) in enumerate(zip(X, labels, strict=True)):
        positive = labels[i] == (not labels[0])  # what came first is class 0
        p = expit(x @ w + b)
        if len(model.classes) == 2:
            assert model.predict_proba_one(x) == pytest.approx({labels[0]: 1 - p, not labels[0]: p}, rel=1e-9)
        loss = model.learn_one(x, y)
        assert loss == pytest.approx(-np.log(p if positive else 1 - p), rel=1e-9)
        w, b = w - 0.2 * (p - positive) * x, b - 0.2 * (p - positive)
    np.testing.assert_allclose(net.layers[0].weight[:, 0], w, rtol=1e-9)


def test_network_that_ends_in_softmax():
    net = fn.Sequential([fn.Dense(3, "softmax")], 3, seed=0, dtype="float64")
    model = fn.OnlineClassifier(net, classes=["red", "green", "blue"], standardize=False)
    p = softmax(X[0] @ net.layers[0].weight + net.layers[0].bias)
    np.testing.assert_allclose(list(model.predict_proba_one(X[0]).values()), p, rtol=1e-10)
    assert model.net is net


def test_far_logits_do_not_overflow():
    net = fn.Sequential([fn.Dense(2, kernel_initializer="zeros")], 1, seed=0)
    model = fn.OnlineClassifier(net, classes=["no", "yes"], standardize=False)
    net.layers[0].weight[...] = [[1e4, -1e4]]
    assert model.predict_proba_one([1.0]) == {"no": 1.0, "yes": 0.0}
    one = fn.Sequential([fn.Dense(1, kernel_initializer="zeros")], 1, seed=0)
    model = fn.OnlineClassifier(one, loss="binary_cross_entropy", classes=[0, 1], standardize=False)
    one.layers[0].weight[...] = 1e4
    assert model.predict_proba_one([-1.0]) == {0: 1.0, 1: 0.0}


def test_a_saved_model_goes_on_with_the_same_bits(tmp_path):
    labels = [{"red": 1, "green": "two", "blue": True}[label] for label in LABELS]  # 1 and True are one key
    model = fn.OnlineClassifier((5,), classes=3, optimizer="adam", seed=0)
    run(model, rows()[:60], labels[:60])
    model.save(tmp_path / "m")
    others = [fn.OnlineClassifier.load(tmp_path / "m"), copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    answers = run(model, rows()[60:], labels[60:])
    for other in others:
        assert other.classes == model.classes
        assert run(other, rows()[60:], labels[60:]) == answers
        np.testing.assert_array_equal(other.net.params, model.net.params)
        other.learn_one(rows()[0], "third")
        assert len(other.classes) == 3


def test_numpy_labels_are_kept_as_numbers(tmp_path):
    model = fn.OnlineClassifier((5,), classes=np.arange(3).tolist(), seed=0)
    assert model.predict_proba_one(X[0]) == dict.fromkeys(range(3), 1 / 3)
    for x, y in zip(X, np.arange(120) % 3, strict=True):
        model.learn_one(x, y)
    model.save(tmp_path / "m")
    assert fn.OnlineClassifier.load(tmp_path / "m").classes == [0, 1, 2]


def test_refused_rows_change_nothing():
    model = fn.OnlineClassifier((4,), seed=0)
    with pytest.raises(TypeError, match="got str 'x'"):
        model.learn_one({"a": "x"}, "red")
    assert (model.classes, model.net, model.standardizer.rows) == ([], None, 0)
    model.learn_one({"a": 1.0}, "red")
    model.learn_one({"a": 2.0}, "blue")
    before = model.net.params.copy(), model.standardizer.to_config(), model.classes
    for y, error, message in (
        ("green", ValueError, "expected one of the 2 classes 'red', 'blue', got 'green'"),
        (None, ValueError, "expected a class, got None"),
        (float("nan"), ValueError, "expected a class, got nan"),
        (["red"], TypeError, "have as a key"),
    ):
        with pytest.raises(error, match=message):
            model.learn_one({"a": 3.0}, y)
    np.testing.assert_array_equal(model.net.params, before[0])
    assert (model.standardizer.to_config(), model.classes) == before[1:]


def test_refused_arguments():
    three = fn.Sequential([fn.Dense(3)], 2, seed=0)
    one = fn.Sequential([fn.Dense(1)], 2, seed=0)
    for arguments, options, error, message in (
        ((three,), {"classes": 4}, ValueError, r"one output per class, got 4 classes and outputs of shape \(B, 3\)"),
        ((one,), {"loss": "binary_cross_entropy", "classes": 3}, ValueError, "got 3 classes"),
        ((one,), {}, ValueError, "cross_entropy"),
        ((three,), {"loss": "binary_cross_entropy"}, ValueError, "a single output, got binary_cross_entropy and 3"),
        ((three,), {"loss": "hinge"}, ValueError, "got hinge"),
        ((), {"loss": "squared_error"}, ValueError, "got squared_error"),
        ((), {"classes": "ab"}, TypeError, "labels or their number"),
        ((), {"classes": 1}, ValueError, "at least 2"),
        ((), {"classes": ["a"]}, ValueError, "at least 2"),
        ((), {"classes": ["a", "a"]}, ValueError, "every class once"),
        ((), {"classes": True}, TypeError, "integer"),
    ):
        with pytest.raises(error, match=message):
            fn.OnlineClassifier(*arguments, **options)


def test_damaged_files(tmp_path):
    model = fn.OnlineClassifier((4,), seed=0)
    run(model, rows()[:3], ["a", "b", "a"])
    good = model._config()
    for change in (
        {"classes": ["a", "b", "c"]},
        {"classes": ["a", "a"]},
        {"classes": [["a"]]},
        {"classes": 2},
        {"more": 1},
    ):
        model.net.save(tmp_path / "m", optimizer=True, metadata={"online": {**good, **change}})
        with pytest.raises(fn.ModelFormatError, match="OnlineClassifier: "):
            fn.OnlineClassifier.load(tmp_path / "m")
