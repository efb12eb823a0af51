"""The Plan: a directed acyclic graph of ops as one C array of steps.

A Plan is immutable once built and knows for every tensor (an edge of the graph) its elements per row; where tensors lie
is a Workspace's business.  A tensor with several readers is followed by a FanOutOp, so that every tensor has exactly
one reader and every gradient exactly one writer.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer

from fastnn._core.carry cimport backward_step, forward_step
from fastnn._core.memory cimport zeros
from fastnn._core.pool cimport stopped
from fastnn._core.table cimport FNN_IDENTITY, kernel_table
from fastnn._core.step cimport FAILED, OK, Op

from typing import NamedTuple

import numpy as np

from fastnn._core.backend import uses_blas
from fastnn._core.table import ACTIVATIONS
from fastnn._core.ops import FanOutOp

class Group(NamedTuple):
    """Steps whose rows another carries, in a pass that goes ``way`` (1: forward, -1: backward).

    ``place``: of the carrier among the fused steps; ``before``, ``after``: how many steps next to it, as the pass goes;
    ``collects``: whether the sums of the one behind those are collected.
    """

    way: int
    place: int
    before: int
    after: int
    collects: bool


def _reach(place, way, rows, begins, collects):
    """How far a group goes: back to the last step that begins with sums, and on to the next whose sums are collected."""
    def can(at):
        return 0 <= at < len(rows) and rows[at]

    before, after = 1, 1
    while can(place - way * before) and not begins[place - way * before]:
        before += 1
    while can(place + way * after) and not begins[place + way * after]:
        after += 1
    found = can(place + way * after) and collects[place + way * after]
    return before if can(place - way * before) else 0, after - 1 if found else 0, found


FUSABLE = ("relu", "leaky_relu")  # activations that the products compute as they store


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
        self.multiply_adds, self.memory = sum(op.multiply_adds for op in self.ops), []
        self._load_blas()
        self._write_steps(nodes)
        self._fuse_activations()
        self.groups = self._forward_groups() + self._backward_groups()

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

    def _load_blas(self):
        """Take products from the BLAS module, imported only then, where an op is to use it."""
        if not any(uses_blas(op.product_size) for op in self.ops):
            return
        from fastnn._core import blas

        if max(self.widths) > blas.MAX_DIMENSION:
            raise ValueError(f"Plan: expected layers of at most {blas.MAX_DIMENSION} units, got {max(self.widths)}")
        self.blas = (<fnn_products*> PyCapsule_GetPointer(blas.TABLES[self.dtype.itemsize], "fastnn.Products"))[0]

    def _write_steps(self, nodes):
        """Fill the C array of steps and the tensor numbers it points to."""
        cdef Step* step
        cdef Op op
        cdef int* wire = <int*> zeros(self.memory, sum(len(ins) + len(outs) for _, ins, outs, _ in nodes), sizeof(int))
        self.n_steps = len(nodes)
        self.steps = <Step*> zeros(self.memory, len(nodes), sizeof(Step))
        self.producers = [None] * len(self.widths)
        for index, (node, ins, outs, _) in enumerate(nodes):
            op, step = node, &self.steps[index]
            step.forward, step.backward, step.commit, step.config = op.forward, op.backward, op.commit, op.config
            step.tangent, step.curve, step.kernels = op.tangent, op.curve, self.kernels
            step.forward_by, step.backward_by = op.forward_by, op.backward_by
            step.products = &self.kernels.products
            if uses_blas(op.product_size):
                step.products = &self.blas
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

    def _fuse_activations(self):
        """Copy the steps, with an activation that costs next to nothing made part of the step whose output it reads.

        The value between the two then never exists: for workspaces that do not keep every value apart.
        """
        cdef Step* step
        cdef Step* after
        cdef Op op
        cdef int index = 0
        self.fused = <Step*> zeros(self.memory, self.n_steps, sizeof(Step))
        self.n_fused = 0
        while index < self.n_steps:
            op, step = self.ops[index], &self.fused[self.n_fused]
            step[0] = self.steps[index]
            self.n_fused += 1
            index += 1
            if index == self.n_steps or not (op.activates and step.products.activates):
                continue
            after = &self.steps[index]
            if self.activation_of(index) in FUSABLE and after.inputs[0] == step.outputs[0]:
                step.activation, step.alpha = ACTIVATIONS[self.activation_of(index)], self.ops[index].alpha
                step.preactivation, step.outputs = step.outputs[0], after.outputs
                index += 1

    def _forward_groups(self):
        """Groups of fused steps of which one carries the others; see ``carry.pxd``."""
        rows = [self.fused[i].forward_by.rows != NULL for i in range(self.n_fused)]
        begins = [self.fused[i].forward_by.begin != NULL for i in range(self.n_fused)]
        collects = [self.fused[i].forward_by.collect != NULL for i in range(self.n_fused)]
        groups = [Group(1, place, *_reach(place, 1, rows, begins, collects)) for place in self._carriers()]
        return [group for group in groups if group.before or group.collects]

    def _backward_groups(self):
        """Likewise; what comes before a convolution with an activation is its gradient, which has all rows first."""
        rows = [self.fused[i].backward_by.rows != NULL for i in range(self.n_fused)]
        begins = [self.fused[i].backward_by.begin != NULL for i in range(self.n_fused)]
        collects = [self.fused[i].backward_by.collect != NULL for i in range(self.n_fused)]
        groups = [Group(-1, place, *_reach(place, -1, rows, begins, collects)) for place in self._carriers()]
        groups = [group if self.fused[<int> group.place].activation == FNN_IDENTITY else group._replace(before=0)
                  for group in groups]
        return [group for group in groups if group.before or group.collects]

    def _carriers(self):
        """Places, among the fused steps, of those that carry others."""
        return [i for i in range(self.n_fused) if self.ops[self.fused[i].index].carries]

    def spans(self, int way):
        """By op, the first and the last of those whose rows are made together in a pass, in the order of the ops."""
        found = [(index, index) for index in range(self.n_steps)]
        for group in self.groups:
            if group.way != way:
                continue
            low, high = sorted((group.place - way * group.before, group.place + way * group.after))
            first = self.fused[<int> low].index
            last = self.fused[<int> high + 1].index - 1 if high + 1 < self.n_fused else self.n_steps - 1
            found[first : last + 1] = [(first, last)] * (last + 1 - first)
        return found

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


cdef int run_forward(const Step* steps, int n_steps, const Frame* frame) noexcept nogil:
    """Run the steps in order; the first status that is not OK ends it."""
    cdef int i, status
    for i in range(n_steps):
        status = forward_step(&steps[i], frame)
        if status != OK:
            return status
        if frame.watched and stopped():
            return FAILED
    return OK


cdef int run_backward(const Step* steps, int n_steps, const Frame* frame) noexcept nogil:
    """Run the steps backwards, past those whose gradient nobody wants."""
    cdef int i, status
    for i in range(n_steps - 1, -1, -1):
        if frame.gradients[steps[i].outputs[0]] == NULL:
            continue
        status = backward_step(&steps[i], frame)
        if status != OK:
            return status
        if frame.watched and stopped():
            return FAILED
    return OK


cdef int run_tangent(const Step* steps, int n_steps, const Frame* frame) noexcept nogil:
    """Send tangents of the inputs forward, past gradients that a backward pass left; then back how these change.

    All changes are 0 at first.  They are 0 behind the last step that has a curve, too: the way back begins there.
    """
    cdef Frame back = frame[0]
    cdef int i, status, last = -1
    for i in range(n_steps):
        status = steps[i].tangent(&steps[i], frame)
        if status != OK:
            return status
        if steps[i].curve != NULL:
            last = i
    back.gradients = frame.changes
    for i in range(last, -1, -1):
        if frame.changes[steps[i].outputs[0]] == NULL:
            continue
        status = steps[i].curve(&steps[i], frame) if steps[i].curve != NULL else steps[i].backward(&steps[i], &back)
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
                             "choose a larger batch_size, or pass more rows")
    return 0
