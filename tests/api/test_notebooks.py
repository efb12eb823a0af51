"""What notebooks show of objects: well-formed, escaped, with what their text says."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

import fastnn as fn

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(40, 3)), np.arange(40) % 2
NAME = "hidden"


def network():
    return fn.Sequential([fn.Dense(4, "tanh", name=NAME), fn.Dense(2)], input_shape=3, seed=0)


def fitted_history(epochs, validation=True):
    net = network()
    held = (X[30:], Y[30:]) if validation else None
    return net.fit(X, Y, epochs=epochs, loss="cross_entropy", metrics=["accuracy"], validation_data=held, verbose=0)


def rows(html):
    """The cells of every row of every table, as texts."""
    root = ElementTree.fromstring(html)
    return [[cell.text or "" for cell in row] for row in root.iter("tr")]


def test_network():
    net = network()
    found = rows(net._repr_html_())
    assert found[0] == ["layer", "type", "reads", "output", "parameters"]
    assert found[2] == [NAME, "Dense", "input", "(B, 4)", "16"]
    assert "26 parameters, 104 bytes" in net._repr_html_()
    assert [row[0] for row in found[1:]] == [line.split()[0] for line in net.summary().splitlines()[3:-2]]


def test_quantised_network():
    net = network().quantized("int8")
    found = rows(net._repr_html_())
    assert found[2][:5] == [NAME, "Dense", "input", "(B, 4)", "int8"]
    assert net.summary().splitlines()[-1] in net._repr_html_()


@pytest.mark.parametrize(("epochs", "lines"), [(1, 1), (3, 3), (8, 5)])
def test_history(epochs, lines):
    history = fitted_history(epochs)
    html = history._repr_html_()
    found = rows(html)
    assert found[0] == ["epoch", *history]
    assert [int(row[0]) for row in found[1:]] == history.epochs[-lines:]
    assert found[-1][1] == f"{history.loss[-1]:.4g}"
    root = ElementTree.fromstring(html)
    drawn = list(root.iter("{http://www.w3.org/2000/svg}polyline"))
    assert [len(line.get("points").split()) for line in drawn] == [epochs, epochs]


def test_history_of_nothing_and_of_what_is_no_number():
    assert "no epochs" in fn.History()._repr_html_()
    history = fn.History()
    history.append(1, loss=float("nan"))
    assert rows(history._repr_html_())[-1] == ["1", "-"]
    history.append(2, loss=0.0)
    history.append(3, loss=-1.0)
    assert "polyline" in history._repr_html_()


def test_lines_end_where_the_values_say():
    history = fn.History()
    for epoch, loss in enumerate((100.0, 10.0, 1.0), start=1):
        history.append(epoch, loss=loss)
    points = re.search(r'points="([^"]*)"', history._repr_html_())[1].split()
    x, y = np.array([[float(n) for n in point.split(",")] for point in points]).T
    np.testing.assert_allclose(np.diff(x), (460 - 62 - 12) / 2)
    np.testing.assert_allclose(np.diff(y), (190 - 26 - 24) / 2)  # logarithmic: equal factors, equal steps


def test_estimators():
    model = fn.MLPClassifier((4,), max_iter=2, random_state=0)
    assert "MLPClassifier(" in model._repr_html_()
    assert rows(model._repr_html_()) == []
    with pytest.warns(UserWarning, match="epochs are over"):
        model.fit(X, Y)
    assert [row[1] for row in rows(model._repr_html_())[1:]] == ["Input", "Dense", "Dense"]


def test_table(tmp_path):
    pytest.importorskip("pandas")
    path = tmp_path / "t.csv"
    wide = [f"x{i}" for i in range(20)]
    lines = [",".join(["<y>", *wide])] + [",".join([str(i), *(str(i * 10 + j) for j in range(20))]) for i in range(7)]
    path.write_text("\n".join(lines))
    found = rows(fn.read_table(path, "<y>")._repr_html_())
    assert found[0] == ["row", "<y>", *wide[:12]]
    assert len(found) == 6
    assert found[3][:3] == ["2", "2", "20"]
    assert "7 rows and 20 features, the first 12" in fn.read_table(path, "<y>")._repr_html_()
    assert rows(fn.read_table(path, None)._repr_html_())[0][:3] == ["row", "<y>", "x0"]


def test_report(tmp_path):
    pytest.importorskip("matplotlib")
    net = network()
    net.fit(X, Y, epochs=1, loss="cross_entropy", verbose=0)
    found = fn.report(net, tmp_path / "a&b.html", X, Y, verbose=0)
    html = found._repr_html_()
    assert ["accuracy", f"{found.scores['accuracy']:.4g}"] in rows(html)
    assert ElementTree.fromstring(html).find(".//a").get("href") == (tmp_path / "a&b.html").as_uri()
