"""The memory of one running call: where each tensor of a Plan lies, and how rows of the caller come in."""

cimport numpy as cnp
from libc.string cimport memcpy

from fastnn._core.memory cimport zeros
from fastnn._core.parts cimport PLAIN, in_parts
from fastnn._core.step cimport CHANGED, OK, Op, readable, whole_lines

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
        if op.shares_value:
            for tensor in plan.step_outputs(index):
                roots[tensor] = roots[plan.step_inputs(index)[0]]
        for source in plan.step_inputs(index)[:2] if share and op.in_place else ():
            if plan.producers[source] is None:
                continue
            before = plan.ops[plan.producers[source][0]]
            if not before.shares_value and not (training and (before.reads_output or op.reads_input)):
                roots[plan.step_outputs(index)[0]] = roots[source]
                break
    return roots


def gradient_roots(Plan plan, bint share):
    """Likewise for gradients: those that an op passes on as they are lie where they are, and those that it may write over
    its output's do so if no step before it is still to read what lies there; none without ``share``.
    """
    cdef Op op
    roots = list(range(len(plan.widths)))
    # The first step, and so the last of the backward pass, that reads what lies at a root.
    first = [-1 if producer is None else producer[0] for producer in plan.producers]
    for index in range(len(plan.ops) - 1 if share else -1, -1, -1):
        op, outputs = plan.ops[index], plan.step_outputs(index)
        free = [tensor for tensor in outputs[:2] if op.gradient_in_place and first[roots[tensor]] == index
                and all(roots[tensor] != roots[other] for other in outputs[2:])]    # read once that is written
        for tensor in plan.step_inputs(index) if op.shares_gradient else plan.step_inputs(index)[:1] if free else ():
            roots[tensor] = roots[free[0] if free else outputs[0]]
            first[roots[tensor]] = min(first[roots[tensor]], first[tensor])
    return roots


def pack(lifetimes, widths):
    """Places (offset, in elements per row) for arrays that live from time to time, and the total.

    ``lifetimes``: {name: (first, last)}, ``widths``: {name: elements per row}, rounded up to whole cache lines of the
    larger dtype.  A place is free again once the last time of what lies there is over; the tightest gap is taken.
    """
    places, gaps, busy, total = {}, [], [], 0
    for name in sorted(lifetimes, key=lambda name: lifetimes[name]):
        first, last = lifetimes[name]
        ended = [(offset, size) for end, offset, size in busy if end < first]
        if ended:
            busy = [entry for entry in busy if entry[0] >= first]
            gaps = joined(gaps + ended)
        width = (widths[name] + 15) // 16 * 16
        fitting = min((gap for gap in gaps if gap[1] >= width), key=lambda gap: gap[1], default=None)
        if fitting is not None:
            gaps.remove(fitting)
            offset = fitting[0]
            if fitting[1] > width:
                gaps.append((offset + width, fitting[1] - width))
        else:
            at_end = next((gap for gap in gaps if sum(gap) == total), (total, 0))
            gaps = [gap for gap in gaps if gap is not at_end]
            offset, total = at_end[0], at_end[0] + width
        places[name] = offset
        busy.append((last, offset, width))
    return places, total


def joined(gaps):
    """Gaps (offset, size) in order, neighbours made one."""
    sizes, begins = {}, {}  # by where a gap begins; by where it ends
    for offset, size in sorted(gaps):
        begin = begins.pop(offset, offset)
        sizes[begin] = offset + size - begin
        begins[offset + size] = begin
    return list(sizes.items())


def value_lifetimes(Plan plan, roots, bint backward, bint keep, sources=()):
    """From the step that writes a root to the last that reads it, at time i for step i.

    ``backward``: a backward pass follows, step i at time 2 n - i, which reads the inputs and outputs that its op says; the
    output of an activation one time longer, since it may be fused into the step before.  Steps whose rows are made together
    then have one time.  Those of ``sources``, which a loss reads in between, stay to the end; ``keep``: all do.
    """
    cdef Op op
    n = len(plan.ops)
    end = 2 * n + 2
    lifetimes = {roots[tensor]: [-1, end] for tensor in plan.inputs}
    there, back = (plan.spans(1), plan.spans(-1)) if backward else ([(i, i) for i in range(n)], [])

    def read(tensor, time):
        lifetimes[roots[tensor]][1] = max(lifetimes[roots[tensor]][1], end if keep else time)

    for index, operation in enumerate(plan.ops):
        op = operation
        first, last = there[index]
        for tensor in plan.step_inputs(index):
            read(tensor, 2 * n - <Py_ssize_t> back[index][0] if backward and op.reads_input else last)
        for tensor in plan.step_outputs(index):
            lifetimes.setdefault(roots[tensor], [first, last])
            read(tensor, 2 * n - <Py_ssize_t> back[index][0] + 1 if backward and op.reads_output else last)
    for tensor in (*plan.inputs, *plan.outputs, *sources):
        lifetimes[roots[tensor]][1] = end
    return {("value", root): tuple(lifetime) for root, lifetime in lifetimes.items()}


