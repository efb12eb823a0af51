"""read_batches against the same files read whole by pandas."""

import gzip

import numpy as np
import pytest

import fastnn as fn

pd = pytest.importorskip("pandas")
pytest.importorskip("pyarrow")

pytestmark = pytest.mark.filterwarnings("ignore:read_batches. column 'row' has another value in every row")
RANDOM = np.random.default_rng(0)
N = 1000
FRAME = pd.DataFrame(
    {
        "row": np.arange(N),
        "size": RANDOM.standard_normal(N),
        "colour": RANDOM.choice(["red", "green", "deep blue"], N),
        "open": RANDOM.random(N) < 0.5,
        "price": RANDOM.standard_normal(N),
        "kind": RANDOM.choice(["b", "a", "c"], N),
        "count": RANDOM.integers(0, 5, N),
        "share": RANDOM.random(N),
    }
)
COLUMNS = ["row", "size", "colour", "open"]
ENCODED = np.column_stack(
    [
        FRAME["row"], FRAME["size"], FRAME["colour"] == "deep blue", FRAME["colour"] == "green",
        FRAME["colour"] == "red", FRAME["open"],
    ]
).astype(np.float64)  # fmt: skip


def write(folder, form, frame=FRAME):
    """The frame in one or two files; returns their paths."""
    if form == "parquet":
        frame.to_parquet(folder / "t.parquet", row_group_size=90, index=False)
        return folder / "t.parquet"
    if form == "two parquets":
        frame[:350].to_parquet(folder / "1.parquet", row_group_size=100)
        categorical = frame[350:].assign(colour=frame["colour"][350:].astype("category"))
        categorical.to_parquet(folder / "2.pq", row_group_size=1000)
        return [str(folder / "1.parquet"), folder / "2.pq"]
    separator = "\t" if "tsv" in form else ","
    text = frame.to_csv(sep=separator, index=False)
    path = folder / f"t.{form}"
    path.write_bytes(gzip.compress(text.encode()) if form.endswith("gz") else text.encode())
    return path


FORMS = ["parquet", "two parquets", "csv", "tsv.gz"]


def epoch(batches):
    """One epoch in one piece, and the sizes of the batches."""
    parts = list(batches)
    return [np.concatenate(part) for part in zip(*parts, strict=True)], [len(part[0]) for part in parts]


@pytest.mark.parametrize("form", FORMS)
def test_rows_in_order(form, tmp_path):
    batches = fn.read_batches(
        write(tmp_path, form), "price", columns=COLUMNS, weight="share", batch_size=64, shuffle=False, dtype="float64"
    )
    for _ in range(2):
        (x, y, w), sizes = epoch(batches)
        np.testing.assert_allclose(x, ENCODED, rtol=1e-15)
        np.testing.assert_allclose(y, FRAME["price"], rtol=1e-15)
        np.testing.assert_allclose(w, FRAME["share"], rtol=1e-15)
        assert sizes == [64] * 15 + [40]
    assert batches.feature_names == ["row", "size", "colour=deep blue", "colour=green", "colour=red", "open"]
    assert batches.columns == COLUMNS
    assert batches.categories == {"colour": ["deep blue", "green", "red"]}
    assert batches.rows == N
    assert (x.dtype, y.dtype, w.dtype) == (np.float64, np.float64, np.float64)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("buffer_rows", [None, 200, 1])
def test_every_epoch_has_all_rows_in_a_new_order(form, buffer_rows, tmp_path):
    path = write(tmp_path, form)

    def make(seed):
        return fn.read_batches(
            path, "price", columns=["size", "row"], batch_size=30, buffer_rows=buffer_rows, seed=seed, dtype="float64"
        )

    batches, orders = make(3), []
    for _ in range(3):
        (x, y), sizes = epoch(batches)
        order = x[:, 1].astype(int)
        assert sorted(order) == list(range(N))
        np.testing.assert_allclose(x[:, 0], FRAME["size"].to_numpy()[order], rtol=1e-15)
        np.testing.assert_allclose(y, FRAME["price"].to_numpy()[order], rtol=1e-15)
        assert sizes == [30] * 33 + [10]
        orders.append(order.tolist())
    assert len(set(map(tuple, orders))) == 3
    again, other = make(3), make(4)
    again.epoch = 2
    assert epoch(again)[0][0][:, 1].tolist() == orders[2]
    assert epoch(other)[0][0][:, 1].tolist() != orders[0]


