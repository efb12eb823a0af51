"""The header of an exported network: what it computes, what it takes, and how it is called."""

from fastnn.formats.c import text
from fastnn.formats.c.files import MARK
from fastnn.formats.c.translation import Port, Translation, sized


def header(network: Translation, stem: str, notes: list[str], *, selftest: bool) -> str:
    """Return the header file, to be named ``stem.h``."""
    name, upper, real = network.name, network.upper, network.program.real
    count = max(network.scratch, 1)  # C has no struct of nothing
    sizes = [
        f"#define {upper}_{port.name.upper()}_SIZE {port.size} /* {sized(port.shape)} */" for port in network.ports
    ]
    declared = [network.signature]
    declared += [network.standardize] * (network.standardizer is not None)
    declared += [network.unstandardize] * (network.target_standardizer is not None)
    test = [
        "",
        f"#ifdef {upper}_SELFTEST",
        "/* How many stored rows are answered wrongly: 0 if all is well. */",
        f"int {name}_selftest({name}_scratch *scratch);",
        "#endif",
    ]
    lines = [
        text.comment(about(network, stem, notes, selftest=selftest)),
        f"#ifndef {upper}_H",
        f"#define {upper}_H",
        "",
        *sizes,
        f"#define {upper}_SCRATCH_BYTES {count * network.program.dtype.itemsize}",
        "",
        "#ifdef __cplusplus",
        'extern "C" {',
        "#endif",
        "",
        "/* Working memory of one call. */",
        f"typedef struct {name}_scratch {{",
        f"    {real} values[{count}];",
        f"}} {name}_scratch;",
        "",
        "/* One row through the network. */",
        *(f"{one};" for one in declared),
        *(test if selftest else ()),
        "",
        "#ifdef __cplusplus",
        "}",
        "#endif",
        "",
        "#endif",
    ]
    return "\n".join([*lines, ""])


def about(network: Translation, stem: str, notes: list[str], *, selftest: bool) -> list[str]:
    """Return the lines of the comment that opens the header."""
    name, upper, program = network.name, network.upper, network.program
    numbers = f"8-bit weights, the rest {program.dtype}" if program.quantized else str(program.dtype)
    paragraph = (
        f"{numbers}: {program.constant_bytes:,} bytes of constants beside a kB or two of code, and "
        f"{upper}_SCRATCH_BYTES of scratch, which belong to the call: each thread needs its own, and what is in it "
        "does not matter.  No memory is allocated and nothing else is changed.  Arrays must not overlap; several axes "
        "are in row-major order.  Numbers are not checked: a NaN or an infinity among the inputs may come out again."
    )
    arrays = ", ".join(f"{port.name}[{size_of(network, port)}]" for port in network.ports)
    lines = [f"{stem}.h: a neural network, {MARK} (export_c).  C99, C++ too; needs <math.h> alone.", ""]
    lines += [line for formula in network.formulas for line in text.filled(formula, "    ")]
    lines += ["", *text.filled(paragraph), ""]
    lines += [f"    static {name}_scratch scratch;", *text.folded(f"{program.real} {arrays};", 1)]
    lines += text.folded(f"{name}_run(&scratch, {', '.join(port.name for port in network.ports)});", 1)
    if program.can_fail:
        failing = "or 1 if a number is no index of an embedding; outputs are undefined then."
        lines += ["", *text.filled(f"{name}_run returns 0, {failing}")]
    if network.standardizer is not None:
        lines += ["", *text.filled(f"x are standardised: {name}_standardize(raw, x) makes them of measured numbers.")]
    if network.target_standardizer is not None:
        lines += ["", *text.filled(f"y are standardised: {name}_unstandardize(y, values) gives them back their units.")]
    if selftest:
        lines += ["", "To test it by its stored rows and answers:", ""]
        lines += [f"    cc -std=c99 -D{upper}_SELFTEST {stem}.c -lm -o {name}_selftest && ./{name}_selftest"]
        lines += ["", f"On a device, -D{upper}_NO_MAIN leaves out main: call {name}_selftest(&scratch)."]
    if notes:
        lines += ["", *(line for note in notes for line in text.filled(note))]
    return lines


def size_of(network: Translation, port: Port) -> str:
    """Return the macro that says how many numbers a row of an input or output has."""
    return f"{network.upper}_{port.name.upper()}_SIZE"
