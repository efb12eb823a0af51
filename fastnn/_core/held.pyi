from collections.abc import Iterable
from typing import Any

def held(values: Iterable[Any]) -> list[Any]: ...
