"""What the first lines of a program cost, in whole processes: ``python -m bench.first_use``.

Each row is a program of its own, started in turn with one that only imports NumPy; the figure is the median of the
differences of the pairs, so that what else the machine does falls on both.
"""

import argparse
import subprocess
import sys
from statistics import median

from bench.clock import timed
from bench.machine import describe
from bench.pipe import environment

NUMPY = "import numpy"
NET = "import fastnn as fn; net = fn.Sequential([fn.Dense(8, 'relu'), fn.Dense(1)], input_shape=4, seed=0)"
PROGRAMS = {
    "import fastnn": "import fastnn",
    "the same, and a network answers": f"{NET}; net.predict_one([1, 2, 3, 4])",
    "the same, and it learns": f"{NET}; net.fit([[1, 2, 3, 4]], [5], epochs=1, loss='squared_error', verbose=0)",
    "import fastnn, and an estimator": "from fastnn import MLPClassifier; MLPClassifier()",
}


def run(code: str) -> None:
    """Run a program to its end.

    Raises
    ------
    subprocess.CalledProcessError
        If it fails.
    """
    subprocess.run([sys.executable, "-c", code], check=True, env=environment(1))


def beyond_numpy(code: str, pairs: int) -> tuple[float, float]:
    """Median seconds of ``import numpy``, and of what a program takes beyond that."""
    bases, differences = [], []
    for _ in range(pairs):
        base, whole = timed(lambda: run(NUMPY))[0], timed(lambda: run(code))[0]
        bases.append(base)
        differences.append(whole - base)
    return median(bases), median(differences)


def main(arguments: list[str] | None = None) -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(prog="python -m bench.first_use", description=__doc__)
    parser.add_argument("--pairs", type=int, default=15)
    pairs = parser.parse_args(arguments).pairs
    about = describe()
    print(f"{about['processor']}, {about['cores']} cores, fastnn {about['commit']}; medians of {pairs} pairs")
    print(f"{'':34}{'numpy':>9}{'beyond':>10}")
    for name, code in PROGRAMS.items():
        base, beyond = beyond_numpy(code, pairs)
        print(f"{name:34}{base * 1e3:6.0f} ms{beyond * 1e3:7.1f} ms", flush=True)


if __name__ == "__main__":
    main()
