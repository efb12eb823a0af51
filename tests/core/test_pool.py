"""The thread pool: every part runs once, whoever calls, forks or changes the number of threads meanwhile."""

import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.processes import complaint

import fastnn as fn
from fastnn._core import pool

ROOT = Path(__file__).parents[2]
needs_proc = pytest.mark.skipif("not os.path.isdir('/proc/self/task')", reason="needs /proc to count threads")
needs_fork = pytest.mark.skipif("not hasattr(os, 'fork')", reason="needs fork")


@pytest.fixture(autouse=True)
def threads():
    """Leave the number of threads as it was."""
    before = fn.get_num_threads()
    yield
    fn.set_num_threads(before)


def numbers(parts, rows, n=50):
    return np.random.default_rng(parts * 100 + rows).integers(-1000, 1000, (parts, rows, n)).astype(float)


def check(parts, rows, threads=0):
    """Every part of a run, and every row of the runs within it, ran once: integers sum exactly in any order."""
    x = numbers(parts, rows)
    totals, idents = pool.sum_rows(x, threads)
    np.testing.assert_array_equal(totals, x.sum(axis=2))
    assert (idents != 0).all()
    return idents


def n_tasks():
    return len(os.listdir("/proc/self/task"))


@pytest.mark.parametrize("threads", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("parts", [0, 1, 2, 3, 4, 7, 8, 9, 64, 1000])
def test_every_part_runs_once(parts, threads):
    fn.set_num_threads(threads)
    check(parts, 1)
    check(1, parts)


@pytest.mark.parametrize("threads", [2, 4])
def test_with_as_many_parts_as_threads_each_thread_keeps_its_part(threads):
    fn.set_num_threads(threads)
    runs = [check(threads, 1, threads)[:, 0].tolist() for _ in range(20)]
    assert len(set(runs[0])) == threads
    assert runs[0][0] == threading.get_ident()
    assert all(run == runs[0] for run in runs)


def test_no_more_threads_than_set_or_parts():
    for threads in (1, 2, 4):
        fn.set_num_threads(threads)
        assert len(np.unique(check(100, 1))) <= threads
    fn.set_num_threads(8)
    assert len(np.unique(check(2, 1, 2))) == 2


def test_a_run_within_a_run_stays_on_its_thread():
    fn.set_num_threads(3)
    for idents in (check(3, 20, 3), check(10, 5)):
        assert (idents == idents[:, :1]).all()
    assert len(np.unique(check(3, 20, 3))) == 3
    assert len(np.unique(check(1, 3, 3))) == 3  # one part is no run: what is within has the workers


def test_callers_at_the_same_time():
    fn.set_num_threads(3)
    faults = []
    start = threading.Barrier(8)

    def call(k):
        try:
            start.wait()
            for round in range(200):
                check(1 + (k + round) % 9, 1 + round % 3)
                if k == 0:
                    fn.set_num_threads(1 + round % 4)
        except BaseException as error:
            faults.append(error)

    callers = [threading.Thread(target=call, args=(k,)) for k in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert faults == []


PROBE = """
import os, signal, sys, threading
import numpy as np
from fastnn._core import pool

def tasks():
    return len(os.listdir("/proc/self/task"))

def runs():
    x = np.ones((9, 1, 7))
    for _ in range(20):
        totals, idents = pool.sum_rows(x)
        assert (totals == 7).all()
    return len(set(pool.sum_rows(x[:pool.get_threads()], pool.get_threads())[1].ravel()))

def child_of(check):
    "Fork a child that runs check; its exit status."
    pid = os.fork()
    if pid == 0:
        signal.alarm(30)
        code = 1
        try:
            check()
            code = 0
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    return os.waitpid(pid, 0)[1]

signal.alarm(60)
alone = tasks()
"""


def probe(code):
    """What went wrong in a process of its own: the number of threads there is nobody else's."""
    return complaint(PROBE + code, OPENBLAS_NUM_THREADS="1")


def test_a_probe_says_what_is_wrong():
    assert probe("") == ""
    assert "AssertionError" in probe("pool.set_threads(3)\nassert runs() == 2\n")
    assert probe("os.kill(os.getpid(), signal.SIGKILL)") == "ended by signal 9"


@needs_proc
def test_workers_start_at_the_first_run_that_needs_them():
    assert (
        probe("""
import fastnn
assert tasks() == alone
pool.set_threads(4)
pool.run_empty(1, 10)
assert tasks() == alone
pool.run_empty(2, 10)
assert tasks() == alone + 1
pool.run_empty(9, 10)
assert tasks() == alone + 3
pool.set_threads(2)
assert runs() == 2
""")
        == ""
    )


@needs_proc
@needs_fork
def test_a_fork_joins_idle_workers_and_the_child_has_its_own():
    assert (
        probe("""
at_fork = []
os.register_at_fork(after_in_parent=lambda: at_fork.append(tasks()), after_in_child=lambda: at_fork.append(tasks()))

def child():
    assert at_fork[-1] == 1
    assert runs() == 3
    assert tasks() == 3
    assert child_of(lambda: runs() == 3 or 1 / 0) == 0

pool.set_threads(3)
assert runs() == 3
for _ in range(5):
    assert child_of(child) == 0
    assert at_fork[-1] == alone  # Python 3.12 warns of a fork with threads by this number
    assert runs() == 3
""")
        == ""
    )


@pytest.mark.skipif("not hasattr(os, 'sched_setaffinity')", reason="needs processor affinity")
def test_the_part_of_a_worker_that_has_not_begun_is_the_caller_s():
    """On one processor the caller is done before the worker that it has woken gets there, all but always."""
    assert (
        probe("""
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
pool.set_threads(2)
x = np.ones((2, 1, 7))
alone = 0
for _ in range(200):
    totals, idents = pool.sum_rows(x)
    assert (totals == 7).all()
    alone += len(set(idents.ravel())) == 1
assert alone > 0, alone
""")
        == ""
    )


@needs_fork
def test_forks_while_others_run_and_fork():
    assert (
        probe("""
pool.set_threads(3)
done = threading.Event()
statuses = []
def run_on():
    while not done.is_set():
        pool.run_empty(7, 1000)
def fork_on():
    for _ in range(10):
        statuses.append(child_of(runs))
runners = [threading.Thread(target=run_on) for _ in range(2)]
forkers = [threading.Thread(target=fork_on) for _ in range(3)]
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # here it is due
for thread in runners + forkers:
    thread.start()
for thread in forkers:
    thread.join()
done.set()
for thread in runners:
    thread.join()
assert statuses == [0] * 30, statuses
assert runs() == 3
""")
        == ""
    )


@needs_proc
def test_workers_block_signals_but_faults():
    assert (
        probe("""
pool.set_threads(3)
mine = set(os.listdir("/proc/self/task"))
runs()
workers = set(os.listdir("/proc/self/task")) - mine
assert len(workers) == 2
faults = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE}
for worker in workers:
    with open(f"/proc/self/task/{worker}/status") as file:
        blocked = int(next(line for line in file if line.startswith("SigBlk")).split()[1], 16)
    for number in range(1, 32):
        allowed = number in faults | {signal.SIGKILL, signal.SIGSTOP}
        assert (blocked >> number - 1 & 1) == (not allowed), number
assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
""")
        == ""
    )


def test_the_process_ends_while_a_run_goes_on():
    assert (
        probe("""
pool.set_threads(3)
threading.Thread(target=pool.run_empty, args=(5, 10**9), daemon=True).start()
""")
        == ""
    )


def compiled(tmp_path, *flags):
    """The hammer, compiled with these flags, or a skip with what the compiler says."""
    if not (ROOT / "csrc").is_dir():
        pytest.skip("needs the C sources beside the tests")
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("needs a C compiler")
    program = tmp_path / "pool_hammer"
    command = [compiler, "-std=gnu11", "-g", "-pthread", *flags, f"-I{ROOT / 'csrc'}", "-o", str(program)]
    empty = tmp_path / "empty.c"
    empty.write_text("int main(void) { return 0; }")
    able = subprocess.run([*command, str(empty)], capture_output=True, text=True)
    if able.returncode or subprocess.run([program], capture_output=True).returncode:
        pytest.skip(f"the compiler cannot do {' '.join(flags)}: {able.stderr.strip()[-200:]}")
    sources = [str(ROOT / "tests" / "core" / "pool_hammer.c"), str(ROOT / "csrc" / "fnn_pool.c")]
    subprocess.run([*command, *sources], check=True)
    return program


@pytest.mark.skipif("sys.platform == 'win32'", reason="needs pthread")
@pytest.mark.parametrize(("flags", "rounds", "forks"), [("-O2", 20000, 50), ("-O1 -fsanitize=thread", 3000, 60)])
def test_hammer(tmp_path, flags, rounds, forks):
    program = compiled(tmp_path, *flags.split())
    environment = {**os.environ, "TSAN_OPTIONS": "die_after_fork=0 atexit_sleep_ms=0 halt_on_error=1"}
    run = subprocess.run([program, str(rounds), str(forks)], capture_output=True, text=True, env=environment)
    assert (run.returncode, run.stderr) == (0, "0 faults\n")


@pytest.fixture
def costs():
    """Leave what was measured as it was."""
    before = pool.get_costs()
    yield
    pool.set_costs(*before)


def test_costs_are_measured_at_the_first_work_that_is_worth_it():
    assert (
        probe("""
pool.set_threads(2)
assert pool.get_costs() == (-1, -1)
assert pool.worth_threads(100) == 1
assert pool.get_costs() == (-1, -1)
pool.worth_threads(10**6)
joining, waking = pool.get_costs()
assert 0 < joining <= 10**6, joining
assert 0 < waking <= 10**6, waking
""")
        == ""
    )


def test_a_run_is_worth_threads_where_they_save_more_than_they_cost(costs):
    """12 joins to run in parts, and one for ten cache lines that move."""
    fn.set_num_threads(2)
    pool.set_costs(100, 0)
    assert [pool.worth_threads(work) for work in (0, 2399, 2401, 10**6)] == [1, 1, 2, 2]
    assert [pool.worth_threads(10_000, moved) for moved in (0, 640 * 37, 640 * 39)] == [2, 2, 1]
    fn.set_num_threads(1)
    assert pool.worth_threads(10**9) == 1
    fn.set_num_threads(3)
    pool.set_costs(0, 0)
    assert pool.worth_threads(0, 10**9) == 3


def test_what_was_measured_at_a_bad_moment_does_not_last(costs):
    """An endless price is measured again by the next call worth a thread at the best one; one that was set is not."""
    fn.set_num_threads(2)
    endless = 10**7  # no measurement waits for so long
    pool.set_costs(1, 1)
    pool.run_empty(2, 10)
    pool.set_costs(endless, 1)
    pool.expect_work(10**9)
    assert pool.get_costs()[0] == endless
    for work in (0, 10**9):
        pool.set_costs(endless, 1, lasting=False)
        pool.expect_work(work)
        assert (pool.get_costs()[0] == endless) == (work == 0)


def asleep():
    """Wait until the workers sleep."""
    for _ in range(1000):
        time.sleep(0.01)
        if pool.worth_threads(10**6) == 1:
            return
    raise AssertionError("a worker does not fall asleep")


def test_a_sleeper_is_woken_for_a_long_run_and_for_many_short_calls_in_a_row(costs):
    fn.set_num_threads(2)
    check(2, 1, 2)  # there is a worker
    pool.set_costs(1, 10**8)
    asleep()
    assert pool.worth_threads(6 * 10**8 + 2) == 2
    for calls in (5, 6):  # each would save half of 10^8 nanoseconds; three times the cost of waking is what it takes
        for _attempt in range(20):  # on a busy machine it may sleep again before it is seen
            asleep()
            time.sleep(0.15)  # longer than the last call is said to take: a new row begins
            for _ in range(calls):
                pool.expect_work(10**8)
            woken = pool.worth_threads(10**6) == 2
            if woken or calls == 5:
                break
        assert woken == (calls == 6)


def test_the_door_refuses_what_it_cannot_take():
    for x in (np.ones((2, 3)), np.ones((2, 3, 4), np.float32), np.ones((2, 3, 8))[..., ::2], [[[1.0]]]):
        with pytest.raises(TypeError, match="expected a packed ndarray"):
            pool.sum_rows(x)
    for count in (0, -1, pool.MAX_THREADS + 1):
        with pytest.raises(ValueError, match=f"expected 1 to 1024 threads, got {count}"):
            pool.set_threads(count)
