"""Evaluation: a plan bound to losses, and what they come to over rows that nothing is learnt from."""

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject

from fastnn._core.memory cimport zeros
from fastnn._core.loss cimport run_loss
from fastnn._core.parts cimport copy
from fastnn._core.pool cimport expect
from fastnn._core.plan cimport require_ok, run_forward
from fastnn._core.products cimport multiply_add_work
from fastnn._core.step cimport OK
from fastnn._core.workspace cimport Workspace, rows_by_bytes, take_input

import numpy as np

from fastnn._core.table import LOSSES

cnp.import_array()

cdef enum:
    CHUNK_ROWS = 256    # sums are taken over so many rows, then added up: another number changes their last bits


cdef class Evaluator:
    """A plan bound to losses.

    ``losses``: one dict per output with ``kernel`` (a key of ``LOSSES`` or a LossFunction), ``label_kernel`` (a key or
    None), ``parameter``, ``share``, ``tensor``, ``steps`` (losses in a row), ``count`` (outputs of a decision, decisions
    of a row, whether a LossFunction takes labels; outputs 0: none are counted in training) and ``threshold``.
    """

    def __init__(self, Plan plan, cnp.ndarray params, losses):
        self.plan, self.params, self.kernels, self.loss_parts = plan, params, plan.kernels, list(losses)
        self.memory, self.n_losses = [], len(losses)
        self.losses = <LossStep*> zeros(self.memory, len(losses), sizeof(LossStep))
        for i, loss in enumerate(losses):
            self.losses[i].tensor, self.losses[i].parameter = loss["tensor"], loss["parameter"]
            self.losses[i].share, self.losses[i].steps = loss["share"], loss["steps"]
            self.losses[i].width = plan.widths[loss["tensor"]] // loss["steps"]
            if isinstance(loss["kernel"], str):
                self.losses[i].real_value = plan.kernels.loss[<int> LOSSES[loss["kernel"]]]
            else:
                self.losses[i].custom = <PyObject*> loss["kernel"]
                self.losses[i].target_bytes = loss["kernel"].target_bytes
            if loss["label_kernel"] is not None:
                self.losses[i].label_value = plan.kernels.loss[<int> LOSSES[loss["label_kernel"]]]
            self.losses[i].count.width, self.losses[i].count.steps, self.losses[i].count.labels = loss["count"]
            self.losses[i].count.threshold = loss["threshold"]
            self.take_targets(&self.losses[i], False)
        self.chunk = rows_by_bytes(sum(plan.widths) * plan.dtype.itemsize, CHUNK_ROWS, CHUNK_ROWS)
        self.idle = Idle(plan, params, self.chunk, share=False)

    cdef void take_targets(self, LossStep* loss, bint labels) noexcept nogil:
        """Expect int64 labels, or one real number per element that the loss reads."""
        if loss.custom != NULL:
            return
        loss.value, loss.count.labels = loss.label_value if labels else loss.real_value, labels
        loss.target_bytes = loss.steps * (sizeof(cnp.int64_t) if labels else loss.width * self.kernels.itemsize)

    cdef int expect(self, LossStep* loss, target) except -1:
        """Expect targets such as this array."""
        self.take_targets(loss, loss.label_value != NULL and target.dtype == np.int64)
        return 0

    def evaluate(self, inputs, targets, weights, outputs, Py_ssize_t n):
        """Return the sum of weighted losses and of weights over ``n`` rows; write the network's outputs to ``outputs``.

        Nothing learns and nothing is dropped out.  Touches nothing that another thread's call could be using.
        """
        cdef Py_ssize_t start = 0, size, itemsize = self.kernels.itemsize, row_bytes
        cdef Py_ssize_t each = 1 if weights is None else weights.size // len(weights)
        cdef Workspace work = self.idle.take()
        cdef const char* row_weights = NULL
        cdef const char* target
        cdef char* answers
        cdef double loss_sum = 0.0, weight_sum = 0.0, total = 0.0
        cdef LossStep loss
        cdef int i, status = OK
        expect(<Py_ssize_t> (n * self.plan.multiply_adds * multiply_add_work(self.kernels)))
        while start < n:
            size = min(self.chunk, n - start)
            work.frame.batch = size
            for i, array in enumerate(inputs):
                take_input(&work.frame, &work.slots[i], <char*> cnp.PyArray_DATA(array), NULL, start, size)
            with nogil:
                status = run_forward(self.plan.steps, self.plan.n_steps, &work.frame)
            require_ok(status)
            if weights is not None:
                row_weights = <char*> cnp.PyArray_DATA(weights) + start * each * itemsize
            for i, array in enumerate(targets):
                loss = self.losses[i]
                self.expect(&loss, array)
                target = <char*> cnp.PyArray_DATA(array) + start * loss.target_bytes
                status = run_loss(&loss, itemsize, size, work.frame.values[loss.tensor], target, row_weights, each, 1.0,
                                  NULL, &total)
                require_ok(status)
                loss_sum += loss.share * total
            weight_sum += <double> size if row_weights == NULL else self.kernels.sum(size * each, row_weights)
            for i, output in enumerate(outputs):
                row_bytes = self.plan.widths[self.plan.outputs[i]] * itemsize
                answers = <char*> cnp.PyArray_DATA(output) + start * row_bytes
                copy(work.frame.values[<int> self.plan.outputs[i]], size * row_bytes, answers)
            start += size
            PyErr_CheckSignals()
        self.idle.give_back(work)
        return loss_sum, weight_sum
