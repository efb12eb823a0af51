"""What wheel and source distribution hold, and how large a wheel may be.

python tests/wheel/contents.py dist/* wheelhouse/*.whl
"""

import re
import sys
import tarfile
import zipfile
from pathlib import Path

MOST_BYTES = 3_000_000  # of a wheel: speed and clarity come before size
OF_SDIST = ("LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "pyproject.toml", "setup.py",
            "csrc/fnn_pool.c", "fastnn/_core/plan.pyx", "fastnn/_core/plan.pxd", "fastnn/data/digits.npz",
            "fastnn/data/digits.LICENSE", "fastnn/reporting/page.css",
            "tests/helpers/cases.py", "tests/wheel/contents.py", "bench/__main__.py",
            "examples/mnist.py", "docs/conf.py", "docs/index.rst")  # fmt: skip
OF_WHEEL = ("fastnn/__init__.py", "fastnn/__init__.pyi", "fastnn/data/__init__.pyi", "fastnn/py.typed",
            "fastnn/_core/engine.pyi", "fastnn/capi.pxd", "fastnn/include/fastnn.h",
            "fastnn/data/digits.npz", "fastnn/data/digits.LICENSE", "fastnn/reporting/page.css")  # fmt: skip
BUILT = re.compile(
    r"\.(so|pyd|o|a|pyc)$|(^|/)fastnn/.*\.html$|(^|/)fastnn/_core/(.*\.c|blas_int\.pxd)$|(^|/)(build|dist|__pycache__)/"
)
NOT_OF_WHEEL = re.compile(r"\.(c|pyx|pyc|o|a)$|_core/.*\.pxd$|_core/doors\b|^(tests|bench|examples|docs|csrc)/")


def faults_of_sdist(path):
    """What is missing, and what was built and so does not belong to a source."""
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    yield from (f"{name} is missing" for name in OF_SDIST if name not in names)
    yield from (f"{name} does not belong there" for name in sorted(names) if BUILT.search(name))


def faults_of_wheel(path):
    """Likewise, and whether it is too large."""
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
    size = path.stat().st_size
    print(f"{path.name}: {size:,} bytes")
    if size > MOST_BYTES:
        yield f'expected at most {MOST_BYTES:,} bytes, got {size:,}; "unzip -v" shows what grew'
    licences = [name for name in names if name.endswith("licenses/LICENSE")]
    yield from (f"{name} is missing" for name in OF_WHEEL if name not in names)
    yield from (["LICENSE is missing"] if not licences else [])
    yield from (f"{name} does not belong there" for name in sorted(names) if NOT_OF_WHEEL.search(name))


def main(paths):
    """Print the faults of all; the exit status says whether there are any."""
    if not paths:
        raise SystemExit(__doc__)
    kinds = {".whl": faults_of_wheel, ".gz": faults_of_sdist}
    faults = [f"{path.name}: {fault}" for path in map(Path, paths) for fault in kinds[path.suffix](path)]
    print("\n".join(faults))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
