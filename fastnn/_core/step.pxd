"""The contract between the Plan, which owns memory and order, and the ops, which do the work.

A network runs as a C array of ``Step``; a ``Frame`` is the memory of one running call.  Both loops over the array
run without the GIL, allocate nothing and touch no Python object.

forward   reads values[inputs], params; writes values[outputs] and what backward needs to saved[index].
backward  reads gradients[outputs]; OVERWRITES gradients[inputs] where that pointer is not NULL; if the step is
          trainable ADDS frame.scale * step.rate * gradient to dparams.  dx is computed before dparams is touched,
          because for plain SGD dparams IS params: the update is then part of the weight gradient's own kernel.
Both      accept any batch in 1..capacity, never read what nobody wrote (scratch holds garbage), never write to
          their inputs (an in_place op may share one array between input and output), and return a status.
"""

from libc.stdint cimport uint64_t

from fastnn._core.kernels cimport fnn_kernels

cdef enum Status:
    OK = 0
    DIVERGED = 1       # the loss is infinite or not a number
    INTERRUPTED = 2    # a signal handler raised; the exception is set
    FAILED = 3         # a custom function raised; the exception is set

ctypedef void (*gemm_fn)(bint transpose_a, bint transpose_b, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, double alpha,
                         const void* a, const void* b, double beta, void* c) noexcept nogil
ctypedef void (*gemv_fn)(bint transpose, Py_ssize_t M, Py_ssize_t N, double alpha, const void* a, const void* x,
                         double beta, void* y) noexcept nogil
ctypedef void (*ger_fn)(Py_ssize_t M, Py_ssize_t N, double alpha, const void* x, const void* y,
                        void* a) noexcept nogil

# Matrix products for one dtype, row-major and packed.
cdef struct Blas:
    gemm_fn gemm    # C[M,N] = alpha op(A)[M,K] op(B)[K,N] + beta C
    gemv_fn gemv    # y = alpha op(A) x + beta y, A[M,N]
    ger_fn ger      # A[M,N] += alpha x[M] y[N]

cdef struct Frame:
    Py_ssize_t batch        # rows of this call
    Py_ssize_t first_row    # place of row 0 in its mini-batch: random masks go by it
    bint training
    uint64_t seed
    uint64_t step           # optimiser updates so far: random masks go by it
    const char* params
    char* dparams
    double scale
    char** values           # by tensor
    char** gradients        # by tensor; NULL where no gradient is wanted
    char** saved            # by step
    char* scratch

ctypedef int (*step_fn)(const Step* step, const Frame* frame) noexcept nogil

cdef struct Step:
    step_fn forward
    step_fn backward
    const fnn_kernels* kernels
    const Blas* blas
    const void* config      # the op's own dimensions
    const int* inputs       # tensors
    const int* outputs
    int n_inputs
    int n_outputs
    int index               # of saved, and of the random stream
    Py_ssize_t params       # byte offset of the op's parameters
    bint trainable
    double rate             # factor on the learning rate

cdef class Op:
    cdef readonly tuple input_widths
    cdef readonly tuple output_widths
    cdef readonly tuple parameters
    cdef readonly bint in_place
    cdef readonly bint reads_input
    cdef readonly bint reads_output
    cdef readonly bint needs_blas
    cdef readonly bint shares_value
    cdef readonly bint may_fail
    cdef void bind(self, Step* step) noexcept
    cdef Py_ssize_t saved_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize) noexcept
    cdef Py_ssize_t scratch_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize) noexcept
