"""The report: a whole page whose numbers are NumPy's, with nothing in it that the user did not mean."""

import builtins
import re
import warnings
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import fastnn as fn

pytest.importorskip("matplotlib")
random = np.random.default_rng(3)
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """Tags balanced, tables as lists of texts by caption, figures, and the text that a reader sees."""

    def __init__(self, path):
        super().__init__()
        self.open, self.tables, self.labels, self.ids, self.words = [], {}, [], [], []
        self.rows, self.caption, self.tags = [], "", set()
        self.source = Path(path).read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert self.open == []
        assert len(self.ids) == len(set(self.ids))
        self.text = " ".join("".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.add(tag)
        if tag not in VOID:
            self.open.append(tag)
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "svg":
            assert given["role"] == "img"
            self.labels.append(given["aria-label"])
        if tag == "table":
            self.rows, self.caption = [], ""
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attributes):
        if "id" in (given := dict(attributes)):
            self.ids.append(given["id"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "table":
            self.tables[self.caption] = self.rows

    def handle_data(self, data):
        if "style" in self.open:
            return
        self.words.append(data)
        if "caption" in self.open:
            self.caption += data
        elif self.open and self.open[-1] in ("th", "td"):
            self.rows[-1][-1] += data

    def score(self, name):
        """The figure of that name among the first ones."""
        return re.search(rf"<dt>{re.escape(name)}</dt><dd>([^<]*)</dd>", self.source)[1]


@pytest.fixture
def undrawn(monkeypatch):
    """Pictures are made but not drawn: most of the time goes there."""
    monkeypatch.setattr(
        "fastnn.reporting.sections.svg", lambda figure, name, alt: f'<svg role="img" aria-label="{escape(alt)}"></svg>'
    )


def classifier(classes=3, **layer):
    net = fn.Sequential([fn.Dense(6, "tanh"), fn.Dense(classes, **layer)], input_shape=4, seed=0)
    X = random.normal(size=(200, 4))
    y = np.argmax(X[:, :3] + 0.8 * random.normal(size=(200, 3)), axis=1)
    net.fit(X, y, epochs=20, loss="cross_entropy", optimizer=fn.Adam(0.02), validation_data=(X[:50], y[:50]))
    return net, X, y


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def twin_of_calibration(p, y, bins=15):
    """Expected calibration error, one row after the other."""
    groups = {}
    for row, label in zip(p, y, strict=True):
        place = next(i for i in range(bins) if row.max() <= (i + 1) / bins or i == bins - 1)
        groups.setdefault(place, []).append((row.max(), row.argmax() == label))
    return sum(abs(sum(right for _, right in g) - sum(sure for sure, _ in g)) for g in groups.values()) / len(y)


def test_numbers_of_a_classification(tmp_path, undrawn):
    net, X, y = classifier()
    before = net.params.copy()
    found = fn.report(net, tmp_path / "r.html", X, y, classes=["cat", "dog", "owl"], title="Pets")
    p = softmax(net.predict(X).astype(np.float64))
    said = p.argmax(axis=1)
    counts = np.array([[np.sum((y == i) & (said == j)) for j in range(3)] for i in range(3)])
    precision, recall = np.diag(counts) / counts.sum(axis=0), np.diag(counts) / counts.sum(axis=1)
    f1 = 2 * precision * recall / (precision + recall)
    assert found.task == "classification"
    assert found.scores["accuracy"] == pytest.approx((said == y).mean(), rel=1e-12)
    assert found.scores["most_frequent"] == pytest.approx(np.bincount(y).max() / 200, rel=1e-12)
    assert found.scores["macro_f1"] == pytest.approx(f1.mean(), rel=1e-12)
    assert found.scores["calibration_error"] == pytest.approx(twin_of_calibration(p, y), rel=1e-9)
    assert found.scores["loss"] == pytest.approx(-np.log(p[np.arange(200), y]).mean(), rel=1e-5)
    page = Page(found.path)
    assert page.score("accuracy") == f"{(said == y).mean():.2%}"
    assert page.score("calibration error") == f"{twin_of_calibration(p, y):.4f}"
    head, *rows = page.tables["Confusion matrix"]
    assert head == ["", "cat", "dog", "owl"]
    assert [row[0] for row in rows] == ["cat", "dog", "owl"]
    assert [[int(cell or 0) for cell in row[1:]] for row in rows] == counts.tolist()
    for i, row in enumerate(page.tables["By class"][1:]):
        assert row[1:] == [*(f"{value[i]:.3f}" for value in (precision, recall, f1)), str((y == i).sum())]
    wrong = np.flatnonzero(said != y)
    order = wrong[np.argsort(p[wrong, y[wrong]])][:10]
    (listed,) = (rows for caption, rows in page.tables.items() if "answered wrong" in caption)
    assert [int(row[0]) for row in listed[1:]] == order.tolist()
    assert [row[4] for row in listed[1:]] == [f"{v:.3f}" for v in p[order, y[order]]]
    assert np.array_equal(net.params, before)


def test_the_page_is_whole_and_stands_alone(tmp_path):
    net, X, y = classifier()
    page = Page(fn.report(net, tmp_path / "r.html", X, y, shape=(2, 2)).path)
    assert page.source.startswith("<!DOCTYPE html>")
    assert {"script", "link", "iframe", "img"}.isdisjoint(page.tags)
    assert not re.search(r"https?:|//|@import|url\((?!#)", re.sub(r"data:image/png;base64,[^\"]*", "", page.source))
    names = [label.split()[0] for label in page.labels]
    assert names == ["Calibration", "The", "Learning", "Norms", "Histograms", "Importance"]
    for anchor in re.findall(r'href="#([^"]*)"', page.source) + re.findall(r"url\(#([^)]*)\)", page.source):
        assert anchor in page.ids
    assert "<title>r</title>" in page.source
    for what in ("Adam(learning_rate=0.02)", "CrossEntropy()", "epochs 20", f"NumPy {np.__version__}", "seed 0"):
        assert what in re.sub(r"(epochs|seed)(\d)", r"\1 \2", page.text)
    layers = page.tables["Sequential: 51 parameters, 204 bytes"]
    assert [row[0] for row in layers[1:]] == ["input", "dense_1", "dense_2"]
    assert [row[4] for row in layers[1:]] == ["0", "30", "21"]
    assert "var(--blue)" in page.source  # the page's colours, light or dark
    assert "#1f5fa8" not in page.source.split("</style>", 1)[1]


def test_what_users_write_is_no_markup(tmp_path):
    bad = "<script>alert('a&b')</script>"
    net, X, y = classifier()
    names = [bad, 'b"c', "a$b$c", "--><svg>"]
    page = Page(fn.report(net, tmp_path / "r.html", X, y, classes=[bad, "x", "y"], feature_names=names, title=bad).path)
    assert "script" not in page.tags
    assert page.source.count("<svg") == len(page.labels) == 5
    assert page.tables["Confusion matrix"][0][1] == bad
    assert f"<h1>{bad}</h1>" not in page.source
    for name in names:
        assert name in page.text


def test_numbers_of_a_regression(tmp_path):
    X = random.normal(size=(300, 3))
    y = np.stack([100 + 20 * X[:, 0], 5 - X[:, 1] ** 2], axis=1)
    scaler = fn.Standardizer().fit(y)
    z = scaler.transform(y)
    net = fn.Sequential([fn.Dense(8, "tanh"), fn.Dense(2)], input_shape=3, seed=0)
    net.fit(X, z, epochs=20, loss="squared_error", optimizer=fn.Adam(0.02))
    found = fn.report(net, tmp_path / "r.html", X, z, standardizer=scaler, rows=4)
    said = net.predict(X).astype(np.float64) * y.std(axis=0) + y.mean(axis=0)
    error = said - y
    assert found.task == "regression"
    r2 = np.mean(1 - (error**2).sum(axis=0) / ((y - y.mean(axis=0)) ** 2).sum(axis=0))
    assert found.scores["r2"] == pytest.approx(r2, rel=1e-5)
    assert found.scores["mean_absolute_error"] == pytest.approx(np.abs(error).mean(), rel=1e-5)
    assert found.scores["root_mean_squared_error"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)
    page = Page(found.path)
    assert page.score("R²") == f"{r2:.4f}"
    (listed,) = (rows for caption, rows in page.tables.items() if caption.startswith("The rows of largest error"))
    size = np.abs(error) / y.std(axis=0)
    order = np.argsort(-size.max(axis=1))[:4]
    assert [int(row[0]) for row in listed[1:]] == order.tolist()
    assert [int(row[1]) for row in listed[1:]] == (size[order].argmax(axis=1) + 1).tolist()
    assert page.labels[0].startswith(f"Errors from {error.min():.4g} to {error.max():.4g}, mean ")


def test_rates_of_poisson_are_shown_as_rates(tmp_path, undrawn):
    X, y = random.normal(size=(80, 2)), random.poisson(3.0, size=80)
    net = fn.Sequential([fn.Dense(1)], input_shape=2, seed=0)
    net.compile("poisson")
    found = fn.report(net, tmp_path / "r.html", X, y)
    said = np.exp(net.predict(X)[:, 0].astype(np.float64))
    assert found.scores["mean_absolute_error"] == pytest.approx(np.abs(said - y).mean(), rel=1e-6)


@pytest.mark.parametrize("activation", [None, "sigmoid"])
def test_a_single_output_is_two_classes(tmp_path, undrawn, activation):
    X = random.normal(size=(150, 3))
    y = (X[:, 0] + 0.5 * random.normal(size=150) > 0).astype(int)
    net = fn.Sequential([fn.Dense(1, activation)], input_shape=3, seed=0)
    net.fit(X, y, epochs=10, loss="binary_cross_entropy", optimizer=fn.Adam(0.1))
    found = fn.report(net, tmp_path / "r.html", X, y)
    out = net.predict(X)[:, 0].astype(np.float64)
    yes = out if activation else 1 / (1 + np.exp(-out))
    assert found.scores["accuracy"] == pytest.approx(((yes > 0.5) == y).mean(), rel=1e-12)
    expected = twin_of_calibration(np.stack([1 - yes, yes], axis=1), y)
    assert found.scores["calibration_error"] == pytest.approx(expected, rel=1e-9)


def test_scores_without_probabilities_are_not_calibrated(tmp_path, undrawn):
    net, X, y = classifier()
    net.compile("hinge")
    found = fn.report(net, tmp_path / "r.html", X, y)
    assert "calibration_error" not in found.scores
    assert "nothing to calibrate" in Page(found.path).text
    signs = fn.report(net, tmp_path / "r.html", X, 2 * np.eye(3)[y] - 1)  # -1 for the other classes
    assert signs.scores["accuracy"] == found.scores["accuracy"]
    onehot = np.eye(3)[y]
    net.compile("squared_error")
    assert fn.report(net, tmp_path / "r.html", X, onehot).task == "regression"
    found = fn.report(net, tmp_path / "r.html", X, onehot, classes=["a", "b", "c"])
    assert found.scores["accuracy"] == pytest.approx((net.predict(X).argmax(axis=1) == y).mean(), rel=1e-12)


def test_one_hot_rows_are_labels(tmp_path, undrawn):
    net, X, y = classifier(activation="softmax")
    one, two = (fn.report(net, tmp_path / "r.html", X, t).scores for t in (y, np.eye(3)[y]))
    assert two == pytest.approx(one, rel=1e-6)


def test_many_classes(tmp_path):
    X, y = random.normal(size=(400, 5)), random.integers(0, 70, 400)
    net = fn.Sequential([fn.Dense(70)], input_shape=5, seed=0)
    net.compile("cross_entropy")
    said = net.predict(X).argmax(axis=1)
    y[:300] = said[:300]  # what is right is no confusion
    page = Page(fn.report(net, tmp_path / "r.html", X, y).path)
    assert page.labels[0].startswith("Confusion matrix of 70 classes")
    counts = np.zeros((70, 70), int)
    np.add.at(counts, (y, said), 1)
    np.fill_diagonal(counts, 0)
    listed = page.tables["The 20 most frequent confusions"][1:]
    assert [int(row[2]) for row in listed] == sorted(counts.ravel().tolist(), reverse=True)[:20]
    assert all(counts[int(row[0]), int(row[1])] == int(row[2]) for row in listed)
    assert len(page.tables["The 60 classes of lowest F1, of 70"]) == 61


def test_an_estimator_with_names_for_classes(tmp_path, undrawn):
    net, X, y = classifier()
    names = np.array(["owl", "cat", "dog"])  # in any order
    model = SimpleNamespace(network_=net, classes_=names)
    found = fn.report(model, tmp_path / "r.html", X, names[y])
    assert found.scores["accuracy"] == pytest.approx((net.predict(X).argmax(axis=1) == y).mean(), rel=1e-12)
    assert Page(found.path).tables["Confusion matrix"][0][1:] == [*names]
    for labels in (["owl", "yak"], np.array(["owl", "yak"], dtype=object)):
        with pytest.raises(ValueError, match="report: label 'yak' is not among the classes"):
            fn.report(model, tmp_path / "r.html", X[:2], labels)
    with pytest.raises(ValueError, match="report: expected one label per row"):
        fn.report(model, tmp_path / "r.html", X[:2], np.eye(2))


def table_of(rows=600):
    """A frame of several dtypes, more rows than are drawn for gradients, and targets."""
    pd = pytest.importorskip("pandas")
    draws = np.random.default_rng(5)
    frame = pd.DataFrame({
        "size": draws.normal(50, 100, rows), "left": draws.normal(size=rows) > 0, "count": draws.integers(0, 5, rows),
    })  # fmt: skip
    return frame, (frame["size"] / 100 + frame["left"]).to_numpy()


@pytest.mark.parametrize("encode", [None, "auto"])
def test_estimators_are_judged_by_what_they_answer_to_a_frame(tmp_path, undrawn, encode):
    pa = pytest.importorskip("pyarrow")
    frame, y = table_of()
    model = fn.MLPRegressor(hidden_layer_sizes=(4,), max_iter=30, random_state=0, tol=0, encode=encode)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged
        model.fit(frame, y)
    error = y - model.predict(frame)
    for X in (frame, pa.table(frame)) if encode is None else (frame,):
        found = fn.report(model, tmp_path / "r.html", X, y)
        assert found.scores["r2"] == pytest.approx(1 - (error**2).sum() / ((y - y.mean()) ** 2).sum(), rel=1e-6)
        (listed,) = (rows for caption, rows in Page(found.path).tables.items() if caption == "Their inputs")
        assert listed[0] == ["row", *frame.columns]
        worst = np.argsort(-np.abs(error), kind="stable")[0]
        assert listed[1][2:] == [str(frame["left"][worst]), str(frame["count"][worst])]
    if encode is None:
        with pytest.raises(ValueError, match="same order"):
            fn.report(model, tmp_path / "r.html", frame[["left", "size", "count"]], y)


def test_networks_are_judged_by_frames_and_sparse_rows(tmp_path, undrawn):
    sparse = pytest.importorskip("scipy.sparse")
    frame, y = table_of()
    net = fn.Sequential([fn.Dense(4, "relu"), fn.Dense(1)], input_shape=3, seed=0)
    net.fit(frame, y, loss="squared_error", optimizer="adam", verbose=0)
    plain = frame.astype(float).to_numpy()
    expected = ((net.predict(plain)[:, 0] - y) ** 2).mean()
    for X in (frame, sparse.csr_array(plain)):
        assert fn.report(net, tmp_path / "r.html", X, y).scores["loss"] == pytest.approx(expected, rel=1e-4)
    with pytest.raises(ValueError, match="same order"):
        fn.report(net, tmp_path / "r.html", frame[["left", "size", "count"]], y)


def test_nothing_was_answered_wrong_and_nothing_was_learned(tmp_path, undrawn):
    net = fn.Sequential([fn.Dense(2, bias=False, kernel_initializer="zeros")], input_shape=2, seed=0)
    net.compile("cross_entropy")
    net.params[:] = [5, -5, 0, 0]
    page = Page(fn.report(net, tmp_path / "r.html", [[1.0, 0.0], [-1.0, 0.0]], [0, 1]).path)
    assert "All 2 rows were answered right." in page.text
    assert "There is no history" in page.text


def test_importance_is_left_out_where_it_takes_long(tmp_path, undrawn, monkeypatch):
    monkeypatch.setattr("fastnn.reporting.sections.IMPORTANCE_WORK", 100)
    net, X, y = classifier()
    page = Page(fn.report(net, tmp_path / "r.html", X, y).path)
    assert "Left out: shuffling 4 inputs in turn takes long here." in page.text


def test_several_inputs(tmp_path, undrawn):
    a, b = fn.Input(2), fn.Input(3)
    net = fn.Network([a, b], fn.Dense(1)(fn.concatenate(a, b)), seed=0)
    net.compile("squared_error")
    X = [random.normal(size=(600, 2)), random.normal(size=(600, 3))]
    page = Page(fn.report(net, tmp_path / "r.html", X, X[0][:, 0]).path)
    assert "The network has several inputs" in page.text


def test_an_old_page_stays_until_the_new_one_is_whole(tmp_path, undrawn, monkeypatch):
    path = tmp_path / "r.html"
    path.write_text("old")
    net, X, y = classifier()

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="No space left"):
        fn.report(net, path, X, y)
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]


