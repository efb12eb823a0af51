from collections.abc import Mapping, Sequence
from typing import Any

from fastnn._core.aligned import aligned_zeros as aligned_zeros
from fastnn._core.plan import Plan

_Name = tuple[str, int]

def value_roots(plan: Plan, training: bool, share: bool) -> list[int]: ...
def gradient_roots(plan: Plan, share: bool) -> list[int]: ...
def pack(lifetimes: Mapping[Any, tuple[int, int]], widths: Mapping[Any, int]) -> tuple[dict[Any, int], int]: ...
def joined(gaps: Sequence[tuple[int, int]]) -> list[tuple[int, int]]: ...
def value_lifetimes(
    plan: Plan, roots: Sequence[int], backward: bool, keep: bool, sources: Sequence[int] = ()
) -> dict[_Name, tuple[int, int]]: ...
def gradient_lifetimes(
    plan: Plan, roots: Sequence[int], wanted: Sequence[bool], sources: Sequence[int]
) -> dict[_Name, tuple[int, int]]: ...

class Layout:
    plan: Plan
    training: bool
    value_roots: list[int]
    gradient_roots: list[int]
    places: dict[_Name, int]
    row_width: int
    def __init__(
        self,
        plan: Plan,
        gradients: Sequence[bool] | None = None,
        share: bool = True,
        sources: Sequence[int] | None = None,
        tangents: bool = False,
    ) -> None: ...
    def saved_bytes(self, rows: int) -> list[int]: ...
    def prepared_bytes(self) -> list[int]: ...
    def scratch_bytes(self, rows: int) -> int: ...
    def nbytes(self, rows: int) -> tuple[int, int, int, int]: ...

class Workspace:
    def __init__(
        self,
        plan: Plan,
        capacity: int,
        gradients: Sequence[bool] | None = None,
        share: bool = True,
        sources: Sequence[int] | None = None,
    ) -> None: ...
    @property
    def plan(self) -> Plan: ...
    @property
    def capacity(self) -> int: ...
    @property
    def nbytes(self) -> int: ...
    def fill(self, byte: int) -> None: ...
