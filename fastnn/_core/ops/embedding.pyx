"""Embedding: y = the vector of each index; the indices are whole numbers of the network's dtype."""

from cpython.exc cimport PyErr_SetObject
from cpython.object cimport PyObject
from cython cimport floating
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

from fastnn._core.parts cimport LINE, PLAIN, in_parts, step_in_parts
from fastnn._core.step cimport FAILED, Frame, OK, Op, Step, dparams_of

import numpy as np

from fastnn._core.step import Parameter


cdef struct Dims:
    Py_ssize_t length       # indices per row
    Py_ssize_t vocabulary
    Py_ssize_t units
    Py_ssize_t padding      # the index that stands for nothing, -1: there is none
    PyObject* op            # named in error messages


# The indices of a batch, on their way to vectors.
cdef struct Look:
    const Dims* dims
    Py_ssize_t itemsize
    const char* x
    const char* table
    char* y
    int64_t* index          # NULL: they are not kept
    bint* failed


cdef int take_vectors(const Look* look, const floating* x, Py_ssize_t first, Py_ssize_t last,
                      double* refused) noexcept nogil:
    """y = the vectors of indices first .. last - 1 of x; index = x.  The first x that is no index ends it."""
    cdef const Dims* dims = look.dims
    cdef Py_ssize_t n, vector_bytes = dims.units * look.itemsize
    cdef int64_t k
    cdef double value
    for n in range(first, last):
        value = <double> (<const volatile floating*> x)[n]     # once: it may be memory of the caller, who can change it
        refused[0] = value
        if not 0.0 <= value < <double> dims.vocabulary:
            return FAILED
        k = <int64_t> value
        if <double> k != value:
            return FAILED
        if look.index != NULL:
            look.index[n] = k
        if k == dims.padding:
            memset(look.y + n * vector_bytes, 0, vector_bytes)
        else:
            memcpy(look.y + n * vector_bytes, look.table + k * vector_bytes, vector_bytes)
    return OK


cdef inline int take(const Look* look, Py_ssize_t first, Py_ssize_t last, double* refused) noexcept nogil:
    if look.itemsize == sizeof(float):
        return take_vectors(look, <const float*> look.x, first, last, refused)
    return take_vectors(look, <const double*> look.x, first, last, refused)


cdef void take_part(const void* job, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef double refused
    if take(<const Look*> job, first, last, &refused) != OK:
        (<const Look*> job).failed[0] = True


cdef int refuse(const Dims* dims, double value) noexcept with gil:
    """Set the error of a value that is no index."""
    op, number = <EmbeddingOp> dims.op, float(value)
    shown = str(int(number)) if number.is_integer() and abs(number) < 1e15 else f"{number:.7g}"
    PyErr_SetObject(ValueError, f"{op.who}: expected whole numbers from 0 to {dims.vocabulary - 1}, got {shown}; "
                                "renumber the indices, or give the layer a larger vocabulary")
    return FAILED


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = table[x]; the indices are saved for backward: x may be memory of the caller, who could change it until then."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t N = frame.batch * dims.length
    cdef bint failed = False
    cdef double refused = 0.0
    cdef Look look = Look(dims=dims, itemsize=step.kernels.itemsize, x=frame.values[step.inputs[0]],
                          table=frame.params + step.params, y=frame.values[step.outputs[0]],
                          index=<int64_t*> frame.saved[step.index], failed=&failed)
    in_parts(take_part, &look, N, 1, N * dims.units * step.kernels.itemsize, 2 * PLAIN)
    if failed and take(&look, 0, N, &refused) != OK:    # once more, in order: the first is the one to be named
        return refuse(dims, refused)
    return OK


cdef void add_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    """Columns first .. last - 1 of all vectors, one after the other: the order of sums stays."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t itemsize = step.kernels.itemsize, vector_bytes = dims.units * itemsize, n
    cdef const int64_t* index = <const int64_t*> frame.saved[step.index]
    cdef const char* dy = frame.gradients[step.outputs[0]] + first * itemsize
    cdef char* dtable = dparams_of(step, frame) + first * itemsize
    for n in range(frame.batch * dims.length):
        if index[n] != dims.padding:
            step.kernels.add_scaled(last - first, frame.scale * step.rate, dy + n * vector_bytes,
                                    dtable + index[n] * vector_bytes)


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    """dtable[x] += scale * dy, one after the other, no other vector touched; dx = 0: whole numbers have no derivative."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef Py_ssize_t N = frame.batch * dims.length
    cdef char* dx = frame.gradients[step.inputs[0]]
    if dx != NULL:
        memset(dx, 0, N * step.kernels.itemsize)
    if dparams_of(step, frame) != NULL:
        step_in_parts(add_part, step, frame, dims.units, LINE, N * dims.units * step.kernels.itemsize, 2 * PLAIN)
    return OK


cdef class EmbeddingOp(Op):
    """``length`` indices per row become as many vectors of ``units``; ``padding``: the index whose vector is 0, or -1."""

    cdef Dims dims

    def __init__(self, str who, Py_ssize_t length, Py_ssize_t vocabulary, Py_ssize_t units, Py_ssize_t padding):
        self.forward, self.backward, self.config = forward, backward, &self.dims
        self.who, self.vocabulary = who, vocabulary
        self.dims = Dims(length=length, vocabulary=vocabulary, units=units, padding=padding, op=<PyObject*> self)
        self.input_widths, self.output_widths = (length,), (length * units,)
        self.may_fail = True
        self.parameters = (Parameter("weight", (vocabulary, units), 1, units, False),)

    @property
    def multiply_adds(self):
        """None: vectors are looked up."""
        return 0

    def check(self, dtype):
        """Raise ValueError if some index is not a number of this dtype."""
        exact = 1 << np.finfo(dtype).nmant + 1
        if self.vocabulary > exact:
            raise ValueError(f"{self.who}: expected a vocabulary of at most {exact:,} in {dtype}, whose larger whole numbers "
                             f"are not all exact, got {self.vocabulary:,}; use dtype='float64'")

    cdef Py_ssize_t saved_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize) noexcept:
        return batch * self.dims.length * sizeof(int64_t)
