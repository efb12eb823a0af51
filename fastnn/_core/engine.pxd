cimport numpy as cnp
from libc.stdint cimport int64_t

from fastnn._core.idle cimport Idle
from fastnn._core.plan cimport Plan
from fastnn._core.rows cimport ROW_AXES, Row
from fastnn._core.trainer cimport Trainer
from fastnn._core.versions cimport Versions
from fastnn._core.workspace cimport Workspace

cpdef enum:
    MAX_PORTS = 64  # inputs, and outputs, of a network
    MAX_AXES = ROW_AXES

cdef enum:
    NOT_FINITE = -1         # a status: the rows hold NaN or inf

cdef class Engine:
    cdef readonly Plan plan
    cdef readonly cnp.ndarray params    #: All parameters, one 1-D vector; layers hold views of it.
    cdef readonly cnp.ndarray grads     #: Their gradients, in the same order.
    cdef readonly Versions versions     #: Of the parameters: see versions.pxd.
    cdef readonly Trainer trainer
    cdef object __weakref__
    cdef Idle one                       # workspaces for one row
    cdef Idle many                      # for ``chunk`` rows
    cdef Workspace manual               # of forward / backward
    cdef readonly Py_ssize_t _rows_kept # of the last ``_forward_rows``, 0: there is none
    cdef bint uncommitted               # it was one of training, and what it is to leave in the network is not there yet
    cdef readonly Py_ssize_t chunk      # rows run at once
    cdef bint may_fail                  # a step can refuse a row
    cdef readonly Py_ssize_t block      # rows answered between two checks for signals
    cdef Py_ssize_t row_work            # picoseconds of a row's products on one thread
    cdef int n_inputs
    cdef int n_outputs
    cdef int output_tensors[MAX_PORTS]
    cdef Py_ssize_t output_bytes[MAX_PORTS]     # per row
    cdef int fast_dtype                 # the dtype's number if there is one input and one output, else -1: no array's
    cdef Row input                      # the first, and only one of the fast path
    cdef Row output                     # likewise
    cdef Py_ssize_t gil_rows            # most rows whose forward pass keeps the GIL, and runs nothing of the user's
    cdef object kept                    # what keeps the memory of the parameters and gradients
    cdef inline bint keeps_gil(self, Py_ssize_t n) noexcept:
        """Is a forward pass of ``n`` rows over before another thread gets the GIL?"""
        return n <= self.gil_rows
    cdef object scalar                  # NumPy's type of one number of the dtype
    cdef int reals                      # which real targets the fast path may take
    cdef Py_ssize_t classes             # if the target may be a label, else 0
    cdef double constant_rate           # the learning rate if it does not change, else -1
    cdef object empty(self, Py_ssize_t n, bint batched)
    cdef const char* target_of(self, object y, Py_ssize_t n, bint batched, int64_t* number, bint* labels) noexcept
    cdef object _copy(self, const char* data, int tensor)
    cdef int require_inputs(self, inputs, Py_ssize_t n) except -1
    cdef int require_forward(self) except -1
    cdef int require_of_tensors(self, str what, arrays, list tensors) except -1

cdef int answer_all(Engine self, Workspace work, const char** rows, char** answers, Py_ssize_t n,
                    bint check) noexcept nogil
