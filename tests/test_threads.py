"""The number of threads: what may be set, and the default from the environment, the affinity and control groups."""

import math
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import fastnn as fn
from fastnn import threads
from fastnn._core import pool


@pytest.fixture(autouse=True)
def unchanged():
    before = fn.get_num_threads()
    yield
    fn.set_num_threads(before)


@pytest.mark.parametrize("n", [1, 2, 7, 1024, np.int64(3)])
def test_what_is_set_is_what_runs_use(n):
    fn.set_num_threads(n)
    assert fn.get_num_threads() == n
    assert type(fn.get_num_threads()) is int


@pytest.mark.parametrize(("n", "error", "message"), [
    (True, TypeError, "set_num_threads: expected n to be an integer, got bool True"),
    (2.0, TypeError, "set_num_threads: expected n to be an integer, got float 2.0"),
    ("2", TypeError, "set_num_threads: expected n to be an integer, got str '2'"),
    (None, TypeError, "set_num_threads: expected n to be an integer, got NoneType None"),
    (0, ValueError, "set_num_threads: expected n of at least 1, got 0"),
    (-2, ValueError, "set_num_threads: expected n of at least 1, got -2"),
    (1025, ValueError, "set_num_threads: expected n of at most 1024, got 1025"),
    (10**30, ValueError, f"set_num_threads: expected n of at most 1024, got {10**30}"),
])  # fmt: skip
def test_what_may_not_be_set(n, error, message):
    fn.set_num_threads(3)
    with pytest.raises(error) as caught:
        fn.set_num_threads(n)
    assert str(caught.value) == message
    assert fn.get_num_threads() == 3


def imported(code="", **environment):
    """What a new process prints, or the last line of its error."""
    kept = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
    code = f"import os, numpy\n{code}\nimport fastnn as fn\nprint(fn.get_num_threads())"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**kept, **environment}, check=False
    )
    return int(run.stdout) if run.returncode == 0 else run.stderr.strip().splitlines()[-1]


def test_the_environment_sets_the_default():
    assert imported(FASTNN_NUM_THREADS="3") == 3
    assert imported(FASTNN_NUM_THREADS="1024") == 1024
    assert imported(FASTNN_NUM_THREADS="") == imported()
    for bad in ("0", "-1", "two", "1.5", "1025", " 2", "9" * 5000, "٣"):
        expected = "ImportError: FASTNN_NUM_THREADS: expected an integer from 1 to 1024, got "
        assert str(imported(FASTNN_NUM_THREADS=bad)).startswith(expected), bad


@pytest.mark.parametrize(("text", "limit"), [
    ("1", 1), ("4", 4), (" 2 ", 2), ("3,2", 3), ("", math.inf), ("0", math.inf), ("-1", math.inf), ("all", math.inf),
    ("2.5", math.inf), ("9" * 5000, math.inf), ("٣", math.inf),
])  # fmt: skip
def test_no_more_threads_than_openmp_would_have(monkeypatch, text, limit):
    """Who runs several processes says so to each; a number for fastnn alone goes before it."""
    monkeypatch.delenv("FASTNN_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "_cpu_quota", lambda memberships, mount: 5.0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert threads._default_threads() == min(limit, 5)
    monkeypatch.setenv("FASTNN_NUM_THREADS", "7")
    assert threads._default_threads() == 7


def test_a_worker_that_is_told_so_has_one_thread():
    assert imported(OMP_NUM_THREADS="1") == 1


def test_a_network_that_is_never_fitted_has_the_default():
    """Nor does anyone ask for fastnn.threads: the pool itself says what its runs may use."""
    code = "import fastnn as fn\nfrom fastnn._core import pool\n{}fn.get_num_threads = pool.get_threads"
    one = "fn.Sequential([fn.Dense(3)], input_shape=2).predict(numpy.zeros((5, 2), 'f'))\n"
    assert imported(code.format(one), FASTNN_NUM_THREADS="3") == 3
    assert imported(code.format(""), FASTNN_NUM_THREADS="3") == 1, "the check above would pass without a network"


@pytest.mark.skipif("not hasattr(os, 'sched_setaffinity')", reason="needs processor affinity")
def test_one_allowed_processor_is_one_thread():
    assert imported("os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])") == 1


@pytest.mark.parametrize(("quota", "expected"), [(math.inf, 6), (0.1, 1), (1.0, 1), (1.5, 2), (5.01, 6), (64.0, 6)])
def test_the_default_is_the_smaller_of_affinity_and_quota_rounded_up(monkeypatch, quota, expected):
    monkeypatch.delenv("FASTNN_NUM_THREADS", raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "_cpu_quota", lambda memberships, mount: quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(6)), raising=False)
    assert threads._default_threads() == expected
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert threads._default_threads() == expected
    monkeypatch.setattr(os, "cpu_count", lambda: 5000)
    assert threads._default_threads() == min(math.ceil(min(quota, 5000)), pool.MAX_THREADS)


