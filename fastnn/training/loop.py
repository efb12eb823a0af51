"""The fit loop: feeds, schedules, callbacks and validation around the Trainer."""

from collections.abc import Callable, Iterable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from fastnn._core.rng import SHUFFLE
from fastnn._core.table import all_finite
from fastnn._core.trainer import NOT_FINITE
from fastnn._core.undo import Undo
from fastnn._spec import require_count, require_flag
from fastnn.data.feed import Feed, make_feed, require_split, split_feeds, validation_feed
from fastnn.data.ports import Block
from fastnn.data.shuffle import Shuffle
from fastnn.errors import DivergenceError, ModelFormatError
from fastnn.graph.answers import in_one_version
from fastnn.metrics import Metric, get_metric
from fastnn.schedules import CallableSchedule, Constant, ReduceOnPlateau
from fastnn.threads import raise_if_stopped
from fastnn.training.callbacks import Callback, Checkpoint, EpochInfo, EpochLog, ProgressBar, as_callback
from fastnn.training.decisions import counts, running
from fastnn.training.history import History
from fastnn.training.joined import asked, joined, require_shares, share_of
from fastnn.training.progress import wanted
from fastnn.training.team import Team, learned, require_rows_apart
from fastnn.training.validation import measured

if TYPE_CHECKING:
    from fastnn.graph.graph import Graph
    from fastnn.graph.quantized import QuantizedGraph

SHOWN = 0.05  # seconds between two calls of on_progress
UPDATES = 1 << 16  # most updates of one call over several epochs: their rates are made beforehand

Rates = Callable[["Graph", int], np.ndarray]  # of a network's next updates, so many
Measure = Callable[[EpochInfo, "Sums"], None]


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
    validation_split: float = 0.0,
    callbacks: Any = (),
    shuffle: bool = True,
    verbose: Any = "auto",
    loss: Any = None,
    optimizer: Any = None,
    metrics: Any = None,
    team: Any = None,
    average_every: int | None = None,
    accumulate: int = 1,
    rows: Any = None,
) -> History:
    """See ``Network.fit``; ``rows``: the numbers of the rows to learn from, None: all."""
    share, held_out = share_of(X), share_of(validation_data)
    with (party := joined(net, team, average_every, share)) as members, trained(net):
        if loss is not None or optimizer is not None:
            _compile(net, loss, optimizer, metrics)
        elif metrics is not None:
            raise ValueError("fit: expected metrics together with loss or optimizer; or give them to compile")
        net.require_compiled("fit")
        require_count("fit", "epochs", epochs)
        require_count("fit", "batch_size", batch_size)
        require_count("fit", "accumulate", accumulate)
        if accumulate > 1:
            require_rows_apart(net, "accumulate takes those of an update a part at a time")
        if members is not None:
            require_shares(members, X=share, validation_data=held_out)
        require_flag("fit", "shuffle", shuffle)
        ports = net.ports.named(X)
        if type(validation_split) in (int, float) and not validation_split:
            feed = make_feed(
                "fit", ports, X, y, sample_weight, class_weight, batch_size, epochs, rows, accumulate=accumulate
            )
            validation = None if validation_data is None else validation_feed("fit", ports, validation_data, epochs)
        else:
            require_split("fit", validation_split, validation_data, X, y, rows)
            feed, validation = split_feeds(
                "fit", ports, X, y, sample_weight, class_weight, batch_size * accumulate, validation_split
            )
        if not isinstance(callbacks, Iterable):
            got = type(callbacks).__name__
            raise TypeError(f"fit: expected callbacks to be a list, got {got}; write callbacks=[...]")
        calls = [as_callback(callback) for callback in callbacks]
        if wanted("fit", verbose, 2):
            calls.append(EpochLog() if verbose == 2 else ProgressBar())
        if members is not None:
            calls = [call for call in calls if members.rank == 0 or not call.alone]
        party.begin(feed, accumulate)
        if members is not None:
            options = {"epochs": epochs, "shuffle": shuffle, "accumulate": accumulate}
            members.require_same(
                "give each of them the same options, and all rows or its share of them",
                asked(net, feed, validation, options, share is None and held_out is None),
            )
            members.note(feed)
        net.history, found = History(), running(net)
        history = net.history

        def validate(info: EpochInfo, sums: Sums) -> None:
            info.metrics = counts(found, net.trainer.accuracies())
            if validation is not None:
                values = measured(net, validation, _metrics(net), None, members, held_out is not None)
                info.val_loss = values.pop("loss")
                info.metrics |= {f"val_{name}": value for name, value in values.items()}

        by_function = isinstance(net.schedule, ReduceOnPlateau | CallableSchedule) or net.trainer.calls_functions
        if feed.whole is not None and not (calls or validation or by_function or members):  # nothing between epochs
            net.callback_states = []
            _epochs(net, feed.whole, feed.batch_size or feed.whole.n, shuffle, epochs, history)
        else:
            order = (lambda: Shuffle(net.seed, net.epoch)) if shuffle else lambda: None
            train(net, feed, epochs, history, calls, order=order, measure=validate, team=members)
        if members is not None:
            members.require_same("a callback has changed it on one of them alone", learned(net))
        net.ports = ports
    return history


