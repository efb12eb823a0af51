"""Decisions that are right, counted while a network trains: what ``metrics.Accuracy`` counts, from the same outputs."""

from cython cimport floating
from libc.math cimport NAN, fabs

cdef double SUM = 1e-4  # how far from 1 a row of shares may sum up to


cdef inline Py_ssize_t largest(Py_ssize_t O, const floating* y) noexcept nogil:
    """The first of the largest."""
    cdef Py_ssize_t best = 0, o
    for o in range(1, O):
        if y[o] > y[best]:
            best = o
    return best


cdef inline int64_t label_at(const int64_t* label) noexcept nogil:
    """A label, read once: it lies in memory of the caller, which another thread may change."""
    return (<const volatile int64_t*> label)[0]


cdef inline bint is_largest(Py_ssize_t O, const floating* y, Py_ssize_t label) noexcept nogil:
    """Is that the first of the largest?  Without a jump that the processor could not foresee, but for ties."""
    cdef Py_ssize_t o
    cdef int larger = 0, equal = 0
    cdef floating value
    if not 0 <= label < O:  # of a loss of the user's, or changed since it was checked
        return False
    value = y[label]
    for o in range(O):
        larger += y[o] > value
        equal += y[o] == value
    return larger == 0 and (equal == 1 or largest(O, y) == label)


cdef inline void count_one(Hits* hits, const Count* count, const floating* y, const floating* target,
                           double weight) noexcept nogil:
    """One decision against real targets."""
    cdef Py_ssize_t O = count.width, right = 0, o
    cdef double total = 0.0, value
    cdef bint share = True
    for o in range(O):
        value = target[o]
        total += value
        share &= value >= 0.0
        hits.no_bits |= value != 0.0 and value != 1.0
        hits.no_signs |= fabs(value) != 1.0
        right += (<double> y[o] > count.threshold) == (value > 0.0)
    hits.several += weight * (<double> right / <double> O)
    if O > 1:
        hits.unclear |= not share or fabs(total - 1.0) > SUM
        hits.one += weight * <double> is_largest(O, y, largest(O, target))


cdef void count_each(Hits* hits, const Count* count, Py_ssize_t B, const floating* y, const void* target,
                     const floating* weight, Py_ssize_t weights) noexcept nogil:
    cdef const int64_t* label = <const int64_t*> target
    cdef Py_ssize_t O = count.width, n = B * count.steps, right = 0, i
    cdef double each = 1.0
    if count.labels and O > 1 and weight == NULL:   # the usual case
        for i in range(n):
            right += is_largest(O, y + i * O, label_at(label + i))
        hits.one += <double> right
        hits.weight += <double> n
        return
    for i in range(n):
        if weight != NULL:
            each = weight[i] if weights == count.steps else weight[i // count.steps]
        hits.weight += each
        if count.labels and O > 1:
            hits.one += each * <double> is_largest(O, y + i * O, label_at(label + i))
        elif count.labels:
            hits.no_bits |= label[i] != 0 and label[i] != 1
            hits.no_signs |= label[i] != 1 and label[i] != -1
            hits.several += each if (<double> y[i] > count.threshold) == (label[i] > 0) else 0.0
        else:
            count_one(hits, count, y + i * O, <const floating*> target + i * O, each)


cdef void count_hits(Hits* hits, const Count* count, Py_ssize_t itemsize, Py_ssize_t B, const char* y,
                     const char* target, const char* weight, Py_ssize_t weights) noexcept nogil:
    """Add the decisions of ``B`` rows; ``weights``: of a row, one or one per step."""
    if itemsize == sizeof(float):
        count_each(hits, count, B, <const float*> y, target, <const float*> weight, weights)
    else:
        count_each(hits, count, B, <const double*> y, target, <const double*> weight, weights)


cdef void add_hits(Hits* total, const Hits* more) noexcept nogil:
    total.one += more.one
    total.several += more.several
    total.weight += more.weight
    total.unclear |= more.unclear
    total.no_bits |= more.no_bits
    total.no_signs |= more.no_signs


cdef double hit_rate(const Hits* hits, Py_ssize_t width) noexcept nogil:
    """The share of right decisions; -1 if no reading holds for all targets, NaN if all weights are 0."""
    if hits.weight <= 0.0:
        return NAN
    if width > 1 and not hits.unclear:
        return hits.one / hits.weight
    if not hits.no_bits or (width == 1 and not hits.no_signs):
        return hits.several / hits.weight
    return -1.0