def v1(group, quota, period=100000):
    return {f"{group}/cpu.cfs_quota_us": f"{quota}\n", f"{group}/cpu.cfs_period_us": f"{period}\n"}


V1 = "12:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n3:cpuset:/\n1:name=systemd:/docker/1\n"
GROUPS = {
    "version 2, no limit": ("0::/a\n", {"a/cpu.max": "max 100000\n"}, math.inf),
    "version 2": ("0::/a/b\n", {"a/b/cpu.max": "150000 100000\n"}, 1.5),
    "version 2, limit above": ("0::/a/b\n", {"a/cpu.max": "50000 100000\n", "a/b/cpu.max": "200000 100000\n"}, 0.5),
    "version 2, its own root": ("0::/\n", {"cpu.max": "300000 100000\n"}, 3),
    "version 2, outside of the mount": ("0::/../../x\n", {"cpu.max": "300000 100000\n", "x/cpu.max": "1 100"}, 3),
    "version 2, path not mounted": ("0::/docker/1\n", {"cpu.max": "200000 100000\n"}, 2),
    "version 2, another's limit": ("0::/a\n", {"b/cpu.max": "100000 100000\n"}, math.inf),
    "version 2 beside version 1": ("0::/a\n", {"unified/a/cpu.max": "100000 100000\n"}, 1),
    "version 1": (V1, v1("cpu,cpuacct/docker/1", 250000), 2.5),
    "version 1, limit above": (V1, v1("cpu,cpuacct/docker", 50000) | v1("cpu,cpuacct/docker/1", 250000), 0.5),
    "version 1, short name, path not mounted": (V1, v1("cpu", 50000, 20000), 2.5),
    "version 1, no limit": (V1, v1("cpu/docker/1", -1), math.inf),
    "version 1, another's limit": (V1, v1("memory/docker/1", 100000), math.inf),
    "version 1, period missing": (V1, {"cpu/docker/1/cpu.cfs_quota_us": "100000\n"}, math.inf),
    "a colon in the name": ("0::/a:b\n", {"a:b/cpu.max": "100000 100000\n"}, 1),
    "not what the kernel writes": ("0::/a\n", {"a/cpu.max": "often\n"}, math.inf),
    "no groups": ("", {"cpu.max": "100000 100000\n"}, math.inf),
}  # fmt: skip


@pytest.mark.parametrize("case", GROUPS)
def test_quota_of_control_groups(case, tmp_path):
    memberships, files, expected = GROUPS[case]
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert threads._cpu_quota(memberships, str(tmp_path)) == expected


@pytest.mark.skipif("not os.path.isdir('/proc/self/task')", reason="needs /proc to count threads")
def test_import_starts_no_thread():
    count = "len(os.listdir('/proc/self/task'))"
    code = f"import atexit\nbefore = {count}\natexit.register(lambda: {count} == before or os._exit(9))"
    assert imported(code, FASTNN_NUM_THREADS="8") == 8


def test_a_thread_beside_others_is_alone_for_a_while_only():
    fn.set_num_threads(3)
    stop = threading.Event()
    with threads.worker_thread(stop):
        assert fn.get_num_threads() == 1
        threads.raise_if_stopped()
        with threads.worker_thread(threading.Event()):
            stop.set()
            threads.raise_if_stopped()  # it is the inner one's that counts
            assert fn.get_num_threads() == 1
        with pytest.raises(KeyboardInterrupt):
            threads.raise_if_stopped()
        assert fn.get_num_threads() == 1
    threads.raise_if_stopped()
    assert fn.get_num_threads() == 3