class Sums(NamedTuple):
    """Sums over an epoch: mean loss of the mini-batches, sum of the optimiser's penalties, rows, last learning rate."""

    loss: float
    penalty: float
    rows: int
    rate: float


def train(
    net: "Graph",
    feed: Feed,
    epochs: int,
    history: History,
    calls: Sequence[Callback],
    *,
    order: Callable[[], Shuffle | None],
    rates: Rates | None = None,
    measure: Measure,
    team: Team | None = None,
) -> bool:
    """Train a compiled network epoch after epoch; return whether a callback stopped it.

    ``order`` gives the order of the rows of the next epoch, None: as in the data; ``rates`` those of the next updates,
    by the network's schedule if it is left out.  ``measure`` completes the EpochInfo before history and callbacks get
    it: it validates, or puts the loss in another scale.  In a team the first process decides when to stop.
    """
    for call in calls:
        call.on_fit_begin(net, epochs)
    # Files hold what callbacks with a memory know of the epoch, so these hear of it before anyone saves.
    savers = [call for call in calls if isinstance(call, Checkpoint)]
    first = [call for call in calls if type(call).state is not Callback.state and call not in savers]
    inform = [*first, *(call for call in calls if call not in first)]
    try:
        resume_callbacks(net, calls)
        net.listening = calls
        for _ in range(epochs):
            raise_if_stopped()
            began = perf_counter()
            sums = train_epoch(net, feed, order(), calls, rates or schedule_rates, team)
            net.epoch += 1
            info = describe(net, sums, epochs, measure)
            info.seconds = perf_counter() - began
            history.append(info.epoch, **info.monitored(), learning_rate=info.learning_rate, seconds=info.seconds)
            for saver in savers:
                saver.judge(info)
            stop = any([bool(call.on_epoch_end(info)) for call in inform])  # noqa: C419  (every callback is called)
            if stop if team is None else team.agree(stop):
                return True
        return False
    except BaseException as error:
        if team is not None and not isinstance(error, Exception):
            team.go_back(net)
        raise
    finally:
        net.listening = ()
        for call in calls:
            call.on_fit_end(net, history)


def resume_callbacks(net: "Graph", calls: Sequence[Callback]) -> None:
    """Give callbacks what they knew when the network was saved, each to the next one of its class and monitor."""
    waiting, net.callback_states = list(net.callback_states), []
    for call in calls:
        kind, own = type(call).__name__, call.state()
        if own is None:
            continue
        key = kind, own.get("monitor")
        place = next((i for i, state in enumerate(waiting) if (state["type"], state.get("monitor")) == key), None)
        if place is None:
            continue
        state = {name: value for name, value in waiting.pop(place).items() if name != "type"}
        try:
            call.set_state(net, state)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise ModelFormatError(
                f"fit: {kind} cannot go on from what the file says of it: {error}", "training"
            ) from error


