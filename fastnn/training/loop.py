"""The fit loop: feeds, schedules, callbacks and validation around the Trainer."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn._core.rng import SHUFFLE
from fastnn._core.table import all_finite
from fastnn._core.trainer import NOT_FINITE
from fastnn._spec import require_count
from fastnn.data.examples import Examples
from fastnn.data.feed import Block, Feed, make_feed
from fastnn.data.ports import require_batch_size
from fastnn.errors import DivergenceError
from fastnn.metrics import Metric, get_metric
from fastnn.schedules import CallableSchedule, Constant, ReduceOnPlateau
from fastnn.threads import obey
from fastnn.training.callbacks import Callback, EpochInfo, EpochLog, ProgressBar, as_callback
from fastnn.training.history import History

if TYPE_CHECKING:
    from fastnn.graph.graph import Graph

UPDATES = 1 << 16  # most updates of one call over several epochs: their rates are made beforehand


def fit(
    net: "Graph",
    X: Any,
    y: Any = None,
    *,
    epochs: int = 1,
    batch_size: int = 32,
    sample_weight: Any = None,
    class_weight: Any = None,
    validation_data: Any = None,
    callbacks: Any = (),
    shuffle: bool = True,
    verbose: Any = "auto",
    loss: Any = None,
    optimizer: Any = None,
    metrics: Any = None,
    rows: Any = None,
) -> History:
    """See ``Network.fit``; ``rows``: the numbers of the rows to learn from, None: all."""
    with alone(net), kept_unless_done(net):
        if loss is not None or optimizer is not None:
            _compile(net, loss, optimizer, metrics)
        elif metrics is not None:
            raise ValueError("fit: expected metrics together with loss or optimizer; or give them to compile")
        net.require_compiled("fit")
        return _fit(
            net, X, y, epochs, batch_size, sample_weight, class_weight, validation_data, callbacks, shuffle, verbose,
            rows,
        )  # fmt: skip


def _fit(
    net: "Graph", X: Any, y: Any, epochs: int, batch_size: int, sample_weight: Any, class_weight: Any,
    validation_data: Any, callbacks: Any, shuffle: bool, verbose: Any, rows: Any,
) -> History:  # fmt: skip
    """Check everything, then train epoch after epoch."""
    require_count("fit", "epochs", epochs)
    require_batch_size("fit", batch_size)
    if not isinstance(shuffle, bool):
        raise TypeError(f"fit: expected shuffle to be True or False, got {shuffle!r:.60}")
    feed = make_feed("fit", X, y, sample_weight, class_weight, net.ports, batch_size, epochs, rows)
    validation = _validation_feed(net, validation_data, epochs)
    if not isinstance(callbacks, Iterable):
        raise TypeError(f"fit: expected callbacks to be a list, got {type(callbacks).__name__}; write callbacks=[...]")
    calls = [as_callback(callback) for callback in callbacks] + _display(verbose)
    net.history = history = History()
    for call in calls:
        call.on_fit_begin(net, epochs)
    try:
        block = None if calls or validation is not None else _unwatched(net, feed)
        if block is not None:
            _epochs(net, block, feed.batch_size or block.n, shuffle, epochs, history)
            return history
        for _ in range(epochs):
            obey()
            began = perf_counter()
            info = _epoch(net, feed, shuffle, epochs, calls)
            if validation is not None:
                values = _evaluate(net, validation)
                info.val_loss = values.pop("loss")
                info.metrics = {f"val_{name}": value for name, value in values.items()}
            info.seconds = perf_counter() - began
            if isinstance(net.schedule, ReduceOnPlateau):
                net.schedule.observe(info.value(net.schedule.monitor))
            history.append(info.epoch, **info.monitored(), learning_rate=info.learning_rate, seconds=info.seconds)
            stops = [bool(call.on_epoch_end(info)) for call in calls]  # every callback hears of every epoch
            if any(stops):
                break
    finally:
        for call in calls:
            call.on_fit_end(net, history)
    return history


def _compile(net: "Graph", loss: Any, optimizer: Any, metrics: Any) -> None:
    """Compile with what is given, and what was there before for the rest."""
    compiled = net.trainer is not None
    if loss is None:
        net.require_compiled("fit")
        loss = net.losses
    if optimizer is None:
        optimizer = net.optimizer if compiled else "adam"
    net.compile(loss, optimizer, metrics=metrics if metrics is not None else net.metrics if compiled else ())


def _display(verbose: Any) -> list[Callback]:
    """Return the callback that shows how far training is."""
    import sys

    if verbose not in ("auto", 0, 1, 2):
        raise ValueError(f"fit: expected verbose to be 'auto', 0, 1 or 2, got {verbose!r:.60}")
    if verbose == "auto":
        verbose = 1 if sys.stderr is not None and sys.stderr.isatty() else 0
    return [ProgressBar()] if verbose == 1 else [EpochLog()] if verbose == 2 else []


def _validation_feed(net: "Graph", data: Any, epochs: int) -> Feed | None:
    """Return the feed of ``validation_data``, checked before training starts."""
    if data is None:
        return None
    if isinstance(data, Examples):
        return make_feed("validation_data", data, None, None, None, net.ports, 256, epochs)
    if isinstance(data, tuple) and len(data) in (2, 3):
        weights = data[2] if len(data) == 3 else None
        return make_feed("validation_data", data[0], data[1], weights, None, net.ports, 256, epochs)
    if isinstance(data, tuple) or not hasattr(data, "__iter__") or hasattr(data, "__array__"):
        raise TypeError(
            f"fit: expected validation_data to be (X, y), (X, y, sample_weight), Examples or an iterable of "
            f"batches, got {type(data).__name__}{f' of {len(data)}' if isinstance(data, tuple) else ''}"
        )
    return make_feed("validation_data", data, None, None, None, net.ports, 256, epochs)


@contextmanager
def alone(net: "Graph") -> Iterator[None]:
    """Refuse a second fit of one network at a time."""
    if not net.fitting.acquire(blocking=False):
        raise RuntimeError("fit: this network is being trained by another call; train a copy.deepcopy of it instead")
    try:
        yield
    finally:
        net.fitting.release()


@contextmanager
def kept_unless_done(net: "Graph") -> Iterator[None]:
    """Put parameters, what compile set and all counters back if anything but an interruption ends the block."""
    trainer, attributes, params = net.trainer, dict(net.__dict__), net.params.copy()
    if trainer is not None:
        trainer.require_idle()
        state, updates, step = trainer.optimizer.state.copy(), trainer.optimizer.step, trainer.step
        schedule = dict(getattr(net.schedule, "state", {}))
    try:
        yield
    except Exception:
        net.params[:] = params
        net.__dict__.clear()
        net.__dict__.update(attributes)
        net.bind_trainer(trainer)
        if trainer is not None:
            trainer.optimizer.state[...] = state
            trainer.optimizer.set_step(updates)
            trainer.step = step
            if schedule:
                net.schedule.load_state(schedule)  # type: ignore[attr-defined]
        raise


def _rates(net: "Graph", n_steps: int) -> np.ndarray:
    """Return the learning rate of each of the next updates."""
    if isinstance(net.schedule, Constant):
        return np.full(n_steps, float(net.schedule.learning_rate))
    first = net.trainer.optimizer.step
    rates = np.array([net.schedule(step) for step in range(first, first + n_steps)], dtype=np.float64)
    if not np.isfinite(rates).all() or (rates < 0).any():
        raise ValueError(f"fit: expected the schedule to give rates of at least 0, got {rates[~(rates >= 0)][:1]}")
    return rates


def _epoch(net: "Graph", feed: Feed, shuffle: bool, epochs: int, calls: list[Callback]) -> EpochInfo:
    """Train one epoch and return what came of it."""
    listeners = [call for call in calls if type(call).on_batch_end is not Callback.on_batch_end]
    done, loss_sum, weight_sum, rate = 0, 0.0, 0.0, 0.0
    for block in feed.blocks((net.seed, net.epoch) if shuffle else None):
        batch_size = feed.batch_size or block.n
        rates = _rates(net, -(-block.n // batch_size))

        def tick(rows: int, mean: float, before: int = done) -> None:
            obey()
            for call in listeners:
                call.on_batch_end(before + rows, feed.n, mean)

        loss, weight = _run(net, block, batch_size, rates, tick)
        done, loss_sum, weight_sum, rate = done + block.n, loss_sum + loss, weight_sum + weight, float(rates[-1])
        for call in listeners:
            call.on_batch_end(done, feed.n, loss_sum / weight_sum if weight_sum else 0.0)
    if not done:
        raise ValueError("fit: expected at least one batch from the iterable, got none")
    if not all_finite(net.params):  # the last update of all is followed by no loss that would tell
        raise DivergenceError(f"fit, epoch {net.epoch + 1}: {NOT_FINITE}; the network is as it was before fit")
    net.epoch += 1
    return EpochInfo(
        epoch=net.epoch,
        epochs=epochs,
        loss=loss_sum / weight_sum if weight_sum else 0.0,
        learning_rate=rate,
        samples=done,
        net=net,
    )


def _unwatched(net: "Graph", feed: Feed) -> Block | None:
    """Return the block of every epoch if nothing in Python wants to look between two, so that one call can do many."""
    by_function = isinstance(net.schedule, ReduceOnPlateau | CallableSchedule) or net.trainer.calls_functions
    return None if by_function else feed.whole


def _epochs(net: "Graph", block: Block, batch_size: int, shuffle: bool, epochs: int, history: History) -> None:
    """Train all epochs, many in one call of the Trainer; what comes of it is what ``_epoch`` for each would give."""
    n_batches = -(-block.n // batch_size)
    while epochs:
        losses = np.empty(min(epochs, max(1, UPDATES // n_batches)))
        rates = _rates(net, len(losses) * n_batches)
        obey()
        began = perf_counter()
        try:
            net.trainer.run_epochs(
                block.inputs,
                block.targets,
                block.weights,
                block.order,
                block.n,
                batch_size,
                rates,
                losses,
                shuffle=(net.seed, SHUFFLE, net.epoch) if shuffle else None,
                tick=_tick,
            )
        except DivergenceError as error:
            epoch = net.epoch + net.trainer.epochs_done + 1
            raise DivergenceError(f"fit, epoch {epoch}: {error}; the network is as it was before fit") from None
        finally:  # after an interruption too
            done = net.trainer.epochs_done
            seconds = (perf_counter() - began) / max(done, 1)
            for loss, rate in zip(losses[:done].tolist(), rates[n_batches - 1 :: n_batches].tolist(), strict=False):
                net.epoch += 1
                history.append(net.epoch, loss=loss, learning_rate=rate, seconds=seconds)
        epochs -= len(losses)


def _tick(rows: int, loss: float) -> None:
    """Look whether this thread is to stop."""
    obey()


def _run(net: "Graph", block: Block, batch_size: int, rates: np.ndarray, tick: Any) -> tuple[float, float]:
    """Learn from one block."""
    try:
        return net.trainer.run(
            block.inputs, block.targets, block.weights, block.order, block.n, batch_size, rates, tick
        )
    except DivergenceError as error:
        raise DivergenceError(f"fit, epoch {net.epoch + 1}: {error}; the network is as it was before fit") from None


def evaluate(net: "Graph", X: Any, y: Any, sample_weight: Any) -> dict[str, float]:
    """See ``Network.evaluate``."""
    net.require_compiled("evaluate")
    return _evaluate(net, make_feed("evaluate", X, y, sample_weight, None, net.ports, 256, 1))


def _evaluate(net: "Graph", feed: Feed) -> dict[str, float]:
    """Return loss and metrics over a feed."""
    metrics = _metrics(net)
    loss_sum = weight_sum = 0.0
    for block in feed.blocks(None):
        outputs = net.ports.answers(block.n) if metrics else []
        loss, weight = net.trainer.evaluate(block.inputs, block.targets, block.weights, outputs, block.n)
        loss_sum, weight_sum = loss_sum + loss, weight_sum + weight
        for output, metric in metrics.values():
            metric.update(block.targets[output], outputs[output], block.weights)
    if not weight_sum:
        raise ValueError("evaluate: expected at least one row of positive weight, got none")
    return {"loss": loss_sum / weight_sum, **{name: metric.result() for name, (_, metric) in metrics.items()}}


def _metrics(net: "Graph") -> dict[str, tuple[int, Metric]]:
    """Return fresh metrics by name, each with the output that it looks at."""
    several = len(net.output_shapes) > 1
    result = {}
    for output, names in enumerate(net.metrics if several else [net.metrics]):
        for name in names:
            metric = get_metric(name, threshold=net.outputs[output].threshold)
            metric.reset()
            result[f"{metric.name}_{output + 1}" if several else metric.name] = output, metric
    return result
