"""TableEncoder against pandas and scikit-learn, and what it leads to: one command, one line, as good as by hand."""

import csv
import json
import pickle

import numpy as np
import pytest

import fastnn as fn
from fastnn.cli import main
from fastnn.data import TableEncoder
from fastnn.data.texts import MISSING

pd = pytest.importorskip("pandas")

FRAME = pd.DataFrame(
    {
        "size": [1.0, None, 4.0, 1.0, 9.0, 2.0],
        "colour": ["red", "blue", None, "red", "lilac", "red"],
        "open": [True, None, False, True, True, False],
        "when": pd.to_datetime(["2024-02-29", "2023-12-31", None, "2020-01-01", "2020-01-01", "2021-06-15"]),
    }
)


def parts(encoder, frame=FRAME):
    """The columns of numbers by name."""
    return dict(zip(encoder.get_feature_names_out(), encoder.transform(frame).T.tolist(), strict=True))


@pytest.mark.parametrize(("impute", "size"), [("mean", 3.4), ("median", 2.0), ("most_frequent", 1.0)])
def test_gaps_are_filled_and_told(impute, size):
    imputer = pytest.importorskip("sklearn.impute").SimpleImputer(strategy=impute)
    assert imputer.fit_transform(FRAME[["size"]])[1, 0] == pytest.approx(size)
    found = parts(TableEncoder(impute=impute).fit(FRAME))
    assert found["size"] == pytest.approx([1, size, 4, 1, 9, 2])
    assert found["size:missing"] == [0, 1, 0, 0, 0, 0]
    assert found["open"] == [1, 1, 0, 1, 1, 0]
    assert found["open:missing"] == [0, 1, 0, 0, 0, 0]
    assert found["colour:missing"] == [0, 0, 1, 0, 0, 0]
    assert found["colour=red"] == [1, 0, float(impute == "most_frequent"), 1, 0, 1]
    year = {"mean": 2021, "median": 2021, "most_frequent": 2020}[impute]
    assert found["when:year"] == [2024, 2023, year, 2020, 2020, 2021]
    assert found["when:missing"] == [0, 0, 1, 0, 0, 0]


def test_gaps_where_there_were_none():
    train = FRAME.fillna({"size": 5.0, "colour": "red", "open": True, "when": pd.Timestamp("2022-01-01")})
    encoder = TableEncoder(impute="median").fit(train)
    assert not [name for name in encoder.get_feature_names_out() if "missing" in name]
    found = parts(encoder)
    assert found["size"][1] == np.median(train["size"])
    assert found["colour=red"][2] == 1  # the most frequent of those without gaps
    with pytest.raises(ValueError, match="column 'size' has 1 missing values in 6 rows; impute='median'"):
        TableEncoder().fit(train).transform(FRAME)


def test_rare_and_unseen_categories():
    frame = pd.DataFrame({"a": ["x"] * 6 + ["y"] * 3 + ["z"]})
    for other, kept in ((1, "xyz"), (2, "xy"), (4, "x"), (0.3, "xy"), (0.31, "x")):
        encoder = TableEncoder(other=other).fit(frame)
        assert encoder.get_feature_names_out().tolist() == [*(f"a={name}" for name in kept), "a:other"]
        assert encoder.transform({"a": ["new", "x"]}).tolist() == [[0] * len(kept) + [1], [1] + [0] * len(kept)]
    with pytest.raises(ValueError, match="column 'a' has the unknown category 'new'; known: x, y, z; other=1"):
        TableEncoder().fit(frame).transform({"a": ["new"]})
    with pytest.raises(ValueError, match="all left out"):
        TableEncoder(other=7).fit(frame)
    many = pd.DataFrame({"a": [f"t{i % 300}" for i in range(900)], "b": 1.5})
    assert len(TableEncoder(other=3).fit(many).get_feature_names_out()) == 255 + 1 + 1


def test_columns_are_found_by_name():
    encoder = TableEncoder(impute="median").fit(FRAME)
    shuffled = FRAME[["when", "size", "open", "colour"]].assign(more=1)
    np.testing.assert_array_equal(encoder.transform(shuffled), encoder.transform(FRAME))
    with pytest.raises(ValueError, match="expected one column 'size', as in fit; there are colour, open, when"):
        encoder.transform(FRAME.drop(columns="size"))


def test_other_containers():
    pa = pytest.importorskip("pyarrow")
    frame = FRAME[["size", "colour"]]
    expected = TableEncoder(impute="mean").fit_transform(frame)
    for table in (pa.table(frame), frame.to_dict("list"), frame.to_dict("records"), frame.convert_dtypes()):
        np.testing.assert_array_equal(TableEncoder(impute="mean").fit_transform(table), expected)
    encoder = TableEncoder().fit(np.array([[1, 2.5], [3, 4]]))
    assert encoder.get_feature_names_out().tolist() == ["x0", "x1"]
    with pytest.raises(TypeError, match="expected a table"):
        TableEncoder().fit([1, 2])


