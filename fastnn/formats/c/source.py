"""The source of an exported network: constants, functions, the network itself, and its self test."""

import numpy as np

from fastnn.data import Standardizer
from fastnn.formats.c import functions, text
from fastnn.formats.c.files import MARK
from fastnn.formats.c.selftest import SelfTest
from fastnn.formats.c.translation import Translation

MATRIX = """
/* Weights: whole numbers, and what to multiply each column by. */
typedef struct {{
    const signed char *values;
    const {real} *scale;
}} {name}_matrix;
"""

SCALING = """
{signature}
{{
    {mean}
    {scale}
    int i;
    for (i = 0; i < {size}; i++)
        {statement};
}}
"""

SELFTEST = """
#ifdef {upper}_SELFTEST

{arrays}

static int {name}_differs(int n, const {real} *found, const {real} *expected, double tolerance)
{{
    int i;
    for (i = 0; i < n; i++)
        if (!(fabs((double)found[i] - (double)expected[i]) <= tolerance))
            return 1;
    return 0;
}}

int {name}_selftest({name}_scratch *scratch)
{{
    {locals}
    int row, wrong = 0;
    for (row = 0; row < {count}; row++) {{
        int failed = 0;
        {run};
        {checks}
        wrong += failed;
    }}
    return wrong;
}}

#ifndef {upper}_NO_MAIN
#include <stdio.h>

int main(void)
{{
    static {name}_scratch scratch;
    const int wrong = {name}_selftest(&scratch);
    printf("{name}: %d of {count} rows wrong\\n", wrong);
    return wrong != 0;
}}
#endif

#endif
"""


def source(network: Translation, stem: str, test: SelfTest | None) -> str:
    """Return the source file, to be named ``stem.c``."""
    program, name = network.program, network.name
    quantized = bool(program.quantized)
    matrix = f"{name}_matrix" if quantized else "real"
    lines = [text.comment([f"{stem}.c: {MARK}; see {stem}.h."]), f'#include "{stem}.h"', "", "#include <math.h>"]
    if quantized:
        lines.append(MATRIX.format(name=name, real=program.real).rstrip())
    lines.append("")
    for _, *declarations in program.constants.values():
        lines += declarations
    for code in functions.sources(program.functions, quantized=quantized):
        lines += ["", text.written_for(code, name, program.dtype, matrix).rstrip()]
    lines += ["", *text.folded(network.signature, 0), "{"]
    for buffer in program.buffers:
        place = f"scratch->values + {buffer.offset}" if buffer.place == "scratch" else buffer.place
        lines.append(f"    {program.real} *const {buffer.name} = {place};")
    lines += indented([*program.statements, *network.copies])
    lines += ["    (void)scratch;"] * (not network.scratch) + ["    return 0;"] * program.can_fail + ["}"]
    if network.standardizer is not None:
        statement = f"x[i] = ({program.real})((raw[i] - mean[i]) / scale[i])"
        lines.append(scaling(network.standardize, network.standardizer, statement))
    if network.target_standardizer is not None:
        statement = "values[i] = (double)y[i] * scale[i] + mean[i]"
        lines.append(scaling(network.unstandardize, network.target_standardizer, statement))
    if test is not None:
        lines.append(selftest(network, test))
    return "\n".join([*lines, ""])


def indented(statements: list[str]) -> list[str]:
    """Return the statements with the indentation that their braces ask for."""
    lines, depth = list[str](), 1
    for statement in statements:
        depth -= statement.startswith("}")
        lines += text.folded(statement, depth)
        depth += statement.endswith("{")
    return lines


def scaling(signature: str, standardizer: Standardizer, statement: str) -> str:
    """Return a function between the units of a user and those of the network; in double, as in Python."""
    mean, scale = np.ravel(standardizer.mean), np.ravel(standardizer.scale)
    arrays = {
        name: text.array("double", name, values).replace("\n", "\n    ")
        for name, values in (("mean", mean), ("scale", scale))
    }
    return SCALING.format(signature=signature, size=mean.size, statement=statement, **arrays).rstrip()


def selftest(network: Translation, test: SelfTest) -> str:
    """Return stored rows and answers, the function that compares, and a main."""
    name, real = network.name, network.program.real
    stored = {port.name: rows for port, rows in zip(network.inputs, test.rows, strict=True)}
    local, run = [], []
    if test.raw is not None:
        (port,) = network.inputs
        stored = {"raw": test.raw}
        local.append(f"static {real} {port.name}[{port.size}];")
        run.append(f"{name}_standardize({name}_rows_raw + {port.size} * row, {port.name})")
        arguments = [port.name]
    else:
        arguments = [f"{name}_rows_{port.name} + {port.size} * row" for port in network.inputs]
    stored |= {port.name: rows for port, rows in zip(network.outputs, test.answers, strict=True)}
    arrays = [
        text.array("double" if port == "raw" else real, f"{name}_rows_{port}", rows) for port, rows in stored.items()
    ]
    local += [f"static {real} {port.name}[{port.size}];" for port in network.outputs]
    call = f"{name}_run(scratch, {', '.join([*arguments, *(port.name for port in network.outputs)])})"
    run.append(f"failed |= {call}" if network.program.can_fail else call)
    checks = [
        f"failed |= {name}_differs({port.size}, {port.name}, {name}_rows_{port.name} + {port.size} * row, {far:.3g});"
        for port, far in zip(network.outputs, test.tolerances, strict=True)
    ]
    return SELFTEST.format(
        name=name,
        upper=network.upper,
        real=real,
        count=len(test.rows[0]),
        arrays="\n".join(arrays),
        locals="\n    ".join(local),
        run=";\n        ".join(run),
        checks="\n        ".join(checks),
    ).rstrip()
