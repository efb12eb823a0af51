"""The contract between the Plan, which owns memory and order, and the ops, which do the work.

A network runs as a C array of ``Step``; a ``Frame`` is the memory of one running call.  Both loops over the array
run without the GIL, allocate nothing and touch no Python object.

forward   reads values[inputs], params; writes values[outputs] and what backward needs to saved[index].
backward  reads gradients[outputs]; OVERWRITES gradients[inputs] where that pointer is not NULL; then ADDS
          frame.scale * step.rate * gradient to ``dparams_of(step, frame)`` where that is not NULL.  Gradients that
          nobody wants are not computed: NULL in gradients[inputs], a step that is not trainable, or NULL in
          frame.dparams (gradients of the inputs alone) leave their part of the work out, and the rest keeps its bits.
          dx comes first because for plain SGD dparams IS params: the update is part of the weight gradient's kernel.
commit    (NULL: there is nothing to do) runs once a whole training step has succeeded, backward too, and writes the
          parameters that are not learned (running statistics) from saved[index].  Other than through dparams, forward
          and backward never write parameters: a step that diverges or fails, or a call for gradients, changes nothing.
tangent   (NULL: the op has none) reads values, gradients[outputs] and tangents[inputs], how the inputs change along some
          direction; writes tangents[outputs]; then ADDS to dparams what backward would of the sum of gradients[outputs]
          times tangents[outputs]: how the gradient of the parameters changes along that direction, while that of the
          output does not.
curve     (NULL: the tangent does not depend on where the inputs are) as backward with changes, of the gradients along that
          direction, in place of gradients; to changes[inputs] comes the derivative of gradients[outputs] times
          tangents[outputs] by the inputs.
Forward and backward accept any batch in 1..capacity (training: from least_rows), never read memory that was not written
(scratch holds garbage), never write to their inputs (an in_place op may share one array between input and output, a
gradient_in_place op one between their gradients), and return a status.  Where there is a state (a Stream), forward begins
with state[index] and leaves its last state there.
What an op makes of its parameters alone may stay in prepared[index], which keeps what it holds from one call to the next.
Whoever has net.params may write there at any time, so the op keeps the parameters beside it that it was made of, and
compares; all bytes are alike at first.
An op that couples the rows of a batch, and what stands around it, can go over the rows some at a time (``ByRows``), so
that a step beside it carries them: see ``carry.pxd``.
Parts of a step that run at once on several threads must not share scratch: an op that has ``scratch_parts`` of it, at most
SCRATCH_PARTS, runs in no more parts than that, and part p writes to part_scratch(frame, scratch_bytes(...), p) alone.
"""

from libc.stdint cimport uint64_t

from fastnn._core.table cimport fnn_kernels, fnn_products

cdef enum Status:
    OK = 0
    DIVERGED = 1       # the loss is infinite or not a number
    FAILED = 2         # an op refused a value, a custom function raised, or a signal came; the exception is set
    OVERFLOWED = 4     # an update made parameters, or what the optimiser keeps, infinite or not a number
    CHANGED = 3        # labels of the caller's, or numbers of rows, are not those that were checked any more

cdef struct Frame:
    Py_ssize_t batch        # rows of this call
    Py_ssize_t first_row    # place of row 0 in its mini-batch: random masks go by it
    bint training
    bint watched            # the call is long: between steps somebody asks whether it is to end
    bint keeps_columns      # between two steps nobody but the products writes weights, along their columns
    uint64_t seed
    uint64_t step           # optimiser updates so far: random masks go by it
    const char* params
    char* dparams           # NULL: no gradients of parameters are wanted
    double scale
    char** values           # by tensor
    char** gradients        # by tensor; NULL where no gradient is wanted
    char** tangents         # by tensor: how values change along a direction; NULL: nobody asks for that
    char** changes          # by tensor: how gradients do; NULL where nobody asks for that
    char** saved            # by step
    char** state            # by step, what a stream keeps between its steps; NULL: this is no stream
    char** prepared         # by step
    char* scratch

cdef enum:
    SCRATCH_PARTS = 16      # of one step
    PAGE_BYTES = 1 << 12    # of memory that is there or not as a whole, at least

cdef inline Py_ssize_t whole_lines(Py_ssize_t nbytes) noexcept nogil:
    """Bytes, rounded up to whole cache lines."""
    return (nbytes + 63) // 64 * 64

cdef extern from *:
    """
    #if defined(__SANITIZE_ADDRESS__)   /* to which what lies behind an array is nobody's, even in the same page */
    #define FNN_READABLE 0
    #else
    #define FNN_READABLE 1
    #endif
    """
    bint FNN_READABLE

cdef inline bint readable(Py_ssize_t end) noexcept nogil:
    """Do the 63 bytes from this address on lie in the page of memory of those before it, which is there as a whole?"""
    return FNN_READABLE and 0 < end % PAGE_BYTES <= PAGE_BYTES - 64

