"""The files that ``export_c`` writes: what is in them, what their self test finds, what is refused."""

import os
import re
import shutil
import subprocess

import numpy as np
import pytest
from helpers import c_code

import fastnn as fn
from fastnn.formats.c import text
from fastnn.formats.c.functions import FUNCTIONS


def network(**options):
    """A network with constants of many kinds."""
    layers = [fn.LSTM(6, peepholes=True), fn.BatchNorm(), fn.Dense(9, "tanh"), fn.LayerNorm(), fn.Dense(2)]
    net = fn.Sequential(layers, input_shape=(4, 3), seed=0, **options)
    rng = np.random.default_rng(0)
    for name, view in net.named_parameters():
        view[...] = rng.normal(size=view.shape) / np.sqrt(len(view))
        if name.endswith("variance"):
            view[...] = np.abs(view) + 0.5
    return net


def renamed(folder, old, new, change=lambda source: source):
    """A copy of an exported network under another name, its source changed."""
    for suffix in ("c", "h"):
        written = (folder / f"{old}.{suffix}").read_text()
        written = change(written) if suffix == "c" else written
        (folder / f"{new}.{suffix}").write_text(
            written.replace(old.upper(), new.upper()).replace(f"{old}_", f"{new}_").replace(f"{old}.h", f"{new}.h")
        )


# ---- the self test --------------------------------------------------------------------------------------------------


@c_code.needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "int8", "float64"])
def test_the_self_test_finds_a_changed_number_in_every_array(dtype, tmp_path):
    scaled = fn.Standardizer().fit(np.random.default_rng(1).normal(5, 3, (100, 4, 3)))
    report = network().export_c(tmp_path / "good.c", dtype=dtype, standardizer=scaled)
    source = (tmp_path / "good.c").read_text()
    tested = source.index("#ifdef GOOD_SELFTEST")
    arrays = [m for m in re.finditer(r"static const [\w ]+ (\w+)\[\d+\] = \{\n", source) if m.start() < tested]
    assert len(arrays) >= 14
    renamed(tmp_path, "good", "same")
    names = ["good", "same"]
    for i, found in enumerate(arrays):
        end = source.index("};", found.end())
        numbers = re.split(r",\s+", source[found.end() : end].strip())
        largest = max(range(len(numbers)), key=lambda k: abs(float(numbers[k].rstrip("f"))))
        changed = float(numbers[largest].rstrip("f")) * (1.01 if "values" not in found[1] else 0.9)
        numbers[largest] = (
            f"{changed:.0f}" if "values" in found[1] else f"{changed:.7g}" + "f" * (numbers[0][-1] == "f")
        )
        spoilt = source[: found.end()] + ", ".join(numbers) + source[end:]
        renamed(tmp_path, "good", f"bad{i}", lambda _, spoilt=spoilt: spoilt)
        names.append(f"bad{i}")
    status, said = c_code.selftests(tmp_path, names, "c99")
    assert status == 0
    complaints = dict(line.split(": ") for line in said.splitlines())
    assert sorted(complaints) == sorted(names[2:]), {i: arrays[int(i[3:])][1] for i in set(names[2:]) - set(complaints)}
    assert report.tolerance[0] < 1e-4


@c_code.needs_compiler
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e4])
def test_small_faults_are_found_however_large_the_numbers_between(scale, tmp_path):
    """One weight off by a thousandth, and another activation; the layer after the first undoes its scale."""
    net = fn.Sequential([fn.Dense(32, "relu"), fn.Dense(32, "tanh"), fn.Dense(3)], input_shape=16, seed=0)
    net.layers[0].weight *= scale
    net.layers[1].weight /= scale
    report = net.export_c(tmp_path / "good.c")
    source = (tmp_path / "good.c").read_text()
    faults = {"tanh": lambda source: source.replace("tanhf(z)", "atanf(z)")}
    faults["relu"] = lambda source: source.replace("z < 0.0f ? 0.0f : z", "z < 0.0f ? 0.01f * z : z")
    for layer in (1, 2, 3):

        def spoil(source, layer=layer):
            found = re.search(rf"good_dense_{layer}_weight\[\d+\] = {{\n", source)
            end = source.index("}", found.end())
            numbers = re.split(r",\s+", source[found.end() : end].strip())
            place = max(range(len(numbers)), key=lambda k: abs(float(numbers[k].rstrip("f"))))
            numbers[place] = f"{float(numbers[place].rstrip('f')) * 1.001:.9e}f"
            return source[: found.end()] + ", ".join(numbers) + source[end:]

        faults[f"weight{layer}"] = spoil
    for name, change in faults.items():
        assert change(source) != source, name
        renamed(tmp_path, "good", name, change)
    renamed(tmp_path, "good", "same")
    status, said = c_code.selftests(tmp_path, ["good", "same", *faults], "c99")
    assert status == 0
    assert sorted(line.split(": ")[0] for line in said.splitlines()) == sorted(faults)
    assert 1e-6 < report.tolerance[0] < 5e-5


