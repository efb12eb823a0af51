"""Build the compiled core: C kernels for every instruction set, and the typed Cython above them.

Metadata is in pyproject.toml.  Switches in the environment, off unless they are "1", or what they say:

- ``FASTNN_WERROR`` turns C warnings into errors,
- ``FASTNN_ANNOTATE`` writes Cython's annotated HTML beside each module,
- ``FASTNN_INSTRUMENT`` gives these flags to the compiler and the linker in place of those for speed and size, say
  "-fsanitize=address"; tools/sanitize.sh does, in a folder of its own,
- ``FASTNN_FREE_THREADING`` declares the modules safe without the GIL, which free-threaded Python otherwise turns on
  when it imports them.  On where that is tested (docs/howto/threads.rst says what is), off elsewhere.
"""

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar

import numpy
from Cython.Build import cythonize
from Cython.Compiler.Options import default_options
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
CORE = Path("fastnn/_core")
TABLE = "fastnn._core.table"
DOORS = "fastnn._core.doors"  # of kernels, for tests and benchmarks: in the source tree alone, never in a wheel
JOBS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
INCLUDE = ["csrc", "fastnn/include"]
MACROS = [("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION"), ("CYTHON_COMPRESS_STRINGS", "0")]
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "cdivision": True,
    "embedsignature": True,
}

# A part of every module that Cython writes is the same.  From 3.3 on one module can hold it for all, without the code
# of typed memoryviews, the larger half, which no module here uses.
SHARED_CODE = "fastnn._core._cyutility"
SHARED_OPTIONS = (
    {"shared_utility_qualified_name": SHARED_CODE, "shared_utility_features_disabled": ["MemoryView"]}
    if "shared_utility_features_disabled" in default_options
    else {}
)

# ---- flags: GCC and clang ----

WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Wdouble-promotion"]
# a*b+c becomes one FMA where the processor has it; sums keep their order and NaN and inf keep their meaning.
C_FLAGS = ["-std=gnu11", "-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden", "-g0"]

# Compiled for speed: the kernels, and the way that one row takes through Cython, where nanoseconds show.  The loops of
# the kernels say themselves what is to be unrolled; -O3 unrolls the rest too, which gains nothing and takes half as
# much room again.  Everything else is loops over steps and rows, and doors: compiled for size it is as fast.
FAST = {
    Path("csrc"),
    *(CORE / f"{name}.c" for name in ("engine", "plan", "trainer", "guard", "workspace", "panels", "products")),
    CORE / "parts.c",
    *(CORE / "ops" / f"{name}.c" for name in ("dense", "depthwise")),
}
FOR_SPEED = ["-O2", "-ftree-vectorize"]
GCC_FOR_SPEED = [*FOR_SPEED, "-fvect-cost-model=dynamic"]
FOR_SIZE = ["-Os"]
# On x86 GCC would copy short rows by an instruction that is slow to begin, and take the last elements of a loop by half
# vectors, a tenth of the code: where a vector has four elements at most, that is two of the last three.
GCC_FOR_SIZE_X86 = [*FOR_SIZE, "-mstringop-strategy=libcall"]
GCC_SHORT_VECTORS_X86 = [*GCC_FOR_SPEED, "--param=vect-epilogues-nomask=0"]
SHORT_VECTORS = {Path("csrc", f"fnn_kernels_{name}.c") for name in ("base_float", "base_double", "avx2_double")}

# Small files.  No exception passes through C, so nobody asks how to unwind it (what is lost: backtraces of a debugger
# through these modules).  A call to Python reads its address from a table instead of going through a stub as well.
# Text is left for the wheel to compress, which sees all of it; Cython's function to expand it goes unused.  On Linux
# no module has a number of its own, which no compression shortens, and constants may lie in pages of code: 8 kB.
SMALL = ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-fno-plt"]
NO_WARNINGS = ["-Wno-unused-function"]
# What compilers put around a library that has constructors, or is told of a fork (pthread_atfork), others do without.
TOLD_OF_FORKS = ("fastnn._core.pool", "fastnn._core.versions")
WITHOUT_SYMBOLS = {"linux": ["-Wl,-s,--build-id=none,-z,noseparate-code"], "darwin": ["-Wl,-x"]}

