"""Tables in files and in memory, one rule after the other: each test fails if its rule is left out."""

import gzip

import numpy as np
import pytest

import fastnn as fn
from fastnn.data.table import first_rows, read_frame

pd = pytest.importorskip("pandas")

NOISE = np.random.default_rng(0).bytes(4000).hex().encode()


def names_of(folder, name, content, **options):
    """The features of a file with that content."""
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return fn.read_table(folder / name, None, **options).feature_names


# ---- in memory ------------------------------------------------------------------------------------------------------


def test_numbers_with_marks_in_frames():
    frame = pd.DataFrame({"a": ["1.234,5", "2.000,25", "7"], "b": ["0,5", "1", "12.345.678"]})
    found = fn.TableEncoder(decimal=",", thousands=".").fit_transform(frame)
    assert found.tolist() == [[1234.5, 0.5], [2000.25, 1], [7, 12345678]]


def test_marks_decide_what_may_be_read_in_two_ways():
    written = {"a": ["1.234", "2.000", "7.500"]}
    assert fn.TableEncoder(thousands=".").fit_transform(written).tolist() == [[1234], [2000], [7500]]
    assert fn.TableEncoder(decimal=".").fit_transform(written).tolist() == [[1.234], [2], [7.5]]


def test_frames_stay_as_they_are():
    frame = pd.DataFrame({0: [1.0, 2.0, 7.0], 1: [4.0, 3.0, 7.0]}, index=[5, 6, 9])
    encoder = fn.TableEncoder().fit(frame)
    assert encoder.get_feature_names_out().tolist() == ["0", "1"]
    assert (list(frame.columns), list(frame.index)) == ([0, 1], [5, 6, 9])
    np.testing.assert_array_equal(encoder.transform(frame), frame.to_numpy())


def test_tables_of_all_kinds():
    rows = np.array([[1.0, 5.0], [2.0, 3.0], [7.0, 9.0]])
    columns = {"p": rows[:, 0].tolist(), "q": rows[:, 1].tolist()}
    for table in (columns, [{"p": p, "q": q} for p, q in rows], tuple({"p": p, "q": q} for p, q in rows)):
        encoder = fn.TableEncoder().fit(table)
        assert encoder.get_feature_names_out().tolist() == ["p", "q"]
        np.testing.assert_array_equal(encoder.transform(table), rows)
    assert fn.TableEncoder().fit(rows).get_feature_names_out().tolist() == ["x0", "x1"]
    for refused, shape in ((rows[0], r"\(2,\)"), (rows[None], r"\(1, 3, 2\)")):
        with pytest.raises(TypeError, match=rf"TableEncoder: expected a table .* got ndarray of shape {shape}"):
            fn.TableEncoder().fit(refused)


@pytest.mark.parametrize("values", [[" u", "v", "u ", None], ["u", 1, True, "1"], ["u", 1.0, np.nan, "True"]])
def test_texts_are_looked_at_one_by_one_or_together(values):
    """Blanks around them go, gaps stay gaps, and 1, True and "1" are what they are written as."""
    written = [None if value is None or value != value else str(value).replace("1.0", "1").strip() for value in values]
    encoder = fn.TableEncoder(impute="most_frequent", kinds={"t": "category"}).fit({"t": values * 3})
    expected = sorted({text for text in written if text is not None})
    assert encoder.get_feature_names_out().tolist()[: len(expected)] == [f"t={text}" for text in expected]
    found = encoder.transform({"t": values})
    for row, text in zip(found, written, strict=True):
        if text is not None:
            assert row[: len(expected)].tolist() == [text == one for one in expected]


def test_categories_that_no_row_has_may_be_anything():
    column = pd.Categorical(["u", "v", "u"], categories=["u", "v", (1, 2)])
    assert fn.TableEncoder().fit({"c": column}).transform({"c": column}).tolist() == [[1, 0], [0, 1], [1, 0]]
    with pytest.raises(ValueError, match="in column 'c', got a tuple in row 1; turn it into text"):
        fn.TableEncoder().fit({"c": pd.Categorical(["u", (1, 2), "u"])})


# ---- CSV ------------------------------------------------------------------------------------------------------------


