from fastnn._core.ops.recurrent_memory cimport Dims
from fastnn._core.step cimport Op

cdef class RecurrentOp(Op):
    cdef Dims dims
