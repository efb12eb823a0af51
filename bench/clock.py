"""Wall-clock time, and whether this process had the processor to itself while it ran."""

from collections.abc import Callable
from time import perf_counter, process_time

ALONE = 0.97  # share of the time that an undisturbed thread runs


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds of a call, and the share of them in which threads of this process ran."""
    busy, began = process_time(), perf_counter()
    call()
    seconds = perf_counter() - began
    return seconds, (process_time() - busy) / seconds
