"""Progress of long operations: a bar on the error stream, if that is a terminal."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
DELAY = 1.0  # seconds before a bar appears


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
