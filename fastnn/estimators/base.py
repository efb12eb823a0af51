"""What classifier and regressor have in common: how they are trained."""

import warnings
from copy import copy, deepcopy
from operator import attrgetter, is_, itemgetter
from typing import Any, ClassVar, Self

import numpy as np

from fastnn._core.rng import fresh_seed
from fastnn.data.feed import Feed, WholeFeed, feed_of
from fastnn.data.ports import Block
from fastnn.data.sparse import is_sparse
from fastnn.estimators import parameters, rows
from fastnn.estimators.design import build_network, draw, weights_and_biases
from fastnn.estimators.encoding import Encoding
from fastnn.estimators.fitted import Fitted
from fastnn.estimators.holdout import hold_out
from fastnn.estimators.lbfgs import LossAndGradient, minimise
from fastnn.estimators.objective import Objective
from fastnn.estimators.pace import Pace, optimizer_for, require_monitor
from fastnn.estimators.peers import kind, tags
from fastnn.estimators.rules import RULES
from fastnn.estimators.stopping import Record, StoppingRule
from fastnn.network import Sequential
from fastnn.training.loop import trained

CURVE = 10_000  # losses that partial_fit keeps
PARAMETERS = attrgetter(*RULES)
RECORD = itemgetter(*Record.__dataclass_fields__)


