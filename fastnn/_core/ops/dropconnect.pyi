from fastnn._core.step import Op

class DropConnectOp(Op):
    def __init__(self, inputs: int, outputs: int, bias: bool, rate: float, inverted: bool) -> None: ...
