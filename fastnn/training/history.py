"""The record of a training: one column of numbers per name, one row per epoch."""

from collections.abc import Iterator, Mapping
from math import isnan, nan

from fastnn.markup.chart import lines
from fastnn.markup.html import table
from fastnn.markup.notebook import shown
from fastnn.schedules import is_gain, monitor_meant, monitor_sign


class History(Mapping[str, list[float]]):
    """Record of ``fit``, by name: ``history["loss"]`` or ``history.loss`` is the list of the losses, one per epoch.

    Columns that an epoch did not have hold nan there.  As with any mapping, ``len`` counts the columns; the epochs are
    in ``epochs``.

    Attributes
    ----------
    epochs : list of int
        Numbers of the epochs, from 1, counted over the life of the network.

    Examples
    --------
    >>> import fastnn as fn
    >>> history = fn.history.History()
    >>> history.append(1, loss=0.5, val_loss=0.6)
    >>> history.append(2, loss=0.25, val_loss=0.7)
    >>> history.loss
    [0.5, 0.25]
    >>> history.best("val_loss")
    (1, 0.6)
    >>> history
    epoch  loss  val_loss
        1   0.5       0.6
        2  0.25       0.7
    """

    epochs: list[int]

    def __init__(self) -> None:
        self.epochs = []
        self._columns: dict[str, list[float]] = {}

    def append(self, epoch: int, /, **values: float) -> None:
        """Add the values of one epoch.

        Parameters
        ----------
        epoch : int
            Its number, larger than the last one.
        **values : float
            The values by name.

        Raises
        ------
        ValueError
            If the number is not larger than the last one, or at first less than 1.
        """
        last = self.epochs[-1] if self.epochs else 0
        if epoch <= last:
            raise ValueError(f"History: expected an epoch after {last}, got {epoch}")
        numbers = {name: float(value) for name, value in values.items()}
        for name in numbers:
            if name not in self._columns:
                self._columns[name] = [nan] * len(self.epochs)
        self.epochs.append(int(epoch))
        for name, column in self._columns.items():
            column.append(numbers.get(name, nan))

    def best(self, name: str = "val_loss") -> tuple[int, float]:
        """Return the best epoch: the first with the least value, or the largest of an accuracy or r2.

        Parameters
        ----------
        name : str, default "val_loss"
            Name of the column, or another word for its metric ("val_acc").

        Returns
        -------
        epoch : int
            Number of the epoch.
        value : float
            The value there.

        Raises
        ------
        KeyError
            If there is no such column.
        ValueError
            If all of its values are nan.
        """
        sign, found, least = monitor_sign("History.best", name), 0, None
        name = name if name in self else monitor_meant(name)
        for epoch, value in zip(self.epochs, self[name], strict=True):
            if is_gain(value, least, sign, 0.0):
                found, least = epoch, value
        if least is None:
            raise ValueError(f"History.best: expected at least one finite {name!r}, got {self[name][:5]}")
        return found, least

    def to_dict(self) -> dict[str, list[float]]:
        """Return a copy as a plain dict, ``epochs`` first.

        Returns
        -------
        dict of str to list of float
            The columns.
        """
        return {"epochs": [*self.epochs], **{name: [*column] for name, column in self._columns.items()}}

    def __getitem__(self, name: str) -> list[float]:
        """Return the column of that name; KeyError if there is none."""
        try:
            return self._columns[name]
        except KeyError:
            known = ", ".join(self._columns) or "none"
            raise KeyError(f"History: no column {name!r:.60}; known: {known}") from None

    def __getattr__(self, name: str) -> list[float]:
        columns = self.__dict__.get("_columns", {})
        if name not in columns:
            raise AttributeError(f"History: no column {name!r:.60}; known: {', '.join(columns) or 'none'}")
        return columns[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def _last_rows(self) -> list[list[str]]:
        """Return names, and the values of the last epochs, as texts."""
        rows = [["epoch", *self._columns]]
        for index in range(max(0, len(self.epochs) - 5), len(self.epochs)):
            values = [column[index] for column in self._columns.values()]
            rows.append([str(self.epochs[index]), *("-" if isnan(value) else f"{value:.4g}" for value in values)])
        return rows

    def _repr_html_(self) -> str:
        if not self.epochs:
            return shown("History of no epochs")
        losses = {name: self[name] for name in ("loss", "val_loss") if name in self}
        head, *rows = self._last_rows()
        caption = f"History of {len(self.epochs):,} epochs" + (", the last 5" if len(self.epochs) > 5 else "")
        return shown(lines(self.epochs, losses, "epoch"), table(head, rows, caption=caption))

    def __repr__(self) -> str:
        if not self.epochs:
            return "History of no epochs"
        rows = self._last_rows()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        result = ["  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows]
        if len(self.epochs) > 5:
            result.insert(1, f"... {len(self.epochs) - 5} epochs before")
        return "\n".join(result)
