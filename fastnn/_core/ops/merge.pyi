from collections.abc import Sequence

from fastnn._core.step import Op

class AddOp(Op):
    def __init__(self, width: int, count: int) -> None: ...

class ConcatenateOp(Op):
    def __init__(self, widths: Sequence[int], count: int = 1) -> None: ...

class SliceOp(Op):
    def __init__(self, width: int, start: int, stop: int) -> None: ...

class FanOutOp(Op):
    def __init__(self, width: int, count: int) -> None: ...
