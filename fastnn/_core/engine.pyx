"""The compiled base of ``Network``: a plan, its parameters, and the entry points that must cost next to nothing.

``predict``, ``predict_one`` and ``train_step`` first try the fast path: a plain array of the right dtype, shape and
layout goes to C as it is.  Everything else takes the slow path, ``_predict_checked``, ``_predict_one_checked`` or
``_train_step_checked`` of the Python class, which converts or refuses what it is given and runs the same steps.  Both
paths give the same numbers, and only the slow path raises for what the caller gave.
"""

cimport numpy as cnp
from cpython.object cimport PyObject_GenericSetAttr
from cpython.exc cimport PyErr_Clear
from cpython.long cimport PyLong_AsLongLongAndOverflow
from libc.math cimport isfinite
from libc.string cimport memcpy, memset

from fastnn._core.held cimport hold, hold_all, require_count, require_packed
from fastnn._core.loss cimport NO_REALS, labels_allowed, reals_allowed
from fastnn._core.plan cimport GIL_WORK, require_ok, require_rows, run_backward, run_commit, run_forward, run_tangent
from fastnn._core.parts cimport all_finite, copy
from fastnn._core.pool cimport LONG, expect, fnn_watch, signals, watch
from fastnn._core.products cimport multiply_add_work
from fastnn._core.rows cimport data_of, fits, row_of
from fastnn._core.step cimport FAILED, Frame, OK, Step, readable
from fastnn._core.versions cimport LIVE, READ, Reading, View, acquired, after_reads, relaxed, require_read
from fastnn._core.workspace cimport put_input, rows_by_bytes

from math import prod

import numpy as np

from fastnn._core.loss import REAL_TARGETS
from fastnn._core.versions import versions_of
from fastnn._core.workspace import Layout, aligned_zeros

cnp.import_array()

cdef enum:
    LEAST_ROWS = 128        # run at once, for each weight that is read to be used often enough
    WEIGHTS_SHARE = 4       # of such weights, read again for every chunk, to the tensors of its rows
    MOST_ROWS = 512
    LENT_BYTES = 1 << 15    # of an array, from which on a copy of it shows
    BLOCK_BYTES = 1 << 24   # of rows that are answered between two checks for signals

cdef Row NUMBER             # no axes: a row is one number
cdef object INT64 = np.int64


cdef inline int answer(Engine self, Workspace work, const char** rows, char** answers, Py_ssize_t start,
                       Py_ssize_t n) noexcept nogil:
    """Answer rows start .. start + n of every input into the same rows of every output."""
    cdef Py_ssize_t row_bytes
    cdef int i, status
    for i in range(self.n_inputs):
        put_input(&work.frame, &work.slots[i], rows[i] + start * work.slots[i].row_bytes, n)
    work.frame.batch = n
    status = run_forward(self.plan.fused, self.plan.n_fused, &work.frame)
    if status != OK:
        return status
    for i in range(self.n_outputs):
        row_bytes = self.output_bytes[i]
        copy(work.frame.values[self.output_tensors[i]], n * row_bytes, answers[i] + start * row_bytes)
    return OK


cdef int answer_all(Engine self, Workspace work, const char** rows, char** answers, Py_ssize_t n,
                    bint check) noexcept nogil:
    """Answer ``n`` rows, ``chunk`` at a time; ``check``: only while those of the one input are finite."""
    cdef Py_ssize_t start = 0, size, width = self.input.width
    cdef int status
    while start < n:
        size = min(self.chunk, n - start)
        if check and not all_finite(
                self.plan.kernels, size * width, rows[0] + start * width * self.plan.kernels.itemsize):
            return NOT_FINITE
        status = answer(self, work, rows, answers, start, size)
        if status != OK:
            return status
        start += size
    return OK


