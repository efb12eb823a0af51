"""What the side-by-side suite counts and whom it refuses; nothing is timed here."""

import os
import re
import time
from dataclasses import asdict

import numpy as np
import pytest

workloads = pytest.importorskip("bench.workloads", reason="bench/ is in the source tree only")

from test_architecture import ROOT, kernels  # noqa: E402

import fastnn as fn  # noqa: E402
from bench import arrays, bench_core, limits, pipe, problem, reference, report, worker  # noqa: E402
from bench.peers import case  # noqa: E402
from fastnn._core import doors, table  # noqa: E402
from fastnn.layers.base import Layer  # noqa: E402

Workload = workloads.Workload
NET = (3, 5, 2)


def step(optimizer="sgd", dtype="float64", **options):
    return Workload("step", NET, 7, optimizer, dtype=dtype, **options)


def test_names_are_unique():
    names = [w.name for w in (*workloads.WORKLOADS, *workloads.CROSSOVER)]
    assert len(names) == len(set(names))
    assert set(names) >= workloads.SHARED


def test_flops_count_the_products():
    forward = 2 * 7 * (3 * 5 + 5 * 2)
    assert Workload("predict", NET, 7).flops == forward
    assert step().flops == 2 * forward + 2 * 7 * 5 * 2  # weight gradients cost as forward; no input gradient of layer 1
    assert Workload("epoch", NET, 7, "adam").flops == step().flops / 7 * workloads.MNIST_ROWS
    assert step(dtype="float32").bytes_read == 2 * 4 * (4 * 5 + 6 * 2)


def test_a_bound_is_the_slower_of_arithmetic_and_reading():
    caches = {"L1": 1000, "L2": 10_000}
    rates = {"fma_float32": 1e9, "fma_float64": 5e8, "read_L1": 1e9, "read_L2": 1e7, "read_memory": 1e3}
    small = limits.bound(Workload("predict", NET, 7), rates, caches)
    assert (small["us"], small["by"]) == (pytest.approx(350 / 1e3), "FMA")
    wide = limits.bound(Workload("predict_one", (20, 20)), rates, caches)  # 1,680 bytes of weights
    assert (wide["us"], wide["by"]) == (pytest.approx(168), "L2")
    assert limits.bound(step(threads=2), rates, caches)["flops_us"] == pytest.approx(step().flops / 1e9 * 1e6)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_reference_has_the_gradient_of_its_loss(activation):
    workload = step(activation=activation)
    given = problem.problem(workload)
    params = [p.copy() for pair in zip(given.weights, given.biases, strict=True) for p in pair]
    _, gradients = reference.loss_and_gradients(workload, params, given.X, given.Y)
    for p, g in zip(params, gradients, strict=True):
        for index in np.ndindex(p.shape):
            values, h = [], 1e-6
            for sign in (1, -1):
                p[index] += sign * h
                values.append(reference.loss_and_gradients(workload, params, given.X, given.Y)[0])
                p[index] -= sign * h
            assert g[index] == pytest.approx((values[0] - values[1]) / (2 * h), rel=1e-6, abs=1e-9)


def answer_with(workload, change):
    given = problem.problem(workload)
    change(given)
    return reference.answer(workload, given)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_peer_that_computes_something_else_is_refused(dtype, monkeypatch):
    for workload in (
        Workload("predict", NET, 7, dtype=dtype),
        Workload("gradient", NET, 7, dtype=dtype),
        step("adam", dtype),
    ):
        right = reference.answer(workload, problem.problem(workload))
        assert reference.disagreement(workload, right, right) is None
        wrong = answer_with(workload, lambda given: given.weights[0].__setitem__((0, 0), -given.weights[0][0, 0]))
        assert reference.disagreement(workload, right, wrong)
        assert reference.disagreement(workload, right, right[1:])
        assert reference.disagreement(workload, right, [np.nan, *right[1:]])
    right = reference.answer(step(dtype=dtype), problem.problem(step(dtype=dtype)))
    monkeypatch.setitem(workloads.LEARNING_RATES, "sgd", workloads.LEARNING_RATES["sgd"] * 1.01)
    slower = reference.answer(step(dtype=dtype), problem.problem(step(dtype=dtype)))
    assert reference.disagreement(step(dtype=dtype), right, slower)


def test_tables_name_what_is_missing_and_who_failed():
    row = {
        "workload": "predict_one 3-5-2",
        "net": "3-5-2",
        "activation": "relu",
        "sizes": NET,
        "threads": 1,
        "batch": 1,
        "times": {
            "fastnn": {"median_us": 2.0, "disturbed": 0, "rounds_us": [2.0] * 3},
            "numpy": {"median_us": 9.0, "disturbed": 2, "rounds_us": [9.0] * 3},
            "jax": {"median_us": 5.0, "disturbed": 0, "rounds_us": [5.0] * 3},
        },
        "failures": {"torch": "died"},
        "faults": {},
        "bound": {"us": 1.0, "flops_us": 0.5, "by": "L1"},
    }
    result = {
        "machine": {"processor": "p", "python": "3", "date": "d", "commit": "c", "isa": "base"},
        "peers": ["fastnn", "numpy", "torch", "jax"],
        "versions": {"fastnn": "1"},
        "absent": {"openvino": "not installed"},
        "skipped": {"epoch": "no data"},
        "effort": {"rounds": 7},
        "limits": {"fma_float32": 2e9, "read_L1": 3e9},
        "rows": [row],
    }
    text = report.markdown(result)
    assert "| predict_one 3-5-2 | 2.00 | jax | 5.00 | 2.50x | 1.00 | L1 | 50% | 25% | 9.00 | 5.00 |" in text
    assert "| fma float32 | 2.0 GFLOP/s |" in text
    for line in (
        "openvino left out: not installed",
        "skipped: epoch: no data",
        "torch FAILED: died",
        "disturbed 2 of 9",
    ):
        assert line in text


