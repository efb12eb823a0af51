"""Evaluation: a plan bound to losses, and what they come to over rows that nothing is learnt from."""

cimport numpy as cnp
from cpython.exc cimport PyErr_CheckSignals
from cpython.object cimport PyObject
from libc.math cimport isfinite

from fastnn._core.held cimport hold_all, require_count, require_packed
from fastnn._core.memory cimport zeros
from fastnn._core.loss cimport labels_changed, run_loss
from fastnn._core.parts cimport copy
from fastnn._core.pool cimport LONG, expect, fnn_watch, signals, watch
from fastnn._core.plan cimport require_ok, run_forward
from fastnn._core.products cimport multiply_add_work
from fastnn._core.step cimport FAILED, OK
from fastnn._core.versions cimport View
from fastnn._core.workspace cimport Workspace, put_input, rows_by_bytes

import numpy as np

from fastnn._core.table import LOSSES
from fastnn._core.versions import versions_of

cnp.import_array()

LABELS_CHANGED = ("labels changed while they were read, to others than those of the classes; leave y as it is until the "
                  "call that was given it ends")

cdef enum:
    CHUNK_ROWS = 256    # sums are taken over so many rows, then added up: another number changes their last bits


cdef class Evaluator:
    """A plan bound to losses.

    ``losses``: one dict per output with ``kernel`` (a key of ``LOSSES`` or a LossFunction), ``label_kernel`` (a key or
    None), ``parameter``, ``share``, ``tensor``, ``steps`` (losses in a row), ``count`` (outputs of a decision, decisions
    of a row, whether a LossFunction takes labels; outputs 0: none are counted in training) and ``threshold``.
    """

    def __init__(self, Plan plan, cnp.ndarray params, losses):
        require_packed("params", params, plan.dtype.num, plan.n_params, 1, True)
        self.plan, self.params, self.kernels, self.loss_parts = plan, params, plan.kernels, list(losses)
        self.versions = versions_of(params)
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

    cdef list hold_rows(self, inputs, targets, weights, Py_ssize_t rows):
        """What is to be kept while the first ``rows`` rows of the caller's are read; ValueError if they are not there."""
        cdef int i, number = self.plan.dtype.num
        cdef LossStep loss
        cdef list held = hold_all([*inputs, *targets], weights)
        require_count("inputs", inputs, <Py_ssize_t> len(self.plan.inputs))
        require_count("targets", targets, self.n_losses)
        for i, array in enumerate(inputs):
            require_packed(f"input {i + 1}", array, number, rows, self.plan.widths[<int> self.plan.inputs[i]])
        for i, array in enumerate(targets):
            loss = self.losses[i]
            if loss.custom != NULL:
                custom = <object> loss.custom
                require_packed(f"targets of output {i + 1}", array, custom.target_dtype.num, rows,
                               custom.target_bytes // custom.target_dtype.itemsize)
            elif loss.label_value != NULL and getattr(array, "dtype", None) == np.int64:
                require_packed(f"labels of output {i + 1}", array, cnp.NPY_INT64, rows, loss.steps)
            else:
                require_packed(f"targets of output {i + 1}", array, number, rows, loss.steps * loss.width)
        if weights is not None:
            each = weights.size // max(len(weights), 1)
            require_packed("weights", weights, number, rows, each)
            for i in range(self.n_losses):
                if each != 1 and each != self.losses[i].steps:
                    raise ValueError(f"expected one weight of each row, or of each step, got {each} of each row")
        return held

    def evaluate(self, inputs, targets, weights, outputs, Py_ssize_t n, View view=None):
        """Return the sum of weighted losses and of weights over ``n`` rows; write the network's outputs to ``outputs``.

        Nothing learns and nothing is dropped out.  Touches nothing that another thread's call could be using.
        ``view``: the parameters that are read, None: as they are at each moment.

        Raises
        ------
        ValueError
            If an array does not have ``n`` rows, or labels were changed while they were read.
        """
        cdef Py_ssize_t start = 0, size, itemsize = self.kernels.itemsize, row_bytes
        cdef list held = self.hold_rows(inputs, targets, weights, n)
        cdef Py_ssize_t each = 1 if weights is None else weights.size // len(weights)
        cdef Workspace work
        cdef const char* row_weights = NULL
        cdef const char* target
        cdef char* answers
        cdef double loss_sum = 0.0, weight_sum = 0.0, total = 0.0, chunk = 0.0
        cdef list memory = []
        cdef LossStep* losses = <LossStep*> zeros(memory, self.n_losses, sizeof(LossStep))
        cdef LossStep* loss
        cdef int i, status = OK
        cdef Py_ssize_t row_work = <Py_ssize_t> (self.plan.multiply_adds * multiply_add_work(self.kernels))
        cdef fnn_watch over
        cdef fnn_watch* before
        if outputs:
            require_count("outputs", outputs, <Py_ssize_t> len(self.plan.outputs))
        for i, array in enumerate(outputs):
            require_packed(f"output {i + 1}", array, self.plan.dtype.num, n, self.plan.widths[<int> self.plan.outputs[i]],
                           True)
        held += hold_all(outputs)
        for i, array in enumerate(targets):
            losses[i] = self.losses[i]
            self.expect(&losses[i], array)
        if view is not None and view.versions is not self.versions:
            raise ValueError("expected a view of this network's parameters, got one of another's")
        work = self.idle.take()
        if view is not None:
            work.frame.params = view.reading.params
        expect(n * row_work)
        while start < n:
            size = min(self.chunk, n - start)
            work.frame.batch = size
            for i, array in enumerate(inputs):
                put_input(&work.frame, &work.slots[i],
                          <char*> cnp.PyArray_DATA(array) + start * work.slots[i].row_bytes, size)
            work.frame.watched = size * row_work > LONG
            over = signals()
            before = watch(&over if work.frame.watched else NULL)
            with nogil:
                status = run_forward(self.plan.steps, self.plan.n_steps, &work.frame)
            watch(before)
            require_ok(FAILED if over.stopped else status)
            if weights is not None:
                row_weights = <char*> cnp.PyArray_DATA(weights) + start * each * itemsize
            chunk = 0.0     # which a process of a team may have from another
            for i, array in enumerate(targets):
                loss = &losses[i]
                target = <char*> cnp.PyArray_DATA(array) + start * loss.target_bytes
                status = run_loss(loss, itemsize, size, work.frame.values[loss.tensor], target, row_weights, each, 1.0,
                                  NULL, &total)
                require_ok(status)
                if not isfinite(total) and labels_changed(loss, size, target):
                    raise ValueError(LABELS_CHANGED)
                chunk += loss.share * total
            loss_sum += chunk
            weight_sum += <double> size if row_weights == NULL else self.kernels.sum(size * each, row_weights)
            for i, output in enumerate(outputs):
                row_bytes = self.plan.widths[self.plan.outputs[i]] * itemsize
                answers = <char*> cnp.PyArray_DATA(output) + start * row_bytes
                copy(work.frame.values[<int> self.plan.outputs[i]], size * row_bytes, answers)
            start += size
            PyErr_CheckSignals()
        work.frame.params = <char*> cnp.PyArray_DATA(self.params)
        self.idle.give_back(work)
        return loss_sum, weight_sum
