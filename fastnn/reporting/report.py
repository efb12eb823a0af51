"""``report``: what a network is, how it learned and what it can do, on one page."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from fastnn._spec import require_count
from fastnn.formats.files import write_atomically
from fastnn.layers.base import Shape, as_shape
from fastnn.markup.html import element, pairs
from fastnn.markup.notebook import shown
from fastnn.plotting.figure import require_matplotlib
from fastnn.reporting.subject import WHO, Subject, as_names, subject_of
from fastnn.training.history import History


@dataclass(frozen=True, eq=False)
class Report:
    """What ``report`` wrote.

    Attributes
    ----------
    path : Path
        The page.
    task : {"classification", "regression"}
        What the network was taken for.
    scores : dict of str to float
        "loss"; of a classification "accuracy", "most_frequent" (share of the most frequent class: what accuracy is
        without looking), "macro_f1" and, where there are probabilities, "calibration_error", and for two classes
        "roc_auc" and "average_precision" (of the second one); of a regression "r2",
        "mean_absolute_error" and "root_mean_squared_error".
    """

    path: Path
    task: str
    scores: dict[str, float]

    def _repr_html_(self) -> str:
        link = element("p", element("a", self.path.name, href=self.path.absolute().as_uri()))
        rows = [(name.replace("_", " "), f"{value:.4g}") for name, value in self.scores.items()]
        return shown(link, pairs(rows, caption=f"Report of a {self.task}"))


def report(
    model: Any,
    path: str | PathLike[str],
    X: Any,
    y: Any,
    *,
    classes: Sequence[object] | None = None,
    feature_names: Sequence[object] | None = None,
    shape: Shape | None = None,
    standardizer: Any = None,
    history: History | None = None,
    title: str | None = None,
    rows: int = 10,
    seed: int = 0,
    verbose: int | str = "auto",
) -> Report:
    """Write all that is worth knowing about a network to one HTML file that needs nothing else.

    Scores, confusion matrix, thresholds of two classes, calibration or errors, learning curves, layers, training,
    gradient flow, histograms, the rows it got most wrong, and the importance of the inputs.

    Parameters
    ----------
    model : Network, estimator or Pipeline
        Compiled, with one output (B, O); or a fitted estimator, which keeps its network in ``network_`` and its classes
        in ``classes_``; or a Pipeline of scikit-learn whose last step is such an estimator.  Left as it is.
    path : str or path
        The .html file; an existing one is replaced once the new one is complete.
    X : array_like of shape (B, *input_shape)
        Rows to judge the network by, best such as it has not learned from; for several inputs a list; for a Pipeline as
        its first step takes them.  A data frame names its columns.
    y : array_like
        Their targets, as ``evaluate`` takes them; for an estimator labels or values as its ``fit`` takes them.
    classes : list of K names, optional
        Of the classes; 0 to K-1 if not given.  With them a network is judged as a classifier whatever its loss.
    feature_names : list of str, optional
        Of the elements of an input; inputs named ``column=category`` are shuffled together, and so are those that a
        Pipeline made of one column.
    shape : (H, W), optional
        How a row is an image: (8, 8) for the digits.  Inputs (H, W, C) of one or three channels say so themselves.
    standardizer : Standardizer, optional
        The one that made y, for a regression: errors are then shown in the unit of the data.
    history : History, optional
        Of the training; ``net.history`` if not given.
    title : str, optional
        Of the page.
    rows : int
        How many of the most wrong rows to show.
    seed : int
        Decides which rows are drawn where there are too many, and the shuffles of the importance.
    verbose : {"auto", 0, 1}
        1 a progress bar on stderr, if it takes more than a second; "auto": on a terminal; 0 none.

    Returns
    -------
    Report
        Path, task and scores.

    Raises
    ------
    TypeError, ValueError
        If the network has several outputs or one over time, the data or an option do not fit, or outputs are not
        finite.
    RuntimeError
        If the network is not compiled.
    ImportError
        If matplotlib is not installed.
    OSError
        If the file cannot be written.

    Notes
    -----
    F1 is ``2 TP / (2 TP + FP + FN)``; the macro F1 its mean over the classes that occur.  The expected calibration
    error is that of Guo et al. 2017, in 15 bins of equal width.  Gradient flow and histograms look at 512 rows at most.

    Examples
    --------
    >>> import tempfile, fastnn as fn
    >>> X, y = fn.load_digits()
    >>> X, X_test, y, y_test = fn.split(X, y, 0.5, stratify=True, seed=0)
    >>> net = fn.Sequential([fn.Dense(32, "relu"), fn.Dense(10)], input_shape=64, seed=0)
    >>> history = net.fit(X, y, epochs=20, loss="cross_entropy", optimizer="adam")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     found = fn.report(net, f"{folder}/digits.html", X_test, y_test, shape=(8, 8))
    >>> found.scores["accuracy"] > 0.9
    True
    """
    require_matplotlib(WHO)
    require_count(WHO, "rows", rows)
    require_count(WHO, "seed", seed, low=0)
    target = _target(path)
    if title is not None and not isinstance(title, str):
        raise TypeError(f"{WHO}: expected title to be a text, got {title!r:.60}")
    subject = subject_of(model, X, y, classes, standardizer)
    layout = _layout(subject, shape)
    names, size = subject.source.names, prod(subject.net.input_shape)
    if feature_names is not None:
        names = as_names("feature_names", feature_names, size, "one for each element of an input")
    elif names is not None and len(names) != size:
        names = None
    if history is not None and not isinstance(history, History):
        raise TypeError(f"{WHO}: expected history to be a History, got {type(history).__name__}")
    past = subject.net.history if history is None else history
    from fastnn.reporting.content import content  # most of what a report takes: importing fastnn stays quick

    text, scores = content(subject, title or target.stem, past, names, layout, rows=rows, seed=seed, verbose=verbose)
    write_atomically(target, text.encode("utf-8"))
    return Report(target, subject.task, scores)


def _target(path: Any) -> Path:
    """Return where to write, known to be in a folder before any work is done."""
    if not isinstance(path, str | PathLike):
        raise TypeError(f"{WHO}: expected path to be a text or a path, got {type(path).__name__}")
    target = Path(fspath(path))
    if not target.absolute().parent.is_dir():
        raise FileNotFoundError(f"{WHO}: expected a path in a folder that exists, got {str(target)!r}")
    return target


def _layout(subject: Subject, shape: Any) -> Shape | None:
    """Return how a row is an image, (H, W) or (H, W, C), None if it is none."""
    own = subject.net.input_shape
    if shape is None:
        single = len(subject.net.input_shapes) == 1
        return own if single and len(own) == 3 and own[2] in (1, 3) and min(own) > 0 else None
    layout = as_shape(WHO, shape)
    if len(subject.net.input_shapes) > 1 or len(layout) != 2 or prod(layout) != prod(own):
        raise ValueError(f"{WHO}: expected a shape (H, W) of {prod(own)} elements, as a row has, got {shape!r:.60}")
    return layout
