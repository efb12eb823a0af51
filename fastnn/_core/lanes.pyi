from collections.abc import Sequence
from typing import Any, final

from numpy.typing import NDArray

from fastnn._core.plan import Plan

@final
class Lanes:
    def __init__(
        self,
        plan: Plan,
        params: NDArray[Any],
        wanted: tuple[bool, ...],
        losses: Sequence[dict[str, Any]],
        whole: bool = False,
        processes: int = 0,
    ) -> None: ...
    @property
    def rows(self) -> int: ...
    @property
    def least(self) -> int: ...
    @property
    def cut_from(self) -> int: ...
