"""The only module that calls BLAS: row-major products over ``scipy.linalg.cython_blas``, in single and double precision.

The products of a dense layer as ``fnn_products``, without activations, each on the thread that calls (``blas_threads``).
Importing this module imports scipy.linalg (some 130 ms), so it happens when the first network that needs it is built.
BLAS is column-major: a row-major A[M,N] is its A^T[N,M], hence the swapped operands below.  Dimensions are checked
against ``MAX_DIMENSION`` where a plan is built, before they are narrowed to BLAS's integer.
"""

from cpython.pycapsule cimport PyCapsule_New
from libc.string cimport memcpy
from scipy.linalg.cython_blas cimport dgemm, dgemv, dger, sgemm, sgemv, sger

from fastnn._core.blas_int cimport blas_int
from fastnn._core.blas_threads cimport hold, let_go
from fastnn._core.table cimport fnn_products, fnn_shape

from scipy.linalg import cython_blas

from fastnn._core.blas_threads import control

MAX_DIMENSION = 2 ** (8 * int(sizeof(blas_int)) - 1) - 1

control(cython_blas.__file__)

ctypedef fused real:
    float
    double


cdef inline void gemm(bint transpose_a, bint transpose_b, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, real alpha,
                      const real* a, Py_ssize_t a_row, const real* b, Py_ssize_t b_row, real beta, real* c,
                      Py_ssize_t c_row) noexcept nogil:
    """C = alpha op(A) op(B) + beta C, computed as C^T = alpha op(B)^T op(A)^T + beta C^T."""
    cdef blas_int m = <blas_int> M, n = <blas_int> N, k = <blas_int> K
    cdef blas_int lda = <blas_int> a_row, ldb = <blas_int> b_row, ldc = <blas_int> c_row
    cdef char ta = c'T' if transpose_a else c'N', tb = c'T' if transpose_b else c'N'
    hold()
    if real is float:
        sgemm(&tb, &ta, &n, &m, &k, &alpha, <real*> b, &ldb, <real*> a, &lda, &beta, c, &ldc)
    else:
        dgemm(&tb, &ta, &n, &m, &k, &alpha, <real*> b, &ldb, <real*> a, &lda, &beta, c, &ldc)
    let_go()


cdef inline void gemv(bint transpose, Py_ssize_t M, Py_ssize_t N, const real* a, Py_ssize_t a_row, const real* x,
                      real beta, real* y) noexcept nogil:
    """y = op(A) x + beta y for A[M,N]."""
    cdef blas_int m = <blas_int> M, n = <blas_int> N, lda = <blas_int> a_row, one = 1
    cdef char trans = c'N' if transpose else c'T'
    cdef real alpha = 1
    hold()
    if real is float:
        sgemv(&trans, &n, &m, &alpha, <real*> a, &lda, <real*> x, &one, &beta, y, &one)
    else:
        dgemv(&trans, &n, &m, &alpha, <real*> a, &lda, <real*> x, &one, &beta, y, &one)
    let_go()


cdef inline void ger(Py_ssize_t M, Py_ssize_t N, real alpha, const real* x, const real* y, real* a,
                     Py_ssize_t a_row) noexcept nogil:
    """A += alpha x y^T for A[M,N]."""
    cdef blas_int m = <blas_int> M, n = <blas_int> N, lda = <blas_int> a_row, one = 1
    hold()
    if real is float:
        sger(&n, &m, &alpha, <real*> y, &one, <real*> x, &one, a, &lda)
    else:
        dger(&n, &m, &alpha, <real*> y, &one, <real*> x, &one, a, &lda)
    let_go()


cdef inline void forward(const fnn_shape* s, const real* x, const real* w, const real* bias, real* y) noexcept nogil:
    cdef Py_ssize_t b
    if bias != NULL and bias != y:
        for b in range(s.batch):
            memcpy(y + b * s.y_row, bias + b * s.bias_row, s.outputs * sizeof(real))
    cdef real beta = 0 if bias == NULL else 1
    if s.batch == 1:
        gemv(True, s.inputs, s.outputs, w, s.w_row, x, beta, y)
    else:
        gemm(False, False, s.batch, s.outputs, s.inputs, <real> 1, x, s.x_row, w, s.w_row, beta, y, s.y_row)


cdef inline void input_gradient(const fnn_shape* s, const real* dy, const real* w, real* dx) noexcept nogil:
    if s.batch == 1:
        gemv(False, s.inputs, s.outputs, w, s.w_row, dy, <real> 0, dx)
    else:
        gemm(False, True, s.batch, s.inputs, s.outputs, <real> 1, dy, s.y_row, w, s.w_row, <real> 0, dx, s.x_row)


cdef inline void weight_gradient(const fnn_shape* s, real scale, const real* x, const real* dy, real* dw) noexcept nogil:
    if s.batch == 1:
        ger(s.inputs, s.outputs, scale, x, dy, dw, s.w_row)
    else:
        gemm(True, False, s.inputs, s.outputs, s.batch, scale, x, s.x_row, dy, s.y_row, <real> 1, dw, s.w_row)


cdef void forward_f32(const fnn_shape* shape, const void* x, const void* w, const void* bias, int activation,
                      double alpha, void* y) noexcept nogil:
    forward(shape, <const float*> x, <const float*> w, <const float*> bias, <float*> y)


cdef void forward_f64(const fnn_shape* shape, const void* x, const void* w, const void* bias, int activation,
                      double alpha, void* y) noexcept nogil:
    forward(shape, <const double*> x, <const double*> w, <const double*> bias, <double*> y)


cdef void input_gradient_f32(const fnn_shape* shape, const void* dy, const void* w, void* dx) noexcept nogil:
    input_gradient(shape, <const float*> dy, <const float*> w, <float*> dx)


cdef void input_gradient_f64(const fnn_shape* shape, const void* dy, const void* w, void* dx) noexcept nogil:
    input_gradient(shape, <const double*> dy, <const double*> w, <double*> dx)


cdef void weight_gradient_f32(const fnn_shape* shape, double scale, const void* x, const void* dy,
                              void* dw) noexcept nogil:
    weight_gradient(shape, <float> scale, <const float*> x, <const float*> dy, <float*> dw)


cdef void weight_gradient_f64(const fnn_shape* shape, double scale, const void* x, const void* dy,
                              void* dw) noexcept nogil:
    weight_gradient(shape, scale, <const double*> x, <const double*> dy, <double*> dw)


cdef fnn_products _f32 = fnn_products(False, forward_f32, input_gradient_f32, weight_gradient_f32, NULL)
cdef fnn_products _f64 = fnn_products(False, forward_f64, input_gradient_f64, weight_gradient_f64, NULL)

# By bytes per element; the Plan takes the pointers out.
TABLES = {4: PyCapsule_New(&_f32, "fastnn.Products", NULL), 8: PyCapsule_New(&_f64, "fastnn.Products", NULL)}
