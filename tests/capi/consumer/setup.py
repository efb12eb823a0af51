from Cython.Build import cythonize
from setuptools import Extension, setup

import fastnn

openmp = ["-fopenmp"]
extension = Extension(
    "consumer",
    ["consumer.pyx"],
    include_dirs=[fastnn.get_include()],
    extra_compile_args=["-O0", "-g0", *openmp],  # compiled soon: this is for tests
    extra_link_args=openmp,
)
directives = {"language_level": 3, "boundscheck": False}
setup(py_modules=[], ext_modules=cythonize([extension], compiler_directives=directives))
