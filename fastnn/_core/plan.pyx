"""The Plan: a directed acyclic graph of ops as one C array of steps, and the memory a running call needs.

A Plan is immutable once built.  It knows for every tensor (an edge of the graph) its elements per row; a Workspace
gives each tensor its place for up to ``capacity`` rows.  A tensor with several readers is followed by a FanOutOp, so
that every tensor has exactly one reader and every gradient exactly one writer.
"""

cimport numpy as cnp
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from fastnn._core.table cimport kernel_table
from fastnn._core.pool cimport run_parts, threads
from fastnn._core.step cimport Frame, OK, Op, Products, Step

import numpy as np

from fastnn._core.backend import uses_blas
from fastnn._core.table import ACTIVATIONS
from fastnn._core.ops import FanOutOp

cnp.import_array()

ALIGNMENT = 64  # bytes: one cache line
JOINABLE = ("relu", "leaky_relu")  # activations that the products compute as they store


def aligned_zeros(Py_ssize_t n, dtype):
    """A zeroed 1-D array of ``n`` elements that starts on a cache line; a cache line after it may be read."""
    dtype = np.dtype(dtype)
    block = np.zeros(n * dtype.itemsize + 2 * ALIGNMENT, np.uint8)
    cdef Py_ssize_t skip = -block.ctypes.data % ALIGNMENT
    return block[skip : skip + n * dtype.itemsize].view(dtype)