@c_code.needs_compiler
def test_the_program_of_the_self_test(tmp_path):
    network().export_c(tmp_path / "policy.c", "p")
    for language in ("c99", "c11", "c++98", "c++17"):
        program = c_code.build(
            language, [tmp_path / "policy.c"], tmp_path / "test", "-DP_SELFTEST", "-O2", *c_code.SANITIZE
        )
        assert c_code.execute(program) == (0, "p: 0 of 8 rows wrong\n")
    source = (tmp_path / "policy.c").read_text()
    (tmp_path / "policy.c").write_text(re.sub(r"(p_dense_2_bias\[2\] = \{\s+)", r"\g<1>1.0f + ", source))
    program = c_code.build("c99", [tmp_path / "policy.c"], tmp_path / "test", "-DP_SELFTEST")
    assert c_code.execute(program) == (1, "p: 8 of 8 rows wrong\n")


def test_rows_of_the_user_and_none(tmp_path):
    net = fn.Sequential([fn.Dense(2)], input_shape=3, seed=0)
    x = np.arange(300.0).reshape(100, 3)
    net.export_c(tmp_path / "a.c", rows=x)
    assert "a_rows_x[96] = {\n    0.0f, 1.0f, 2.0f, 3.0f" in (tmp_path / "a.c").read_text()  # 32 of them
    net.export_c(tmp_path / "a.c", selftest=False)
    written = (tmp_path / "a.c").read_text() + (tmp_path / "a.h").read_text()
    assert "SELFTEST" not in written
    assert "a_rows" not in written


# ---- what is written ------------------------------------------------------------------------------------------------


def test_parts_that_never_reach_the_table():
    """Residual and Bidirectional need no row: a network never holds them."""
    x = fn.Input((3, 4))
    y = fn.Bidirectional(fn.GRU(2))(fn.Residual([fn.Dense(4)])(x))
    kinds = {type(layer) for layer in fn.Network(x, y, seed=0).structure.layers}
    assert kinds == {fn.Dense, fn.Add, fn.GRU, fn.Concatenate}


@c_code.needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_the_object_file_holds_no_state_and_needs_only_mathematics(dtype, tmp_path):
    if shutil.which("nm") is None:
        pytest.skip("no nm")
    network().export_c(tmp_path / "n.c", dtype=dtype)
    compiled = c_code.build("c99", [tmp_path / "n.c"], tmp_path / "n.o", "-c", "-O0", "-fno-pic")
    listed = subprocess.run(["nm", "-P", str(compiled)], capture_output=True, text=True, check=True).stdout
    kinds = {}
    for line in listed.splitlines():
        name, kind, *_ = line.split()
        kinds.setdefault(kind, set()).add(name)
    assert set(kinds) <= {
        "T",
        "t",
        "r",
        "R",
        "U",
    }  # code, constants, and what comes from elsewhere: nothing to write to
    assert kinds["T"] == {"n_run"}
    assert kinds["U"] <= {"expf", "tanhf", "sqrtf", "_GLOBAL_OFFSET_TABLE_"}


@c_code.needs_compiler
def test_the_header_alone(tmp_path):
    notes = '*/ int x; /* ??/\n"quoted" \\\nnaïve \u202e'
    network().export_c(tmp_path / "n.c", notes=notes)
    (tmp_path / "user.c").write_text(
        '#include "n.h"\n#include "n.h"\nint size(void);\nint size(void) { return N_X_SIZE; }\n'
    )
    for language in ("c99", "c++98"):
        c_code.build(language, [tmp_path / "user.c"], tmp_path / "user.o", "-c")
    head = (tmp_path / "n.h").read_text()
    for part in (
        "#define N_X_SIZE 12 /* (4, 3) */",
        "#define N_Y_SIZE 2 /* (2) */",
        "dense_1 = tanh(batchnorm_1 W + b)",
    ):
        assert part in head
    assert f"#define N_SCRATCH_BYTES {network().export_c(tmp_path / 'n.c').ram_bytes}\n" in head


def test_the_same_network_gives_the_same_files(tmp_path):
    for name in ("a", "b"):
        network().export_c(tmp_path / f"{name}.c", "net")
    for suffix in (".c", ".h"):
        first = (tmp_path / f"a{suffix}").read_text()
        assert first.replace("a.h", "b.h").replace("a.c", "b.c") == (tmp_path / f"b{suffix}").read_text()


def test_shared_weights_are_written_once(tmp_path):
    x, same = fn.Input(5), fn.Dense(5, "tanh")
    report = fn.Network(x, same(same(same(x))), seed=0).export_c(tmp_path / "s.c")
    assert report.flash_bytes == 4 * 30
    assert (tmp_path / "s.c").read_text().count("static const float s_dense_1_weight[") == 1