def diverged(net):
    net.params[0] = np.inf
    return net


MISTAKES = [
    (TypeError, "expected a Network or a fitted estimator, got str", lambda n, X, y: (("n", X, y), {})),
    (TypeError, "standardizer to be a Standardizer, got int", lambda n, X, y: ((n, X, y), {"standardizer": 3})),
    (ValueError, "expected 3 classes, as many as the network tells apart, got 2",
     lambda n, X, y: ((n, X, y), {"classes": ["a", "b"]})),
    (TypeError, "expected classes to be a list of names, got 'abc'",
     lambda n, X, y: ((n, X, y), {"classes": "abc"})),
    (ValueError, "expected 4 feature_names, one for each element of an input, got 1",
     lambda n, X, y: ((n, X, y), {"feature_names": ["a"]})),
    (TypeError, "expected classes to be a list of names, got 3", lambda n, X, y: ((n, X, y), {"classes": 3})),
    (TypeError, "expected feature_names to be a list of names, got 3",
     lambda n, X, y: ((n, X, y), {"feature_names": 3})),
    (ValueError, "report: expected targets y, got None", lambda n, X, y: ((n, X, None), {})),
    (ValueError, r"expected a shape \(H, W\) of 4 elements", lambda n, X, y: ((n, X, y), {"shape": (3, 2)})),
    (TypeError, "expected history to be a History, got dict", lambda n, X, y: ((n, X, y), {"history": {}})),
    (TypeError, "expected title to be a text, got 3", lambda n, X, y: ((n, X, y), {"title": 3})),
    (ValueError, "expected rows", lambda n, X, y: ((n, X, y), {"rows": 0})),
    (ValueError, "expected verbose to be 'auto', 0 or 1, got 7", lambda n, X, y: ((n, X, y), {"verbose": 7})),
    (ValueError, "NaN", lambda n, X, y: ((diverged(n), X, y), {})),
]  # fmt: skip


