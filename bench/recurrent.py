"""Recurrent layers beside PyTorch's, in one process, in turn: ``taskset -c 0 python -m bench.recurrent``.

Forward and backward pass of a batch of sequences, and one step of a stream.  The answers are compared before they are
timed.  With ``--threads 2`` a pause before each lets the threads of the other fall asleep, and a call wakes its own.
``--isa avx2`` holds both to an instruction set.
"""

import argparse
from collections.abc import Callable
from statistics import median
from time import sleep

import numpy as np

import fastnn as fn
from bench.clock import timed
from bench.goals import judged
from bench.limits import rate
from bench.machine import describe
from bench.variants import hold
from fastnn._core.table import isa

BATCH, STEPS, INPUTS, UNITS = 32, 100, 128, 128
ROUNDS = 21
PAUSE = 0.05  # seconds after which idle threads have stopped spinning
KINDS = {"SimpleRNN": (fn.SimpleRNN, 1), "LSTM": (fn.LSTM, 4), "GRU": (fn.GRU, 3)}
TORCH = {"SimpleRNN": "RNN", "LSTM": "LSTM", "GRU": "GRU"}
Call = Callable[[], object]


def peak() -> float:
    """Multiply-adds of one core at most, flop/s in float32."""
    from fastnn._core import table

    return rate(lambda n: 2.0 * n * 1000 * float(table.probe_multiply_add(1000 * n)[1]))


def ours(kind: str, X: np.ndarray, dy: np.ndarray) -> tuple[fn.Sequential, Call]:
    """The layer as a network, and forward with backward."""
    net = fn.Sequential([KINDS[kind][0](UNITS, return_sequences=True)], X.shape[1:], seed=0)

    def call() -> tuple[np.ndarray, np.ndarray]:
        return net.forward(X), net.backward(dy)

    return net, call


def theirs(kind: str, net: fn.Sequential, X: np.ndarray, dy: np.ndarray, threads: int) -> Call | None:
    """The same in PyTorch; None if it is not installed."""
    try:
        import torch
    except ImportError:
        return None
    torch.set_num_threads(threads)
    layer = getattr(torch.nn, TORCH[kind])(INPUTS, UNITS, batch_first=True)
    ((weight, u, bias), rest) = ([view for _, view in net.named_parameters()][:3], list(net.named_parameters())[3:])
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.from_numpy(weight.T.copy()))
        layer.weight_hh_l0.copy_(torch.from_numpy(u.T.copy()))
        layer.bias_ih_l0.copy_(torch.from_numpy(bias.copy()))
        layer.bias_hh_l0.zero_()
        if rest:
            layer.bias_hh_l0[2 * UNITS :].copy_(torch.from_numpy(rest[0][1].copy()))
    x, gradient = torch.from_numpy(X).requires_grad_(), torch.from_numpy(dy)

    def call() -> tuple[np.ndarray, np.ndarray]:
        layer.zero_grad(set_to_none=True)
        x.grad = None
        y, _ = layer(x)
        y.backward(gradient)
        return y.detach().numpy(), x.grad.numpy()

    return call


def rounds(calls: dict[str, Call], pause: float) -> dict[str, float]:
    """Median seconds of each call, in turn, with a pause before each."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(ROUNDS):
        for name, call in calls.items():
            if pause:
                sleep(pause)
                call()
            seconds[name].append(timed(call)[0])
    return {name: median(times) for name, times in seconds.items()}


def step_of(net: fn.Sequential, x: np.ndarray) -> float:
    """Median seconds of one step of a stream."""
    stream, out, count = fn.Stream(net), np.empty(UNITS, np.float32), 1000

    def steps() -> None:
        for _ in range(count):
            stream.step(x, out)

    return median(timed(steps)[0] for _ in range(ROUNDS)) / count


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.recurrent")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--isa", help="hold fastnn and PyTorch to it")
    options = parser.parse_args()
    hold(options.isa)
    threads = options.threads
    fn.set_num_threads(threads)
    random = np.random.default_rng(0)
    X = random.standard_normal((BATCH, STEPS, INPUTS), np.float32)
    dy = random.standard_normal((BATCH, STEPS, UNITS), np.float32)
    limit = peak()
    print(f"{describe()['processor']}, {isa()}; {threads} threads, peak of each {limit / 1e9:.0f} GFLOP/s")
    print(f"{BATCH} sequences of {STEPS} steps of {INPUTS} inputs, {UNITS} units; forward and backward; one step")
    for kind, (_, gates) in KINDS.items():
        net, call = ours(kind, X, dy)
        other = theirs(kind, net, X, dy, threads)
        calls = {"fastnn": call}
        if other is not None:
            for a, b in zip(call(), other(), strict=True):  # type: ignore[call-overload]
                assert np.allclose(a, b, rtol=0, atol=2e-4 * np.abs(b).max()), f"{kind}: different answers"
            calls["PyTorch"] = other
        seconds = rounds(calls, PAUSE if threads > 1 else 0.0)
        flops = 3 * 2 * BATCH * STEPS * gates * UNITS * (INPUTS + UNITS)
        step = step_of(net, X[0, 0].copy())
        beside = f", PyTorch {seconds['PyTorch'] * 1e3:6.2f} ms" if other is not None else ""
        ratio = seconds["PyTorch"] / seconds["fastnn"] if other is not None else 0.0
        beside += f" ({', '.join(filter(None, [f'{ratio:.2f}x', judged(kind, ratio)]))})" if ratio else ""
        share = flops / seconds["fastnn"] / (limit * threads)
        print(
            f"{kind:9}  {seconds['fastnn'] * 1e3:6.2f} ms, {share:.0%} of peak{beside}; step {step * 1e6:.2f} us",
            flush=True,
        )


if __name__ == "__main__":
    main()
