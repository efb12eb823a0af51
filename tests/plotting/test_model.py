"""Pictures of networks: every layer is there, its lines are those of the graph, and nothing lies on anything."""

import re
from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest

import fastnn as fn
from fastnn.plotting.layers import Box, arrange

SVG = "{http://www.w3.org/2000/svg}"


def chain():
    return fn.Sequential([fn.Dense(8, "relu", name="first"), fn.Dropout(0.2), fn.Dense(3)], input_shape=5, seed=0)


def diamond():
    x = fn.Input(6, name="left_side")
    z = fn.Input(4)
    shared = fn.Dense(6, "tanh", name="shared")
    h = fn.add(shared(x), shared(fn.add(x, shared(x))))
    return fn.Network(inputs=[x, z], outputs=[fn.Dense(2)(fn.concatenate(h, z, x)), fn.Dense(1)(h)], seed=0)


def deep():
    x = h = fn.Input(4)
    kept = []
    for _ in range(8):
        h = fn.Dense(4, "relu")(h)
        kept.append(h)
    return fn.Network(inputs=x, outputs=fn.Dense(1)(fn.concatenate(x, *kept)), seed=0)


def rectangles(svg):
    """(left, top, right, bottom) of the boxes, and the whole picture."""
    root = ElementTree.fromstring(svg)
    found = [
        tuple(float(r.get(k)) for k in ("x", "y", "width", "height")) for r in root.iter(f"{SVG}rect") if r.get("x")
    ]
    return [(x, y, x + w, y + h) for x, y, w, h in found], (float(root.get("width")), float(root.get("height")))


@pytest.mark.parametrize("make", [chain, diamond, deep])
def test_boxes_lie_within_and_beside_each_other(make):
    net = make()
    boxes, (width, height) = rectangles(fn.plot_model(net).svg)
    assert len(boxes) == len(net.input_shapes) + len(net.applications)
    for left, top, right, bottom in boxes:
        assert 0 <= left < right <= width
        assert 0 <= top < bottom <= height
    for i, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[:i]:
            assert right < other[0] or other[2] < left or bottom < other[1] or other[3] < top


@pytest.mark.parametrize("make", [chain, diamond, deep])
def test_words_fit_their_boxes(make):
    root = ElementTree.fromstring(fn.plot_model(make()).svg)
    boxes, _ = rectangles(fn.plot_model(make()).svg)
    for word in root.iter(f"{SVG}text"):
        x, y, half = float(word.get("x")), float(word.get("y")), 7.2 * len(word.text) / 2  # of a monospaced letter
        assert any(l <= x - half and x + half <= r and t < y < b for l, t, r, b in boxes), word.text


@pytest.mark.parametrize("make", [chain, diamond, deep])
def test_lines_are_what_each_layer_reads(make):
    """Following the lines from box to box gives the graph."""
    net, svg = make(), fn.plot_model(make()).svg
    boxes, _ = rectangles(svg)

    def box_at(x, y, edge):
        return next((i for i, b in enumerate(boxes) if b[0] < x < b[2] and abs(b[edge] - y) < 0.2), None)

    steps = []
    for path in ElementTree.fromstring(svg).findall(f"{SVG}path"):
        numbers = [float(n) for n in re.findall(r"-?[\d.]+", path.get("d"))]
        steps.append((tuple(numbers[:2]), tuple(numbers[-2:])))
    found = set()
    for start, end in steps:
        if (source := box_at(*start, 3)) is None:
            continue
        while (target := box_at(*end, 1)) is None:
            end = next(b for a, b in steps if a == end)
        found.add((source, target))
    tensors = {i: i for i in range(len(net.input_shapes))}
    expected = set()
    for number, applied in enumerate(net.applications, start=len(net.input_shapes)):
        expected |= {(tensors[i], number) for i in applied.inputs}
        tensors[applied.output] = number
    assert found == expected


def test_no_line_goes_through_a_box():
    boxes = [Box(("a",), 100)] + [Box((str(i),), 100, [i]) for i in range(5)] + [Box(("z",), 100, [0, 5])]
    rows = arrange(boxes, 20)
    for row in rows:
        for left, right in pairwise(sorted(row, key=lambda i: boxes[i].x)):
            assert boxes[left].x + boxes[left].width / 2 + 20 <= boxes[right].x - boxes[right].width / 2 + 1e-9
    ways = [box for box in boxes if box.kind == "way"]
    assert [box.row for box in ways] == [1, 2, 3, 4, 5]


def test_names_kinds_shapes_and_counts_are_told():
    svg = fn.plot_model(diamond()).svg
    for words in ("left_side", "shared", "Dense, tanh", "42 parameters", "(B, 16)"):
        assert words in svg


def test_files_and_estimators(tmp_path):
    path = tmp_path / "net.svg"
    assert path.write_text("old")
    picture = fn.plot_model(chain(), path)
    assert path.read_text() == picture.svg == picture._repr_svg_()
    fitted = fn.MLPClassifier((4,), max_iter=1, random_state=0)
    with pytest.warns(UserWarning, match="epochs are over"):
        fitted.fit(np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2)
    assert "(B, 3)" in fn.plot_model(fitted).svg
    assert repr(picture).startswith("<ModelPicture of ")


def test_mistakes(tmp_path):
    with pytest.raises(TypeError, match="plot_model: expected a Network or a fitted estimator, got str"):
        fn.plot_model("net")
    with pytest.raises(TypeError, match="expected a Network or a fitted estimator, got MLPClassifier"):
        fn.plot_model(fn.MLPClassifier())
    with pytest.raises(ValueError, match=r"plot_model: expected a path that ends in \.svg, got 'net\.png'"):
        fn.plot_model(chain(), "net.png")
