"""Images: layers of convolution and whole nets beside the installed peers: ``python -m bench.images``.

All in one process, in turn; answers are compared before they are timed.  The shares are of the multiply-adds that one
core can do, measured just before each row.  ``--threads 2``; ``--isa avx2`` holds all to an instruction set, and leaves
out who cannot be held; ``--only PATTERN`` chooses rows; ``--json FILE`` also writes what was found.
"""

import argparse
import json
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import sleep
from typing import Any

import numpy as np
import torch

import fastnn as fn
from bench.arrays import draw
from bench.clock import timed
from bench.image_layers import LAYERS, ImageLayer, jax_calls, torch_calls
from bench.image_nets import WORKLOADS
from bench.image_runtimes import runtimes
from bench.machine import describe
from bench.recurrent import peak
from bench.variants import best_isa, hold
from fastnn._core.table import isa

Call = Callable[[], Any]
SECONDS = 1.0  # of all rounds of one call, about
ROUNDS = (5, 25)  # at least, at most
PAUSE = 0.05  # seconds after which idle threads have stopped spinning
TOLERANCE = 2e-4  # of the largest value
UNHELD = ("ONNX Runtime", "JAX")  # no switch, or one that convolutions do not heed: they were faster than AVX2's peak


def repeat(call: Call, times: int) -> None:
    """Call it over and over."""
    for _ in range(times):
        call()


def medians(calls: dict[str, Call], threads: int) -> dict[str, float]:
    """Median seconds of each call, in turn; on several threads after a pause, in which those of the others sleep."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    first = {name: (call(), timed(call)[0])[1] for name, call in calls.items()}
    rounds = min(max(int(SECONDS / max(first.values())), ROUNDS[0]), ROUNDS[1])
    for _ in range(rounds):
        for name, call in calls.items():
            if threads > 1:
                sleep(PAUSE)
                call()
            repeats = max(1, int(2e-3 / first[name]))
            seconds[name].append(timed(partial(repeat, call, repeats))[0] / repeats)
    return {name: median(times) for name, times in seconds.items()}


def fair(calls: dict[str, Call]) -> dict[str, Call]:
    """Those that run on the instruction set that fastnn is held to."""
    return calls if isa() == best_isa() else {name: call for name, call in calls.items() if name not in UNHELD}


def agree(name: str, mine: np.ndarray, theirs: Any) -> None:
    """Stop if an answer, in either order of axes, is another one."""
    array = np.asarray(theirs)
    array = array.transpose(0, 2, 3, 1) if array.shape != mine.shape else array
    worst = np.abs(array - mine).max() / np.abs(mine).max()
    if not worst < TOLERANCE:
        raise SystemExit(f"{name}: another answer, by {worst:.1e} of the largest value")


def beside(times: dict[str, float], mine: str = "fastnn") -> str:
    """The best of the others and how many times as long it takes."""
    others = {name: seconds for name, seconds in times.items() if name != mine and not name.startswith("fastnn")}
    if not others:
        return ""
    best = min(others, key=lambda name: others[name])
    return f"{best} {others[best] * 1e6:,.0f} us, {others[best] / times[mine]:.2f}x"


def layer(one: ImageLayer, threads: int) -> dict[str, Any]:
    """Forward, input gradient and weight gradient of a layer, and all three beside the peers."""
    net = fn.Sequential([one.layer()], (one.size, one.size, one.channels), seed=0)
    X = draw(one.batch, *net.input_shape)
    y = net.forward(X)
    dy = draw(*y.shape, seed=1)
    forward: dict[str, Call] = {"fastnn": lambda: net.predict(X)} | runtimes(net, X, threads)
    both: dict[str, Call] = {"fastnn": lambda: (net.forward(X), net.backward(dy))}
    for calls in (torch_calls, jax_calls):
        try:
            made = calls(one, net, X, dy)
        except ImportError:
            continue
        forward |= {name: pair[0] for name, pair in made.items()}
        both |= {name: pair[1] for name, pair in made.items()}
    forward, both = fair(forward), fair(both)
    dx = net.backward(dy)
    for name, call in forward.items():
        agree(f"{one.name}, {name}", y, call())
    for name, call in both.items():
        agree(f"{one.name}, {name}, input gradient", dx, call()[1])
    limit, flops = peak() * threads, one.flops(int(np.prod(y.shape[1:3])))
    net.forward(X)
    gradients = {
        "input gradient": lambda: net.backward(dy, parameters=False),
        "weight gradient": lambda: net.backward(dy, inputs=False),
    }
    alone = medians(gradients, threads)
    found = {"forward": medians(forward, threads), "forward and backward": medians(both, threads)}
    shares = {"forward": flops / found["forward"]["fastnn"] / limit}
    shares |= {name: flops / seconds / limit for name, seconds in alone.items()}
    print(
        f"{one.name:44} forward {found['forward']['fastnn'] * 1e6:8,.0f} us {shares['forward']:4.0%}"
        f" ({beside(found['forward'])}); dx {shares['input gradient']:4.0%}; dw {shares['weight gradient']:4.0%};"
        f" all {found['forward and backward']['fastnn'] * 1e6:8,.0f} us ({beside(found['forward and backward'])})",
        flush=True,
    )
    return {"name": one.name, "shares": shares, **found}


def whole(threads: int, only: str, compiled: bool) -> list[dict[str, Any]]:
    """Steps and answers of whole nets."""
    rows = []
    for name, make in WORKLOADS.items():
        if re.search(only, name):
            times = medians(fair(make(threads, compiled)), threads)
            shown = ", ".join(f"{who} {seconds * 1e3:,.3f}" for who, seconds in times.items())
            ratios = "; ".join(f"{mine}: {beside(times, mine)}" for mine in times if mine.startswith("fastnn"))
            print(f"{name:36} {shown} ms; {ratios}", flush=True)
            rows.append({"name": name, "seconds": times})
    return rows


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.images", description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--isa", help="hold all to it")
    parser.add_argument("--only", default="", metavar="PATTERN", help="rows whose name matches")
    parser.add_argument("--compiled", action="store_true", help="PyTorch's nets compiled too: minutes more")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    hold(options.isa)
    threads = options.threads
    fn.set_num_threads(threads)
    eigen = "true" if threads > 1 else "false"
    flags = f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={threads}"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
    torch.set_num_threads(threads)
    print(f"{describe()['processor']}, {isa()}; {threads} threads, peak of each {peak() / 1e9:.0f} GFLOP/s")
    rows = [layer(one, threads) for one in LAYERS if re.search(options.only, one.name)]
    rows += whole(threads, options.only, options.compiled)
    if options.json:
        options.json.write_text(json.dumps({"machine": describe(), "isa": isa(), "threads": threads, "rows": rows}))


if __name__ == "__main__":
    main()
