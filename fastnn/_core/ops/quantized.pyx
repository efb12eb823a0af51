"""Fully connected layers with narrow weights, for inference: whole numbers of 8 bits with scales, or bfloat16.

``csrc/fnn_quantized.h`` says what is computed.  The weights lie outside the parameter vector, packed for the kernels; a
bias is a parameter as in ``dense``.
"""

cimport numpy as cnp
from libc.stdint cimport int8_t, int32_t, uint16_t

from fastnn._core.pool cimport run_parts, threads
from fastnn._core.step cimport Frame, OK, Op, SCRATCH_PARTS, Step, part_scratch
from fastnn._core.table cimport (FNN_INT8_INPUTS, address, fnn_bfloat16_panels, fnn_bfloat16_size, fnn_bfloat16_weights,
                                 fnn_bfloat16_work, fnn_int8_row_bytes, fnn_int8_weights, fnn_products, fnn_quantized,
                                 kernel_table, quantized_table)

import numpy as np

from fastnn._core.aligned import aligned_zeros
from fastnn._core.step import Parameter
from fastnn._core.table import ACTIVATIONS

cnp.import_array()

cdef enum:
    PART_WORK = 1 << 19     # least multiply-adds of a part: a few microseconds
    PART_ROWS = 8           # least rows of a part, if it is one of rows
    CHUNK_ROWS = 64         # rows that are rounded to 8 bits, and then multiplied, at a time

cdef struct Dims:
    Py_ssize_t vectors      # of a row: each goes through the layer
    Py_ssize_t inputs
    Py_ssize_t outputs
    bint bias
    const fnn_quantized* kernels
    const fnn_int8_weights* int8
    const fnn_bfloat16_weights* bfloat16

cdef struct Job:
    const Dims* dims
    const fnn_products* products
    Py_ssize_t B
    Py_ssize_t parts
    const float* x
    const float* bias
    int activation
    double alpha
    float* y
    const Frame* frame      # for its scratch
    Py_ssize_t scratch      # bytes of a part's


cdef void multiply(const Job* job, Py_ssize_t first, Py_ssize_t last, Py_ssize_t start, Py_ssize_t stop, char* rows,
                   bint rounded) noexcept nogil:
    """Outputs of panels first .. last of rows start .. stop, rounded to 8 bits in ``rows`` or to be rounded there."""
    cdef const Dims* dims = job.dims
    cdef const fnn_quantized* kernels = dims.kernels
    cdef const float* x = job.x + start * dims.inputs
    cdef float* y = job.y + start * dims.outputs
    cdef Py_ssize_t size, panel = kernels.panel
    if dims.bfloat16 != NULL:
        kernels.bfloat16_forward(job.products, dims.bfloat16, stop - start, first, last, x, job.bias, job.activation,
                                 job.alpha, <float*> rows, y)
        return
    if rounded:
        kernels.int8_forward(dims.int8, stop - start, first * panel, min(last * panel, dims.outputs) - first * panel, rows,
                             job.bias, job.activation, job.alpha, y)
        return
    while start < stop:
        size = min(<Py_ssize_t> CHUNK_ROWS, stop - start)
        kernels.int8_rows(size, dims.inputs, x, rows)
        kernels.int8_forward(dims.int8, size, 0, dims.outputs, rows, job.bias, job.activation, job.alpha, y)
        x, y, start = x + size * dims.inputs, y + size * dims.outputs, start + size


cdef Py_ssize_t panels_of(const Dims* dims) noexcept nogil:
    """Panels of outputs, each of which one part can do."""
    if dims.bfloat16 != NULL:
        return fnn_bfloat16_panels(dims.outputs)
    return (dims.outputs + dims.kernels.panel - 1) // dims.kernels.panel


cdef void rows_part(void* argument, Py_ssize_t part) noexcept nogil:
    cdef const Job* job = <const Job*> argument
    multiply(job, 0, panels_of(job.dims), job.B * part // job.parts, job.B * (part + 1) // job.parts,
             part_scratch(job.frame, job.scratch, part), False)


cdef void panels_part(void* argument, Py_ssize_t part) noexcept nogil:
    cdef const Job* job = <const Job*> argument
    cdef Py_ssize_t panels = panels_of(job.dims)
    cdef bint shared = job.dims.bfloat16 == NULL    # all parts read the rounded rows
    multiply(job, panels * part // job.parts, panels * (part + 1) // job.parts, 0, job.B,
             job.frame.scratch if shared else part_scratch(job.frame, job.scratch, part), True)


