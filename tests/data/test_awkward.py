"""Some seventy awkward tables through both readers, train and predict: read right, or refused with a way out."""

import re
from contextlib import nullcontext

import numpy as np
import pytest

import fastnn as fn
from fastnn.cli import main

pytest.importorskip("pandas")
pytest.importorskip("pyarrow")
awkward = pytest.importorskip("helpers.awkward")
CASES, CLEAN, FEATURES, PRICE, Case = (
    awkward.CASES, awkward.CLEAN, awkward.FEATURES, awkward.PRICE, awkward.Case,
)  # fmt: skip

pytestmark = pytest.mark.filterwarnings("ignore:read_(table|batches). column 'id' has another value")


def read_both(case, path, encoder=None):
    """X, y and names of the two readers, which agree."""
    table = fn.read_table(path, "price", encoder=encoder, **case.reading)
    batches = fn.read_batches(path, "price", encoder=encoder, shuffle=False, dtype="float64", **case.reading)
    x, y = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    assert batches.feature_names == table.feature_names
    np.testing.assert_array_equal(x, table.X)
    np.testing.assert_array_equal(y, table.y)
    assert y.dtype == table.y.dtype
    return table.X, table.y, table.feature_names


def as_arguments(case, options):
    """Options of the encoder and of the reading as those of the command line."""
    names = {"na_values": "na", "date_format": "date-format"}
    result = [f"--{name}={value}" for name, value in case.reading.items()]
    for name, value in options.items():
        if name == "kinds":
            result += [f"--kind={column}={kind}" for column, kind in value.items()]
        else:
            values = value if isinstance(value, list) else [value]
            result += [f"--{names.get(name, name)}={one}" for one in values]
    return result


def predicted(folder, path, arguments, capsys):
    """What a network answers after one epoch on a file; None, and the sentence, where it is refused."""
    model, out = str(folder / "m.safetensors"), str(folder / "p.npz")
    argv = ["train", str(path), "--target", "price", "--regression", "--epochs", "1", "--out", model, *arguments]
    status = main(argv)
    captured = capsys.readouterr()
    if status:
        assert captured.err.count("\n") == 1
        return None, captured.err
    assert main(["predict", model, str(path), "--out", out]) == 0
    with np.load(out) as arrays:
        return arrays["prediction"], capsys.readouterr().out


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_readers_train_and_predict(case, tmp_path, capsys):
    path = case.path(tmp_path)
    encoder = None
    if case.error:
        plain = Case(case.name, None)
        for reader in (fn.read_table, fn.read_batches):
            with pytest.raises(ValueError, match=case.error) as refused:
                reader(path, "price", **plain.reading)
            assert "\n" not in str(refused.value)
        nothing, sentence = predicted(tmp_path, path, [], capsys)
        assert nothing is None
        assert re.search(case.error, sentence)
        assert case.way_out in sentence
    if case.error is not None:
        if case.options is None:
            return
        encoder = fn.TableEncoder(**case.options)
    elif case.warning:
        with pytest.warns(UserWarning, match=case.warning):
            fn.read_table(path, "price")
    X, y, names = read_both(case, path, encoder)
    assert names == list(case.features)
    expected = np.column_stack([np.asarray(values, dtype=np.float64) for values in case.features.values()])
    np.testing.assert_allclose(X, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(y, case.target)
    answers, _ = predicted(tmp_path, path, as_arguments(case, case.options or {}), capsys)
    assert answers is not None
    clean = tmp_path / "clean"
    clean.mkdir()
    whole = fn.read_table(Case("", CLEAN, "t.parquet").path(clean), "price")
    if (
        names == list(FEATURES) and np.array_equal(X, whole.X) and np.array_equal(y, PRICE)
    ):  # then the network is that of the clean file, to the bit
        np.testing.assert_array_equal(answers, predicted(tmp_path, clean / "t.parquet", [], capsys)[0])


def test_there_are_many():
    assert len(CASES) >= 70
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("reader", ["table", "batches"])
def test_a_text_after_thousands_of_numbers(reader, tmp_path):
    """A file is read some thousand rows at a time: what its first rows hold does not decide."""
    path = tmp_path / "t.csv"
    path.write_text("code,y\n" + "".join(f"0{i % 3},{i % 5}\n" for i in range(9000)) + "?,1\n" * 5)
    read = fn.read_table if reader == "table" else fn.read_batches
    with nullcontext(), pytest.raises(ValueError, match="column 'code' has texts of which 9000 of 9005 are numbers"):
        read(path, "y")
    found = read(path, "y", encoder=fn.TableEncoder(kinds={"code": "category"}))
    assert found.categories == {"code": ["00", "01", "02", "?"]}
