"""A copy of parameters and optimiser state from before an update, for updates that fail when they are half done.

An update may make parameters infinite though the loss was finite, or be interrupted.  A copy before each would cost as much
as an update of a large network by a single row, so one is made once the work since the last is many times what it costs:
of most networks before every update, of a large one that learns from few rows some updates earlier.
"""

cimport numpy as cnp
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp, memcpy, memset

from fastnn._core.parts cimport all_finite, copy

from fastnn._core.workspace import aligned_zeros

cnp.import_array()

cdef enum:
    SMALL = 1 << 12         # bytes that stay in the nearest cache beside all else
    COPIED = 10             # picoseconds of a byte of these
    COPIED_FAR = 40         # of others: the copy takes the room of what the next update needs
    CALL = 200000           # picoseconds that an update takes however small it is


cdef inline void read_marks(const char* x, Py_ssize_t stride, Py_ssize_t itemsize, uint64_t* marks) noexcept nogil:
    """Some numbers of a vector, from all over it."""
    cdef Py_ssize_t k
    if itemsize == sizeof(uint32_t):
        for k in range(MARKS):
            marks[k] = (<const uint32_t*> x)[k * stride]
    else:
        for k in range(MARKS):
            marks[k] = (<const uint64_t*> x)[k * stride]


cdef inline void move(const char* x, Py_ssize_t nbytes, char* y) noexcept nogil:
    """y = x, on several threads if it is much."""
    if nbytes < SMALL:
        memcpy(y, x, nbytes)
    else:
        copy(x, nbytes, y)


cdef class Guard:
    """Of parameters and the state of their optimiser."""

    def __init__(self, cnp.ndarray params, OptimizerState optimizer):
        self.params, self.optimizer, self.behind = params, optimizer, -1
        self.param_bytes, self.state_bytes = cnp.PyArray_NBYTES(params), cnp.PyArray_NBYTES(optimizer.state)
        self.param_stride = max(self.param_bytes // optimizer.kernels.itemsize - 1, 0) // (MARKS - 1)
        self.state_stride = max(self.state_bytes // optimizer.kernels.itemsize - 1, 0) // (MARKS - 1)
        nbytes = self.param_bytes + self.state_bytes
        self.cost = nbytes * (COPIED if nbytes < SMALL else COPIED_FAR)

    cdef int reserve(self) except -1:
        """Have the memory of a copy."""
        if self.memory is None:
            self.memory = aligned_zeros(self.param_bytes + self.state_bytes, "u1")
            self.copied = <char*> cnp.PyArray_DATA(self.memory)
        return 0

    cdef void look_at(self, uint64_t* marks) noexcept nogil:
        cdef Py_ssize_t itemsize = self.optimizer.kernels.itemsize
        if self.param_bytes > 0:
            read_marks(<char*> cnp.PyArray_DATA(self.params), self.param_stride, itemsize, marks)
        if self.state_bytes > 0:
            read_marks(<char*> cnp.PyArray_DATA(self.optimizer.state), self.state_stride, itemsize, marks + MARKS)

    cdef bint touched(self) noexcept nogil:
        """Has somebody else changed them since the last update?  A change of few numbers of many may go unnoticed."""
        cdef uint64_t[2 * MARKS] marks
        if self.optimizer.step != self.expected:
            return True
        memset(marks, 0, sizeof(marks))
        self.look_at(marks)
        return memcmp(marks, self.marks, sizeof(marks)) != 0

    cdef void keep(self, Py_ssize_t work, Py_ssize_t share, unsigned long long step) noexcept nogil:
        """Before an update of so many picoseconds, after ``reserve``: make a copy, if ``share`` says that it is time."""
        self.owed += work + CALL
        if self.behind >= 0 and self.owed < share * self.cost and not self.touched():
            return
        move(<char*> cnp.PyArray_DATA(self.params), self.param_bytes, self.copied)
        if self.state_bytes > 0:
            move(<char*> cnp.PyArray_DATA(self.optimizer.state), self.state_bytes, self.copied + self.param_bytes)
        self.owed = self.behind = 0
        self.updates, self.step = self.optimizer.step, step

    cdef void passed(self) noexcept nogil:
        """The update is done, and good."""
        self.behind += 1
        self.expected = self.optimizer.step
        if self.owed + CALL < COPY_SHARE * self.cost:   # else the next begins with a copy in any case
            self.look_at(self.marks)

    cdef bint finite(self) noexcept nogil:
        """Are parameters and state?"""
        cdef Py_ssize_t itemsize = self.optimizer.kernels.itemsize
        return (all_finite(self.optimizer.kernels, self.param_bytes // itemsize, <char*> cnp.PyArray_DATA(self.params))
                and all_finite(self.optimizer.kernels, self.state_bytes // itemsize,
                               <char*> cnp.PyArray_DATA(self.optimizer.state)))

    cdef unsigned long long restore(self) noexcept nogil:
        """Put the copy back; returns the step of the trainer that belongs to it."""
        copy(self.copied, self.param_bytes, <char*> cnp.PyArray_DATA(self.params))
        copy(self.copied + self.param_bytes, self.state_bytes, <char*> cnp.PyArray_DATA(self.optimizer.state))
        self.lost, self.behind, self.owed = self.behind, 0, 0
        self.optimizer.step = self.expected = self.updates
        self.look_at(self.marks)
        return self.step