cdef int forward(const Step* step, const Frame* frame) noexcept nogil:
    """y = activation(1 b + x W), W being narrow."""
    cdef const Dims* dims = <const Dims*> step.config
    cdef const float* bias = NULL
    if dims.bias:
        bias = <const float*> (frame.params + step.params)
    cdef Job job = Job(dims=dims, products=&step.kernels.products, B=frame.batch * dims.vectors, parts=1,
                       x=<const float*> frame.values[step.inputs[0]], bias=bias,
                       activation=step.activation, alpha=step.alpha, y=<float*> frame.values[step.outputs[0]],
                       frame=frame, scratch=scratch_of(dims, frame.batch))
    cdef Py_ssize_t parts = job.B * dims.inputs * dims.outputs // PART_WORK, panels = panels_of(dims)
    if parts > 1:
        parts = min(parts, <Py_ssize_t> threads(), <Py_ssize_t> SCRATCH_PARTS)
    if parts > 1 and job.B >= parts * PART_ROWS:
        job.parts = parts
        run_parts(rows_part, &job, parts)
    elif parts > 1 and panels > 1:
        job.parts = min(parts, panels)
        if dims.bfloat16 == NULL:
            dims.kernels.int8_rows(job.B, dims.inputs, job.x, frame.scratch)
        run_parts(panels_part, &job, job.parts)
    else:
        multiply(&job, 0, panels, 0, job.B, frame.scratch, False)
    return OK


cdef Py_ssize_t scratch_of(const Dims* dims, Py_ssize_t batch) noexcept nogil:
    """Bytes of scratch of a part: rounded rows, or weights as float32."""
    if dims.bfloat16 != NULL:
        return fnn_bfloat16_work(dims.inputs, dims.outputs) * sizeof(float)
    return min(batch * dims.vectors, <Py_ssize_t> CHUNK_ROWS) * fnn_int8_row_bytes(dims.inputs)


