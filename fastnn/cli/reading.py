"""Options of how tables are read, and the words of messages as options."""

import argparse
import re
from typing import Any

from fastnn.data import TableEncoder
from fastnn.data.rules import KINDS

# Arguments of TableEncoder as a message has them, and the options that say the same.
_ARGUMENTS = {
    "impute": "impute", "other": "other", "decimal": "decimal", "thousands": "thousands", "date_format": "date-format",
    "encoding": "encoding", "na_values": "na", "drop": "drop", "sep": "sep",
}  # fmt: skip


def add_files(parser: argparse.ArgumentParser) -> None:
    """Add the options of what a CSV file is."""
    parser.add_argument("--sep", help="what stands between the fields of a CSV file, if not found out")
    parser.add_argument("--encoding", help="of a CSV file, if not utf-8")


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add the options of what columns are."""
    several: dict[str, Any] = {"action": "append", "default": []}
    parser.add_argument("--drop", metavar="COLUMN", help="a column to leave out; may be given again", **several)
    parser.add_argument(
        "--kind", metavar="COLUMN=KIND", type=_kind, help=f"what a column is: {', '.join(KINDS)}", **several
    )
    parser.add_argument("--impute", choices=("mean", "median", "most_frequent"), help="what gaps become")
    parser.add_argument(
        "--other", type=_other, metavar="N", help="rows, or part of them, below which a category is rare"
    )
    parser.add_argument("--na", metavar="TEXT", help="a text that is a gap, such as ?; may be given again", **several)
    parser.add_argument("--decimal", help="what stands before a fraction, if not found out")
    parser.add_argument("--thousands", help="what stands between thousands, if not found out")
    parser.add_argument("--date-format", help="how dates are written, such as %%d/%%m/%%Y, if not found out")


def encoder_of(arguments: argparse.Namespace) -> TableEncoder:
    """Return the encoder with these options."""
    return TableEncoder(
        kinds=dict(arguments.kind), drop=arguments.drop, impute=arguments.impute, other=arguments.other,
        na_values=arguments.na, decimal=arguments.decimal, thousands=arguments.thousands,
        date_format=arguments.date_format,
    )  # fmt: skip


def in_options(text: str) -> str:
    """Return a message with the options of the command line in place of Python's arguments."""

    def option(found: re.Match[str]) -> str:
        name, value = _ARGUMENTS[found[1]], found[2]
        values = re.findall(r"'([^']*)'|\"([^\"]*)\"", value)
        words = ["".join(pair) for pair in values] or [value]
        return " ".join(f"--{name} {_quoted(word)}" for word in words)

    text = re.sub(rf"\b({'|'.join(_ARGUMENTS)})=(\[.*?\]|'[^']*'|\"[^\"]*\"|[\d.]+)", option, text)
    return re.sub(r"\bkinds=\{['\"](.*?)['\"]: '(\w+)'\}", lambda one: f"--kind {_quoted(f'{one[1]}={one[2]}')}", text)


def whole_numbers(text: str, expected: str, count: int = 0) -> tuple[int, ...]:
    """Return the positive whole numbers of an option, as many as ``count`` if that is given."""
    numbers = [int(part) if part.strip().isdecimal() else 0 for part in text.split(",")]
    if min(numbers) < 1 or len(numbers) != (count or len(numbers)):
        raise argparse.ArgumentTypeError(f"expected {expected}, got {text!r}")
    return tuple(numbers)


def _quoted(word: str) -> str:
    return word if re.fullmatch(r"[\w.,=/%:+-]+", word) else f"'{word}'"


def _kind(text: str) -> tuple[str, str]:
    name, _, kind = text.rpartition("=")
    if kind not in KINDS or not name:
        raise argparse.ArgumentTypeError(f"expected COLUMN=KIND with one of {', '.join(KINDS)}, got {text!r}")
    return name, kind


def _other(text: str) -> int | float:
    try:
        value = float(text) if "." in text else int(text)
    except ValueError:
        value = -1
    if value < 0 or (isinstance(value, float) and value > 1) or value == 0:
        raise argparse.ArgumentTypeError(f"expected a whole number of rows or a part such as 0.01, got {text!r}")
    return value