cdef int run_released(Engine self, Workspace work, const char** rows, char** answers, Py_ssize_t n, bint check,
                      bint* stopped):
    """``answer_all`` without the GIL; a status, and whether a signal has stopped it."""
    cdef fnn_watch over
    cdef fnn_watch* before = NULL
    cdef int status
    with nogil:
        expect(n * self.row_work)
        work.frame.watched = n * self.row_work > LONG
        if work.frame.watched:
            over = signals()
            before = watch(&over)
        status = answer_all(self, work, rows, answers, n, check)
        if work.frame.watched:
            watch(before)
            stopped[0] = over.stopped
            status = FAILED if over.stopped else status
            work.frame.watched = False
    return status


cdef inline int run_once(Engine self, Workspace work, const char** rows, char** answers, Py_ssize_t n, bint check,
                         bint* stopped):
    """``answer_all``, without the GIL where that pays."""
    stopped[0] = False
    if self.keeps_gil(n):
        return answer_all(self, work, rows, answers, n, check)
    return run_released(self, work, rows, answers, n, check, stopped)


cdef int run_from_copy(Engine self, Idle idle, Workspace work, unsigned long long began, const char** rows,
                       char** answers, Py_ssize_t n, bint check) except? NOT_FINITE:
    """``run_once`` on a version of the parameters, no older than the call, that nobody changes meanwhile."""
    cdef Reading reading = Reading(params=NULL, began=began, place=LIVE)
    cdef int status = self.versions.pin(&reading, True)
    cdef bint stopped
    if status != READ:
        idle.give_back(work)
        return require_read(status)
    work.frame.params = reading.params
    status = run_once(self, work, rows, answers, n, check, &stopped)
    work.frame.params = data_of(self.params)
    self.versions.unpin(&reading)
    idle.give_back(work)
    return require_ok(status) if status != NOT_FINITE else NOT_FINITE


cdef inline int run(Engine self, Idle idle, const char** rows, char** answers, Py_ssize_t n,
                    bint check) except? NOT_FINITE:
    """Answer rows from one version of the parameters in a workspace of ``idle``; NOT_FINITE, or a step's exception.

    If parameters change meanwhile all steps run a second time, so rows and answers must lie apart.
    """
    cdef Workspace work = idle.take()
    cdef unsigned long long began = acquired(&self.versions.sequence)
    cdef bint stopped = False
    cdef int status
    if began % 2 == 0:
        status = run_once(self, work, rows, answers, n, check, &stopped)
        after_reads()
        if relaxed(&self.versions.sequence) == began or stopped:
            idle.give_back(work)
            return require_ok(status) if status != NOT_FINITE else NOT_FINITE
        if status == FAILED:    # perhaps for want of a whole version
            PyErr_Clear()
    return run_from_copy(self, idle, work, began, rows, answers, n, check)


cdef inline bint overlap(Engine self, object x, object y, Py_ssize_t n):
    """Do ``n`` packed rows and their answers lie in the same memory?"""
    return (data_of(x) < data_of(y) + n * self.output_bytes[0]
            and data_of(y) < data_of(x) + n * self.input.width * self.plan.kernels.itemsize)