def gradient_lifetimes(Plan plan, roots, wanted, sources):
    """From its reader's step to its producer's, or that before, into which an activation may be fused.

    Steps whose rows are made together have one time.  Those of ``sources`` are there from the start of the backward pass,
    those of the inputs to its end.
    """
    n, spans = len(plan.ops), plan.spans(-1)
    lifetimes = {}
    for tensor in range(len(plan.widths)):
        if wanted[tensor]:
            last = 2 * n - spans[plan.producers[tensor][0]][0] + 1 if plan.producers[tensor] else 2 * n + 2
            lifetimes[tensor] = [n, last]
    for index in range(n):
        for tensor in plan.step_inputs(index):
            if wanted[tensor] and tensor not in sources:
                lifetimes[tensor][0] = 2 * n - spans[index][1]
    result = {}
    for tensor, (first, last) in lifetimes.items():
        before = result.get(("gradient", roots[tensor]), (first, last))
        result["gradient", roots[tensor]] = (min(first, before[0]), max(last, before[1]))
    return result


class Layout:
    """Where everything of a call lies in a workspace: what takes memory by the row, what by the batch.

    ``gradients``, ``share``, ``sources`` and ``tangents`` as for Workspace.
    """

    def __init__(self, Plan plan, gradients=None, bint share=True, sources=None, bint tangents=False):
        training = gradients is not None
        self.plan, self.training = plan, training
        self.value_roots = value_roots(plan, training, share)
        starts = plan.outputs if sources is None else sources
        lifetimes = value_lifetimes(plan, self.value_roots, training, not share, starts)
        self.gradient_roots = gradient_roots(plan, share)
        if training:
            lifetimes |= gradient_lifetimes(plan, self.gradient_roots, gradients, starts)
        if tangents:    # all that was written is read once more
            lifetimes |= {("tangent", root): span for (kind, root), span in lifetimes.items() if kind == "value"}
            lifetimes |= {("change", root): span for (kind, root), span in lifetimes.items() if kind == "gradient"}
            end = max(last for _, last in lifetimes.values())
            lifetimes = {name: (first, end) for name, (first, _) in lifetimes.items()}
        self.places, self.row_width = pack(lifetimes, {name: plan.widths[name[1]] for name in lifetimes})

    def saved_bytes(self, Py_ssize_t rows):
        """Of each step."""
        cdef Op op
        cdef Py_ssize_t itemsize = self.plan.dtype.itemsize
        sizes = []
        for operation in self.plan.ops:
            op = operation
            sizes.append(whole_lines(op.saved_bytes(rows, itemsize)) if self.training else 0)
        return sizes

    def prepared_bytes(self):
        """Of each step."""
        cdef Op op
        cdef Py_ssize_t itemsize = self.plan.dtype.itemsize
        sizes = []
        for operation in self.plan.ops:
            op = operation
            sizes.append(whole_lines(op.prepared_bytes(itemsize, self.training)))
        return sizes

    def scratch_bytes(self, Py_ssize_t rows):
        """Of the step that needs most of it."""
        cdef Op op
        cdef Py_ssize_t itemsize = self.plan.dtype.itemsize, scratch = 0
        for operation in self.plan.ops:
            op = operation
            scratch = max(scratch, op.scratch_parts * whole_lines(op.scratch_bytes(rows, itemsize, self.training)))
        return scratch

    def nbytes(self, Py_ssize_t rows):
        """Bytes of (values and gradients, saved, prepared, scratch) for so many rows."""
        return (self.row_width * rows * self.plan.dtype.itemsize, sum(self.saved_bytes(rows)), sum(self.prepared_bytes()),
                self.scratch_bytes(rows))


