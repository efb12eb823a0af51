"""Tables written as text and by pandas, read into arrays."""

import gzip

import numpy as np
import pytest

from fastnn.data import TableEncoder, read_table

pd = pytest.importorskip("pandas")

TEXT = "size,colour,new,price\n1.5,red,True,10\n2,blue,False,20\n3,red,True,30\n"


@pytest.fixture
def csv(tmp_path):
    def write(text, name="data.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_csv_by_hand(csv):
    table = read_table(csv(TEXT), "price")
    assert table.feature_names == ["size", "colour=blue", "colour=red", "new"]
    assert table.X.tolist() == [[1.5, 0, 1, 1], [2, 1, 0, 0], [3, 0, 1, 1]]
    assert table.X.dtype == np.float64
    assert table.y.tolist() == [10, 20, 30]
    assert table.y.dtype == np.int64
    assert (table.target_name, table.columns) == ("price", ["size", "colour", "new"])
    assert table.categories == {"colour": ["blue", "red"]}


def test_commas_at_the_end_of_rows(csv):
    table = read_table(csv("a,y\n1,2,\n3,4,\n"), "y")
    assert (table.X.tolist(), table.y.tolist()) == ([[1], [3]], [2, 4])


def test_kinds_of_targets(csv):
    path = csv(TEXT)
    assert read_table(path, "colour").y.tolist() == ["red", "blue", "red"]
    assert read_table(path, "colour").y.dtype.kind == "U"
    assert read_table(path, "new").y.dtype == np.bool_
    assert read_table(path, "size").y.dtype == np.float64
    assert read_table(path, None).y is None
    assert read_table(path, None).columns == ["size", "colour", "new", "price"]


def test_columns_in_the_order_asked_for(csv):
    table = read_table(csv(TEXT), None, columns=["price", "size"])
    assert table.X.tolist() == [[10, 1.5], [20, 2], [30, 3]]


@pytest.mark.parametrize("name", ["data.tsv", "data.csv.gz", "data.parquet"])
def test_other_files_give_the_same(csv, tmp_path, name):
    expected = read_table(csv(TEXT), "price")
    path = tmp_path / name
    if name.endswith(".tsv"):
        path.write_text(TEXT.replace(",", "\t"))
    elif name.endswith(".gz"):
        path.write_bytes(gzip.compress(TEXT.encode()))
    else:
        pytest.importorskip("pyarrow")
        frame = pd.DataFrame({"size": [1.5, 2, 3], "colour": pd.Categorical(["red", "blue", "red"])})
        frame["new"], frame["price"] = [True, False, True], pd.array([10, 20, 30], dtype="Int64")
        frame.to_parquet(path)
    table = read_table(path, "price")
    assert table.X.tolist() == expected.X.tolist()
    assert (table.y.tolist(), table.y.dtype) == (expected.y.tolist(), expected.y.dtype)
    assert table.categories == expected.categories


def test_prediction_reads_as_training_did(csv):
    train = read_table(csv("code,n,y\n01,1,0\nx,2,1\n1,3,0\n"), "y", encoder=TableEncoder(kinds={"code": "category"}))
    assert train.categories == {"code": ["01", "1", "x"]}
    test = read_table(csv("n,y,code\n7,0,01\n8,0,1\n"), None, columns=train.columns, categories=train.categories)
    assert test.X.tolist() == [[1, 0, 0, 7], [0, 1, 0, 8]]  # "01" stays a text though the column looks like numbers
    assert test.feature_names == train.feature_names


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a,y\n1,\n2,3\n", {}, "column 'y' has 1 missing values in 2 rows in .*; fill them or drop"),
        ("a,y\n,1\n,3\n4,5\n", {}, "column 'a' has 2 missing values in 3 rows in .*; impute='median' fills them"),
        ("a,y\n1,1\ninf,3\n", {}, "column 'a' has 1 infinite values"),
        ("a,y\n1,1.5\n2,inf\n", {}, "column 'y' has 1 infinite values"),
        ("a,b\n1,2\n", {}, "no column 'y' in .*; it has a, b"),
        ("a,y\n1,2\n", {"columns": ["c"]}, "no column 'c'"),
        ("a,y\n1,2\n", {"columns": ["a", "y"]}, "expected 'y' not to be among the feature columns"),
        ("a,y\n", {}, "at least one row and one feature column"),
        ("y\n1\n", {}, "at least one row and one feature column"),
        ("", {}, "cannot parse"),
        ("a,y\n1,2\n1,2,3\n", {}, "cannot parse"),
        ("a,y\n1,2,3\n4,5,6\n", {}, "more fields than the first row has names"),
        ("a,y\nred,1\n", {"categories": {"a": ["blue"]}}, "column 'a' has the unknown category 'red'; known: blue"),
        ("a,y\nred,1\n", {"categories": {}}, "expected numbers in column 'a', as in the training data, .* 'red'"),
        ("a,y\n" + "".join(f"t{n},1\n" for n in range(257)), {}, "column 'a' has 257 different texts, more than 256"),
    ],
)
def test_refusals(csv, text, options, message):
    with pytest.raises(ValueError, match=f"read_table: .*{message}"):
        read_table(csv(text), "y", **options)


def test_kinds_that_are_no_numbers(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "data.parquet"
    pd.DataFrame({"list": [[1, 2], [3]], "y": [1, 2]}).to_parquet(path)
    with pytest.raises(ValueError, match="expected numbers, booleans, texts, dates or times in column 'list', got"):
        read_table(path, "y")


@pytest.mark.parametrize("name", ["data.csv.gz", "data.parquet", "data.csv"])
def test_alien_content(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\xff\xfe\x00\x01 no table at all")
    with pytest.raises(ValueError, match=r"read_table: (cannot parse|expected)"):
        read_table(path, None)


def test_alien_name_and_missing_file(tmp_path):
    with pytest.raises(ValueError, match=r"read_table: expected a file ending in .csv, .* got 'data.xlsx'"):
        read_table(tmp_path / "data.xlsx", "y")
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "data.csv", "y")