# For FASTNN_INSTRUMENT: lines in what is reported, and code that is still the one that was written; but kernels are
# optimised, for their bits.
INSTRUMENTED = ["-O1", "-g1", "-fno-omit-frame-pointer"]

# ---- flags: clang-cl, which stands in for Microsoft's compiler ----

CLANG_CL_FLAGS = ["/O2", "/clang:-std=gnu11", "/clang:-ffp-contract=fast", "/clang:-fno-math-errno"]
NO_CLANG_CL = """\
fastnn: expected clang-cl on the PATH, found none.  The kernels are written with the vector types of GNU C, which
Microsoft's cl cannot compile.  Install LLVM ("winget install LLVM.LLVM", or "C++ Clang Compiler for Windows" among the
components of Visual Studio) and try again."""


def switched_on(name: str) -> bool:
    """Whether this switch is on."""
    return os.environ.get(name) == "1"


def instruments() -> list[str]:
    """Flags that let the compiled code watch itself, none as a rule."""
    return os.environ.get("FASTNN_INSTRUMENT", "").split()


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
    """C files linked into a module of the core: the thread pool into ``pool``, all others into ``table``."""
    pool = Path("csrc/fnn_pool.c")
    kernels = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "csrc").glob("*.c") if path.name != pool.name)
    return {TABLE: kernels, "fastnn._core.pool": [str(pool)]}.get(module, [])


def headers(module: str) -> list[Path]:
    """C headers of a module: the one that others embed networks by concerns ``capi`` alone."""
    folders = ["csrc", "fastnn/include"] if module == "fastnn._core.capi" else ["csrc"]
    return [path for folder in folders for pattern in ("*.h", "*.def") for path in (ROOT / folder).glob(pattern)]


def extensions() -> list[Extension]:
    """One extension per module of the core, that with most C files first; ``build_core`` adds the compiler's flags."""
    sources = [path.relative_to(ROOT) for path in sorted((ROOT / CORE).rglob("*.pyx"))]
    sources.sort(key=lambda source: source.stem != "table")
    if SHARED_OPTIONS:
        sources.append(Path(*SHARED_CODE.split(".")).with_suffix(".c"))
    modules = [".".join(source.with_suffix("").parts) for source in sources]
    return [
        Extension(
            module,
            sources=[str(source), *c_sources(module)],
            include_dirs=INCLUDE,
            depends=[str(path.relative_to(ROOT)) for path in headers(module)],
            define_macros=MACROS,
        )
        for module, source in zip(modules, sources, strict=True)
    ]


# A list comprehension as Cython 3.3 writes it: where a list cannot grow for want of memory, its next item is let go
# here and by the caller again, and what is freed twice is no longer its owner's.
FREED_TWICE = "    int result = PyList_Append(list, x);\n    Py_DECREF(x);\n"
FREED_ONCE = FREED_TWICE.replace("    Py_DECREF", "    if (result == 0)\n        Py_DECREF")


def mended(modules: list[Extension]) -> list[Extension]:
    """Correct that in what Cython wrote."""
    for module in modules:
        for path in map(Path, module.sources):
            if path.suffix == ".c" and path.is_relative_to(CORE) and FREED_TWICE in (text := path.read_text()):
                path.write_text(text.replace(FREED_TWICE, FREED_ONCE))
    return modules


def take_clang_cl(compiler) -> None:
    """Let clang-cl compile what setuptools would give to cl."""
    program = shutil.which("clang-cl")
    if program is None:
        raise SystemExit(NO_CLANG_CL)
    if not compiler.initialized:
        compiler.initialize()
    compiler.cc = program


def is_clang(compiler) -> bool:
    """Whether this is clang, by whatever name it goes."""
    answer = subprocess.run([*compiler.compiler_so[:1], "--version"], capture_output=True, text=True, check=False)
    return "clang" in answer.stdout