def describe(net: "Graph", sums: Sums, epochs: int, measure: Measure) -> EpochInfo:
    """Return the EpochInfo of an epoch, after a ReduceOnPlateau schedule has observed it."""
    info = EpochInfo(net.epoch, epochs, sums.loss, learning_rate=sums.rate, samples=sums.rows, net=net)
    measure(info, sums)
    if isinstance(net.schedule, ReduceOnPlateau):
        net.schedule.observe(info.value(net.schedule.monitor))
    return info


def train_epoch(
    net: "Graph",
    feed: Feed,
    shuffle: Shuffle | None,
    calls: Sequence[Callback],
    rates: Rates,
    team: Team | None = None,
) -> Sums:
    """Learn from every row of an epoch once.

    Raises DivergenceError if a mini-batch has no finite loss, or a parameter is not finite in the end, ValueError if
    there are no rows.
    """
    listeners = [call for call in calls if type(call).on_batch_end is not Callback.on_batch_end]
    watchers = [call for call in calls if type(call).on_progress is not Callback.on_progress]
    done, loss, weight, penalty, rate, shown = 0, 0.0, 0.0, 0.0, 0.0, perf_counter()

    def tick(rows: int, more_loss: float, more_weight: float) -> None:
        nonlocal shown
        raise_if_stopped()
        mean = (loss + more_loss) / (weight + more_weight) if weight + more_weight else 0.0
        for call in listeners:
            call.on_batch_end(done + rows, feed.n, mean)
        if watchers and perf_counter() - shown > SHOWN:
            shown = perf_counter()
            for call in watchers:
                call.on_progress(done + rows, feed.n, mean)

    net.trainer.clear_hits()
    try:
        for block in feed.blocks(shuffle, net.epoch):
            size = feed.batch_size or block.n
            steps = rates(net, net.trainer.updates(block.n, size))
            more = net.trainer.run(*block, size, steps, tick, bool(listeners))
            done, loss, weight, rate = done + block.n, loss + more[0], weight + more[1], float(steps[-1])
            penalty += net.trainer.penalty_sum
            for call in watchers:
                call.on_progress(done, feed.n, loss / weight if weight else 0.0)
        if not done:
            raise ValueError("fit: expected at least one batch from the iterable, got none")
        if team is not None:
            loss, weight, done = team.totals(net, loss, weight, done)
        if not (all_finite(net.params) and all_finite(net.trainer.optimizer.state)):  # no loss follows the last update
            raise DivergenceError(NOT_FINITE)
    except DivergenceError as error:
        if team is not None and team.over and str(error).startswith("fit"):  # of another process, which has said it all
            raise
        raise _diverged(net.epoch + 1, error) from None
    return Sums(loss / weight if weight else 0.0, penalty, done, rate)


def _diverged(epoch: int, error: Exception) -> DivergenceError:
    """Return the error with the epoch in which it happened."""
    return DivergenceError(f"fit, epoch {epoch}: {error}; the network is as it was before fit")


def _compile(net: "Graph", loss: Any, optimizer: Any, metrics: Any) -> None:
    """Compile with what is given, and what was there before for the rest."""
    compiled = net.trainer is not None
    if loss is None:
        net.require_compiled("fit")
        loss = net.losses
    if optimizer is None:
        optimizer = net.optimizer if compiled else "adam"
    net.compile(loss, optimizer, metrics=metrics if metrics is not None else net.metrics if compiled else ())


