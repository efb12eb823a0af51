"""Progress of loops that may take long: a bar on the error stream, where somebody looks at it."""

import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")
DELAY = 1.0  # seconds before a bar appears: what is done sooner needs none


def track(who: str, items: Iterable[T], verbose: Any, *, total: int | None = None, unit: str = "step") -> Iterator[T]:
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

    Raises
    ------
    ValueError
        If ``verbose`` is something else.
    ImportError
        If a bar is wanted and tqdm is not installed.
    """
    if not isinstance(verbose, str | int) or verbose not in ("auto", 0, 1):
        raise ValueError(f"{who}: expected verbose to be 'auto', 0 or 1, got {verbose!r:.60}")
    if verbose == "auto":
        verbose = sys.stderr is not None and sys.stderr.isatty()
    if not verbose:
        return iter(items)
    try:
        from tqdm import tqdm
    except ImportError as error:
        raise ImportError(f"{who}: the progress bar needs tqdm: pip install tqdm; or pass verbose=0") from error
    bar = tqdm(items, desc=who, total=total, unit=unit, delay=DELAY, leave=False, file=sys.stderr, dynamic_ncols=True)
    return iter(bar)
