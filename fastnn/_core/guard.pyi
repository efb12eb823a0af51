from typing import Any

import numpy as np

from fastnn._core.optimizer import OptimizerState

class Guard:
    @property
    def behind(self) -> int: ...
    @property
    def lost(self) -> int: ...
    def __init__(self, params: np.ndarray[Any, Any], optimizer: OptimizerState) -> None: ...
