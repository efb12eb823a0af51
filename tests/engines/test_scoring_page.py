"""The scripts of the page "More than one machine" that score a table: run as they stand there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.engines import X

import fastnn as fn

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "machines.rst"
if not PAGE.exists():
    pytest.skip("the guide is not part of the wheel", allow_module_level=True)


def script(name):
    """The lines of a script of the page, without their indentation."""
    text = re.search(rf"( +)# {name}\n(.*?)\n(?=\S)", PAGE.read_text(), re.DOTALL)
    return text[2].replace(f"\n{text[1]}", "\n")[len(text[1]) :]


@pytest.fixture
def folder(tmp_path):
    """A network and a table where the scripts look for them, and what the network says of the table."""
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    net = fn.Sequential([fn.Dense(8, "tanh"), fn.Dense(1)], 3, seed=0)
    net.save(tmp_path / "model.safetensors")
    frame = pd.DataFrame(X[:, :3].astype(np.float32), columns=list("abc"))
    (tmp_path / "table").mkdir()
    for k in range(3):
        frame[30 * k : 30 * k + 30].to_parquet(tmp_path / "table" / f"{k}.parquet")
    return tmp_path, np.array([net.predict_one(row)[0] for row in frame.to_numpy()])


def scored(folder, name):
    """Run a script there; return the scores that it wrote."""
    import pandas as pd

    (folder / name).write_text(script(name))
    done = subprocess.run(
        [sys.executable, name], cwd=folder, capture_output=True, text=True, timeout=200, check=False,
        env={**os.environ, "PYSPARK_PYTHON": sys.executable},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return np.concatenate([pd.read_parquet(path)["score"] for path in sorted((folder / "scores").glob("*.parquet"))])


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["dask", "ray", "pyspark"])
def test_scores_are_those_of_single_rows(engine, folder):
    pytest.importorskip(engine, reason=f"{engine} is not installed")
    found = scored(folder[0], {"pyspark": "score_spark.py"}.get(engine, f"score_{engine}.py"))
    expected = folder[1] if engine == "dask" else np.sort(folder[1])  # others promise no order
    np.testing.assert_array_equal(found if engine == "dask" else np.sort(found), expected)


@pytest.mark.parametrize("name", ["score_dask.py", "score_spark.py", "score_ray.py"])
def test_scripts_compile(name):
    compile(script(name), name, "exec")
