"""The memory of one running call: where each tensor of a Plan lies, and how rows of the caller come in."""

cimport numpy as cnp
from libc.string cimport memcpy

from fastnn._core.memory cimport zeros
from fastnn._core.parts cimport PLAIN, in_parts
from fastnn._core.step cimport Op, whole_lines

import numpy as np

from fastnn._core.aligned import aligned_zeros

cnp.import_array()

cdef enum:
    NEAR_BYTES = 1 << 19    # of tensors that stay in a core's cache beside the weights
    WIDE_BYTES = 1 << 25    # of tensors, where rows are so wide that they do not
    ROWS_AHEAD = 4          # rows that are fetched into the cache before they are copied: they may lie anywhere
    GATHERED = 8 * PLAIN    # picoseconds per byte of rows from anywhere


cdef cnp.ndarray memory(Py_ssize_t nbytes):
    """Zeroed memory that starts on a cache line."""
    try:
        return aligned_zeros(nbytes, np.uint8)
    except MemoryError:
        raise MemoryError(f"fastnn: no memory for a workspace of {nbytes} bytes; use smaller batches") from None


cdef Py_ssize_t rows_by_bytes(Py_ssize_t row_bytes, Py_ssize_t least, Py_ssize_t most) except -1:
    """Rows to run at a time, of ``row_bytes`` each: as many as stay in a core's cache, within ``least`` .. ``most``.

    Fewer than ``least`` only where these would take more than WIDE_BYTES.
    """
    return max(1, min(least, WIDE_BYTES // max(row_bytes, 1)), min(most, NEAR_BYTES // max(row_bytes, 1)))


def value_roots(Plan plan, bint training, bint share):
    """For each tensor the one whose memory it lies in: in-place ops and fan-out write no array of their own.

    With ``share`` False only fan-out shares, so that every value can be read after the call.
    """
    cdef Op op, before
    roots = list(range(len(plan.widths)))
    for index, operation in enumerate(plan.ops):
        op = operation
        source = plan.step_inputs(index)[0]
        if op.shares_value:
            for tensor in plan.step_outputs(index):
                roots[tensor] = roots[source]
        elif share and op.in_place and plan.producers[source] is not None:
            before = plan.ops[plan.producers[source][0]]
            if not before.shares_value and not (training and (before.reads_output or op.reads_input)):
                roots[plan.step_outputs(index)[0]] = roots[source]
    return roots


def pack(lifetimes, widths):
    """Places (offset, in elements per row) for tensors that live from step to step, and the total.

    ``lifetimes``: {tensor: (first step, last step)}.  A place is free again once its tensor's last step is over.
    Widths are rounded up to whole cache lines of the larger dtype.
    """
    places, free_places, busy, total = {}, [], [], 0
    for tensor in sorted(lifetimes, key=lambda t: lifetimes[t][0]):
        first, last = lifetimes[tensor]
        free_places += [(size, offset) for end, size, offset in busy if end < first]
        busy = [entry for entry in busy if entry[0] >= first]
        width = (widths[tensor] + 15) // 16 * 16
        fitting = sorted(place for place in free_places if place[0] >= width)
        if fitting:
            size, offset = fitting[0]
            free_places.remove(fitting[0])
        else:
            size, offset, total = width, total, total + width
        places[tensor] = offset
        busy.append((last, size, offset))
    return places, total


def value_lifetimes(Plan plan, roots, bint keep):
    """From the step that writes a root to the last that reads it; with ``keep`` to the end of the backward pass."""
    end = len(plan.ops) + 1
    lifetimes = {roots[tensor]: [-1, end] for tensor in plan.inputs}
    for index in range(len(plan.ops)):
        for tensor in plan.step_inputs(index):
            lifetimes[roots[tensor]][1] = end if keep else max(index, lifetimes[roots[tensor]][1])
        for tensor in plan.step_outputs(index):
            lifetimes.setdefault(roots[tensor], [index, end if keep else index])
    for tensor in (*plan.inputs, *plan.outputs):
        lifetimes[roots[tensor]][1] = end
    return lifetimes


def gradient_lifetimes(Plan plan, wanted, sources):
    """Backward time: step i runs at time n - i; a gradient lives from its reader's step to its producer's.

    Those of ``sources`` are there from the start.
    """
    n = len(plan.ops)
    lifetimes = {tensor: [0, n - plan.producers[tensor][0] if plan.producers[tensor] else n + 1]
                 for tensor in range(len(plan.widths)) if wanted[tensor]}
    for index in range(n):
        for tensor in plan.step_inputs(index):
            if wanted[tensor] and tensor not in sources:
                lifetimes[tensor][0] = n - index
    return lifetimes


cdef class Workspace:
    """The memory of one running call, for up to ``capacity`` rows: one block, and a Frame of pointers into it.

    ``gradients``: None for inference (values may share places), else for each tensor whether its gradient is
    wanted.  ``share`` False keeps every value apart, to be read after the call.  ``sources``: tensors
    where gradients start (the outputs, if not said).  Scratch is as much as the step that needs most of it; a step
    that runs in parts has ``scratch_parts`` regions of it.
    """

    def __init__(self, Plan plan, Py_ssize_t capacity, gradients=None, bint share=True, sources=None):
        cdef Op op
        cdef Py_ssize_t itemsize = plan.dtype.itemsize, n_tensors = len(plan.widths), scratch = 0, at, place
        self.plan, self.capacity, self.memory = plan, capacity, []
        training = gradients is not None
        roots = value_roots(plan, training, share)
        value_places, n_values = pack(value_lifetimes(plan, roots, training or not share), plan.widths)
        gradient_places, n_gradients = {}, 0
        if training:
            lifetimes = gradient_lifetimes(plan, gradients, plan.outputs if sources is None else sources)
            gradient_places, n_gradients = pack(lifetimes, plan.widths)
        saved = []
        for op in plan.ops:
            saved.append(whole_lines(op.saved_bytes(capacity, itemsize)) if training else 0)
            scratch = max(scratch, op.scratch_parts * whole_lines(op.scratch_bytes(capacity, itemsize, training)))
        cdef Py_ssize_t values_size = n_values * capacity * itemsize, gradients_size = n_gradients * capacity * itemsize
        self.block = memory(values_size + gradients_size + sum(saved) + scratch)
        cdef char* base = <char*> cnp.PyArray_DATA(self.block)
        self.frame.values = <char**> zeros(self.memory, n_tensors, sizeof(char*))
        self.frame.gradients = <char**> zeros(self.memory, n_tensors, sizeof(char*))
        self.frame.saved = <char**> zeros(self.memory, plan.n_steps, sizeof(char*))
        for tensor in range(n_tensors):
            if roots[tensor] not in value_places:   # no step writes it
                continue
            place = value_places[roots[tensor]]
            self.frame.values[tensor] = base + place * capacity * itemsize
            if tensor in gradient_places:
                place = gradient_places[tensor]
                self.frame.gradients[tensor] = base + values_size + place * capacity * itemsize
        at = values_size + gradients_size
        for index, size in enumerate(saved):
            self.frame.saved[index] = base + at if size else NULL
            at += size
        self.frame.scratch = base + at
        cdef InputSlot* slot
        cdef int* name = <int*> zeros(self.memory, n_tensors, sizeof(int))
        self.slots = <InputSlot*> zeros(self.memory, len(plan.inputs), sizeof(InputSlot))
        for i, tensor in enumerate(plan.inputs):
            slot = &self.slots[i]
            slot.own, slot.row_bytes, slot.tensors = self.frame.values[<int> tensor], plan.widths[tensor] * itemsize, name
            for alias in range(n_tensors):
                if roots[alias] == tensor:
                    name[0] = alias
                    name += 1
            slot.n_tensors = <int> (name - slot.tensors)

    cdef void open(self, const void* params, bint training, unsigned long long seed, unsigned long long step) noexcept:
        """Say what the next call runs on."""
        self.frame.params = <const char*> params
        self.frame.training, self.frame.seed, self.frame.step = training, seed, step
        self.frame.first_row = 0

    @property
    def nbytes(self):
        """Bytes held."""
        return self.block.nbytes

    def fill(self, int byte):
        """Overwrite all of the memory, for tests that nothing unwritten is read."""
        self.block.fill(byte)


cdef extern from *:
    """
    #if defined(__GNUC__)
    #define prefetch(address) __builtin_prefetch(address)
    #else
    #define prefetch(address) ((void)(address))
    #endif
    """
    void prefetch(const void* address) noexcept nogil

cdef struct Gather:
    const char* rows
    Py_ssize_t row_bytes
    const cnp.int64_t* order
    char* own


cdef void gather_part(const void* argument, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Gather* job = <const Gather*> argument
    cdef Py_ssize_t i, line
    for i in range(first, last):
        if i + ROWS_AHEAD < last:
            for line in range(0, job.row_bytes, 64):
                prefetch(job.rows + job.order[i + ROWS_AHEAD] * job.row_bytes + line)
        memcpy(job.own + i * job.row_bytes, job.rows + job.order[i] * job.row_bytes, job.row_bytes)


cdef const char* take_rows(const char* rows, Py_ssize_t row_bytes, const cnp.int64_t* order, Py_ssize_t start,
                           Py_ssize_t n, char* own) noexcept nogil:
    """Rows start .. start + n: where they lie if ``order`` is NULL, else gathered into ``own`` by it."""
    cdef Gather job
    if order == NULL:
        return rows + start * row_bytes
    job = Gather(rows=rows, row_bytes=row_bytes, order=order + start, own=own)
    in_parts(gather_part, &job, n, 1, n * row_bytes, GATHERED)
    return own


cdef void take_input(const Frame* frame, const InputSlot* slot, const char* rows, const cnp.int64_t* order,
                     Py_ssize_t start, Py_ssize_t n) noexcept nogil:
    """Let one input of the network be rows start .. start + n of the caller's, in ``order`` if there is one."""
    cdef char* data = <char*> take_rows(rows, slot.row_bytes, order, start, n, slot.own)
    cdef int i
    for i in range(slot.n_tensors):
        frame.values[slot.tensors[i]] = data