class build_core(build_ext):
    """Flags by compiler, by system, and file by file: for speed or for size; as many files at a time as processors."""

    user_options: ClassVar = [*build_ext.user_options, ("doors", None, f"only {DOORS}: tests/wheel/add_doors.py")]
    boolean_options: ClassVar = [*build_ext.boolean_options, "doors"]

    def initialize_options(self) -> None:
        """Everything, unless ``--doors`` is given."""
        super().initialize_options()
        self.doors = False

    def finalize_options(self) -> None:
        """Leave out what does not belong to where this builds."""
        super().finalize_options()
        in_tree = self.inplace or self.editable_mode
        self.extensions = [
            extension for extension in self.extensions if in_tree or self.doors == (extension.name == DOORS)
        ]

    def build_extensions(self) -> None:
        """Give every extension its flags, then build them."""
        if self.compiler.compiler_type == "msvc":
            take_clang_cl(self.compiler)
            for extension in self.extensions:
                extension.extra_compile_args = CLANG_CL_FLAGS
                extension.include_dirs.append(numpy.get_include())
        else:
            self.add_flags()
            self.compile_each_with_its_own()
        with ThreadPoolExecutor(self.parallel) as pool:
            self.compile_files_in(pool)
            super().build_extensions()

    def compile_files_in(self, pool: ThreadPoolExecutor) -> None:
        """Let the files of all extensions be compiled side by side in ``pool``, those of one extension too."""
        compile_files = self.compiler.compile

        def compile_in_pool(sources, *args, **kwargs):
            jobs = [pool.submit(compile_files, [source], *args, **kwargs) for source in sources]
            return [target for job in jobs for target in job.result()]

        self.compiler.compile = compile_in_pool

    def add_flags(self) -> None:
        """Flags of GCC and clang, for all files of an extension."""
        flags = [*C_FLAGS, *WARNINGS, *NO_WARNINGS, "-isystem", numpy.get_include()]
        watched = [*INSTRUMENTED, *instruments()] if instruments() else []
        flags += watched or (SMALL if sys.platform == "linux" else [])
        flags += ["-Werror"] if switched_on("FASTNN_WERROR") else []
        for extension in self.extensions:
            threads = ["-pthread"] if extension.name == "fastnn._core.pool" else []
            extension.extra_compile_args = [*flags, *threads]
            bare = ["-nostartfiles"] if sys.platform == "linux" and extension.name not in TOLD_OF_FORKS else []
            extension.extra_link_args = [*threads, *(watched or [*WITHOUT_SYMBOLS.get(sys.platform, []), *bare])]
            if extension.name == TABLE and platform.system() not in ("Darwin", "Windows"):
                extension.libraries = ["m"]

    def compile_each_with_its_own(self) -> None:
        """Let the compiler add what a file wants for itself to the flags of its extension."""
        compile_one = self.compiler._compile
        fast, small, short = FOR_SPEED, FOR_SIZE, FOR_SPEED
        if not is_clang(self.compiler):
            fast = short = GCC_FOR_SPEED
            if sysconfig.get_platform().endswith("x86_64"):
                small, short = GCC_FOR_SIZE_X86, GCC_SHORT_VECTORS_X86

        def compile_with_own_flags(target, source, extension, first, flags, macros):
            path = Path(source)
            for_speed = {path, path.parent} & FAST
            own = short if path in SHORT_VECTORS else fast if for_speed else [] if instruments() else small
            return compile_one(target, source, extension, first, [*flags, *own], macros)

        self.compiler._compile = compile_with_own_flags


if __name__ == "__main__":  # the processes that write the C files import this one
    write_blas_int()
    setup(
        cmdclass={"build_ext": build_core},
        options={"build_ext": {"parallel": JOBS}},
        ext_modules=mended(
            cythonize(
                extensions(),
                nthreads=JOBS,
                annotate=switched_on("FASTNN_ANNOTATE"),
                compiler_directives={
                    **DIRECTIVES,
                    **({"freethreading_compatible": True} if switched_on("FASTNN_FREE_THREADING") else {}),
                },
                **SHARED_OPTIONS,
            )
        ),
    )
