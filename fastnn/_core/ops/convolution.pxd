from fastnn._core.ops.windows cimport Dims
from fastnn._core.step cimport Frame, Op, Step

cdef struct Config:
    Dims dims
    bint bias

cdef const char* bias_of(const Step* step, const Frame* frame, const Config* config) noexcept nogil
cdef void parameter_gradients(const Step* step, const Frame* frame, const Config* config, const char* dz) noexcept nogil

cdef class ConvolutionOp(Op):
    cdef Config dims
    cdef list memory
