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
from Cython.Compiler.Options import default_options
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
CORE = Path("fastnn/_core")
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Wdouble-promotion"]
# a*b+c becomes one FMA where the processor has it; sums keep their order and NaN and inf keep their meaning.
C_FLAGS = ["-std=gnu11", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden"]

# Compiled for speed: the kernels, and the way that one row takes through Cython, where nanoseconds show.  The loops of
# the kernels say themselves what is to be unrolled; -O3 unrolls the rest too, which gains nothing and takes half as
# much room again.  Everything else is loops over steps and rows, and doors: compiled for size it is as fast.
FAST = {Path("csrc"), *(CORE / name for name in ("engine.c", "plan.c", "products.c", "ops/dense.c"))}
FOR_SPEED = ["-O2", "-ftree-vectorize", "-fvect-cost-model=dynamic"]
FOR_SIZE = ["-Os"]

# Small files.  No exception passes through C, so nobody asks how to unwind it (what is lost: backtraces of a debugger
# through these modules).  A call to Python reads its address from a table instead of going through a stub as well.
# Text is left for the wheel to compress, which sees all of it; Cython's function to expand it goes unused.
SMALL = ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-fno-plt", "-Wno-unused-function"]
MACROS = [("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION"), ("CYTHON_COMPRESS_STRINGS", "0")]

# A part of every module that Cython writes is the same.  From 3.3 on one module can hold it for all, without the code of
# typed memoryviews, the larger half, which no module here uses.
SHARED_CODE = "fastnn._core._cyutility"
SHARED_OPTIONS = (
    {"shared_utility_qualified_name": SHARED_CODE, "shared_utility_features_disabled": ["MemoryView"]}
    if "shared_utility_features_disabled" in default_options
    else {}
)


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


class build_core(build_ext):
    """Each C file for speed or for size, also where one module is made of several."""

    def build_extensions(self) -> None:
        """Let the compiler add the flags of a file to those of its module."""
        compile_one = getattr(self.compiler, "_compile", None)

        def compile_with_own_flags(target, source, extension, first, flags, macros):
            path = Path(source)
            own = FOR_SPEED if {path, path.parent} & FAST else FOR_SIZE
            compile_one(target, source, extension, first, [*flags, *own], macros)

        if compile_one:  # not in MSVC's, which compiles all for speed
            self.compiler._compile = compile_with_own_flags
        super().build_extensions()


def extensions() -> list[Extension]:
    """One extension per module of the core."""
    unix = sys.platform != "win32"
    result = []
    sources = [path.relative_to(ROOT) for path in sorted((ROOT / CORE).rglob("*.pyx"))]
    if SHARED_OPTIONS:
        sources.append(Path(*SHARED_CODE.split(".")).with_suffix(".c"))
    for source in sources:
        module = ".".join(source.with_suffix("").parts)
        flags = [*C_FLAGS, *WARNINGS, "-g0", "-isystem", numpy.get_include()] if unix else []
        if unix and os.environ.get("FASTNN_WERROR") == "1":
            flags += ["-Werror"]
        if sys.platform == "linux":
            flags += SMALL
        threads = ["-pthread"] if unix and module == "fastnn._core.pool" else []
        result.append(
            Extension(
                module,
                sources=[str(source), *c_sources(module)],
                include_dirs=["csrc"] if unix else ["csrc", numpy.get_include()],
                depends=[str(path.relative_to(ROOT)) for path in (ROOT / "csrc").glob("*.h")],
                define_macros=MACROS,
                extra_compile_args=flags + threads,
                extra_link_args=threads + (["-Wl,-s"] if sys.platform == "linux" else []),
                libraries=["m"] if module == "fastnn._core.kernels" and unix and platform.system() != "Darwin" else [],
            )
        )
    return result


write_blas_int()
setup(
    cmdclass={"build_ext": build_core},
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
        **SHARED_OPTIONS,
    ),
)
