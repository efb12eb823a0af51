"""Compile what ``export_c`` wrote, call it through ctypes, and run its self tests."""

import ctypes
import shutil
import subprocess
from math import prod

import numpy as np
import pytest

import fastnn as fn

WARNINGS = ["-pedantic", "-Wall", "-Wextra", "-Werror", "-Wshadow", "-Wconversion", "-Wdouble-promotion"]
C, CPP = shutil.which("gcc") or shutil.which("cc"), shutil.which("g++") or shutil.which("c++")
SCRATCH = 1 << 16  # numbers that networks are lent
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
needs_compiler = pytest.mark.skipif(C is None or CPP is None, reason="no C and C++ compiler")


def build(language, sources, output, *options):
    """Compile with all warnings as errors; language is "c99", "c++98" ..."""
    compiler = C if language in ("c99", "c11") else CPP
    command = [compiler, "-x", "c" if compiler == C else "c++", f"-std={language}", *WARNINGS, *options]
    run = subprocess.run(
        [*command, *map(str, sources), "-lm", "-o", str(output)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[:4000]
    return output


def execute(program):
    """Run a program; its status and what it says."""
    run = subprocess.run([str(program)], capture_output=True, text=True, check=False)
    return run.returncode, run.stdout + run.stderr


def library(folder, names, language="c99", *options, unit="every_network"):
    """All of these exported networks in one shared library, compiled in one go."""
    source = folder / f"{unit}.c"
    source.write_text("".join(f'#include "{name}.c"\n' for name in names))
    output = folder / f"{unit}-{language}.so"
    return ctypes.CDLL(str(build(language, [source], output, "-shared", "-fPIC", *(options or ["-O0"]))))


def pointer(array):
    """Where an array lies, as an argument."""
    return ctypes.c_void_p(array.ctypes.data)


def answers(code, name, net, inputs, dtype=None):
    """The answers of ``NAME_run`` to rows (a list, one array per input), a list, one array per output."""
    dtype = np.dtype(dtype or net.dtype)
    run = getattr(code, f"{name}_run")
    fails = any(isinstance(layer, fn.Embedding) for layer in net.structure.layers)  # only then it says anything
    scratch = np.full(SCRATCH, np.nan, dtype)  # whatever is in it does not matter
    outputs = [np.full((len(inputs[0]), prod(shape)), np.nan, dtype) for shape in net.output_shapes]
    rows = [np.ascontiguousarray(x.reshape(len(x), -1), dtype) for x in inputs]
    for row in range(len(rows[0])):
        status = run(pointer(scratch), *(pointer(x[row:]) for x in rows), *(pointer(y[row:]) for y in outputs))
        assert not fails or status == 0
    return [y.reshape(len(y), *shape) for y, shape in zip(outputs, net.output_shapes, strict=True)]


def selftests(folder, names, language, *options):
    """A program that runs the self tests of all of these networks and says which fail."""
    unit = folder / "selftests.c"
    lines = [f'#define {n.upper()}_SELFTEST\n#define {n.upper()}_NO_MAIN\n#include "{n}.c"\n' for n in names]
    calls = [f'    wrong = {n}_selftest(&{n}_memory); if (wrong) printf("{n}: %d\\n", wrong);\n' for n in names]
    memory = [f"static {n}_scratch {n}_memory;\n" for n in names]
    unit.write_text(
        "".join(
            [*lines, *memory, "#include <stdio.h>\nint main(void)\n{\n    int wrong;\n", *calls, "    return 0;\n}\n"]
        )
    )
    return execute(build(language, [unit], folder / f"selftests-{language}", *options))
