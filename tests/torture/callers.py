"""One network asked by many threads at once, and by the children of forks."""

import os
import threading
import time
from itertools import count
from pathlib import Path

import numpy as np

import fastnn as fn

PROMISE = (
    "24 threads with 10^5 questions each, 1,000 threads at once and 1,000 forks get the bytes that a lone thread gets, "
    "in less than 300 MB and without a child that hangs; while another thread trains they get those of one version"
)
SHORT = 1 / 500
THREADS, QUESTIONS, CROWD, FORKS = 24, 100_000, 1_000, 1_000
MEMORY, PATIENCE = 300 << 20, 5.0
VERSIONS, VERSIONS_PATIENCE = 5, 60.0  # of the weights, more than which are to be seen, in so many seconds


def network() -> fn.Sequential:
    return fn.Sequential([fn.Dense(64, "relu"), fn.Dense(64, "tanh"), fn.Dense(10)], input_shape=64, seed=0)


def ask(net: fn.Sequential, rows: np.ndarray, expected: list[bytes], questions: int, wrong: list[int]) -> None:
    """Ask one row after the other; note those with other bytes."""
    for k in range(questions):
        if net.predict_one(rows[k % len(rows)]).tobytes() != expected[k % len(rows)]:
            wrong.append(k)


def ask_while_it_learns(net: fn.Sequential, rows: np.ndarray, questions: int) -> tuple[int, int]:
    """Ask from all threads while another trains the network, over and over from the same weights on.

    They go on until they have seen enough versions: a machine may have answered few before it learns much.
    Returns how many answers are of none of the versions that a lone thread met, and how many versions were seen.
    """
    net.compile("squared_error", fn.SGD(1e-3))
    start, goals = net.get_weights(), np.ones((len(rows), 10), np.float32)
    known: list[set[bytes]] = [{net.predict_one(row).tobytes()} for row in rows]
    for row, goal in zip(rows, goals, strict=True):
        net.train_step(row, goal)
        for place, asked in enumerate(rows):
            known[place].add(net.predict_one(asked).tobytes())
    strange, seen, done = [0] * THREADS, set(), threading.Event()

    def learn() -> None:
        while not done.is_set():
            net.set_weights(start)
            net.fit(rows, goals, batch_size=1, shuffle=False, verbose=0)

    def question(thread: int) -> None:
        until = time.monotonic() + VERSIONS_PATIENCE
        for k in count():
            if k >= questions and (len(seen) > VERSIONS or time.monotonic() > until):
                break
            answer = net.predict_one(rows[k % len(rows)]).tobytes()
            strange[thread] += answer not in known[k % len(rows)]
            if k % len(rows) == 0:
                seen.add(answer)

    learner = threading.Thread(target=learn)
    learner.start()
    threads = [threading.Thread(target=question, args=(thread,)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    learner.join()
    return sum(strange), len(seen)


def together(count: int, work, *arguments) -> None:
    threads = [threading.Thread(target=work, args=arguments) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def forked(net: fn.Sequential, rows: np.ndarray, expected: bytes) -> str:
    """Fork; the child answers many rows on all threads and learns.  Returns what was wrong."""
    child = os.fork()
    if not child:
        right = net.predict(rows).tobytes() == expected
        net.fit(rows, np.zeros((len(rows), 10), np.float32), loss="squared_error", optimizer="sgd", verbose=0)
        os._exit(0 if right else 3)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return "" if status == 0 else f"status {status}"
        time.sleep(1e-3)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return "hung"


def most_resident() -> int:
    """The most bytes that this process had in memory."""
    (line,) = [text for text in Path("/proc/self/status").read_text().splitlines() if text.startswith("VmHWM")]
    return int(line.split()[1]) * 1024


def run(share: float) -> dict:
    net, random, wrong = network(), np.random.default_rng(0), []
    rows = random.standard_normal((64, 64), np.float32)
    expected = [net.predict_one(row).tobytes() for row in rows]
    together(THREADS, ask, net, rows, expected, max(1, round(QUESTIONS * share)), wrong)
    assert not wrong, f"{len(wrong)} answers of {THREADS} threads have other bytes"
    crowd = max(50, round(CROWD * share))
    together(crowd, ask, net, rows, expected, 20, wrong)
    assert not wrong, f"{len(wrong)} answers of {crowd} threads have other bytes"
    many = random.standard_normal((4096, 64), np.float32)
    whole = net.predict(many).tobytes()
    forks = max(10, round(FORKS * share))
    bad = [found for found in (forked(net, many, whole) for _ in range(forks)) if found]
    assert not bad, f"{len(bad)} of {forks} children: {bad[:5]}"
    assert most_resident() < MEMORY, f"{most_resident() >> 20} MB"
    strange, versions = ask_while_it_learns(net, rows, max(100, round(QUESTIONS * share)))
    assert not strange, f"{strange} answers are of no version of the weights"
    assert versions > VERSIONS, f"{versions} versions were seen"
    return {
        "questions": THREADS * round(QUESTIONS * share),
        "versions": versions,
        "forks": forks,
        "megabytes": most_resident() >> 20,
    }
