"""Shakespeare letter by letter: an LSTM learns what comes next, and writes.

It trains for ten minutes by the clock on the first nine tenths of a megabyte of plays, in chunks of 100 characters.
What counts is bits per character on the last tenth, read from end to end as one stream: log2(65) = 6.0 for guessing,
4.8 knowing how frequent each character is, 3.5 knowing also the one before.  Then it goes on from a name by itself:
each character is drawn from what it holds likely, and fed back.

After A. Karpathy, The unreasonable effectiveness of recurrent neural networks, 2015.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import common
import numpy as np
import pictures

import fastnn as fn

UNITS, STEPS, BATCH = 192, 100, 32
LEARNING_RATE = 0.01
MINUTES, EPOCHS = 10.0, 30
GOALS = {"held-out bits per character": "<= 2.6"}


class Chunks:
    """Mini-batches cut from the text at random; an epoch lasts its share of the time, however many they are."""

    def __init__(self, text: np.ndarray, one_hot: np.ndarray, seconds: float, epochs: int) -> None:
        self.text, self.one_hot, self.seconds, self.epochs = text, one_hot, seconds, epochs
        self.random, self.began, self.epoch = np.random.default_rng(0), perf_counter(), 0

    def __iter__(self) -> Iterator[common.Labelled]:
        """Give one epoch of inputs (B, T, K) and the characters after them (B, T)."""
        self.epoch += 1
        while self.spent() < self.epoch / self.epochs:
            yield batch(self.text, self.one_hot, self.random.integers(0, len(self.text) - STEPS, BATCH))

    def spent(self) -> float:
        """Return the share of the time that is over."""
        return (perf_counter() - self.began) / self.seconds

    def learning_rate(self, step: int) -> float:
        """Return a rate that falls to 0 with the clock, since nobody knows the number of steps."""
        return LEARNING_RATE * max(0.0, 1 - self.spent())


def batch(text: np.ndarray, one_hot: np.ndarray, start: np.ndarray) -> common.Labelled:
    """Return the chunks that start there: inputs (B, T, K) and what comes after each (B, T)."""
    chunk = text[start[:, None] + np.arange(STEPS + 1)]
    return one_hot[chunk[:, :-1]], chunk[:, 1:]


def log_softmax(scores: np.ndarray) -> np.ndarray:
    """Return log probabilities along the last axis."""
    scores = scores - scores.max(axis=-1, keepdims=True)
    return scores - np.log(np.exp(scores).sum(axis=-1, keepdims=True))


def bits(net: fn.Network, text: np.ndarray, one_hot: np.ndarray) -> float:
    """Return bits per character of a text that is read as one stream."""
    stream = fn.Stream(net)
    scores = np.stack([stream.step(one_hot[character]) for character in text[:-1]]).astype(np.float64)
    return float(-log_softmax(scores)[np.arange(len(scores)), text[1:]].mean() / np.log(2))


def write(net: fn.Network, begin: str, n: int, alphabet: str, one_hot: np.ndarray, temperature: float) -> str:
    """Go on from a beginning by n characters; the lower the temperature, the surer of each."""
    random, stream, text = np.random.default_rng(0), fn.Stream(net), begin
    for character in begin:
        scores = stream.step(one_hot[alphabet.index(character)])
    for _ in range(n):
        likely = np.exp(log_softmax(scores.astype(np.float64) / temperature))
        text += random.choice(list(alphabet), p=likely)
        scores = stream.step(one_hot[alphabet.index(text[-1])])
    return text


def entropies(text: np.ndarray) -> tuple[float, float]:
    """Return bits per character of a text, knowing the frequencies; and knowing those after each character."""
    pairs = np.zeros((text.max() + 1, text.max() + 1))
    np.add.at(pairs, (text[:-1], text[1:]), 1)

    def entropy(counts: np.ndarray) -> float:
        p = counts[counts > 0] / counts.sum()
        return float(-(p * np.log2(p)).sum())

    return entropy(np.bincount(text)), entropy(pairs) - entropy(pairs.sum(axis=1))


def draw(history: fn.History, minutes: float, levels: dict[str, float], path: Path) -> None:
    """Draw the learning curve in bits per character."""
    picture = pictures.figure(8, 4.8)
    axes = picture.add_subplot()
    curves = history.to_dict()
    unit, time = ("minutes", minutes) if minutes >= 1 else ("seconds", 60 * minutes)
    times = time * np.arange(1, len(curves["loss"]) + 1) / len(curves["loss"])
    for name, label, color in (
        ("loss", "training chunks (with dropout)", "#1f5fa8"),
        ("val_loss", "held-out chunks", "#d1541f"),
    ):
        axes.plot(times, np.array(curves[name]) / np.log(2), "o-", color=color, markersize=3.5, label=label)
    for name, level in levels.items():
        axes.axhline(level, color="#555555", linewidth=1, linestyle=":")
        axes.annotate(
            f"{name}: {level:.2f}", (1, level), (-4, 3), ("axes fraction", "data"), "offset points", ha="right"
        )
    title = f"Shakespeare by an LSTM of {UNITS} units"
    pictures.dress(axes, f"{unit} of training", "bits per character", title)
    axes.legend(frameon=False, loc="center right")
    pictures.save(picture, path)


def run(quick: bool, output: Path) -> common.Figures:
    """Train by the clock, read the held-out text, write."""
    raw = common.data("text/tinyshakespeare.txt").read_text()
    alphabet = "".join(sorted(set(raw)))
    text = np.searchsorted(list(alphabet), list(raw))
    one_hot = np.eye(len(alphabet), dtype=np.float32)
    train, held_out = np.split(text, [9 * len(text) // 10])
    minutes, epochs = (0.06, 3) if quick else (MINUTES, EPOCHS)

    layers = [fn.LSTM(UNITS, return_sequences=True), fn.Dropout(0.1), fn.Dense(len(alphabet))]
    net = fn.Sequential(layers, input_shape=(STEPS, len(alphabet)), seed=0)
    chunks = Chunks(train, one_hot, 60 * minutes, epochs)
    net.compile(loss="cross_entropy", optimizer=fn.Adam(chunks.learning_rate))
    validation = batch(held_out, one_hot, np.arange(0, len(held_out) - STEPS, STEPS)[: 100 if quick else None])
    history = net.fit(chunks, epochs=epochs, validation_data=validation, verbose=0 if quick else 2)

    read = held_out[:2000] if quick else held_out
    unigram, bigram = entropies(text)
    levels = {"unigram entropy": unigram, "bigram entropy": bigram}
    draw(history, minutes, levels, output / "shakespeare.png")
    story = write(net, "ROMEO:\n", 60 if quick else 600, alphabet, one_hot, 0.7)
    print(f"\n{story}\n")
    began = perf_counter()
    held_out_bits = bits(net, read, one_hot)
    return {
        "held-out bits per character": held_out_bits,
        "unigram entropy": unigram,
        "bigram entropy": bigram,
        "microseconds per character read": 1e6 * (perf_counter() - began) / len(read),
    }


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
