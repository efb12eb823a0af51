"""Load a script of examples/ as a module; skip where it, or the data it needs, is absent."""

import importlib
import sys
from functools import wraps
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"


def load(name):
    """The module of an example, whose ``run`` skips the test that calls it where data are missing."""
    if not FOLDER.exists():
        pytest.skip("the examples are not part of the wheel", allow_module_level=True)
    pytest.importorskip("matplotlib")
    if str(FOLDER) not in sys.path:
        sys.path.insert(0, str(FOLDER))
    module, common = importlib.import_module(name), importlib.import_module("common")
    run = module.run

    @wraps(run)
    def run_or_skip(*arguments, **options):
        try:
            return run(*arguments, **options)
        except common.MissingData as missing:
            pytest.skip(str(missing))

    module.run = run_or_skip
    return module
