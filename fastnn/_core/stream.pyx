"""One sequence, step by step: a plan of one step whose recurrent ops keep their state from call to call."""

cimport numpy as cnp
from libc.string cimport memcpy

from fastnn._core.held cimport hold, require_packed
from fastnn._core.memory cimport zeros
from fastnn._core.plan cimport GIL_WORK, Plan, require_ok, run_forward
from fastnn._core.rows cimport Row, data_of, fits, row_of
from fastnn._core.workspace cimport Workspace, put_input

from fastnn._core.workspace import aligned_zeros

cnp.import_array()


cdef class StreamCore:
    """``plan``: of one step; ``params``: of the network, so that what it learns meanwhile is used."""

    cdef readonly Plan plan
    cdef readonly dict states           # by step of the plan: what it keeps
    cdef cnp.ndarray params
    cdef Workspace work
    cdef list memory
    cdef char** kept
    cdef Row input
    cdef Row output

    def __init__(self, Plan plan, cnp.ndarray params, input_shape, output_shape):
        require_packed("params", params, plan.dtype.num, plan.n_params, 1, True)
        self.plan, self.params = plan, params
        self.input, self.output = row_of(input_shape), row_of(output_shape)
        if self.input.width != plan.widths[plan.inputs[0]] or self.output.width != plan.widths[plan.outputs[0]]:
            raise ValueError(f"expected shapes of {plan.widths[plan.inputs[0]]} inputs and "
                             f"{plan.widths[plan.outputs[0]]} outputs, got {input_shape} and {output_shape}")
        self.work = Workspace(plan, 1)
        self.work.open(cnp.PyArray_DATA(params), False, 0, 0)
        self.work.frame.batch = 1
        self.memory = []
        self.kept = <char**> zeros(self.memory, plan.n_steps, sizeof(char*))
        self.states = {index: aligned_zeros(op.state_size, plan.dtype) for index, op in enumerate(plan.ops)
                       if op.state_size}
        for index, state in self.states.items():
            self.kept[<int> index] = data_of(state)
        self.work.frame.state = self.kept

    def step(self, x, out=None):
        """Take the next step of the sequence and return the network's answer to it.

        Parameters
        ----------
        x : ndarray of shape (I,), the network's dtype
            The inputs of this step.  Anything else that NumPy can turn into it is accepted too, at the cost of the
            conversion.
        out : ndarray of shape (O,), the network's dtype, optional
            Where to write the answer; without it a new array is made.

        Returns
        -------
        ndarray of shape (O,)
            ``out``, if given.

        Raises
        ------
        ValueError
            If a shape differs or x holds NaN or inf; the state is as it was.
        TypeError
            If x is not numeric, or out is not a writable array of the network's dtype.

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> net = fn.Sequential([fn.LSTM(8, return_sequences=True), fn.Dense(2)], input_shape=(20, 3), seed=0)
        >>> stream, X = fn.Stream(net), np.ones((20, 3), np.float32)
        >>> answers = np.stack([stream.step(x) for x in X])
        >>> bool((answers == net.predict(X[None])[0]).all())
        True
        """
        cdef const char* row
        cdef int status
        if not fits(x, self.plan.dtype.num, &self.input, False):
            return self._step_checked(x, out)
        if out is None:
            out = cnp.PyArray_EMPTY(self.output.n_axes, self.output.axes, self.plan.dtype.num, 0)
        elif not fits(out, self.plan.dtype.num, &self.output, False) or not cnp.PyArray_ISWRITEABLE(out):
            return self._step_checked(x, out)
        row = data_of(x)
        if not self.plan.kernels.all_finite(self.input.width, row):
            return self._step_checked(x, out)
        put_input(&self.work.frame, self.work.slots, row, 1)
        if self.plan.multiply_adds < GIL_WORK:
            status = run_forward(self.plan.fused, self.plan.n_fused, &self.work.frame)
        else:
            held = hold(x), hold(out)
            with nogil:
                status = run_forward(self.plan.fused, self.plan.n_fused, &self.work.frame)
        require_ok(status)
        memcpy(data_of(out), self.work.frame.values[<int> self.plan.outputs[0]],
               self.output.width * self.plan.kernels.itemsize)
        return out
