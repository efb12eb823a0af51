"""Callbacks: objects that ``fit`` calls during training, to watch it, to save the network or to stop."""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt

from fastnn._spec import require_count, require_number
from fastnn.metrics import METRICS
from fastnn.schedules import is_gain, monitor_meant, monitor_sign
from fastnn.training.history import History
from fastnn.training.progress import bar, layout


@dataclass
class EpochInfo:
    """What a callback learns after each epoch.

    Parameters
    ----------
    epoch : int
        Number of the epoch, from 1, counted over the life of the network.
    epochs : int
        How many epochs this ``fit`` was asked for.
    loss : float
        Mean training loss of the epoch.
    val_loss : float or None
        Loss on the validation data, None without them.
    metrics : dict of str to float
        Metrics by the name they have in the history, such as "val_accuracy", and "accuracy" of the training.
    learning_rate : float
        Learning rate of the last update.
    seconds : float
        Wall-clock time of the epoch in seconds, validation included.
    samples : int
        Training rows seen in the epoch.
    net : Network
        The network itself.

    Examples
    --------
    >>> import fastnn as fn
    >>> info = fn.callbacks.EpochInfo(epoch=1, epochs=5, loss=0.5, val_loss=0.6, metrics={"val_accuracy": 0.9})
    >>> info.value("val_accuracy")
    0.9
    """

    epoch: int
    epochs: int
    loss: float
    val_loss: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    learning_rate: float = 0.0
    seconds: float = 0.0
    samples: int = 0
    net: Any = None

    def value(self, name: str) -> float:
        """Return the value of that name, "loss", "val_loss" or a metric, also by another word for it ("val_acc").

        ValueError if this fit has none such.
        """
        known = self.monitored()
        meaning = name if name in known else monitor_meant(name)
        if meaning in known:
            return known[meaning]
        hints = []
        if name.startswith("val_") and self.val_loss is None:
            hints.append("give fit validation_data")
        if (metric := meaning.removeprefix("val_")) in METRICS and not {metric, f"val_{metric}"} & {*known}:
            hints.append(f"compile with metrics=[{metric!r}]")
        hint = f"; {', and '.join(hints)}" if hints else ""
        raise ValueError(f"monitor: expected one of {', '.join(known)}, got {name!r:.60}{hint}")

    def monitored(self) -> dict[str, float]:
        """Return by name all values: "loss", "val_loss" where there are validation data, and the metrics."""
        validation = {} if self.val_loss is None else {"val_loss": self.val_loss}
        return {"loss": self.loss, **validation, **self.metrics}


class Callback:
    """Base of the callbacks; every method does nothing, override those of interest.

    Attributes
    ----------
    alone : bool
        Of the class: whether, where several processes train one network (``fit(team=)``), the first of them calls it
        alone: True for what writes or shows something.  Others are called on each.

    Examples
    --------
    >>> import fastnn as fn
    >>> class StopAtLoss(fn.Callback):
    ...     def __init__(self, loss):
    ...         self.loss = loss
    ...
    ...     def on_epoch_end(self, info):
    ...         return info.loss < self.loss
    """

    alone: bool = False

    def on_fit_begin(self, net: Any, epochs: int) -> None:
        """Prepare for a fit of ``epochs`` epochs.

        Parameters
        ----------
        net : Network
            The network.
        epochs : int
            How many epochs were asked for.
        """

    def on_batch_end(self, done_rows: int, total_rows: int | None, loss: float) -> None:
        """Look at a mini-batch, after its update; called after each one, and only if overridden.

        Parameters
        ----------
        done_rows : int
            Rows seen in this epoch so far.
        total_rows : int or None
            Rows of the whole epoch; None where the data come from an iterator of unknown length.
        loss : float
            Mean loss of the epoch so far.
        """

    def on_progress(self, done_rows: int, total_rows: int | None, loss: float) -> None:
        """Show the progress within an epoch; called about 20 times a second, and only if overridden.

        Parameters
        ----------
        done_rows : int
            Rows seen in this epoch so far.
        total_rows : int or None
            As in ``on_batch_end``.
        loss : float
            Mean loss of the epoch so far.
        """

    def on_epoch_end(self, info: EpochInfo) -> bool | None:
        """Look at an epoch.

        Parameters
        ----------
        info : EpochInfo
            What happened.

        Returns
        -------
        bool or None
            True stops the training.
        """
        return None

    def on_fit_end(self, net: Any, history: History) -> None:
        """Finish.

        Parameters
        ----------
        net : Network
            The network.
        history : History
            The record of the fit.
        """

    def state(self) -> dict[str, Any] | None:
        """Return what a fit that is resumed from a file has to know: JSON values, and arrays of float32 or float64.

        A network that is saved with its optimiser during a fit keeps this; the next fit of the network that is loaded
        gives it to a callback of the same class, and of the same ``monitor`` if that is in it.

        Returns
        -------
        dict or None
            None: nothing.
        """
        return None

    def set_state(self, net: Any, state: dict[str, Any]) -> None:
        """Go on from what ``state`` returned; called after ``on_fit_begin``.

        Parameters
        ----------
        net : Network
            The network.
        state : dict
            As it was returned.

        Raises
        ------
        ValueError, TypeError, KeyError
            If it does not fit; the network is then as before.
        """