def bfloat16(w):
    """Round float32 to bfloat16, the nearest, of two the even one: its 16 bits as uint16.  Beyond the largest: infinity."""
    bits = np.ascontiguousarray(w, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype(np.uint16)


def widened(values):
    """The float32 that bfloat16 stands for, exactly."""
    return (np.ascontiguousarray(values, np.uint16).astype(np.uint32) << 16).view(np.float32)


def require_matrix(values, dtype):
    """Refuse what is no matrix of this dtype."""
    if not isinstance(values, np.ndarray) or values.dtype != dtype or values.ndim != 2 or not values.size:
        found = f"{values.dtype} {values.shape}" if isinstance(values, np.ndarray) else type(values).__name__
        raise ValueError(f"expected a matrix of {np.dtype(dtype)}, got {found}")
    return np.ascontiguousarray(values)


cdef class NarrowWeights:
    """Weights packed for the kernels: read, never written; several ops may share them."""

    cdef const fnn_quantized* kernels
    cdef Py_ssize_t inputs, outputs
    cdef list arrays
    cdef fnn_int8_weights int8
    cdef fnn_bfloat16_weights bfloat16

    cdef void* keep(self, array) except NULL:
        self.arrays.append(array)
        return cnp.PyArray_DATA(<cnp.ndarray> array)

    cdef void fill(self, Dims* dims) noexcept:
        pass

    @property
    def nbytes(self):
        """Bytes held."""
        return sum(array.nbytes for array in self.arrays)

    def product(self, x, bias=None, activation="identity", double alpha=0.0):
        """activation(1 bias + x W) of rows (B, I), on one thread: what the op computes."""
        cdef Py_ssize_t B = len(x)
        cdef Dims dims = Dims(vectors=1, inputs=self.inputs, outputs=self.outputs, bias=bias is not None, kernels=NULL,
                              int8=NULL, bfloat16=NULL)
        self.fill(&dims)
        cdef Frame frame
        cdef const float* start = NULL
        spare = aligned_zeros(self.outputs, np.float32)
        if bias is not None:
            spare[:] = bias
            start = <const float*> cnp.PyArray_DATA(spare)
        out = aligned_zeros(B * self.outputs, np.float32).reshape(B, self.outputs)     # read on behind by products
        scratch = aligned_zeros(scratch_of(&dims, B), np.uint8)
        cdef Job job = Job(dims=&dims, products=&kernel_table(4, self.kernels.isa.decode()).products, B=B, parts=1,
                           x=<const float*> address(x, np.float32, (B, self.inputs)),
                           bias=start,
                           activation=ACTIVATIONS[activation], alpha=alpha, y=<float*> cnp.PyArray_DATA(out),
                           frame=&frame, scratch=0)
        multiply(&job, 0, panels_of(&dims), 0, B, <char*> cnp.PyArray_DATA(scratch), False)
        return out


cdef class Int8Weights(NarrowWeights):
    """Whole numbers (I, O), int8, and the scale of each output (O,), float32: w_io = values_io scale_o."""

    def __init__(self, values, scale, kernels=None):
        values = require_matrix(values, np.int8)
        if len(values) > FNN_INT8_INPUTS:
            raise ValueError(f"expected at most {FNN_INT8_INPUTS} inputs, of which sums fit 32 bits, got {len(values)}")
        if scale.shape != values.shape[1:] or scale.dtype != np.float32:
            raise ValueError(f"expected scales of float32 {values.shape[1:]}, got {scale.dtype} {scale.shape}")
        if values.min() < -127:
            raise ValueError("expected whole numbers from -127 on, got -128")
        self.kernels, self.arrays = quantized_table(kernels), []
        self.inputs, self.outputs = values.shape
        columns = (self.outputs + self.kernels.lanes - 1) // self.kernels.lanes * self.kernels.lanes
        packed = aligned_zeros((self.inputs + 3) // 4 * 4 * columns, np.int8)
        scales, sums = aligned_zeros(columns, np.float32), aligned_zeros(columns, np.int32)
        scales[: self.outputs], sums[: self.outputs] = scale, values.sum(axis=0, dtype=np.int32)
        self.int8 = fnn_int8_weights(inputs=self.inputs, outputs=self.outputs, values=<const int8_t*> self.keep(packed),
                                     scale=<const float*> self.keep(scales), sums=<const int32_t*> self.keep(sums))
        self.kernels.int8_pack(self.inputs, self.outputs, <const int8_t*> cnp.PyArray_DATA(values),
                               <int8_t*> cnp.PyArray_DATA(packed))

    cdef void fill(self, Dims* dims) noexcept:
        dims.kernels, dims.int8 = self.kernels, &self.int8

    @property
    def values(self):
        """The whole numbers (I, O)."""
        values = np.empty((self.inputs, self.outputs), np.int8)
        self.kernels.int8_unpack(self.inputs, self.outputs, self.int8.values, <int8_t*> cnp.PyArray_DATA(values))
        return values

    @property
    def scale(self):
        """The scale of each output (O,)."""
        return self.arrays[1][: self.outputs].copy()


cdef class BFloat16Weights(NarrowWeights):
    """Weights (I, O) in bfloat16, the 16 bits of each as uint16."""

    def __init__(self, values, kernels=None):
        values = require_matrix(values, np.uint16)
        self.kernels, self.arrays = quantized_table(kernels), []
        self.inputs, self.outputs = values.shape
        packed = aligned_zeros(fnn_bfloat16_size(self.inputs, self.outputs), np.uint16)
        self.bfloat16 = fnn_bfloat16_weights(inputs=self.inputs, outputs=self.outputs,
                                             values=<const uint16_t*> self.keep(packed))
        self.kernels.bfloat16_pack(self.inputs, self.outputs, <const uint16_t*> cnp.PyArray_DATA(values),
                                   <uint16_t*> cnp.PyArray_DATA(packed))

    cdef void fill(self, Dims* dims) noexcept:
        dims.kernels, dims.bfloat16 = self.kernels, &self.bfloat16

    @property
    def values(self):
        """The 16 bits of each weight (I, O)."""
        values = np.empty((self.inputs, self.outputs), np.uint16)
        self.kernels.bfloat16_unpack(self.inputs, self.outputs, self.bfloat16.values,
                                     <uint16_t*> cnp.PyArray_DATA(values))
        return values


cdef class QuantizedDenseOp(Op):
    """From ``inputs`` to ``outputs`` numbers, for each of the ``vectors`` of a row; no backward pass."""

    cdef Dims dims
    cdef NarrowWeights weights

    def __init__(self, NarrowWeights weights not None, bint bias, Py_ssize_t vectors=1):
        self.forward, self.config, self.weights = forward, &self.dims, weights
        self.dims = Dims(vectors=vectors, inputs=weights.inputs, outputs=weights.outputs, bias=bias, kernels=NULL,
                         int8=NULL, bfloat16=NULL)
        weights.fill(&self.dims)
        self.input_widths, self.output_widths = (vectors * weights.inputs,), (vectors * weights.outputs,)
        self.repeats, self.activates, self.scratch_parts = vectors, True, SCRATCH_PARTS
        if bias:
            self.parameters = (Parameter("bias", (weights.outputs,), weights.inputs, weights.outputs, False),)

    @property
    def multiply_adds(self):
        """Those of one row."""
        return self.repeats * (self.dims.inputs + self.dims.bias) * self.dims.outputs

    def check(self, dtype):
        """Refuse networks of float64."""
        if dtype != np.float32:
            raise ValueError(f"expected a network of float32 for narrow weights, got {dtype}")

    cdef Py_ssize_t scratch_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize, bint training) noexcept:
        return scratch_of(&self.dims, batch)