def test_every_kernel_and_every_layer_has_a_case():
    text = (ROOT / "bench" / "bench_kernels.py").read_text()
    tables = {*table.ACTIVATIONS, *table.LOSSES, *table.OPTIMIZERS}  # cases run over these
    missing = [
        name for name in kernels() if name not in tables and not re.search(rf'(doors\.|table\.|"){name}\b', text)
    ]
    assert missing == []
    layers = {name for name in dir(fn) if isinstance(getattr(fn, name), type) and issubclass(getattr(fn, name), Layer)}
    assert set(bench_core.LAYERS) == layers - {"Layer"}


def test_products_timed_in_place_are_those_that_are_tested():
    draw = arrays.draw
    x, w, bias, dy, dw = (draw(*shape, seed=1) for shape in ((3, 20), (20, 33), (33,), (3, 33), (20, 33)))
    place = draw(3, 33)
    assert doors.product_forward(x, w, bias, out=place) is place
    np.testing.assert_array_equal(place, doors.product_forward(x, w, bias))
    place = doors.product_input_gradient(dy, w, out=draw(3, 20))
    np.testing.assert_array_equal(place, doors.product_input_gradient(dy, w))
    expected = doors.product_weight_gradient(x, dy, dw, 0.5)
    np.testing.assert_array_equal(doors.product_weight_gradient(x, dy, dw, 0.5, out=dw), expected)
    thrice = doors.product_weight_gradient(x, dy, dw, 0.5, repeats=3)
    np.testing.assert_allclose(thrice, dw + 1.5 * x.T @ dy, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="expected out to be dw itself"):
        doors.product_weight_gradient(x, dy, dw, out=draw(20, 33))


WORKER = """
import os, sys
from bench.pipe import serve

def desk(request):
    print("chatter of a library")
    if request["do"] == "die":
        os._exit(3)
    if request["do"] == "fail":
        raise ValueError("no such net")
    threads, steered = os.environ["OMP_NUM_THREADS"], os.environ.get("OPENBLAS_CORETYPE")
    return {"heard": request["word"], "threads": threads, "cores": [*os.sched_getaffinity(0)], "steered": steered}

serve(lambda: desk, sys.argv[-1])
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the suite runs on Linux")
def test_a_worker_answers_reports_errors_and_its_death(tmp_path, monkeypatch):
    (tmp_path / "made_up_worker.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    core = min(os.sched_getaffinity(0))
    child = pipe.Worker("made_up_worker", threads=1, cores=[core], log=tmp_path / "log")
    answer = child.ask("say", word="hello")
    assert answer == {"heard": "hello", "threads": "1", "cores": [core], "steered": None}
    with pytest.raises(pipe.WorkerError, match="ValueError: no such net"):
        child.ask("fail")
    assert child.ask("say", word="again")["heard"] == "again"
    assert "chatter" in (tmp_path / "log").read_text()
    with pytest.raises(pipe.WorkerError, match="die: the worker died"):
        child.ask("die")
    assert not child.alive
    child = pipe.Worker("made_up_worker", threads=1, cores=[core], log=tmp_path / "log")
    child.process.kill()
    child.process.wait()
    with pytest.raises(pipe.WorkerError, match="say: the worker"):
        child.ask("say", word="hello")


class MadeUpPeer:
    version = "1"

    def why_not(self, workload):
        return None if workload.mode == "predict" else "answers only"

    def ways(self, workload, given, *, thorough):
        right = reference.forward(workload, [given.weights[0], given.biases[0]], given.X)[-1]

        def fails():
            raise RuntimeError("no compiler")

        def slow():
            time.sleep(0.001)
            return right

        return {
            "wrong": lambda: case.Case(lambda: -right),
            "slow": lambda: case.Case(slow),
            "fast": lambda: case.Case(lambda scale: scale * right, (1,)),
            "broken": fails,
        }


def test_the_fastest_way_that_answers_right_is_kept(monkeypatch):
    monkeypatch.setattr(worker, "TRIAL", 1e-4)
    monkeypatch.setattr(worker, "TRIALS", 1)
    workload = Workload("predict", (3, 2), 4)
    request = {"do": "build", "thorough": True, "expected": reference.answer(workload, problem.problem(workload))}
    desk = worker.Desk(MadeUpPeer())
    built = desk({**request, "workload": asdict(workload)})
    assert built["way"] == "fast"
    assert set(built["faults"]) == {"wrong", "broken"}
    assert built["faults"]["broken"] == "RuntimeError: no compiler"
    assert 0 < desk({"do": "time", "calls": 3})["seconds"] < 0.001
    refused = desk({**request, "workload": asdict(workload), "expected": [0.0, 0.0, 0.0]})
    assert "slow: answered" in refused["error"]
    assert desk({**request, "workload": asdict(step())}) == {"cannot": "answers only"}
