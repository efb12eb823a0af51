from fastnn._core.step import Op

class DropoutOp(Op):
    def __init__(self, width: int, rate: float, inverted: bool) -> None: ...
