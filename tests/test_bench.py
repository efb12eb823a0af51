"""What the side-by-side suite counts and whom it refuses; nothing is timed here."""

import os
import re
import sys
import time
from dataclasses import asdict

import numpy as np
import pytest

workloads = pytest.importorskip("bench.workloads", reason="bench/ is in the source tree only")

from test_architecture import ROOT, kernels  # noqa: E402

import fastnn as fn  # noqa: E402
from bench import (  # noqa: E402
    arrays,
    bench_core,
    goals,
    limits,
    machine,
    pipe,
    problem,
    reference,
    report,
    variants,
    worker,
)
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


def times(us, precision="", disturbed=0):
    return {"median_us": us, "precision": precision, "disturbed": disturbed, "rounds_us": [us] * 3}


def made_up_result(**changed):
    """Two instruction sets: NumPy can be held to the lesser, ONNX Runtime cannot."""
    row = {
        "workload": "predict 784-128-10 b128",
        "net": "784-128-10",
        "activation": "relu",
        "sizes": (784, 128, 10),
        "threads": 1,
        "headline": True,
        "times": {
            "fastnn avx2": times(4.0),
            "fastnn avx512": times(2.0),
            "clang avx2": times(3.0),
            "numpy avx2": times(9.0, disturbed=2),
            "numpy": times(1.9),
            "onnxruntime": times(5.0, "bfloat16"),
        },
        "alone": {},
        "failures": {"torch": "died"},
        "faults": {},
        "bound": {
            "avx2": {"us": 1.0, "flops_us": 0.5, "by": "L1"},
            "avx512": {"us": 1.8, "flops_us": 1.8, "by": "FMA"},
        },
    }
    shared = {**row, "workload": "SGD 784-512-512-10 b128 x2", "threads": 2, "failures": {}}
    shared["alone"] = {"fastnn avx2": times(8.0), "fastnn avx512": times(3.0)}
    columns = [("fastnn avx2", "fastnn", "fastnn", "avx2"), ("fastnn avx512", "fastnn", "fastnn", "avx512")]
    columns += [("clang avx2", "fastnn", "clang", "avx2"), ("numpy avx2", "numpy", "numpy", "avx2")]
    columns += [("numpy", "numpy", "numpy", ""), ("onnxruntime", "onnxruntime", "onnxruntime", "")]
    return {
        "format": 2,
        "machine": {"processor": "p", "python": "3", "date": "2026-01-02T03", "commit": "c"},
        "isas": ["avx2", "avx512"],
        "columns": [dict(zip(("name", "peer", "label", "isa"), column, strict=True)) for column in columns],
        "versions": {"fastnn": "1"},
        "absent": {"openvino": "not installed"},
        "skipped": {"epoch": "no data"},
        "effort": {"rounds": 7},
        "limits": {isa: {"fma_float32": 2e9, "read_L1": 3e9} for isa in ("avx2", "avx512")},
        "rows": [row | changed, shared],
    }


def test_tables_name_what_is_missing_and_who_failed():
    text = report.markdown(made_up_result())
    assert (
        "| predict 784-128-10 b128 | 4.00 | onnxruntime bfloat16 5.00 | 1.25x | 25% L1 | 12% "
        "| 2.00 | numpy 1.90 | 0.95x | 90% FMA | 90% |" in text
    )
    assert "| predict 784-128-10 b128 | 4.00 | 2.00 | 3.00 | 9.00 | 1.90 | 5.00 bfloat16 |" in text
    assert "| predict 784-128-10 b128 | 3.00 | 0.75x | - | - |" in text  # the other build
    assert "| SGD 784-512-512-10 b128 x2 | fastnn avx512 | 3.00 | 2: 2.00 | 1.50x |" in text
    assert "| fma float32 | 2.0 GFLOP/s | 2.0 GFLOP/s |" in text
    for line in (
        "openvino left out: not installed",
        "avx2: onnxruntime cannot be held to it",
        "skipped: epoch: no data",
        "torch FAILED: died",
        "disturbed 4 of 42",
    ):
        assert line in text


def test_a_goal_is_reached_on_every_instruction_set_or_is_no_claim():
    text = report.markdown(made_up_result())
    assert (
        "| predict 784-128-10 b128 | beside the best peer | 1.00x | 1.25x reached | 0.95x MISSED | no |\n"
        "| predict 784-128-10 b128 | of the peak | 88% | 12% MISSED | 90% reached | no |\n"
        "| SGD 784-512-512-10 b128 x2 | beside one thread | 1.80x | 2.00x reached | 1.50x MISSED | no |" in text
    )
    slow = {"numpy": times(2.1), "fastnn avx2": times(0.55), "fastnn avx512": times(2.0)}
    text = report.markdown(made_up_result(times=slow))
    assert "| predict 784-128-10 b128 | of the peak | 88% | 91% reached | 90% reached | yes |" in text
    assert "| beside the best peer | 1.00x | - | 1.05x reached | no |" in text  # nobody was there on AVX2


