from fastnn._core.step import Op

class EmbeddingOp(Op):
    def __init__(self, who: str, length: int, vocabulary: int, units: int, padding: int) -> None: ...
