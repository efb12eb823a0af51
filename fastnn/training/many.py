"""Many models side by side: each on a thread of its own, none of them needing the GIL while it learns."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from copy import deepcopy
from dataclasses import replace
from threading import Event
from typing import Any, Literal

import numpy as np

from fastnn._spec import require_count
from fastnn.data.feed import as_row_numbers, held_once, is_batches
from fastnn.graph.graph import Graph
from fastnn.graph.kinds import kinds
from fastnn.threads import get_num_threads, stop_events, worker_thread
from fastnn.training.elsewhere import Job, require_executor, run_on
from fastnn.training.loop import fit
from fastnn.training.progress import track, wanted

DEFAULTS: dict[str, Any] = {**(fit.__kwdefaults__ or {}), "verbose": 0}
DEFAULTS.pop("rows")


def fit_many(
    models: Iterable[Any],
    X: Any = None,
    y: Any = None,
    *,
    rows: Sequence[Any] | None = None,
    each: Sequence[dict[str, Any]] | None = None,
    n_threads: int | None = None,
    executor: Any = None,
    return_exceptions: bool = False,
    verbose: int | Literal["auto"] = "auto",
    **options: Any,
) -> list[Any]:
    """Fit many models side by side: folds, seeds, members of an ensemble, one network per device.

    Parameters
    ----------
    models : list
        Networks, and objects with a method ``fit(X, y, ...)`` such as scikit-learn's estimators.  Each learns in place.
    X, y : array_like, optional
        Data for all of them.
    rows : list of array_like, optional
        For each model the rows of X and y that it learns from: row numbers, as often as they are to be seen, or a mask
        (N,).  Networks take them from where they lie, without a copy.
    each : list of dict, optional
        What each model has of its own: ``X``, ``y`` and arguments of its ``fit``, which go before the shared ones.
    n_threads : int, optional
        How many models learn at a time; as many as `get_num_threads` says where it is left out.  With an executor: into
        how many tasks the models are dealt; one for each of its workers, or for each model where it does not say how
        many these are.
    executor : concurrent.futures.Executor, optional
        Where the models learn, in place of threads of this process: a ``ProcessPoolExecutor``, loky's
        ``get_reusable_executor()``, ``client.get_executor()`` of Dask, mpi4py's ``MPIPoolExecutor`` and any other whose
        futures are those of `concurrent.futures`.  Models, data and callbacks must be such as pickle takes.
    return_exceptions : bool, default False
        Whether the exception of a model whose fit fails stands in the result instead of being raised.
    verbose : {"auto", 0, 1}
        1: a progress bar of the models, or of an executor's tasks, on stderr; "auto": on a terminal.
    **options
        Shared arguments of ``fit``: ``epochs``, ``batch_size``, ``validation_data`` and so on.  Each network has its
        own copy of ``callbacks``; to look at one afterwards, pass it by ``each``.

    Returns
    -------
    list
        What each ``fit`` returned, in the order of the models: the `History` of a network, an estimator itself.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        If the models or the lists do not fit together, before any has learned.
    ExceptionGroup
        If fits fail, once all others are done; each exception in it has a note that says which model it was.

    Notes
    -----
    Every network has the bits that it would have alone: of ``net.fit(X[rows], y[rows], ...)``.  It runs on one thread,
    so several do not contend for processors, and without the GIL, for many epochs at a time where there are neither
    callbacks nor validation data.  Estimators run side by side as far as they let go of the GIL.

    A failure leaves its network as it was and does not disturb the others.  KeyboardInterrupt ends all networks within
    a twentieth of a second or a mini-batch, each as after its last complete update; an estimator that learns without
    fastnn is waited for.

    On an executor copies learn, on one thread of a worker, and what they have learned is copied into the models here
    when their task is done: the bits are those of threads.  A task takes the data with it once for all of its models.
    Callbacks run in the worker, on copies.  A worker that is lost is the executor's affair: Dask tries its task
    elsewhere, a process pool raises BrokenProcessPool, and models whose tasks were not done are as they were.

    Examples
    --------
    Five folds, and what each network says of the rows that it has not seen:

    >>> import numpy as np, fastnn as fn
    >>> X, y = fn.load_digits()
    >>> fold = np.random.default_rng(0).permutation(len(X)) % 5
    >>> nets = [fn.Sequential([fn.Dense(32, "relu"), fn.Dense(10)], input_shape=64, seed=k) for k in range(5)]
    >>> histories = fn.fit_many(nets, X, y, rows=[fold != k for k in range(5)], epochs=20, loss="cross_entropy")
    >>> [fn.accuracy(y[fold == k], nets[k].predict(X[fold == k])) > 0.9 for k in range(5)]
    [True, True, True, True, True]

    Networks with data of their own:

    >>> data = [(X[:900], y[:900]), (X[900:], y[900:])]
    >>> histories = fn.fit_many(nets[:2], each=[{"X": X, "y": y} for X, y in data], epochs=2)
    """
    models = _checked(models)
    for name, values in (("rows", rows), ("each", each)):
        is_list = isinstance(values, list | tuple | np.ndarray)
        if values is not None and not (is_list and len(values) == len(models)):
            got = len(values) if is_list else type(values).__name__
            raise ValueError(f"fit_many: expected {name} to be a list of {len(models)}, one per model, got {got}")
    if n_threads is not None:
        require_count("fit_many", "n_threads", n_threads)
    if executor is not None:
        require_executor(executor)
    wanted("fit_many", verbose)
    held: dict[Any, Any] = {}
    jobs = []
    for position, model in enumerate(models):
        own = {} if each is None else each[position]
        if not isinstance(own, dict):
            raise TypeError(f"fit_many: expected each to hold a dict per model, got {type(own).__name__}")
        own = dict(own)
        own_X, own_y = own.pop("X", X), own.pop("y", y)
        chosen = None if rows is None else rows[position]
        if _is_network(model):
            arguments = _arguments(model, options, own)
            names = model.ports.named(own_X).names
            if own_X is X and not is_batches(own_X, own_y):
                own_X = held_once("fit_many", X, model.ports, chosen, held)
            jobs.append(Job(_fit_network, model, (own_X, own_y, names), {**arguments, "rows": chosen}))
        else:
            jobs.append(Job(_fit_estimator, model, (own_X, own_y, chosen, {**options, **own}), {}))
    if executor is not None:
        outcomes = run_on(executor, jobs, n_threads, verbose)
    else:
        outcomes = _run(jobs, min(n_threads or get_num_threads(), len(jobs)), verbose)
    errors = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    if errors and not return_exceptions:
        raise ExceptionGroup(f"fit_many: {len(errors)} of {len(models)} models failed", errors)
    return outcomes


def _is_network(model: Any) -> bool:
    fit_of_ours = kinds()["Network"].__dict__["fit"]
    return isinstance(model, Graph) and getattr(type(model), "fit", None) is fit_of_ours


def _checked(models: Iterable[Any]) -> list[Any]:
    """Return the models as a list."""
    if isinstance(models, Graph) or not isinstance(models, Iterable):
        raise TypeError(f"fit_many: expected a list of models, got {type(models).__name__}")
    models = list(models)
    for position, model in enumerate(models):
        if isinstance(model, type) or not callable(getattr(model, "fit", None)):
            raise TypeError(f"fit_many: expected models with a method fit, got {model!r:.60} at position {position}")
    if not models:
        raise ValueError("fit_many: expected at least one model, got none")
    if len({id(model) for model in models}) < len(models):
        raise ValueError(
            "fit_many: expected each model once; make a copy.deepcopy of it, or build it with another seed"
        )
    return models


def _arguments(net: Graph, options: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``fit`` for a network."""
    unknown = sorted({*options, *own} - {*DEFAULTS} | {"verbose"} & {*own})
    if unknown:
        raise TypeError(f"fit_many: expected arguments of Network.fit, got {', '.join(unknown)}")
    arguments = {**DEFAULTS, **options, **own}
    if arguments["loss"] is None:
        net.require_compiled("fit_many")
    if "callbacks" not in own:
        arguments["callbacks"] = deepcopy(arguments["callbacks"])
    return arguments


