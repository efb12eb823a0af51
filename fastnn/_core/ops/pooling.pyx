"""Pooling of images (H, W, C): the largest, or the mean, of each window, channel by channel."""

from fastnn._core.parts cimport PLAIN, in_parts
from fastnn._core.step cimport Frame, OK, Op, Step, linear_tangent
from fastnn._core.table cimport fnn_pool_shape

cdef struct Dims:
    fnn_pool_shape shape
    bint largest            # else the mean

cdef struct Job:
    const Step* step
    const Frame* frame
    const Dims* dims


cdef void forward_rows(const void* argument, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """Rows at .. end - 1 of the outputs of the batch."""
    cdef const Job* job = <const Job*> argument
    cdef const fnn_pool_shape* s = &job.dims.shape
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, image, first, last
    cdef const char* x
    cdef char* y
    while at < end:
        image, first = at // s.out_height, at % s.out_height
        last = min(s.out_height, first + end - at)
        at += last - first
        x = job.frame.values[job.step.inputs[0]] + image * s.height * s.width * s.channels * itemsize
        y = job.frame.values[job.step.outputs[0]] + image * s.out_height * s.out_width * s.channels * itemsize
        if job.dims.largest:
            job.step.kernels.max_pool_forward(s, first, last, x, y)
        else:
            job.step.kernels.mean_pool_forward(s, first, last, x, y)


cdef void backward_images(const void* argument, Py_ssize_t first, Py_ssize_t last) noexcept nogil:
    cdef const Job* job = <const Job*> argument
    cdef const fnn_pool_shape* s = &job.dims.shape
    cdef Py_ssize_t itemsize = job.step.kernels.itemsize, image
    cdef Py_ssize_t x_bytes = s.height * s.width * s.channels * itemsize
    cdef Py_ssize_t y_bytes = s.out_height * s.out_width * s.channels * itemsize
    cdef char* dx = job.frame.gradients[job.step.inputs[0]]
    cdef const char* dy = job.frame.gradients[job.step.outputs[0]]
    for image in range(first, last):
        if job.dims.largest:
            job.step.kernels.max_pool_backward(
                s, job.frame.values[job.step.inputs[0]] + image * x_bytes,
                job.frame.values[job.step.outputs[0]] + image * y_bytes, dy + image * y_bytes, dx + image * x_bytes)
        else:
            job.step.kernels.mean_pool_backward(s, dy + image * y_bytes, dx + image * x_bytes)


cdef inline Py_ssize_t read_bytes(const Job* job) noexcept nogil:
    """Bytes of the windows of the batch."""
    cdef const fnn_pool_shape* s = &job.dims.shape
    return job.frame.batch * s.out_height * s.out_width * s.rows * s.columns * s.channels * job.step.kernels.itemsize


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = max x or mean x of the window."""
    cdef Job job = Job(step=step, frame=frame, dims=<const Dims*> step.config)
    in_parts(forward_rows, &job, frame.batch * job.dims.shape.out_height, 1, read_bytes(&job), 2 * PLAIN)
    return OK


cdef int backward(const Step* step, const Frame* frame) noexcept nogil:
    """dx = dy at the first place of the window where x is y, or dy / count everywhere in it."""
    cdef Job job = Job(step=step, frame=frame, dims=<const Dims*> step.config)
    if frame.gradients[step.inputs[0]] != NULL:
        in_parts(backward_images, &job, frame.batch, 1, read_bytes(&job), 4 * PLAIN)
    return OK


cdef class PoolOp(Op):
    """Windows of ``kernel``, ``strides`` apart, from ``before`` rows and columns before the image on, ``output`` of them.

    ``kind``: "max" or "mean".  ``counts_outside``: a mean is over the whole window, zeros outside the image included.
    """

    cdef Dims dims

    def __init__(self, str kind, image, output, kernel, strides, before, bint counts_outside):
        (H, W, C), (OH, OW) = image, output
        self.forward, self.backward, self.config = forward, backward, &self.dims
        self.dims.largest = kind == "max"
        if not self.dims.largest:
            self.tangent = linear_tangent
        self.dims.shape = fnn_pool_shape(
            height=H, width=W, channels=C, out_height=OH, out_width=OW, rows=kernel[0], columns=kernel[1],
            row_step=strides[0], column_step=strides[1], top=before[0], left=before[1], counts_outside=counts_outside)
        self.input_widths, self.output_widths = (H * W * C,), (OH * OW * C,)
        self.reads_input = self.reads_output = self.dims.largest
