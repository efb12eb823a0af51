"""Ensembles: several networks that answer as one, and how far they agree."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np

from fastnn._spec import choose, require_flag
from fastnn.data.feed import as_row_numbers
from fastnn.errors import ModelFormatError
from fastnn.formats.files import damaged, write_atomically
from fastnn.formats.safetensors import FIELDS, FORMAT, as_custom, describe, packed, read_description, rebuild
from fastnn.formats.tensors import Contents, of_bytes, opened
from fastnn.formats.text import difference, require_as_written
from fastnn.graph.outputs import read_outputs
from fastnn.graph.structure import MAX_NODES
from fastnn.layers.base import Layer
from fastnn.losses import Loss, as_loss
from fastnn.losses.link import IDENTITY, SIGMOID, SOFTMAX
from fastnn.network import Network

# What is averaged: the answers of classifiers, and of all other networks what they compute.
LINKS = {"values": IDENTITY, "softmax": SOFTMAX, "sigmoid": SIGMOID}


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """What an ensemble of classifiers knows of some rows, and what it does not; entropies in nats.

    Attributes
    ----------
    probabilities : ndarray of shape (N, O)
        Mean over the members.
    entropy : ndarray of shape (N,)
        Entropy of these: uncertainty of whatever cause; (N, O) for sigmoid outputs, each a question of its own.
    mutual_information : ndarray, likewise
        The part of it by which the members disagree, so that more data would take it away; the rest is in the data.
    """

    probabilities: np.ndarray
    entropy: np.ndarray
    mutual_information: np.ndarray


class Ensemble:
    """Several networks whose mean is the answer.

    Parameters
    ----------
    models : list of Network
        The members: of one input, output and dtype, with one output; see `fit_many` to train them.
    loss : str or Loss, optional
        What they learned with, if they are not compiled.  Under ``"cross_entropy"`` and ``"binary_cross_entropy"``
        outputs are probabilities, and logits are made so before they are averaged.

    Attributes
    ----------
    models : list of Network
        The members.
    outputs : {"values", "softmax", "sigmoid"}
        What is averaged.

    Raises
    ------
    TypeError, ValueError
        If a member is not a network, or they do not go together.
    RuntimeError
        If a member is not compiled and no loss is given.

    Examples
    --------
    Members that differ in their seed, and what they say outside of what they have seen:

    >>> import numpy as np, fastnn as fn
    >>> X = np.linspace(-1, 1, 100)[:, None]
    >>> nets = [fn.Sequential([fn.Dense(32, "tanh"), fn.Dense(1)], input_shape=1, seed=k) for k in range(5)]
    >>> _ = fn.fit_many(nets, X, np.sin(3 * X), epochs=200, loss="squared_error", optimizer=fn.Adam(0.01))
    >>> ensemble = fn.Ensemble(nets)
    >>> mean, std = ensemble.predict([[0.5], [3.0]], return_std=True)
    >>> bool(abs(mean[0, 0] - np.sin(1.5)) < 0.05), bool(std[1, 0] > 5 * std[0, 0])
    (True, True)
    """

    def __init__(self, models: Iterable[Network], *, loss: str | Loss | None = None) -> None:
        if isinstance(models, Network) or not isinstance(models, Iterable):
            raise TypeError(f"Ensemble: expected a list of networks, got {type(models).__name__}")
        self.models = list(models)
        if not self.models:
            raise ValueError("Ensemble: expected at least one network, got none")
        for net in self.models:
            if not isinstance(net, Network):
                raise TypeError(
                    f"Ensemble: expected networks, got {type(net).__name__}; of an estimator pass its network_"
                )
        first = self.models[0]
        if len(first.output_shapes) != 1:
            raise ValueError(f"Ensemble: expected networks with one output, got {len(first.output_shapes)}")
        for name in ("input_shapes", "output_shapes", "dtype"):
            kinds = {str(getattr(net, name)) for net in self.models}
            if len(kinds) > 1:
                raise ValueError(f"Ensemble: expected members of the same {name}, got {' and '.join(sorted(kinds))}")
        if loss is not None:
            kinds = {as_loss(loss).link.activation or "values"}
        else:
            for net in self.models:
                if net.trainer is None or not net.losses:
                    raise RuntimeError("Ensemble: expected compiled networks, or loss='cross_entropy' or another")
            kinds = {net.losses[0].link.activation or "values" for net in self.models}
        if len(kinds) > 1:
            raise ValueError("Ensemble: expected members that all give values, or all probabilities, got some of each")
        self.outputs = kinds.pop()

    def __len__(self) -> int:
        return len(self.models)

    def __repr__(self) -> str:
        return f"<Ensemble of {len(self)}, {self.outputs}: {self.models[0]!r}>"

    def _answers(self, X: Any) -> Iterator[np.ndarray]:
        """Yield what each member makes of some rows, float64."""
        for net in self.models:
            yield self._as_averaged(net, net.predict(X))

    def _as_averaged(self, net: Network, y: np.ndarray) -> np.ndarray:
        """Return outputs as what is averaged, float64: values or probabilities."""
        (output,) = read_outputs(net.plan, [LINKS[self.outputs]], net.output_shapes)
        return output.answers(y.astype(np.float64))

    def predict(self, X: Any, *, return_std: bool = False) -> Any:
        """Return the mean of the members, of their probabilities for classifiers.

        Parameters
        ----------
        X : array_like of shape (N, *input_shape)
            Rows; for several inputs a list.
        return_std : bool, default False
            Whether to return the standard deviation over the members too.

        Returns
        -------
        mean : ndarray of shape (N, *output_shape)
            In the members' dtype.
        std : ndarray of shape (N, *output_shape)
            ``sqrt(mean_m (y_m - mean)^2)``, if ``return_std``.

        Raises
        ------
        TypeError, ValueError
            If X does not fit.
        """
        mean, squares = np.zeros(()), np.zeros(())
        for count, y in enumerate(self._answers(X), start=1):  # [Welford 1962]
            off = y - mean
            mean = mean + off / count
            if return_std:
                squares = squares + off * (y - mean)
        dtype = self.models[0].dtype
        if not return_std:
            return mean.astype(dtype)
        return mean.astype(dtype), np.sqrt(squares / len(self)).astype(dtype)

    def predict_one(self, x: Any) -> np.ndarray:
        """Return the answer to one row ``x`` of shape input_shape, for several inputs a list: a row of ``predict``."""
        mean = np.zeros(())
        for count, net in enumerate(self.models, start=1):
            mean = mean + (self._as_averaged(net, net.predict_one(x)) - mean) / count
        return mean.astype(self.models[0].dtype)

    def predict_left_out(self, X: Any, rows: Sequence[Any]) -> np.ndarray:
        """Return for each row the mean of the members that have not learned from it.

        For bootstrap samples these are the out-of-bag, for folds the out-of-fold predictions: compared with the targets
        they say how well the ensemble, or a network trained on so many rows, does on new rows.

        Parameters
        ----------
        X : array_like of shape (N, *input_shape)
            What ``fit_many`` was given; for several inputs a list.
        rows : list of array_like
            Likewise.

        Returns
        -------
        ndarray of shape (N, *output_shape)
            NaN in rows from which every member has learned.

        Raises
        ------
        TypeError, ValueError
            If ``X`` or ``rows`` does not fit.

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> X, y = fn.load_digits()
        >>> rows = np.random.default_rng(0).integers(0, len(X), (10, len(X)))  # ten bootstrap samples
        >>> nets = [fn.Sequential([fn.Dense(32, "relu"), fn.Dense(10)], input_shape=64, seed=k) for k in range(10)]
        >>> _ = fn.fit_many(nets, X, y, rows=rows, epochs=10, loss="cross_entropy")
        >>> p = fn.Ensemble(nets).predict_left_out(X, rows)
        >>> judged = ~np.isnan(p[:, 0])
        >>> fn.accuracy(y[judged], p[judged]) > 0.93
        True
        """
        parts = self.models[0].ports.sources("predict_left_out", X)
        if len(rows) != len(self):
            raise ValueError(f"predict_left_out: expected rows of {len(self)} members, got {len(rows)}")
        n = len(parts[0])
        total, counts = np.zeros((n, *self.models[0].output_shape)), np.zeros(n)
        for net, seen in zip(self.models, rows, strict=True):
            left = np.ones(n, bool)
            left[as_row_numbers("predict_left_out", seen, n)] = False
            if left.any():
                chosen = [x[left] for x in parts]
                total[left] += self._as_averaged(net, net.predict(chosen if len(chosen) > 1 else chosen[0]))
                counts[left] += 1
        counts[counts == 0] = np.nan
        return (total / counts.reshape(n, *(1,) * (total.ndim - 1))).astype(self.models[0].dtype)

    def vote(self, X: Any) -> np.ndarray:
        """Return the class that most members choose; of classes with as many votes, the one of the larger probability.

        Parameters are those of `predict`.

        Returns
        -------
        ndarray of int64, of shape (N,)
            Class numbers; of shape (N, O), each 0 or 1, for several sigmoid outputs.

        Raises
        ------
        TypeError, ValueError
            If the members are not classifiers, or X does not fit.
        """
        self._require_classifiers("vote")
        votes, mean = np.zeros(()), np.zeros(())
        for p in self._answers(X):
            if self.outputs == "softmax":
                votes = votes + (np.arange(p.shape[-1]) == p.argmax(axis=-1, keepdims=True))
            else:
                votes = votes + np.where(p >= 0.5, 1.0, -1.0)
            mean = mean + p / len(self)
        if self.outputs == "softmax":
            return (votes + 0.5 * mean).argmax(axis=-1)  # half a vote at most: it decides between equals alone
        yes = np.where(votes == 0, mean >= 0.5, votes > 0).astype(np.int64)
        return np.asarray(yes[..., 0] if yes.shape[-1] == 1 else yes)

    def uncertainty(self, X: Any) -> Uncertainty:
        """Return probabilities, their entropy, and the part of it that comes of disagreement.

        Parameters are those of `predict`.

        Returns
        -------
        Uncertainty
            ``probabilities`` p, ``entropy`` H(p) and ``mutual_information`` between class and member.

        Raises
        ------
        TypeError, ValueError
            If the members are not classifiers, or X does not fit.

        Notes
        -----
        ``H(p) = -sum_k p_k ln p_k`` of the mean ``p = mean_m p_m``; the mutual information is
        ``H(p) - mean_m H(p_m)`` [Houlsby et al. 2011, Bayesian active learning by disagreement].

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> nets = [fn.Sequential([fn.Dense(2)], input_shape=1, seed=k) for k in range(2)]
        >>> for net, sign in zip(nets, (100, -100)):  # both are sure, of different classes
        ...     net.params[:] = [sign, 0, 0, 0]
        >>> found = fn.Ensemble(nets, loss="cross_entropy").uncertainty([[1.0], [0.0]])
        >>> found.entropy.round(3), found.mutual_information.round(3)
        (array([0.693, 0.693], dtype=float32), array([0.693, 0.   ], dtype=float32))
        """
        self._require_classifiers("uncertainty")
        p, within = np.zeros(()), np.zeros(())
        for own in self._answers(X):
            p = p + own / len(self)
            within = within + self._entropy(own) / len(self)
        entropy, dtype = self._entropy(p), self.models[0].dtype
        return Uncertainty(p.astype(dtype), entropy.astype(dtype), np.maximum(entropy - within, 0).astype(dtype))

    def _entropy(self, p: np.ndarray) -> np.ndarray:
        """Return the entropy of probabilities, in nats."""
        parts = -p * np.log(np.where(p > 0, p, 1))
        if self.outputs == "softmax":
            return np.asarray(parts.sum(axis=-1))
        return np.asarray(parts - (1 - p) * np.log(np.where(p < 1, 1 - p, 1)))

    def _require_classifiers(self, who: str) -> None:
        if self.outputs == "values":
            raise ValueError(
                f"{who}: expected networks trained with cross_entropy or binary_cross_entropy, got others; "
                "predict(X, return_std=True) says how far they agree"
            )

    def save(self, path: str | PathLike[str], *, optimizer: bool = False) -> None:
        """Write all members to one safetensors file, atomically.

        Parameters and errors are those of `Network.save`.
        """
        members = [describe(net, optimizer=optimizer, metadata=None) for net in self.models]
        description = self._description([member for member, _ in members])
        tensors = {f"{k}/{name}": array for k, (_, arrays) in enumerate(members) for name, array in arrays.items()}
        write_atomically(Path(path), packed("fastnn_ensemble", description, tensors))

    def _description(self, members: list[dict[str, Any]]) -> dict[str, Any]:
        """Return what a file says of an ensemble; of later members what differs from the first, None: not there."""
        first, *others = members
        rest = []
        for member in others:
            pairs = {name: (member.get(name), first.get(name)) for name in FIELDS}
            rest.append({name: own for name, (own, other) in pairs.items() if difference(own, other, True) is not None})
        return {"format": FORMAT, "outputs": self.outputs, "members": [first, *rest]}

    @classmethod
    def load(cls, path: str | PathLike[str], *, custom: dict[str, Layer] | None = None, verify: bool = True) -> Self:
        """Read an ensemble that ``save`` wrote.

        Parameters and errors are those of `load`.

        Returns
        -------
        Ensemble
            The same answers, bit for bit.

        Examples
        --------
        >>> import os, tempfile, numpy as np, fastnn as fn
        >>> nets = [fn.Sequential([fn.Dense(1)], input_shape=2, seed=k) for k in range(3)]
        >>> ensemble = fn.Ensemble(nets, loss="squared_error")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     ensemble.save(os.path.join(folder, "e.safetensors"))
        ...     again = fn.Ensemble.load(os.path.join(folder, "e.safetensors"))
        >>> bool(np.all(again.predict(np.eye(2)) == ensemble.predict(np.eye(2))))
        True
        """
        custom = as_custom(custom)
        require_flag("load", "verify", verify)
        with opened("load", path, "fastnn_ensemble", "an ensemble", verify) as contents:
            return cls._of(contents, custom)

    @classmethod
    def _from_bytes(cls, data: bytes, custom: dict[str, Layer]) -> Self:
        """Return the ensemble that the contents of a file describe."""
        return cls._of(of_bytes(data, "fastnn_ensemble", "an ensemble"), custom)

    @classmethod
    def _of(cls, contents: Contents, custom: dict[str, Layer]) -> Self:
        """Return the ensemble of a file."""
        description, exact = read_description(contents, "an ensemble")
        if set(description) != {"format", "outputs", "members"} or not isinstance(description["members"], list):
            raise ModelFormatError("expected format, outputs and members of an ensemble, got other fields")
        with damaged("the description does not make an ensemble"):
            outputs = description["outputs"]
            choose("outputs:", outputs, LINKS)
            first = description["members"][0]
            members = [first, *(_member(first, short) for short in description["members"][1:])]
            count = sum(len(member["structure"]["nodes"]) for member in members)
            if count > MAX_NODES:
                raise ModelFormatError(f"expected at most {MAX_NODES} layers of all members, got {count}", "limit")
            nets = [rebuild(member, contents, custom, exact, f"{k}/") for k, member in enumerate(members)]
            contents.require_empty()
            ensemble = cls(nets, loss="squared_error")
        ensemble.outputs = outputs
        if exact:
            require_as_written(description, ensemble._description(members), exact)
        return ensemble


def _member(first: dict[str, Any], short: dict[str, Any]) -> dict[str, Any]:
    """Return the description of a member of which a file says what differs from the first."""
    whole = first | short
    known = {name: whole[name] for name in FIELDS if whole.get(name) is not None}
    return known | {name: value for name, value in short.items() if name not in FIELDS}
