"""The adding problem, one seed and fewer batches."""

import numpy as np
from helpers.examples import load

adding = load("adding")


def test_the_lstm_learns_to_add_and_the_rnn_does_not(tmp_path):
    figures = adding.run(True, tmp_path)
    assert set(adding.GOALS) <= set(figures)
    assert figures["LSTM, T=100, worst error"] < 0.02
    assert figures["RNN, T=100, best error"] > 0.1  # always 1: 1/6
    assert figures["LSTM, trained: gradient falls by"] < 100
    assert figures["RNN, at the start: gradient falls by"] > 1e4
    assert {path.name for path in tmp_path.iterdir()} == {"adding-errors.png", "adding-gradients.png"}


def test_the_sum_is_that_of_one_marked_number_in_each_half():
    X, y = adding.sequences(200, 10, np.random.default_rng(0))
    marks = X[..., 1]
    assert np.array_equal(marks[:, :5].sum(axis=1), np.ones(200))
    assert np.array_equal(marks[:, 5:].sum(axis=1), np.ones(200))
    assert set(np.unique(marks)) == {0, 1}
    assert marks.any(axis=0).all()  # every step gets its turn
    assert np.allclose((X[..., 0] * marks).sum(axis=1), y[:, 0], rtol=1e-6)
