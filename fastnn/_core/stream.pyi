from typing import Any

from numpy.typing import ArrayLike, NDArray

from fastnn._core.plan import Plan

class StreamCore:
    def __init__(
        self, plan: Plan, params: NDArray[Any], input_shape: tuple[int, ...], output_shape: tuple[int, ...]
    ) -> None: ...
    @property
    def plan(self) -> Plan: ...
    @property
    def states(self) -> dict[int, NDArray[Any]]: ...
    def step(self, x: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]: ...
