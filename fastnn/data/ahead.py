"""Parts that threads make ahead of whoever takes them, in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from time import perf_counter
from typing import TypeVar

Asked = TypeVar("Asked")
Made = TypeVar("Made")

AHEAD = 2  # parts of each thread that are made and not taken yet, at most


def made_ahead(
    make: Callable[[Asked], Made], parts: Iterable[Asked], workers: int, waited: Callable[[float], None] | None = None
) -> Iterator[Made]:
    """Yield ``make(part)`` of each part in order, made by so many threads; 0: when it is asked for, by the caller.

    ``waited`` is told how many seconds the caller waited for each part.  An error of ``make`` comes where its part
    would have come.  A generator that is closed before its end waits for the parts that are being made, and drops them.
    """
    if not workers:
        for part in parts:
            began = perf_counter()
            made = make(part)
            if waited is not None:
                waited(perf_counter() - began)
            yield made
        return
    rest = iter(parts)
    with ThreadPoolExecutor(workers, thread_name_prefix="fastnn-ahead") as pool:
        coming: deque[Future[Made]] = deque(pool.submit(make, part) for part in islice(rest, AHEAD * workers))
        try:
            while coming:
                began = perf_counter()
                made = coming.popleft().result()
                if waited is not None:
                    waited(perf_counter() - began)
                coming.extend(pool.submit(make, part) for part in islice(rest, 1))
                yield made
                del made
        finally:
            for future in coming:
                future.cancel()
