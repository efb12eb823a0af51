from fastnn._core.plan cimport Plan
from fastnn._core.workspace cimport Workspace

cdef class Idle:
    cdef Plan plan
    cdef object params          # what the workspaces are open on
    cdef Py_ssize_t capacity
    cdef bint share             # may values share memory
    cdef list idle              # a stack; entries from n_idle on are stale, so that taking one moves no memory
    cdef Py_ssize_t n_idle
    cdef Workspace take(self)
    cdef int give_back(self, Workspace work) except -1
