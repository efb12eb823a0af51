"""Tables dealt out to several processes against the same files read whole by pandas."""

import gzip
import tracemalloc

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
        "colour": RANDOM.choice(["red", "green"], N),
        "price": RANDOM.standard_normal(N),
        "share": RANDOM.random(N),
    }
)
OPTIONS = {"columns": ["row", "size", "colour"], "weight": "share", "dtype": "float64"}
ENCODED = np.column_stack(
    [FRAME["row"], FRAME["size"], FRAME["colour"] == "green", FRAME["colour"] == "red", FRAME["price"], FRAME["share"]]
).astype(np.float64)


def write(folder, form, frame=FRAME):
    """The frame in one or several files, of which some end in the middle of a stretch."""
    if form == "parquet":
        frame.to_parquet(folder / "t.parquet", row_group_size=90, index=False)
        return folder / "t.parquet"
    if form == "one row group":
        frame.to_parquet(folder / "t.parquet", row_group_size=N, index=False)
        return folder / "t.parquet"
    if form == "mixed":
        frame[:350].to_parquet(folder / "1.parquet", row_group_size=100)
        frame[350:700].to_csv(folder / "2.csv", index=False)
        frame[:0].to_csv(folder / "none.csv", index=False)
        (folder / "3.tsv.gz").write_bytes(gzip.compress(frame[700:].to_csv(sep="\t", index=False).encode()))
        return [folder / name for name in ("1.parquet", "2.csv", "none.csv", "3.tsv.gz")]
    frame.to_csv(folder / "t.csv", index=False)
    return folder / "t.csv"


FORMS = ["parquet", "one row group", "csv", "mixed"]


def ranks(path, size, **options):
    """One epoch of each process: its batches, x, y and weights beside each other."""
    learned = fn.read_batches(path, "price", **OPTIONS).encoder
    options |= {"encoder": learned, "weight": "share", "dtype": "float64"}
    read = [fn.read_batches(path, "price", share=(rank, size), **options) for rank in range(size)]
    return [[np.column_stack(batch) for batch in batches] for batches in read]


@pytest.fixture(autouse=True)
def short_stretches(monkeypatch):
    """Rows that are read at a time: few, so that a file has many such."""
    monkeypatch.setattr("fastnn.data.table_files._STRETCH", 70)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("size", "batch_size"), [(2, 64), (3, 10), (7, 100), (16, 333)])
