"""Workspaces that no call is using, so that calls at the same time each have their own and none is made twice."""

cimport cython
cimport numpy as cnp


cnp.import_array()


cdef class Idle:
    """Workspaces for inference with up to ``capacity`` rows, open on ``params``; ``share`` as a Workspace has it.

    The critical sections are for free-threaded Python; elsewhere the GIL is one, and they compile to nothing.
    """

    def __init__(self, Plan plan, cnp.ndarray params, Py_ssize_t capacity, bint share=True):
        self.plan, self.params, self.capacity, self.share = plan, params, capacity, share
        self.idle, self.n_idle = [], 0

    cdef Workspace take(self):
        """One for the caller alone, made if all are in use."""
        cdef Workspace work = None
        with cython.critical_section(self):
            if self.n_idle:
                self.n_idle -= 1
                work = <Workspace> self.idle[self.n_idle]
        if work is None:
            work = Workspace(self.plan, self.capacity, share=self.share)
            work.open(cnp.PyArray_DATA(self.params), False, 0, 0)
        return work

    cdef int give_back(self, Workspace work) except -1:
        """The caller has done with it."""
        with cython.critical_section(self):
            if self.n_idle == len(self.idle):
                self.idle.append(work)
            else:
                self.idle[self.n_idle] = work
            self.n_idle += 1
        return 0
