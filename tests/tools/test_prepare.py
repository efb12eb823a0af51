"""What a machine without venv, headers or compiler is told, and what is installed on it, by each package manager."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "tools" / "prepare.sh"
if not SCRIPT.exists() or os.name == "nt":
    pytest.skip("the script belongs to the source tree, and to systems with sh", allow_module_level=True)

TOOLS = ("sh", "cat", "env", "mktemp", "paste", "rm", "sed", "touch", "true")
PYTHON = """#!/bin/sh
case $2 in
*ensurepip*) [ -e {state}/venv ] ;;
*include*) echo {state} ;;
*CC*) echo cc ;;
*version_info*) [ ! -e {state}/old ] ;;
*) echo "Python 3.9.2" ;;
esac
"""
MANAGER = """#!/bin/sh
echo "{name} $*" >> {state}/log
case "$*" in *"{helps}"*) touch {state}/venv {state}/Python.h {state}/cc ;; esac
"""
SUDO = '#!/bin/sh\n[ "$1" = -n ] && shift\nexec "$@"\n'
SUDO_ASKS = '#!/bin/sh\n[ "$1" != -n ]\n'
INSTALLS = {
    "apt-get": ["update -qq", "install -y -qq --no-install-recommends python3-venv python3-dev gcc libc6-dev"],
    "dnf": ["install -y -q python3-devel gcc glibc-devel"],
    "apk": ["add -q python3-dev gcc musl-dev"],
    "pacman": ["-Sy --noconfirm --needed python gcc"],
    "brew": ["install python"],
}


class Machine:
    """A folder of programs, the only ones that the script finds, and of what they have installed."""

    def __init__(self, folder):
        self.bin, self.state = folder / "bin", folder / "state"
        self.bin.mkdir()
        self.state.mkdir()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))
        self.program("python3", PYTHON)
        self.program("cc", "#!/bin/sh\n[ -e {state}/cc ]\n")
        self.user(0)

    def program(self, name, text, **words):
        path = self.bin / name
        path.write_text(text.format(state=self.state, name=name, **words))
        path.chmod(0o755)

    def manager(self, name, helps=""):
        self.program(name, MANAGER, helps=helps)

    def user(self, number):
        self.program("id", f"#!/bin/sh\necho {number}\n")

    def sudo(self, asks):
        self.program("sudo", SUDO_ASKS if asks else SUDO)

    def has(self, *names):
        for name in names:
            (self.state / name).touch()

    def run(self):
        environment = {"PATH": str(self.bin), "TMPDIR": str(self.state)}
        return subprocess.run(
            [shutil.which("sh"), SCRIPT, "python3"], env=environment, capture_output=True, text=True, check=False
        )

    @property
    def log(self):
        path = self.state / "log"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_a_machine_that_has_everything_is_left_alone(machine):
    machine.has("venv", "Python.h", "cc")
    machine.manager("apt-get")
    run = machine.run()
    assert (run.returncode, run.stdout, run.stderr, machine.log) == (0, "", "", [])


@pytest.mark.parametrize("manager", INSTALLS)
def test_root_gets_it_installed(machine, manager):
    machine.manager(manager)
    run = machine.run()
    assert run.returncode == 0, run.stderr
    assert machine.log == [f"{manager} {command}" for command in INSTALLS[manager]]
    assert run.stdout.startswith("fastnn: this machine lacks venv, Python.h, a C compiler; ")
    assert machine.log[-1] in run.stdout


def test_a_user_whom_sudo_does_not_ask_gets_it_installed(machine):
    machine.user(1000)
    machine.sudo(asks=False)
    machine.manager("dnf")
    assert machine.run().returncode == 0
    assert machine.log == ["dnf install -y -q python3-devel gcc glibc-devel"]


@pytest.mark.parametrize("has_sudo", [True, False])
def test_any_other_user_is_told_what_to_type(machine, has_sudo):
    machine.user(1000)
    machine.has("venv", "cc")
    if has_sudo:
        machine.sudo(asks=True)
    machine.manager("apk")
    run = machine.run()
    assert (run.returncode, machine.log) == (1, [])
    assert run.stderr == (
        "fastnn: this machine lacks Python.h; type: sudo sh -c 'apk add -q python3-dev gcc musl-dev'\n"
    )


def test_homebrew_is_no_matter_of_root(machine):
    machine.user(501)
    machine.manager("brew")
    assert machine.run().returncode == 0
    assert machine.log == ["brew install python"]


def test_an_unknown_system_is_told_what_it_lacks(machine):
    run = machine.run()
    assert run.returncode == 1
    assert run.stderr == "fastnn: this machine lacks venv, Python.h, a C compiler; install that, then try again\n"


def test_an_installation_that_does_not_help_is_no_success(machine):
    machine.manager("apk", helps="something else")
    run = machine.run()
    assert run.returncode == 1
    assert "python3 still lacks venv, Python.h, a C compiler" in run.stderr


def test_a_machine_without_python(machine):
    (machine.bin / "python3").unlink()
    run = machine.run()
    assert run.returncode == 1
    assert run.stderr.startswith("fastnn: this machine lacks python3;")


def test_an_old_python_is_refused(machine):
    machine.has("venv", "Python.h", "cc", "old")
    run = machine.run()
    assert run.returncode == 1
    assert run.stderr.startswith("fastnn: expected Python 3.11 or later, got Python 3.9.2")