def _fit_network(net: Graph, X: Any, y: Any, names: Any, **arguments: Any) -> Any:
    """Fit a network on rows that may be converted already, and so have lost the names of columns."""
    history = fit(net, X, y, **arguments)
    net.ports = replace(net.ports, names=names)
    return history


def _fit_estimator(model: Any, X: Any, y: Any, rows: Any, options: dict[str, Any]) -> Any:
    """Fit what is not a network on copies of its rows."""
    if rows is not None:
        rows = as_row_numbers("fit_many", rows, X.shape[0] if hasattr(X, "shape") else len(X))
        X, y = _take(X, rows), _take(y, rows)
        if options.get("sample_weight") is not None:
            options["sample_weight"] = _take(options["sample_weight"], rows)
    return model.fit(X, y, **options)


def _take(values: Any, rows: np.ndarray) -> Any:
    """Return some rows of an array, a data frame or a list."""
    if values is None:
        return None
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    if hasattr(values, "column_names"):  # a table of Arrow
        return values.take(rows)
    return values[rows] if hasattr(values, "shape") else np.asarray(values)[rows]


def _work(job: Job, position: int, stop: Event, *others: Event) -> Any:
    """Do one job on this thread; an exception is an outcome, anything else that is raised ends the other jobs too."""
    if stop.is_set():
        return None
    with worker_thread(stop, *others):
        try:
            return job()
        except Exception as error:
            error.add_note(f"fit_many: model {position}")
            return error
        except BaseException:
            if stop.is_set():  # it was stopped: what is to be seen is what ended another
                return None
            stop.set()
            raise


def _run(jobs: list[Job], n_threads: int, verbose: Any) -> list[Any]:
    """Return what each job returns or raises, ``n_threads`` of them at a time."""
    stop = Event()
    with ThreadPoolExecutor(n_threads, "fit_many") as pool:
        try:
            futures = [pool.submit(_work, job, position, stop, *stop_events()) for position, job in enumerate(jobs)]
            done = as_completed(futures)
            for future in track("fit_many", done, verbose, total=len(futures), unit="model", leave=True):
                future.result()
        except BaseException:  # only what is no Exception comes here
            stop.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [future.result() for future in futures]
