"""What a fitted estimator is: a network with its weights in view, that answers rows and can be kept."""

import warnings
from operator import is_
from os import PathLike, fspath
from typing import Any, Self

import numpy as np

from fastnn._version import __version__
from fastnn.data.containers import Names, as_row
from fastnn.estimators import files, rows
from fastnn.estimators.design import weights_and_biases
from fastnn.estimators.pace import Pace
from fastnn.estimators.peers import kind
from fastnn.estimators.routing import Routed
from fastnn.graph.summary import HEAD, rows_of, total
from fastnn.markup.html import element, table
from fastnn.markup.notebook import shown
from fastnn.network import Sequential
from fastnn.training.history import History


class Fitted(Routed):
    """An estimator whose fitted state is ``network_`` and plain attributes."""

    network_: Sequential
    coefs_: list[np.ndarray]
    intercepts_: list[np.ndarray]
    history_: History
    loss_: float
    loss_curve_: list[float]
    best_loss_: float | None
    validation_scores_: list[float] | None
    validation_loss_curve_: list[float] | None
    best_validation_score_: float | None
    n_features_in_: int
    n_outputs_: int
    n_iter_: int
    t_: int
    out_activation_: str
    _views: tuple[list[np.ndarray], list[np.ndarray]]
    _optimizer: Pace | None
    _no_improvement_count: int

    def _repr_html_(self) -> str:
        net = vars(self).get("network_")
        parts = [] if net is None else [table(HEAD, rows_of(net), caption=f"network_: {total(net)}", texts=4)]
        return shown(element("code", repr(self)), *parts)

    # ---- the network and its weights ---------------------------------------------------------------------------------

    @staticmethod
    def _network_attributes(net: Sequential) -> dict[str, Any]:
        """Return the attributes that are views of the network or say its shape."""
        weights, biases = weights_and_biases(net)
        return {
            "network_": net,
            "_views": (weights, biases),
            "coefs_": list(weights),
            "intercepts_": list(biases),
            "n_layers_": len(weights) + 1,
        }

    def _take_up(self, net: Sequential, attributes: dict[str, Any], rates: list[float] | None) -> None:
        """Become what a file describes; ``rates``: the first and the current learning rate."""
        pace = None
        if rates is not None:
            pace = Pace(self, net.schedule)
            pace.first, pace.learning_rate = rates
        self.__dict__.update(attributes | {"_optimizer": pace} | self._network_attributes(net))

    def _take_up_coefs(self) -> None:
        """Where ``coefs_`` or ``intercepts_`` hold arrays of the user's, copy these into the network."""
        weights, biases = self._views
        if not (all(map(is_, self.coefs_, weights)) and all(map(is_, self.intercepts_, biases))):
            self._copy_coefs(weights, biases)
            self.coefs_[:], self.intercepts_[:] = weights, biases

    def _copy_coefs(self, weights: list[np.ndarray], biases: list[np.ndarray]) -> None:
        who = type(self).__name__
        for name, mine, views in (("coefs_", self.coefs_, weights), ("intercepts_", self.intercepts_, biases)):
            shapes = [np.shape(array) for array in mine]
            if shapes != [view.shape for view in views]:
                raise ValueError(f"{who}: expected {name} of shapes {[view.shape for view in views]}, got {shapes}")
            for array, view in zip(mine, views, strict=True):
                view[...] = array

    # ---- answering ---------------------------------------------------------------------------------------------------

    def _outputs(self, X: Any) -> np.ndarray:
        """Return what the network answers (N, n_outputs)."""
        return self._fitted().predict(self.network_inputs(X))

    def network_inputs(self, X: Any) -> Any:
        """Return rows as ``network_`` takes them, for what is asked of it directly: with ``encode`` they are encoded.

        Parameters
        ----------
        X : array_like, data frame or sparse matrix of shape (N, I)
            Rows as ``predict`` takes them.

        Returns
        -------
        ndarray or CSR matrix of shape (N, inputs of the network)
            In the network's dtype.

        Raises
        ------
        NotFittedError, ValueError, TypeError
            As ``predict``.

        Examples
        --------
        >>> import fastnn as fn
        >>> X, y = fn.load_digits()
        >>> model = fn.MLPClassifier((16,), learning_rate_init=0.01, random_state=0).fit(X[:1500], y[:1500])
        >>> model.network_.activations(model.network_inputs(X[1500:]))["dense_1"].shape
        (297, 16)
        """
        net, encoding = self._fitted(), self.__dict__.get("_encoding")
        if encoding is not None:
            return encoding.rows(X).astype(net.dtype, copy=False)
        matrix, names = rows.enter(type(self).__name__, X, net.dtype)
        self._check_columns(names, matrix.shape[1])
        return matrix

    def _outputs_of_one(self, x: Any) -> np.ndarray:
        """Return what the network answers one row (n_outputs,), whose names, if it has any, are those of fit."""
        net = self._fitted()
        if type(x) is not np.ndarray:
            x = as_row("predict_one", "x", x, self._feature_names())
        answer: np.ndarray = net.predict_one(x)
        return answer

    def _fitted(self) -> Sequential:
        """Return the network, with the user's own weights taken up; NotFittedError if there is none."""
        net = self.__dict__.get("network_")
        if net is None:
            raise kind("NotFittedError")(
                f"This {type(self).__name__} instance is not fitted yet; call fit before anything that needs a network"
            )
        self._take_up_coefs()
        return net

    def _feature_names(self) -> Names:
        """Return the names of the columns of fit, if they had any."""
        names = self.__dict__.get("feature_names_in_")
        return None if names is None else tuple(names)

    def _check_columns(self, names: Names, width: int) -> None:
        """Raise unless the columns are those of fit."""
        who = type(self).__name__
        rows.check_names(who, names, self._feature_names())
        if width != self.n_features_in_:
            raise ValueError(f"X has {width} features, but {who} is expecting {self.n_features_in_} features as input")

    # ---- looking and keeping -----------------------------------------------------------------------------------------

    def plot_history(self, path: str | PathLike[str] | None = None, *, log: bool = True) -> Any:
        """Draw the learning curves of ``history_``: see `plot_history`; NotFittedError if there is nothing to draw."""
        from fastnn.plotting import plot_history

        self._fitted()
        return plot_history(self.history_, None if path is None else fspath(path), log=log)

    def save(self, path: str | PathLike[str]) -> None:
        """Write the fitted estimator to one safetensors file, atomically; ``load`` reads it, without running any code.

        Parameters
        ----------
        path : str or path
            Where to.

        Raises
        ------
        NotFittedError
            If it is not fitted.
        ValueError
            If a parameter cannot be written: a function, callbacks, a RandomState.
        OSError
            If the file cannot be written.
        """
        self._fitted()
        files.save(self, path)

    @classmethod
    def load(cls, path: str | PathLike[str], *, verify: bool = True) -> Self:
        """Read an estimator that ``save`` wrote; ``partial_fit`` goes on bit for bit.

        Parameters
        ----------
        path : str or path
            A safetensors file.
        verify : bool
            Whether to compare the file with its checksum.

        Returns
        -------
        MLPClassifier or MLPRegressor
            Of the class that is asked.

        Raises
        ------
        ModelFormatError
            If the file is damaged, or holds something else.
        OSError
            If it cannot be read.
        """
        return files.load(cls, path, verify)

    def __getstate__(self) -> dict[str, Any]:
        views = ("_views", "coefs_", "intercepts_", "_checked") if "network_" in self.__dict__ else ("_checked",)
        if "network_" in self.__dict__:
            self._take_up_coefs()
        return {name: value for name, value in self.__dict__.items() if name not in views} | {"_version": __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        version = state.pop("_version", None)
        if version != __version__:
            warnings.warn(
                f"{type(self).__name__}: pickled by fastnn {version}, loaded by {__version__}, which may not work; "
                "what save() wrote can be read by every later version",
                stacklevel=2,
            )
        self.__dict__.update(state)
        if "network_" in state:
            self.__dict__.update(self._network_attributes(self.network_))
