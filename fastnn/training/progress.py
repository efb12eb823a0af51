"""Progress of long operations: a bar on the error stream, if that is a terminal."""

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

T = TypeVar("T")
DELAY = 1.0  # seconds before a bar appears
# Columns of a bar beside its head and values: percentage, cells, brackets, rows, times, rate at their longest.
WIDE, MIDDLE, NARROW, BARE, LEAST = 65, 37, 24, 16, 6
FORMATS = {
    WIDE: "{desc}{percentage:3.0f}%|{bar:10}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}{postfix}]",
    MIDDLE: "{desc}{percentage:3.0f}%|{bar:10}| [{elapsed}<{remaining}{postfix}]",
    NARROW: "{desc}{percentage:3.0f}%|{bar:5}| [{remaining}{postfix}]",
    BARE: "{desc}{percentage:3.0f}% [{remaining}{postfix}]",
    LEAST: "{desc}{percentage:3.0f}%{postfix}",
}


def wanted(who: str, verbose: Any, most: int = 1) -> bool:
    """Whether something is to be shown: 1 (to ``most``) yes, 0 no, "auto": on a terminal; else ValueError."""
    if not isinstance(verbose, str | int) or verbose not in ("auto", *range(most + 1)):
        numbers = ", ".join(map(str, range(most))) + f" or {most}"
        raise ValueError(f"{who}: expected verbose to be 'auto', {numbers}, got {verbose!r:.60}")
    return sys.stderr is not None and sys.stderr.isatty() if verbose == "auto" else bool(verbose)


def bar(who: str, items: Iterable[T] | None = None, **options: Any) -> Any:
    """Return a bar of tqdm, on the error stream unless ``file`` is given; ImportError if tqdm is not installed."""
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise ImportError(f"{who}: the progress bar needs tqdm: pip install tqdm; or pass verbose=0") from error
    return tqdm(items, **{"file": sys.stderr, "dynamic_ncols": True, **options})


def layout(columns: int | None, head: str, values: Mapping[str, float]) -> tuple[str, dict[str, str]]:
    """Return the format of a bar in so many columns, and the values that find room in it; None: as many as it takes.

    The learning rate goes first, then rows and rate, the time gone, the bar, the time left, and values from the last.
    """
    shown = {name: f"{value:.4g}" for name, value in values.items()}
    if columns is None or columns >= _width(head, shown, WIDE):
        return FORMATS[WIDE], shown
    shown.pop("learning_rate", None)
    for width, form in FORMATS.items():
        if _width(head, shown, width) <= columns:
            return form, shown
    while shown and _width(head, shown, LEAST) > columns:
        shown.popitem()
    return FORMATS[LEAST], shown


def _width(head: str, shown: Mapping[str, str], rest: int) -> int:
    return len(head) + rest + sum(len(name) + len(value) + 3 for name, value in shown.items())


def track(
    who: str, items: Iterable[T], verbose: Any, *, total: int | None = None, unit: str = "step", leave: bool = False
) -> Iterator[T]:
    """Return the items, with a bar of what has been done of ``total``, where ``verbose`` is 1, or "auto" on a terminal.

    It appears after a second and goes with the last item, or with ``leave`` comes at once and stays.  Raises ValueError
    for another ``verbose``, ImportError if tqdm is not installed.
    """
    if not wanted(who, verbose):
        return iter(items)
    return iter(bar(who, items, desc=who, total=total, unit=unit, delay=0.0 if leave else DELAY, leave=leave))