class FunctionCallback(Callback):
    """A plain function as a callback: called with the `EpochInfo` after each epoch, True stops.

    Parameters
    ----------
    function : callable
        ``function(info) -> bool or None``.
    """

    def __init__(self, function: Callable[[EpochInfo], bool | None]) -> None:
        self.function = function

    def on_epoch_end(self, info: EpochInfo) -> bool | None:
        """Call the function."""
        return self.function(info)


def as_callback(value: object) -> Callback:
    """Return a callback for a callback or a function of the `EpochInfo`.

    Parameters
    ----------
    value : Callback or callable
        A callback is returned as it is, a function ``function(info)`` is wrapped.

    Returns
    -------
    Callback
        The callback.

    Raises
    ------
    TypeError
        If it is neither.

    Examples
    --------
    >>> import fastnn as fn
    >>> callback = fn.callbacks.as_callback(lambda info: info.loss < 0.1)
    >>> callback.on_epoch_end(fn.callbacks.EpochInfo(epoch=1, epochs=5, loss=0.05))
    True
    """
    if isinstance(value, Callback):
        require_methods(value)
        return value
    if isinstance(value, type) and issubclass(value, Callback):
        raise TypeError(f"callbacks: expected a Callback, got the class itself; write {value.__name__}(...)")
    if callable(value) and not isinstance(value, type):
        require_arguments(value, "a function", "(info: EpochInfo)", 1)
        return FunctionCallback(value)
    raise TypeError(
        "callbacks: expected a Callback or a function of the epoch's information, "
        f"got {type(value).__name__} {value!r:.60}"
    )


# By method: its arguments, as messages show them, and how many they are.
ARGUMENTS = {
    "on_fit_begin": ("(net, epochs)", 2),
    "on_batch_end": ("(done_rows, total_rows, loss)", 3),
    "on_progress": ("(done_rows, total_rows, loss)", 3),
    "on_epoch_end": ("(info: EpochInfo)", 1),
    "on_fit_end": ("(net, history)", 2),
}
# Methods of other libraries' callbacks, which nothing would call.
WORDS = {
    "on_train_begin": "on_fit_begin",
    "on_train_start": "on_fit_begin",
    "on_train_end": "on_fit_end",
    "on_train_batch_end": "on_batch_end",
    "on_train_epoch_end": "on_epoch_end",
    "on_validation_end": "on_epoch_end",
    "on_validation_epoch_end": "on_epoch_end",
    "on_test_end": "on_epoch_end",
    "on_epoch_begin": "on_fit_begin or on_epoch_end",
    "on_epoch_start": "on_fit_begin or on_epoch_end",
    "on_batch_begin": "on_batch_end",
    "on_train_batch_begin": "on_batch_end",
    "on_train_batch_start": "on_batch_end",
}


def require_methods(callback: Callback) -> None:
    """Raise TypeError unless the methods of a callback are ours, and take what they are called with."""
    kind = type(callback)
    for word, name in WORDS.items():
        if callable(getattr(callback, word, None)) and not hasattr(Callback, word):
            raise TypeError(f"callbacks: {kind.__name__}.{word} would never be called; write {name}")
    for name, (shown, count) in ARGUMENTS.items():
        if getattr(kind, name) is not getattr(Callback, name):
            require_arguments(getattr(callback, name), f"{kind.__name__}.{name}", shown, count)