SEPARATED = {
    "T.TSV": ("a,x\tb\n1\t2\n4\t3\n", ["a,x", "b"]),
    "t.tsv.gz": (gzip.compress(b"a,x\tb\n1\t2\n4\t3\n"), ["a,x", "b"]),
    "T.CSV.GZ": (gzip.compress(b"a|b\n1|2\n4|3\n"), ["a", "b"]),
    "more semicolons.csv": ("a;b|x;c\n1;2;3\n4;3;5\n", ["a", "b|x", "c"]),
    "more bars.csv": ("a|b|x;c\n1|2|3\n4|3|5\n", ["a", "b", "x;c"]),
    "tabs.csv": ("a\tb\n1\t2\n4\t3\n", ["a", "b"]),
    "blanks.csv": (" a , b\n1,2\n4,3\n", ["a", "b"]),
    "gaps as names.csv": ("NA,null\n1,2\n4,3\n", ["NA", "null"]),
}


@pytest.mark.parametrize("name", SEPARATED)
def test_names_and_separators(tmp_path, name):
    content, expected = SEPARATED[name]
    assert names_of(tmp_path, name, content) == expected


def test_a_separator_that_is_given_is_the_one(tmp_path):
    assert names_of(tmp_path, "a.csv", "a;b\n1\n4\n", sep="|") == ["a;b"]
    with pytest.raises(ValueError, match="expected sep to be one character, got '::'"):
        names_of(tmp_path, "a.csv", "a::b\n1::2\n", sep="::")


def test_a_column_without_a_name_is_called_by_its_place(tmp_path):
    with pytest.raises(ValueError, match="column 'Unnamed: 1' has values and no name"):
        names_of(tmp_path, "a.csv", "a,,b\n1,5,2\n4,7,3\n")


def test_marks_and_gaps(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a;b;c\n1.234,5;x;1\n-;y;2\n2.000,25;NA;n/a?\n7;x;7\n")
    encoder = fn.TableEncoder(decimal=",", thousands=".", na_values="-", impute="mean", other=1)
    table = fn.read_table(path, None, columns=["a"], encoder=encoder)
    np.testing.assert_allclose(table.X[:, 0], [1234.5, 3241.75 / 3, 2000.25, 7])
    assert not hasattr(encoder, "columns_")  # the caller's stays as it is
    several = fn.TableEncoder(na_values=["-", "n/a?"], impute="mean")
    np.testing.assert_allclose(fn.read_table(path, None, columns=["c"], encoder=several).X[:, 0], [1, 2, 10 / 3, 7])


def test_a_row_with_more_fields_than_names_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"cannot parse .*a\.csv: Error tokenizing .* line 3"):
        names_of(tmp_path, "a.csv", "a,b\n1,2\n4,3,5\n")
    with pytest.raises(ValueError, match=r"b\.csv: a row has more fields than the first row has names"):
        names_of(tmp_path, "b.csv", "a,b\n1,2,9\n4,3,5\n")