@pytest.mark.parametrize("fitted", [False, True])
def test_survives_json_and_pickle(fitted):
    encoder = TableEncoder(impute="mean", other=2, drop=["open"], kinds={"size": "number"}, na_values=["?"])
    if fitted:
        encoder.fit(FRAME)
    for again in (
        TableEncoder.from_config(json.loads(json.dumps(encoder.to_config()))),
        pickle.loads(pickle.dumps(encoder)),
    ):
        assert again.to_config() == encoder.to_config()
        if fitted:
            np.testing.assert_array_equal(again.transform(FRAME), encoder.transform(FRAME))
            assert again.report() == encoder.report()


def test_damaged_descriptions():
    good = TableEncoder(impute="mean").fit(FRAME).to_config()
    for change in (
        {"impute": "guess"}, {"columns": []}, {"columns": [{"type": "Nothing", "name": "a"}]}, {"columns": 3},
        {"columns": [{**good["columns"][0], "fill": "x"}]}, {"columns": [good["columns"][0]] * 2},
        {"columns": [{**good["columns"][1], "categories": [1]}]}, {"columns": [{**good["columns"][0], "name": 3}]},
        {"target": good["columns"][3]}, {"more": 1},
    ):  # fmt: skip
        with pytest.raises(fn.ModelFormatError):
            TableEncoder.from_config(good | change)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"impute": "median "}, ValueError, "did you mean 'median'"),
        ({"kinds": {"size": "text"}}, ValueError, "unknown kind"),
        ({"kinds": {"nothing": "number"}}, ValueError, "no column 'nothing' in the table; it has size"),
        ({"kinds": {"colour": "number"}}, ValueError, "column 'colour' is to be a number"),
        ({"drop": "size"}, TypeError, "expected drop to be a list"),
        ({"drop": ["nothing"]}, ValueError, "no column 'nothing'"),
        ({"drop": list(FRAME)}, ValueError, "all left out"),
        ({"other": 0}, ValueError, "other"),
        ({"other": 1.5}, ValueError, "other"),
        ({"decimal": "."} | {"thousands": "."}, ValueError, "different marks"),
        ({"decimal": "ab"}, ValueError, "one character"),
        ({"na_values": [3]}, TypeError, "na_values to be texts"),
        ({"drop": ["size"], "kinds": {"size": "number"}}, ValueError, "'size' in both"),
    ],
)
def test_refused_options(options, error, message):
    with pytest.raises(error, match=message):
        TableEncoder(**({"impute": "mean"} | options)).fit(FRAME)


def test_before_fit():
    for call in ("report", "get_feature_names_out"):
        with pytest.raises(RuntimeError, match="nothing learnt yet"):
            getattr(TableEncoder(), call)()


def test_gaps_are_those_of_pandas():
    from pandas._libs.parsers import STR_NA_VALUES

    assert MISSING == STR_NA_VALUES


def test_at_home_in_scikit_learn():
    base, pipeline = pytest.importorskip("sklearn.base"), pytest.importorskip("sklearn.pipeline")
    encoder = base.clone(TableEncoder(impute="mean", other=2))
    assert encoder.get_params()["other"] == 2
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    line = pipeline.make_pipeline(encoder, preprocessing.StandardScaler()).fit(FRAME)
    assert line.transform(FRAME).shape == (6, len(encoder.get_feature_names_out()))


# Each with its defaults: those of the estimator are scikit-learn's, and the command's are its own.
SEEDS = range(6)


def auc(truth, scores):
    """The area under the ROC curve, by ranks."""
    return pytest.importorskip("sklearn.metrics").roc_auc_score(truth, scores)