cdef inline char* part_scratch(const Frame* frame, Py_ssize_t nbytes, Py_ssize_t part) noexcept nogil:
    """The scratch of one part of a step whose parts have ``nbytes`` each."""
    return frame.scratch + part * whole_lines(nbytes)

ctypedef int (*step_fn)(const Step* step, const Frame* frame) noexcept nogil
ctypedef void (*commit_fn)(const Step* step, const Frame* frame, char* params) noexcept nogil

ctypedef void (*rows_fn)(const Step* step, const Frame* frame, Py_ssize_t first, Py_ssize_t last) noexcept nogil
ctypedef Py_ssize_t (*block_fn)(const Step* step, Py_ssize_t batch) noexcept nogil

# A pass that can go over the rows of a batch some at a time: collect, begin, rows.  An answer for a row needs that row of the
# other tensors alone, and what begin has found out about all of them.  begin and collect NULL: there is nothing to do.
cdef struct ByRows:
    rows_fn rows            # rows first .. last - 1, in the calling thread; NULL: it cannot
    step_fn all             # all rows, in parts
    step_fn begin           # what must be known of all rows first, from the sums collected
    rows_fn collect         # sums of rows first .. last - 1, whole blocks, in the calling thread
    step_fn collect_all     # of all rows, in parts
    block_fn block          # rows of a block of sums, 0: a block is no whole rows

# What a step does of its neighbours' work, in one pass; see carry.pxd.
cdef struct Carry:
    int before              # steps next before it in the pass that leave their rows to it
    int after               # steps next after it that do
    bint collects           # and the sums of the one behind those are collected
    bint carried            # the step leaves its rows to another
    bint collected          # its sums are collected by another

cdef struct Step:
    step_fn forward
    step_fn backward
    step_fn tangent
    step_fn curve
    commit_fn commit
    const fnn_kernels* kernels
    const fnn_products* products
    const void* config      # the op's own dimensions
    const int* inputs       # tensors
    const int* outputs
    int n_inputs
    int n_outputs
    int index               # of saved, and of the random stream
    Py_ssize_t params       # byte offset of the op's parameters
    bint trainable
    double rate             # factor on the learning rate
    int activation          # of a step that an activation was fused into, else FNN_IDENTITY
    double alpha            # its parameter
    int preactivation       # the tensor between the two; it has a gradient but no value of its own
    ByRows forward_by
    ByRows backward_by
    Carry forward_carry
    Carry backward_carry


cdef inline char* dparams_of(const Step* step, const Frame* frame) noexcept nogil:
    """Where the gradient of the step's parameters is added to; NULL: nobody wants it."""
    return frame.dparams + step.params if step.trainable and frame.dparams != NULL else NULL


cdef inline int linear_tangent(const Step* step, const Frame* frame) noexcept nogil:
    """The tangent of an op without parameters whose forward is linear: it does with changes what it does with values."""
    cdef Frame changes = frame[0]
    changes.values = frame.tangents
    return step.forward(step, &changes)


cdef class Op:
    cdef step_fn forward                    # what goes into its step
    cdef step_fn backward
    cdef step_fn tangent                    # NULL: it has none
    cdef step_fn curve                      # NULL: it needs none
    cdef commit_fn commit                   # NULL: it has none
    cdef ByRows forward_by
    cdef ByRows backward_by
    cdef readonly bint carries              # its passes take their neighbours along, image by image
    cdef const void* config
    cdef readonly str who                   # how messages call the layer, where an op has any
    cdef readonly tuple input_widths
    cdef readonly tuple output_widths
    cdef readonly tuple parameters
    cdef readonly bint in_place
    cdef readonly bint reads_input
    cdef readonly bint reads_output
    cdef readonly bint reads_on             # up to 63 bytes behind its inputs, too
    cdef readonly Py_ssize_t product_size   # weights of the op's largest product, 0: it has none
    cdef readonly Py_ssize_t repeats        # how often a row meets each parameter
    cdef readonly Py_ssize_t state_size     # elements of a row's state between time steps, 0: it keeps none
    cdef readonly str activation            # name of the activation that the op computes, or None
    cdef readonly bint copies               # outside training, outputs hold the inputs' values, perhaps rearranged
    cdef readonly bint activates            # can apply an activation to what it writes
    cdef readonly bint shares_value
    cdef readonly bint shares_gradient      # the inputs' gradients are the output's
    cdef readonly bint gradient_in_place
    cdef readonly bint may_fail
    cdef readonly bint backward_may_fail
    cdef readonly bint couples_rows
    cdef readonly Py_ssize_t least_rows     # of a training batch
    cdef readonly int scratch_parts         # that scratch_bytes is for each of
    cdef readonly Py_ssize_t vocabulary     # the input holds whole numbers below this; 0: any numbers
    cdef Py_ssize_t saved_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize) noexcept
    cdef Py_ssize_t prepared_bytes(self, Py_ssize_t itemsize, bint training) noexcept
    cdef Py_ssize_t scratch_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize, bint training) noexcept
