"""Embedded Reber grammar: what an LSTM must remember to say which letters may come next.

1. Strings: after B and T or P comes a string of Reber's grammar, then the same T or P again and E.  An LSTM of 8 units
   reads letter by letter and says what comes next.  The grammar is learned when, at every letter of 256 training and
   256 held-out strings, each letter that may follow is more likely than any that may not: also the last but one, which
   must be the second again, however long ago that was.
2. A stream: string after string without end, and the state is never reset.  An LSTM that can forget empties its cells
   itself.  In the LSTM of 1997 they fill up: some seeds lose everything, others keep the inner grammar by their gates
   alone, which is 96 % of the letters, and do little better than guess the second T or P.

Hochreiter & Schmidhuber 1997, section 5.1; Gers, Schmidhuber & Cummins 2000.
"""

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from time import perf_counter

import common
import numpy as np
import pictures

import fastnn as fn

LETTERS = "BTPSXVE"
# From each node the letters that may follow, and the node that each leads to.
GRAMMAR = [{"T": 1, "P": 2}, {"S": 1, "X": 3}, {"T": 2, "V": 4}, {"X": 2, "S": 5}, {"P": 3, "V": 5}, {}]
ONE_HOT = np.eye(len(LETTERS), dtype=np.float32)

TEST_LETTERS = 20_000
CHUNK = 40  # letters of the stream that gradients go back

GOALS = {
    "strings: seeds of 10 solved within 10,000 sequences": ">= 9",
    "stream, forget gates: letters right": ">= 0.98",
    "stream, forget gates: second T or P right": ">= 0.98",
    "stream, no forget gates: second T or P right": "<= 0.7",
}


