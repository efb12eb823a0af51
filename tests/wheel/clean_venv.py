"""What a user meets who installs the wheel and nothing else.  No test of the suite, which needs more than that.

    python tests/wheel/clean_venv.py dist/fastnn-*.whl

makes a new environment, installs the wheel with what it requires, and runs there (``--inside``): every module imports,
the demo learns, a saved network answers as before, and each feature that needs more names the extra to install.
"""

import contextlib
import importlib
import importlib.metadata
import io
import pkgutil
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

REQUIRED = {"fastnn", "numpy", "scipy", "tqdm", "pip"}
EXTRA = re.compile(r'pip install \\?"?fastnn\[([\w,-]+)\]')


def outside(wheel):
    """Install the wheel into a new environment and run this file there."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(Path(folder, "venv"), with_pip=True)
        python = Path(folder, "venv", "Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", wheel], check=True)
        # -I: neither the folder nor the environment can put another fastnn before the installed one.
        command = [python, "-I", "-W", "error", Path(__file__).resolve(), "--inside"]
        subprocess.run(command, check=True, cwd=folder)


def installed():
    """Only what the wheel requires is there (and setuptools, which older venvs bring)."""
    names = {re.sub("[-_.]+", "-", found.metadata["Name"].lower()) for found in importlib.metadata.distributions()}
    assert names - {"setuptools"} == REQUIRED, names


def modules():
    """Every module imports without the optional packages."""
    import fastnn

    found = [module.name for module in pkgutil.walk_packages(fastnn.__path__, "fastnn.")]
    for name in found:
        if name != "fastnn.__main__":  # which runs
            importlib.import_module(name)
    assert len(found) > 60, found


def contents():
    """No source of the core, no cache and no test came along."""
    files = [str(path) for path in importlib.metadata.files("fastnn")]
    strange = [path for path in files if path.endswith((".c", ".pyx", ".o", ".a")) or path.startswith("tests")]
    assert not strange, strange


def demo():
    """It learns, saves, loads and answers; without matplotlib it says what pictures need."""
    from fastnn.cli import main

    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        main(["demo", "--epochs", "15", "--out", "demo"])
    text = output.getvalue()
    accuracy = float(re.search(r"test accuracy ([\d.]+)%", text)[1])
    assert accuracy > 90, text
    assert 'pip install "fastnn[plot]"' in text, text
    assert Path("demo/digits.safetensors").is_file()


def save_and_load():
    """A network that has learned comes back from its file with the same answers."""
    import numpy as np

    import fastnn as fn

    X = np.random.default_rng(0).normal(size=(64, 5)).astype(np.float32)
    y = X[:, :2] * X[:, 2:4]
    net = fn.Sequential([fn.Dense(16, "tanh"), fn.Dense(2)], input_shape=5, seed=0)
    net.compile(loss="squared_error", optimizer=fn.Adam(1e-2))
    before = net.evaluate(X, y)["loss"]
    net.fit(X, y, epochs=50, verbose=0)
    net.save("net.safetensors")
    again = fn.load("net.safetensors")
    assert (again.predict(X) == net.predict(X)).all()
    assert (again.predict_one(X[0]) == net.predict(X[:1])[0]).all()
    assert net.evaluate(X, y)["loss"] < before / 2


def estimators():
    """They learn, are saved and answer as before, and have parameters, without scikit-learn."""
    import fastnn as fn

    X, y = fn.load_digits()
    model = fn.MLPClassifier((32,), early_stopping=True, class_weight="balanced", random_state=0).fit(X, y)
    assert model.score(X, y) > 0.9
    model.save("model.safetensors")
    again = fn.MLPClassifier.load("model.safetensors")
    assert (again.predict_proba(X) == model.predict_proba(X)).all()
    assert again.predict_one(X[0]) == model.predict(X[:1])[0]
    line = fn.MLPRegressor(solver="lbfgs", max_iter=1000, tol=1e-3, random_state=0).fit(X, X[:, 10])
    assert line.score(X, X[:, 10]) > 0.9


def features_beyond():
    """Features that need another package: (name, extra, call)."""
    import fastnn as fn

    yield "plot_history", "plot", lambda: fn.plot_history({"loss": [1.0, 0.5]})
    yield "plot_confusion_matrix", "plot", lambda: fn.plot_confusion_matrix([[3, 1], [0, 2]])
    Path("table.csv").write_text("a,b\n1,2\n3,4\n")
    yield "read_table", "cli", lambda: fn.read_table("table.csv", "b")
    yield "read_batches", "cli", lambda: fn.read_batches("table.csv", "b")
    net = fn.Sequential([fn.Dense(1)], input_shape=2, seed=0)
    net.compile("squared_error")
    yield "to_onnx", "onnx", lambda: net.to_onnx("net.onnx")
    yield "report", "plot", lambda: fn.report(net, "net.html", [[1.0, 2.0], [2.0, 1.0]], [1.0, 2.0])
    yield "scikit-learn", "sklearn", lambda: fn.MLPRegressor().__sklearn_tags__()


def refusal(call):
    """The message of its ImportError, if there is one."""
    try:
        call()
    except ImportError as error:
        return str(error)
    return ""


def extras():
    """Who lacks a package learns which extra brings it; every extra that a message names exists."""
    for name, extra, call in features_beyond():
        told = refusal(call)
        assert told, f"{name} needs no extra: take it off the list"
        assert told.startswith(name), told
        assert f'pip install "fastnn[{extra}]"' in told, told
    distribution = importlib.metadata.distribution("fastnn")
    provided = set(distribution.metadata.get_all("Provides-Extra"))
    named = set()
    for path in distribution.files:
        if path.suffix == ".py":
            for extras_of_message in EXTRA.findall(path.read_text(encoding="utf-8")):
                named |= set(extras_of_message.split(","))
    assert named >= {"plot", "cli", "onnx", "sklearn"}, named
    assert named <= provided, f"messages name extras that do not exist: {named - provided}"


def inside():
    """Run all checks in this environment."""
    for check in (installed, modules, contents, demo, save_and_load, estimators, extras):
        check()
        print(f"  {check.__name__}: {check.__doc__.splitlines()[0]}", flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--inside"]:
        inside()
    elif len(sys.argv) == 2:
        outside(Path(sys.argv[1]).resolve())
    else:
        raise SystemExit(__doc__)
