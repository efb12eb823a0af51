"""C as text: names that C allows, numbers that survive printing, comments, and functions in a chosen precision."""

import re
import textwrap
from collections.abc import Iterable

import numpy as np

WIDTH = 110  # columns of a line
WORDS_OF_C = """
    auto break case char const continue default do double else enum extern float for goto if inline int long register
    restrict return short signed sizeof static struct switch typedef union unsigned void volatile while"""
WORDS_OF_CPP = """
    alignas alignof and and_eq asm bitand bitor bool catch char8_t char16_t char32_t class co_await co_return co_yield
    compl concept const_cast consteval constexpr constinit decltype delete dynamic_cast explicit export false friend
    module mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public
    reinterpret_cast requires static_assert static_cast template this thread_local throw true try typeid typename
    typeof typeof_unqual using virtual wchar_t xor xor_eq"""
KEYWORDS = frozenset((WORDS_OF_C + WORDS_OF_CPP).split())


def require_name(name: object) -> str:
    """Return ``name``; raises TypeError or ValueError unless it may begin the names of a C and C++ file."""
    if not isinstance(name, str):
        raise TypeError(f"export_c: expected name to be a string, got {type(name).__name__}")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,62}", name):
        raise ValueError(
            f"export_c: expected name to be a C identifier of up to 63 letters, digits and '_' that begins with a "
            f"letter, got {name!r:.80}; pass name='policy', say"
        )
    if name in KEYWORDS:
        raise ValueError(f"export_c: expected name not to be a keyword of C or C++, got {name!r}; pass another")
    if "__" in name or name.endswith("_"):
        raise ValueError(
            f"export_c: expected name without two '_' in a row and none at its end, which C++ reserves, got {name!r}"
        )
    return name


def number(value: float, dtype: np.dtype) -> str:
    """Write a finite number so that reading it gives the same one: 9 digits in float32, 17 in float64."""
    single = dtype == np.float32
    digits = f"{value:.9g}" if single else f"{value:.17g}"
    if "." not in digits and "e" not in digits:
        digits += ".0"
    return digits + "f" * single


def array(kind: str, name: str, values: np.ndarray) -> str:
    """Write ``static const kind name[N] = {...};`` for numbers of a dtype or for 8-bit integers."""
    flat = values.ravel()
    integers = flat.dtype.kind == "i"
    items = map(str, flat.tolist()) if integers else (number(value, flat.dtype) for value in flat.tolist())
    return "\n".join([f"static const {kind} {name}[{flat.size}] = {{", *wrap(items), "};"])


def wrap(items: Iterable[str]) -> list[str]:
    """Return the items in lines, with a comma after each but the last."""
    lines: list[str] = []
    line: list[str] = []
    width = 4
    for item in items:
        if line and width + len(item) + 1 > WIDTH:
            lines.append(f"    {', '.join(line)},")
            line, width = [], 4
        line.append(item)
        width += len(item) + 2
    return [*lines, f"    {', '.join(line)}"] if line else lines


def folded(statement: str, depth: int) -> list[str]:
    """Return a statement at a depth of indentation, in lines of the usual width."""
    indent = "    " * depth
    return textwrap.wrap(statement, WIDTH, initial_indent=indent, subsequent_indent=indent + "    ")


def filled(paragraph: str, indent: str = "") -> list[str]:
    """Return a paragraph in lines; what goes on stands four columns further in."""
    hanging = indent + "    " * bool(indent)
    return textwrap.wrap(paragraph, WIDTH - 3, initial_indent=indent, subsequent_indent=hanging, break_on_hyphens=False)


def comment(lines: Iterable[str]) -> str:
    """Write lines as one comment, whatever they hold: ASCII, and nothing in them that ends it or starts another."""
    safe = []
    for line in lines:
        text = " ".join(line.splitlines()).encode("ascii", "backslashreplace").decode()
        for found in ("*/", "/*", "??"):
            text = text.replace(found, " ".join(found)).replace(found, " ".join(found))
        safe.append(f" * {text}".rstrip().rstrip("\\"))
    return "\n".join(["/*", *safe, " */"])


def written_for(code: str, name: str, dtype: np.dtype, matrix: str) -> str:
    """Return C that is written for double in the precision of ``dtype``, its ``self_`` names under ``name``.

    ``real`` stands for the type of the numbers, ``matrix`` for what a weight matrix is made of.
    """
    code = re.sub(r"\bself_", f"{name}_", code)
    code = re.sub(r"\bmatrix\b", matrix, code)
    if dtype == np.float32:
        code = re.sub(r"(?<![\w.])(\d+\.\d+(?:e[+-]?\d+)?)", r"\1f", code)
        code = re.sub(r"\b(erfc|exp|expm1|log|log1p|pow|tanh|sqrt|floor|fabs)\(", r"\1f(", code)
    return re.sub(r"\breal\b", "float" if dtype == np.float32 else "double", code)