@pytest.mark.parametrize("shuffle", [False, True])
def test_every_row_once_and_as_many_batches_for_all(form, size, batch_size, shuffle, tmp_path):
    options = {"batch_size": batch_size, "shuffle": shuffle, "buffer_rows": 1}
    dealt = ranks(write(tmp_path, form), size, **options)
    rows = np.concatenate([batch for one in dealt for batch in one])
    np.testing.assert_allclose(rows[rows[:, 0].argsort()], ENCODED, rtol=1e-15)
    if not shuffle:
        np.testing.assert_array_equal(rows[:, 0], np.arange(N))  # runs of the files, in the order of the processes
    sizes = np.array([[len(batch) for batch in one] for one in dealt])  # as many batches, or this is no array
    last = N % batch_size
    joined = 0 < last < size
    expected = [batch_size] * (N // batch_size) + ([last] if last else [])
    if joined:
        expected[-2:] = [sum(expected[-2:])]
    assert sizes.sum(axis=0).tolist() == expected
    assert np.ptp(sizes, axis=0).max() <= 1
    assert np.ptp(sizes.sum(axis=1)) <= 1
    assert sizes.min() >= 1


@pytest.mark.parametrize("form", ["parquet", "csv"])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("batch_size", [30, 999, 2 * N])
def test_one_of_one_is_as_without(form, shuffle, batch_size, tmp_path):
    path = write(tmp_path, form)
    options = {**OPTIONS, "batch_size": batch_size, "shuffle": shuffle, "buffer_rows": 200}
    alone, dealt = fn.read_batches(path, "price", **options), fn.read_batches(path, "price", share=(0, 1), **options)
    for _ in range(2):
        for mine, theirs in zip(alone, dealt, strict=True):
            for a, b in zip(mine, theirs, strict=True):
                np.testing.assert_array_equal(a, b)


def test_processes_learn_what_one_does(tmp_path):
    """Gradients of the processes' parts, weighted by their rows, are that of all of the rows: NumPy's."""
    path = write(tmp_path, "csv")
    options = {"columns": ["size"], "batch_size": 100, "shuffle": False}
    shares = [fn.read_batches(path, "price", share=(rank, 3), **options) for rank in range(3)]
    net = fn.Sequential([fn.Dense(1, kernel_initializer="zeros")], 1, seed=0, dtype="float64")
    net.compile("squared_error", fn.SGD(0.1))
    runs = np.split(np.arange(N), np.cumsum([batches.rows for batches in shares])[:-1])
    taken = [0] * 3
    w = np.zeros(2)
    for parts in zip(*shares, strict=True):
        gradients, counts = [], [len(x) for x, _ in parts]
        for x, y in parts:
            net.backward(2 * (net.forward(x, training=True) - y[:, None]) / sum(counts))
            gradients.append(net.grads.copy())
        net.params[:] -= 0.1 * np.sum(gradients, axis=0)
        chosen = np.concatenate([run[start : start + n] for run, start, n in zip(runs, taken, counts, strict=True)])
        taken = [start + n for start, n in zip(taken, counts, strict=True)]
        A = np.column_stack([FRAME["size"].astype(np.float32), np.ones(N)])[chosen]
        w -= 0.1 * 2 * A.T @ (A @ w - FRAME["price"].astype(np.float32).to_numpy()[chosen]) / len(chosen)
    np.testing.assert_allclose(net.params, w, rtol=1e-12)
    assert taken == [len(run) for run in runs]


def test_fit_and_partial_fit(tmp_path):
    """Each on its own share: what it would learn from these rows of pandas."""
    path = write(tmp_path, "parquet")
    rows = slice(500, None)
    batches = fn.read_batches(path, "price", share=(1, 2), columns=["size"], batch_size=100, shuffle=False)
    x = FRAME["size"].to_numpy(np.float32)[rows, None]
    y = FRAME["price"].to_numpy(np.float32)[rows]

    def net():
        return fn.Sequential([fn.Dense(4, "tanh"), fn.Dense(1)], 1, seed=0)

    dealt, whole = net(), net()
    dealt.fit(batches, epochs=3, loss="squared_error", optimizer="adam")
    whole.fit(x, y, epochs=3, batch_size=50, shuffle=False, loss="squared_error", optimizer="adam")
    np.testing.assert_array_equal(dealt.params, whole.params)
    models = [fn.MLPRegressor(hidden_layer_sizes=(4,), random_state=0, shuffle=False, batch_size=50) for _ in range(2)]
    for part in batches:
        models[0].partial_fit(*part)
    for start in range(0, len(x), 50):
        models[1].partial_fit(x[start : start + 50], y[start : start + 50])
    np.testing.assert_array_equal(models[0].predict(x), models[1].predict(x))


def test_a_process_reads_the_row_groups_of_its_rows_alone(tmp_path, monkeypatch):
    path = write(tmp_path, "parquet")  # groups of 90
    read = []
    from fastnn.data.table_files import ParquetFile

    frames = ParquetFile.frames

    def counted(self, part, names, texts):
        read.append(part.group.row_groups[0].id)
        return frames(self, part, names, texts)

    learned = fn.read_batches(path, "price", **OPTIONS).encoder
    monkeypatch.setattr(ParquetFile, "frames", counted)
    options = {"encoder": learned, "weight": "share", "share": (1, 4), "batch_size": 100}
    batches = fn.read_batches(path, "price", **options)
    assert read == []  # an encoder that has learnt goes through nothing
    assert sum(len(x) for x, *_ in batches) == 250
    assert sorted(read) == [2, 3, 4, 5]  # rows 250 to 499


def test_an_encoder_that_has_learnt_counts_the_rows_of_csv(tmp_path):
    path = write(tmp_path, "mixed")
    learned = fn.read_batches(path, "price", **OPTIONS).encoder
    batches = fn.read_batches(path, "price", encoder=learned, weight="share", share=(2, 3), batch_size=100)
    assert (batches.rows, batches.share) == (333, (2, 3))
    assert sum(len(x) for x, *_ in batches) == 333


def test_lines_that_are_no_rows_are_not_counted(tmp_path):
    """Line breaks within quotes, empty lines, and a last line without an end, as pandas reads them."""
    path = tmp_path / "t.csv"
    path.write_text('text,a,y\n"one\ntwo",1,2\n\nx,2,3\n\n"q ""uoted"",\n\n",3,4\nx,4,5')
    frame = pd.read_csv(path)
    assert len(frame) == 4
    shares = [
        fn.read_batches(path, "y", columns=["a"], share=(rank, 2), batch_size=2, shuffle=False) for rank in range(2)
    ]
    assert [x[:, 0].tolist() for batches in shares for x, _ in batches] == [[1.0], [2.0], [3.0], [4.0]]


def test_a_file_that_shrank_is_no_shorter_epoch(tmp_path):
    """Others would wait for batches that this process no longer has."""
    path = write(tmp_path, "csv")
    batches = fn.read_batches(path, "price", share=(1, 2), **OPTIONS)
    write(tmp_path, "csv", FRAME[:900])
    with pytest.raises(ValueError, match=r"t\.csv as it was when its rows were counted, got fewer rows"):
        list(batches)


def test_memory_holds_a_buffer_however_large_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr("fastnn.data.table_files._STRETCH", 1 << 13)
    rows, width = 400_000, 10
    frame = pd.DataFrame(RANDOM.standard_normal((rows, width)).astype(np.float32), columns=list("abcdefghij"))
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=20_000)
    batches = fn.read_batches(tmp_path / "t.parquet", "a", share=(1, 2), batch_size=512, buffer_rows=8192)
    del frame
    tracemalloc.start()
    seen = sum(len(x) for x, _ in batches)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seen == rows // 2
    assert peak < rows // 2 * width * 4 / 2  # half of what its rows take


