"""Loss functions: what a network is trained to make small.

The loss of a mini-batch is the weighted mean over its rows, ``sum_b weight_b L_b / sum_b weight_b``; L of one row is
given with each loss.  Elementwise losses are means over the outputs.  No loss has a hidden factor 1/2.
"""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import partial
from numbers import Integral
from typing import Any, ClassVar

import numpy as np

from fastnn._spec import Spec, above_0, checked, meant, require_count, require_fraction, require_number
from fastnn.losses.link import IDENTITY, LOG, MARGIN, SIGMOID, SOFTMAX, Link

__all__ = [
    "AbsoluteError",
    "BinaryCrossEntropy",
    "CrossEntropy",
    "CustomLoss",
    "Distance",
    "Hinge",
    "Huber",
    "LogCosh",
    "Poisson",
    "Quantile",
    "SquaredError",
]


class Loss(Spec, family="loss"):
    """Base of all losses.

    ``kernel``: name of the C kernel for real targets; ``label_kernel``: for integer class labels, if they are taken.
    ``targets``: which real targets are allowed; "own": those that a CustomLoss declares.  ``link``: how the raw outputs
    that it takes become answers; a last layer with the link's activation is computed together with the loss in training
    (``predict`` still applies it).
    ``setting``: the field, if there is one, whose number the kernel takes.
    """

    kernel: ClassVar[str]
    label_kernel: ClassVar[str | None] = None
    targets: ClassVar[str] = "any"
    link: ClassVar[Link] = IDENTITY
    setting: ClassVar[str | None] = None

    @property
    def parameter(self) -> float:
        """The one number that the kernel takes."""
        return getattr(self, self.setting) if self.setting else 0.0


@dataclass(frozen=True, eq=False, repr=False)
class SquaredError(Loss):
    """Mean over the outputs of ``(y - t)^2``: larger differences count for more.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.Dense(2, kernel_initializer="zeros")], input_shape=1, seed=0)
    >>> net.compile(loss=fn.SquaredError(), optimizer=fn.SGD(0.1))
    >>> net.evaluate(np.zeros((1, 1)), np.array([[1.0, 3.0]]))["loss"]
    5.0
    """

    kernel = "squared_error"


@dataclass(frozen=True, eq=False, repr=False)
class Distance(Loss):
    """Euclidean distance ``sqrt(sum_o (y_o - t_o)^2)``; gradient 0 where it is 0."""

    kernel = "distance"


@dataclass(frozen=True, eq=False, repr=False)
class AbsoluteError(Loss):
    """Mean over the outputs of ``|y - t|``; gradient 0 where it is 0."""

    kernel = "absolute_error"


@dataclass(frozen=True, eq=False, repr=False)
class Huber(Loss):
    """Squared near 0, absolute beyond: ``e^2/2`` if ``|e| <= delta`` else ``delta (|e| - delta/2)``, mean over outputs.

    Parameters
    ----------
    delta : float
        Where it turns from one to the other.

    Raises
    ------
    ValueError, TypeError
        If delta is not a positive number.

    Notes
    -----
    Huber 1964.
    """

    kernel = "huber"
    setting = "delta"
    delta: float = checked(1.0, above_0)


@dataclass(frozen=True, eq=False, repr=False)
class Quantile(Loss):
    """Smallest at the q-quantile: mean over outputs of ``max(q (t - y), (q - 1)(t - y))``.

    Parameters
    ----------
    q : float
        Between 0 and 1; 0.5 is half the absolute error.

    Raises
    ------
    ValueError, TypeError
        If q is not a number between 0 and 1.

    Notes
    -----
    Koenker and Bassett 1978.
    """

    kernel = "quantile"
    setting = "q"
    q: float = 0.5

    def __post_init__(self) -> None:
        require_number("Quantile", "q", self.q, low=0, high=1)
        if self.q in (0, 1):
            raise ValueError(f"Quantile: expected q between 0 and 1, got {self.q}")


@dataclass(frozen=True, eq=False, repr=False)
class LogCosh(Loss):
    """Mean over the outputs of ``log cosh(y - t)``: squared near 0, absolute far away, smooth in between."""

    kernel = "log_cosh"


@dataclass(frozen=True, eq=False, repr=False)
class Poisson(Loss):
    """Mean over the outputs of ``exp(y) - t y``, for counts t >= 0: the network gives the logarithm of the rate."""

    kernel = "poisson"
    targets = "non-negative"
    link = LOG


