"""The contract of a peer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from bench.problem import Problem
from bench.workloads import Workload


@dataclass
class Case:
    """One call, ready to be timed: ``function(*args)``, with all data in the peer's own format.

    ``result`` turns what the call returned into NumPy: outputs (B, O); the loss of a step, before its update; of an
    epoch its mean loss; (loss, gradient in the order W1, b1, W2, ... with W (I, O)).  ``precision``: of its products
    where that is narrower than the workload's dtype, a key of ``bench.reference.TOLERANCES``.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    result: Callable[[Any], Any] = field(default=lambda value: value)
    precision: str = ""


class Peer(Protocol):
    """A library, in a process of its own."""

    version: str

    def why_not(self, workload: Workload) -> str | None:
        """Say why it cannot do a workload, if so."""

    def ways(self, workload: Workload, given: Problem, *, thorough: bool) -> dict[str, Callable[[], Case]]:
        """Ways to do a workload, by name; the fastest is timed.  ``thorough``: also those that are long to prepare."""
