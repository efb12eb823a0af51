from typing import Final

from fastnn._core.step import Op

KINDS: Final[dict[str, int]]
BLOCK_BYTES: Final[int]
PART_ROWS: Final[int]
PART_WORK: Final[int]

class RecurrentOp(Op):
    def __init__(
        self,
        kind: str,
        T: int,
        I: int,
        H: int,
        *,
        bias: bool,
        sequences: bool,
        final: bool,
        initial: bool,
        reverse: bool,
        mask_value: float | None,
        truncate: int,
        activation: str = "tanh",
        forgets: bool = True,
        peepholes: bool = False,
    ) -> None: ...
    def state_gradients(self, batch: int, itemsize: int) -> tuple[int, tuple[int, int, int]]: ...
