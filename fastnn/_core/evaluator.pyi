from collections.abc import Sequence
from typing import Any, Final

from numpy.typing import NDArray

from fastnn._core.plan import Plan
from fastnn._core.versions import Versions, View

LABELS_CHANGED: Final[str]

class Evaluator:
    def __init__(self, plan: Plan, params: NDArray[Any], losses: Sequence[dict[str, Any]]) -> None: ...
    @property
    def plan(self) -> Plan: ...
    @property
    def params(self) -> NDArray[Any]: ...
    @property
    def versions(self) -> Versions: ...
    @property
    def chunk(self) -> int: ...
    def evaluate(
        self,
        inputs: Sequence[NDArray[Any]],
        targets: Sequence[NDArray[Any]],
        weights: NDArray[Any] | None,
        outputs: Sequence[NDArray[Any]],
        n: int,
        view: View | None = None,
    ) -> tuple[float, float]: ...