cdef class Plan:
    """The steps of a network.

    ``widths``: elements per row of each tensor.  ``nodes``: (op, input tensors, output tensor, offset of its parameters
    in the parameter vector) in an order in which every tensor is written before it is read.  ``inputs``, ``outputs``:
    tensors.  ``n_params``: length of the parameter vector.
    """

    def __init__(self, widths, nodes, inputs, outputs, dtype, n_params):
        self.dtype = np.dtype(dtype)
        self.kernels = kernel_table(self.dtype.itemsize)
        self.widths, self.inputs, self.n_params = list(widths), list(inputs), n_params
        nodes, self.outputs = self._with_fan_out(nodes, list(outputs))
        self.ops = tuple(node[0] for node in nodes)
        self.offsets = [node[3] for node in nodes]
        self.least_rows = max((op.least_rows for op in self.ops), default=1)
        self.products = sum(op.multiply_adds for op in self.ops)
        self._load_products()
        self._write_steps(nodes)
        self._join_activations()

    def __dealloc__(self):
        free(self.steps)
        free(self.joined)
        free(self.wiring)

    def _with_fan_out(self, nodes, outputs):
        """Give every reader of a tensor its own name for it."""
        readers = [0] * len(self.widths)
        for _, ins, _, _ in nodes:
            for tensor in ins:
                readers[tensor] += 1
        for tensor in outputs:
            readers[tensor] += 1
        names = {}
        result = []

        def part(tensor):
            count = readers[tensor]
            if count < 2:
                return
            names[tensor] = list(range(len(self.widths), len(self.widths) + count))
            self.widths += [self.widths[tensor]] * count
            result.append((FanOutOp(self.widths[tensor], count), [tensor], list(names[tensor]), 0))

        for tensor in self.inputs:
            part(tensor)
        for op, ins, out, offset in nodes:
            ins = [names[tensor].pop(0) if tensor in names else tensor for tensor in ins]
            result.append((op, ins, [out], offset))
            part(out)
        return result, [names[tensor].pop(0) if tensor in names else tensor for tensor in outputs]

    def _load_products(self):
        """Take the products from our kernels, and from the BLAS module (imported only then) where an op is to use it."""
        cdef Op op
        self.native.forward = self.kernels.product_forward
        self.native.input_gradient = self.kernels.product_input_gradient
        self.native.weight_gradient = self.kernels.product_weight_gradient
        self.native.row_gradients, self.native.activates = self.kernels.product_row_gradients, True
        if not any(uses_blas(op.product_size) for op in self.ops):
            return
        from fastnn._core import blas

        if max(self.widths) > blas.MAX_DIMENSION:
            raise ValueError(f"Plan: expected layers of at most {blas.MAX_DIMENSION} units, got {max(self.widths)}")
        memcpy(&self.blas, PyCapsule_GetPointer(blas.TABLES[self.dtype.itemsize], "fastnn.Products"), sizeof(Products))

    def _write_steps(self, nodes):
        """Fill the C array of steps and the tensor numbers it points to."""
        cdef Step* step
        cdef int* wire
        self.n_steps = len(nodes)
        self.steps = <Step*> calloc(max(len(nodes), 1), sizeof(Step))
        self.wiring = <int*> malloc(max(sum(len(ins) + len(outs) for _, ins, outs, _ in nodes), 1) * sizeof(int))
        if self.steps == NULL or self.wiring == NULL:
            raise MemoryError(f"Plan: no memory for {len(nodes)} steps")
        self.producers = [None] * len(self.widths)
        wire = self.wiring
        for index, (op, ins, outs, _) in enumerate(nodes):
            step = &self.steps[index]
            step.kernels = self.kernels
            step.products = &self.blas if uses_blas((<Op> op).product_size) else &self.native
            step.index, step.trainable, step.rate = index, True, 1.0
            step.params = <Py_ssize_t> self.offsets[index] * self.kernels.itemsize
            step.n_inputs, step.n_outputs = len(ins), len(outs)
            step.inputs = wire
            for tensor in ins:
                wire[0] = tensor
                wire += 1
            step.outputs = wire
            for place, tensor in enumerate(outs):
                self.producers[tensor] = (index, place)
                wire[0] = tensor
                wire += 1
            (<Op> op).bind(step)

    def _join_activations(self):
        """Copy the steps, with an activation that costs next to nothing made part of the step whose output it reads.

        The value between the two then never exists: for workspaces that do not keep every value apart.
        """
        cdef Step* step
        cdef Step* after
        cdef Op op
        cdef int index = 0
        self.joined = <Step*> malloc(max(self.n_steps, 1) * sizeof(Step))
        if self.joined == NULL:
            raise MemoryError(f"Plan: no memory for {self.n_steps} steps")
        self.n_joined = 0
        while index < self.n_steps:
            op, step = self.ops[index], &self.joined[self.n_joined]
            step[0] = self.steps[index]
            self.n_joined += 1
            index += 1
            if index == self.n_steps or not (op.activates and step.products.activates):
                continue
            after = &self.steps[index]
            if self.activation_of(index) in JOINABLE and after.inputs[0] == step.outputs[0]:
                step.activation, step.alpha = ACTIVATIONS[self.activation_of(index)], self.ops[index].alpha
                step.preactivation, step.outputs = step.outputs[0], after.outputs
                index += 1

    def activation_of(self, int index):
        """Name of the activation that a step computes, or None."""
        return self.ops[index].activation

    def index_inputs(self, bint unchanged=True):
        """Inputs that some op reads as indices: {place among the inputs: the smallest vocabulary they go to}.

        ``unchanged``: those whose values come to that op as they are, only copied on the way; False: also those that
        its indices are computed from.
        """
        found = {}
        for index, op in enumerate(self.ops):
            tensors = self.step_inputs(index)[:1] if op.vocabulary else []
            for tensor in tensors:  # grows on the way back to the inputs
                if self.producers[tensor] is None:
                    place = self.inputs.index(tensor)
                    found[place] = min(op.vocabulary, found.get(place, op.vocabulary))
                elif not unchanged or self.ops[self.producers[tensor][0]].copies:
                    tensors += [source for source in self.step_inputs(self.producers[tensor][0]) if source not in tensors]
        return dict(sorted(found.items()))

    def wanted_gradients(self, learns):
        """By tensor: does it depend on the parameters of a step that ``learns`` (True or False by step)?"""
        wanted = [False] * len(self.widths)
        for index, op in enumerate(self.ops):
            wants = (learns[index] and bool(op.parameters)) or any(wanted[tensor] for tensor in self.step_inputs(index))
            for tensor in self.step_outputs(index):
                wanted[tensor] = wants
        return tuple(wanted)

    def step_inputs(self, int index):
        """Tensors that a step reads."""
        return [self.steps[index].inputs[i] for i in range(self.steps[index].n_inputs)]

    def step_outputs(self, int index):
        """Tensors that a step writes."""
        return [self.steps[index].outputs[i] for i in range(self.steps[index].n_outputs)]

    cdef cnp.ndarray memory(self, Py_ssize_t nbytes):
        """Zeroed memory that starts on a cache line."""
        try:
            return aligned_zeros(nbytes, np.uint8)
        except MemoryError:
            raise MemoryError(f"fastnn: no memory for a workspace of {nbytes} bytes; use smaller batches") from None


