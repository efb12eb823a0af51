from libc.stdint cimport uint8_t

from fastnn._core.step cimport Op

cdef enum Kind:
    SIMPLE
    LSTM
    GRU

cdef struct Dims:
    Kind kind
    Py_ssize_t T
    Py_ssize_t inputs           # named not as the letter, which complex.h takes
    Py_ssize_t H
    Py_ssize_t gates            # H times the number of gates
    Py_ssize_t width            # elements of an output row: the sequence or its last step, then the final state
    Py_ssize_t truncate         # steps that a gradient goes back at most within a block of as many, 0: all
    int activation              # of a SIMPLE cell
    int forgets                 # does an LSTM have forget gates?
    int peepholes               # H times the rows of peephole weights
    double mask_value
    bint masked
    bint bias
    bint sequences
    bint final
    bint reverse

cdef class RecurrentOp(Op):
    cdef Dims dims
