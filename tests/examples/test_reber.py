"""Reber's grammar: strings of one seed, and a short stream."""

from collections import Counter

import numpy as np
from helpers.examples import load

reber = load("reber")


def test_strings_are_learned_and_a_stream_needs_forgetting(tmp_path):
    figures = reber.run(True, tmp_path)
    assert figures["strings: seeds of 1 solved within 10,000 sequences"] == 1
    assert figures["stream, forget gates: letters right"] > 0.97
    assert figures["stream, forget gates: second T or P right"] > 0.75
    assert figures["stream, no forget gates: second T or P right"] < 0.7
    assert {path.name for path in tmp_path.iterdir()} == {"reber-cells.png"}


def test_strings_are_of_the_grammar():
    """Reber's nine shortest strings [Cleeremans et al. 1989], embedded, each as often as it should be."""
    random, n = np.random.default_rng(0), 4000
    strings = [list(reber.embedded(random)) for _ in range(n)]
    words = Counter("".join(letter for letter, _ in string) for string in strings)
    inner = dict.fromkeys(["BTXSE", "BPVVE"], 1 / 8) | dict.fromkeys(["BTSXSE", "BPTVVE", "BPVPSE"], 1 / 16)
    inner |= dict.fromkeys(["BTSSXSE", "BTXXVVE", "BPTTVVE", "BPTVPSE"], 1 / 32)
    assert {word for word in words if len(word) <= 11} == {f"B{o}{i}{o}E" for i in inner for o in "TP"}
    for word, p in inner.items():
        for outer in "TP":
            assert abs(words[f"B{outer}{word}{outer}E"] / n - p / 2) < 4 * np.sqrt(p / 2 / n)
    for string in strings[:200]:
        assert all(letter in allowed for letter, allowed in string)
        assert [allowed for _, allowed in string][-2] == string[1][0]


def test_right_wants_all_allowed_letters_before_all_others():
    allowed = np.array([[True, True, False], [True, False, False], [True, True, False], [True, True, False]])
    scores = np.array([[2, 1, 0], [0, 1, 2], [2, 0, 1], [1, 1, 1]])
    assert reber.right(scores, allowed).tolist() == [True, False, False, False]


def test_padding_has_no_letter_and_no_weight():
    string = [("B", "B"), ("T", "TP"), ("E", "E")]
    X, y, may, weight = reber.padded([string, string[:2]])
    assert X.argmax(axis=-1).tolist() == [[0, 1], [0, 0]]
    assert X.sum(axis=-1).tolist() == weight.tolist() == [[1, 1], [1, 0]]
    assert y.tolist() == [[1, 6], [1, 0]]
    assert may[0].nonzero()[1].tolist() == [1, 2, 6]
