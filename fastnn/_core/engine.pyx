"""The compiled base of ``Network``: a plan, its parameters, and the entry points that must cost next to nothing.

``predict_one`` and ``train_step`` first try the straight way: an array of the right dtype, shape and layout goes to C
as it is.  Everything else takes ``_predict_one_checked`` / ``_train_step_checked`` of the Python class, which convert
or refuse and come back to the same steps, so both ways give the same numbers.
"""

cimport numpy as cnp
from libc.string cimport memcpy

from fastnn._core.kernels cimport fnn_kernels
from fastnn._core.plan cimport GIL_WORK, Plan, Workspace, raise_pending, run_backward, run_forward, take_input
from fastnn._core.step cimport OK
from fastnn._core.trainer cimport Trainer

import numpy as np

from fastnn._core.plan import aligned_zeros

cnp.import_array()

cpdef enum:
    MAX_PORTS = 64  # inputs, and outputs, of a network



cdef inline bint fits(object x, int typenum, Py_ssize_t width) noexcept:
    """Is ``x`` a packed, aligned 1-D array of ``width`` elements of this dtype?"""
    return (type(x) is cnp.ndarray and cnp.PyArray_TYPE(x) == typenum and cnp.PyArray_NDIM(x) == 1
            and cnp.PyArray_DIM(x, 0) == width and cnp.PyArray_ISCARRAY_RO(x))