class MultilayerPerceptron(Fitted):
    """Base of the estimators: how they are trained.  A classifier and a regressor say what they make of targets."""

    _kind: ClassVar[str]
    _score_name: ClassVar[str]  # of what rows held out are judged by

    hidden_layer_sizes: Any
    activation: Any
    solver: Any
    alpha: float
    batch_size: Any
    max_iter: int
    shuffle: bool
    random_state: Any
    tol: float
    verbose: Any
    warm_start: bool
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: Any
    max_fun: int
    dropout: Any
    residual: bool
    normalization: str | None
    callbacks: Any
    encode: Any

    # ---- what classifier and regressor define ------------------------------------------------------------------------

    def _targets(
        self, y: Any, weights: np.ndarray | None, n: int, dtype: Any, first: bool
    ) -> tuple[dict[str, Any], np.ndarray, np.ndarray | None]:
        """Return the attributes that the targets decide, the targets as the loss takes them, and the rows' weights."""
        raise NotImplementedError

    def _objective(self, found: dict[str, Any], data: Block) -> Objective:
        raise NotImplementedError

    def _score_outputs(self, outputs: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> float:
        raise NotImplementedError

    def _answers(self, outputs: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def _score_answers(self, answers: np.ndarray, y: Any, weights: np.ndarray | None) -> float:
        raise NotImplementedError

    def _describe_targets(self) -> dict[str, Any]:
        """Return as JSON what the targets decided."""
        return {}

    def _targets_of(self, description: dict[str, Any]) -> dict[str, Any]:
        """Return the attributes that the JSON describes."""
        return {}

    # ---- fitting -----------------------------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Learn from rows and targets.

        Parameters
        ----------
        X : array_like, data frame or sparse matrix of shape (N, I)
            Rows.  float32 is computed in float32, everything else in float64.  With ``encode`` a table.
        y : array_like of shape (N,) or (N, n_outputs)
            Targets.
        sample_weight : array_like of shape (N,), optional
            Weights of the rows.
        X_val, y_val, sample_weight_val : optional
            Rows to validate on, in place of a fraction of X: training stops early by the score on them, and the best
            weights are kept, whatever ``early_stopping`` says.

        Returns
        -------
        self

        Raises
        ------
        ValueError, TypeError
            If a parameter is out of range or the data do not fit, or if parameters became infinite or NaN.  The
            estimator is left as it was.
        """
        self._check_parameters()
        first = not (self.warm_start and hasattr(self, "coefs_"))
        found, data = self._data(X, y, sample_weight, first)
        held = self._validation(X_val, y_val, sample_weight_val, found, data)
        self._train(found, data, held, first)
        return self

    def _check_parameters(self) -> None:
        """Check all parameters, unless they are the ones of last time."""
        values, checked = PARAMETERS(self), self.__dict__.get("_checked")
        if checked is None or not all(map(is_, values, checked)):
            parameters.check(self, RULES)
            self.__dict__["_checked"] = values

    def _check_loss(self) -> None:
        """Raise ValueError unless the loss is one for these targets."""
        raise NotImplementedError

    def _data(self, X: Any, y: Any, sample_weight: Any, first: bool, **known: Any) -> tuple[dict[str, Any], Block]:
        """Check rows, targets and weights; return the attributes that they decide, and the rows."""
        who = type(self).__name__
        found: dict[str, Any] = {}
        encoding = Encoding.of(self.encode, X) if first and self.encode is not None else self._encoding_of(found, first)
        X = X if encoding is None else encoding.rows(X)
        net = None if first else self.__dict__.get("network_")
        matrix, names = rows.enter(who, X, None if net is None else net.dtype)
        if first:
            found = {"n_features_in_": matrix.shape[1]}
            found |= {} if names is None else {"feature_names_in_": np.asarray(names, dtype=object)}
            found |= {"_encoding": None} if encoding is None else encoding.attributes()
        elif encoding is None:
            self._check_columns(names, matrix.shape[1])
        weights = rows.as_weights(who, sample_weight, matrix.shape[0], matrix.dtype)
        more, targets, weights = self._targets(y, weights, matrix.shape[0], matrix.dtype, first, **known)
        return found | more, rows.block(matrix, targets, weights)

    def _validation(self, X: Any, y: Any, sample_weight: Any, found: dict[str, Any], data: Block) -> Block | None:
        """Return the caller's rows to validate on, or None."""
        who, learned = type(self).__name__, data.inputs[0]
        if X is None and y is None and sample_weight is None:
            return None
        if X is None or y is None:
            raise ValueError(f"{who}: expected X_val and y_val together, got only one of them")
        if self.solver == "lbfgs":
            raise ValueError(f"{who}: expected no X_val with solver='lbfgs', which has no epochs; take 'adam' or 'sgd'")
        encoding = self._encoding_of(found, "_encoding" in found)
        matrix, names = rows.enter(who, X if encoding is None else encoding.rows(X), learned.dtype, "X_val")
        known = self._feature_names() if "n_features_in_" not in found else found.get("feature_names_in_")
        fitted = None if known is None else tuple(known)
        if encoding is None and names is not None and fitted is None:
            warnings.warn(
                f"X_val has names of columns, but X of {who}.fit has none: if a pipeline has made X of a data frame, "
                "let it make X_val too: Pipeline(..., transform_input=['X_val'])",
                stacklevel=3,
            )
        elif encoding is None:
            rows.check_names(who, names, fitted, "X_val")
        if matrix.shape[1] != learned.shape[1]:
            raise ValueError(f"{who}: expected X_val with {learned.shape[1]} columns, as X, got {matrix.shape[1]}")
        weights = rows.as_weights(who, sample_weight, matrix.shape[0], matrix.dtype)
        return rows.block(matrix, self._validation_targets(y, matrix.shape[0], matrix.dtype, found), weights)

    def _encoding_of(self, found: dict[str, Any], first: bool) -> Encoding | None:
        """Return how a table becomes rows: as this fit found, or the last one."""
        return found.get("_encoding") if first else self.__dict__.get("_encoding")

    def _validation_targets(self, y: Any, n: int, dtype: Any, found: dict[str, Any]) -> np.ndarray:
        raise NotImplementedError

    def _train(self, found: dict[str, Any], data: Block, held: Block | None, first: bool) -> None:
        """Train from the start or from where the last fit ended, and take up the result."""
        random = random_state(self.random_state)
        objective = self._objective(found, data)
        net = self._network(found, objective, data, random, first)
        record = deepcopy(self._record(first))
        if held is None and self.early_stopping and self.solver != "lbfgs":
            two = self._kind == "classifier" and found["n_outputs_"] == 1  # only then scikit-learn stratifies
            classes = data.targets[0][:, 0].astype(bool) if two else None
            train_on, validate_on = hold_out(data.n, self.validation_fraction, random, classes)
            data, held = data.take(train_on), data.take(validate_on)
        if held is not None:
            record.best_loss_ = None
        batch_size, pace = self._batch_size(data.n), None
        with trained(net):
            if self.solver == "lbfgs":
                self._refuse_for_lbfgs()
                unsettled = minimise(self, net, objective, record, data)
            else:
                pace = self._compile(net, objective)
                names = ("loss",) if held is None else ("loss", "val_loss", f"val_{self._score_name}")
                require_monitor(net.schedule, names)
                feed = self._feed(net, data, batch_size)
                judges = None if held is None else self._feed(net, held, held.n)
                try:
                    unsettled = StoppingRule(self, objective, pace, record, judges).fit(net, feed, random)
                except KeyboardInterrupt:  # what was learned stays
                    self._attach(net, record, found, objective, pace)
                    raise
            self._attach(net, record, found, objective, pace)
        if unsettled:
            try:  # noqa: SIM105  (which takes memory itself)
                warnings.warn(f"{type(self).__name__}: {unsettled}", kind("ConvergenceWarning"), stacklevel=3)
            except MemoryError:
                pass  # the fit is done, whether or not there is memory to say more

    def _compile(self, net: Sequential, objective: Objective) -> Pace:
        net.compile(objective.loss, optimizer_for(self), loss_weights=[objective.share])
        return Pace(self, net.schedule)

    def _feed(self, net: Sequential, data: Block, batch_size: int) -> Feed:
        """Return the feed of rows that ``_data`` has packed and checked."""
        if is_sparse(data.inputs[0]):
            return feed_of(type(self).__name__, net.ports, data, batch_size)
        return WholeFeed(data, batch_size)

    def _refuse_for_lbfgs(self) -> None:
        who = type(self).__name__
        if np.any(self.dropout):
            raise ValueError(f"{who}: expected dropout=0 with solver='lbfgs', which needs the same loss at every call")
        if self.normalization == "batch":
            raise ValueError(f"{who}: expected no batch normalisation with solver='lbfgs'; take 'layer', or 'adam'")
        if self.callbacks:
            raise ValueError(f"{who}: expected no callbacks with solver='lbfgs', which has no epochs")

    def _network(
        self,
        found: dict[str, Any],
        objective: Objective,
        data: Block,
        random: np.random.RandomState | None,
        first: bool,
    ) -> Sequential:
        """Return the network to train: a new one, drawn at random, or the one so far.

        One whose ``coefs_`` and ``intercepts_`` were set by hand before any fit is built from these.
        """
        if not first and "network_" in self.__dict__:
            self._take_up_coefs()
            return self.network_
        X, seed = data.inputs[0], _seed(self.random_state, random)
        net = build_network(self, X.shape[1], found["n_outputs_"], objective.activation, X.dtype, seed)
        if first and random is not None:
            draw(net, self, random)
        else:
            self._copy_coefs(*weights_and_biases(net))
        return net

    def _batch_size(self, n: int) -> int:
        """Return the rows of a mini-batch out of ``n``."""
        batch_size = min(200, n) if self.batch_size == "auto" else int(self.batch_size)
        if batch_size > n:
            warnings.warn(f"{type(self).__name__}: batch_size={batch_size} is clipped to the {n} rows", stacklevel=4)
        return min(batch_size, n)

    # ---- answering ---------------------------------------------------------------------------------------------------

    def predict(self, X: Any) -> np.ndarray:
        """Return the answer to each row: of a classifier the most likely class, of a regressor the prediction.

        Parameters
        ----------
        X : array_like, data frame or sparse matrix of shape (N, I)
            Rows.

        Returns
        -------
        ndarray of shape (N,) or (N, n_outputs)
            Labels, for several labels per row 0 and 1 of each; or predictions in the dtype that ``fit`` was given.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        ValueError, TypeError
            If X does not fit.
        """
        return self._answers(self._outputs(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return how good the answers are: of a classifier the accuracy, of a regressor R2.

        Parameters
        ----------
        X, y : array_like
            Rows, and their labels or targets.
        sample_weight : array_like of shape (N,), optional
            Weights of the rows.

        Returns
        -------
        float
            Accuracy: the part of the rows whose class, or all of whose labels, are right.  R2: the part of the targets'
            variance that is explained, the mean over several outputs.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As ``predict``.
        """
        answers = self.predict(X)
        weights = rows.as_weights(type(self).__name__, sample_weight, len(answers), np.float64)
        return self._score_answers(answers, y, weights)

    # ---- a step at a time --------------------------------------------------------------------------------------------

    def _partial_fit(self, found: dict[str, Any], data: Block, first: bool) -> None:
        """Go once through the rows."""
        if self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        objective = self._objective(found, data)
        batch_size = self._batch_size(data.n)
        random = random_state(self.random_state) if first or batch_size < data.n else None
        net = self._network(found, objective, data, random, first)
        record, pace = self._record(first), copy(self.__dict__.get("_optimizer"))
        known = len(record.loss_curve_)  # the list is the estimator's own, too long to be copied at every call
        full = known >= 2 * CURVE
        try:
            with trained(net, whole=True):
                if pace is None or net.trainer is None:
                    pace = self._compile(net, objective)
                require_monitor(net.schedule, ("loss",))
                StoppingRule(self, objective, pace, record).partial_fit(net, self._feed(net, data, batch_size), random)
                self._attach(net, record, found, objective, pace)
        except BaseException:
            del record.loss_curve_[known:]
            raise
        if full:
            try:  # noqa: SIM105
                del record.loss_curve_[:CURVE]
            except MemoryError:
                pass  # what was learned counts; the next call has another try

    # ---- what fitting leaves -----------------------------------------------------------------------------------------

    def _record(self, first: bool) -> Record:
        """Return a fresh record, or the one so far: its lists are the estimator's own."""
        if first or "history_" not in self.__dict__:
            return Record()
        return Record(*RECORD(self.__dict__))

    def _attach(
        self, net: Sequential, record: Record, found: dict[str, Any], objective: Objective, pace: Pace | None
    ) -> None:
        """Take up a network and what its training left, all at once or, where memory is short, not at all."""
        attributes = self.__dict__ | found | vars(record) | {"out_activation_": objective.output, "_optimizer": pace}
        if "n_features_in_" in found:  # of new rows: what they do not have goes
            for name in {"feature_names_in_", "encoder_"} - found.keys():
                attributes.pop(name, None)
        if net is not self.__dict__.get("network_"):
            attributes |= self._network_attributes(net)
        self.__dict__ = attributes

    @property
    def _estimator_type(self) -> str:
        return self._kind

    def __sklearn_tags__(self) -> Any:
        return tags(self._kind, multi_label=self._kind == "classifier")

    # ---- as scikit-learn's own tests look at it ----------------------------------------------------------------------

    def _loss_grad_lbfgs(
        self, theta: np.ndarray, X: np.ndarray, y: np.ndarray, sample_weight: np.ndarray | None = None, *_: Any
    ) -> tuple[float, np.ndarray]:
        """Return loss and gradient at the packed parameters: all weights, then all biases."""
        targets = y.argmax(axis=1) if self.out_activation_ == "softmax" else np.asarray(y, dtype=np.float64)
        data = rows.block(np.asarray(X, dtype=np.float64), targets, sample_weight)
        found = {name: getattr(self, name) for name in ("n_outputs_", "_classes") if hasattr(self, name)}
        return LossAndGradient(self.network_, self._objective(found, data), float(self.alpha), data)(theta)


def random_state(value: Any) -> np.random.RandomState:
    """Return the source of random numbers that scikit-learn would take: None means NumPy's global one."""
    if value is None:
        return np.random.mtrand._rand
    return value if isinstance(value, np.random.RandomState) else np.random.RandomState(int(value))


def _seed(value: Any, random: np.random.RandomState | None) -> int:
    """Return a seed for the network's own streams (dropout) that draws nothing from ``random``."""
    if value is None or random is None:
        return fresh_seed()
    return int(deepcopy(random).randint(1 << 31)) if isinstance(value, np.random.RandomState) else int(value)
