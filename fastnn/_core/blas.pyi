from typing import Final

MAX_DIMENSION: Final[int]
TABLES: Final[dict[int, object]]