cdef class Engine:
    """``_bind`` is called once by the Python class, which also says what the fast ways may assume."""

    cdef readonly Plan plan
    cdef readonly cnp.ndarray params    #: All parameters, one 1-D vector; layers hold views of it.
    cdef readonly cnp.ndarray grads     #: Their gradients, in the same order.
    cdef readonly Trainer trainer
    cdef object __weakref__
    cdef list idle_one                  # workspaces for one row that no call is using
    cdef list idle_many                 # for ``chunk`` rows
    cdef Workspace manual               # of forward / backward
    cdef Py_ssize_t manual_rows         # rows of the last forward, 0: none
    cdef readonly Py_ssize_t chunk
    cdef int typenum
    cdef Py_ssize_t one_input           # elements of the only input if it is 1-D, else -1
    cdef Py_ssize_t one_output          # likewise
    cdef Py_ssize_t one_target          # elements of the target of one row if any real ones will do, else -1
    cdef Py_ssize_t one_classes         # classes if the target may be a label, else 0
    cdef double one_rate                # the learning rate if it does not change, else -1

    def _bind(self, Plan plan, params, input_shapes, output_shapes):
        self.plan, self.typenum = plan, plan.dtype.num
        self.params, self.grads = params, aligned_zeros(plan.n_params, plan.dtype)
        self.trainer = self.manual = None
        self.idle_one, self.idle_many, self.manual_rows = [], [], 0
        self.one_input = self.one_output = self.one_target = -1
        if len(input_shapes) == 1 and len(input_shapes[0]) == 1:
            self.one_input = plan.widths[plan.inputs[0]]
        if len(output_shapes) == 1 and len(output_shapes[0]) == 1:
            self.one_output = plan.widths[plan.outputs[0]]
        # Rows enough for each weight that is read to be used often, and so many as stay in a core's cache.
        self.chunk = max(128, min(512, (1 << 19) // (sum(plan.widths) * plan.dtype.itemsize + 1)))

    def _bind_trainer(self, Trainer trainer, Py_ssize_t one_target, Py_ssize_t one_classes, double one_rate):
        self.trainer, self.one_target, self.one_classes, self.one_rate = trainer, one_target, one_classes, one_rate

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
        May be called from many threads at once.  Takes about a microsecond for a small network.

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> net = fn.Sequential([fn.Dense(2, kernel_initializer="zeros")], input_shape=3, seed=0)
        >>> net.predict_one(np.ones(3, np.float32))
        array([0., 0.], dtype=float32)
        """
        if not fits(x, self.typenum, self.one_input) or self.one_output < 0:
            return self._predict_one_checked(x, out)
        if out is None:
            out = empty(self.one_output, self.typenum)
        elif not fits(out, self.typenum, self.one_output) or not cnp.PyArray_ISWRITEABLE(out):
            return self._predict_one_checked(x, out)
        cdef const char* data = <const char*> cnp.PyArray_DATA(x)
        if not self.plan.kernels.all_finite(self.one_input, data):
            return self._predict_one_checked(x, out)
        cdef Workspace work = self.idle_one.pop() if self.idle_one else Workspace(self.plan, 1)
        cdef int status
        work.open(cnp.PyArray_DATA(self.params), False, 0, 0)
        take_input(&work.frame, &work.slots[0], data, NULL, 0, 1)
        work.frame.batch = 1
        if self.plan.products < GIL_WORK:
            status = run_forward(self.plan.joined, self.plan.n_joined, &work.frame)
        else:
            with nogil:
                status = run_forward(work.plan.joined, work.plan.n_joined, &work.frame)
        if status != OK:
            raise_pending()
        memcpy(cnp.PyArray_DATA(out), work.frame.values[work.output], self.one_output * self.plan.kernels.itemsize)
        self.idle_one.append(work)
        return out

    def train_step(self, x, y, sample_weight=None):
        """Learn from one row or one mini-batch, now; return the loss before the update.

        Parameters
        ----------
        x : ndarray of shape (*input_shape) or (B, *input_shape)
            One row or B rows; for several inputs a list of such arrays.
        y : target of that row (a class label, a number or an array), or B targets
            As the loss wants it; for several outputs a list.
        sample_weight : float or ndarray of shape (B,), optional
            Weights of the rows in the mean.

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
            If the loss is not finite; the parameters are left as they are.

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
        cdef cnp.int64_t label
        cdef const char* target
        cdef bint labels = False
        if (trainer is None or sample_weight is not None or self.one_rate < 0.0
                or not fits(x, self.typenum, self.one_input)):
            return self._train_step_checked(x, y, sample_weight)
        if self.one_target > 0 and fits(y, self.typenum, self.one_target):
            target = <const char*> cnp.PyArray_DATA(y)
            if not self.plan.kernels.all_finite(self.one_target, target):
                return self._train_step_checked(x, y, sample_weight)
        elif type(y) is int and 0 <= y < self.one_classes:
            label = y
            target = <const char*> &label
            labels = True
        else:
            return self._train_step_checked(x, y, sample_weight)
        if not self.plan.kernels.all_finite(self.one_input, cnp.PyArray_DATA(x)):
            return self._train_step_checked(x, y, sample_weight)
        trainer.enter(1)
        trainer.take_targets(trainer.losses, labels)
        trainer.rows.inputs[0], trainer.rows.targets[0] = <const char*> cnp.PyArray_DATA(x), target
        trainer.rows.weights, trainer.rows.order = NULL, NULL
        return trainer.one_step(1, self.one_rate, True)

    def _predict_rows(self, inputs, outputs, Py_ssize_t n):
        """Answer ``n`` rows of packed arrays into packed arrays, ``chunk`` rows at a time, without the GIL."""
        cdef Workspace work = self.idle_many.pop() if self.idle_many else Workspace(self.plan, self.chunk)
        cdef Py_ssize_t start = 0, size, chunk = self.chunk, itemsize = self.plan.kernels.itemsize, width
        cdef int i, status = OK, n_inputs = len(inputs), n_outputs = len(outputs)
        cdef const char* rows[MAX_PORTS]
        cdef char* answers[MAX_PORTS]
        cdef int tensors[MAX_PORTS]
        cdef Py_ssize_t row_bytes[MAX_PORTS]
        for i in range(n_inputs):
            rows[i] = <const char*> cnp.PyArray_DATA(inputs[i])
        for i in range(n_outputs):
            answers[i] = <char*> cnp.PyArray_DATA(outputs[i])
            tensors[i] = self.plan.outputs[i]
            width = self.plan.widths[tensors[i]]
            row_bytes[i] = width * itemsize
        work.open(cnp.PyArray_DATA(self.params), False, 0, 0)
        with nogil:
            while start < n and status == OK:
                size = min(chunk, n - start)
                for i in range(n_inputs):
                    take_input(&work.frame, &work.slots[i], rows[i], NULL, start, size)
                work.frame.batch = size
                status = run_forward(work.plan.joined, work.plan.n_joined, &work.frame)
                for i in range(n_outputs):
                    memcpy(answers[i] + start * row_bytes[i], work.frame.values[tensors[i]], size * row_bytes[i])
                start += size
        if status != OK:
            raise_pending()
        self.idle_many.append(work)

    def _forward_rows(self, inputs, Py_ssize_t n, bint training, unsigned long long seed, unsigned long long step):
        """Run ``n`` rows forward and keep every tensor for ``_backward_rows`` and ``_value``."""
        cdef const char* rows
        cdef int i, status
        if self.manual is None or self.manual.capacity < n:
            self.manual = None
            self.manual = Workspace(self.plan, n, [True] * len(self.plan.widths), share=False)
        cdef Workspace work = self.manual
        self.manual_rows = 0
        work.open(cnp.PyArray_DATA(self.params), training, seed, step)
        work.frame.batch = n
        for i in range(len(inputs)):
            rows = <const char*> cnp.PyArray_DATA(inputs[i])
            memcpy(work.slots[i].own, rows, n * work.slots[i].row_bytes)
            take_input(&work.frame, &work.slots[i], work.slots[i].own, NULL, 0, n)
        with nogil:
            status = run_forward(work.plan.steps, work.plan.n_steps, &work.frame)
        if status != OK:
            raise_pending()
        self.manual_rows = n

    @property
    def _rows_kept(self):
        """Rows of the last ``_forward_rows``, 0 if there is none."""
        return self.manual_rows

    def _forget_rows(self):
        """Drop what the last ``_forward_rows`` kept."""
        self.manual_rows = 0

    def _value(self, int tensor):
        """A copy (rows, width) of what a tensor held in the last ``_forward_rows``."""
        return self._copy(self.manual.frame.values[tensor], tensor)

    cdef object _copy(self, const char* data, int tensor):
        array = np.empty((self.manual_rows, self.plan.widths[tensor]), self.plan.dtype)
        memcpy(cnp.PyArray_DATA(array), data, array.nbytes)
        return array

    def _backward_rows(self, dys, bint accumulate):
        """Send dloss/doutput back; returns dloss/dinput per input.  Adds to ``grads``, zeroed first unless told not to."""
        cdef Workspace work = self.manual
        cdef int status
        cdef int tensor
        if not accumulate:
            self.grads.fill(0)
        work.frame.dparams, work.frame.scale = <char*> cnp.PyArray_DATA(self.grads), 1.0
        for tensor, dy in zip(self.plan.outputs, dys):
            memcpy(work.frame.gradients[tensor], cnp.PyArray_DATA(dy), dy.nbytes)
        with nogil:
            status = run_backward(work.plan.steps, work.plan.n_steps, &work.frame)
        if status != OK:
            raise_pending()
        return [self._copy(work.frame.gradients[<int> tensor], tensor) for tensor in self.plan.inputs]


cdef object empty(cnp.npy_intp n, int typenum):
    return cnp.PyArray_EMPTY(1, &n, typenum, 0)
