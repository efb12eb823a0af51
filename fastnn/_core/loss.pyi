from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

REAL_TARGETS: Final[dict[str, int]]

class LossFunction:
    function: Callable[..., Any]
    output_shape: tuple[int, ...]
    target_shape: tuple[int, ...]
    target_dtype: np.dtype[Any]
    target_bytes: int
    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: tuple[int, ...],
        target_shape: tuple[int, ...],
        target_dtype: np.dtype[Any],
    ) -> None: ...
    def __call__(
        self, y_true: NDArray[Any], y_pred: NDArray[Any]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