def by_hand(train, test, seed):
    """The same done with scikit-learn's own parts, dates spelled out."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    def spelled(frame):
        when, turn = frame["since"].dt, 2 * np.pi / 12
        more = {"year": when.year, "month": when.month, "day": when.day, "weekday": when.day_of_week}
        more |= {"sin": np.sin(turn * when.month), "cos": np.cos(turn * when.month)}
        return frame.drop(columns=["since", "income"]).assign(**more, workclass=frame["workclass"].fillna("none"))

    texts = ["workclass", "education"]
    numbers = [name for name in spelled(train) if name not in texts]
    columns = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore", min_frequency=5), texts),
    )
    net = MLPClassifier((32,), random_state=seed)
    model = make_pipeline(columns, net).fit(spelled(train), train["income"])
    return model.predict_proba(spelled(test))[:, 0]


def least(differences):
    """The lower end of the 95 % interval of the mean of some seeds' differences, by Student's t."""
    spread = np.std(differences, ddof=1) / np.sqrt(len(differences))
    return np.mean(differences) - pytest.importorskip("scipy.stats").t.ppf(0.975, len(differences) - 1) * spread


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*(iterations|epochs|onverge)")
def test_one_command_and_one_line_are_as_good_as_by_hand(tmp_path, capsys):
    pytest.importorskip("sklearn")
    adult = pytest.importorskip("helpers.adult").adult
    line, command = [], []
    for seed in SEEDS:
        train, test = adult(6000, 2 * seed), adult(6000, 2 * seed + 1)
        truth = test["income"] == "high"
        assert truth.mean() == pytest.approx(0.05, abs=0.001)
        reference = auc(truth, by_hand(train, test, seed))
        model = fn.MLPClassifier((32,), encode="auto", random_state=seed)
        model.fit(train.drop(columns="income"), train["income"])
        line.append(auc(truth, model.predict_proba(test)[:, 0]) - reference)
        train.to_csv(tmp_path / "train.csv", index=False)
        test.drop(columns="income").to_csv(tmp_path / "test.csv", index=False)
        argv = ["train", str(tmp_path / "train.csv"), "--target", "income", "--impute", "median"]
        argv += ["--hidden", "32", "--seed", str(seed)]
        assert main([*argv, "--out", str(tmp_path / "m.safetensors")]) == 0
        rows = predicted(tmp_path, "m")
        assert rows[0] == ["prediction", "P(high)", "P(low)"]
        command.append(auc(truth, [float(row[1]) for row in rows[1:]]) - reference)
    assert least(line) > -0.01, line
    assert least(command) > -0.01, command
    said = capsys.readouterr().out
    for words in (
        "age        number; gaps become",
        "workclass  5 categories and gaps",
        "since      date; texts such as",
    ):
        assert words in said
    model.save(tmp_path / "e.safetensors")
    again = fn.MLPClassifier.load(tmp_path / "e.safetensors")
    np.testing.assert_array_equal(again.predict_proba(test), model.predict_proba(test))
    shares = [float(row[1]) for row in predicted(tmp_path, "e")[1:]]
    np.testing.assert_allclose(shares, model.predict_proba(test)[:, 0], rtol=1e-6)


def predicted(folder, name):
    """The rows that the command writes for test.csv."""
    argv = ["predict", str(folder / f"{name}.safetensors"), str(folder / "test.csv")]
    assert main([*argv, "--out", str(folder / f"{name}.csv")]) == 0
    with open(folder / f"{name}.csv", newline="") as stream:
        return list(csv.reader(stream))


def test_amounts_alone_are_standardised():
    encoder = TableEncoder(impute="median", other=2)
    frame = FRAME.assign(at=pd.to_datetime(FRAME["when"]).dt.strftime("%H:%M").where(FRAME["when"].notna(), "07:30"))
    rows = encoder.fit_transform(frame)
    scaled, names = encoder.scaler(rows).transform(rows), encoder.get_feature_names_out()
    amounts = ["size", *(f"when:{part}" for part in ("year", "month", "day", "weekday")), "at:hour"]
    for name, before, after in zip(names, rows.T, scaled.T, strict=True):
        expected = (before - before.mean()) / before.std() if name in amounts else before
        np.testing.assert_allclose(after, expected, rtol=1e-12, atol=1e-12, err_msg=name)
    assert set(amounts) < set(names)


@pytest.mark.filterwarnings("ignore:.*(iterations|epochs)")
def test_an_estimator_takes_and_forgets_tables():
    y = np.array([0, 1, 0, 1, 1, 0])
    model = fn.MLPClassifier((4,), encode="auto", max_iter=2, random_state=0, tol=0.0, n_iter_no_change=9)
    model.fit(FRAME, y, X_val=FRAME, y_val=y)
    assert model.feature_names_in_.tolist() == list(FRAME)
    one = model.predict_proba(FRAME[["when", "open", "colour", "size"]][:1])
    np.testing.assert_array_equal(one, model.predict_proba(FRAME)[:1])
    model.set_params(encode=TableEncoder(impute="mean", drop=["colour"]))
    model.fit(FRAME, y)
    assert "colour=red" not in model.encoder_.get_feature_names_out()
    model.set_params(encode=None)
    model.fit(np.eye(6), y)
    assert not hasattr(model, "encoder_")
    assert len(model.predict(np.eye(6))) == 6
    with pytest.raises(ValueError, match="expected encode to be None, 'auto' or a TableEncoder, got 'always'"):
        model.set_params(encode="always").fit(np.eye(6), y)


@pytest.mark.filterwarnings("ignore:.*(iterations|epochs)")
def test_an_estimator_standardises_amounts_alone():
    model = fn.MLPClassifier((4,), encode="auto", max_iter=1, random_state=0).fit(FRAME, [0, 1, 0, 1, 1, 0])
    inputs = dict(zip(model.encoder_.get_feature_names_out(), model._encoding.rows(FRAME).T, strict=True))
    assert inputs["open"].tolist() == [1, 1, 0, 1, 1, 0]
    assert inputs["size"].std() == pytest.approx(1)


def test_times_of_day_as_objects():
    from datetime import time

    rows = TableEncoder().fit_transform(pd.DataFrame({"at": [time(6, 30), time(18, 0, 36)]}))
    np.testing.assert_allclose(rows[:, 0], [6.5, 18.01], rtol=1e-12)


def test_a_sample_of_many_stretches_is_evenly_spaced(monkeypatch):
    from fastnn.data import learning

    monkeypatch.setattr(learning, "SAMPLE", 8)
    sample = learning.Sample()
    for start in range(0, 30, 3):
        sample.add(np.arange(start, start + 3.0))
    assert np.concatenate(sample.parts).tolist() == np.arange(0.0, 30, 4).tolist()
