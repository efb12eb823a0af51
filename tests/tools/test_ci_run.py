"""How ``.ci/run`` comes by the compiler and the emulator of arm64: as root, by sudo, or it says what to type."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "run"
if not SCRIPT.exists() or os.name == "nt":
    pytest.skip("the script belongs to the source tree, and to systems with bash", allow_module_level=True)

PACKAGES = "gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
INSTALL = ["apt-get update -qq", f"apt-get install -y -qq {PACKAGES}"]
SUDO = '#!/bin/sh\n[ "$1" = -n ] && shift\necho sudo >> {log}\nexec "$@"\n'
SUDO_ASKS = '#!/bin/sh\n[ "$1" != -n ]\n'


def run(folder, *, user=0, sudo=None, apt=True, there=()):
    """Run the script with these programs alone, until make, which fails; return its answer and what was installed."""
    bin, log = folder / "bin", folder / "log"
    bin.mkdir()
    for tool in ("bash", "sh", "dirname", "true"):
        (bin / tool).symlink_to(shutil.which(tool))
    programs = dict.fromkeys(there, "#!/bin/sh\n") | {"id": f"#!/bin/sh\necho {user}\n", "make": "#!/bin/sh\nexit 7\n"}
    if sudo:
        programs["sudo"] = sudo
    if apt:
        programs["apt-get"] = '#!/bin/sh\necho "apt-get $*" >> {log}\n'
    for name, text in programs.items():
        (bin / name).write_text(text.replace("{log}", str(log)))
        (bin / name).chmod(0o755)
    answer = subprocess.run([SCRIPT], env={"PATH": str(bin)}, capture_output=True, text=True, check=False)
    return answer, log.read_text().splitlines() if log.exists() else []


@pytest.mark.parametrize(
    ("options", "installed"),
    [
        ({"there": ("qemu-aarch64", "aarch64-linux-gnu-gcc")}, []),
        ({}, INSTALL),
        ({"there": ("qemu-aarch64",)}, INSTALL),
        ({"user": 1000, "sudo": SUDO}, ["sudo", "sudo", *INSTALL]),
    ],
)
def test_goes_on_to_make(tmp_path, options, installed):
    answer, log = run(tmp_path, **options)
    assert (answer.returncode, answer.stderr, log) == (7, "", installed)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"user": 1000}, f"type: sudo sh -c 'apt-get update -qq && apt-get install -y -qq {PACKAGES}'"),
        ({"user": 1000, "sudo": SUDO_ASKS}, "type: sudo sh -c"),
        ({"apt": False}, "install them, then try again"),
    ],
)
def test_says_what_is_missing(tmp_path, options, says):
    answer, log = run(tmp_path, **options)
    assert (answer.returncode, log) == (1, [])
    assert "expected qemu-aarch64 and aarch64-linux-gnu-gcc on the PATH" in answer.stderr
    assert says in answer.stderr
