"""fit_many on a pool of MPI processes: the bits of threads."""

import json
import os
from pathlib import Path

import pytest
from helpers.mpi import on_processes

pytestmark = pytest.mark.slow

PROGRAM = """
import json
import os

import fastnn as fn
from helpers.engines import OPTIONS, X, Y, networks, record, rows
from mpi4py.futures import MPIPoolExecutor


def pid(_):
    return os.getpid()


if __name__ == "__main__":
    elsewhere, here = networks(6), networks(6)
    with MPIPoolExecutor() as executor:
        workers = set(executor.map(pid, range(64))) - {os.getpid()}
        fn.fit_many(elsewhere, X, Y, rows=rows(6), executor=executor, n_threads=3, **OPTIONS)
    fn.fit_many(here, X, Y, rows=rows(6), **OPTIONS)
    same = [record(a) == record(b) for a, b in zip(elsewhere, here, strict=True)]
    print(json.dumps({"workers": len(workers), "same": same}))
"""


def test_networks_have_the_bits_of_threads(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    tests = Path(__file__).parents[1]
    done = on_processes(
        3, "-m", "mpi4py.futures", program, timeout=300, PYTHONPATH=f"{tests}{os.pathsep}{tests.parent}"
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {"workers": 2, "same": [True] * 6}
