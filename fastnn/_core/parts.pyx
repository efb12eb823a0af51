"""Tasks in parts: elements, rows or columns of a task shared among the threads of the pool.

All that is split is split here.  A part begins at a multiple of a cache line, or of what a kernel takes at a time; there
is one part for each thread that the work is worth (`fnn_pool_worth`), in the order of the threads, so that a thread meets
the same stretch again in the next task.  Each number is computed within one part, whatever the parts are: no bit depends
on them.  Sums over a whole are taken where their order stays: down columns, or over blocks whose bounds are fixed.
"""

from libc.string cimport memcpy, memset

from fastnn._core.pool cimport run_parts, worth


cdef Py_ssize_t parts_of(Py_ssize_t n, Py_ssize_t unit, Py_ssize_t work, Py_ssize_t moved) noexcept nogil:
    """Parts for ``n`` in units, at least 1; ``work`` in picoseconds on one thread, and ``moved`` bytes, as ``worth``."""
    cdef Py_ssize_t most = n // unit
    return 1 if most < 2 else min(most, worth(work, moved))


cdef inline Py_ssize_t parts_by_bytes(Py_ssize_t n, Py_ssize_t unit, Py_ssize_t nbytes, Py_ssize_t each) noexcept nogil:
    cdef Py_ssize_t fetched = FETCHED if nbytes >= CACHE_BYTES else 0
    return parts_of(n, unit, nbytes * (each + fetched), moved_of(nbytes))


def parts_of_bytes(Py_ssize_t nbytes, Py_ssize_t each):
    """Parts that a task on so many bytes is worth now, each of so many picoseconds for one thread."""
    return parts_by_bytes(nbytes, LINE_BYTES, nbytes, each)


cdef struct Ranges:
    range_fn task
    const void* job
    Py_ssize_t n
    Py_ssize_t unit
    Py_ssize_t parts


cdef void run_range(void* argument, Py_ssize_t part) noexcept nogil:
    cdef const Ranges* ranges = <const Ranges*> argument
    ranges.task(ranges.job, cut(ranges.n, ranges.unit, ranges.parts, part),
                cut(ranges.n, ranges.unit, ranges.parts, part + 1))


cdef void share(range_fn task, const void* job, Py_ssize_t n, Py_ssize_t unit, Py_ssize_t parts) noexcept nogil:
    """``task(job, first, last)`` for so many parts of 0 .. n, cut at multiples of ``unit``."""
    cdef Ranges ranges
    if parts < 2:
        task(job, 0, n)
        return
    ranges = Ranges(task=task, job=job, n=n, unit=unit, parts=parts)
    run_parts(run_range, &ranges, parts)


cdef void in_parts(range_fn task, const void* job, Py_ssize_t n, Py_ssize_t unit, Py_ssize_t nbytes,
                   Py_ssize_t each) noexcept nogil:
    """Likewise for as many parts as it is worth; ``each``: picoseconds of a byte."""
    share(task, job, n, unit, parts_by_bytes(n, unit, nbytes, each))


cdef struct StepRanges:
    step_range_fn task
    const Step* step
    const Frame* frame


cdef void run_step_range(const void* job, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const StepRanges* ranges = <const StepRanges*> job
    ranges.task(ranges.step, ranges.frame, first, last)


cdef void step_in_parts(step_range_fn task, const Step* step, const Frame* frame, Py_ssize_t n, Py_ssize_t unit,
                        Py_ssize_t nbytes, Py_ssize_t each) noexcept nogil:
    """``task(step, frame, first, last)``, likewise."""
    cdef StepRanges ranges = StepRanges(task=task, step=step, frame=frame)
    in_parts(run_step_range, &ranges, n, unit, nbytes, each)


# ---- bytes and elements without an op ----

cdef struct Bytes:
    const char* x
    char* y


cdef void clear_part(const void* job, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    memset(<char*> job + first, 0, last - first)


cdef void clear(char* x, Py_ssize_t nbytes) noexcept nogil:
    """x = 0."""
    in_parts(clear_part, x, nbytes, LINE_BYTES, nbytes, PLAIN)


cdef void copy_part(const void* job, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Bytes* bytes = <const Bytes*> job
    memcpy(bytes.y + first, bytes.x + first, last - first)


cdef void copy(const char* x, Py_ssize_t nbytes, char* y) noexcept nogil:
    """y = x."""
    cdef Bytes bytes = Bytes(x=x, y=y)
    in_parts(copy_part, &bytes, nbytes, LINE_BYTES, nbytes, 2 * PLAIN)


cdef struct Numbers:
    const fnn_kernels* kernels
    const char* x
    int* finite


cdef void check_part(const void* job, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Numbers* numbers = <const Numbers*> job
    if not numbers.kernels.all_finite(last - first, numbers.x + first * numbers.kernels.itemsize):
        numbers.finite[0] = 0   # whoever finds one writes the same


cdef bint all_finite(const fnn_kernels* kernels, Py_ssize_t N, const char* x) noexcept nogil:
    """Is every number of x finite?"""
    cdef int finite = 1
    cdef Numbers numbers = Numbers(kernels=kernels, x=x, finite=&finite)
    in_parts(check_part, &numbers, N, LINE, N * kernels.itemsize, PLAIN)
    return finite
