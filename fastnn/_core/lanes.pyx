"""Lanes: the memory of the threads that work on a mini-batch, and where a mini-batch is cut into micro-batches.

A large mini-batch of a small network is cut into micro-batches whose tensors stay in a core's cache.  They fall into at
most GROUPS groups, each with a gradient of its own, and the threads share the groups, each thread in its own lane.
Where the cuts are depends on shapes and sizes alone, never on how many threads there are: so do the bits.

The processes of a team share the groups in the same way, each with some that follow each other.  There a mini-batch is
also cut where one process would not gain by it: networks of any size, whose groups then have more rows.
"""

cimport numpy as cnp

from fastnn._core.memory cimport zeros
from fastnn._core.workspace cimport Workspace, rows_by_bytes

import numpy as np

from fastnn._core.workspace import aligned_zeros

cnp.import_array()

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX

cdef enum:
    BATCH_WORK = 1 << 17    # multiply-adds of a mini-batch that are worth two threads
    MICRO_WORK = 1 << 25    # multiply-adds of a micro-batch that are worth a thread: about a millisecond
    MICRO_ROWS = 64         # rows that are, however few their multiply-adds
    MOST_ROWS = 1024        # of a micro-batch
    GROUP_BYTES = 1 << 22   # of the gradients of all groups, which stay in the cache until they are added up
    MEETINGS = 4            # of a row with each parameter, up to which more of them are worth more of those bytes


cdef class Lanes:
    """``wanted``: by tensor, whether its gradient is; ``losses``: as the Evaluator has them; ``whole``: never cut;
    ``processes``: that share the groups, 0: this one is not in a team; ``pieces``: that a mini-batch which is not cut
    goes in, one after the other: of a network that is never cut, since others have the memory for it anyway."""

    def __init__(self, Plan plan, cnp.ndarray params, tuple wanted, list losses, bint whole=False,
                 Py_ssize_t processes=0, Py_ssize_t pieces=1):
        self.plan, self.params, self.wanted, self.losses = plan, params, wanted, losses
        self.workspaces, self.gathered, self.memory, self.cut_from = [], [], [], PY_SSIZE_T_MAX
        self.lanes = <Lane*> zeros(self.memory, GROUPS, sizeof(Lane))
        self.pieces = pieces
        self.most, self.own = GROUPS, (GROUPS - 1) // max(processes, 1) + 1
        fails = any(op.may_fail for op in plan.ops) or any(not isinstance(loss["kernel"], str) for loss in losses)
        if whole or any(op.couples_rows for op in plan.ops):
            return
        if not fails:
            self._choose_rows()
        if processes and self.cut_from == PY_SSIZE_T_MAX:
            self._choose_groups()
            self.most = 1 if fails else GROUPS  # what can fail runs in the caller's thread

    def _choose_rows(self):
        """Cut by the bytes of a row's values and gradients, and by its multiply-adds.

        Never where the gradients of the groups would take too much: the products of so large a network are worth
        threads of their own.  Convolutions and sequences do more for each number of a gradient than dense layers.
        """
        cdef Py_ssize_t row_bytes = 2 * sum(self.plan.widths) * self.plan.dtype.itemsize
        cdef Py_ssize_t work = <Py_ssize_t> self.plan.multiply_adds, least
        cdef Py_ssize_t meetings = min(max(work // max(self.plan.n_params, 1), 1), <Py_ssize_t> MEETINGS)
        cdef Py_ssize_t group = <Py_ssize_t> sizeof(double) * self.plan.n_params
        if work == 0 or GROUPS * group > GROUP_BYTES * meetings:
            return
        least = rows_by_bytes(row_bytes, max(1, min(MICRO_ROWS, MICRO_WORK // work)), 1)
        self.least, self.rows = least, max(least, rows_by_bytes(row_bytes, least, MOST_ROWS) // 16 * 16)
        self.cut_from = max(2 * least, (BATCH_WORK + work - 1) // work)

    def _choose_groups(self):
        """Cut for a team what one process leaves whole: into groups of enough rows to be worth a message."""
        cdef Py_ssize_t row_bytes = 2 * sum(self.plan.widths) * self.plan.dtype.itemsize
        cdef Py_ssize_t work = max(<Py_ssize_t> self.plan.multiply_adds, 1)
        self.least = rows_by_bytes(row_bytes, max(1, min(MICRO_ROWS, MICRO_WORK // work)), 1)
        self.cut_from, self.doubling = 2 * self.least, True

    cdef Py_ssize_t micro_batches(self, Py_ssize_t size) noexcept nogil:
        """Of a mini-batch that is cut: an even number, of equal sizes, so that two threads end together.

        Of a large network a power of two: one for each group, which has twice the least number of rows where there are
        more than four, since a vector as long as the parameters is cleared and added up for each.
        """
        cdef Py_ssize_t count
        if self.doubling:
            count = max(min(<Py_ssize_t> 4, size // self.least), min(<Py_ssize_t> GROUPS, size // (2 * self.least)))
            while count & (count - 1):
                count &= count - 1
            return count
        return max(size // self.rows, min(<Py_ssize_t> GROUPS, size // self.least)) // 2 * 2

    cdef int reserve(self, Py_ssize_t capacity) except -1:
        """Have that memory; the first lane also takes the largest mini-batch that is not cut."""
        cdef Py_ssize_t rows = (capacity - 1) // self.pieces_of(capacity) + 1, first = rows
        if self.cuts(capacity):
            rows = max(4 * self.least, (capacity - 1) // GROUPS + 1) if self.doubling else 2 * self.rows
            first = max(rows, self.cut_from)
            if self.gradient_memory is None:
                self.gradient_memory = aligned_zeros(self.own * self.plan.n_params, self.plan.dtype)
                self.gradients = <char*> cnp.PyArray_DATA(self.gradient_memory)
        if self.capacity < capacity:
            steps = max([loss["steps"] for loss in self.losses], default=1)
            self.weight_memory = aligned_zeros(capacity * steps, self.plan.dtype)
            if not self.workspaces or (<Workspace> self.workspaces[0]).capacity < first:
                self.workspaces, self.gathered, self.n_lanes, self.capacity = [], [], 0, 0
                self.add_lane(first)
            self.weights, self.capacity = <char*> cnp.PyArray_DATA(self.weight_memory), capacity
        while not self.ready(capacity):
            self.add_lane(rows)
        return 0

    cdef int add_lane(self, Py_ssize_t rows) except -1:
        """Have one more lane, for ``rows`` rows at a time."""
        cdef Lane* lane = &self.lanes[self.n_lanes]
        cdef Workspace work = Workspace(self.plan, rows, self.wanted, sources=[loss["tensor"] for loss in self.losses])
        # A loss reads real numbers of the network's dtype or labels of 8 bytes, a function of the user's what it says.
        targets = [aligned_zeros(rows * max(self.plan.widths[loss["tensor"]] * self.plan.dtype.itemsize,
                                            loss["steps"] * sizeof(cnp.int64_t),
                                            getattr(loss["kernel"], "target_bytes", 0)), np.uint8)
                   for loss in self.losses]
        if lane.targets == NULL:
            lane.targets = <char**> zeros(self.memory, len(targets), sizeof(char*))
        for i, target in enumerate(targets):
            lane.targets[i] = <char*> cnp.PyArray_DATA(target)
        work.open(cnp.PyArray_DATA(self.params), True, 0, 0)
        lane.frame, lane.slots = &work.frame, work.slots
        self.workspaces.append(work)
        self.gathered += targets
        self.n_lanes += 1
        return 0
