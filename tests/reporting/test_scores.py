"""Scores by hand, and elements of a page that escape what they are given."""

import numpy as np
import pytest

from fastnn.markup.html import Html, element, table
from fastnn.metrics.calibration import calibration
from fastnn.reporting.page import matrix
from fastnn.reporting.scores import class_scores


def test_calibration_by_hand():
    """Bins (0, 1/2] and (1/2, 1]: 2 of the 3 that are 0.5, 0.75, 1 sure fall into the second."""
    found = calibration(np.array([[0.5, 0.5], [0.75, 0.25], [0.0, 1.0], [0.25, 0.75]]), np.array([1, 0, 1, 0]), bins=2)
    assert found.counts.tolist() == [1, 3]
    assert found.confidence.tolist() == pytest.approx([0.5, 2.5 / 3])
    assert found.accuracy.tolist() == pytest.approx([0, 2 / 3])
    assert found.error == pytest.approx((0.5 + abs(2 - 2.5)) / 4)


def test_classes_that_do_not_occur():
    found = class_scores(np.array([[3, 1, 0], [0, 0, 0], [2, 0, 0]]))
    np.testing.assert_array_equal(found.precision, [3 / 5, 0, np.nan])
    np.testing.assert_array_equal(found.recall, [3 / 4, np.nan, 0])
    np.testing.assert_array_equal(found.f1, [6 / 9, 0, 0])
    assert found.macro_f1 == pytest.approx(2 / 9)
    assert class_scores(np.array([[4, 0], [0, 0]])).macro_f1 == 1  # the second class is nowhere


def test_everything_is_escaped_once():
    assert element("b", "<i>", Html("<br>"), title="a\"b'<") == '<b title="a&quot;b&#x27;&lt;">&lt;i&gt;<br></b>'
    assert element("p", "x", class_="note", aria_label="y") == '<p class="note" aria-label="y">x</p>'
    listed = table(("<a>", "b"), [("<c>", "<d>")], caption="<e>")
    assert all(f"&lt;{name}&gt;" in listed and f"<{name}>" not in listed for name in "acde")
    assert '<td class="number">' in listed
    counts = matrix([[9, 1], [0, 0]], ["<a>", "b"], caption="c")
    assert '<td style="--share: 0.900" class="full">9</td><td style="--share: 0.100">1</td>' in counts
    assert counts.count("&lt;a&gt;") == 2
