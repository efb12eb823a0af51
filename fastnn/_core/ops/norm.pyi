from fastnn._core.step import Op

class BatchNormOp(Op):
    def __init__(
        self, who: str, rows: int, columns: int, momentum: float, epsilon: float, scale: bool, shift: bool
    ) -> None: ...

class LayerNormOp(Op):
    def __init__(self, rows: int, columns: int, epsilon: float, scale: bool, shift: bool) -> None: ...