def require_arguments(function: Callable[..., Any], what: str, shown: str, count: int) -> None:
    """Raise TypeError unless a function can be called with so many arguments."""
    try:
        taken = signature(function)
    except ValueError:  # of some builtins nobody knows
        return
    try:
        taken.bind(*range(count))
    except TypeError:
        raise TypeError(
            f"callbacks: expected {what} to take {shown}, got {getattr(function, '__name__', 'one')}{taken}"
        ) from None


class EarlyStopping(Callback):
    """Stop when a monitored value has not improved for ``patience`` epochs, and go back to the best parameters.

    Parameters
    ----------
    monitor : str, default "val_loss"
        Name of the value: "loss", "val_loss" or a metric such as "val_accuracy".
    patience : int, default 10
        Number of epochs in a row without gain after which the training stops.
    min_delta : float, default 0.0
        A change counts as a gain when it is larger than this.  A value that is not a number is none.
    restore_best : bool, default True
        Whether the network gets the parameters of its best epoch back at the end of the fit, stopped or not.
    mode : {"auto", "min", "max"}, default "auto"
        Whether less or more is better; "auto" means more for names with accuracy or r2 in them, less for all others.

    Attributes
    ----------
    best : float or None
        The best value of the last fit.
    best_epoch : int or None
        The epoch it belongs to.
    stopped_epoch : int or None
        The epoch after which the training was stopped; None if it ran to its end.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind or out of range.

    Examples
    --------
    >>> import fastnn as fn
    >>> stop = fn.EarlyStopping("val_accuracy", patience=2)
    >>> [stop.on_epoch_end(fn.callbacks.EpochInfo(n, 9, loss=1.0, metrics={"val_accuracy": value}, net=None))
    ...  for n, value in enumerate((0.9, 0.8, 0.9), start=1)]
    [False, False, True]
    >>> stop.best_epoch
    1
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        patience: int = 10,
        min_delta: float = 0.0,
        restore_best: bool = True,
        mode: str = "auto",
    ) -> None:
        require_count("EarlyStopping", "patience", patience)
        require_number("EarlyStopping", "min_delta", min_delta, low=0.0)
        self._sign = monitor_sign("EarlyStopping", monitor, mode)
        self.monitor, self.patience, self.min_delta = monitor, patience, min_delta
        self.restore_best, self.mode = restore_best, mode
        self._forget()

    def _forget(self) -> None:
        self.best: float | None = None
        self.best_epoch: int | None = None
        self.stopped_epoch: int | None = None
        self._epochs_without_gain = 0
        self._best_params: npt.NDArray[np.floating[Any]] | None = None

    def on_fit_begin(self, net: Any, epochs: int) -> None:
        """Forget earlier fits."""
        self._forget()

    def state(self) -> dict[str, Any]:
        """Return the best value and epoch, how long ago it was, and its parameters."""
        arrays = {} if self._best_params is None else {"params": self._best_params}
        best = None if self.best is None else repr(float(self.best))  # JSON has no infinities
        values = {"best": best, "best_epoch": self.best_epoch, "epochs_without_gain": self._epochs_without_gain}
        return {"monitor": self.monitor, **values, **arrays}

    def set_state(self, net: Any, state: dict[str, Any]) -> None:
        """Go on from such a state."""
        require_count("EarlyStopping", "epochs_without_gain", state["epochs_without_gain"], low=0)
        params = state.get("params")
        if params is not None and (params.shape, params.dtype) != (net.params.shape, net.params.dtype):
            raise ValueError("EarlyStopping: expected the best parameters of this network, got those of another")
        self.best = None if state["best"] is None else float(state["best"])
        self.best_epoch, self._epochs_without_gain = state["best_epoch"], state["epochs_without_gain"]
        self._best_params = params.copy() if params is not None and self.restore_best else None

    def on_epoch_end(self, info: EpochInfo) -> bool:
        """Compare with the best epoch; True when the patience is over."""
        value = info.value(self.monitor)
        if is_gain(value, self.best, self._sign, self.min_delta):
            self.best, self.best_epoch, self._epochs_without_gain = value, info.epoch, 0
            if self.restore_best and info.net is not None:
                self._best_params = np.array(info.net.params)
            return False
        self._epochs_without_gain += 1
        if self._epochs_without_gain < self.patience:
            return False
        self.stopped_epoch = info.epoch
        return True

    def on_fit_end(self, net: Any, history: History) -> None:
        """Give the network the parameters of the best epoch back."""
        if self._best_params is not None:
            net.params = self._best_params
            self._best_params = None


class Checkpoint(Callback):
    """Save the network after each epoch, or after each one that is better than all before.

    Parameters
    ----------
    path : str or Path
        File to write; ``{epoch}`` in it becomes the number of the epoch (``{epoch:03d}`` with zeros in front),
        otherwise each save replaces the one before.  Missing folders are made.
    monitor : str, optional
        Save only when this value ("loss", "val_loss" or a metric) is better than before; after every epoch where it is
        left out.
    mode : {"auto", "min", "max"}, default "auto"
        Whether less or more is better; "auto" means more for names with accuracy or r2 in them, less for all others.
    optimizer : bool, default True
        Whether the state of the optimiser is saved too, so that the training can go on from the file.

    Attributes
    ----------
    best : float or None
        The best value of the last fit.
    saved : list of Path
        The files written by the last fit, in order, without repeats.

    Raises
    ------
    TypeError, ValueError
        If an argument is of the wrong kind, or the path has other names than ``epoch`` in braces.

    Examples
    --------
    >>> import fastnn as fn
    >>> best = fn.Checkpoint("best.safetensors", monitor="val_loss")
    >>> every = fn.Checkpoint("runs/epoch{epoch:03d}.safetensors")
    """

    alone = True

    def __init__(
        self, path: str | Path, *, monitor: str | None = None, mode: str = "auto", optimizer: bool = True
    ) -> None:
        try:
            str(path).format(epoch=1)
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(
                f"Checkpoint: expected a path with no braces but {{epoch}}, got {str(path)!r}; double other braces"
            ) from error
        self._sign = monitor_sign("Checkpoint", "" if monitor is None else monitor, mode)
        self.path, self.monitor, self.mode, self.optimizer = path, monitor, mode, optimizer
        self.best: float | None = None
        self.saved: list[Path] = []
        self._judged: tuple[int, bool] | None = None  # the last epoch, and whether it is to be saved

    def on_fit_begin(self, net: Any, epochs: int) -> None:
        """Forget earlier fits."""
        self.best, self.saved, self._judged = None, [], None

    def state(self) -> dict[str, Any] | None:
        """Return the best value; None where every epoch is saved."""
        if self.monitor is None:
            return None
        return {"monitor": self.monitor, "best": None if self.best is None else repr(float(self.best))}

    def set_state(self, net: Any, state: dict[str, Any]) -> None:
        """Go on from such a state."""
        self.best = None if state["best"] is None else float(state["best"])

    def judge(self, info: EpochInfo) -> bool:
        """Return whether this epoch is to be saved; asked again, the same.

        ``fit`` asks all callbacks that save before the first of them saves, so that each file holds what all know.
        """
        if self._judged is None or self._judged[0] != info.epoch:
            value = None if self.monitor is None else info.value(self.monitor)
            due = value is None or is_gain(value, self.best, self._sign, 0.0)
            self._judged = info.epoch, due
            self.best = value if due else self.best
        return self._judged[1]

    def on_epoch_end(self, info: EpochInfo) -> None:
        """Save the network if this epoch is to be saved."""
        if not self.judge(info):
            return
        path = Path(str(self.path).format(epoch=info.epoch))
        path.parent.mkdir(parents=True, exist_ok=True)
        info.net.save(path, optimizer=self.optimizer)
        if path not in self.saved:
            self.saved.append(path)


class LearningRateLogger(Callback):
    """Keep the learning rate of each epoch.

    Attributes
    ----------
    rates : list of float
        Learning rate at the end of each epoch, over all fits that this callback was given to.

    Examples
    --------
    >>> import fastnn as fn
    >>> logger = fn.LearningRateLogger()
    >>> logger.on_epoch_end(fn.callbacks.EpochInfo(epoch=1, epochs=1, loss=1.0, learning_rate=0.01))
    >>> logger.rates
    [0.01]
    """

    def __init__(self) -> None:
        self.rates: list[float] = []

    def on_epoch_end(self, info: EpochInfo) -> None:
        """Note the learning rate."""
        self.rates.append(info.learning_rate)


class ProgressBar(Callback):
    """A progress bar on the error stream: rows done of all rows of the fit, rate, time left, losses, learning rate.

    On a narrow terminal the losses and metrics stay, and what is least missed goes.  Needs tqdm.

    Parameters
    ----------
    stream : text file, optional
        Where the bar goes; ``sys.stderr`` where it is left out.

    Raises
    ------
    ImportError
        When the fit begins, if tqdm is not installed.

    Examples
    --------
    >>> import fastnn as fn
    >>> bar = fn.ProgressBar()
    """

    alone = True

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream
        self._bar: Any = None
        self._epochs = self._done = self._epoch = 0

    def on_fit_begin(self, net: Any, epochs: int) -> None:
        """Show an empty bar."""
        self._epochs, self._done, self._epoch = epochs, 0, 0
        stream = sys.stderr if self.stream is None else self.stream
        self._bar = bar("ProgressBar", unit="row", unit_scale=True, desc=f"epoch 0/{epochs}", file=stream)

    def on_progress(self, done_rows: int, total_rows: int | None, loss: float) -> None:
        """Move the bar."""
        if total_rows is not None:
            self._bar.total = self._epochs * total_rows
        self._bar.update(self._done + done_rows - self._bar.n)

    def on_epoch_end(self, info: EpochInfo) -> None:
        """Move the bar to the end of the epoch and show its values."""
        self._done += info.samples
        self._epoch += 1
        self._bar.total = self._done + (self._epochs - self._epoch) * info.samples
        head = f"epoch {self._epoch}/{self._epochs}"
        self._bar.set_description(head, refresh=False)
        columns, _ = self._bar.dynamic_ncols(self._bar.fp)
        values = {**info.monitored(), "learning_rate": info.learning_rate}
        self._bar.bar_format, shown = layout(columns, head, values)
        self._bar.set_postfix(shown, refresh=False)
        self._bar.update(self._done - self._bar.n)

    def on_fit_end(self, net: Any, history: History) -> None:
        """Close the bar."""
        self._bar.refresh()
        self._bar.close()


class EpochLog(Callback):
    """One line of text per epoch.

    Parameters
    ----------
    stream : text file, optional
        Where the lines go; ``sys.stdout`` where it is left out.
    every : int
        Write only every so many epochs of a fit, and its first and last.

    Raises
    ------
    TypeError, ValueError
        If every is not a positive integer.

    Examples
    --------
    >>> import fastnn as fn
    >>> log = fn.EpochLog()
    >>> log.on_epoch_end(fn.callbacks.EpochInfo(
    ...     epoch=3, epochs=10, loss=0.1234, val_loss=0.2345, learning_rate=0.001, seconds=1.25, samples=60000))
    epoch  3/10  loss 0.1234  val_loss 0.2345  lr 0.001  1.25 s  48000 samples/s
    """

    alone = True

    def __init__(self, stream: TextIO | None = None, *, every: int = 1) -> None:
        require_count("EpochLog", "every", every)
        self.stream, self.every = stream, every
        self._before: int | None = 0

    def on_fit_begin(self, net: Any, epochs: int) -> None:
        """Learn from the next epoch how many went before this fit."""
        self._before = None

    def on_epoch_end(self, info: EpochInfo) -> None:
        """Write the line."""
        if self._before is None:
            self._before = info.epoch - 1
        last = self._before + info.epochs
        if info.epoch not in (self._before + 1, last) and (info.epoch - self._before) % self.every:
            return
        values = [f"{name} {_short(value)}" for name, value in info.monitored().items()]
        rate = f"{info.samples / info.seconds:.0f} samples/s" if info.seconds > 0 else "- samples/s"
        text = [f"epoch {info.epoch:>{len(str(last))}}/{last}", *values, f"lr {info.learning_rate:.4g}"]
        print("  ".join([*text, f"{info.seconds:.3g} s", rate]), file=self.stream or sys.stdout, flush=True)


def _short(value: float) -> str:
    """Return a number with four decimals, or three digits and an exponent where it is very small or large."""
    return f"{value:.4f}" if value == 0 or not (abs(value) < 1e-3 or abs(value) >= 1e5) else f"{value:.2e}"
