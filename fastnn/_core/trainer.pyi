from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from numpy.typing import NDArray

from fastnn._core.evaluator import LABELS_CHANGED as LABELS_CHANGED
from fastnn._core.evaluator import Evaluator
from fastnn._core.guard import Guard
from fastnn._core.lanes import Lanes
from fastnn._core.optimizer import OptimizerState
from fastnn._core.plan import Plan
from fastnn._core.versions import BUSY as BUSY
from fastnn._core.workspace import Workspace

ADVICE: Final[str]
NOT_FINITE: Final[str]

def first_group(groups: int, rank: int, ranks: int) -> int: ...
def word_bytes(n_losses: int) -> int: ...

class Trainer(Evaluator):
    seed: int
    step: int
    def __init__(
        self,
        plan: Plan,
        params: NDArray[Any],
        grads: NDArray[Any],
        optimizer: OptimizerState,
        losses: Sequence[dict[str, Any]],
        skip: Collection[int],
        rates: Sequence[float],
        shared: bool,
        *,
        seed: int = 0,
        step: int = 0,
    ) -> None: ...
    @property
    def optimizer(self) -> OptimizerState: ...
    @property
    def lanes(self) -> Lanes: ...
    @property
    def guard(self) -> Guard: ...
    @property
    def grads(self) -> NDArray[Any]: ...
    @property
    def penalty_sum(self) -> float: ...
    @property
    def epochs_done(self) -> int: ...
    @property
    def calls_functions(self) -> bool: ...
    def workspace(self, capacity: int = 1) -> Workspace: ...
    def clear_hits(self) -> None: ...
    def accuracies(self) -> list[float]: ...
    @property
    def own(self) -> NDArray[Any]: ...
    @property
    def counted(self) -> NDArray[Any]: ...
    def join(self, team: Any, pieces: int = 1) -> None: ...
    def leave(self) -> None: ...
    def updates(self, n: int, batch_size: int) -> int: ...
    def run(
        self,
        inputs: Sequence[NDArray[Any]],
        targets: Sequence[NDArray[Any]],
        weights: NDArray[Any] | None,
        order: NDArray[Any] | None,
        n: int,
        batch_size: int,
        rates: NDArray[Any],
        tick: Callable[[int, float, float], object] | None = None,
        each: bool = False,
    ) -> tuple[float, float]: ...
    def run_epochs(
        self,
        inputs: Sequence[NDArray[Any]],
        targets: Sequence[NDArray[Any]],
        weights: NDArray[Any] | None,
        rows: NDArray[Any] | None,
        n: int,
        batch_size: int,
        rates: NDArray[Any],
        losses: NDArray[Any],
        shuffle: tuple[int, int, int] | None = None,
        tick: Callable[[int, float, float], object] | None = None,
        accuracies: NDArray[Any] | None = None,
    ) -> None: ...
    def require_idle(self) -> int: ...
    def step_on(
        self,
        inputs: Sequence[NDArray[Any]],
        targets: Sequence[NDArray[Any]],
        weights: NDArray[Any] | None,
        n: int,
        rate: float,
        update: bool = True,
    ) -> float: ...
    def state_gradients(
        self, inputs: Sequence[NDArray[Any]], targets: Sequence[NDArray[Any]], weights: NDArray[Any] | None, n: int
    ) -> dict[int, NDArray[Any]]: ...
    def apply_gradients(self, rate: float) -> None: ...
