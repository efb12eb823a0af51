"""Tables in memory, of whatever library, as pandas frames."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from fastnn.data.rules import Stretch


class FrameSource:
    """A table in memory."""

    title = "the table"

    def __init__(self, who: str, X: Any) -> None:
        self.frame = as_frame(who, X)
        self.names = [str(name) for name in self.frame.columns]
        self.index: list[str] = []
        self.frame.columns = self.names

    def stretches(self, names: Sequence[str], texts: Sequence[str]) -> Iterator[Stretch]:
        """Yield all rows of some columns."""
        yield Stretch(self.frame[list(names)])


def as_frame(who: str, X: Any) -> Any:
    """Return a table as a pandas frame of its own; TypeError if it is none."""
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(f'{who} needs pandas: pip install "fastnn[cli]"') from error
    if isinstance(X, pd.DataFrame):
        return X.copy(deep=False).reset_index(drop=True)
    if hasattr(X, "to_pandas"):
        return X.to_pandas()
    rows = isinstance(X, list | tuple) and len(X) > 0 and all(isinstance(row, Mapping) for row in X)
    if rows or isinstance(X, Mapping):
        return pd.DataFrame(X)
    array = np.asarray(X)
    if array.ndim != 2:
        raise TypeError(
            f"{who}: expected a table (a data frame, a dict of columns, a list of dicts or an array of shape (B, I)), "
            f"got {type(X).__name__}" + (f" of shape {array.shape}" if array.ndim else "")
        )
    return pd.DataFrame(array, columns=[f"x{i}" for i in range(array.shape[1])])
