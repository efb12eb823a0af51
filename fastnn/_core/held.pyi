from collections.abc import Iterable
from typing import Any

from numpy.typing import NDArray

def held(values: Iterable[Any]) -> list[Any]: ...
def aligned_part(block: NDArray[Any], n: int, type_number: int, alignment: int) -> NDArray[Any]: ...
