"""Curves of two classes, groups of inputs, Pipelines and frames: beside scikit-learn and by hand."""

import numpy as np
import pytest
from reporting.test_report import Page

import fastnn as fn
from fastnn.reporting.features import cells, groups_of, source_of
from fastnn.reporting.threshold import curves

pytest.importorskip("matplotlib")
random = np.random.default_rng(5)


@pytest.mark.parametrize("digits", [1, 2, 12])
def test_curves_are_those_of_scikit_learn(digits):
    metrics = pytest.importorskip("sklearn.metrics")
    y = random.integers(0, 2, 300)
    p = np.round(np.clip(0.5 + 0.2 * (y - 0.5) + 0.2 * random.normal(size=300), 0, 1), digits)  # many equal ones
    found = curves(p, y)
    assert found.roc_auc == pytest.approx(metrics.roc_auc_score(y, p), rel=1e-12)
    assert found.average_precision == pytest.approx(metrics.average_precision_score(y, p), rel=1e-12)
    fpr, tpr, thresholds = metrics.roc_curve(y, p, drop_intermediate=False)
    np.testing.assert_allclose(found.thresholds, thresholds[1:])
    np.testing.assert_allclose(found.false_positive_rate, fpr[1:])
    np.testing.assert_allclose(found.recall, tpr[1:])
    precision, _, _ = metrics.precision_recall_curve(y, p)
    np.testing.assert_allclose(found.precision, precision[-2::-1])
    scores = [metrics.f1_score(y, p >= t) for t in found.thresholds]
    np.testing.assert_allclose(found.f1, scores)
    place = found.at(0.5)
    assert found.hits[place] + found.alarms[place] == (p >= 0.5).sum()


def test_ends_of_curves():
    assert curves(np.array([0.2, 0.7]), np.array([1, 1])) is None
    assert curves(np.array([0.2, 0.7]), np.array([0, 0])) is None
    found = curves(np.array([0.2, 0.3]), np.array([0, 1]))
    assert found.at(0.5) is None
    assert (found.roc_auc, found.average_precision, found.thresholds[found.best]) == (1, 1, 0.3)


def two_classes(width=3):
    X = random.normal(size=(200, width))
    y = (X[:, 0] + random.normal(size=200) > 0).astype(int)
    net = fn.Sequential([fn.Dense(2)], input_shape=width, seed=0)
    net.fit(X, y, epochs=10, loss="cross_entropy", optimizer=fn.Adam(0.05), verbose=0)
    return net, X, y


def test_a_report_of_two_classes(tmp_path):
    metrics = pytest.importorskip("sklearn.metrics")
    net, X, y = two_classes()
    found = fn.report(net, tmp_path / "r.html", X, y, classes=["no", "yes"], verbose=0)
    z = net.predict(X).astype(np.float64)
    p = 1 / (1 + np.exp(z[:, 0] - z[:, 1]))
    assert found.scores["roc_auc"] == pytest.approx(metrics.roc_auc_score(y, p), rel=1e-9)
    assert found.scores["average_precision"] == pytest.approx(metrics.average_precision_score(y, p), rel=1e-9)
    page = Page(found.path)
    assert page.score("area under the ROC curve") == f"{found.scores['roc_auc']:.4f}"
    half, best = page.tables["Thresholds of yes"][1:]
    said = p >= 0.5
    assert half[1:4] == [
        f"{score(y, said):.3f}" for score in (metrics.precision_score, metrics.recall_score, metrics.f1_score)
    ]
    assert best[3] == f"{max(metrics.f1_score(y, p >= t) for t in p):.3f}"
    assert any(label.startswith("ROC and precision-recall curve") for label in page.labels)


def test_one_class_alone_has_no_curves(tmp_path):
    net, X, _ = two_classes()
    found = fn.report(net, tmp_path / "r.html", X, np.zeros(200, int), verbose=0)
    assert "roc_auc" not in found.scores
    assert "Threshold" not in Page(found.path).text


def test_the_most_wrong_rows_show_their_inputs(tmp_path):
    net, X, y = two_classes(15)
    names = [f"feature {j}" for j in range(15)]
    page = Page(fn.report(net, tmp_path / "r.html", X, y, feature_names=names, rows=4, verbose=0).path)
    (answers,) = (rows for caption, rows in page.tables.items() if "answered wrong" in caption)
    inputs = page.tables["Their inputs, the first 12 of 15"]
    assert inputs[0] == ["row", *names[:12]]
    assert [row[0] for row in inputs[1:]] == [row[0] for row in answers[1:]]
    for row in inputs[1:]:
        assert row[1:] == [f"{v:.5g}" for v in X[int(row[0]), :12]]


def test_columns_of_one_category_are_shuffled_together(tmp_path):
    category = random.integers(0, 3, 300)
    X = np.column_stack([random.normal(size=300), np.eye(3)[category]])
    y = np.array([0.0, 2.0, 5.0])[category]
    net = fn.Sequential([fn.Dense(1)], input_shape=4, seed=0)
    net.fit(X, y, epochs=60, loss="squared_error", optimizer=fn.Adam(0.05), verbose=0)
    names = ["age", "colour=red", "colour=green", "colour=blue"]
    page = Page(fn.report(net, tmp_path / "r.html", X, y, feature_names=names, verbose=0).path)
    rows = page.tables["The 2 most important inputs"][1:]
    assert [row[0] for row in rows] == ["colour", "age"]
    assert float(rows[0][1]) == pytest.approx(2 * y.var(), rel=0.25)  # of two independent draws
    assert "Inputs that were made of one column are shuffled together." in page.text


