"""Progress of long operations: a bar on the error stream, if that is a terminal."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
DELAY = 1.0  # seconds before a bar appears


def wanted(who: str, verbose: Any, most: int = 1) -> bool:
    """Whether something is to be shown: 1 (to ``most``) yes, 0 no, "auto": on a terminal.

    Raises
    ------
    ValueError
        If ``verbose`` is something else.
    """
    if not isinstance(verbose, str | int) or verbose not in ("auto", *range(most + 1)):
        numbers = ", ".join(map(str, range(most))) + f" or {most}"
        raise ValueError(f"{who}: expected verbose to be 'auto', {numbers}, got {verbose!r:.60}")
    return sys.stderr is not None and sys.stderr.isatty() if verbose == "auto" else bool(verbose)


def bar(who: str, items: Iterable[T] | None = None, **options: Any) -> Any:
    """Return a bar of tqdm, on the error stream unless ``file`` is given.

    Raises
    ------
    ImportError
        If tqdm is not installed.
    """
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise ImportError(f"{who}: the progress bar needs tqdm: pip install tqdm; or pass verbose=0") from error
    return tqdm(items, **{"file": sys.stderr, "dynamic_ncols": True, **options})


def track(
    who: str, items: Iterable[T], verbose: Any, *, total: int | None = None, unit: str = "step", leave: bool = False
) -> Iterator[T]:
    """Return the items, with a bar that shows how many have been taken.

    Parameters
    ----------
    who : str
        What runs; stands before the bar.
    items : iterable
        What to go through.
    verbose : {"auto", 0, 1}
        0 silent, 1 a bar after a second, "auto": the same, but only on a terminal.
    total : int, optional
        How many items there are, where they have no length.
    unit : str
        What an item is.
    leave : bool
        Whether the bar appears at once, and stays.

    Raises
    ------
    ValueError
        If ``verbose`` is something else.
    ImportError
        If a bar is wanted and tqdm is not installed.
    """
    if not wanted(who, verbose):
        return iter(items)
    return iter(bar(who, items, desc=who, total=total, unit=unit, delay=0.0 if leave else DELAY, leave=leave))