cdef class Workspace:
    """The memory of one running call, for up to ``capacity`` rows: one block, and a Frame of pointers into it.

    ``gradients``: None for inference (values may share places), else for each tensor whether its gradient is
    wanted.  ``share`` False keeps every value apart, to be read after the call.  ``sources``: tensors
    where gradients start (the outputs, if not said).  ``tangents``: there is room for those and for the changes of
    gradients, and no gradient gives its place to another.  Scratch is as much as the step that needs most of it; a step
    that runs in parts has ``scratch_parts`` regions of it.
    """

    def __init__(self, Plan plan, Py_ssize_t capacity, gradients=None, bint share=True, sources=None, bint tangents=False):
        cdef Py_ssize_t itemsize = plan.dtype.itemsize, n_tensors = len(plan.widths), at
        layout = Layout(plan, gradients, share, sources, tangents)
        self.plan, self.capacity, self.memory = plan, capacity, []
        roots = layout.value_roots
        cdef Py_ssize_t row_bytes = capacity * itemsize
        self.block = memory(sum(layout.nbytes(capacity)))
        cdef char* base = <char*> cnp.PyArray_DATA(self.block)
        self.frame.values = <char**> zeros(self.memory, n_tensors, sizeof(char*))
        self.frame.gradients = <char**> zeros(self.memory, n_tensors, sizeof(char*))
        self.frame.saved = <char**> zeros(self.memory, plan.n_steps, sizeof(char*))
        if tangents:
            self.frame.tangents = <char**> zeros(self.memory, n_tensors, sizeof(char*))
            self.frame.changes = <char**> zeros(self.memory, n_tensors, sizeof(char*))
        self.frame.prepared = <char**> zeros(self.memory, plan.n_steps, sizeof(char*))
        for tensor in range(n_tensors):
            name = ("value", roots[tensor])
            if name not in layout.places:   # no step writes it
                continue
            self.frame.values[tensor] = base + <Py_ssize_t> layout.places[name] * row_bytes
            if tangents:
                self.frame.tangents[tensor] = base + <Py_ssize_t> layout.places["tangent", roots[tensor]] * row_bytes
            root = layout.gradient_roots[tensor]
            if gradients is not None and gradients[tensor]:
                self.frame.gradients[tensor] = base + <Py_ssize_t> layout.places["gradient", root] * row_bytes
                if tangents:
                    self.frame.changes[tensor] = base + <Py_ssize_t> layout.places["change", root] * row_bytes
        at = <Py_ssize_t> layout.row_width * row_bytes
        for index, size in enumerate(layout.saved_bytes(capacity)):
            self.frame.saved[index] = base + at if size else NULL
            at += size
        for index, size in enumerate(layout.prepared_bytes()):
            self.frame.prepared[index] = base + at if size else NULL
            at += size
        self.frame.scratch = base + at
        cdef InputSlot* slot
        cdef int* alias_names = <int*> zeros(self.memory, n_tensors, sizeof(int))
        self.slots = <InputSlot*> zeros(self.memory, len(plan.inputs), sizeof(InputSlot))
        for i, tensor in enumerate(plan.inputs):
            slot = &self.slots[i]
            slot.own, slot.row_bytes, slot.tensors = self.frame.values[<int> tensor], plan.widths[tensor] * itemsize, alias_names
            for alias in range(n_tensors):
                if roots[alias] == tensor:
                    alias_names[0] = alias
                    alias_names += 1
            slot.n_tensors = <int> (alias_names - slot.tensors)
            for index, op in enumerate(plan.ops):
                if op.reads_on and tensor in [roots[source] for source in plan.step_inputs(index)]:
                    slot.read_on = True

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
    Py_ssize_t stored
    char* own
    bint failed             # a number is none of a row


cdef void gather_part(const void* argument, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Gather* job = <const Gather*> argument
    cdef Py_ssize_t i, line
    cdef cnp.int64_t row
    for i in range(first, last):
        if i + ROWS_AHEAD < last:
            for line in range(0, job.row_bytes, 64):
                prefetch(job.rows + job.order[i + ROWS_AHEAD] * job.row_bytes + line)
        row = job.order[i]
        if not 0 <= row < job.stored:
            (<Gather*> argument).failed = True
            return
        memcpy(job.own + i * job.row_bytes, job.rows + row * job.row_bytes, job.row_bytes)


cdef const char* take_rows(const char* rows, Py_ssize_t row_bytes, const Order* order, Py_ssize_t start, Py_ssize_t n,
                           char* own) noexcept nogil:
    """Rows start .. start + n: where they lie if there is no order, else gathered into ``own`` by it.

    NULL if the order names a row that there is not.
    """
    cdef Gather job
    if order.rows == NULL:
        return rows + start * row_bytes
    job = Gather(rows=rows, row_bytes=row_bytes, order=order.rows + start, stored=order.stored, own=own, failed=False)
    in_parts(gather_part, &job, n, 1, n * row_bytes, GATHERED)
    return own if not job.failed else NULL


cdef int take_input(const Frame* frame, const InputSlot* slot, const char* rows, const Order* order, Py_ssize_t start,
                    Py_ssize_t n) noexcept nogil:
    """Let one input of the network be rows start .. start + n of the caller's, in order; CHANGED if there is none such."""
    cdef const char* data = take_rows(rows, slot.row_bytes, order, start, n, slot.own)
    if data == NULL:
        return CHANGED
    put_input(frame, slot, data, n)
    return OK


cdef void put_input(const Frame* frame, const InputSlot* slot, const char* rows, Py_ssize_t n) noexcept nogil:
    """Let one input of the network be these rows, where they lie, or a copy if more is read than may be there."""
    cdef Py_ssize_t nbytes = n * slot.row_bytes
    cdef int i
    if slot.read_on and rows != slot.own and not readable(<Py_ssize_t> rows + nbytes):
        memcpy(slot.own, rows, nbytes)
        rows = slot.own
    for i in range(slot.n_tensors):
        frame.values[slot.tensors[i]] = <char*> rows
