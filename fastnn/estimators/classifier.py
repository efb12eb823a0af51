"""A classifier with scikit-learn's names."""

from typing import Any, ClassVar, Self

import numpy as np

from fastnn.data.class_weights import class_weights
from fastnn.data.ports import Block
from fastnn.errors import ModelFormatError
from fastnn.estimators import files, parameters
from fastnn.estimators.available import stochastic_only
from fastnn.estimators.base import MultilayerPerceptron
from fastnn.estimators.objective import Objective, of_classes
from fastnn.estimators.parameters import one_of
from fastnn.estimators.routing import Routed
from fastnn.estimators.targets import Classes, as_labels, find_classes, given_classes, of_labels
from fastnn.losses import BinaryCrossEntropy, CrossEntropy

ROUGH = 1e-3  # a smaller probability is not told well by what the other one leaves of 1
LOSS = one_of(
    "log_loss",
    or_else=(
        "a CrossEntropy (several classes), a BinaryCrossEntropy (two, or several labels) or a function",
        lambda value: isinstance(value, CrossEntropy | BinaryCrossEntropy) or callable(value),
    ),
)


class MLPClassifier(MultilayerPerceptron):
    """Multi-layer perceptron that classifies: scikit-learn's names, parameters and numbers, and what was missed there.

    The same parameters and ``random_state`` draw the same weights and batches as scikit-learn's ``MLPClassifier`` and
    give the same model up to rounding.  scikit-learn need not be installed; with it, the estimator works in pipelines,
    grid searches and all else that takes one.

    Parameters
    ----------
    hidden_layer_sizes : int or list of int
        Units of each hidden layer; an empty list for a linear model.
    activation : str or list of str
        Of all hidden layers, or of each: ``identity, logistic, tanh, relu, leaky_relu, elu, selu, softplus, gelu,
        gelu_tanh, silu, clipped_relu``.
    solver : {"adam", "sgd", "lbfgs", "adamw", "amsgrad", "rmsprop", "adagrad", "adadelta"} or Optimizer
        What minimises the loss.  An Optimizer (``fn.AdamW(1e-3, weight_decay=0.05)``) brings its own rates and
        penalties: alpha, learning_rate and what follows it are not used then.
    alpha : float
        L2 penalty ``alpha/2 |w|^2`` of the data as a whole: divided by the number of rows of a mini-batch.
    batch_size : int or "auto"
        Rows of a mini-batch; "auto": 200, or all if there are fewer.
    learning_rate : {"constant", "invscaling", "adaptive"} or Schedule
        Of "sgd": constant; ``learning_rate_init / t^power_t`` after t rows; or divided by 5 whenever the loss stalls.
        A Schedule (``fn.CosineDecay``...) of the update's number is for every solver but "lbfgs".
    learning_rate_init : float
        The learning rate, unless it is a Schedule.
    power_t : float
        Exponent of "invscaling".
    max_iter : int
        Epochs at most; of "lbfgs", iterations.
    shuffle : bool
        Take the rows in a new random order every epoch.
    random_state : int, RandomState or None
        Source of weights, of rows held out and of shuffles; None: NumPy's global one.
    tol : float
        Gain of the loss (or score) below which an epoch counts as without gain; of "lbfgs", bound of the gradient.
    verbose : bool
        Print a line per epoch.
    warm_start : bool
        Let ``fit`` go on from the weights of the last one.
    momentum, nesterovs_momentum : float, bool
        Of "sgd".
    early_stopping : bool
        Hold out a part of the rows, stop when the accuracy on them stalls, and keep the best weights.
    validation_fraction : float
        The part held out.
    beta_1, beta_2, epsilon : float
        Of "adam" and its relatives.
    n_iter_no_change : int or inf
        Epochs in a row without gain that are put up with.
    max_fun : int
        Calls of the loss that "lbfgs" may make.
    loss : "log_loss", CrossEntropy, BinaryCrossEntropy or callable
        What is minimised, for instance ``fn.CrossEntropy(label_smoothing=0.1)``.
    class_weight : dict, "balanced" or list of dict, optional
        Weights by class label, times sample_weight; "balanced": N / (classes * count).  For several labels per row a
        list of dicts, with the weights of 0 and 1 for each label, or "balanced": a row has the product of its own.
    dropout : float or list of float
        Part of the units of all hidden layers, or of each, left out at random while training.
    residual : bool
        Put a link around every hidden layer that is as wide as its input.
    normalization : {None, "batch", "layer"}
        Normalise the weighted inputs of hidden layers.
    callbacks : list, optional
        As of ``Network.fit``: ``fn.ProgressBar()``, ``fn.Checkpoint(...)`` or functions of the epoch that return True
        to stop.
    encode : None, "auto" or TableEncoder
        Take tables with categories, gaps and dates as they are: ``fit`` learns how (again at each new start), and
        standardises amounts (columns of 0 and 1, sines and cosines stay); ``predict`` and ``load`` repeat it.  "auto":
        ``TableEncoder(impute="median", other=5)``.

    Attributes
    ----------
    network_ : Sequential
        The network; its outputs are probabilities.
    classes_ : ndarray of shape (n_classes,)
        Labels, sorted.
    coefs_, intercepts_ : list of ndarray
        Weights (in, out) and biases (out,) of the layers: views into ``network_``.
    loss_, best_loss_, loss_curve_ : float, float or None, list of float
        Training loss with its penalty, by epoch.
    validation_scores_, best_validation_score_, validation_loss_curve_ : list of float, float, list of float, or None
        On the rows held out or given.
    history_ : History
        All of this by epoch, with learning rates and seconds.
    n_iter_, t_ : int
        Epochs of the last fit; rows seen.
    n_features_in_, n_layers_, n_outputs_, out_activation_ : int, int, int, str
        Shape of the network.
    feature_names_in_ : ndarray of shape (I,)
        Names of the columns, if X had any.

    Raises
    ------
    ValueError
        By ``fit``: if a parameter is out of range.

    Examples
    --------
    >>> import fastnn as fn
    >>> X, y = fn.load_digits()
    >>> classifier = fn.MLPClassifier((32,), early_stopping=True, random_state=0).fit(X[:1500], y[:1500])
    >>> bool(classifier.score(X[1500:], y[1500:]) > 0.85)
    True
    """

    classes_: np.ndarray
    loss: Any
    class_weight: Any
    _classes: Classes
    _kind = "classifier"
    _metadata: ClassVar = {**Routed._metadata, "partial_fit": ("sample_weight", "classes")}
    _score_name = "accuracy"

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: Any = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: Any = 10,
        max_fun: int = 15000,
        loss: Any = "log_loss",
        class_weight: Any = None,
        dropout: Any = 0.0,
        residual: bool = False,
        normalization: Any = None,
        callbacks: Any = None,
        encode: Any = None,
    ) -> None:
        self._keep(locals())

    # ---- targets and objective ---------------------------------------------------------------------------------------

    def _targets(
        self, y: Any, weights: np.ndarray | None, n: int, dtype: Any, first: bool, classes: Classes | None = None
    ) -> tuple[dict[str, Any], np.ndarray, np.ndarray | None]:
        who = type(self).__name__
        labels, given = as_labels(who, y, n), classes is not None
        if classes is None:
            classes = find_classes(who, labels) if first else self._classes
        if not first and not given and self.warm_start and classes.type != "multilabel":
            new = find_classes(who, labels).labels
            if not np.array_equal(new, classes.labels):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous call to fit. "
                    f"Previously got {classes.labels}, `y` has {new}"
                )
        weights = self._by_class(labels, classes, weights, dtype)
        return self._describe(classes), classes.encode(who, labels, dtype), weights

    @staticmethod
    def _describe(classes: Classes) -> dict[str, Any]:
        return {"classes_": classes.labels, "n_outputs_": classes.n_outputs, "_classes": classes}

    def _by_class(
        self, labels: np.ndarray, classes: Classes, weights: np.ndarray | None, dtype: Any
    ) -> np.ndarray | None:
        """Return the weights of rows times those of their classes."""
        who, given = type(self).__name__, self.class_weight
        if given is None:
            return weights
        if classes.type == "multilabel":
            by_class = self._by_label(labels).astype(dtype)
        else:
            known = list(classes.labels) if classes.labels.dtype.kind in "Mm" else classes.labels.tolist()
            by_class = class_weights(who, given, labels, known).astype(dtype)
        return by_class if weights is None else weights * by_class

    def _by_label(self, labels: np.ndarray) -> np.ndarray:
        """Return the weight of each row: the product of those of all its labels, as scikit-learn has it."""
        who, given = type(self).__name__, self.class_weight
        count = labels.shape[1]
        each = given if isinstance(given, list | tuple) else [given] * count
        if isinstance(given, dict) or len(each) != count:
            got = "one" if isinstance(given, dict) else f"{len(each)}"
            raise ValueError(
                f"{who}: expected class_weight for several labels per row to be 'balanced' or a list of {count} dicts, "
                f"with weights of 0 and of 1 for each label, got {got}"
            )
        columns = [class_weights(who, part, labels[:, i], (0, 1)) for i, part in enumerate(each)]
        product: np.ndarray = np.prod(columns, axis=0)
        return product

    def _validation_targets(self, y: Any, n: int, dtype: Any, found: dict[str, Any]) -> np.ndarray:
        who = f"{type(self).__name__}: y_val"
        return found["_classes"].encode(who, as_labels(who, y, n), dtype)

    def _check_loss(self) -> None:
        parameters.check(self, {"loss": LOSS})

    def _objective(self, found: dict[str, Any], data: Block) -> Objective:
        self._check_loss()
        return of_classes(self.loss, found["_classes"].type, found["n_outputs_"])

    def _score_outputs(self, outputs: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> float:
        if targets.ndim == 1:
            right = outputs.argmax(axis=1) == targets
        else:
            right = ((outputs > 0.5) == (targets > 0.5)).all(axis=1)
        return float(np.average(right, weights=weights))

    def _describe_targets(self) -> dict[str, Any]:
        labels = self.classes_
        dtype = "T" if labels.dtype.kind == "T" else labels.dtype.str
        return {"labels": files.to_json("classes_", labels), "dtype": dtype, "type": self._classes.type}

    def _targets_of(self, description: dict[str, Any]) -> dict[str, Any]:
        name = str(description["dtype"])
        dtype = np.dtypes.StringDType() if name == "T" else np.dtype(name)
        if dtype.kind not in "iufbUOSMmT" or description["type"] not in ("binary", "multiclass", "multilabel"):
            raise ModelFormatError(
                f"load: expected labels of a plain dtype, got {dtype} for {description['type']!r:.40}"
            )
        return self._describe(given_classes(files.from_json(description["labels"]), dtype, description["type"]))

    # ---- learning ----------------------------------------------------------------------------------------------------

    @stochastic_only
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Go once through some rows, a mini-batch at a time, going on from the weights so far.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.
        classes : array_like of shape (n_classes,)
            All labels that will ever come; needed in the first call.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If the data or a parameter do not fit, ``classes`` is missing or another one than before, or
            ``early_stopping`` is on.  The estimator is left as it was.
        AttributeError
            With solver "lbfgs".

        Notes
        -----
        ``loss_curve_`` keeps the last 10,000 losses.
        """
        who = type(self).__name__
        self._check_parameters()
        first = not hasattr(self, "coefs_")
        known = self.__dict__.get("_classes")
        if known is None:
            if classes is None:
                raise ValueError(f"{who}: classes must be passed on the first call to partial_fit.")
            known = of_labels(who, classes)
            if np.ndim(y) == 2 and np.shape(y)[1] > 1:
                known = Classes(known.labels, "multilabel")
        elif classes is not None and not np.array_equal(np.unique(classes), known.labels):
            raise ValueError(
                f"{who}: `classes={classes}` is not the same as on last call to partial_fit, was {known.labels}"
            )
        found, data = self._data(X, y, sample_weight, first, classes=known)
        self._partial_fit(found, data, first)
        return self

    # ---- answering ---------------------------------------------------------------------------------------------------

    def _answers(self, outputs: np.ndarray) -> np.ndarray:
        return self._classes.decode(outputs)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class.

        Parameters
        ----------
        X : array_like, data frame or sparse matrix of shape (N, I)
            Rows.

        Returns
        -------
        ndarray of shape (N, n_classes)
            In the order of ``classes_``, above 0; rows add up to 1 unless a row may have several labels.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As ``predict``.
        """
        yes = self._outputs(X)
        least = np.finfo(yes.dtype).tiny  # no class is impossible, only rounded to 0
        yes = np.maximum(yes, least, out=yes)
        if self._classes.type == "multiclass":
            return yes
        yes = np.minimum(yes, np.nextafter(yes.dtype.type(1), 0), out=yes)  # nor certain
        if self._classes.type == "multilabel":
            return yes
        if len(self.classes_) == 1:
            return np.ones_like(yes)
        no = 1 - yes
        if (no < ROUGH).any():
            from scipy.special import expit

            no = np.where(no < ROUGH, np.maximum(expit(-self._logits(X)), least), no)
        return np.concatenate([no, yes], axis=1)

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return ``log(predict_proba(X))``, never -inf; X, shape and errors are those of `predict_proba`."""
        likely = self.predict_proba(X)
        return np.log(likely, out=likely)

    def _logits(self, X: Any) -> np.ndarray:
        """Return what sigmoid or softmax is applied to (N, n_outputs)."""
        net, matrix = self.network_, self.network_inputs(X)
        parts = [matrix[start : start + net.block] for start in range(0, matrix.shape[0], net.block)]
        return np.concatenate([net.preactivations(part)[net.layers[-1].name] for part in parts])

    def predict_one(self, x: Any) -> Any:
        """Return the most likely class of one row, without the cost of handling many.

        Parameters
        ----------
        x : array_like of shape (I,), dict or Series
            One row; an array of the network's dtype is read by C without conversion.  A dict has a value for each
            column that ``fit`` was given, by name; names of a Series come in the order of ``fit``.

        Returns
        -------
        object
            A label of ``classes_``; for several labels per row an ndarray of 0 and 1 (n_labels,).

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError, TypeError
            If x does not fit.
        """
        outputs = self._outputs_of_one(x)
        classes = self._classes
        if classes.type == "multiclass":
            return classes.labels[outputs.argmax()]
        if classes.type == "multilabel":
            return (outputs > 0.5).astype(np.int64)
        return classes.labels[int(outputs[0] > 0.5) if len(classes.labels) > 1 else 0]

    def _score_answers(self, answers: np.ndarray, y: Any, weights: np.ndarray | None) -> float:
        who = type(self).__name__
        labels = as_labels(who, y, len(answers))
        if labels.shape != answers.shape:
            raise ValueError(f"{who}: expected y of shape {answers.shape}, got {labels.shape}")
        right = answers == labels if labels.ndim == 1 else (answers == labels).all(axis=1)
        return float(np.average(right, weights=weights))
