"""Tables as numbers: what each column of a data frame is, found out once, and every other table read alike."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from fastnn._spec import choose, listed, require_count, require_number
from fastnn.data.categories import Category
from fastnn.data.columns import Boolean, Column, Dropped, Number
from fastnn.data.frames import FrameSource
from fastnn.data.learning import check_names, fill, refuse_gaps, require_names, study, text_columns
from fastnn.data.rules import KINDS, Rules, Source
from fastnn.data.standardize import Standardizer
from fastnn.data.texts import Markers
from fastnn.errors import ModelFormatError

Array = npt.NDArray[Any]
Numbers = npt.NDArray[np.float64]

_IMPUTE = ("mean", "median", "most_frequent")
_OPTIONS = (
    "kinds", "drop", "impute", "other", "na_values", "decimal", "thousands", "date_format",
)  # fmt: skip


class TableEncoder:
    """Columns of a table as numbers: numbers, categories, dates, times and booleans, as people write them, with gaps.

    ``fit`` finds out what each column is and ``transform`` reads other tables in the same way, by the columns' names.
    Texts that are numbers (``1,5``, ``1 234``, ``12 %``, ``$3``), dates or times are read as such; where that is not
    clear, the error says which column it is and what to say.  `read_table`, `read_batches`, the command line and the
    estimators (``encode=``) go by the same rules.  Nothing is scaled: that is a `Standardizer`'s.

    Parameters
    ----------
    kinds : dict of str to str, optional
        What columns are, where they do not show it: "number", "category", "date", "time" or "boolean" (also yes and no,
        y and n, t and f, on and off).
    drop : sequence of str
        Columns to leave out.
    impute : {"mean", "median", "most_frequent"}, optional
        What gaps in numbers, dates and times become, gaps in booleans the most frequent value.  A column
        ``name:missing`` of 0 and 1 says where they were, if there are any in ``fit``.  A gap in a category is a
        category of its own, or the most frequent one.  Without it gaps are refused.
    other : int or float, optional
        Rows, or part of the rows, that a category must have for a column of its own; all others, and those that ``fit``
        has not seen, have the column ``name:other``.  Without it unknown categories are refused, and more than 256.
    na_values : str or sequence of str
        Texts that are gaps, beside the empty one, ``NA``, ``nan``, ``None`` and what else ``pandas.read_csv`` takes.
    decimal, thousands : str, optional
        What stands before the fraction, and between thousands, of numbers written as text; found out where left out.
    date_format : str, optional
        How dates are written as text, as for ``strptime``; found out where it is left out.

    Attributes
    ----------
    feature_names_in_ : ndarray of str
        The columns that ``fit`` has seen, those left out included.
    n_features_in_ : int
        How many they are.
    columns_ : dict of str to Column
        What each is.

    Notes
    -----
    A date becomes ``name:year``, ``:month``, ``:day``, ``:weekday`` (0 for Monday) and, if there are times, ``:hour``
    with its fraction, and the sine and cosine of the place in the year, month, week and day.  Dates with an offset from
    UTC are read as the clock showed them.  The first column, if it has no name, is a saved index and is left out; a
    column that says which row it is draws a warning.

    Examples
    --------
    >>> import pandas as pd, fastnn as fn
    >>> table = pd.DataFrame({"power": ["1,5", "2,25", None], "colour": ["red", "blue", "red"]})
    >>> encoder = fn.TableEncoder(impute="median")
    >>> encoder.fit_transform(table)
    array([[1.5  , 0.   , 0.   , 1.   ],
           [2.25 , 0.   , 1.   , 0.   ],
           [1.875, 1.   , 0.   , 1.   ]])
    >>> encoder.get_feature_names_out().tolist()
    ['power', 'power:missing', 'colour=blue', 'colour=red']
    >>> print(encoder.report())
    power   number with ',' before the fraction; texts such as '1,5'; gaps become 1.875
    colour  2 categories; gaps become 'red'
    """

    columns_: dict[str, Column]
    target_: Column | None  # how the readers read the target

    def __init__(
        self,
        *,
        kinds: Mapping[str, str] | None = None,
        drop: Sequence[str] = (),
        impute: str | None = None,
        other: int | float | None = None,
        na_values: str | Sequence[str] = (),
        decimal: str | None = None,
        thousands: str | None = None,
        date_format: str | None = None,
    ) -> None:
        self.kinds, self.drop, self.impute, self.other = kinds, drop, impute, other
        self.na_values, self.decimal, self.thousands, self.date_format = na_values, decimal, thousands, date_format

    # ---- learning ----------------------------------------------------------------------------------------------------

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find out what the columns are.

        Parameters
        ----------
        X : data frame, Arrow table, dict of columns, list of dicts or array of shape (B, I)
            The table, with at least one row.  Columns of an array are called x0, x1 ...
        y : optional
            Not used.

        Returns
        -------
        TableEncoder
            Itself.

        Raises
        ------
        ImportError
            If pandas is not installed.
        TypeError, ValueError
            If an option is none, a name stands twice, a column has gaps that are not to be filled, infinite values, too
            many texts, values of several kinds or of none; or it is not clear what they are.
        """
        self.learn(FrameSource("TableEncoder", X), "TableEncoder")
        return self

    def learn(
        self, source: Source, who: str, columns: Sequence[str] | None = None, target: str | None = None,
        weight: str | None = None, categories: Mapping[str, Sequence[str]] | None = None,
    ) -> None:  # fmt: skip
        """Find out what the columns of a table are that can be gone through again and again; the target's, too.

        ``categories``: those of text columns, if they are known; no other column may be one.
        """
        rules = self._rules(who)
        others = [name for name in (target, weight) if name is not None]
        for name in (*(columns or ()), *rules.kinds, *rules.drop, *others):
            if name not in source.names:
                raise ValueError(f"{who}: no column {name!r:.60} in {source.title}; it has {listed(source.names)}")
        read = [name for name in source.names if name not in others] if columns is None else list(columns)
        for name in others:
            if name in read:
                raise ValueError(f"{who}: expected {name!r} not to be among the feature columns")
        if len(set(others)) < len(others) or (columns is not None and len(set(read)) < len(read)):
            raise ValueError(
                f"{who}: expected different columns, none twice, got {listed(read)}, target {target!r} and weight "
                f"{weight!r}"
            )
        known = {name: Category(name, "", tuple(map(str, texts))) for name, texts in (categories or {}).items()}
        dropped = check_names(who, source, rules, None if columns is None else [*read, *others])
        studies = study(source, [name for name in read if name not in dropped and name not in known], rules, others)
        found: dict[str, Column] = {}
        for name in dict.fromkeys(read):
            found[name] = dropped.get(name) or known.get(name) or studies[name].column()
            if categories is not None and name not in known and isinstance(found[name], Category):
                raise ValueError(
                    f"{who}: expected numbers in column {name!r}, as in the training data, got texts such as "
                    f"{next(iter(studies[name].texts))!r:.60}"
                )
        if columns is None:
            require_names(who, found)
        found = fill(source, found, rules)
        refuse_gaps(studies, {name: one for name, one in found.items() if name in studies})
        self.rows_ = next((one.rows for one in studies.values()), None)
        if self.rows_ == 0 or not sum(len(one.feature_names) for one in found.values()):
            raise ValueError(
                f"{who}: expected at least one row and one feature column, got "
                + ("no rows" if self.rows_ == 0 else f"{listed(read)}, all left out" if read else "none")
            )
        columns_of = [None if name is None else known.get(name) or studies[name].target() for name in (target, weight)]
        if weight is not None and not (isinstance(columns_of[1], Number) and not columns_of[1].text_wanted()):
            raise ValueError(f"{who}: expected numbers in the weight column {weight!r}, got texts")
        self._take_up(found, columns_of[0])

    def learn_target(self, source: Source, who: str, target: str) -> None:
        """Find out how the target is read, where it is another than that of ``learn``."""
        if target not in source.names:
            raise ValueError(f"{who}: no column {target!r:.60} in {source.title}; it has {listed(source.names)}")
        self.target_ = study(source, [], self._rules(who), [target])[target].target()

    def _take_up(self, columns: dict[str, Column], target: Column | None) -> None:
        self.columns_, self.target_ = columns, target
        self.feature_names_in_ = np.array(list(columns), dtype=object)
        self.n_features_in_ = len(columns)

    def _rules(self, who: str) -> Rules:
        """Return the options, checked."""
        kinds = dict(self.kinds or {})
        for kind in kinds.values():
            choose(f"{who}: unknown kind", kind, KINDS)
        if self.impute is not None:
            choose(f"{who}: unknown impute", self.impute, _IMPUTE)
        if isinstance(self.drop, str):
            raise TypeError(f"{who}: expected drop to be a list of names, got {self.drop!r:.60}")
        if both := set(self.drop) & set(kinds):
            raise ValueError(f"{who}: expected columns in kinds or in drop, got {sorted(both)[0]!r} in both")
        if isinstance(self.other, float):
            require_number(who, "other", self.other, low=0, high=1)
        elif self.other is not None:
            require_count(who, "other", self.other)
        for name in ("decimal", "thousands"):
            mark = getattr(self, name)
            if mark is not None and not (isinstance(mark, str) and len(mark) == 1 and not mark.isalnum()):
                raise ValueError(f"{who}: expected {name} to be one character, no letter or digit, got {mark!r:.60}")
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError(f"{who}: expected different marks for decimal and thousands, got {self.decimal!r} twice")
        values = [self.na_values] if isinstance(self.na_values, str) else list(self.na_values)
        if not all(isinstance(value, str) for value in values):
            raise TypeError(f"{who}: expected na_values to be texts, got {values!r:.80}")
        markers = Markers(who, frozenset(value.strip() for value in values))
        return Rules(
            markers, kinds, tuple(self.drop), self.impute, self.other, self.decimal, self.thousands, self.date_format
        )

    # ---- reading -----------------------------------------------------------------------------------------------------

    def transform(self, X: Any) -> Numbers:
        """Return a table as numbers, read as ``fit`` found.

        Parameters
        ----------
        X : data frame, Arrow table, dict of columns, list of dicts or array of shape (B, I)
            The table; columns are found by their names and may stand in another order, with others among them.

        Returns
        -------
        ndarray of shape (B, n_features), float64
            The columns of `get_feature_names_out`.

        Raises
        ------
        RuntimeError
            Before ``fit``.
        ValueError
            If a column is missing, or holds what cannot be read in the way that ``fit`` found.
        """
        self._require_fitted()
        source = FrameSource("TableEncoder", X)
        self.require_columns("TableEncoder", source.names)
        return self.encode("TableEncoder", source.frame)

    def require_columns(self, who: str, names: Sequence[str]) -> None:
        """Raise ValueError unless all columns are there, once."""
        for name in self.names:
            if list(names).count(name) != 1:
                raise ValueError(f"{who}: expected one column {name!r:.60}, as in fit; there are {listed(names)}")

    def encode(self, who: str, frame: Any) -> Numbers:
        """Return a frame that has all the columns as numbers."""
        markers = Markers(who, self._rules(who).markers.more)
        blocks = [self.columns_[name].encode(markers, frame[name]) for name in self.names]
        return np.concatenate(blocks, axis=1)

    def scaler(self, rows: Numbers) -> Standardizer:
        """Return what standardises rows of ``encode``: amounts alone; 0 and 1, sines and cosines stay as they are.

        A rare category would become a column of values far out, which a network learns its few rows by heart from.
        """
        learnt = Standardizer().fit(rows).to_config()
        units = [unit for one in self.columns_.values() for unit in one.with_unit]
        learnt["mean"] = [mean if unit else 0.0 for mean, unit in zip(learnt["mean"], units, strict=True)]
        one = float(learnt["rows"])  # the sum of squares of a column whose deviation is 1
        learnt["squares"] = [squares if unit else one for squares, unit in zip(learnt["squares"], units, strict=True)]
        return Standardizer.from_config(learnt)

    def targets(self, who: str, frame: Any) -> Array:
        """Return the target of a frame: texts, bool, int64 or float64."""
        if not isinstance(self.target_, Category):
            return self.labels(who, frame)
        return np.asarray(self.target_.categories, dtype=np.str_)[self.labels(who, frame)]

    def labels(self, who: str, frame: Any) -> Array:
        """Return the target of a frame: bool, float64, int64, or of texts their places among the classes."""
        assert self.target_ is not None
        markers, column = Markers(who, self._rules(who).markers.more), frame[self.target_.name]
        if isinstance(self.target_, Category):
            return self.target_.places(markers, column)[0]
        assert isinstance(self.target_, Number | Boolean)
        values = self.target_.encode(markers, column)[:, 0]
        if isinstance(self.target_, Boolean):
            return values.astype(np.bool_)
        return values.astype(np.int64) if self.target_.whole and (values == np.rint(values)).all() else values

    def numbers(self, who: str, frame: Any, name: str) -> Numbers:
        """Return a column of plain numbers, such as weights."""
        return Number(name).encode(Markers(who, self._rules(who).markers.more), frame[name])[:, 0]

    def fit_transform(self, X: Any, y: Any = None) -> Numbers:
        """Find out what the columns are, and return them as numbers.

        Parameters
        ----------
        X, y : optional
            As for `fit`.

        Returns
        -------
        ndarray of shape (B, n_features), float64
            The columns of `get_feature_names_out`.

        Raises
        ------
        ImportError, TypeError, ValueError
            As `fit`.
        """
        return self.fit(X).transform(X)

    @property
    def names(self) -> list[str]:
        """Columns that are read, in order."""
        return [name for name, one in self.columns_.items() if not isinstance(one, Dropped)]

    @property
    def text_columns(self) -> list[str]:
        """Columns that a file must give as they are written."""
        return text_columns(self.columns_ | ({} if self.target_ is None else {self.target_.name: self.target_}))

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return the names of the columns of numbers.

        Parameters
        ----------
        input_features : optional
            Not used.

        Returns
        -------
        ndarray of str
            ``column``, ``column=category``, ``column:missing``, ``column:other``, ``column:year`` ...

        Raises
        ------
        RuntimeError
            Before ``fit``.
        """
        self._require_fitted()
        return np.array([name for one in self.columns_.values() for name in one.feature_names], dtype=object)

    def report(self) -> str:
        """Return what was done to each column, a line for each.

        Returns
        -------
        str
            Lines of name and what it is.

        Raises
        ------
        RuntimeError
            Before ``fit``.
        """
        self._require_fitted()
        width = max(map(len, self.columns_))
        return "\n".join(f"{name:<{width}}  {one.report()}" for name, one in self.columns_.items())

    def _require_fitted(self) -> None:
        if not hasattr(self, "columns_"):
            raise RuntimeError("TableEncoder: nothing learnt yet; call fit first")

    # ---- keeping, and scikit-learn -----------------------------------------------------------------------------------

    def to_config(self) -> dict[str, Any]:
        """Return the options and what was learnt as a dict of JSON values.

        Returns
        -------
        dict
            "type", the options by name, and after ``fit`` "columns" and "target".
        """
        options = {name: getattr(self, name) for name in _OPTIONS}
        plain = {name: list(value) if isinstance(value, tuple | set) else value for name, value in options.items()}
        fitted = hasattr(self, "columns_")
        columns = [one.to_config() for one in self.columns_.values()] if fitted else None
        target = self.target_.to_config() if fitted and self.target_ is not None else None
        return {"type": "TableEncoder", **plain, "columns": columns, "target": target}

    @classmethod
    def from_config(cls, config: Any) -> Self:
        """Return the encoder that ``to_config`` described.

        Parameters
        ----------
        config : dict
            What `to_config` gave.

        Returns
        -------
        TableEncoder
            Equal to the one saved.

        Raises
        ------
        ModelFormatError
            If a field is missing, unknown or of an impossible value.
        """
        fields = ("type", *_OPTIONS, "columns", "target")
        if not isinstance(config, dict) or set(config) != set(fields) or config["type"] != "TableEncoder":
            raise ModelFormatError(f"TableEncoder: expected the fields {', '.join(fields)}, got {config!r:.80}")
        try:
            result = cls(**{name: config[name] for name in _OPTIONS})
            result._rules("TableEncoder")
            if config["columns"] is not None:
                columns = [Column.from_config(one) for one in config["columns"]]
                target = None if config["target"] is None else Column.from_config(config["target"])
                if not columns or len({one.name for one in columns}) != len(columns):
                    raise ValueError("expected columns with different names")
                if not isinstance(target, Number | Boolean | Category | None):
                    raise ValueError("expected a target of numbers, booleans or classes")
                result._take_up({one.name: one for one in columns}, target)
        except ModelFormatError:
            raise
        except (TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ModelFormatError(f"TableEncoder: {error}") from error
        return result

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the options by name; ``deep`` has no effect."""
        return {name: getattr(self, name) for name in _OPTIONS}

    def set_params(self, **params: Any) -> Self:
        """Set options by name, for the next ``fit``; ValueError, and none is set, if there is none of such a name."""
        for name in params:
            choose("TableEncoder: unknown option", name, _OPTIONS)
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "columns_")

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags, TransformerTags

        return Tags(
            estimator_type=None, target_tags=TargetTags(required=False), transformer_tags=TransformerTags(),
            input_tags=InputTags(string=True, allow_nan=True, categorical=True),
        )  # fmt: skip

    def __repr__(self) -> str:
        defaults = {"drop": (), "na_values": ()}
        given = {name: getattr(self, name) for name in _OPTIONS if getattr(self, name) != defaults.get(name)}
        return f"TableEncoder({', '.join(f'{name}={value!r}' for name, value in given.items())})"
