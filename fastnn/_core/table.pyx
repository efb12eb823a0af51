"""The C kernels of this process: their table, the names in their families, and what production calls by itself.

The instruction set is chosen once, at import: the best this processor has, or the one ``FASTNN_ISA`` names.
"""

import os

import numpy as np

cimport numpy as cnp

cnp.import_array()


cdef extern from "fnn_dispatch.h" nogil:
    ctypedef struct fnn_row:
        const char* name
        const char* trait
    const fnn_row* fnn_activation_rows
    const fnn_row* fnn_loss_rows
    const fnn_row* fnn_optimizer_rows
    const fnn_kernels* fnn_kernel_table(Py_ssize_t itemsize, const char* isa)


cdef extern from "fnn_quantized.h" nogil:
    const fnn_quantized* fnn_quantized_table(const char* isa, const char* name)


cdef extern from "fnn_random.h" nogil:
    void fnn_philox(const uint32_t* counter, const uint32_t* key, uint32_t* out)
    void fnn_random_uniform(Py_ssize_t N, const fnn_random* random, double* out)
    void fnn_random_normal(Py_ssize_t N, const fnn_random* random, double* out)
    void fnn_random_permutation(Py_ssize_t N, const fnn_random* random, int64_t first, int64_t* out)


cdef dict traits(const fnn_row* rows, Py_ssize_t count):
    """Rows of ``csrc/fnn_families.def``: name to last entry, in the order of their numbers."""
    return {rows[i].name.decode(): rows[i].trait.decode() for i in range(count)}


cdef dict numbers(dict family):
    return {name: number for number, name in enumerate(family)}


cdef dict activations = traits(fnn_activation_rows, FNN_ACTIVATIONS)
cdef dict losses = traits(fnn_loss_rows, FNN_LOSSES)
cdef dict optimizers = traits(fnn_optimizer_rows, FNN_OPTIMIZERS)

ACTIVATIONS = numbers(activations)
READS_INPUT = frozenset(name for name, reads in activations.items() if reads == "z")
LOSSES = numbers(losses)
LABEL_LOSSES = frozenset(name for name, kind in losses.items() if kind == "labels")
OPTIMIZERS = numbers(optimizers)
STATE_VECTORS = {name: int(states) for name, states in optimizers.items()}
ISAS = ("base", "avx2", "avx512")
QUANTIZED = ("base", "avx2", "avx2_vnni", "avx512", "avx512_vnni")

cdef const fnn_kernels* chosen_float = NULL
cdef const fnn_kernels* chosen_double = NULL


cdef int choose() except -1:
    global chosen_float, chosen_double
    name = os.environ.get("FASTNN_ISA", "")
    if name and name not in ISAS:
        raise ImportError(f"FASTNN_ISA={name!r} is no instruction set of fastnn; expected one of {', '.join(ISAS)}")
    if name and name not in supported_isas():
        raise ImportError(f"FASTNN_ISA={name}: not supported by this processor, "
                          f"which has {', '.join(supported_isas())}")
    encoded = name.encode()
    cdef const char* named = <const char*> encoded if name else NULL
    chosen_float, chosen_double = fnn_kernel_table(4, named), fnn_kernel_table(8, named)
    return 0


cdef const fnn_kernels* kernel_table(Py_ssize_t itemsize, isa=None) except NULL:
    """The table for float (itemsize 4) or double (8), of the instruction set in use or of the one named."""
    if itemsize != 4 and itemsize != 8:
        raise ValueError(f"expected an item size of 4 or 8 bytes, got {itemsize}")
    if isa is None:
        return chosen_float if itemsize == 4 else chosen_double
    if isa not in supported_isas():
        raise ValueError(f"expected isa to be one of {', '.join(supported_isas())}, got {isa!r}")
    return fnn_kernel_table(itemsize, isa.encode())


cdef const fnn_quantized* quantized_table(name=None) except NULL:
    """Kernels for narrow weights: the fastest of the instruction set in use, or those of this name."""
    if name is None:
        return fnn_quantized_table(chosen_float.isa, NULL)
    if name not in supported_quantized():
        raise ValueError(f"expected kernels to be one of {', '.join(supported_quantized())}, got {name!r}")
    return fnn_quantized_table(NULL, name.encode())


cdef const fnn_kernels* table_for(array, isa=None) except NULL:
    """The table for the dtype of an array."""
    if not isinstance(array, np.ndarray) or array.dtype not in (np.float32, np.float64):
        raise TypeError("expected an ndarray of float32 or float64, got "
                        f"{getattr(array, 'dtype', type(array).__name__)}")
    return kernel_table(array.dtype.itemsize, isa)


