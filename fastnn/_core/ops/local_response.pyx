"""Normalisation by the channels beside each, as in AlexNet; channels are the last axis."""

from fastnn._core.parts cimport CURVED, cut, parts_of, step_in_parts
from fastnn._core.pool cimport run_parts
from fastnn._core.step cimport Frame, OK, Op, SCRATCH_PARTS, Step, part_scratch
from fastnn._core.table cimport fnn_local_response


cdef inline Py_ssize_t row_cost(const fnn_local_response* p, Py_ssize_t itemsize) noexcept nogil:
    """Picoseconds of a row: a root or a power for each column, and a pass for each place of the window."""
    return p.columns * itemsize * (CURVED + 4 * (2 * p.reach + 1))


cdef void forward_part(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef fnn_local_response p = (<const fnn_local_response*> step.config)[0]
    cdef Py_ssize_t at = first * p.columns * step.kernels.itemsize
    p.rows = last - first
    step.kernels.local_response_forward(&p, frame.values[step.inputs[0]] + at, frame.values[step.outputs[0]] + at)


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = x s^-beta, s = k + alpha / size times the sum of the squares around."""
    cdef const fnn_local_response* p = <const fnn_local_response*> step.config
    cdef Py_ssize_t rows = frame.batch * p.rows, each = row_cost(p, 1) // p.columns
    step_in_parts(forward_part, step, frame, rows, 1, rows * p.columns * step.kernels.itemsize, each)
    return OK


cdef struct Job:
    const Step* step
    const Frame* frame
    Py_ssize_t rows
    Py_ssize_t parts


cdef void backward_part(void* argument, Py_ssize_t part) noexcept nogil:
    cdef const Job* job = <const Job*> argument
    cdef const Step* step = job.step
    cdef const Frame* frame = job.frame
    cdef fnn_local_response p = (<const fnn_local_response*> step.config)[0]
    cdef Py_ssize_t row = p.columns * step.kernels.itemsize, first = cut(job.rows, 1, job.parts, part)
    p.rows = cut(job.rows, 1, job.parts, part + 1) - first
    step.kernels.local_response_backward(
        &p, frame.values[step.inputs[0]] + first * row, frame.gradients[step.outputs[0]] + first * row,
        part_scratch(frame, row, part), frame.gradients[step.inputs[0]] + first * row)


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx = dy s^-beta - 2 alpha beta / size times x and the sum of dy x s^(-beta - 1) around."""
    cdef const fnn_local_response* p = <const fnn_local_response*> step.config
    cdef Job job = Job(step=step, frame=frame, rows=frame.batch * p.rows, parts=1)
    if frame.gradients[step.inputs[0]] != NULL:
        job.parts = min(<Py_ssize_t> SCRATCH_PARTS, parts_of(
            job.rows, 1, 2 * job.rows * row_cost(p, step.kernels.itemsize), job.rows * p.columns * step.kernels.itemsize))
        run_parts(backward_part, &job, job.parts)
    return OK


cdef class LocalResponseOp(Op):
    """``rows`` vectors of ``columns`` channels; windows of ``size`` of them, which is odd."""

    cdef fnn_local_response p

    def __init__(self, Py_ssize_t rows, Py_ssize_t columns, Py_ssize_t size, double alpha, double beta, double k):
        self.forward, self.backward, self.config = forward, backward, &self.p
        self.p = fnn_local_response(rows=rows, columns=columns, reach=size // 2, alpha=alpha / size, beta=beta, k=k)
        self.input_widths, self.output_widths = (rows * columns,), (rows * columns,)
        self.reads_input, self.scratch_parts = True, SCRATCH_PARTS

    cdef Py_ssize_t scratch_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize, bint training) noexcept:
        return self.p.columns * itemsize if training else 0