@pytest.mark.parametrize(
    ("share", "error", "message"),
    [
        (2, TypeError, r"expected share to be \(rank, size\) such as \(0, 4\), got 2"),
        ((0, 1, 2), TypeError, r"expected share to be \(rank, size\)"),
        ((0.0, 2), TypeError, "the rank in share, of 2 processes, to be an integer"),
        ((0, True), TypeError, "the size in share to be an integer"),
        ((0, 0), ValueError, "the size in share of at least 1, got 0"),
        ((-1, 2), ValueError, "the rank in share, of 2 processes, of at least 0, got -1"),
        ((2, 2), ValueError, "the rank in share, of 2 processes, of at most 1, got 2"),
        ((0, 33), ValueError, "at least one row for each of 33, got 32"),
    ],
)
def test_refusals(share, error, message, tmp_path):
    with pytest.raises(error, match=f"read_batches: expected .*{message}|read_batches: {message}"):
        fn.read_batches(write(tmp_path, "csv"), "price", share=share)


def test_fewer_rows_than_processes(tmp_path):
    path = write(tmp_path, "csv", FRAME[:3])
    with pytest.raises(ValueError, match="read_batches: expected at least one row for each of 4 processes, got 3"):
        fn.read_batches(path, "price", columns=["size"], share=(0, 4))


def test_it_says_whose_it_is(tmp_path):
    batches = fn.read_batches(write(tmp_path, "csv"), "price", columns=["size"], share=(1, 3))
    assert repr(batches) == "TableBatches(333 rows of 1 features, batch_size=32, share=(1, 3))"
