"""Every part of ``make torture``, in short."""

import importlib
from pathlib import Path

import pytest

from tests.torture.__main__ import PARTS

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="parts read /proc of Linux"),
]


@pytest.mark.parametrize("name", PARTS)
def test_promise_holds(name):
    part = importlib.import_module(f"tests.torture.{name}")
    assert part.run(part.SHORT)