def value_roots(Plan plan, bint training, bint share):
    """For each tensor the one whose memory it lies in: in-place ops and fan-out write no array of their own.

    With ``share`` False only fan-out shares, so that every tensor can be looked at after the call.
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
    """The memory of one running call, for up to ``capacity`` rows.

    ``gradients``: None for inference (values may share places), else for each tensor whether its gradient is
    wanted.  ``share`` False keeps every value apart so that it can be looked at afterwards.  ``sources``: tensors
    where gradients start (the outputs, if not said).
    """

    def __init__(self, Plan plan, Py_ssize_t capacity, gradients=None, bint share=True, sources=None):
        cdef Op op
        cdef Py_ssize_t itemsize = plan.dtype.itemsize, n_tensors = len(plan.widths), scratch = 0, at, place
        self.plan, self.capacity = plan, capacity
        training = gradients is not None
        roots = value_roots(plan, training, share)
        value_places, n_values = pack(value_lifetimes(plan, roots, training or not share), plan.widths)
        gradient_places, n_gradients = {}, 0
        if training:
            lifetimes = gradient_lifetimes(plan, gradients, plan.outputs if sources is None else sources)
            gradient_places, n_gradients = pack(lifetimes, plan.widths)
        saved = []
        for op in plan.ops:
            saved.append((op.saved_bytes(capacity, itemsize) + 63) // 64 * 64 if training else 0)
            scratch = max(scratch, op.scratch_bytes(capacity, itemsize, training))
        cdef Py_ssize_t values_size = n_values * capacity * itemsize, gradients_size = n_gradients * capacity * itemsize
        self.block = plan.memory(values_size + gradients_size + sum(saved) + scratch)
        cdef char* base = <char*> cnp.PyArray_DATA(self.block)
        self.frame.values = <char**> calloc(n_tensors, sizeof(char*))
        self.frame.gradients = <char**> calloc(n_tensors, sizeof(char*))
        self.frame.saved = <char**> calloc(max(plan.n_steps, 1), sizeof(char*))
        if not (self.frame.values and self.frame.gradients and self.frame.saved):
            raise MemoryError(f"fastnn: no memory for a workspace of {n_tensors} tensors")
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
        self._wire_inputs(roots)

    cdef int _wire_inputs(self, list roots) except -1:
        """Write down for each input all names that it goes by."""
        cdef InputSlot* slot
        self.slots = <InputSlot*> calloc(max(len(self.plan.inputs), 1), sizeof(InputSlot))
        if self.slots == NULL:
            raise MemoryError("fastnn: no memory for the inputs of a workspace")
        for i, tensor in enumerate(self.plan.inputs):
            slot = &self.slots[i]
            names = [name for name, root in enumerate(roots) if root == tensor]
            slot.own = self.frame.values[<int> tensor]
            slot.row_bytes = self.plan.widths[tensor] * self.plan.dtype.itemsize
            slot.n_tensors = len(names)
            slot.tensors = <int*> malloc(len(names) * sizeof(int))
            if slot.tensors == NULL:
                raise MemoryError("fastnn: no memory for the inputs of a workspace")
            for place, name in enumerate(names):
                slot.tensors[place] = name
        return 0

    def __dealloc__(self):
        if self.slots != NULL:
            for i in range(len(self.plan.inputs)):
                free(self.slots[i].tensors)
        free(self.slots)
        free(self.frame.values)
        free(self.frame.gradients)
        free(self.frame.saved)

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

cdef enum:
    AHEAD = 4               # rows that are asked for before they are copied: they may lie anywhere in memory
    PART_BYTES = 1 << 16    # of rows that are worth a thread

cdef struct Gather:
    const char* rows
    Py_ssize_t row_bytes
    const cnp.int64_t* order
    Py_ssize_t n
    Py_ssize_t parts
    char* own


cdef void gather_part(void* argument, Py_ssize_t part) noexcept nogil:
    cdef const Gather* job = <const Gather*> argument
    cdef Py_ssize_t i, line, first = job.n * part // job.parts, last = job.n * (part + 1) // job.parts
    for i in range(first, last):
        if i + AHEAD < last:
            for line in range(0, job.row_bytes, 64):
                prefetch(job.rows + job.order[i + AHEAD] * job.row_bytes + line)
        memcpy(job.own + i * job.row_bytes, job.rows + job.order[i] * job.row_bytes, job.row_bytes)


cdef const char* take_rows(const char* rows, Py_ssize_t row_bytes, const cnp.int64_t* order, Py_ssize_t start,
                           Py_ssize_t n, char* own) noexcept nogil:
    """Rows start .. start + n: where they lie if ``order`` is NULL, else gathered into ``own`` by it."""
    cdef Gather job
    if order == NULL:
        return rows + start * row_bytes
    job = Gather(rows=rows, row_bytes=row_bytes, order=order + start, n=n, own=own,
                 parts=max(1, min(<Py_ssize_t> threads(), n * row_bytes // PART_BYTES)))
    run_parts(gather_part, &job, job.parts)
    return own


cdef void take_input(const Frame* frame, const InputSlot* slot, const char* rows, const cnp.int64_t* order,
                     Py_ssize_t start, Py_ssize_t n) noexcept nogil:
    """Let one input of the network be rows start .. start + n of the caller's, in ``order`` if there is one."""
    cdef char* data = <char*> take_rows(rows, slot.row_bytes, order, start, n, slot.own)
    cdef int i
    for i in range(slot.n_tensors):
        frame.values[slot.tensors[i]] = data


