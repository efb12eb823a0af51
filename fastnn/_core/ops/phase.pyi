from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fastnn._core.step import Op

FUNCTIONS: Final[dict[str, int]]
COUNTING: Final[dict[str, int]]

class PhaseDenseOp(Op):
    def __init__(self, inputs: int, outputs: int, control_points: int, function: str, bias: bool) -> None: ...

def basis(phases: Sequence[float] | NDArray[Any], control_points: int, function: str) -> NDArray[np.float64]: ...
