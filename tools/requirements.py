"""Print requirements that pyproject.toml lists, one a line, for ``pip install --requirement /dev/stdin``.

python tools/requirements.py build run test

``build`` is what compiling needs, ``run`` what the package depends on; every other name is that of an extra.
"""

import sys
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
LISTS = {
    "build": PROJECT["build-system"]["requires"],
    "run": PROJECT["project"]["dependencies"],
    **PROJECT["project"]["optional-dependencies"],
}

if __name__ == "__main__":
    print("\n".join(need for name in sys.argv[1:] for need in LISTS[name]))