def test_a_buffer_mixes_row_groups(tmp_path):
    """Sorted rows in groups of 90 and a buffer of 300: a batch comes from several groups, and from no less than half of
    a buffer's rows."""
    batches = fn.read_batches(write(tmp_path, "parquet"), "price", columns=["row"], batch_size=50, buffer_rows=300)
    groups = [len(set((x[:, 0] // 90).astype(int))) for x, _ in batches]
    assert min(groups) >= 3
    order = np.concatenate([x[:, 0] for x, _ in batches])
    spans = [np.ptp(np.flatnonzero(order // 90 == group)) for group in range(N // 90)]
    assert np.median(spans) > 650  # twice the buffer: half of it stays when it is filled up
    first = [x[0, 0] for _ in range(20) for x, _ in [next(iter(batches))]]
    assert len({value // 90 for value in first}) > 5  # and which groups come first is chance


def test_asking_for_an_iterator_begins_no_epoch(tmp_path):
    batches = fn.read_batches(write(tmp_path, "parquet"), "price", columns=["row"])
    iter(batches)
    assert batches.epoch == 0
    next(iter(batches))
    assert batches.epoch == 1


@pytest.mark.parametrize("form", FORMS)
def test_targets(form, tmp_path):
    path = write(tmp_path, form)
    for target, expected, dtype in (
        ("kind", FRAME["kind"].map({"a": 0, "b": 1, "c": 2}), np.int64),
        ("count", FRAME["count"], np.int64),
        ("open", FRAME["open"], np.bool_),
        ("price", FRAME["price"].astype(np.float32), np.float32),
    ):
        batches = fn.read_batches(path, target, columns=["size"], shuffle=False)
        (_, y), _ = epoch(batches)
        assert y.dtype == dtype
        np.testing.assert_allclose(y, expected, rtol=1e-6)
        assert batches.target_name == target
        assert batches.categories == ({"kind": ["a", "b", "c"]} if target == "kind" else {})


@pytest.mark.parametrize("form", FORMS)
def test_other_files_are_read_like_the_training_data(form, tmp_path):
    trained = fn.read_batches(write(tmp_path, form), "kind", columns=["colour", "size"])
    (tmp_path / "new").mkdir()
    few = FRAME[FRAME["colour"].eq("red") & FRAME["kind"].eq("c")][:5]
    path = write(tmp_path / "new", "csv" if "sv" in form else "parquet", few)
    new = fn.read_batches(path, "kind", columns=trained.columns, categories=trained.categories, shuffle=False)
    (x, y), _ = epoch(new)
    np.testing.assert_allclose(x, np.column_stack([np.zeros((5, 2)), np.ones(5), few["size"]]), rtol=1e-6)
    assert y.tolist() == [2] * 5
    assert new.feature_names == trained.feature_names
    with pytest.raises(ValueError, match=r"t\..*column 'kind' has the unknown category 'c'; known: a$"):
        epoch(fn.read_batches(path, "kind", columns=["size"], categories={"kind": ["a"]}))
    with pytest.raises(ValueError, match="expected numbers in column 'colour', as in the training data, got texts"):
        fn.read_batches(path, "kind", columns=["colour"], categories={"kind": ["c"]})


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_numbers_that_are_categories(form, tmp_path):
    path = write(tmp_path, form)
    batches = fn.read_batches(path, "price", columns=["count"], categories={"count": list("01234")}, shuffle=False)
    (x, _), _ = epoch(batches)
    np.testing.assert_array_equal(x, np.eye(5)[FRAME["count"]])


def test_fit_goes_through_them_epoch_after_epoch(tmp_path):
    """Whole-file batches in order: gradient descent on all rows, as NumPy does it."""
    path = write(tmp_path, "parquet")
    batches = fn.read_batches(path, "price", columns=["size", "open"], weight="share", batch_size=N, shuffle=False)
    net = fn.Sequential([fn.Dense(1, kernel_initializer="zeros")], 2, seed=0)
    history = net.fit(batches, epochs=20, loss="squared_error", optimizer=fn.SGD(0.1), validation_data=batches)
    A = np.column_stack([FRAME["size"], FRAME["open"], np.ones(N)])
    share, w = FRAME["share"].to_numpy() / FRAME["share"].sum(), np.zeros(3)
    for loss in history["loss"]:
        gap = A @ w - FRAME["price"]
        assert loss == pytest.approx(float(share @ gap**2), rel=1e-5)
        w -= 0.1 * 2 * A.T @ (share * gap)
    np.testing.assert_allclose(net.params, w, rtol=1e-4, atol=1e-6)
    assert history["val_loss"][-1] == pytest.approx(float(share @ (A @ w - FRAME["price"]) ** 2), rel=1e-5)


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("size", None, "column 'size' has . missing values"),
        ("size", np.nan, "column 'size' has . missing values"),
        ("size", np.inf, "column 'size' has . infinite values"),
        ("colour", None, "column 'colour' has . missing values"),
        ("share", None, "column 'share' has . missing values"),
        ("price", None, "column 'price' has . missing values"),
    ],
)
def test_a_fit_that_meets_what_is_missing_leaves_the_network_alone(form, column, value, message, tmp_path):
    (tmp_path / "whole").mkdir()
    trained = fn.read_batches(write(tmp_path / "whole", form), "price", columns=COLUMNS, weight="share").encoder
    frame = FRAME.copy()
    frame.loc[700, column] = value
    path = write(tmp_path, form, frame)
    net = fn.Sequential([fn.Dense(1)], 6, seed=0)
    net.compile("squared_error", fn.SGD(1e-9))
    before = net.params.copy()
    with pytest.raises(ValueError, match=f"read_batches: .*t.{form}.* {message}"):
        net.fit(fn.read_batches(path, "price", encoder=trained, weight="share", shuffle=False))
    np.testing.assert_array_equal(net.params, before)


def test_a_csv_column_is_read_as_its_start_does_not_suggest(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,y\n" + "1,2\n" * 300_000 + "1.5,2\n")
    (x, y), _ = epoch(fn.read_batches(path, "y", batch_size=1024, shuffle=False))
    assert x[-1, 0] == 1.5
    assert y.dtype == np.int64
    (_, y), _ = epoch(fn.read_batches(path, "a", columns=["y"], batch_size=1024, shuffle=False, dtype="float64"))
    assert (y.dtype, y[0], y[-1]) == (np.float64, 1.0, 1.5)


def test_refusals(tmp_path):
    frame = FRAME.assign(when=pd.Timestamp("2020-01-01"), code=[f"c{i}" for i in range(N)])
    path = tmp_path / "t.parquet"
    frame.to_parquet(path)
    csv = tmp_path / "t.csv"
    frame.to_csv(csv, index=False)
    for arguments, options, error, message in (
        ((path, "nothing"), {"columns": ["size"]}, ValueError, "no column 'nothing' in .*; it has row, size"),
        ((path, "price"), {"columns": ["size", "nothing"]}, ValueError, "'nothing'"),
        ((path, "price"), {"columns": ["price"]}, ValueError, "not to be among the feature columns"),
        ((path, "price"), {"columns": ["size"], "weight": "size"}, ValueError, "not to be among"),
        ((path, "price"), {"columns": ["size"], "weight": "price"}, ValueError, "none twice"),
        ((path, "price"), {"columns": ["size", "size"]}, ValueError, "none twice"),
        ((path, "price"), {"columns": []}, ValueError, "one feature column, got none"),
        ((path, "when"), {"columns": ["size"]}, ValueError, "in the target 'when', got dates"),
        ((csv, "when"), {"columns": ["size"]}, ValueError, "in the target 'when', got dates"),
        ((path, "price"), {"columns": ["code"]}, ValueError, "'code' has 1000 different texts, more than 256"),
        ((csv, "price"), {"columns": ["code"]}, ValueError, "'code' has 1000 different texts, more than 256"),
        ((path, "price"), {"columns": ["size"], "weight": "colour"}, ValueError, "weight column 'colour', got texts"),
        ((path, None), {}, TypeError, "name of a column"),
        ((path, "price"), {"batch_size": 0}, ValueError, "batch_size"),
        ((path, "price"), {"shuffle": 1}, TypeError, "shuffle"),
        ((path, "price"), {"dtype": "int8"}, ValueError, "float32 or float64"),
        ((path, "price"), {"seed": -1}, ValueError, "seed"),
        ((path, "price"), {"buffer_rows": 0}, ValueError, "buffer_rows"),
        (([], "price"), {}, ValueError, "at least one file, got none"),
        (("t.json", "price"), {}, ValueError, "a file ending in"),
        ((tmp_path / "none.parquet", "price"), {}, FileNotFoundError, "none.parquet"),
        ((tmp_path / "none.csv", "price"), {}, FileNotFoundError, "none.csv"),
    ):
        with pytest.raises(error, match=message):
            fn.read_batches(*arguments, **options)
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing of the kind PAR1")
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n1,2,3\n")
    (tmp_path / "empty.csv").write_text("")
    FRAME[:0].to_parquet(tmp_path / "none.pq")
    for name, message in (
        ("bad.parquet", "cannot parse"),
        ("bad.csv", "cannot parse"),
        ("empty.csv", "cannot parse"),
        ("none.pq", "at least one row"),
    ):
        with pytest.raises(ValueError, match=f"read_batches: .*{message}"):
            epoch(fn.read_batches(tmp_path / name, "price" if name == "none.pq" else "b"))
    FRAME.assign(size="text")[:5].to_parquet(tmp_path / "other.parquet")
    with pytest.raises(ValueError, match=r"one kind of values in column 'size', got numbers in .* and texts in"):
        fn.read_batches([path, tmp_path / "other.parquet"], "price", columns=["size"])


def test_without_pyarrow(monkeypatch, tmp_path):
    import sys

    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"read_batches needs pyarrow for Parquet: pip install \"fastnn\[cli\]\""):
        fn.read_batches(tmp_path / "t.parquet", "y")
