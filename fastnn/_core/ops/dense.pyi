from fastnn._core.step import Op

class DenseOp(Op):
    def __init__(self, inputs: int, outputs: int, bias: bool, vectors: int = 1) -> None: ...