cdef void* address(array, dtype, shape, bint writable=False) except? NULL:
    """Address of the elements of an array that is what a kernel takes; NULL for None."""
    if array is None:
        return NULL
    if not isinstance(array, np.ndarray) or array.dtype != dtype:
        found = getattr(array, "dtype", type(array).__name__)
        raise TypeError(f"expected an ndarray of {np.dtype(dtype)}, got {found}")
    if not array.flags.c_contiguous or (writable and not array.flags.writeable):
        raise ValueError("expected a C-contiguous array, writable where it is an output")
    if array.shape != shape:
        raise ValueError(f"expected an array of shape {shape}, got {array.shape}")
    return cnp.PyArray_DATA(<cnp.ndarray>array)


cdef void random_permutation(Py_ssize_t N, const fnn_random* random, int64_t first, int64_t* out) noexcept nogil:
    fnn_random_permutation(N, random, first, out)


def isa():
    """Name of the instruction set in use."""
    return chosen_float.isa.decode()


def has_fma():
    """Whether the instruction set in use has a fused multiply-add."""
    return bool(chosen_float.has_fma)


def supported_isas():
    """Names of the instruction sets this build and this processor have, simplest first."""
    return tuple(name for name in ISAS if fnn_kernel_table(4, name.encode()) != NULL)


def supported_quantized():
    """Names of the kernels for narrow weights that this build and this processor have, simplest first."""
    return tuple(name for name in QUANTIZED if fnn_quantized_table(NULL, name.encode()) != NULL)


def quantized():
    """Name of the kernels for narrow weights in use."""
    return quantized_table().name.decode()


def all_finite(x, isa=None):
    """Whether no element is NaN or infinite."""
    return bool(table_for(x, isa).all_finite(x.size, address(x, x.dtype, x.shape)))


def philox(counter, key):
    """One block of Philox4x32-10 as four integers."""
    cdef uint32_t[4] words = counter, out
    cdef uint32_t[2] keys = key
    fnn_philox(words, keys, out)
    return tuple(out)


def uniform(Py_ssize_t n, uint64_t seed=0, uint32_t stream=0, uint64_t step=0):
    """Uniforms of a stream."""
    cdef fnn_random random = fnn_random(seed, step, stream)
    out = np.empty(n)
    fnn_random_uniform(n, &random, <double*> cnp.PyArray_DATA(out))
    return out


def normal(Py_ssize_t n, uint64_t seed=0, uint32_t stream=0, uint64_t step=0):
    """Standard normals of a stream."""
    cdef fnn_random random = fnn_random(seed, step, stream)
    out = np.empty(n)
    fnn_random_normal(n, &random, <double*> cnp.PyArray_DATA(out))
    return out


def permutation(Py_ssize_t n, uint64_t seed=0, uint32_t stream=0, uint64_t step=0, int64_t first=0):
    """Return a permutation of first .. first + n - 1."""
    cdef fnn_random random = fnn_random(seed, step, stream)
    out = np.empty(n, np.int64)
    fnn_random_permutation(n, &random, first, <int64_t*> cnp.PyArray_DATA(out))
    return out


def uniform_of_rows(rows, Py_ssize_t count, uint64_t seed=0, uint32_t stream=0, uint64_t step=0):
    """Uniforms (B, count) of numbered rows: those of a row depend on its number alone, below 2^32."""
    cdef cnp.ndarray numbers = np.ascontiguousarray(rows, np.int64)
    cdef const int64_t* row = <const int64_t*> cnp.PyArray_DATA(numbers)
    cdef Py_ssize_t b, k, n = cnp.PyArray_SIZE(numbers)
    cdef cnp.ndarray out = np.empty((n, count))
    cdef double* number = <double*> cnp.PyArray_DATA(out)
    cdef uint32_t[2] key = [<uint32_t> seed, <uint32_t> (seed >> 32)]
    cdef uint32_t[4] counter = [0, stream, <uint32_t> step, 0]
    cdef uint32_t[4] word
    with nogil:
        for b in range(n):
            counter[0] = <uint32_t> row[b]
            for k in range(count):
                if k % 2 == 0:
                    counter[3] = <uint32_t> (step >> 32) ^ <uint32_t> (k // 2)
                    fnn_philox(counter, key, word)
                number[b * count + k] = <double> (
                    (<uint64_t> word[2 * (k % 2) + 1] << 32 | word[2 * (k % 2)]) >> 11) * (1.0 / 9007199254740992.0)
    return out


def probe_multiply_add(Py_ssize_t n, double factor=-1.0, double addend=1.0, dtype=np.float32, isa=None):
    """Return (sum of the chains after n multiply-adds each, number of chains): the most that this processor can do."""
    cdef Py_ssize_t chains = 0
    total = kernel_table(np.dtype(dtype).itemsize, isa).probe_multiply_add(n, factor, addend, &chains)
    return total, chains


choose()
