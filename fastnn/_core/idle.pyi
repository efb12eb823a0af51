from typing import Any

from numpy.typing import NDArray

from fastnn._core.plan import Plan

class Idle:
    def __init__(self, plan: Plan, params: NDArray[Any], capacity: int, share: bool = True) -> None: ...
