"""The record of a training for TensorBoard."""

from os import PathLike, fspath
from typing import Any

from fastnn.training.callbacks import Callback, EpochInfo
from fastnn.training.history import History


class TensorBoard(Callback):
    """Losses, metrics, learning rate and seconds of every epoch as scalars of TensorBoard.

    Needs tensorboardX (extra ``tensorboard``); to look at them, ``tensorboard --logdir FOLDER``.

    Parameters
    ----------
    folder : str or Path
        Of this run; the runs beside it in the same folder are shown together.

    Raises
    ------
    TypeError
        If the folder is none.
    ImportError
        When the fit begins, if tensorboardX is not installed.

    Notes
    -----
    Scalars have the names of the history, and the number of the epoch, counted over the life of the network, as their
    step.

    Examples
    --------
    >>> import fastnn as fn
    >>> board = fn.TensorBoard("runs/first")
    """

    alone = True

    def __init__(self, folder: str | PathLike[str]) -> None:
        if not isinstance(folder, str | PathLike):
            raise TypeError(f"TensorBoard: expected folder to be a text or a path, got {folder!r:.60}")
        self.folder = folder
        self._writer: Any = None

    def on_fit_begin(self, net: Any, epochs: int) -> None:
        """Open a file of events."""
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ImportError('TensorBoard needs tensorboardX: pip install "fastnn[tensorboard]"') from error
        self._writer = SummaryWriter(fspath(self.folder))

    def on_epoch_end(self, info: EpochInfo) -> None:
        """Write the scalars of the epoch."""
        values = {**info.monitored(), "learning_rate": info.learning_rate, "seconds": info.seconds}
        for name, value in values.items():
            self._writer.add_scalar(name, value, info.epoch)
        self._writer.flush()

    def on_fit_end(self, net: Any, history: History) -> None:
        """Close the file."""
        self._writer.close()
