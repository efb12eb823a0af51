"""What a recurrent layer knows about itself, and where the memory of its steps lies.

Time comes first: what belongs to step s of all rows is one packed matrix.
"""

from libc.stdint cimport uint8_t

from fastnn._core.panels cimport PANEL, panels_size
from fastnn._core.parts cimport CACHE_BYTES

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
    bint resets_first           # does a GRU reset the state before the product, not the product?
    int peepholes               # H times the rows of peephole weights
    double mask_value
    bint masked
    bint bias
    bint sequences
    bint final
    bint reverse

cdef enum:
    FLOATS = 16             # elements of the smaller dtype in a cache line
    PART_ROWS = 8           # least rows of a part
    USES = 4                # least steps that pay for panels of weights

# What is known about the steps of one block, or of the whole sequence.
cdef struct Memory:
    char* z         # (T, B, gates): after the cell its activations
    char* h         # (T + 1, B, H), from the state before
    char* c         # (T + 1, B, H), LSTM
    char* s         # (T, B, H): LSTM tanh c, GRU the recurrent part of the candidate, or r h before its product
    char* dh        # (T + 1, B, H): the gradient of h, all of it
    uint8_t* mask   # (T, B): 1 where the step counts

# Scratch of one pass; a block of time steps takes n = T B rows, the whole sequence or some of it.
cdef struct Scratch:
    char* peephole  # (3, H): of the peephole weights, or zeros
    char* x         # (n, I)
    char* w         # the weights of the inputs in panels, backward transposed; where steps run one by one
    char* u         # the recurrent weights likewise, backward always
    char* dz        # (n, gates)
    char* dx        # (n, I)
    char* dq        # (n, H), GRU: the gradient of s
    char* dc        # (B, H)
    char* part      # (B, H)


cdef inline bint stepwise(const Dims* dims, Py_ssize_t B, Py_ssize_t itemsize) noexcept nogil:
    """Do the products of the inputs, too, run step by step?  Then each thread has its rows to itself from the first step to
    the last, and what a step computes is still in the cache when it is used.  It takes enough rows for one product, and
    weights that stay in the cache from step to step.  A matter of shapes alone."""
    return (B >= 2 * PART_ROWS and dims.T >= USES and dims.gates > PANEL
            and (dims.inputs + dims.H) * dims.gates * itemsize <= CACHE_BYTES)


cdef inline char* place(char** at, Py_ssize_t n, Py_ssize_t itemsize) noexcept nogil:
    """The next ``n`` elements, on a cache line of their own."""
    cdef char* result = at[0]
    at[0] += (n + FLOATS - 1) // FLOATS * FLOATS * itemsize
    return result


cdef inline char* lay_out(const Dims* dims, Py_ssize_t B, Py_ssize_t n, Py_ssize_t itemsize, bint gradients, char* at,
                          Memory* m) noexcept nogil:
    """Place the memory of B rows and n = T B steps of rows from ``at``; returns its end, after bytes that may be read."""
    m.z = place(&at, n * dims.gates, itemsize)
    m.h = place(&at, (n + B) * dims.H, itemsize)
    m.c = place(&at, (n + B) * dims.H, itemsize) if dims.kind == LSTM else NULL
    m.s = place(&at, n * dims.H, itemsize) if dims.kind != SIMPLE else NULL
    m.dh = place(&at, (n + B) * dims.H, itemsize) if gradients else NULL
    m.mask = <uint8_t*> place(&at, n, 1) if dims.masked else NULL
    return at + 64


cdef inline char* lay_out_forward(const Dims* dims, Py_ssize_t B, Py_ssize_t n, Py_ssize_t itemsize, char* at,
                                  Scratch* s) noexcept nogil:
    """Place the scratch of the forward pass of B rows in blocks of n from ``at``; returns its end likewise."""
    s.peephole = place(&at, 3 * dims.H, itemsize)
    if stepwise(dims, B, itemsize):
        s.w = place(&at, panels_size(dims.inputs, dims.gates), itemsize)
        s.u = place(&at, panels_size(dims.H, 2 * dims.H) + panels_size(dims.H, dims.H) if dims.kind == GRU
                    else panels_size(dims.H, dims.gates), itemsize)
    else:
        s.x = place(&at, n * dims.inputs, itemsize)
    return at + 64


cdef inline char* lay_out_backward(const Dims* dims, Py_ssize_t B, Py_ssize_t n, Py_ssize_t itemsize, char* at,
                                   Scratch* s) noexcept nogil:
    """Likewise of the backward pass."""
    s.peephole = place(&at, 3 * dims.H, itemsize)
    s.x = place(&at, n * dims.inputs, itemsize)
    s.u = place(&at, panels_size(dims.gates, dims.H), itemsize)
    if stepwise(dims, B, itemsize):
        s.w = place(&at, panels_size(dims.gates, dims.inputs), itemsize)
    else:
        s.dx = place(&at, n * dims.inputs, itemsize)
    s.dz = place(&at, n * dims.gates, itemsize)
    s.dq = place(&at, n * dims.H, itemsize) if dims.kind == GRU else NULL
    s.dc = place(&at, B * dims.H, itemsize)
    s.part = place(&at, B * dims.H, itemsize)
    return at + 64