@dataclass(frozen=True, eq=False, repr=False)
class _Smoothed(Loss):
    """Base of the losses whose targets may be smoothed."""

    setting = "label_smoothing"
    label_smoothing: float = checked(0.0, partial(require_fraction, why=": nothing would be left to learn"))


@dataclass(frozen=True, eq=False, repr=False)
class CrossEntropy(_Smoothed):
    """``-sum_o t_o log softmax(y)_o`` from logits y, for one class out of several.

    Parameters
    ----------
    label_smoothing : float
        s in [0, 1): targets become ``(1 - s) t + s / O``.

    Raises
    ------
    ValueError, TypeError
        If label_smoothing is not a number in [0, 1).

    Notes
    -----
    Targets are integer class labels (B,) or rows of probabilities (B, O), one-hot for instance.  The network gives
    logits; if its last layer is a softmax, loss and softmax are computed as one, which is exact and stable.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.Dense(4, kernel_initializer="zeros")], input_shape=2, seed=0)
    >>> net.compile(loss="cross_entropy", optimizer=fn.SGD(0.1))
    >>> round(net.evaluate(np.zeros((3, 2)), [0, 3, 1])["loss"], 6)  # log 4: chance level
    1.386294
    """

    kernel = "cross_entropy"
    label_kernel = "cross_entropy_labels"
    targets = "probabilities"
    link = SOFTMAX


@dataclass(frozen=True, eq=False, repr=False)
class BinaryCrossEntropy(_Smoothed):
    """Mean over the outputs of ``-t log s - (1 - t) log(1 - s)``, s = sigmoid(y), from logits y: yes or no, O times.

    Parameters
    ----------
    label_smoothing : float
        s in [0, 1): targets become ``(1 - s) t + s / 2``.

    Raises
    ------
    ValueError, TypeError
        If label_smoothing is not a number in [0, 1).

    Notes
    -----
    Targets lie in [0, 1]; several outputs are several independent labels.  The network gives logits; a last sigmoid
    is computed together with the loss, as for CrossEntropy.
    """

    kernel = "binary_cross_entropy"
    targets = "unit"
    link = SIGMOID


@dataclass(frozen=True, eq=False, repr=False)
class Hinge(Loss):
    """Margin loss.

    Notes
    -----
    Targets -1 or 1 of shape (B, O): mean over the outputs of ``max(0, 1 - t y)``.  Integer class labels (B,) with
    O > 1: ``max(0, 1 + max_{o != t} y_o - y_t)`` [Crammer and Singer 2001].
    """

    kernel = "hinge"
    label_kernel = "hinge_labels"
    targets = "signs"
    link = MARGIN


def _target_shape(who: str, name: str, value: Any) -> tuple[int, ...] | None:
    """Return a shape of a row, which may be (): one number."""
    if value is None:
        return None
    shape = (value,) if isinstance(value, Integral) and not isinstance(value, bool) else value
    if not isinstance(shape, tuple | list):
        raise TypeError(f"{who}: expected {name} to be a shape such as 2 or (), got {value!r:.60}")
    for size in shape:
        require_count(who, f"each size of {name}", size)
    if len(shape) > 8:
        raise ValueError(f"{who}: expected {name} of at most 8 axes, got {len(shape)}")
    return tuple(map(int, shape))


def _target_dtype(who: str, name: str, value: Any) -> str | None:
    """Return the name of one of the dtypes that targets may have."""
    if value is None:
        return None
    try:
        dtype = np.dtype(value).name
    except (TypeError, ValueError, SyntaxError):
        dtype = ""
    if dtype not in TARGET_DTYPES:
        raise ValueError(f"{who}: expected {name} to be {', '.join(TARGET_DTYPES)} or None, got {value!r:.60}")
    return dtype


TARGET_DTYPES = ("int64", "float32", "float64")


