"""The record of a training as a CSV file, line by line as it grows."""

import csv
from os import PathLike
from pathlib import Path
from typing import Any

from fastnn._spec import require_flag
from fastnn.training.callbacks import Callback, EpochInfo


class CSVLogger(Callback):
    """A line of a CSV file after each epoch: its number, losses, metrics, learning rate, seconds and rows.

    The file is complete after every epoch, so it can be watched, and stays if the fit is stopped.

    Parameters
    ----------
    path : str or Path
        The file.  Missing folders are made.
    append : bool, default False
        Whether a file that is there grows on; otherwise each fit begins it anew.
    separator : str, default ","
        What stands between the values.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, or, after the first epoch, the file to append to has other columns.
    OSError
        After the first epoch, if the file cannot be written.

    Examples
    --------
    >>> import tempfile, numpy as np, fastnn as fn
    >>> from pathlib import Path
    >>> X = np.linspace(-1, 1, 64)[:, None]
    >>> net = fn.Sequential([fn.Dense(4, "tanh"), fn.Dense(1)], input_shape=1, seed=0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "run.csv"
    ...     history = net.fit(X, X**2, epochs=3, loss="squared_error", callbacks=[fn.CSVLogger(path)])
    ...     print(path.read_text().splitlines()[0])
    epoch,loss,learning_rate,seconds,samples
    """

    alone = True

    def __init__(self, path: str | PathLike[str], *, append: bool = False, separator: str = ",") -> None:
        if not isinstance(path, str | PathLike):
            raise TypeError(f"CSVLogger: expected path to be a text or a path, got {path!r:.60}")
        require_flag("CSVLogger", "append", append)
        if not isinstance(separator, str) or len(separator) != 1 or separator in '"\r\n':
            raise ValueError(f"CSVLogger: expected separator to be one character such as ',', got {separator!r:.60}")
        self.path, self.append, self.separator = Path(path), append, separator
        self._columns: list[str] | None = None

    def on_fit_begin(self, net: Any, epochs: int) -> None:
        """Begin the file at the next epoch, or look then at what is in it."""
        self._columns = None

    def on_epoch_end(self, info: EpochInfo) -> None:
        """Write the line."""
        rest = {"learning_rate": info.learning_rate, "seconds": info.seconds, "samples": info.samples}
        values: dict[str, Any] = {"epoch": info.epoch, **info.monitored(), **rest}
        begin = False
        if self._columns is None:
            self._columns = [*values]
            begin = not (self.append and self.path.exists() and self.path.stat().st_size)
            if begin:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            else:
                self._compare(self._columns)
        with self.path.open("w" if begin else "a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter=self.separator, lineterminator="\n")
            if begin:
                writer.writerow(self._columns)
            writer.writerow([values[name] for name in self._columns])

    def _compare(self, columns: list[str]) -> None:
        """Raise ValueError if the file has other columns."""
        with self.path.open(newline="", encoding="utf-8") as file:
            found = next(csv.reader(file, delimiter=self.separator))
        if found != columns:
            raise ValueError(
                f"CSVLogger: expected {self.path} with the columns {', '.join(columns)}, got {', '.join(found)[:120]}; "
                "take another file, or append=False to begin it anew"
            )
