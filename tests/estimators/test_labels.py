"""Labels of every kind are learned, weighted, saved and read again; what is missing or of no class is refused."""

import datetime
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastnn as fn

pd = pytest.importorskip("pandas")

X = np.random.default_rng(0).normal(size=(24, 3))
pytestmark = pytest.mark.filterwarnings("ignore:.*epochs are over", "ignore:A column-vector")

texts = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=6)
days = st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1))
spans = st.timedeltas(datetime.timedelta(-1000), datetime.timedelta(1000))
# ruff: noqa: E501  (a case of a table is one line)
# How labels come: of these values, as this container.
KINDS = {
    "str": (texts, lambda values: np.array(values)),
    "list of str": (texts, list),
    "objects": (texts, lambda values: np.array(values, object)),
    "StringDtype": (texts, lambda values: pd.Series(values, dtype="string")),
    "pandas str": (texts, lambda values: pd.Series(values, dtype="str")),
    "pyarrow string": (texts, lambda values: pd.Series(values, dtype="string[pyarrow]")),
    "numpy StringDType": (texts, lambda values: np.array(values, np.dtypes.StringDType())),
    "categories": (texts, lambda values: pd.Series(values, dtype="category")),
    "frame": (texts, lambda values: pd.DataFrame({"y": values})),
    "bytes": (st.binary(max_size=4).filter(lambda b: not b.endswith(b"\x00")), lambda values: np.array(values, "S4")),
    "bytes objects": (st.binary(max_size=4), lambda values: np.array([*values, None], object)[:-1]),
    "bool": (st.booleans(), lambda values: np.array(values)),
    "boolean": (st.booleans(), lambda values: pd.Series(values, dtype="boolean")),
    "int64": (st.integers(-(2**63), 2**63 - 1), lambda values: np.array(values, np.int64)),
    "uint64": (st.integers(0, 2**64 - 1), lambda values: np.array(values, np.uint64)),
    "int8, other bytes": (st.integers(-128, 127), lambda values: np.array(values, ">i2")),
    "Int64": (st.integers(-100, 100), lambda values: pd.Series(values, dtype="Int64")),
    "int objects": (st.integers(-(2**200), 2**200), lambda values: np.array([*values, None], object)[:-1]),
    "float": (st.integers(-100, 100), lambda values: np.array(values, np.float64)),
    "datetime": (days, lambda values: pd.Series(values, dtype="datetime64[us]")),
    "datetime in ns": (days, lambda values: np.array(values, "M8[ns]")),
    "days": (days, lambda values: np.array(values, "M8[D]")),
    "datetime objects": (days, lambda values: np.array([*values, None], object)[:-1]),
    "date objects": (st.dates(), lambda values: list(values)),
    "aware objects": (days.map(lambda d: d.replace(tzinfo=datetime.UTC)), lambda values: np.array([*values, None], object)[:-1]),
    "time objects": (st.times(), lambda values: list(values)),
    "timedelta": (spans, lambda values: pd.Series(values, dtype="timedelta64[us]")),
    "timedelta in ns": (spans, lambda values: np.array(values, "m8[ns]")),
    "timedelta objects": (spans, lambda values: np.array([*values, None], object)[:-1]),
    "decimals": (st.decimals(-10, 10, places=2), lambda values: np.array([*values, None], object)[:-1]),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_whatever_is_learned_and_saved_loads(kind, data, tmp_path_factory):
    values, make = KINDS[kind]
    distinct = data.draw(st.lists(values, min_size=1, max_size=4, unique=True))
    y = make([distinct[i % len(distinct)] for i in range(24)])
    plain = np.asarray(y).reshape(-1)
    model = fn.MLPClassifier((3,), max_iter=1, random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.classes_, np.unique(plain))
    path = tmp_path_factory.getbasetemp() / "labels.safetensors"
    model.save(path)
    again = fn.MLPClassifier.load(path)
    assert again.classes_.dtype == model.classes_.dtype
    assert [*map(type, again.classes_)] == [*map(type, model.classes_)]
    np.testing.assert_array_equal(again.classes_, model.classes_)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))
    assert again.score(X, y) == model.score(X, y) == np.mean(model.predict(X) == plain)
    again.partial_fit(X, y)