class trained:
    """Train a network in the block, alone; if anything but an interruption ends it, all is put back.

    That is: parameters, what compile set, and every counter.  ``whole``: after an interruption too.  Raises
    RuntimeError if another call trains it right now.
    """

    def __init__(self, net: "Graph", whole: bool = False) -> None:
        self.net, self.failures = net, BaseException if whole else Exception

    def __enter__(self) -> None:
        net = self.net
        if not net.fitting.acquire(blocking=False):
            raise RuntimeError("fit: this network is being trained by another call; train net.copy() instead")
        try:
            self.schedule = None if net.trainer is None else net.schedule.state
            self.undo = Undo(net)
        except BaseException:
            net.fitting.release()
            raise

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: object) -> None:
        # No argument is packed: a call that finds no memory for its arguments would leave the network locked.
        if kind is not None and issubclass(kind, self.failures):
            self.undo.put_back()
            if self.schedule is not None:
                self.net.schedule.load_state(self.schedule)
        self.net.fitting.release()


def schedule_rates(net: "Graph", n: int) -> np.ndarray:
    """Return the learning rate of each of the next updates; ValueError if one is negative or not finite."""
    if isinstance(net.schedule, Constant):
        return np.full(n, float(net.schedule.learning_rate))
    first = net.trainer.optimizer.step
    rates = np.array([net.schedule(step) for step in range(first, first + n)], dtype=np.float64)
    bad = rates[~(np.isfinite(rates) & (rates >= 0))]
    if len(bad):
        raise ValueError(f"learning_rate: expected the schedule to give finite rates of at least 0, got {bad[0]}")
    return rates


def _epochs(net: "Graph", block: Block, batch_size: int, shuffle: bool, epochs: int, history: History) -> None:
    """Train all epochs, many in one call of the Trainer; the results are those of ``train``."""
    n_batches = net.trainer.updates(block.n, batch_size)
    found = running(net)
    while epochs:
        losses = np.empty(min(epochs, max(1, UPDATES // n_batches)))
        accuracies = np.empty((len(losses), len(net.losses)))
        rates = schedule_rates(net, len(losses) * n_batches)
        raise_if_stopped()
        began = perf_counter()
        try:
            drawn = (net.seed, SHUFFLE, net.epoch) if shuffle else None
            net.trainer.run_epochs(
                *block, batch_size, rates, losses, drawn, lambda *_: raise_if_stopped(), accuracies if found else None
            )
        except DivergenceError as error:
            raise _diverged(net.epoch + net.trainer.epochs_done + 1, error) from None
        finally:  # after an interruption too
            done = net.trainer.epochs_done
            seconds = (perf_counter() - began) / max(done, 1)
            last = rates[n_batches - 1 :: n_batches]
            for loss, rate, shares in zip(losses[:done].tolist(), last.tolist(), accuracies.tolist(), strict=False):
                net.epoch += 1
                shown = counts(found, shares) if found else {}
                history.append(net.epoch, loss=loss, **shown, learning_rate=rate, seconds=seconds)
        epochs -= len(losses)


def evaluate(net: "Graph | QuantizedGraph", X: Any, y: Any, sample_weight: Any) -> dict[str, float]:
    """See ``Network.evaluate``; all of one version of the parameters."""
    net.require_compiled("evaluate")
    feed = make_feed("evaluate", net.ports, X, y, sample_weight)
    once = feed.n is None  # batches of an iterable, which may not come again
    return in_one_version(net.versions, lambda view: measured(net, feed, _metrics(net), view), once)


def _metrics(net: "Graph | QuantizedGraph") -> dict[str, tuple[int, Metric]]:
    """Return fresh metrics by name, each with the output that it looks at."""
    several = len(net.output_shapes) > 1
    result = {}
    for output, names in enumerate(net.metrics if several else [net.metrics]):
        for name in names:
            metric = get_metric(name, threshold=net.outputs[output].threshold)
            metric.reset()
            result[f"{metric.name}_{output + 1}" if several else metric.name] = output, metric
    return result
