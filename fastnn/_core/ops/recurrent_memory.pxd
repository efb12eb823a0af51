"""What a recurrent layer knows about itself, and where the memory of its steps lies.

Time comes first: what belongs to step s of all rows is one packed matrix.
"""

from libc.stdint cimport uint8_t

cdef enum Kind:
    SIMPLE
    LSTM
    GRU

cdef struct Dims:
    Kind kind
    Py_ssize_t T
    Py_ssize_t inputs           # not I, which is a macro of complex.h
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

cdef enum:
    FLOATS = 16             # elements of the smaller dtype in a cache line

# What is known about the steps of one block, or of the whole sequence.
cdef struct Memory:
    char* x         # (T, B, I)
    char* z         # (T, B, gates): after the cell its activations
    char* h         # (T + 1, B, H), from the state before
    char* c         # (T + 1, B, H), LSTM
    char* s         # (T, B, H): LSTM tanh c, GRU the recurrent part of the candidate
    char* dh        # (T + 1, B, H): the gradient of h, all of it
    uint8_t* mask   # (T, B): 1 where the step counts

# Scratch of the backward pass.
cdef struct Scratch:
    char* none      # (3, H): zeros in the place of peephole weights
    char* dz        # (T, B, gates)
    char* dx        # (T, B, I)
    char* dq        # (T, B, H), GRU
    char* u         # (gates, H): the recurrent weights, transposed
    char* dc        # (B, H)
    char* part      # (B, H)


cdef inline char* place(char** at, Py_ssize_t n, Py_ssize_t itemsize) noexcept nogil:
    """The next ``n`` elements, on a cache line of their own."""
    cdef char* result = at[0]
    at[0] += (n + FLOATS - 1) // FLOATS * FLOATS * itemsize
    return result


cdef inline char* lay_out(const Dims* dims, Py_ssize_t B, Py_ssize_t n, Py_ssize_t itemsize, bint gradients, char* at,
                          Memory* m) noexcept nogil:
    """Place the memory of B rows and n = T B steps of rows from ``at``; returns its end, after bytes that may be read."""
    m.x = place(&at, n * dims.inputs, itemsize)
    m.z = place(&at, n * dims.gates, itemsize)
    m.h = place(&at, (n + B) * dims.H, itemsize)
    m.c = place(&at, (n + B) * dims.H, itemsize) if dims.kind == LSTM else NULL
    m.s = place(&at, n * dims.H, itemsize) if dims.kind != SIMPLE else NULL
    m.dh = place(&at, (n + B) * dims.H, itemsize) if gradients else NULL
    m.mask = <uint8_t*> place(&at, n, 1) if dims.masked else NULL
    return at + 64


cdef inline char* lay_out_scratch(const Dims* dims, Py_ssize_t B, Py_ssize_t itemsize, char* at, Scratch* s) noexcept nogil:
    """Likewise for the backward pass."""
    s.none = place(&at, 3 * dims.H, itemsize)
    s.dz = place(&at, dims.T * B * dims.gates, itemsize)
    s.dx = place(&at, dims.T * B * dims.inputs, itemsize)
    s.dq = place(&at, dims.T * B * dims.H, itemsize) if dims.kind == GRU else NULL
    s.u = place(&at, dims.gates * dims.H, itemsize)
    s.dc = place(&at, B * dims.H, itemsize)
    s.part = place(&at, B * dims.H, itemsize)
    return at + 64
