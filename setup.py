"""Build the compiled core: C kernels for every instruction set, and the typed Cython above them.

Metadata is in pyproject.toml.  ``FASTNN_WERROR=1`` turns C warnings into errors, ``FASTNN_ANNOTATE=1`` writes
Cython's annotated HTML beside each module.
"""

import os
import platform
import sys
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

ROOT = Path(__file__).parent
CORE = Path("fastnn/_core")
INCLUDE = ["csrc", "fastnn/include"]
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Wdouble-promotion"]
# a*b+c becomes one FMA where the processor has it; sums keep their order and NaN and inf keep their meaning.
C_FLAGS = ["-std=gnu11", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]


# Compiled for speed: the kernels, and the way that one row takes through Cython, where nanoseconds show.  The loops of
# the kernels say themselves what is to be unrolled; -O3 unrolls the rest too, which gains nothing and takes half as
# much room again.  Everything else is loops over steps and rows: compiled for size it is as fast.
FAST = {"fastnn._core." + name for name in ("kernels", "pool", "engine", "plan", "products", "ops.dense")}
FOR_SPEED = ["-O2", "-ftree-vectorize", "-fvect-cost-model=dynamic"]


def write_blas_int() -> None:
    """Say which integer SciPy's BLAS takes: SciPy 1.18 and later name it, earlier ones use int."""
    import scipy.linalg

    declarations = (Path(scipy.linalg.__file__).parent / "cython_blas.pxd").read_text()
    if "blas_int" in declarations:
        text = "from scipy.linalg.cython_blas cimport blas_int\n"
    else:
        text = "ctypedef int blas_int\n"
    target = ROOT / CORE / "blas_int.pxd"
    if not target.exists() or target.read_text() != text:
        target.write_text(text)


def c_sources(module: str) -> list[str]:
    """C files linked into a module of the core: the thread pool into ``pool``, all others into ``kernels``."""
    pool = Path("csrc/fnn_pool.c")
    kernels = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "csrc").glob("*.c") if path.name != pool.name)
    return {"fastnn._core.kernels": kernels, "fastnn._core.pool": [str(pool)]}.get(module, [])


def headers(module: str) -> list[Path]:
    """C headers of a module: the one that others embed networks by concerns ``capi`` alone."""
    folders = ["csrc", "fastnn/include"] if module == "fastnn._core.capi" else ["csrc"]
    return [path for folder in folders for path in (ROOT / folder).glob("*.h")]


def extensions() -> list[Extension]:
    """One extension per module of the core."""
    unix = sys.platform != "win32"
    result = []
    for source in sorted((ROOT / CORE).rglob("*.pyx")):
        relative = source.relative_to(ROOT)
        module = ".".join(relative.with_suffix("").parts)
        flags = (
            [*C_FLAGS, *(FOR_SPEED if module in FAST else ["-Os"]), *WARNINGS, "-g0", "-isystem", numpy.get_include()]
            if unix
            else []
        )
        if unix and os.environ.get("FASTNN_WERROR") == "1":
            flags += ["-Werror"]
        threads = ["-pthread"] if unix and module == "fastnn._core.pool" else []
        result.append(
            Extension(
                module,
                sources=[str(relative), *c_sources(module)],
                include_dirs=INCLUDE if unix else [*INCLUDE, numpy.get_include()],
                depends=[str(path.relative_to(ROOT)) for path in headers(module)],
                define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
                extra_compile_args=flags + threads,
                extra_link_args=threads + (["-Wl,-s"] if sys.platform == "linux" else []),
                libraries=["m"] if module == "fastnn._core.kernels" and unix and platform.system() != "Darwin" else [],
            )
        )
    return result


write_blas_int()
setup(
    options={"build_ext": {"parallel": os.cpu_count()}},
    ext_modules=cythonize(
        extensions(),
        annotate=os.environ.get("FASTNN_ANNOTATE") == "1",
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "initializedcheck": False,
            "cdivision": True,
            "embedsignature": True,
        },
    ),
)
