from typing import Any

import numpy as np

def dense_rows(data: Any, indices: Any, indptr: Any, rows: Any, columns: int) -> np.ndarray[Any, Any]: ...
