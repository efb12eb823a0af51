"""Build ``fastnn._core.doors``, by which tests reach single kernels, beside the installed wheel, which lacks it.

    python tests/wheel/add_doors.py

with the Python that has the wheel, of this very source.
"""

import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main():
    """Install what building takes, and compile the one module."""
    spec = find_spec("fastnn")
    site = Path(spec.origin).parents[1] if spec else ROOT
    if site == ROOT:
        raise SystemExit(f"add_doors: expected an installed fastnn, got {spec.origin if spec else 'none'}")
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["requires"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *needed], check=True)
    build = [sys.executable, "setup.py", "--quiet", "build_ext", "--doors", "--build-lib", str(site)]
    subprocess.run(build, check=True, cwd=ROOT)


if __name__ == "__main__":
    main()
