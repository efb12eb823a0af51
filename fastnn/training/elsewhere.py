"""Many models in other processes: tasks of a `concurrent.futures` executor, each with its share of the models."""

from collections.abc import Callable
from concurrent.futures import as_completed
from copy import deepcopy
from typing import Any, NamedTuple

from fastnn.graph.graph import Graph
from fastnn.threads import worker_thread
from fastnn.training.progress import track

LOST = "fit_many: a worker was lost; models of tasks that were done have learned, the others are as they were"


class Job(NamedTuple):
    """A model, and what fits it: ``call(model, *data, **arguments)``."""

    call: Callable[..., Any]
    model: Any
    data: tuple[Any, ...]
    arguments: dict[str, Any]

    def __call__(self) -> Any:
        """Fit the model."""
        return self.call(self.model, *self.data, **self.arguments)


class Learned(NamedTuple):
    """What came of a job elsewhere: the model as it is now, None if ``outcome`` is the exception that its fit raised.

    ``itself``: the fit returned the model, or the history that is part of it.
    """

    state: Any
    outcome: Any
    itself: bool


def require_executor(executor: Any) -> None:
    """Raise TypeError unless it has a method ``submit`` of its own, as executors of `concurrent.futures` have."""
    is_client = hasattr(executor, "get_executor")
    if is_client or isinstance(executor, type) or not callable(getattr(executor, "submit", None)):
        hint = "; write executor=client.get_executor()" if is_client else ""
        raise TypeError(f"fit_many: expected executor to be one of concurrent.futures, got {executor!r:.60}{hint}")


def run_on(executor: Any, jobs: list[Job], n_tasks: int | None, verbose: Any) -> list[Any]:
    """Return what each job returns or raises; what models learned elsewhere is copied into those of the caller.

    The models of a task are sent together, and so are data that several of them share.
    """
    n_tasks = min(n_tasks or getattr(executor, "_max_workers", None) or len(jobs), len(jobs))
    shares = [range(first, len(jobs), n_tasks) for first in range(n_tasks)]
    futures = {executor.submit(fit_share, [jobs[k] for k in share]): share for share in shares}
    outcomes: list[Any] = [None] * len(jobs)
    try:
        for future in track("fit_many", as_completed(futures), verbose, total=n_tasks, unit="task", leave=True):
            for position, learned in zip(futures[future], future.result(), strict=True):
                outcomes[position] = take_up(jobs[position].model, learned)
                if learned.state is None:
                    learned.outcome.add_note(f"fit_many: model {position}")
    except BaseException as error:
        for future in futures:
            future.cancel()
        if isinstance(error, Exception):
            error.add_note(LOST)
        raise
    return outcomes


def fit_share(jobs: list[Job]) -> list[Learned]:
    """Fit copies of the models, one after the other, on this thread alone.

    Copies, since a worker may hold one object for several tasks, or try a task again.
    """
    results = []
    with worker_thread():
        for job in jobs:
            model = deepcopy(job.model)
            try:
                outcome = job._replace(model=model)()
            except Exception as error:
                results.append(Learned(None, error, False))
                continue
            itself = outcome is model or isinstance(model, Graph)
            state = model.state() if isinstance(model, Graph) else model.__getstate__()
            results.append(Learned(state, None if itself else outcome, itself))
    return results


def take_up(model: Any, learned: Learned) -> Any:
    """Let the caller's model be as the one that learned; return what its own fit would have returned."""
    if learned.state is None:
        return learned.outcome
    if hasattr(model, "__setstate__"):
        model.__setstate__(learned.state)
    else:
        vars(model).clear()
        vars(model).update(learned.state)
    if not learned.itself:
        return learned.outcome
    return model.history if isinstance(model, Graph) else model