cdef Py_ssize_t rows_at_once(Plan plan) except -1:
    """Rows that are answered at a time: as many as stay in the cache, or as weights want that are read again for each.

    A weight that a row meets at many places is used often in any case, but for what keeps a state: each step of time
    reads it anew.
    """
    cdef Py_ssize_t row_bytes = max(1, Layout(plan).row_width) * plan.dtype.itemsize, weights = 0, times
    for op in plan.ops:
        times = op.repeats if op.state_size else 1
        if op.repeats // times < LEAST_ROWS:
            weights += times * sum(prod(parameter.shape) for parameter in op.parameters) * plan.dtype.itemsize
    return rows_by_bytes(row_bytes, min(LEAST_ROWS, max(1, WEIGHTS_SHARE * weights // row_bytes)), MOST_ROWS)


cdef bint lends(const Frame* frame, cnp.ndarray array):
    """Do steps read and write gradients where the caller's array lies, rather than in a copy?

    Where that is worth it, and what they may read behind it lies in the same page of memory.  Tangents want a copy that
    stays.
    """
    cdef Py_ssize_t nbytes = cnp.PyArray_NBYTES(array), end = <Py_ssize_t> cnp.PyArray_DATA(array) + nbytes
    return nbytes >= LENT_BYTES and readable(end) and frame.tangents == NULL


ctypedef int (*pass_fn)(const Step* steps, int n_steps, const Frame* frame) noexcept nogil


cdef int run_watched(Frame* frame, pass_fn go, Plan plan, Py_ssize_t work) noexcept nogil:
    """A pass over all steps of so many picoseconds, which a signal may end if they are many."""
    cdef fnn_watch over
    cdef fnn_watch* before
    cdef int status
    if work <= LONG:
        return go(plan.steps, plan.n_steps, frame)
    over = signals()
    before = watch(&over)
    frame.watched = True
    status = go(plan.steps, plan.n_steps, frame)
    frame.watched = False
    watch(before)
    return FAILED if over.stopped else status


cdef class Engine:
    """``_bind`` is called once by the Python class, ``_bind_trainer`` at every ``compile``."""

    def __cinit__(self):
        self.fast_dtype = -1    # until ``_bind``: no array is taken

    def _bind(self, Plan plan, params, input_shapes, output_shapes):
        require_packed("params", params, plan.dtype.num, plan.n_params, 1, True)
        if max(len(input_shapes), len(output_shapes)) > MAX_PORTS:
            raise ValueError(f"Network: expected at most {MAX_PORTS} inputs and outputs, got {len(input_shapes)} and "
                             f"{len(output_shapes)}")
        self.plan, self.scalar = plan, plan.dtype.type
        self.gil_rows = <Py_ssize_t> ((GIL_WORK - 1) / max(plan.multiply_adds, 1.0))
        if any(op.backward_may_fail for op in plan.ops):    # a function of the user's
            self.gil_rows = 0
        self.row_work = <Py_ssize_t> (plan.multiply_adds * multiply_add_work(plan.kernels))
        self.params, self.grads = params, aligned_zeros(plan.n_params, plan.dtype)
        self.versions = versions_of(params)
        self.kept = hold(params), hold(self.grads)
        self.trainer = self.manual = None
        self._rows_kept, self.reals, self.classes, self.constant_rate = 0, NO_REALS, 0, -1.0
        self.n_inputs, self.n_outputs = len(input_shapes), len(output_shapes)
        for i, tensor in enumerate(plan.outputs):
            self.output_tensors[i], self.output_bytes[i] = tensor, plan.widths[tensor] * plan.dtype.itemsize
        self.input, self.output = row_of(input_shapes[0]), row_of(output_shapes[0])
        self.fast_dtype = plan.dtype.num if self.n_inputs == self.n_outputs == 1 else -1
        self.chunk = rows_at_once(plan)
        self.may_fail = any(op.may_fail for op in plan.ops)
        row_bytes = plan.dtype.itemsize * sum(plan.widths[tensor] for tensor in plan.inputs)
        self.block = max(self.chunk, BLOCK_BYTES // row_bytes)
        self.one, self.many = Idle(plan, params, 1), Idle(plan, params, self.chunk)

    def __setattr__(self, name, value):
        # ``net.grads *= 0.5`` writes into the vector and then assigns it; what is assigned goes into the vector, too.
        if name == "grads" or name == "params":
            vector = self.grads if name == "grads" else self.params
            if value is not vector:
                self._fill(name, vector, value)     # of the Python class: checked
        else:
            PyObject_GenericSetAttr(self, name, value)

    def _bind_trainer(self, Trainer trainer, reals, Py_ssize_t classes, double constant_rate):
        """``reals``: which real targets the fast path may take (a key of ``REAL_TARGETS``), or None."""
        if trainer is not None and (trainer.plan is not self.plan or trainer.params is not self.params):
            raise ValueError("expected a trainer of this network's plan and parameters, got one of another network")
        if classes and (trainer is None or trainer.n_losses != 1 or trainer.losses[0].label_value == NULL
                        or classes > trainer.losses[0].width):
            raise ValueError(f"expected classes to be those of a loss that takes labels, got {classes}")
        self.trainer, self.classes, self.constant_rate = trainer, classes, constant_rate
        self.reals = NO_REALS if reals is None else REAL_TARGETS[reals]

    cdef object empty(self, Py_ssize_t n, bint batched):
        """An array for one answer, or for ``n``."""
        cdef cnp.npy_intp sizes[MAX_AXES + 1]
        sizes[0] = n
        memcpy(sizes + batched, self.output.axes, self.output.n_axes * sizeof(cnp.npy_intp))
        return cnp.PyArray_EMPTY(self.output.n_axes + batched, sizes, self.fast_dtype, 0)

    def predict(self, X, out=None):
        """Return the network's answers.

        Parameters
        ----------
        X : array_like of shape (B, *input_shape)
            Rows; for several inputs a list.  Arrays of another dtype or layout, memmaps, and sparse matrices or arrays
            of SciPy are converted block by block.
        out : ndarray of shape (B, *output_shape), the network's dtype, optional
            Where to write the answers, if the network has one output; without it new arrays are made.

        Returns
        -------
        ndarray of shape (B, *output_shape)
            In the network's dtype; for several outputs a list.  ``out``, if given.

        Raises
        ------
        ValueError
            If a shape differs or X holds NaN or inf; ``out`` is left as it was.
        TypeError
            If X is not numeric, or out is not a writable array of the network's dtype.

        Notes
        -----
        May be called from many threads at once; but for the smallest batches it runs without the GIL.  While another
        thread trains the network, all answers are those of the parameters between two updates, at some moment of the
        call; the first call waits for the update at work to end.  On a packed array of the network's dtype a call
        costs about a tenth of a microsecond beyond the arithmetic.

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> net = fn.Sequential([fn.Dense(3, "softmax")], input_shape=2, seed=0)
        >>> net.predict(np.zeros((4, 2))).sum(axis=1)
        array([1., 1., 1., 1.], dtype=float32)
        """
        cdef Py_ssize_t n
        cdef const char* rows
        cdef char* answers
        cdef bint checked = False
        if not fits(X, self.fast_dtype, &self.input, True):
            return self._predict_checked(X, out)
        n = cnp.PyArray_DIM(X, 0)
        if not 0 < n <= self.block:
            return self._predict_checked(X, out)
        rows = data_of(X)
        if out is not None:
            if not (fits(out, self.fast_dtype, &self.output, True) and cnp.PyArray_DIM(out, 0) == n
                    and cnp.PyArray_ISWRITEABLE(out)) or overlap(self, X, out, n):
                return self._predict_checked(X, out)
            # Into the caller's array go whole answers or nothing: nothing may stop the second run of the steps.
            checked = n > self.chunk
            if checked and (self.may_fail or not all_finite(self.plan.kernels, n * self.input.width, rows)):
                return self._predict_checked(X, out)
        result = self.empty(n, True) if out is None else out
        answers = data_of(result)
        if not self.keeps_gil(n):
            kept, kept_out = hold(X), None if out is None else hold(out)
        if run(self, self.many, &rows, &answers, n, not checked) == NOT_FINITE:
            return self._predict_checked(X, out)
        return result

    def predict_one(self, x, out=None):
        """Return the network's answer to one row.

        Parameters
        ----------
        x : ndarray of shape (*input_shape), the network's dtype
            Anything else that NumPy can turn into it is accepted too, at the cost of the conversion.
        out : ndarray of shape (*output_shape), the network's dtype, optional
            Where to write the answer; without it a new array is made.

        Returns
        -------
        ndarray of shape (*output_shape)
            ``out``, if given.

        Raises
        ------
        ValueError
            If a shape differs or x holds NaN or inf.
        TypeError
            If x is not numeric, or out is not a writable array of the network's dtype.

        Notes
        -----
        May be called from many threads at once, also while another trains the network: as ``predict``.  On a packed
        array of the network's dtype a call costs less than a tenth of a microsecond beyond the arithmetic.

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> net = fn.Sequential([fn.Dense(2, kernel_initializer="zeros")], input_shape=3, seed=0)
        >>> net.predict_one(np.ones(3, np.float32))
        array([0., 0.], dtype=float32)
        """
        cdef const char* row
        cdef char* answer
        if not fits(x, self.fast_dtype, &self.input, False):
            return self._predict_one_checked(x, out)
        if out is not None and (not (fits(out, self.fast_dtype, &self.output, False) and cnp.PyArray_ISWRITEABLE(out))
                                or overlap(self, x, out, 1)):
            return self._predict_one_checked(x, out)
        result = self.empty(1, False) if out is None else out
        row, answer = data_of(x), data_of(result)
        if not self.keeps_gil(1):
            kept, kept_out = hold(x), None if out is None else hold(out)
        if run(self, self.one, &row, &answer, 1, True) == NOT_FINITE:
            return self._predict_one_checked(x, out)
        return result

    def train_step(self, x, y, sample_weight=None, *, learning_rate=None):
        """Learn from one row or one mini-batch, now; return the loss before the update.

        Parameters
        ----------
        x : ndarray of shape (*input_shape) or (B, *input_shape)
            One row or B rows; for several inputs a list of such arrays.
        y : target of that row (a class label, a number or an array), or B targets
            As the loss wants it; for several outputs a list.
        sample_weight : float or ndarray of shape (B,), optional
            Weights of the rows in the mean.
        learning_rate : float, optional
            Of this update alone, at least 0; that of the optimiser, or its schedule, if not given.

        Returns
        -------
        float
            Weighted mean of the loss over the rows.

        Raises
        ------
        ValueError
            If a shape, a label or a value does not fit.
        TypeError
            If x or y is not numeric.
        RuntimeError
            If the network is not compiled, or another thread is training it.
        DivergenceError
            If the loss is not finite, or the update makes parameters, or what the optimiser keeps, infinite or NaN: both
            are as before the call; of a large network that learns from few rows, where a copy before each update would
            cost more than a few per cent, as some updates before it, and the message says how many.
        KeyboardInterrupt
            On Ctrl-C, within 0.1 s; the update was made or was not.

        Notes
        -----
        On packed arrays of the network's dtype, with such targets or int64 labels, one output and no sample_weight, a
        call costs about a tenth of a microsecond beyond the arithmetic and, under a schedule, the call of that.

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> net = fn.Sequential([fn.Dense(1)], input_shape=2, seed=0)
        >>> net.compile(loss="squared_error", optimizer=fn.SGD(0.1))
        >>> first = net.train_step(np.ones(2), 3.0)
        >>> net.train_step(np.ones(2), 3.0) < first
        True
        """
        cdef Trainer trainer = self.trainer
        cdef Py_ssize_t n = 1
        cdef int64_t number
        cdef const char* row
        cdef const char* target
        cdef bint labels, batched = False
        cdef double rate
        if trainer is None or sample_weight is not None:
            return self._train_step_checked(x, y, sample_weight, learning_rate)
        if not fits(x, self.fast_dtype, &self.input, False):
            if not fits(x, self.fast_dtype, &self.input, True):
                return self._train_step_checked(x, y, sample_weight, learning_rate)
            batched, n = True, cnp.PyArray_DIM(x, 0)
        row, target = data_of(x), self.target_of(y, n, batched, &number, &labels)
        if n == 0 or target == NULL or not all_finite(self.plan.kernels, n * self.input.width, row):
            return self._train_step_checked(x, y, sample_weight, learning_rate)
        if type(learning_rate) is float and 0.0 <= <double> learning_rate and isfinite(<double> learning_rate):
            rate = learning_rate
        elif learning_rate is not None:
            rate = self._rate_of("train_step", learning_rate)
        else:
            rate = self.constant_rate if self.constant_rate >= 0.0 else self.learning_rate
        trainer.prepare(n, n, True)
        if not (self.keeps_gil(n) and not trainer.calls_functions):
            trainer.held = [hold(x), hold(y) if target != <const char*> &number else None]
        trainer.take_targets(trainer.losses, labels)
        trainer.rows.inputs[0], trainer.rows.targets[0] = row, target
        trainer.rows.weights, trainer.rows.order.rows = NULL, NULL
        try:
            return trainer.one_step(n, rate, True)
        finally:
            trainer.held = None
            trainer.versions.stop()

    cdef const char* target_of(self, object y, Py_ssize_t n, bint batched, int64_t* number, bint* labels) noexcept:
        """The targets of ``n`` rows if they are ready for the loss, else NULL; a single one may come to ``number``."""
        cdef const Row* row = &self.output
        cdef const char* target = <const char*> number
        cdef int overflow = 0
        labels[0] = False
        if type(y) is cnp.ndarray:
            if batched and (cnp.PyArray_NDIM(<cnp.ndarray> y) == 0 or cnp.PyArray_DIM(<cnp.ndarray> y, 0) != n):
                return NULL
            target = data_of(y)
            if batched and self.classes and fits(y, cnp.NPY_INT64, &NUMBER, True):
                labels[0] = True
            elif not (fits(y, self.fast_dtype, row, batched)
                      or batched and row.width == 1 and fits(y, self.fast_dtype, &NUMBER, True)):
                return NULL
        elif batched:
            return NULL
        elif type(y) is int and self.classes:
            labels[0], number[0] = True, PyLong_AsLongLongAndOverflow(y, &overflow)  # -1 if it is too large
        elif type(y) is INT64 and self.classes:
            labels[0] = True
            cnp.PyArray_ScalarAsCtype(y, number)
        elif type(y) is self.scalar and row.width == 1:
            cnp.PyArray_ScalarAsCtype(y, number)
        elif type(y) is float and row.width == 1 and self.plan.kernels.itemsize == sizeof(float):
            (<float*> number)[0] = <float> <double> y
        elif type(y) is float and row.width == 1:
            (<double*> number)[0] = y
        else:
            return NULL
        if labels[0]:
            return target if labels_allowed(n, self.classes, <const int64_t*> target) else NULL
        return target if reals_allowed(self.plan.kernels, self.reals, n, row.width, target) else NULL

    def _predict_rows(self, inputs, outputs, Py_ssize_t n, View view=None):
        """Answer ``n`` rows of packed, finite arrays into packed arrays, ``chunk`` rows at a time, without the GIL.

        ``view``: what they are answered from, for callers with more rows; None: one version of the parameters.
        """
        cdef int i, status
        cdef bint stopped
        cdef Workspace work
        cdef const char* rows[MAX_PORTS]
        cdef char* answers[MAX_PORTS]
        cdef list held = hold_all([*inputs, *outputs])
        self.require_inputs(inputs, n)
        require_count("outputs", outputs, self.n_outputs)
        for i in range(self.n_inputs):
            rows[i] = data_of(inputs[i])
        for i in range(self.n_outputs):
            require_packed(f"output {i + 1}", outputs[i], self.plan.dtype.num, n,
                           self.plan.widths[self.output_tensors[i]], True)
            answers[i] = data_of(outputs[i])
        if view is None:
            run(self, self.many, rows, answers, n, False)
            return
        if view.versions is not self.versions:
            raise ValueError("expected a view of this network's parameters, got one of another's")
        work = self.many.take()
        work.frame.params = view.reading.params
        status = run_once(self, work, rows, answers, n, False, &stopped)
        work.frame.params = data_of(self.params)
        self.many.give_back(work)
        require_ok(status)

    def _forward_rows(self, inputs, Py_ssize_t n, bint training, unsigned long long seed, unsigned long long step,
                      bint tangents=False):
        """Run ``n`` rows forward and keep every tensor for ``_backward_rows`` and ``_value``, and for ``_tangent_rows``."""
        cdef int i, status
        self.require_inputs(inputs, n)
        if n < 1:
            raise ValueError(f"expected at least one row, got {n}")
        if training and n < self.plan.least_rows:
            require_rows(self.plan, self.plan.steps, self.plan.n_steps, n)
        cdef Py_ssize_t capacity = n
        if self.manual is not None:     # it has whatever was asked for before: calls take turns
            capacity, tangents = max(n, self.manual.capacity), tangents or self.manual.frame.tangents != NULL
        if self.manual is None or self.manual.capacity < n or tangents != (self.manual.frame.tangents != NULL):
            self.manual = None
            self.manual = Workspace(self.plan, capacity, [True] * len(self.plan.widths), share=False, tangents=tangents)
        cdef Workspace work = self.manual
        self._rows_kept = 0
        work.open(cnp.PyArray_DATA(self.params), training, seed, step)
        work.frame.batch = n
        for i in range(len(inputs)):
            memcpy(work.slots[i].own, data_of(inputs[i]), n * work.slots[i].row_bytes)
        with nogil:
            expect(n * self.row_work)
            status = run_watched(&work.frame, run_forward, work.plan, n * self.row_work)
        require_ok(status)
        self._rows_kept, self.uncommitted = n, training

    cdef int require_inputs(self, inputs, Py_ssize_t n) except -1:
        """Refuse what is not an array of ``n`` packed rows for each input."""
        require_count("inputs", inputs, self.n_inputs)
        for i, array in enumerate(inputs):
            require_packed(f"input {i + 1}", array, self.plan.dtype.num, n, self.plan.widths[self.plan.inputs[i]])
        return 0

    cdef int require_forward(self) except -1:
        if self.manual is None or self._rows_kept == 0:
            raise RuntimeError("expected a forward pass before; there was none")
        return 0

    cdef int require_of_tensors(self, str what, arrays, list tensors) except -1:
        """Refuse what is not an array for each tensor, with as many rows as the last ``_forward_rows`` had."""
        require_count(what, arrays, len(tensors))
        for i, array in enumerate(arrays):
            require_packed(f"{what} {i + 1}", array, self.plan.dtype.num, self._rows_kept, self.plan.widths[tensors[i]])
        return 0

    def _forget_rows(self):
        """Drop what the last ``_forward_rows`` kept."""
        self._rows_kept = 0

    def _value(self, int tensor):
        """A copy (rows, width) of what a tensor held in the last ``_forward_rows``."""
        self.require_forward()
        if not 0 <= tensor < len(self.plan.widths):
            raise ValueError(f"expected a tensor below {len(self.plan.widths)}, got {tensor}")
        return self._copy(self.manual.frame.values[tensor], tensor)

    cdef object _copy(self, const char* data, int tensor):
        array = np.empty((self._rows_kept, self.plan.widths[tensor]), self.plan.dtype)
        memcpy(cnp.PyArray_DATA(array), data, array.nbytes)
        return array

    def _backward_rows(self, dys, bint accumulate, bint parameters=True, bint inputs=True):
        """Send dloss/doutput back; returns dloss/dinput per input, or None without ``inputs``.

        With ``parameters`` adds to ``grads``, zeroed first unless told to ``accumulate``.
        """
        cdef Frame frame
        cdef int status, tensor
        cdef cnp.ndarray places = np.zeros(len(self.plan.widths), np.uintp), array
        cdef list held = hold_all(dys)
        self.require_forward()
        self.require_of_tensors("dy of output", dys, self.plan.outputs)
        frame = self.manual.frame
        if parameters and not accumulate:
            self.grads.fill(0)
        frame.dparams, frame.scale = <char*> cnp.PyArray_DATA(self.grads) if parameters else NULL, 1.0
        frame.gradients = <char**> cnp.PyArray_DATA(places)
        wanted = [True] * len(places) if inputs else self.plan.wanted_gradients([parameters] * self.plan.n_steps)
        for tensor, wants in enumerate(wanted):
            frame.gradients[tensor] = self.manual.frame.gradients[tensor] if wants else NULL
        for tensor, dy in zip(self.plan.outputs, dys):
            if frame.gradients[tensor] == NULL:
                continue
            if lends(&frame, dy):
                frame.gradients[tensor] = data_of(dy)
            else:
                memcpy(frame.gradients[tensor], cnp.PyArray_DATA(dy),
                       self._rows_kept * self.plan.widths[tensor] * self.plan.kernels.itemsize)
        dxs = {}
        for tensor in self.plan.inputs if inputs else ():
            array = np.empty((self._rows_kept, self.plan.widths[tensor]), self.plan.dtype)
            if tensor not in self.plan.outputs and lends(&frame, array):
                dxs[tensor], frame.gradients[tensor] = array, data_of(array)
        with nogil:
            expect(2 * self._rows_kept * self.row_work)
            status = run_watched(&frame, run_backward, self.plan, 2 * self._rows_kept * self.row_work)
        require_ok(status)
        if not inputs:
            return None
        return [dxs[tensor] if tensor in dxs else self._copy(frame.gradients[<int> tensor], tensor)
                for tensor in self.plan.inputs]

    def _tangent_rows(self, directions):
        """ADDS to ``grads`` how the gradient of the parameters changes where the inputs move along ``directions``.

        After ``_forward_rows`` with ``tangents`` and ``_backward_rows``, whose ``dys`` do not change.
        """
        cdef Frame frame
        cdef Py_ssize_t row
        cdef int status, tensor
        cdef cnp.ndarray changes
        self.require_forward()
        self.require_of_tensors("direction of input", directions, self.plan.inputs)
        frame = self.manual.frame
        if frame.tangents == NULL:
            raise RuntimeError("expected a forward pass with tangents before, got one without")
        changes = np.zeros(len(self.plan.widths), np.uintp)
        frame.dparams, frame.scale = <char*> cnp.PyArray_DATA(self.grads), 1.0
        frame.changes = <char**> cnp.PyArray_DATA(changes)
        for tensor, wants in enumerate(self.plan.wanted_gradients([True] * self.plan.n_steps)):
            row = self.plan.widths[tensor] * self.plan.kernels.itemsize
            if wants and row:
                frame.changes[tensor] = self.manual.frame.changes[tensor]
                memset(frame.changes[tensor], 0, self._rows_kept * row)
        for tensor, direction in zip(self.plan.inputs, directions):
            memcpy(frame.tangents[tensor], cnp.PyArray_DATA(direction),
                   self._rows_kept * self.plan.widths[tensor] * self.plan.kernels.itemsize)
        with nogil:
            expect(2 * self._rows_kept * self.row_work)
            status = run_tangent(self.plan.steps, self.plan.n_steps, &frame)
        require_ok(status)

    def _commit_rows(self):
        """Let the steps keep what the last ``_forward_rows`` told them, if it was one of training: once."""
        if self.uncommitted:
            how = self.versions.change("backward")
            self.uncommitted = False
            run_commit(self.plan.steps, self.plan.n_steps, &self.manual.frame, <char*> cnp.PyArray_DATA(self.params))
            self.versions.changed(how)
