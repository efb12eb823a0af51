"""Python code in a process of its own, for what a process has but once."""

import os
import subprocess
import sys


def complaint(code, **environment):
    """Run code, in which asserts are welcome; what went wrong, or an empty string.  Warnings are errors."""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, env={**os.environ, **environment}
    )
    return "" if run.returncode == 0 else run.stderr or f"ended by signal {-run.returncode}"
