"""Metrics against hand calculation, and streaming against the whole."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn import metrics
from fastnn.metrics import (
    Metric,
    accuracy,
    confusion_matrix,
    error,
    get_metric,
    mean_absolute_error,
    mean_squared_error,
    r2,
)

SCORES = [[2.0, 1.0, 0.0], [0.0, 3.0, 1.0], [5.0, 4.0, 4.5], [0.1, 0.2, 0.3]]  # largest: 0, 1, 0, 2


@pytest.mark.parametrize(
    "labels",
    [
        [0, 1, 2, 2],
        [[0], [1], [2], [2]],
        [0.0, 1.0, 2.0, 2.0],
        [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]],
        [[0.8, 0.1, 0.1], [0.2, 0.5, 0.3], [0.1, 0.1, 0.8], [0.0, 0.0, 1.0]],
    ],
    ids=["labels", "column", "floating", "one-hot", "soft"],
)
def test_accuracy_takes_every_kind_of_class(labels):
    assert accuracy(labels, SCORES) == 0.75
    assert error(labels, SCORES) == 0.25


def test_accuracy_weighs_rows():
    assert accuracy([0, 1, 2, 2], SCORES, sample_weight=[1, 0, 5, 2]) == 3 / 8


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
@pytest.mark.parametrize("targets", [[0, 1, 1, 0], [0.0, 1.0, 1.0, 0.0], [-1, 1, 1, -1], [False, True, True, False]])
def test_single_output_says_yes_above_the_threshold(shape, targets):
    probabilities = np.array([0.5, 0.6, 0.4, 0.1]).reshape(shape)
    assert accuracy(targets, probabilities) == 0.75  # exactly 0.5 is a no
    assert accuracy(targets, probabilities - 0.5, threshold=0.0) == 0.75
    assert accuracy(targets, probabilities, threshold=0.0) == 0.5


def test_labels_and_texts_as_predictions():
    assert accuracy([0, 1, 2, 2], [0, 1, 1, 2]) == 0.75
    assert accuracy(["a", "b"], ["a", "a"]) == 0.5
    assert accuracy([[0, 1], [1, 0]], [1, 1]) == 0.5


def test_several_labels_count_each_decision():
    targets = [[1, 1, 0], [0, 0, 0]]
    outputs = [[0.9, 0.4, 0.2], [0.1, 0.2, 0.6]]
    assert accuracy(targets, outputs) == pytest.approx(4 / 6)  # no row is right in whole
    assert accuracy(targets, outputs, sample_weight=[3, 1]) == pytest.approx((3 * 2 / 3 + 2 / 3) / 4)


def test_kind_of_targets_is_that_of_all_chunks():
    """A chunk of several-label data that happens to be one-hot must not be counted as one class."""
    targets = np.array([[1, 0], [0, 1], [1, 1]])
    outputs = np.array([[0.9, 0.8], [0.7, 0.6], [0.9, 0.1]])
    metric = get_metric("accuracy")
    metric.update(targets[:2], outputs[:2])
    assert metric.result() == 0.5  # as classes: right, wrong
    metric.update(targets[2:], outputs[2:])
    assert metric.result() == pytest.approx((1 / 2 + 1 / 2 + 1 / 2) / 3)


def test_outputs_over_time_are_rows():
    scores = np.array([SCORES[:2], SCORES[2:]])
    labels = np.array([[0, 1], [2, 2]])
    assert accuracy(labels, scores) == 0.75
    assert accuracy(np.eye(3)[labels], scores) == 0.75
    assert accuracy(labels, scores, sample_weight=[1, 3]) == pytest.approx((2 * 1 + 1 * 3) / 8)
    assert accuracy([[0, 1], [1, 1]], np.array([[[0.1], [0.9]], [[0.2], [0.9]]])) == 0.75


def test_scores_that_are_no_numbers_are_wrong():
    assert accuracy([0, 0], [[math.nan, 1.0], [1.0, 0.0]]) == 0.5
    assert accuracy([0, 1], [math.nan, 0.9]) == 0.5


@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([0, 3], [[1.0, 0.0], [1.0, 0.0]], "accuracy: expected labels from 0 to 1, got 0 to 3"),
        ([0, -1], [[1.0, 0.0], [1.0, 0.0]], "accuracy: expected labels from 0 to 1, got -1 to 0"),
        ([0.5, 1.0], [[1.0, 0.0], [1.0, 0.0]], r"accuracy: expected integer labels, got .*0\.5.*use r2"),
        ([0, 1], [[1.0, 0.0]], r"accuracy: expected as many targets as outputs .* \(2,\) and \(1, 2\)"),
        ([[1.5, 2.5]], [[1.0, 0.0]], "accuracy: expected labels, rows that sum to 1"),
        ([0.3, 0.7], [0.3, 0.7], "accuracy: expected targets 0 and 1 .* use r2"),
        ([0, 2], [0.3, 0.7], "accuracy: expected targets 0 and 1"),
        (["a", "b"], [0, 1], "accuracy: expected labels of one kind"),
        (["a", "b"], [[1.0, 0.0], [1.0, 0.0]], "accuracy: expected integer labels, got dtype <U1"),
        ([[0, 1, 0]], [[1.0, 0.0]], r"accuracy: expected targets of shape \(1,\) \(labels\) or \(1, 2\)"),
        ([[0, 1], [1, 0]], np.array([[0, 1], [1, 0]]), "give scores as floats"),
        ([], [], "at least one"),
    ],
)
def test_accuracy_refuses_what_it_cannot_count(y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        accuracy(y_true, y_pred)


@pytest.mark.parametrize(
    ("weights", "message"),
    [([1.0], r"expected weights of shape \(2,\), got \(1,\)"), ([1, -1], "of at least 0"), ([1, math.nan], "finite")],
)
def test_weights_are_checked(weights, message):
    with pytest.raises(ValueError, match=f"r2: .*{message}"):
        r2([1.0, 2.0], [1.0, 2.0], sample_weight=weights)


def test_regression_metrics_by_hand():
    y, y_hat = [[1.0, 10.0], [3.0, 20.0]], [[2.0, 10.0], [3.0, 26.0]]
    assert mean_squared_error(y, y_hat) == (1 + 0 + 0 + 36) / 4
    assert mean_absolute_error(y, y_hat) == (1 + 0 + 0 + 6) / 4
    # output 1: squares 2, residual 1; output 2: squares 50, residual 36
    assert r2(y, y_hat) == pytest.approx(((1 - 1 / 2) + (1 - 36 / 50)) / 2)
    assert mean_squared_error(y, y_hat, sample_weight=[3, 1]) == (3 * 0.5 + 18) / 4
    assert mean_absolute_error(y, y_hat, sample_weight=[3, 1]) == (3 * 0.5 + 3) / 4
    # weights 3, 1: means 1.5 and 12.5; squares 3 and 75; residuals 3 and 36
    assert r2(y, y_hat, sample_weight=[3, 1]) == pytest.approx(((1 - 3 / 3) + (1 - 36 / 75)) / 2)


def test_a_column_and_a_vector_are_the_same_targets():
    """The classic trap: (B,) against (B, 1) must not become (B, B)."""
    y, y_hat = np.arange(4.0), np.arange(4.0)[:, None] + 1
    assert mean_squared_error(y, y_hat) == 1.0
    assert r2(y, y_hat) == pytest.approx(1 - 4 / 5)
    with pytest.raises(ValueError, match=r"one shape, got \(4,\) and \(4, 2\)"):
        mean_squared_error(y, np.zeros((4, 2)))


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9 + 0.3])
def test_r2_of_constant_targets(value):
    targets = np.full(7, value)
    assert r2(targets, targets) == 1.0
    assert r2(targets, targets + 1e-3 * max(value, 1)) == 0.0
    metric = get_metric("r2")
    for start in (0, 3):
        metric.update(targets[start : start + 3], targets[start : start + 3] + 1.0)
    assert metric.result() == 0.0


def test_r2_streams_stably_over_a_large_mean():
    rng = np.random.default_rng(0)
    y = 1e8 + rng.integers(0, 8, 3000).astype(float)
    y_hat = y + rng.integers(-1, 2, 3000)
    whole = [Fraction(value) for value in y]
    mean = sum(whole) / len(whole)
    squares = sum((value - mean) ** 2 for value in whole)
    residual = sum((Fraction(a) - Fraction(b)) ** 2 for a, b in zip(y, y_hat, strict=True))
    metric = get_metric("r2")
    for start in range(0, 3000, 7):
        metric.update(y[start : start + 7], y_hat[start : start + 7])
    assert metric.result() == pytest.approx(float(1 - residual / squares), rel=1e-12)


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=8),
    st.sampled_from(["accuracy", "error", "r2", "mean_squared_error", "mean_absolute_error"]),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_any_cut_gives_the_value_of_the_whole(cuts, name, weighted, seed):
    rng = np.random.default_rng(seed)
    rows = sum(cuts)
    y_hat = rng.standard_normal((rows, 3)).astype(np.float32)
    y = rng.integers(0, 3, rows) if name in ("accuracy", "error") else rng.standard_normal((rows, 3))
    weights = rng.uniform(0.1, 2.0, rows) if weighted else None
    metric, start = get_metric(name), 0
    for size in cuts:
        piece = slice(start, start + size)
        metric.update(y[piece], y_hat[piece], None if weights is None else weights[piece])
        start += size
    whole = getattr(metrics, name)(y, y_hat, sample_weight=weights)
    assert metric.result() == pytest.approx(whole, rel=1e-9, abs=1e-9)


def test_integer_weights_are_repeated_rows():
    rng = np.random.default_rng(1)
    y, y_hat, times = rng.standard_normal(20), rng.standard_normal(20), rng.integers(0, 4, 20)
    for function in (r2, mean_squared_error, mean_absolute_error):
        repeated = function(np.repeat(y, times), np.repeat(y_hat, times))
        assert function(y, y_hat, sample_weight=times) == pytest.approx(repeated, rel=1e-12)


def test_functions_as_metrics_are_averaged_by_rows():
    def largest(y_true, y_pred):
        return np.abs(y_true - y_pred).max()

    metric = get_metric(largest)
    assert metric.name == "largest"
    metric.update([0.0, 0.0, 0.0], [1.0, 2.0, 3.0])
    metric.update([0.0], [7.0])
    assert metric.result() == (3 * 3 + 1 * 7) / 4
    assert get_metric(lambda y_true, y_pred: 0.0).name == "lambda"


def test_own_functions_stream_exactly():
    metric = get_metric(r2)
    assert type(metric) is type(get_metric("r2"))


def test_own_streaming_metric_is_reset():
    class Rows(Metric):
        name = "rows"

        def _add(self, target, output, weights):
            self._total += len(target)

        def _value(self):
            return self._total

    metric = Rows()
    metric.update([1], [1])
    assert get_metric(metric) is metric
    metric.update([1, 2], [1, 2])
    assert metric.result() == 2


def test_threshold_reaches_the_streaming_metric():
    metric = get_metric("accuracy", threshold=0.0)
    metric.update([0, 1], [-0.1, 0.2])
    assert metric.result() == 1.0


def test_result_needs_rows():
    with pytest.raises(RuntimeError, match="r2: expected at least one row"):
        get_metric("r2").result()
    metric = get_metric("accuracy")
    metric.update([1], [1], [0.0])
    with pytest.raises(RuntimeError, match="accuracy: expected at least one row of weight above 0"):
        metric.result()


def test_unknown_metrics():
    with pytest.raises(ValueError, match="unknown metric 'acuracy'; did you mean 'accuracy'"):
        get_metric("acuracy")
    with pytest.raises(TypeError, match="metric: expected a name or a function, got int"):
        get_metric(3)


def test_confusion_matrix_by_hand():
    matrix = confusion_matrix([0, 0, 1, 2, 2, 2], [0, 1, 1, 2, 2, 0])
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]
    assert matrix.dtype == np.int64


def test_confusion_matrix_of_scores_has_all_classes():
    assert confusion_matrix([0, 1, 0, 0], SCORES).tolist() == [[2, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert confusion_matrix(np.eye(3)[[0, 1, 0, 0]], SCORES).tolist() == [[2, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert confusion_matrix([0, 1], [-1.0, -0.5], threshold=0.0).tolist() == [[1, 0], [1, 0]]


def test_confusion_matrix_in_the_order_of_the_classes():
    assert confusion_matrix(["a", "b", "b"], ["a", "a", "b"], ["b", "a"]).tolist() == [[1, 1], [0, 1]]
    assert confusion_matrix([0], [0], [0, 5]).tolist() == [[1, 0], [0, 0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], [0]), r"as many labels as predictions, got shapes \(2,\) and \(1,\)"),
        (([0, 7], [0, 1], [0, 1]), r"label 7 is not among the classes \[0, 1\]"),
        (([0], [0], [0, 0]), "without repeats"),
        (([0], [[math.nan, 1.0]]), "got nan"),
        (([[1, 1]], [[0.2, 1.0]]), "one class per row"),
    ],
)
def test_confusion_matrix_refuses(arguments, message):
    with pytest.raises(ValueError, match=f"confusion_matrix: .*{message}"):
        confusion_matrix(*arguments)
