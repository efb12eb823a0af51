"""The worked examples of docs/contributing do what they say: their edits are made in a copy of the tree and tried."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ROOT / "docs" / "contributing"
if not PAGES.is_dir():
    pytest.skip("needs docs/ of the source tree", allow_module_level=True)
BLOCK = re.compile(r"(?:\b[Ii]n\s+(the\s+new\s+file\s+)?`([^`]+)`:)?\n\n```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def edits(text):
    """Return (file, old, new) for each edit of a page: ``new`` is the whole of a new file, whose ``old`` is None."""
    found = []
    for is_new, name, language, block in BLOCK.findall(text):
        assert name, f"a block without its file: {block[:60]!r}"
        assert (language == "diff") != bool(is_new), f"{name}: a new file is given whole, another as a diff"
        for hunk in [block] if is_new else re.split(r"^@@.*\n", block, flags=re.MULTILINE):
            lines = [line or " " for line in hunk.splitlines()]
            old = None if is_new else "".join(f"{line[1:]}\n" for line in lines if line[0] != "+")
            new = block if is_new else "".join(f"{line[1:]}\n" for line in lines if line[0] != "-")
            found.append((name, old, new))
    return found


def carry_out(root, text):
    """Make the edits below ``root``, and return the files that they touch."""
    for name, old, new in edits(text):
        path = root / name
        if old is None:
            assert not path.exists(), f"{name} is there already"
            path.write_text(new)
            continue
        places = [found.start() for found in re.finditer(f"^{re.escape(old)}", path.read_text(), re.MULTILINE)]
        assert len(places) == 1, f"{name} has {len(places)} places like this one:\n{old}"
        before, after = path.read_text()[: places[0]], path.read_text()[places[0] + len(old) :]
        path.write_text(before + new + after)
    return sorted({name for name, *_ in edits(text)})


def copied(folder):
    """Copy what a build needs, with what is built already, and the times of files by which a build knows it."""
    for name in ("fastnn", "csrc", "build"):
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "docs", "lint", "arm64")
            )
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, folder)
    return folder


def python(root, *arguments):
    """Run Python on the package of that folder, and return what it says."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(ROOT / "tests")])}
    command = [sys.executable, *map(str, arguments)]
    run = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{run.stdout[-2000:]}\n{run.stderr[-4000:]}"
    return run.stdout


TRIED = """
import pickle, sys
from pathlib import Path
import numpy as np
from helpers import c_code, onnx_runtime, reference as ref
import fastnn as fn

here = Path.cwd()
assert Path(fn.__file__).parents[1] == here
rng = np.random.default_rng(0)


def learns(net, X, y, loss="squared_error"):
    net.compile(loss=loss, optimizer=fn.Adam(0.02))
    before = net.evaluate(X, y)["loss"]
    for _ in range(200):
        net.train_step(X, y)
    assert net.evaluate(X, y)["loss"] < 0.5 * before


def comes_back(net, X):
    net.save(here / "net.safetensors", optimizer=True)
    again = fn.load(here / "net.safetensors")
    np.testing.assert_array_equal(again.predict(X), net.predict(X))
    assert [repr(layer) for layer in again.structure.layers] == [repr(layer) for layer in net.structure.layers]
    return again


def runs_as_c(net, X):
    name = f"net_{net.dtype}"
    net.export_c(here / f"{name}.c", rows=X)
    code = c_code.library(here, [name], unit=f"all_{name}")
    np.testing.assert_allclose(c_code.answers(code, name, net, [X])[0], net.predict(X), rtol=2e-5, atol=2e-6)


def runs_as_onnx(net, X):
    net.to_onnx(here / "net.onnx")
    (answer,) = onnx_runtime.run((here / "net.onnx").read_bytes(), [X])
    np.testing.assert_allclose(answer, net.predict(X), rtol=2e-5, atol=2e-6)
    np.testing.assert_array_equal(fn.from_onnx(here / "net.onnx").params, net.params)
"""


def tried(root, code):
    """Run this after TRIED, in the copy."""
    (root / "tried.py").write_text(TRIED + code)
    python(root, "tried.py")