def test_names_that_look_alike_do_not_share(tmp_path):
    """The layer x_recurrent has a weight, the layer x a recurrent_weight."""
    layers = [
        fn.SimpleRNN(4, name="x", return_sequences=True),
        fn.SimpleRNN(4, name="x_recurrent"),
        fn.Dense(4, name="x-recurrent"),
    ]
    net = fn.Sequential(layers, input_shape=(2, 4), seed=0)
    assert net.export_c(tmp_path / "s.c").flash_bytes == 4 * net.n_params
    names = re.findall(r"static const float (\w+)\[", (tmp_path / "s.c").read_text())
    assert len(names) == len(set(names)) == 8 + 2


@pytest.mark.parametrize(
    ("layers", "count"),
    [
        ([fn.Dense(4)], 0),  # into y
        ([fn.Dense(50, "tanh"), fn.Dense(4)], 50),
        ([fn.Dense(50, "tanh") for _ in range(20)] + [fn.Dense(4)], 100),
        ([fn.Dense(50), fn.LayerNorm(), fn.Activation("gelu"), fn.Reshape((5, 10)), fn.Flatten(), fn.Dense(4)], 50),
        ([fn.Dense(50), fn.Residual([fn.Dense(70), fn.Dense(50)]), fn.Dense(4)], 50 + 70 + 50),
    ],
)
def test_the_scratch_is_as_small_as_can_be(layers, count, tmp_path):
    net = fn.Sequential(layers, input_shape=8, seed=0)
    assert net.export_c(tmp_path / "s.c").ram_bytes == 4 * max(count, 1)


@c_code.needs_compiler
def test_what_is_no_index_gives_1(tmp_path):
    net = fn.Sequential([fn.Embedding(7, 3), fn.Flatten(), fn.Dense(2)], input_shape=2, seed=0)
    net.export_c(tmp_path / "e.c")
    run = c_code.library(tmp_path, ["e"]).e_run
    scratch, y = np.zeros(100, np.float32), np.zeros(2, np.float32)
    for value in (-1, 7, 0.5, 6.5, 1e30, -1e30, np.nan, np.inf):
        for x in ([0, value], [value, 0]):
            assert run(*map(c_code.pointer, (scratch, np.array(x, np.float32), y))) == 1
    for x in ([0, 6], [3, 3]):
        assert run(*map(c_code.pointer, (scratch, np.array(x, np.float32), y))) == 0
        np.testing.assert_allclose(y, net.predict_one(x), atol=1e-6)


def test_numbers_come_back_the_same():
    rng = np.random.default_rng(0)
    for dtype, whole in ((np.float32, np.uint32), (np.float64, np.uint64)):
        values = rng.integers(0, np.iinfo(whole).max, 5000, dtype=whole, endpoint=True).view(dtype)
        info = np.finfo(dtype)
        extremes = [0.0, -0.0, 1.0, -3.0, 1e5, 1e10, info.max, info.tiny, info.smallest_subnormal, 0.1]
        values = np.concatenate([values[np.isfinite(values)], np.array(extremes, dtype)])
        for value in values:
            written = text.number(float(value), np.dtype(dtype))
            assert re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?f?", written)
            assert re.search(r"[.e]", written)
            assert dtype(written.rstrip("f")).tobytes() == value.tobytes()


def test_every_function_is_in_the_language_of_the_network():
    for name, code in FUNCTIONS.items():
        single = text.written_for(code, "n", np.dtype(np.float32), "real")
        assert not re.search(
            r"\b(double|real|matrix|self_\w+)\b|\d\.\d+\b(?!f)|\b(exp|tanh|sqrt|floor|fabs)\(", single
        ), name
        assert f"n_{name}(" in single


# ---- what is refused ------------------------------------------------------------------------------------------------

CUSTOM = fn.Custom(np.tanh, lambda x, y, dy: dy * (1 - y * y), name="mine")


