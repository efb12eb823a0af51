from libc.stdint cimport int64_t

# Decisions of one output that are right, each with its weight, by the readings that targets of classes allow.
cdef struct Hits:
    double one          # the largest output is that of the class, or a single output is on the right side
    double several      # share of the outputs that are on the right side: several labels at once
    double weight
    bint unclear        # a target so far is no label and no row that sums to 1
    bint no_bits        # one is neither 0 nor 1
    bint no_signs       # one is neither -1 nor 1

# What is counted of one output.
cdef struct Count:
    Py_ssize_t width    # outputs of one decision; 0: nothing is counted
    Py_ssize_t steps    # decisions of a row
    bint labels         # targets are int64 labels, not real numbers
    double threshold    # above it a single output says yes

cdef void count_hits(Hits* hits, const Count* count, Py_ssize_t itemsize, Py_ssize_t B, const char* y,
                     const char* target, const char* weight, Py_ssize_t weights) noexcept nogil
cdef void add_hits(Hits* total, const Hits* more) noexcept nogil
cdef double hit_rate(const Hits* hits, Py_ssize_t width) noexcept nogil
