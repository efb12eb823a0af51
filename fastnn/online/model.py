"""What regression and classification on a stream share: rows of named features, a network, a file."""

import sys
from collections.abc import Mapping
from itertools import filterfalse
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np

from fastnn._core.moments import Moments
from fastnn._spec import choose, listed, optional, require_count
from fastnn.data import RunningStandardizer
from fastnn.data.containers import as_numbers, row_names
from fastnn.errors import ModelFormatError
from fastnn.formats.files import damaged
from fastnn.formats.safetensors import read
from fastnn.formats.text import require_as_written
from fastnn.layers import Dense, Layer
from fastnn.losses import Loss, as_loss
from fastnn.network import Network, Sequential
from fastnn.online.arguments import as_columns, as_hidden, as_json, as_standardizer

UNKNOWN = ("raise", "ignore")


class OnlineModel:
    """Base of the models that learn one row at a time; what the parameters are, the subclasses say."""

    kind: ClassVar[str]  # River's name for such a model
    fields: ClassVar[set[str]] = {"type", "by_name", "features", "unknown", "standardizer"}
    scalers: ClassVar[dict[str, str]] = {"standardizer": "standardize"}  # of these fields: the options
    default_loss: ClassVar[str]

    def __init__(
        self, network: Any, outputs: int, features: Any, n_features: int | None, loss: Any, optimizer: Any,
        standardize: Any, unknown: str, seed: int | None, dtype: Any,
    ) -> None:  # fmt: skip
        who = type(self).__name__
        choose(f"{who}: unknown rule for unknown features", unknown, UNKNOWN)
        optional(require_count, who, "n_features", n_features)
        self._columns = as_columns(who, features)
        self._by_name: bool | None = True if features is not None else None
        self.unknown = unknown
        self.standardizer = as_standardizer(who, "standardize", standardize)
        self.net: Network | None = None
        self._moments: Moments | None = None
        self._recipe: dict[str, Any] | None = None
        if isinstance(network, Network):
            if n_features is not None or seed is not None or dtype is not None:
                raise ValueError(f"{who}: expected no n_features, seed or dtype beside a network, which has its own")
            bound = network.trainer is not None
            compiled = bound and bool(network.losses)
            chosen = as_loss(loss if loss is not None else network.losses[0] if compiled else self.default_loss)
            learner = optimizer if optimizer is not None else network.optimizer if bound else "adam"
            self._check(network, chosen)
            if self.standardizer is not None:
                self.standardizer.begin(network.input_shape[0])
            if not compiled or loss is not None or optimizer is not None:
                network.compile(chosen, learner, metrics=network.metrics if bound else ())
            self._adopt(network)
        else:
            hidden = as_hidden(who, network)
            loss, optimizer = loss if loss is not None else self.default_loss, optimizer or "adam"
            self._recipe = {"hidden": hidden, "outputs": outputs, "loss": loss, "optimizer": optimizer,
                            "seed": seed, "dtype": dtype or "float32"}  # fmt: skip
            width = n_features if n_features is not None else len(self._columns) if features is not None else None
            if width is not None:
                self._build(width)
            else:
                self._make(1)  # so that a mistake is told now, not at the first row
        introduce(type(self))

    # ---- building --------------------------------------------------------------------------------------------------

    def _make(self, width: int) -> Network:
        """Return a network of the recipe."""
        recipe = self._recipe
        assert recipe is not None
        layers: list[Layer] = [Dense(units, "relu") for units in recipe["hidden"]]
        net = Sequential([*layers, Dense(recipe["outputs"])], width, seed=recipe["seed"], dtype=recipe["dtype"])
        self._check(net, as_loss(recipe["loss"]))
        net.compile(recipe["loss"], recipe["optimizer"])
        return net

    def _build(self, width: int) -> None:
        """Make the network, for rows of ``width`` columns."""
        self._adopt(self._make(width))

    def _adopt(self, net: Network) -> None:
        """Take a compiled network, and make what one row needs: the moments, and arrays to hand over."""
        width = net.input_shape[0]
        moments = self.standardizer.begin(width) if self.standardizer is not None else Moments(width)
        self.net, self._moments, self._recipe = net, moments, None
        self._row = np.zeros(width, net.dtype)
        self._answer = np.zeros(net.output_shape, net.dtype)

    def _check(self, net: Network, loss: Loss) -> None:
        """Raise unless the network is one for rows of the features, and for this loss."""
        who = type(self).__name__
        if len(net.input_shapes) != 1 or len(net.input_shape) != 1 or len(net.output_shapes) != 1:
            raise ValueError(
                f"{who}: expected a network with one input of shape (B, I) and one output, got inputs of shapes "
                f"{list(net.input_shapes)} and outputs of {list(net.output_shapes)}"
            )
        if self._by_name and len(self._columns) > net.input_shape[0]:
            raise ValueError(
                f"{who}: expected at most {net.input_shape[0]} features, one per input of the network, got "
                f"{len(self._columns)}"
            )
        self._check_outputs(net, loss)

    def _check_outputs(self, net: Network, loss: Loss) -> None:
        """Raise unless loss and outputs are what such a model needs."""
        raise NotImplementedError

    # ---- rows ------------------------------------------------------------------------------------------------------

    @property
    def features(self) -> list[Any]:
        """Names of the features that have a column, in the order of the columns; empty if rows are arrays."""
        return list(self._columns)

    def _take(self, who: str, x: Any, learning: bool) -> None:
        """Hand a row to the moments."""
        moments, named = self._moments, self._by_name
        if moments is not None and (
            (named is False and moments.take(x))
            or (named and type(x) is dict and not moments.take_named(who, x, self._columns))
        ):
            return  # an array of the columns, or a dict of known features
        if self._by_name is not False and (names := row_names(x)) is not None:
            x = dict(zip(names, x, strict=True))  # a Series, a named tuple
        by_name = isinstance(x, Mapping)
        if self._by_name is not None and by_name != self._by_name:
            kinds = ("a dict of feature name to number", "an array of the columns")
            raise TypeError(f"{who}: expected {kinds[not self._by_name]}, as before, got {type(x).__name__}")
        if by_name:
            row = dict(x)
            if self._moments is None:
                if not row:
                    raise ValueError(f"{who}: expected at least one feature in the first row, got none")
                self._build(len(row))
            moments, columns = self._moments, self._columns
            assert moments is not None
            new = list(filterfalse(columns.__contains__, row))
            free = moments.width - len(columns)
            if self.unknown == "raise" and len(new) > free:
                raise ValueError(
                    f"{who}: expected features out of {listed(map(repr, columns))}, got the new one {new[free]!r:.60}, "
                    "for which the network has no input left; give n_features, or unknown='ignore'"
                )
            if learning:
                columns = columns | dict(zip(new, range(len(columns), moments.width), strict=False))
            moments.take_named(who, row, columns)
            if learning:
                self._columns, self._by_name = columns, True
            return
        array = as_numbers(who, "x", x, allow_missing=True)
        width = self._moments.width if self._moments is not None else array.size if array.ndim == 1 else 0
        if array.shape != (width,) or not width:
            raise ValueError(f"{who}: expected a row of shape ({width or 'I'},), got {array.shape}")
        if self._moments is None:
            self._build(width)
        if not self._moments.take(np.require(array, np.float64, ["C", "A"])):  # type: ignore[union-attr]
            raise ValueError(f"{who}: expected finite numbers up to 1e150, or NaN where one is missing, got {x!r:.80}")
        if learning:
            self._by_name = False

    def _learn(self, x: Any, target: Any) -> float:
        """Learn from a row and its target, ready for the loss; all or nothing."""
        columns, by_name, recipe = self._columns, self._by_name, self._recipe
        learnt: Moments | None = None  # what has learnt the row
        try:
            self._take("learn_one", x, True)
            moments: Any = self._moments
            if self.standardizer is not None:
                moments.learn()
                learnt = moments
            moments.write(self._row, learnt is not None)
            return self.net.train_step(self._row, target)  # type: ignore[union-attr]
        except Exception:
            if learnt is not None:
                learnt.undo()
            self._columns, self._by_name = columns, by_name
            if recipe is not None:  # there was no network yet
                self._recipe, self.net, self._moments = recipe, None, None
                if self.standardizer is not None and not self.standardizer.rows:
                    self.standardizer._moments = None
            raise

    def _output(self, x: Any) -> np.ndarray:
        """Return the network's answer to a row, in an array that the next call writes to."""
        self._take("predict_one", x, False)
        assert self._moments is not None
        assert self.net is not None
        self._moments.write(self._row, self.standardizer is not None)
        return self.net.predict_one(self._row, self._answer)

    # ---- keeping ---------------------------------------------------------------------------------------------------

    def save(self, path: str | PathLike[str]) -> None:
        """Write everything to one safetensors file, atomically: a model that is loaded goes on with the same bits.

        Parameters
        ----------
        path : str or path
            Where to; an existing file is replaced only once the new one is complete.

        Raises
        ------
        RuntimeError
            If there is no network yet: the first row decides its width.
        ValueError
            If the loss is a function, or names of features or classes are no JSON values.
        OSError
            If the file cannot be written.
        """
        if self.net is None:
            raise RuntimeError(f"{type(self).__name__}: expected a model that has learnt a row, got a new one")
        self.net.save(path, optimizer=True, metadata={**self.net.metadata, "online": self._config()})

    @classmethod
    def load(cls, path: str | PathLike[str], *, custom: dict[str, Layer] | None = None, verify: bool = True) -> Self:
        """Read a model that ``save`` wrote.

        Parameters
        ----------
        path : str or path
            A safetensors file.
        custom : dict of str to Layer, optional
            The Custom layers that the file names.
        verify : bool
            Whether to compare the file with its checksum.

        Raises
        ------
        ModelFormatError
            If the file is damaged, alien, or holds no such model.
        OSError
            If it cannot be read.
        """
        net, exact = read(path, custom, verify)
        config = net.metadata.pop("online", None)
        if not isinstance(config, dict) or config.get("type") != cls.__name__ or set(config) != cls.fields:
            raise ModelFormatError(
                f"{cls.__name__}: expected a file that {cls.__name__}.save wrote, got another: {path}", "kind"
            )
        with damaged(f"{cls.__name__}: the file does not agree with itself", RuntimeError):
            model = cls._from_config(net, config)
            require_as_written(config, model._config(), exact)
        return model

    def _config(self) -> dict[str, Any]:
        """Everything that the network does not keep, as JSON values."""
        return {
            "type": type(self).__name__,
            "by_name": self._by_name,
            "features": [as_json(type(self).__name__, "feature", name) for name in self._columns],
            "unknown": self.unknown,
            "standardizer": None if self.standardizer is None else self.standardizer.to_config(),
        }

    @classmethod
    def _from_config(cls, net: Network, config: dict[str, Any]) -> Self:
        """Return the model of ``_config``."""
        scalers: dict[str, Any] = {
            option: config[name] is not None and RunningStandardizer.from_config(config[name])
            for name, option in cls.scalers.items()
        }
        model = cls(net, unknown=config["unknown"], **scalers)
        model._resume(config)
        return model

    def _resume(self, config: dict[str, Any]) -> None:
        """Take up names from a file."""
        assert self._moments is not None
        columns = as_columns(type(self).__name__, config["features"] or None)
        if config["by_name"] not in (None, True, False) or len(columns) > self._moments.width:
            raise ValueError(f"expected at most {self._moments.width} features by name, got {config['features']!r:.80}")
        self._columns, self._by_name = columns, config["by_name"]

    def __repr__(self) -> str:
        rows = "no network yet" if self.net is None else f"{self.net.trainer.step} rows"
        return f"{type(self).__name__}({rows}, {len(self._columns)} features)"

    @property
    def _supervised(self) -> bool:
        """For River: there is a target to learn."""
        return True


def introduce(model: type[OnlineModel]) -> None:
    """Tell River, where it has been imported, that this class is one of its kind; its loops ask for that."""
    base = sys.modules.get("river.base")
    if base is not None:
        getattr(base, model.kind).register(model)
