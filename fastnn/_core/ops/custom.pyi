from collections.abc import Callable
from typing import Any

from fastnn._core.step import Op

class CustomOp(Op):
    def __init__(
        self,
        who: str,
        forward: Callable[..., Any],
        backward: Callable[..., Any],
        input_shape: tuple[int, ...],
        output_shape: tuple[int, ...],
        parameters: dict[str, tuple[int, ...]],
    ) -> None: ...