def test_groups_by_name():
    assert groups_of(["a", "b=1", "b=2", "c"], None) == {"a": [0], "b": [1, 2], "c": [3]}
    names = ["scale__age", "one__colour_red", "one__colour_blue", "one__colour_name_x", "pca0"]
    found = groups_of(names, ["age", "colour", "colour_name"])
    assert found == {"age": [0], "colour": [1, 2], "colour_name": [3], "pca0": [4]}


def test_groups_of_the_importance_by_hand():
    """Both columns carry the same: shuffled alone each keeps half, together all is lost."""
    x = random.normal(size=400)
    X = np.column_stack([x, x, random.normal(size=400)])
    net = fn.Sequential([fn.Dense(1, bias=False)], input_shape=3, seed=0, dtype="float64")
    net.compile("squared_error")
    net.params[:] = [1, 1, 0]
    alone = fn.permutation_importance(net, X, 2 * x, repeats=20)
    found = fn.permutation_importance(net, X, 2 * x, groups=[[0, 1], [2]], repeats=20)
    assert alone.values[0] == pytest.approx(2 * x.var(), rel=0.1)
    assert found.values.tolist() == pytest.approx([8 * x.var(), 0], rel=0.1)
    one_by_one = fn.permutation_importance(net, X, 2 * x, groups=[[0], [1], [2]], repeats=20)
    np.testing.assert_array_equal(one_by_one.values, alone.values)


@pytest.mark.parametrize(("groups", "error"), [
    ([[0, 1], [1]], ValueError), ([[0], []], ValueError), ([[3]], ValueError), ([[-1]], ValueError), ([], ValueError),
    ([0, 1], TypeError), (3, TypeError), ([["a"]], TypeError),
])  # fmt: skip
def test_groups_that_are_none(groups, error):
    net, X, y = two_classes()
    with pytest.raises(error, match="permutation_importance: expected groups"):
        fn.permutation_importance(net, X, y, groups=groups)


def test_a_pipeline_over_a_frame(tmp_path):
    pandas = pytest.importorskip("pandas")
    compose, pipeline, preprocessing = (
        pytest.importorskip(f"sklearn.{name}") for name in ("compose", "pipeline", "preprocessing")
    )
    frame = pandas.DataFrame({"age": random.normal(40, 10, 200), "colour": random.choice(["red", "blue", "grey"], 200)})
    y = np.where((frame["colour"] == "red") ^ (random.uniform(size=200) < 0.03), "yes", "no")
    columns = compose.make_column_transformer(
        (preprocessing.StandardScaler(), ["age"]), (preprocessing.OneHotEncoder(), ["colour"])
    )
    classifier = fn.MLPClassifier((8,), learning_rate_init=0.05, max_iter=1000, random_state=0)
    model = pipeline.make_pipeline(columns, classifier).fit(frame, y)
    found = fn.report(model, tmp_path / "r.html", frame, y, rows=3, verbose=0)
    assert found.scores["accuracy"] == pytest.approx(model.score(frame, y), rel=1e-12)
    page = Page(found.path)
    assert [row[0] for row in page.tables["The 2 most important inputs"][1:]] == ["colour", "age"]
    head, *rows = page.tables["Their inputs"]
    assert head == ["row", "age", "colour"]
    for row in rows:
        assert row[1:] == [f"{frame['age'][int(row[0])]:.5g}", frame["colour"][int(row[0])]]


def test_a_pipeline_of_an_estimator_alone_and_frames_of_numbers(tmp_path):
    pandas = pytest.importorskip("pandas")
    pipeline = pytest.importorskip("sklearn.pipeline")
    frame = pandas.DataFrame({"u": random.normal(size=90), "v": random.normal(size=90)})
    y = (2 * frame["u"]).to_numpy()
    model = fn.MLPRegressor(hidden_layer_sizes=(8,), max_iter=5, random_state=0)
    with pytest.warns(UserWarning, match="epochs are over"):
        model.fit(frame, y)
    plain = fn.report(model, tmp_path / "r.html", frame, y, verbose=0)
    assert plain.scores["r2"] == pytest.approx(model.score(frame, y), rel=1e-6)
    assert {row[0] for row in Page(plain.path).tables["The 2 most important inputs"][1:]} == {"u", "v"}
    whole = fn.report(pipeline.make_pipeline(model), tmp_path / "p.html", frame, y, verbose=0)
    assert whole.scores == plain.scores


def test_rows_as_the_user_has_them():
    source = source_of(None, np.array([[1.23456789, 2], [3, 4]]))
    assert cells(source, np.array([1, 0]), None, 12) == (["input 0", "input 1"], [["3", "1.2346"], ["4", "2"]])


def test_no_panel_is_empty():
    """Shares of dead and saturated units are drawn only where there are some."""
    net, X, y = two_classes()
    flow = fn.gradient_flow(net, X, y)
    assert len(fn.plot_gradient_flow(flow).axes) == 1
    dead = fn.Sequential([fn.Dense(4, "relu"), fn.Dense(2)], input_shape=3, seed=0)
    dead.compile("cross_entropy")
    dead.layers[0].bias[...] = -100
    figure = fn.plot_gradient_flow({"dead": fn.gradient_flow(dead, X, y), "none": flow})
    assert len(figure.axes) == 4