@pytest.mark.parametrize("layers", [[fn.Dense(2), CUSTOM], [fn.Dense(2, CUSTOM)]])
def test_code_is_refused(layers, tmp_path):
    with pytest.raises(ValueError, match=r"export_c: Custom 'mine' cannot be exported: its functions are Python"):
        fn.Sequential(layers, input_shape=3, seed=0).export_c(tmp_path / "a.c")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("9lives", ValueError, "C identifier"), ("a-b", ValueError, "C identifier"), ("", ValueError, "C identifier"),
        ("_a", ValueError, "C identifier"), ("é", ValueError, "C identifier"), ("a" * 64, ValueError, "C identifier"),
        ("int", ValueError, "keyword"), ("class", ValueError, "keyword"), ("restrict", ValueError, "keyword"),
        ("a__b", ValueError, "C\\+\\+ reserves"), ("a_", ValueError, "C\\+\\+ reserves"), (3, TypeError, "string"),
        ("a\n", ValueError, "C identifier"),
    ],
)  # fmt: skip
def test_names(name, kind, message, tmp_path):
    with pytest.raises(kind, match=message):
        network().export_c(tmp_path / "a.c", name)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"path": "a.h"}, ValueError, "ends in .c"),
        ({"path": "a-b.c"}, ValueError, "C identifier"),
        ({"path": 'a".c', "name": "a"}, ValueError, "plain file name"),
        ({"dtype": "float16"}, ValueError, "'float32', 'float64', 'int8'"),
        ({"dtype": 8}, ValueError, "'float32', 'float64', 'int8'"),
        ({"selftest": 1}, TypeError, "True or False"),
        ({"notes": 1}, TypeError, "notes to be a string"),
        ({"rows": np.zeros((2, 5))}, ValueError, "export_c: expected X of shape"),
        ({"rows": np.full((2, 4, 3), np.nan)}, ValueError, "finite"),
        ({"standardizer": 1}, TypeError, "to be a Standardizer"),
        ({"standardizer": fn.Standardizer()}, RuntimeError, "fitted"),
        ({"standardizer": fn.Standardizer().fit([[1.0, 2.0]])}, ValueError, r"one array of shape \(4, 3\)"),
        ({"target_standardizer": fn.Standardizer().fit([1.0])}, ValueError, r"one array of shape \(2,\)"),
    ],
)
def test_options(options, kind, message, tmp_path):
    options = {"path": "a.c", **options}
    path = tmp_path / options.pop("path")
    with pytest.raises(kind, match=message):
        network().export_c(path, **options)
    assert list(tmp_path.iterdir()) == []


def test_several_inputs_have_no_standardizer(tmp_path):
    x, y = fn.Input(2), fn.Input(2)
    net = fn.Network([x, y], fn.add(x, y), seed=0)
    with pytest.raises(ValueError, match="2 arrays"):
        net.export_c(tmp_path / "a.c", standardizer=fn.Standardizer().fit([[1.0, 2.0]]))


def test_what_is_not_finite(tmp_path):
    net = network()
    net.params[3] = np.nan
    with pytest.raises(ValueError, match="export_c: expected finite parameters"):
        net.export_c(tmp_path / "a.c")
    wide = fn.Sequential([fn.Dense(1)], input_shape=1, seed=0, dtype="float64")
    wide.params[:] = 1e300
    wide.export_c(tmp_path / "a.c")
    with pytest.raises(ValueError, match="finite parameters in float32"):
        wide.export_c(tmp_path / "b.c", dtype="float32")
    wide.params[:] = 1e308
    with pytest.raises(ValueError, match="finite answers"):
        wide.export_c(tmp_path / "b.c", rows=[[100.0]])
    assert not (tmp_path / "b.c").exists()
    assert not (tmp_path / "b.h").exists()


# ---- files ----------------------------------------------------------------------------------------------------------


def test_other_files_are_not_replaced(tmp_path):
    net = network()
    for mine in ("a.c", "a.h"):
        (tmp_path / mine).write_text("int mine;")
        with pytest.raises(
            FileExistsError, match=f"expected no file, or one that export_c wrote, got another: .*{mine}"
        ):
            net.export_c(tmp_path / "a.c")
        assert [path.name for path in tmp_path.iterdir()] == [mine]
        assert (tmp_path / mine).read_text() == "int mine;"
        (tmp_path / mine).unlink()
    (tmp_path / "a.h").mkdir()
    with pytest.raises(FileExistsError, match="got something else"):
        net.export_c(tmp_path / "a.c")
    with pytest.raises(FileNotFoundError):
        net.export_c(tmp_path / "no" / "a.c")
    assert [path.name for path in tmp_path.iterdir()] == ["a.h"]


@pytest.mark.parametrize("fails", [1, 2])
@pytest.mark.parametrize("there", [True, False])
def test_both_files_or_none(fails, there, tmp_path, monkeypatch):
    net = network()
    if there:
        net.export_c(tmp_path / "a.c")
    before = {path.name: path.read_text() for path in tmp_path.iterdir()}
    net.params[:] *= 0.5
    calls, replace = [], os.replace

    def failing(*arguments):
        calls.append(arguments)
        if len(calls) == fails:
            raise OSError(28, "No space left on device")
        replace(*arguments)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(OSError, match="No space"):
        net.export_c(tmp_path / "a.c", notes="another header")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == before
    monkeypatch.undo()
    net.export_c(tmp_path / "a.c")
    assert (tmp_path / "a.c").read_text() != before.get("a.c")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.c", "a.h"]