BROKEN = {
    "short.csv.gz": (gzip.compress(NOISE)[:2000], "ended before"),
    "plain.csv.gz": (b"no gzip at all", "Not a gzipped file"),
    "torn.csv.gz": (gzip.compress(NOISE)[:10] + b"\xff" * 30, "while decompressing"),  # no block is of type 3
    "empty.csv": (b"", "No columns"),
    "a.parquet": (b"PAR1 no", "Parquet"),
    "latin.csv": ("a,b\né,2\nb,3\n".encode("latin-1"), "as utf-8: .*encoding='latin-1'"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_named(tmp_path, name):
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    content, said = BROKEN[name]
    with pytest.raises(ValueError, match=rf"read_table: cannot parse .*{name}.*{said}"):
        names_of(tmp_path, name, content)


def test_encodings(tmp_path):
    with pytest.raises(ValueError, match="unknown encoding 'klingon'"):
        names_of(tmp_path, "a.csv", "a,b\n1,2\n", encoding="klingon")
    assert names_of(tmp_path, "a.csv", "größe,b\n1,2\n4,3\n".encode("utf-16"), encoding="utf-16") == ["größe", "b"]


# ---- Parquet --------------------------------------------------------------------------------------------------------


def test_categories_index_and_row_groups(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"c": pd.Categorical([3, 4, 3, 4]), "x": [1.0, 2.0, 4.0, 9.0]})
    frame.to_parquet(tmp_path / "c.parquet", row_group_size=3)
    assert fn.read_table(tmp_path / "c.parquet", "x").feature_names == ["c=3", "c=4"]
    assert fn.read_table(tmp_path / "c.parquet", None, columns=["x"]).feature_names == ["x"]
    assert fn.read_batches(tmp_path / "c.parquet", "x").rows == 4
    frame = pd.DataFrame({"c": [3, 1, 2, 7], "x": [1.0, 2.0, 4.0, 9.0]})
    for index in (pd.Index([10, 11, 30, 12], name="when"), pd.RangeIndex(4), pd.Index([4, 4, 1, 2])):
        frame.set_index(index).to_parquet(tmp_path / "i.parquet")
        assert fn.read_table(tmp_path / "i.parquet", "x").feature_names == ["c"]
    frame[:0].to_parquet(tmp_path / "none.parquet")
    with pytest.raises(ValueError, match=r"read_batches: expected at least one row, got none in .*none\.parquet"):
        fn.read_batches(tmp_path / "none.parquet", "x")


# ---- several files, and how tables are asked for --------------------------------------------------------------------


def test_files_that_differ(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n4,3\n")
    (tmp_path / "b.csv").write_text("a,c\n1,2\n4,3\n")
    with pytest.raises(ValueError, match=r"expected one column 'b' in .*b\.csv, got no; it has a, c"):
        fn.read_batches([tmp_path / "a.csv", tmp_path / "b.csv"], "a")
    (tmp_path / "c.csv").write_text("a,b,b\n1,2,2\n4,3,3\n")
    with pytest.raises(ValueError, match=r"expected one column 'b' in .*c\.csv, got 2 times"):
        fn.read_batches([tmp_path / "a.csv", tmp_path / "c.csv"], "a")
    (tmp_path / "d.csv").write_text("a,b\n1,\n4,3\n")
    with pytest.raises(ValueError, match=r"missing values.*d\.csv"):
        fn.read_batches([tmp_path / "a.csv", tmp_path / "d.csv"], "a")
    with pytest.raises(ValueError, match="expected at least one file, got none"):
        fn.read_batches([], "a")
    with pytest.raises(ValueError, match=r"expected a file ending in \.csv, .*got 'a\.xlsx'"):
        fn.read_table(tmp_path / "a.xlsx", "a")


def test_targets_and_encoders(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b,c\n1,2,5\n4,3,6\n7,3,1\n")
    table = fn.read_table(path, "c")
    again = fn.read_table(path, "c", encoder=table.encoder)
    np.testing.assert_array_equal(again.X, table.X)
    with pytest.raises(ValueError, match="expected the target 'b' not to be among the feature columns"):
        fn.read_table(path, "b", encoder=table.encoder)
    other = fn.read_table(path, "b", columns=["a"]).encoder
    assert fn.read_table(path, "c", encoder=other).y.tolist() == [5, 6, 1]
    for options in ({"columns": ["a"]}, {"categories": {}}):
        with pytest.raises(ValueError, match="expected an encoder, or columns and categories, got both"):
            fn.read_table(path, "c", encoder=table.encoder, **options)
    with pytest.raises(ValueError, match="expected an encoder, or columns and categories, got both"):
        fn.read_table(path, "c", encoder=fn.TableEncoder(), categories={})
    assert fn.read_table(path, "c", encoder=fn.TableEncoder(), columns=["b"]).feature_names == ["b"]
    with pytest.raises(TypeError, match="expected encoder to be a TableEncoder, got str"):
        fn.read_table(path, "c", encoder="auto")
    (tmp_path / "none.csv").write_text("a,b,c\n")
    for read in (lambda: fn.read_table(tmp_path / "none.csv", "c", encoder=table.encoder),
                 lambda: read_frame(tmp_path / "none.csv", table.encoder)):  # fmt: skip
        with pytest.raises(ValueError, match=r"expected at least one row in .*none\.csv, got none"):
            read()


def test_a_frame_of_many_rows_is_numbered_throughout(tmp_path):
    """Of more rows than are read at a time."""
    frame = pd.DataFrame({"a": np.random.default_rng(0).normal(size=9000).round(3), "b": 1.5})
    frame.iloc[0, 1] = 2
    frame.to_csv(tmp_path / "a.csv", index=False)
    encoder = fn.read_table(tmp_path / "a.csv", None).encoder
    found = read_frame(tmp_path / "a.csv", encoder)
    assert list(found.index) == list(range(9000))
    np.testing.assert_array_equal(found["a"], frame["a"])


def test_what_a_notebook_shows(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b,c\n1,2,5\n4,3,6\n7,3,1\n")
    page = str(first_rows(fn.read_table(path, "c"), columns=2))
    assert ">c<" in page
    assert "Table of 3 rows and 2 features<" in page
    page = str(first_rows(fn.read_table(path, None), columns=2))
    assert ">c<" not in page
    assert "Table of 3 rows and 3 features, the first 2<" in page