@dataclass(frozen=True, eq=False, repr=False)
class CustomLoss(Loss, abstract=True):
    """A function of yours: ``function(y_true, y_pred) -> (losses (B,), their gradient with respect to y_pred (B, O))``.

    Weights and the mean are applied to what it returns.  A function that is passed as ``loss`` takes targets of the
    outputs' shape, in the network's dtype; for others, class labels or pairs say, put it into this class.

    Parameters
    ----------
    function : callable
        Its arguments are read-only arrays: y_true (B, *target_shape), and y_pred (B, *output_shape) in the network's
        dtype.
    target_shape : int or tuple of int, optional
        Shape of the target of one row: ``()`` for a number; if not given, that of the output.
    target_dtype : {"int64", "float32", "float64"}, optional
        "int64" takes whole numbers alone; if not given, that of the network.

    Raises
    ------
    TypeError, ValueError
        If the function cannot be called, or shape or dtype cannot be those of targets.

    Notes
    -----
    Files hold no code: networks are saved with ``optimizer=False`` and compiled again.

    Examples
    --------
    Q-learning, whose targets are pairs of an action and a value, and which looks at the output of the action alone:

    >>> import numpy as np, fastnn as fn
    >>> def of_action(target, q):
    ...     rows, action = np.arange(len(q)), target[:, 0].astype(int)
    ...     error = q[rows, action] - target[:, 1]
    ...     gradient = np.zeros_like(q)
    ...     gradient[rows, action] = 2 * error
    ...     return error**2, gradient
    >>> net = fn.Sequential([fn.Dense(3, kernel_initializer="zeros")], input_shape=2, seed=0)
    >>> net.compile(fn.CustomLoss(of_action, target_shape=2), fn.SGD(0.25))
    >>> net.train_step(np.zeros(2), [1, 4.0])
    16.0
    >>> net.predict_one(np.zeros(2))
    array([0., 2., 0.], dtype=float32)
    """

    kernel = "custom"
    function: Callable[[Any, Any], tuple[Any, Any]]
    _: KW_ONLY
    target_shape: int | tuple[int, ...] | None = checked(None, _target_shape)
    target_dtype: str | None = checked(None, _target_dtype)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.function) or isinstance(self.function, type):
            raise TypeError(f"CustomLoss: expected a function, got {self.function!r:.60}")

    @property
    def targets(self) -> str:  # type: ignore[override]
        """Which targets it takes: "any" of the output's shape and dtype, or its "own"."""
        return "any" if self.target_shape is None and self.target_dtype is None else "own"

    def target_of(self, output_shape: tuple[int, ...], dtype: Any) -> tuple[tuple[int, ...], np.dtype]:
        """Return shape and dtype of the target of one row, for an output of this shape and dtype."""
        shape = output_shape if self.target_shape is None else self.target_shape
        assert isinstance(shape, tuple)
        return shape, np.dtype(self.target_dtype or dtype)

    def to_config(self) -> dict[str, Any]:
        """Refuse: files hold no code.

        Raises
        ------
        ValueError
            Always.
        """
        raise ValueError(
            "save: the loss is a function, and files hold no code; save with optimizer=False and compile "
            "again after loading"
        )


NAMES: dict[str, type[Any]] = {loss.kernel: loss for loss in Loss.registry.values()}  # type: ignore[attr-defined]

WORDS = {  # of other libraries; what means several losses, or none, says so
    "mse": "squared_error", "mean_squared_error": "squared_error", "mse_loss": "squared_error",
    "mae": "absolute_error", "mean_absolute_error": "absolute_error", "l1_loss": "absolute_error",
    "smooth_l1": "huber", "smooth_l1_loss": "huber", "huber_loss": "huber", "log_cosh_loss": "log_cosh",
    "pinball": "quantile", "pinball_loss": "quantile", "quantile_loss": "quantile", "hinge_loss": "hinge",
    "poisson_nll": "poisson", "poisson_nll_loss": "poisson",
    "bce": "binary_cross_entropy", "bce_loss": "binary_cross_entropy", "binary_crossentropy": "binary_cross_entropy",
    "bce_with_logits": "binary_cross_entropy", "bce_with_logits_loss": "binary_cross_entropy",
    "ce": "cross_entropy", "cross_entropy_loss": "cross_entropy", "softmax_cross_entropy": "cross_entropy",
    "categorical_crossentropy": "cross_entropy", "sparse_categorical_crossentropy": "cross_entropy",
    "log_loss": "write cross_entropy for one class out of several, binary_cross_entropy for yes or no",
    "rmse": "write squared_error, which is smallest where its root is",
    "nll_loss": "write cross_entropy, and leave out the last log_softmax",
}  # fmt: skip


def as_loss(value: Any) -> Loss:
    """Return the loss of that name, ``value`` itself if it is one, or a function as a loss.

    Raises
    ------
    ValueError
        If there is none of that name.
    TypeError
        If it is none of these.
    """
    if isinstance(value, Loss):
        return value
    if isinstance(value, str):
        return NAMES[meant("compile: unknown loss", value, NAMES, WORDS)]()
    if callable(value) and not isinstance(value, type):
        return CustomLoss(value)
    raise TypeError(f"compile: expected loss to be a name, a Loss or a function, got {value!r:.80}")