@pytest.mark.parametrize(("error", "message", "call"), MISTAKES)
def test_mistakes(tmp_path, undrawn, error, message, call):
    net = fn.Sequential([fn.Dense(3)], input_shape=4, seed=0)
    net.compile("cross_entropy")
    (model, X, y), options = call(net, random.normal(size=(10, 4)), random.integers(0, 3, 10))
    with pytest.raises(error, match=message):
        fn.report(model, tmp_path / "r.html", X, y, **options)
    assert [*tmp_path.iterdir()] == []


def test_networks_that_are_refused(tmp_path):
    X, path = np.ones((4, 2)), tmp_path / "r.html"
    net = fn.Sequential([fn.Dense(3)], input_shape=2, seed=0)
    with pytest.raises(RuntimeError, match="report: expected a compiled network"):
        fn.report(net, path, X, [0, 1, 2, 0])
    net.compile("binary_cross_entropy")
    with pytest.raises(ValueError, match="report: expected one class per row, got a network of 3 yes-or-no outputs"):
        fn.report(net, path, X, np.ones((4, 3)))
    with pytest.raises(ValueError, match="targets with one class per row"):
        fn.report(net, path, X, np.ones((4, 3)), classes=["a", "b", "c"])
    steps = fn.Sequential([fn.SimpleRNN(3, return_sequences=True)], input_shape=(5, 2), seed=0)
    steps.compile("squared_error")
    with pytest.raises(ValueError, match=r"report: expected a network with one output \(B, O\), got \(B, 5, 3\)"):
        fn.report(steps, path, np.ones((4, 5, 2)), np.ones((4, 5, 3)))
    with pytest.raises(FileNotFoundError, match="report: expected a path in a folder that exists"):
        fn.report(net, tmp_path / "no" / "r.html", X, np.ones((4, 3)))
    with pytest.raises(TypeError, match="report: expected path to be a text or a path, got int"):
        fn.report(net, 3, X, np.ones((4, 3)))


