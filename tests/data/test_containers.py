"""Whatever holds numbers enters by one door: the same numbers come out of every container, and names are compared."""

import datetime
from collections import namedtuple
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastnn as fn
from fastnn.data.containers import as_numbers

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")

NAMES = ("age", "left handed", "hp")


class Streamed:
    """A table that only the Arrow stream protocol opens."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested=None):
        return self.table.__arrow_c_stream__(requested)


class Interchanged:
    """A table that only the interchange protocol opens."""

    def __init__(self, table):
        self.table = table

    def __dataframe__(self, **options):
        return self.table.__dataframe__(**options)


class Polars:
    """What is used of a frame of polars, where that is not installed."""

    def __init__(self, columns):
        self.held = columns
        self.columns, self.shape = list(columns), (len(next(iter(columns.values()))), len(columns))

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, rows):
        return Polars({name: values[rows] for name, values in self.held.items()})

    def get_columns(self):
        return list(self.held.values())


# ruff: noqa: E501  (a case of a table is one line)
# Of a dict of NumPy columns; None in a list stands for a missing value.
FRAMES = {
    "numpy columns": lambda columns: pd.DataFrame(columns),
    "nullable": lambda columns: pd.DataFrame({k: pd.array(v, dtype=nullable(v)) for k, v in columns.items()}),
    "pyarrow columns": lambda columns: pd.DataFrame({k: pd.arrays.ArrowExtensionArray(pa.array(v)) for k, v in columns.items()}),
    "objects": lambda columns: pd.DataFrame({k: pd.Series(list(v), dtype=object) for k, v in columns.items()}),
    "categories": lambda columns: pd.DataFrame({k: pd.Categorical(v) for k, v in columns.items()}),
    "table": lambda columns: pa.table({k: pa.array(v) for k, v in columns.items()}),
    "batch": lambda columns: pa.table({k: pa.array(v) for k, v in columns.items()}).to_batches()[0],
    "stream": lambda columns: Streamed(pa.table({k: pa.array(v) for k, v in columns.items()})),
    "interchange": lambda columns: Interchanged(pa.table({k: pa.array(v) for k, v in columns.items()})),
}  # fmt: skip
try:
    import polars
except ImportError:
    FRAMES["polars"] = lambda columns: Polars(
        {k: np.array([np.nan if v is None else v for v in values]) for k, values in columns.items()}
    )
else:
    FRAMES["polars"] = lambda columns: polars.DataFrame({k: list(v) for k, v in columns.items()}, strict=False)
NAMELESS = {
    "array": lambda columns: np.column_stack(list(columns.values())),
    "list": lambda columns: [list(row) for row in zip(*columns.values(), strict=True)],
    "tuples": lambda columns: list(zip(*columns.values(), strict=True)),
    "object array": lambda columns: np.array(list(zip(*columns.values(), strict=True)), object),
    "numbered columns": lambda columns: pd.DataFrame(dict(enumerate(columns.values()))),
}  # fmt: skip
MAY_MISS = [name for name in FRAMES if name != "numpy columns"]


def nullable(values):
    found = {type(value) for value in values if value is not None}
    first = next(iter(found))
    return "boolean" if first in (bool, np.bool_) else "Int64" if np.issubdtype(first, np.integer) else "Float64"


def column(draw, n):
    dtype = draw(st.sampled_from(["bool", "int8", "uint8", "int32", "int64", "float32", "float64"]))
    if dtype == "bool":
        values = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    elif "int" in dtype:
        values = draw(st.lists(st.integers(0 if dtype[0] == "u" else -100, 100), min_size=n, max_size=n))
    else:
        values = draw(st.lists(st.floats(-1e6, 1e6, width=32), min_size=n, max_size=n))
    return np.array(values, dtype)


@st.composite
def tables(draw):
    n = draw(st.integers(2, 5))
    return {name: column(draw, n) for name in NAMES}


def plain(columns):
    """The numbers, by NumPy alone."""
    return np.stack([np.asarray(values, np.float64) for values in columns.values()], axis=1)


# ---- the doors: each turns rows into numbers that NumPy knows too ----------------------------------------------------

TRAINING = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 3)), columns=list(NAMES))
MEAN, SCALE = TRAINING.to_numpy().mean(axis=0), TRAINING.to_numpy().std(axis=0)
TARGET = TRAINING.to_numpy() @ [1.0, -2.0, 0.5]


def identity_network():
    net = fn.Sequential([fn.Dense(3, bias=False)], input_shape=3, seed=0, dtype="float64")
    net.fit(TRAINING, TRAINING, loss="squared_error", optimizer=fn.SGD(0.01), verbose=0)
    net.params[:] = np.eye(3).ravel()
    return net


NET = identity_network()
LINE = fn.MLPRegressor(hidden_layer_sizes=[], solver="lbfgs", random_state=0, max_iter=50).fit(TRAINING, TARGET)
CLASSES = fn.MLPClassifier([], solver="lbfgs", random_state=0, max_iter=50).fit(TRAINING, TARGET > 0)
RUNNING = fn.RunningStandardizer().update(TRAINING)
DOORS = {
    "predict": (NET.predict, lambda X: X),
    "forward": (NET.forward, lambda X: X),
    "activations": (lambda X: NET.activations(X)["dense_1"], lambda X: X),
    "evaluate": (lambda X: NET.evaluate(X, np.zeros((rows_of(X), 3)))["loss"], lambda X: (X**2).mean()),
    "ensemble": (fn.Ensemble([NET, NET]).predict, lambda X: X),
    "regressor": (LINE.predict, lambda X: (X @ LINE.coefs_[0] + LINE.intercepts_[0])[:, 0]),
    "classifier": (CLASSES.predict, lambda X: (X @ CLASSES.coefs_[0] + CLASSES.intercepts_[0])[:, 0] > 0),
    "standardizer": (fn.Standardizer().fit(TRAINING).transform, lambda X: (X - MEAN) / SCALE),
    "running": (RUNNING.transform, lambda X: (X - MEAN) / SCALE),
}


def rows_of(X):
    return next(iter(X)).shape[0] if isinstance(X, dict) else len(X.table if hasattr(X, "table") else X)


pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid feature names")


def close(found, expected):
    found = np.asarray(found)
    if found.dtype == bool:
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5 * max(1.0, np.abs(expected).max()))


@pytest.mark.parametrize("door", DOORS)
@settings(max_examples=25, deadline=None)
@given(columns=tables(), form=st.sampled_from([*FRAMES, *NAMELESS]))
def test_every_container_has_the_same_numbers(door, columns, form):
    enter, expected = DOORS[door]
    close(enter(({**FRAMES, **NAMELESS}[form])(columns)), expected(plain(columns)))


@pytest.mark.parametrize("door", DOORS)
@settings(max_examples=20, deadline=None)
@given(columns=tables(), form=st.sampled_from([*FRAMES]), order=st.permutations(range(3)))
def test_columns_in_another_order_are_refused(door, columns, form, order):
    enter, expected = DOORS[door]
    other = {NAMES[i]: columns[NAMES[i]] for i in order}
    if [*order] == [0, 1, 2]:
        close(enter(FRAMES[form](other)), expected(plain(columns)))
        return
    with pytest.raises(ValueError, match="same order as they were in fit") as error:
        enter(FRAMES[form](other))
    assert "Take these columns, in this order: 'age', 'left handed', 'hp'" in str(error.value)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("form", FRAMES)
def test_columns_of_other_names_are_refused(door, form):
    other = {"age": [1.0, 2.0], "left handed": [True, False], "horse power": [3, 4]}
    with pytest.raises(ValueError, match=r"(?s)unseen at fit time:\n- horse power\n.*yet now missing:\n- hp"):
        DOORS[door][0](FRAMES[form](other))


@pytest.mark.parametrize("door", [door for door in DOORS if door != "running"])
@settings(max_examples=15, deadline=None)
@given(columns=tables(), form=st.sampled_from(MAY_MISS), where=st.integers(0, 2), count=st.integers(1, 2))
def test_missing_values_are_counted_by_column(door, columns, form, where, count):
    columns = {name: list(values.tolist()) for name, values in columns.items()}
    hole = columns[NAMES[where]]
    hole += [hole[0]]
    for name in NAMES:
        columns[name] += columns[name][:1] if name != NAMES[where] else []
    hole[:count] = [None] * count
    with pytest.raises(
        ValueError, match=f"missing values or NaN: {count} of {len(hole)} in column '{NAMES[where]}'; imp"
    ):
        DOORS[door][0](FRAMES[form](columns))


def test_missing_values_are_allowed_in_a_stream():
    frame = pd.DataFrame({"age": pd.array([1, None], "Int64"), "left handed": [True, None], "hp": [None, 2.5]})
    expected = (np.array([[1, 1, np.nan], [np.nan, np.nan, 2.5]]) - MEAN) / SCALE
    np.testing.assert_allclose(RUNNING.transform(frame), np.where(np.isnan(expected), 0, expected))


DAYS = pd.date_range("2020-02-28", periods=2)
DATES = {
    "datetime": DAYS,
    "with a zone": DAYS.tz_localize("Europe/Berlin"),
    "timedelta": pd.to_timedelta([1, 2], "D"),
    "period": DAYS.to_period("D"),
    "date objects": pd.Series([datetime.date(2020, 1, 1)] * 2, dtype=object),
    "time objects": pd.Series([datetime.time(1)] * 2, dtype=object),
    "numpy objects": pd.Series([np.datetime64("2020-01-01", "ns")] * 2, dtype=object),
    "durations in objects": pd.Series([np.timedelta64(1, "ns"), 1.0], dtype=object),
    "arrow": pd.Series(DAYS).astype(pd.ArrowDtype(pa.timestamp("s"))),
    "arrow day": pd.Series([datetime.date(2020, 1, 1)] * 2, dtype=pd.ArrowDtype(pa.date32())),
    "a gap among dates": pd.Series([DAYS[0], pd.NaT]),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("dates", DATES)
def test_dates_are_refused_by_name(door, dates):
    frame = pd.DataFrame({"age": [1.0, 2.0], "left handed": pd.Series(DATES[dates]), "hp": [3, 4]})
    forms = [frame, pa.table(frame)] if dates not in ("period", "numpy objects", "durations in objects") else [frame]
    for X in forms:
        with pytest.raises(
            TypeError, match=r"column 'left handed' of X to hold real numbers, got dates or times.*days since"
        ):
            DOORS[door][0](X)


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "values",
    [
        np.zeros((2, 3), "M8[ns]"),
        np.zeros((2, 3), "m8[s]"),
        pd.DataFrame([[np.datetime64("2020-01-01", "ns")] * 3] * 2, dtype=object).to_numpy(),
        [[datetime.datetime(2020, 1, 1)] * 3] * 2,
        [[np.timedelta64(1, "ns"), 1, 2]] * 2,
    ],
)
def test_arrays_of_dates_are_refused(door, values):
    with pytest.raises(TypeError, match="X to hold real numbers, got dates or times"):
        DOORS[door][0](values)


def test_dates_are_no_targets():
    X, days = np.zeros((4, 3)), pd.Series(pd.date_range("2020", periods=4))
    for y in (days, days.to_numpy(), days.tolist(), days.dt.tz_localize("UTC"), days - days[0], days.to_frame("day")):
        for fit in (fn.MLPRegressor().fit, identity_network().fit):
            with pytest.raises(TypeError, match="y to hold real numbers, got dates or times"):
                fit(X, y)


@pytest.mark.parametrize("door", ["predict", "ensemble", "standardizer", "running"])
def test_texts_and_other_objects_are_refused(door):
    enter = DOORS[door][0]
    frame = pd.DataFrame({"age": [1, 2], "left handed": ["1", "?"], "hp": [3, 4]})
    for X in (
        frame,
        frame.astype({"left handed": "category"}),
        frame.astype({"left handed": "string"}),
        pa.table(frame),
    ):
        with pytest.raises(TypeError, match="column 'left handed' of X to hold real numbers, got texts"):
            enter(X)
    with pytest.raises(TypeError, match=r"X to hold real numbers, got something else: .* not 'dict'"):
        enter(np.full((2, 3), {}, object))
    with pytest.raises(TypeError, match="got a dict"):
        enter({"age": [1], "left handed": [2], "hp": [3]})
    with pytest.raises(TypeError, match="got None"):
        enter(None)
    with pytest.raises(TypeError, match="only supported if all input features have string names"):
        enter(pd.DataFrame([[1, 2, 3]], columns=["age", 1, 2]))
    with pytest.raises(ValueError, match="Complex data not supported"):
        enter(np.ones((2, 3)) * 1j)


def test_numbers_written_as_texts_are_those_of_scikit_learn():
    X = [["1.5", "2", "-3e2"], ["0", "1", "2"]]
    expected = (np.array(X, float) @ LINE.coefs_[0] + LINE.intercepts_[0])[:, 0]
    for given_ in (X, np.array(X), np.array(X, object), np.array(X, "S"), pd.DataFrame(X, columns=list(NAMES))):
        np.testing.assert_allclose(LINE.predict(given_), expected, rtol=1e-12)
    frame = pd.DataFrame([["1", "2", "?"]], columns=list(NAMES))
    with pytest.raises(
        ValueError, match=r"column 'hp' of X to hold real numbers.*could not convert string to float: '\?'"
    ):
        LINE.predict(frame)


def test_objects_keep_what_they_are():
    for values, dtype, expected in (
        (np.array([1, 2**62], object), np.int64, [1, 2**62]),
        (np.array([True, False], object), bool, [True, False]),
        (np.array([1, 2.5], object), np.float64, [1, 2.5]),
        (np.array([2**63, 1], object), np.float64, [2.0**63, 1]),
        ([Decimal("0.5"), 1], np.float64, [0.5, 1]),
        (np.array([-(2**63), 1], object), np.float64, [-(2.0**63), 1]),
        ([Decimal(2) ** 70, 10**20], np.float64, [2.0**70, 1e20]),
        (pd.Series([1, 2], dtype="Int64"), np.int64, [1, 2]),
        (pa.chunked_array([[1], [2]]), np.int64, [1, 2]),
    ):
        found = as_numbers("test", "y", values)
        assert found.dtype == dtype
        assert found.tolist() == expected


@pytest.mark.parametrize("sign", [1, -1])
def test_whole_numbers_beyond_every_float_are_refused(sign):
    with pytest.raises(ValueError, match="test: expected y to hold numbers that a float can hold, got one above"):
        as_numbers("test", "y", np.array([sign * 10**400, 1], object))


def test_frames_of_one_dtype_are_not_copied():
    values = np.arange(12, dtype="f4").reshape(4, 3)
    frame = pd.DataFrame(values, columns=list(NAMES), copy=False)
    found = as_numbers("test", "X", frame)
    assert np.shares_memory(found, values)
    np.testing.assert_array_equal(found, values)
    values[2, 1:] = np.nan, np.inf
    holes = "got missing values or NaN: 1 of 4 in column 'left handed'; impute"
    for layout in (frame, frame.copy(), frame.iloc[::-1], frame.astype(float), frame.iloc[:, [1, 2]].astype("f2")):
        with pytest.raises(ValueError, match=holes):
            as_numbers("test", "X", layout)
        assert np.isnan(as_numbers("test", "X", layout, allow_missing=True)).sum() == 1


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint16", "float16", "float32"])
def test_frames_of_one_dtype_keep_it(dtype):
    values = np.array([[0, 1, 1], [1, 1, 0]], dtype)
    for frame in (pd.DataFrame(values), pa.table(pd.DataFrame(values, columns=list(NAMES)))):
        found = as_numbers("test", "X", frame)
        assert found.dtype == dtype
        np.testing.assert_array_equal(found, values)
    assert as_numbers("test", "X", pd.DataFrame(index=[1, 2])).shape == (2, 0)


def test_float32_frames_stay_float32():
    frame = pd.DataFrame({"a": np.ones(4, "f4"), "b": np.arange(4) % 2 == 0})
    model = fn.MLPRegressor().partial_fit(frame, np.arange(4.0))
    assert model.network_.dtype == np.float32


# ---- what learns --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FRAMES)
def test_the_first_frame_names_the_columns(form, tmp_path):
    columns = {"age": [1.0, 2.0, 0.0], "left handed": [True, False, True], "hp": [3, 4, 5]}
    net = fn.Sequential([fn.Dense(1)], input_shape=3, seed=0)
    assert net.feature_names is None
    net.fit(plain(columns), np.ones(3), loss="squared_error", optimizer="adam", verbose=0)
    assert net.feature_names is None
    net.fit(FRAMES[form](columns), np.ones(3), verbose=0)
    assert net.feature_names == NAMES
    net.save(tmp_path / "net")
    copies = [net, fn.load(tmp_path / "net"), net.astype("float64"), net.tap("dense_1"), net.quantized("int8")]
    copies[-1].save(tmp_path / "small")
    for copy in (*copies, fn.load(tmp_path / "small"), copies[-1].dequantized()):
        assert copy.feature_names == NAMES
        with pytest.raises(ValueError, match="same order"):
            copy.predict(FRAMES[form](dict(reversed(columns.items()))))


def test_networks_that_learn_one_batch_or_side_by_side_know_names_too():
    y = np.ones((30, 1))
    nets = [fn.Sequential([fn.Dense(1)], input_shape=3, seed=seed) for seed in range(3)]
    nets[0].compile("squared_error")
    nets[0].train_step(TRAINING, y)
    fn.fit_many(nets[1:], TRAINING, y, loss="squared_error", optimizer="adam")
    other = TRAINING[[*reversed(NAMES)]]
    for net in nets:
        assert net.feature_names == NAMES
        for call in (net.predict, lambda X, net=net: net.train_step(X, y), lambda X, net=net: net.fit(X, y, verbose=0)):
            with pytest.raises(ValueError, match="same order"):
                call(other)
    with pytest.raises(ValueError, match="same order"):
        fn.fit_many(nets, other, y)


def test_validation_rows_are_compared_with_those_of_the_same_fit():
    net = fn.Sequential([fn.Dense(1)], input_shape=3, seed=0)
    net.compile("squared_error")
    with pytest.raises(ValueError, match="same order"):
        net.fit(TRAINING, TARGET, validation_data=(TRAINING[[*reversed(NAMES)]], TARGET), verbose=0)
    assert net.feature_names is None  # a fit that fails leaves no trace


def test_several_inputs_have_names_of_their_own(tmp_path):
    a, b = fn.Input(2), fn.Input(1)
    net = fn.Network([a, b], fn.Dense(1)(fn.concatenate(a, b)), seed=0)
    left, right = TRAINING[["hp", "age"]], TRAINING[["left handed"]]
    net.fit([left, right.to_numpy()], TARGET, loss="squared_error", optimizer="adam", verbose=0)
    assert net.feature_names == [("hp", "age"), None]
    net.fit([left, right], TARGET, verbose=0)
    net.save(tmp_path / "net")
    assert fn.load(tmp_path / "net").feature_names == [("hp", "age"), ("left handed",)]
    with pytest.raises(ValueError, match="same order"):
        net.predict([left[["age", "hp"]], right])


@pytest.mark.parametrize("names", [5, ["age"], [["age"]], [["age", 1, "hp"]], [[*NAMES], None]])
def test_damaged_names_in_a_file(names):
    from fastnn.formats.safetensors import describe, rebuild
    from fastnn.formats.tensors import of_bytes, pack

    description, tensors = describe(NET, optimizer=False, metadata=None)
    contents = of_bytes(bytes(pack("fastnn", "{}", tensors)), "fastnn", "a network")
    assert description["names"] == [list(NAMES)]
    with pytest.raises(fn.ModelFormatError, match="name for each column"):
        rebuild(description | {"names": names}, contents, {}, False)


def test_standardizers_keep_names():
    for kind in (fn.Standardizer().fit(TRAINING), RUNNING):
        again = type(kind).from_config(kind.to_config())
        assert again.feature_names == NAMES
        with pytest.raises(ValueError, match="same order"):
            again.transform(TRAINING[[*reversed(NAMES)]])
        for names in (5, ["a"], ["a", "b", 3]):
            with pytest.raises(fn.ModelFormatError, match="name for each column"):
                type(kind).from_config(kind.to_config() | {"names": names})
    scaler = fn.Standardizer().fit(TRAINING)
    with pytest.raises(TypeError, match="texts"):
        scaler.fit(pd.DataFrame({"a": ["x"]}))
    assert scaler.feature_names == NAMES  # and what was learnt stays
    np.testing.assert_allclose(scaler.mean, MEAN)


# ---- one row --------------------------------------------------------------------------------------------------------

ROW = {"age": 1.5, "left handed": True, "hp": 3}
VALUES = np.array([1.5, 1.0, 3.0])
Person = namedtuple("Person", ["age", "hp"])
ONE = {
    "predict_one": (NET.predict_one, lambda x: x),
    "regressor": (LINE.predict_one, lambda x: (x @ LINE.coefs_[0] + LINE.intercepts_[0])[0]),
    "classifier": (CLASSES.predict_one, lambda x: (x @ CLASSES.coefs_[0] + CLASSES.intercepts_[0])[0] > 0),
}


@pytest.mark.parametrize("door", ONE)
@given(order=st.permutations(range(3)))
@settings(max_examples=12, deadline=None)
def test_one_row_by_name_or_in_order(door, order):
    enter, expected = ONE[door]
    other = {NAMES[i]: ROW[NAMES[i]] for i in order}
    close(enter(other), expected(VALUES))
    close(enter(list(ROW.values())), expected(VALUES))
    for dtype in (object, float, "Float64"):
        series = pd.Series(other, dtype=dtype)
        if [*order] == [0, 1, 2]:
            close(enter(series), expected(VALUES))
            continue
        with pytest.raises(ValueError, match="same order"):
            enter(series)


@pytest.mark.parametrize("door", ONE)
def test_rows_that_do_not_fit(door):
    enter = ONE[door][0]
    for x, says in (
        ({**ROW, "more": 1}, "unseen at fit time:\n- more"),
        ({"age": 1}, "yet now missing:\n- hp"),
        ({**ROW, "hp": None}, "no number in column 'hp'"),
        ({**ROW, "hp": pd.NA}, "no number in column 'hp'"),
        (pd.Series({**ROW, "age": np.nan}), "no number in column 'age'"),
        ([1.0, None, 3.0], r"finite in float\d\d, got 1 NaN .* at \(1,\)"),
        (TRAINING[:1], "take one row of x"),
    ):
        with pytest.raises(ValueError, match=says):
            enter(x)
    with pytest.raises(TypeError, match="dates"):
        enter({**ROW, "hp": np.timedelta64(1, "ns")})


def test_a_dict_needs_names():
    net = fn.Sequential([fn.Dense(1)], input_shape=3, seed=0)
    for call in (net.predict_one, fn.MLPRegressor().partial_fit(TRAINING.to_numpy(), TARGET).predict_one):
        with pytest.raises(TypeError, match="there were none in fit"):
            call(ROW)


def test_named_tuples_have_names():
    frame = TRAINING[["age", "hp"]]
    net = fn.Sequential([fn.Dense(1, kernel_initializer="ones")], input_shape=2, seed=0, dtype="float64")
    net.compile("squared_error", fn.SGD(0.0))
    net.train_step(frame, TARGET)
    assert net.predict_one(Person(1.0, 2.0)) == 3.0
    with pytest.raises(ValueError, match="same order"):
        net.predict_one(namedtuple("Reversed", ["hp", "age"])(1.0, 2.0))
    before = net.params.copy()
    for x in ({"hp": 2.0, "age": 1.0}, pd.Series({"age": 1.0, "hp": 2.0}), Person(1.0, 2.0)):
        assert net.train_step(x, 3.0) == 0.0
    with pytest.raises(ValueError, match="same order"):
        net.train_step(pd.Series({"hp": 1.0, "age": 2.0}), 3.0)
    np.testing.assert_array_equal(net.params, before)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0, 1]])
def test_online_models_take_a_series_by_name(order):
    rows = [dict(zip(NAMES, row, strict=True)) for row in TRAINING.to_numpy()]
    by_dict, by_series = (fn.OnlineRegressor((4,), seed=0) for _ in range(2))
    for row, y in zip(rows, TARGET, strict=True):
        by_dict.learn_one(row, y)
        by_series.learn_one(pd.Series(row)[[NAMES[i] for i in order]] if by_series.net else pd.Series(row), y)
    assert by_dict.predict_one(rows[0]) == by_series.predict_one(pd.Series(rows[0])[[NAMES[i] for i in order]])
    assert by_series.features == list(NAMES)


def test_online_models_and_what_is_missing_or_a_date():
    model = fn.OnlineRegressor((4,), seed=0)
    model.learn_one({"a": 1.0, "b": 2.0}, 1.0)
    assert model.predict_one({"a": 1.0, "b": pd.NA}) == model.predict_one({"a": 1.0, "b": None})
    for value in (np.datetime64("2020-01-01", "ns"), np.timedelta64(1, "ns"), pd.Timestamp("2020"), pd.Timedelta(1)):
        with pytest.raises(TypeError, match="expected a number for feature 'a'"):
            model.predict_one({"a": value, "b": 1.0})
    arrays = fn.OnlineRegressor((4,), seed=0)
    arrays.learn_one([1.0, 2.0], 1.0)
    assert arrays.predict_one([1.0, None]) == arrays.predict_one([1.0, np.nan])
    with pytest.raises(TypeError, match="dates"):
        arrays.predict_one([np.timedelta64(1, "ns"), 1.0])
    classes = fn.OnlineClassifier((4,), seed=0)
    for missing in (None, pd.NA, pd.NaT, np.nan, np.float32("nan")):
        with pytest.raises(ValueError, match="expected a class"):
            classes.learn_one({"a": 1.0}, missing)
