"""``fastnn data``: the data sets of the examples."""

import argparse
import sys
from pathlib import Path
from textwrap import indent

HELP = "fetch data sets that the examples use"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("names", metavar="NAME", nargs="*", help="which; without one they are listed")
    parser.add_argument("--folder", help="where to; that of FASTNN_DATA or the user's cache if not given")


def run(arguments: argparse.Namespace) -> None:
    """Fetch data sets once, make sure of them by published checksums, and convert them to what is read here."""
    from fastnn.data.fetch import fetch_data
    from fastnn.data.sets import SETS

    if not arguments.names:
        print("\n\n".join(map(describe, SETS)))
        return
    unknown = [name for name in arguments.names if name not in SETS]
    if unknown:
        raise ValueError(f"data: expected some of {', '.join(SETS)}, got {', '.join(unknown)}")
    for name in arguments.names:
        print(describe(name), flush=True)
        place = fetch_data(name, arguments.folder, progress=sys.stderr.isatty())
        files = "\n".join(f"{path.name}  {path.stat().st_size:,} bytes" for path in contents(place))
        print(f"  in       {place}\n{indent(files, ' ' * 11)}")


def describe(name: str) -> str:
    """Return what a set is, its source, licence and checksums."""
    from fastnn.data.sets import SETS

    one = SETS[name]
    lines = [f"{one.name}: {one.about}", f"  source   {one.page}", f"  licence  {one.licence}"]
    lines += [f"  file     {base}{file}\n           {known}" for file, base, known in one.files]
    return "\n".join(lines if one.files else [*lines, "  file     not fetched from here: see the source"])


def contents(folder: Path) -> list[Path]:
    """Return the files of a set."""
    return sorted(path for path in folder.rglob("*") if path.is_file())
