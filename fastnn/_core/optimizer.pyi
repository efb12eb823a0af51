from collections.abc import Sequence
from typing import Any

from numpy.typing import DTypeLike, NDArray

class OptimizerState:
    def __init__(
        self,
        rule: str,
        n_params: int,
        dtype: DTypeLike,
        segments: Sequence[dict[str, float]],
        *,
        beta1: float = 0.0,
        beta2: float = 0.0,
        epsilon: float = 0.0,
        epsilon_hat: bool = False,
        clip_norm: float = 0.0,
        clip_value: float = 0.0,
        initial: float = 0.0,
        penalty_over_rows: bool = False,
    ) -> None: ...
    @property
    def rule(self) -> str: ...
    @property
    def step(self) -> int: ...
    @property
    def state(self) -> NDArray[Any]: ...
    @property
    def plain(self) -> bool: ...
    @property
    def shares(self) -> bool: ...
    @property
    def by_parts(self) -> bool: ...
    def set_step(self, step: int) -> None: ...