def test_without_matplotlib(tmp_path, monkeypatch):
    usual = builtins.__import__

    def refuse(name, *arguments, **options):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return usual(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", refuse)
    net, X, y = classifier()
    with pytest.raises(ImportError, match=r'report needs matplotlib: pip install "fastnn\[plot\]"'):
        fn.report(net, tmp_path / "r.html", X, y)
    assert [*tmp_path.iterdir()] == []


def images_classifier(*layers, channels=1, outputs=3):
    net = fn.Sequential([*layers, fn.Flatten(), fn.Dense(outputs)], input_shape=(5, 6, channels), seed=0)
    X, y = random.normal(size=(30, 5, 6, channels)), np.repeat([2, 0, 1], [4, 6, 20])
    net.compile("cross_entropy" if outputs > 1 else "squared_error")
    return net, X, y


def test_what_a_network_for_images_looks_at(tmp_path, undrawn):
    layers = fn.Conv2D(40, 3, "relu", name="windows"), fn.MaxPool2D(2), fn.Conv2D(4, 3, "relu", name="last")
    for channels, words in ((1, "Red weights want light"), (3, "Colours about grey")):
        net, X, y = images_classifier(*layers, channels=channels)
        before = net.params.copy()
        page = Page(fn.report(net, tmp_path / "r.html", X, y).path)
        assert "What it looks at" in page.text
        assert f"What windows compares each window of an image with. {words}" in page.text
        assert "in rows 0, 4, 10, the first of its class each: saliency" in page.text
        assert "bright where the maps of last speak for it" in page.text
        assert "The first 32 of 40 filters of windows, as small images." in page.labels
        assert "Rows 0, 4, 10 as images, beside maps of saliency and Grad-CAM." in page.labels
        assert np.array_equal(net.params, before)


def test_what_networks_without_small_filters_look_at(tmp_path, undrawn):
    net, X, y = images_classifier(channels=2)
    page = Page(fn.report(net, tmp_path / "r.html", X, y).path)
    assert "Rows 0, 4, 10 as images, beside maps of saliency." in page.labels
    assert "Grad-CAM" not in page.text
    net, X, _ = images_classifier(fn.Conv2D(2, 3, name="maps"), channels=2, outputs=1)
    page = Page(fn.report(net, tmp_path / "r.html", X, X.mean(axis=(1, 2, 3))).path)
    assert "in rows 0, 1, 2, 3, 4, the first ones: saliency" in page.text
    assert "compares each window" not in page.text  # filters of two channels are no pictures
    net, X, y = classifier()
    assert "What it looks at" not in Page(fn.report(net, tmp_path / "r.html", X, y).path).text
