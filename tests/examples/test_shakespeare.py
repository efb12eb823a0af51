"""Shakespeare, for seconds instead of minutes."""

import numpy as np
import pytest
from helpers.examples import load

import fastnn as fn

shakespeare = load("shakespeare")


def test_a_few_seconds_beat_guessing(tmp_path, capsys):
    figures = shakespeare.run(True, tmp_path)
    assert figures["unigram entropy"] == pytest.approx(4.78, abs=5e-3)
    assert figures["bigram entropy"] == pytest.approx(3.54, abs=5e-3)
    assert figures["held-out bits per character"] < 5.5  # log2(65) is 6.02; how far it comes is the machine's affair
    assert "ROMEO:\n" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["shakespeare.png"]


def test_entropies_in_closed_form():
    """Three letters in turn, and four that are drawn: 0 and 2 bits when the letter before is known."""
    assert shakespeare.entropies(np.arange(3000) % 3) == pytest.approx((np.log2(3), 0), abs=1e-3)
    drawn = np.random.default_rng(0).integers(0, 4, 100_000)
    assert shakespeare.entropies(drawn) == pytest.approx((2, 2), abs=1e-3)


def test_bits_of_a_stream_are_those_of_the_sequence():
    text, one_hot = np.random.default_rng(0).integers(0, 5, 31), np.eye(5, dtype=np.float32)
    net = fn.Sequential([fn.LSTM(4, return_sequences=True), fn.Dropout(0.5), fn.Dense(5)], (30, 5), seed=0)
    net.compile(loss="cross_entropy")
    nats = net.evaluate(one_hot[text[:-1]][None], text[1:][None])["loss"]
    assert shakespeare.bits(net, text, one_hot) == pytest.approx(nats / np.log(2), rel=1e-6)


def test_writing_follows_the_network():
    """Nearly without chance the likeliest character follows; at a high temperature any."""
    one_hot, alphabet = np.eye(5, dtype=np.float32), "abcde"
    net = fn.Sequential([fn.LSTM(8, return_sequences=True), fn.Dense(5)], (22, 5), seed=0)
    net.params[:] = 2 * np.random.default_rng(1).standard_normal(net.n_params)
    text = shakespeare.write(net, "ca", 20, alphabet, one_hot, 1e-4)
    numbers = [alphabet.index(character) for character in text]
    assert len(set(text)) > 2
    assert net.predict(one_hot[numbers][None])[0].argmax(axis=-1)[1:-1].tolist() == numbers[2:]
    assert set(shakespeare.write(net, "ca", 100, alphabet, one_hot, 1e4)[2:]) == set(alphabet)