LAYER = """
for dtype in ("float64", "float32"):
    net = fn.Sequential([fn.NormDense(4, "tanh", epsilon=0.1, name="norm"), fn.Dense(2)], (3, 5), seed=0, dtype=dtype)
    X = rng.normal(size=(8, 3, 5)).astype(dtype)
    p = {name: view.astype(np.float64) for name, view in net.named_parameters()}
    x = X - X.mean(axis=-1, keepdims=True)
    x = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + 0.1)
    expected = np.tanh(x @ p["norm.weight"] + p["norm.bias"]) @ p["dense_1.weight"] + p["dense_1.bias"]
    np.testing.assert_allclose(net.predict(X), expected, rtol=1e-5, atol=1e-6)
    if dtype == "float64":
        assert fn.gradcheck(net, X) < 1e-6
    learns(net, X, x[..., 1:3].astype(dtype))
    comes_back(net, X)
    runs_as_c(net, X)
    runs_as_onnx(net, X)
for wrong in ({"epsilon": 0}, {"epsilon": "small"}):
    try:
        fn.NormDense(4, **wrong)
    except (ValueError, TypeError) as error:
        assert "NormDense: expected epsilon" in str(error)
    else:
        raise AssertionError("epsilon was taken")
"""


def test_a_layer_without_a_kernel_of_its_own_takes_four_files(tmp_path):
    pytest.importorskip("onnxruntime")
    root = copied(tmp_path)
    files = carry_out(root, (PAGES / "layer.md").read_text())
    assert len(files) <= 4, files
    tried(root, LAYER)
    python(root, "-m", "pytest", "-q", "--doctest-modules", "fastnn/layers/norm_dense.py", "-p", "no:cacheprovider")


ACTIVATION = """
for dtype in ("float64", "float32"):
    net = fn.Sequential([fn.Dense(6, "softsign"), fn.Activation("softsign"), fn.Dense(2)], 5, seed=0, dtype=dtype)
    X = rng.normal(scale=3, size=(40, 5)).astype(dtype)
    p = {name: view.astype(np.float64) for name, view in net.named_parameters()}
    a = X @ p["dense_1.weight"] + p["dense_1.bias"]
    for _ in range(2):
        a = a / (1 + np.abs(a))
    expected = a @ p["dense_2.weight"] + p["dense_2.bias"]
    np.testing.assert_allclose(net.predict(X), expected, rtol=1e-5, atol=1e-6)
    if dtype == "float64":
        assert fn.gradcheck(net, X) < 1e-6
    learns(net, X, np.sin(X[:, :2]))
    comes_back(net, X)
    runs_as_c(net, X)
    runs_as_onnx(net, X)
model = fn.formats.to_onnx(net)  # in float32, where it is an operator
del model.metadata_props[:]
again = fn.from_onnx(model)  # node by node
assert [layer.function for layer in again.structure.layers if isinstance(layer, fn.Activation)] == ["softsign"] * 2
np.testing.assert_allclose(again.predict(X), net.predict(X), rtol=1e-5, atol=1e-6)
"""
LOSS = """

def loss_of(y, t, delta):
    return (delta**2 * (np.sqrt(1 + ((y - t) / delta) ** 2) - 1)).mean(axis=1)


for dtype in ("float64", "float32"):
    for loss, delta in (("pseudo_huber", 1.0), (fn.PseudoHuber(0.3), 0.3)):
        net = fn.Sequential([fn.Dense(6, "tanh"), fn.Dense(2)], 5, seed=0, dtype=dtype)
        X = rng.normal(size=(40, 5)).astype(dtype)
        y = np.stack([3 * np.sin(X[:, 0]), X[:, 1]], axis=1)
        weight = rng.uniform(0.5, 2, size=40)
        net.compile(loss=loss, optimizer=fn.SGD(0.1))
        each = loss_of(net.predict(X).astype(np.float64), y, delta)
        found = net.evaluate(X, y, sample_weight=weight)["loss"]
        np.testing.assert_allclose(found, np.average(each, weights=weight), rtol=1e-5)
        if dtype == "float64":
            assert fn.gradcheck(net, X, y) < 1e-6
            before, step = net.params.copy(), 1e-6
            net.train_step(X, y)
            taken = (before - net.params) / 0.1
            for k in range(0, net.n_params, 7):  # central differences of the formula
                values = []
                for sign in (1, -1):
                    net.params[:] = before
                    net.params[k] += sign * step
                    values.append(loss_of(net.predict(X), y, delta).mean())
                np.testing.assert_allclose(taken[k], (values[0] - values[1]) / (2 * step), rtol=1e-5, atol=1e-8)
            net.params[:] = before
        learns(net, X, y, loss)
        again = comes_back(net, X)
        assert net.train_step(X, y) == again.train_step(X, y)  # the file knows the loss and its parameter
        np.testing.assert_array_equal(again.params, net.params)
    runs_as_c(net, X)
    runs_as_onnx(net, X)
for wrong in (0, "wide"):
    try:
        fn.PseudoHuber(wrong)
    except (ValueError, TypeError) as error:
        assert "PseudoHuber: expected delta" in str(error)
    else:
        raise AssertionError("delta was taken")
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A copy with both the activation and the loss, compiled once, and the files that each touches."""
    pytest.importorskip("Cython")
    root = copied(tmp_path_factory.mktemp("compiled"))
    touched = {page: carry_out(root, (PAGES / f"{page}.md").read_text()) for page in ("activation", "loss")}
    python(root, "setup.py", "--quiet", "build_ext", "--inplace")
    return root, touched