def test_every_goal_is_of_a_workload():
    names = {workload.name for workload in workloads.WORKLOADS}
    assert set(goals.GOALS) <= names
    assert goals.GOALS["SGD 784-128-10 b32"] == goals.Goal(1.5, 0.85)
    assert goals.GOALS["predict 4-64-64-2 b512"] == goals.Goal(1.0)
    twice = {name: goal.speedup for name, goal in goals.GOALS.items() if name.endswith("x2")}
    assert len(twice) == len(workloads.TWO_THREADS)
    assert twice["predict 784-512-512-10 b128 x2"] == twice["SGD 1024-2048-2048-1000 b128 x2"] == 1.8
    assert twice["predict 784-128-10 b512 x2"] == twice["epoch Adam 784-128-10 b128 x2"] == goals.NEVER_SLOWER


def test_a_program_starts_again_held_to_an_instruction_set(monkeypatch):
    started = []
    monkeypatch.setattr(os, "execve", lambda program, arguments, own: started.append((arguments, own)))
    monkeypatch.setattr(variants, "best_isa", lambda: "avx512")
    monkeypatch.setenv("FASTNN_ISA", "avx512")
    variants.hold(None)
    variants.hold("avx512")
    assert started == []
    variants.hold("avx2")
    arguments, own = started[0]
    assert arguments[1:] == sys.orig_argv[1:]
    assert (own["FASTNN_ISA"], own["ONEDNN_MAX_CPU_ISA"], own["OPENBLAS_CORETYPE"]) == ("avx2", "AVX2", "Haswell")
    assert variants.held("avx512") == {"FASTNN_ISA": "avx512"}


def test_other_programs_know_their_goals():
    assert goals.judged("LSTM", 1.29) == "goal 1.3x MISSED"
    assert goals.judged("LSTM", 1.3) == "goal 1.3x reached"
    assert goals.judged("GRU", 1.0) == ""
    source = "".join((ROOT / "bench" / f"{name}.py").read_text() for name in ("recurrent", "estimators", "forecast"))
    assert all(name.removeprefix("fit ") in source for name in goals.OTHERS)


def test_lesser_precision_is_said_and_has_its_own_tolerance():
    plain, narrow = Workload("predict", (300, 50), 7), Workload("predict", (300, 50), 7, narrow="int8")
    assert narrow.name == "predict 300-50 b7 int8"
    assert narrow.weight_bytes == plain.weight_bytes / 4
    right = reference.answer(plain, problem.problem(plain))
    near = answer_with(plain, lambda given: given.weights[0].__imul__(1.05))
    far = answer_with(plain, lambda given: given.weights[0].__imul__(1.3))
    assert reference.disagreement(narrow, right, near, "int8") is None
    assert reference.disagreement(narrow, right, near, "bfloat16")
    assert reference.disagreement(narrow, right, near)
    assert reference.disagreement(narrow, right, far, "int8")
    assert "computed in int8" in reference.disagreement(plain, right, right, "int8")
    half = Workload("predict", (300, 50), 7, narrow="bfloat16")
    assert "computed in int8" in reference.disagreement(half, right, right, "int8")
    assert reference.disagreement(half, right, right, "bfloat16") is None


def test_peers_are_held_to_a_lesser_instruction_set_where_they_can_be():
    names = [column.name for column in variants.beside(["avx2", "avx512"], "avx512", ["numpy", "onnxruntime"])]
    assert names == ["numpy avx2", "numpy", "onnxruntime"]
    assert [column.name for column in variants.beside(["avx2"], "avx512", ["numpy", "jax"])] == [
        "numpy avx2",
        "jax avx2",
    ]
    assert [column.name for column in variants.beside(["avx2"], "avx2", ["numpy"])] == ["numpy"]
    assert variants.Variant("avx2", "numpy", peer="numpy").variables["OPENBLAS_CORETYPE"] == "Haswell"
    assert variants.Variant("avx2").variables == {"FASTNN_ISA": "avx2"}
    caches = {variants.Variant(isa, "torch", peer="torch").variables["TORCHINDUCTOR_CACHE_DIR"] for isa in ("", "avx2")}
    assert len(caches) == 2
    jax = pipe.environment(2, variants.Variant("avx2", "jax", peer="jax").variables)
    assert "intra_op_parallelism_threads=2" in jax["XLA_FLAGS"]
    assert jax["XLA_FLAGS"].endswith("--xla_cpu_max_isa=AVX2")
    assert "max_isa" not in pipe.environment(2, {})["XLA_FLAGS"]


def test_generations_of_processors():
    found = [machine.generation(*numbers) for numbers in ((25, 17), (25, 1), (25, 0x61), (26, 2), (23, 49), (6, 143))]
    assert found == ["Zen 4", "Zen 3", "Zen 4", "Zen 5", "Zen 2", ""]


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
    monkeypatch.setattr(worker, "TRIALS", 1)
    workload = Workload("predict", (3, 2), 4)
    request = {
        "do": "build",
        "thorough": True,
        "trial": 1e-4,
        "expected": reference.answer(workload, problem.problem(workload)),
    }
    desk = worker.Desk(MadeUpPeer())
    built = desk({**request, "workload": asdict(workload)})
    assert built["way"] == "fast"
    assert set(built["faults"]) == {"wrong", "broken"}
    assert built["faults"]["broken"] == "RuntimeError: no compiler"
    assert 0 < desk({"do": "time", "calls": 3})["seconds"] < 0.001
    refused = desk({**request, "workload": asdict(workload), "expected": [0.0, 0.0, 0.0]})
    assert "slow: answered" in refused["error"]
    assert desk({**request, "workload": asdict(step())}) == {"cannot": "answers only"}
