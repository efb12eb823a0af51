"""How many threads a network may use: set by hand, by ``FASTNN_NUM_THREADS``, or by what the system allows.

Importing this sets the default; no thread starts before the first work that is worth sharing.
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, local

from fastnn._core.pool import MAX_THREADS, get_threads, limit_threads, set_look, set_threads
from fastnn._spec import require_count


def set_num_threads(n: int) -> None:
    """Let networks use ``n`` threads, the calling one included, from their next call on.

    Parameters
    ----------
    n : int
        From 1 to 1024.  1: all work is done on the thread that calls.

    Raises
    ------
    TypeError
        If it is not an integer.
    ValueError
        If it is below 1 or above 1024.

    Notes
    -----
    No result depends on the number of threads, bit for bit, unless BLAS has the products (``FASTNN_MATMUL=blas``).

    The threads are shared by all networks of the process.  One call at a time has them; others at the same time work on
    their own threads.  More threads than processors cost time.  On Windows networks use one thread whatever is set.

    Examples
    --------
    >>> import fastnn as fn
    >>> before = fn.get_num_threads()
    >>> fn.set_num_threads(1)
    >>> fn.get_num_threads()
    1
    >>> fn.set_num_threads(before)
    """
    require_count("set_num_threads", "n", n, high=MAX_THREADS)
    set_threads(int(n))


def get_num_threads() -> int:
    """Return how many threads networks may use, the calling one included.

    Returns
    -------
    int
        What ``set_num_threads`` set; before that ``FASTNN_NUM_THREADS``, or without it the processors that this
        process may run on, but no more than its control group's share of processor time, rounded up, and no more than
        ``OMP_NUM_THREADS``, which whoever runs several processes sets for each of them: loky, Dask, Ray, Slurm.  On a
        thread of `fit_many`: 1.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.get_num_threads() >= 1
    True
    """
    return get_threads()


class _Worker(local):
    """Events that end the training on this thread, where many models are fitted at a time."""

    stops: tuple[Event, ...] = ()


_worker = _Worker()


@contextmanager
def worker_thread(*stops: Event) -> Iterator[None]:
    """Let networks use this thread alone, and end their training soon after one of ``stops`` is set."""
    before, limit = _worker.stops, limit_threads(1)
    _worker.stops = stops
    try:
        yield
    finally:
        _worker.stops = before
        limit_threads(limit)


def stop_events() -> tuple[Event, ...]:
    """Return what ends the training on this thread when it is set."""
    return _worker.stops


def raise_if_stopped() -> None:
    """Raise KeyboardInterrupt if this thread is to stop: signals reach the main thread alone."""
    if any(stop.is_set() for stop in _worker.stops):
        raise KeyboardInterrupt


def _default_threads() -> int:
    """Return FASTNN_NUM_THREADS if it is set, else what affinity, quota and OMP_NUM_THREADS allow."""
    text = os.environ.get("FASTNN_NUM_THREADS", "")
    if text:
        if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MAX_THREADS):
            raise ImportError(
                f"FASTNN_NUM_THREADS: expected an integer from 1 to {MAX_THREADS}, got {text!r:.40}; "
                "correct or unset it"
            )
        return int(text)
    affinity = getattr(os, "sched_getaffinity", None)
    processors = len(affinity(0)) if affinity else os.cpu_count() or 1
    try:
        memberships = _text("/proc/self/cgroup")
    except OSError:  # not Linux
        memberships = ""
    quota = _cpu_quota(memberships, "/sys/fs/cgroup")
    return math.ceil(min(processors, quota, _openmp_limit(os.environ.get("OMP_NUM_THREADS", "")), MAX_THREADS))


def _openmp_limit(text: str) -> float:
    """Return the threads that OMP_NUM_THREADS allows, by its first level ("4,2"), inf where it says no number.

    OpenMP ignores what it cannot read, and the variable is not ours to refuse.
    """
    first = text.split(",")[0].strip()
    return int(first) if first.isascii() and first.isdigit() and len(first) < 9 and int(first) else math.inf


def _text(path: str) -> str:
    with open(path) as file:  # pathlib would be most of what this module loads
        return file.read()


def _cpu_quota(memberships: str, mount: str) -> float:
    """Return the processors that control groups grant to a process, inf without a limit.

    ``memberships`` is the text of its ``/proc/PID/cgroup``, ``mount`` where the groups are mounted.  A group obeys the
    limits of all groups above it.
    """
    quotas = [math.inf]
    for line in memberships.splitlines():
        _, controllers, path = line.split(":", 2)
        names = [name for name in path.split("/") if name]
        if ".." in names:  # a group outside of what this mount shows
            names = []
        if controllers == "":
            hierarchies, read = [mount, f"{mount}/unified"], _quota_v2
        elif "cpu" in controllers.split(","):
            hierarchies, read = [f"{mount}/{controllers}", f"{mount}/cpu"], _quota_v1
        else:
            continue
        for depth in range(len(names) + 1):
            quotas += [read("/".join([hierarchy, *names[:depth]])) for hierarchy in hierarchies]
    return min(quotas)


def _quota_v2(group: str) -> float:
    """Return the limit of one group of version 2, inf if none can be read: "quota period" or "max period"."""
    try:
        quota, period = _text(f"{group}/cpu.max").split()
        return math.inf if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return math.inf


def _quota_v1(group: str) -> float:
    """Return the limit of one group of version 1, inf if none can be read or the quota is -1."""
    try:
        quota, period = (int(_text(f"{group}/cpu.cfs_{name}_us")) for name in ("quota", "period"))
    except (OSError, ValueError):
        return math.inf
    return quota / period if quota > 0 else math.inf


set_threads(_default_threads())
set_look(raise_if_stopped)
