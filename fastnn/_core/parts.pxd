from fastnn._core.step cimport Frame, Step
from fastnn._core.table cimport fnn_kernels

# What elements cost one thread, in picoseconds per byte of their dtype, about: the order of magnitude decides.
cdef enum:
    PLAIN = 15              # a move, a sum, a multiply-add
    RULE = 80               # one update by an optimiser with state
    DRAWN = 100             # a random mask
    CURVED = 100            # exp, tanh and their like
    NORMALISED = 120        # a few passes in double
    FETCHED = 50            # besides, of bytes that no cache holds

cdef enum:
    LINE = 16               # elements of a cache line, of the smaller dtype
    LINE_BYTES = 64
    CACHE_BYTES = 1 << 20   # that one core may have to itself

# Elements, rows or columns first .. last - 1 of a task.
ctypedef void (*range_fn)(const void* job, Py_ssize_t first, Py_ssize_t last) noexcept nogil
ctypedef void (*step_range_fn)(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil

cdef inline Py_ssize_t cut(Py_ssize_t n, Py_ssize_t unit, Py_ssize_t parts, Py_ssize_t part) noexcept nogil:
    """Where a part of ``n`` begins, a multiple of ``unit``: no two parts write to one cache line, no tile is cut."""
    return n if part == parts else n * part // parts // unit * unit

cdef inline Py_ssize_t moved_of(Py_ssize_t nbytes) noexcept nogil:
    """Of what a task reads or writes half was, or will be, another thread's; but what no cache holds is fetched anyway."""
    return nbytes // 2 if nbytes < CACHE_BYTES else CACHE_BYTES // 8

cdef Py_ssize_t parts_of(Py_ssize_t n, Py_ssize_t unit, Py_ssize_t work, Py_ssize_t moved) noexcept nogil
cdef void share(range_fn task, const void* job, Py_ssize_t n, Py_ssize_t unit, Py_ssize_t parts) noexcept nogil
cdef void in_parts(range_fn task, const void* job, Py_ssize_t n, Py_ssize_t unit, Py_ssize_t nbytes,
                   Py_ssize_t each) noexcept nogil
cdef void step_in_parts(step_range_fn task, const Step* step, const Frame* frame, Py_ssize_t n, Py_ssize_t unit,
                        Py_ssize_t nbytes, Py_ssize_t each) noexcept nogil
cdef void clear(char* x, Py_ssize_t nbytes) noexcept nogil
cdef void copy(const char* x, Py_ssize_t nbytes, char* y) noexcept nogil
cdef bint all_finite(const fnn_kernels* kernels, Py_ssize_t N, const char* x) noexcept nogil
