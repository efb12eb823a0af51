"""Every part of ``make torture``, in short."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.torture.__main__ import PARTS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="parts read /proc of Linux"),
]


@pytest.mark.parametrize("name", PARTS)
def test_promise_holds(name):
    """In a process of its own: what it may take of memory is its own."""
    part = importlib.import_module(f"tests.torture.{name}")
    command = [sys.executable, "-m", "tests.torture", name, "--share", str(part.SHORT), "--inside"]
    run = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert json.loads(run.stdout.splitlines()[-1])["held"]