def test_labels_that_no_file_holds(tmp_path):
    """Integers of more than 8,192 bits are learned and refused by save."""
    model = fn.MLPClassifier((3,), max_iter=1, random_state=0).fit(X, np.array([2**8191, 1] * 12, object))
    model.save(tmp_path / "m")
    assert [*fn.MLPClassifier.load(tmp_path / "m").classes_] == [1, 2**8191]
    model = fn.MLPClassifier((3,), max_iter=1, random_state=0).fit(X, np.array([2**8192, 1] * 12, object))
    with pytest.raises(ValueError, match="save: expected integers of at most 8192 bits in classes_, got 8193"):
        model.save(tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "written",
    ["5", "18446744073709551615", "-9223372036854775808", " 18446744073709551616", "018446744073709551616", "1e30",
     "+18446744073709551616", "18446744073709551616\\n", "1_8446744073709551616", "", "9" * 3000, 18446744073709551],
)  # fmt: skip
def test_integers_that_are_not_written_so_are_refused(written):
    from fastnn.estimators import files
    from fastnn.formats.files import damaged
    from fastnn.formats.text import require_as_written

    good = {"integer": "18446744073709551616"}
    assert files.to_json("y", files.from_json(good)) == good
    given = {"integer": written}
    with pytest.raises(fn.ModelFormatError) as error, damaged("load"):
        require_as_written(given, files.to_json("y", files.from_json(given)), True)
    assert error.value.code == "description"


@pytest.mark.parametrize("key", [b"a", np.datetime64("2020-01-01"), datetime.timedelta(1), Decimal("0.5")])
def test_class_weights_of_such_labels_are_saved(key, tmp_path):
    y = np.array([key, type(key)(2) if isinstance(key, Decimal) else key + key if not isinstance(key, np.datetime64) else key + 1] * 12)  # fmt: skip
    model = fn.MLPClassifier((3,), max_iter=1, random_state=0, class_weight={key: 2.0}).fit(X, y)
    model.save(tmp_path / "m")
    assert fn.MLPClassifier.load(tmp_path / "m").class_weight == {key: 2.0}


@pytest.mark.parametrize(
    "values", [pd.date_range("2020", periods=2, tz="Europe/Berlin"), pd.period_range("2020", periods=2, freq="D")]
)
def test_labels_that_files_do_not_hold(values, tmp_path):
    model = fn.MLPClassifier((3,), max_iter=1, random_state=0).fit(X, pd.Series(values.tolist() * 12))
    with pytest.raises(
        ValueError, match=r"save: expected classes_ to be plain values, got .*; of labels, take y.astype"
    ):
        model.save(tmp_path / "m")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    "y",
    [
        pd.Series(["a", pd.NA] * 12, dtype="string"),
        pd.Series([1, None] * 12, dtype="Int64"),
        pd.Series([True, None] * 12, dtype="boolean"),
        pd.Series(["a", None] * 12, dtype="category"),
        pd.Series([1, pd.NA] * 12, dtype=object),
        [1.0, np.nan] * 12,
        ["a", None] * 12,
        pd.Series([pd.Timestamp("2020"), pd.NaT] * 12),
        np.array(["2020", "NaT"] * 12, "M8[D]"),
        pd.DataFrame({"y": pd.Series(["a", pd.NA] * 12, dtype="string")}),
    ],
)
def test_missing_labels_are_refused(y):
    with pytest.raises(ValueError, match=r"Input y contains (NaN|NaT)"):
        fn.MLPClassifier().fit(X, y)


@pytest.mark.parametrize("y", [pd.Series([1, None] * 12, dtype="Int64"), [1.0, None] * 12, [pd.NA, 2.0] * 12])
def test_missing_targets_are_refused(y):
    with pytest.raises(ValueError, match=r"12 missing values|contains NaN"):
        fn.MLPRegressor().fit(X, y)


# ---- class weights -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "weights", "got"),
    [
        ([0, 1], {"0": 50, "1": 1}, "'0'"),
        ([0, 1], {0: 1, 5: 50}, "5"),
        ([0, 1], {0.5: 1}, "0.5"),
        (["no", "yes"], {1: 50, 0: 1}, "1"),
        (["no", "yes"], {"yes": 50, "noo": 1}, "'noo'"),
        ([b"no", b"yes"], {"yes": 50}, "'yes'"),
        ([False, True], {"True": 2}, "'True'"),
        ([0, 1, 2], {3: 2}, "3"),
        ([datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)], {"2020-01-01": 2}, "'2020-01-01'"),
    ],
)
def test_weights_of_no_class_are_refused(labels, weights, got):
    y = np.resize(np.array(labels), 24)
    model = fn.MLPClassifier(class_weight=weights)
    with pytest.raises(ValueError, match=rf"MLPClassifier: expected classes out of .* in class_weight, got {got}$"):
        model.fit(X, y)
    with pytest.raises(ValueError, match="in class_weight, got"):
        model.partial_fit(X, y, classes=np.unique(y))