def embedded(random: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Give one string, each letter with all that might have stood in its place."""
    outer = str(random.choice(["T", "P"]))
    yield from (("B", "B"), (outer, "TP"), ("B", "B"))
    node = 0
    while GRAMMAR[node]:
        letter = str(random.choice(list(GRAMMAR[node])))
        yield letter, "".join(GRAMMAR[node])
        node = GRAMMAR[node][letter]
    yield from (("E", "E"), (outer, outer), ("E", "E"))


def endless(random: np.random.Generator) -> Iterator[tuple[str, str]]:
    """Give string after string without end."""
    while True:
        yield from embedded(random)


def encode(pairs: list[tuple[str, str]]) -> tuple[np.ndarray, np.ndarray]:
    """Return the letters as numbers (T,), and which were allowed in their places (T, 7)."""
    letters = np.array([LETTERS.index(letter) for letter, _ in pairs])
    return letters, np.array([[letter in allowed for letter in LETTERS] for _, allowed in pairs])


def right(scores: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Return whether every allowed letter of (..., 7) has a higher score than every other."""
    least, most = np.where(allowed, scores, np.inf), np.where(allowed, -np.inf, scores)
    return least.min(axis=-1) > most.max(axis=-1)


def padded(strings: list[list[tuple[str, str]]]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return letters (N, T, 7), what follows (N, T), what is allowed to (N, T, 7), and 1 where there is a letter."""
    shape = len(strings), max(map(len, strings)) - 1
    X, y = np.zeros((*shape, len(LETTERS)), np.float32), np.zeros(shape, np.int64)
    may, weight = np.zeros(X.shape, bool), np.zeros(shape, np.float32)
    for row, string in enumerate(strings):
        letters, allowed = encode(string)
        steps = len(letters) - 1
        X[row, :steps], y[row, :steps], may[row, :steps] = ONE_HOT[letters[:-1]], letters[1:], allowed[1:]
        weight[row, :steps] = 1
    return X, y, may, weight


def learn_strings(seed: int) -> tuple[int | None, float]:
    """Train until all strings are right; return the sequences that it took, None if over 10,000, and seconds."""
    random = np.random.default_rng(seed)
    train = [list(embedded(random)) for _ in range(256)]
    held_out = []
    while len(held_out) < 256:
        string = list(embedded(random))
        if string not in train:
            held_out.append(string)
    X, y, may, weight = padded(train + held_out)
    # Padding is all 0: mask_value lets the LSTM pass over it, weight the loss.
    layers = [fn.LSTM(8, return_sequences=True, forget_bias=0.0, mask_value=0.0), fn.Dense(len(LETTERS))]
    net = fn.Sequential(layers, input_shape=X.shape[1:], seed=seed)
    net.compile(loss="cross_entropy", optimizer=fn.Adam(0.01))
    began = perf_counter()
    for seen in range(256, 10_001, 256):
        net.fit(X[:256], y[:256], sample_weight=weight[:256], batch_size=1, epochs=1, verbose=0)
        if right(net.predict(X), may)[weight > 0].all():
            return seen, perf_counter() - began
    return None, perf_counter() - began


def learn_stream(seed: int, forget_gate: bool, updates: int) -> fn.Network:
    """Train on one stream, chunk after chunk: gradients end where a chunk begins, the state goes on."""
    letters, _ = encode(list(islice(endless(np.random.default_rng(seed)), updates * CHUNK + 1)))
    x, state = fn.Input((CHUNK, len(LETTERS))), fn.Input((2, 12))
    h, end = fn.LSTM(12, return_sequences=True, return_state=True, forget_gate=forget_gate)(x, state)
    net = fn.Network([x, state], [fn.Dense(len(LETTERS))(h), end], seed=seed)
    net.compile(optimizer=fn.Adam(fn.CosineDecay(0.01, total_steps=updates)))
    kept = np.zeros((1, 2, 12), np.float32)
    for start in common.progress(range(0, updates * CHUNK, CHUNK), "chunks"):
        chunk = ONE_HOT[letters[start : start + CHUNK + 1]]
        scores, kept = net.forward([chunk[None, :-1], kept])
        likely = np.exp(scores - scores.max(axis=-1, keepdims=True))
        likely /= likely.sum(axis=-1, keepdims=True)
        net.backward([(likely - chunk[1:]) / CHUNK, None], inputs=False)  # of softmax and cross-entropy
        net.apply_gradients()
    return net


def read_stream(net: fn.Network, forget_gate: bool, pairs: list[tuple[str, str]]) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each prediction is right (T,), and the cells after each letter (T, 12)."""
    layers = [fn.LSTM(12, return_sequences=True, forget_gate=forget_gate), fn.Dense(len(LETTERS))]
    reader = fn.Sequential(layers, input_shape=(1, len(LETTERS)))  # the same layers; a stream keeps their state itself
    reader.params[:] = net.params
    stream = fn.Stream(reader)
    letters, allowed = encode(pairs)
    scores, cells = np.empty(allowed[1:].shape), np.empty((len(letters) - 1, 12))
    for t, letter in enumerate(letters[:-1]):
        scores[t] = stream.step(ONE_HOT[letter])
        cells[t] = stream.state["lstm_1"][1]
    return right(scores, allowed[1:]), cells


def draw(cells: dict[str, np.ndarray], path: Path) -> None:
    """Draw the largest cell of each network along the stream."""
    picture = pictures.figure(8, 4.8)
    axes = picture.add_subplot()
    for (name, values), color in zip(cells.items(), ("#1f5fa8", "#d1541f"), strict=True):
        largest = np.abs(values).max(axis=1)
        axes.loglog(np.arange(1, len(values) + 1), largest, color=color, linewidth=1, label=name)
    pictures.dress(axes, "letters read", "largest |c| of 12 cells", "a stream that is never reset")
    axes.legend(frameon=False)
    pictures.save(picture, path)


def run(quick: bool, output: Path) -> common.Figures:
    """Learn strings, then streams, seed by seed."""
    print("strings  seed  sequences needed  seconds")
    needed = []
    for seed in range(1 if quick else 10):
        sequences, seconds = learn_strings(seed)
        needed.append(sequences)
        print(f"{seed:13}  {sequences or 'over 10,000':>16}  {seconds:7.2f}", flush=True)
    solved = [sequences for sequences in needed if sequences is not None]
    figures = {f"strings: seeds of {len(needed)} solved within 10,000 sequences": len(solved)}
    if solved:
        figures["strings: sequences needed, mean of the solved"] = float(np.mean(solved))

    pairs = list(islice(endless(np.random.default_rng(1000)), 2001 if quick else TEST_LETTERS + 1))
    again = np.array([allowed in ("T", "P") for _, allowed in pairs[1:]])
    rates: dict[str, list[tuple[float, float]]] = {"forget gates": [], "no forget gates": []}
    cells = {}
    print("\nstream           seed  letters right  second T or P right  seconds")
    for name, rows in rates.items():
        for seed in range(1 if quick else 10):
            began, forget_gate = perf_counter(), name == "forget gates"
            net = learn_stream(seed, forget_gate, 2500 if quick else 4000)
            correct, values = read_stream(net, forget_gate, pairs)
            rows.append((correct.mean(), correct[again].mean()))
            cells.setdefault(name, values)
            print(
                f"{name:15}  {seed:4}  {rows[-1][0]:13.2%}  {rows[-1][1]:19.2%}  {perf_counter() - began:7.1f}",
                flush=True,
            )
        letters, memory = np.mean(rows, axis=0)
        figures[f"stream, {name}: letters right"] = letters
        figures[f"stream, {name}: second T or P right"] = memory
    draw(cells, output / "reber-cells.png")
    return figures


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
