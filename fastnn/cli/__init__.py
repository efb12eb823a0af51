"""The command line: ``python -m fastnn demo | train | predict | report | export | bench | data | info | style``."""

import argparse
import sys
from collections.abc import Sequence

from fastnn._version import __version__
from fastnn.cli import bench, data, demo, export, info, launch, predict, report, style, train
from fastnn.cli.reading import in_options


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process where they are left out.

    Returns
    -------
    int
        The exit status: 0, 2 after an error, which is told in one sentence on the error stream, or 130 after Ctrl-C.

    Raises
    ------
    SystemExit
        After ``--help``, and when the arguments cannot be understood (status 2).

    Examples
    --------
    >>> from fastnn.cli import main
    >>> main(["demo", "--epochs", "20"])  # doctest: +SKIP
    0
    """
    arguments = _parser().parse_args(argv)
    try:
        arguments.run(arguments)
    except KeyboardInterrupt:
        print("fastnn: interrupted", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, ImportError, RuntimeError, MemoryError, OverflowError) as error:
        launch.end_together(f"fastnn: error: {_sentence(error)}", 2)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    """Return the parser; a command is a module with ``HELP``, ``add_options`` and ``run``, its docstring the words."""
    parser = argparse.ArgumentParser(prog="fastnn", description="Small neural networks on the CPU.")
    parser.add_argument("--version", action="version", version=f"fastnn {__version__}")
    commands = parser.add_subparsers(required=True, metavar="command")
    for command in (demo, train, predict, report, export, bench, data, info, style):
        name = command.__name__.rpartition(".")[2]
        one = commands.add_parser(name, help=command.HELP, description=command.run.__doc__, formatter_class=_Help)
        command.add_options(one)
        one.set_defaults(run=command.run)
    return parser


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Tells defaults, where there are any."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        none = action.default is None or action.nargs == 0
        return action.help if none else super()._get_help_string(action)


def _sentence(error: Exception) -> str:
    """What went wrong, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename is not None else error.strerror
    return " ".join(in_options(str(error)).split()) or type(error).__name__