@pytest.mark.parametrize(
    ("loss", "y", "weights"),
    [
        ("binary_cross_entropy", [0, 1], {5: 50}),
        ("binary_cross_entropy", [0, 1], {"1": 50}),
        ("hinge", [-1, 1], {0: 50}),
        ("cross_entropy", [0, 1], {"0": 2}),
    ],
)
def test_networks_refuse_them_too(loss, y, weights):
    net = fn.Sequential([fn.Dense(2 if loss == "cross_entropy" else 1)], input_shape=3, seed=0)
    with pytest.raises(ValueError, match=r"fit: expected classes out of .* in class_weight, got"):
        net.fit(X, np.resize(y, 24), loss=loss, class_weight=weights, verbose=0)


@pytest.mark.parametrize(
    ("labels", "weights"),
    [
        ([0, 1], {0: 50.0}),
        ([0, 1], {True: 3, 0.0: 2}),
        (["no", "yes"], {np.str_("yes"): 4}),
        ([False, True], {1: 4}),
        (np.array(["2020", "2021"], "M8[Y]"), {np.datetime64("2021"): 3}),
        (["a", "b", "c"], {"a": 2, "c": 0}),
        ([0, 1], "balanced"),
    ],
)
def test_weights_of_classes_are_those_of_scikit_learn(labels, weights):
    weighed = pytest.importorskip("sklearn.utils.class_weight").compute_sample_weight
    y = np.asarray(labels)[np.random.default_rng(1).integers(0, len(labels), 24)]
    expected = weighed(weights, y) if isinstance(weights, str) else np.select([y == k for k in weights], [*weights.values()], 1)  # fmt: skip
    one, two = (fn.MLPClassifier((3,), max_iter=3, random_state=0, class_weight=w) for w in (weights, None))
    np.testing.assert_array_equal(one.fit(X, y).coefs_[0], two.fit(X, y, sample_weight=expected).coefs_[0])


@pytest.mark.parametrize("weights", ["balanced", [{0: 1, 1: 5}, {1: 2}, {0: 0.5, 1: 1}]])
def test_several_labels_per_row_weigh_as_in_scikit_learn(weights):
    weighed = pytest.importorskip("sklearn.utils.class_weight").compute_sample_weight
    y = np.random.default_rng(1).integers(0, 2, (24, 3))
    full = weights if isinstance(weights, str) else [{0: 1, 1: 1} | part for part in weights]
    one, two = (fn.MLPClassifier((3,), max_iter=3, random_state=0, class_weight=w) for w in (weights, None))
    one.fit(X, y), two.fit(X, y, sample_weight=weighed(full, y))
    np.testing.assert_array_equal(one.coefs_[0], two.coefs_[0])
    for bad in ({0: 1}, [{0: 1}], [{0: 1}, {2: 1}, {}], [1, 2, 3]):
        with pytest.raises((ValueError, TypeError), match="class_weight"):
            fn.MLPClassifier(class_weight=bad).fit(X, y)


def test_a_list_in_place_of_a_dict_is_refused():
    with pytest.raises(TypeError, match="expected class_weight to be a dict or 'balanced', got list"):
        fn.MLPClassifier(class_weight=[1, 2]).fit(X, np.arange(24) % 2)


@pytest.mark.parametrize("dtype", ["bool", "int8", "int32", "float16", "float64"])
def test_all_but_float32_is_computed_in_float64(dtype):
    X, y = np.array([[0, 1], [1, 0], [1, 1]], dtype), np.arange(3.0)
    assert fn.MLPRegressor(hidden_layer_sizes=(2,)).partial_fit(X, y).coefs_[0].dtype == np.float64
    assert fn.MLPRegressor(hidden_layer_sizes=(2,)).partial_fit(X.astype("f4"), y).coefs_[0].dtype == np.float32


def test_some_weight_is_above_0():
    for weights in ([0, 0, 0], np.zeros(3), 0):
        with pytest.raises(ValueError, match="at least one non-zero"):
            fn.MLPRegressor(hidden_layer_sizes=(2,)).fit(np.eye(3), np.arange(3.0), weights)


def test_requests_add_up():
    pytest.importorskip("sklearn")
    model = fn.MLPRegressor().set_fit_request(X_val=True).set_fit_request(y_val="truth").set_fit_request(X_val=False)
    asked = model.get_metadata_routing().fit.requests
    assert asked == {"X_val": False, "y_val": "truth", "sample_weight": None, "sample_weight_val": None}
