"""The command line on several processes that mpiexec starts."""

import sys

import numpy as np
import pytest
from helpers.mpi import on_processes

import fastnn as fn
from fastnn.cli import launch, main


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 4))
    rows = np.column_stack([X, X[:, 0] * X[:, 1] > 0])
    path = tmp_path / "rows.csv"
    np.savetxt(path, rows, delimiter=",", header="a,b,c,d,y", comments="", fmt=["%.4f"] * 4 + ["%d"])
    return path


def arguments(table, out, **options):
    given = {"target": "y", "epochs": 3, "batch-size": 256, "hidden": "32", "out": out, **options}
    return ["train", str(table), *(str(part) for name, value in given.items() for part in (f"--{name}", value))]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"OMPI_COMM_WORLD_SIZE": "4"}, True),
        ({"OMPI_COMM_WORLD_SIZE": "1", "PMIX_RANK": "0"}, False),
        ({"PMI_SIZE": "2"}, True),
        ({"PMI_SIZE": "1"}, False),
        ({"MV2_COMM_WORLD_SIZE": "3"}, True),
        ({"PMIX_RANK": "0"}, True),
    ],
)
def test_who_was_launched(monkeypatch, environment, expected):
    for name in (*launch.SIZES, launch.RANK):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert launch.launched() is expected


def test_without_mpi4py(monkeypatch, table, capsys):
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    assert main(arguments(table, table.parent / "m.safetensors")) == 2
    assert "pip install 'fastnn[mpi]'; or start one without it" in capsys.readouterr().err


def test_trained_together(table, capsys):
    alone, together = table.parent / "alone.safetensors", table.parent / "together.safetensors"
    assert main(arguments(table, alone)) == 0
    told = capsys.readouterr().out
    done = on_processes(2, "-m", "fastnn", *arguments(table, together))
    assert done.returncode == 0, done.stderr
    assert fn.load(together).params.tobytes() == fn.load(alone).params.tobytes()
    lines = done.stdout.splitlines()
    assert (len(lines), lines[-1]) == (len(told.splitlines()), f"saved {together}")


def test_small_batches_are_noted(table):
    done = on_processes(2, "-m", "fastnn", *arguments(table, table.parent / "m.safetensors", **{"batch-size": 32}))
    assert "note: mini-batches of 32 rows are hardly dealt out to 2 processes" in done.stdout
    assert "too small" not in done.stderr  # what fit says to programs


def test_an_error_is_told_once(table):
    done = on_processes(2, "-m", "fastnn", *arguments(table, table.parent / "m.safetensors", target="z"))
    assert done.returncode == 2
    assert done.stderr.count("fastnn: error:") == 1
    assert "no column 'z'" in done.stderr


def test_one_that_fails_alone_ends_all(table, tmp_path):
    """The second process finds no file: it tells, and the first does not wait for it for ever."""
    script = tmp_path / "start.py"
    script.write_text(
        "import os, sys\nfrom fastnn.cli import main\n"
        "if os.environ['OMPI_COMM_WORLD_RANK'] == '1':\n    sys.argv[2] = 'gone.csv'\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    done = on_processes(2, script, *arguments(table, table.parent / "m.safetensors"))
    assert done.returncode == 2
    assert "No such file or directory: gone.csv" in done.stderr
