"""What a strict type checker sees of the package: right calls pass, mistakes do not."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import fastnn as fn

pytest.importorskip("mypy")
pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parent


@pytest.fixture(scope="module")
def errors(tmp_path_factory):
    """(file, line, code) of every error in the two files."""
    folder = tmp_path_factory.mktemp("mypy")
    (folder / "mypy.ini").write_text("[mypy]\nstrict = true\nfollow_imports = silent\nwarn_unused_ignores = false\n")
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-error-summary", "--cache-dir", str(folder / "cache"),
         "--config-file", str(folder / "mypy.ini"), str(FOLDER / "accepted.py"), str(FOLDER / "refused.py")],
        cwd=folder,
        env={**os.environ, "MYPYPATH": str(Path(fn.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    found = [
        re.fullmatch(r"(?:.*[/\\])?(\w+)\.pyi?:(\d+): error: .*\[([\w-]+)\]", line) for line in run.stdout.splitlines()
    ]
    assert run.returncode == 1, run.stdout + run.stderr
    return [(match[1], int(match[2]), match[3]) for match in found if match]


def test_what_users_write_is_accepted(errors):
    assert [error for error in errors if error[0] != "refused"] == []


def test_mistakes_are_refused(errors):
    lines = (FOLDER / "refused.py").read_text().splitlines()
    expected = [(number, line.split("# E: ")[1]) for number, line in enumerate(lines, 1) if "# E: " in line]
    assert [(line, code) for _, line, code in errors] == expected
    assert len(expected) > 15