cdef int run_forward(const Step* steps, int n_steps, const Frame* frame) noexcept nogil:
    """Run the steps in order; the first status that is not OK ends it."""
    cdef int i, status
    for i in range(n_steps):
        status = steps[i].forward(&steps[i], frame)
        if status != OK:
            return status
    return OK


cdef int run_backward(const Step* steps, int n_steps, const Frame* frame) noexcept nogil:
    """Run the steps backwards, past those whose gradient nobody wants."""
    cdef int i, status
    for i in range(n_steps - 1, -1, -1):
        if frame.gradients[steps[i].outputs[0]] == NULL:
            continue
        status = steps[i].backward(&steps[i], frame)
        if status != OK:
            return status
    return OK


cdef void run_commit(const Step* steps, int n_steps, const Frame* frame, char* params) noexcept nogil:
    """After a training step that succeeded: let the steps write what they keep without learning it."""
    cdef int i
    for i in range(n_steps):
        if steps[i].commit != NULL and steps[i].trainable:
            steps[i].commit(&steps[i], frame, params)


cdef int require_rows(Plan plan, const Step* steps, int n_steps, Py_ssize_t batch) except -1:
    """Refuse a training batch that is too small for one of the steps.

    Raises
    ------
    ValueError
        If it is, naming the layer.
    """
    cdef int i
    cdef Op op
    for i in range(n_steps):
        op = plan.ops[steps[i].index]
        if batch < op.least_rows and steps[i].trainable:
            raise ValueError(f"{op.who}: expected training batches of at least {op.least_rows} rows, got one of {batch}; "
                             "choose another batch_size, or leave out the rows that remain at the end of an epoch")
    return 0


cdef int raise_pending() except -1:
    """Let the exception that a step has set rise."""
    return -1