@pytest.mark.slow
@pytest.mark.parametrize(("page", "code"), [("activation", ACTIVATION), ("loss", LOSS)], ids=["activation", "loss"])
def test_what_takes_a_kernel_takes_three_files(page, code, compiled):
    pytest.importorskip("onnxruntime")
    root, touched = compiled
    assert len(touched[page]) <= 3, touched[page]
    tried(root, code)


@pytest.mark.slow
def test_what_is_added_changes_no_other_number(compiled):
    """The same seeds train to the same bits as here."""
    code = """
import hashlib, numpy as np, fastnn as fn
rng = np.random.default_rng(0)
X = rng.normal(size=(64, 6)).astype("float32")
for name in ("relu", "softplus", "gelu", "silu", "softmax"):
    for loss in ("squared_error", "poisson", "binary_cross_entropy", "log_cosh"):
        net = fn.Sequential([fn.Dense(9, name), fn.Dense(2)], 6, seed=0)
        net.fit(X, np.abs(np.tanh(X[:, :2])), epochs=2, loss=loss, optimizer="adam", verbose=0)
        print(name, loss, hashlib.sha256(net.params.tobytes()).hexdigest())
"""
    root, _ = compiled
    (root / "bits.py").write_text(code)
    assert python(root, "bits.py") == python(ROOT, root / "bits.py")


def test_contributing_leads_to_every_page():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    assert [page.name for page in PAGES.iterdir() if f"(docs/contributing/{page.name})" not in text] == []
    assert {page.name for page in PAGES.iterdir()} == {"activation.md", "layer.md", "loss.md"}


PAGE = """\
Words, in `a.py`:

```diff
 one
-two
+2
@@
+four
 five
```

and in the new file `b.py`:

```python
x
```
"""


def test_edits_are_made_where_their_lines_are(tmp_path):
    (tmp_path / "a.py").write_text("one\ntwo\nthree\nfive\n")
    assert carry_out(tmp_path, PAGE) == ["a.py", "b.py"]
    assert (tmp_path / "a.py").read_text() == "one\n2\nthree\nfour\nfive\n"
    assert (tmp_path / "b.py").read_text() == "x\n"


@pytest.mark.parametrize(
    ("written", "page", "message"),
    [
        ("one\nthree\nfive\n", PAGE, "a.py has 0 places like this one"),
        ("one\ntwo\nthree\nfive\nfive\n", PAGE, "a.py has 2 places like this one"),
        ("", "Words.\n\n```diff\n+one\n```\n", "a block without its file"),
        ("", "In `a.py`:\n\n```python\none\n```\n", "a new file is given whole"),
    ],
)
def test_edits_that_fit_nowhere_are_refused(written, page, message, tmp_path):
    (tmp_path / "a.py").write_text(written)
    with pytest.raises(AssertionError, match=message):
        carry_out(tmp_path, page)
