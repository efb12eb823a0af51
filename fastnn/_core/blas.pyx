"""The one door to BLAS: row-major products over ``scipy.linalg.cython_blas``, in single and double precision.

Importing this module imports scipy.linalg (some 130 ms), so it happens when the first network with a product is
built.  BLAS is column-major: a row-major A[M,N] is its A^T[N,M], hence the swapped operands below.  Dimensions are
checked against ``MAX_DIMENSION`` where a plan is built, before they are narrowed to BLAS's integer.
"""

from cpython.pycapsule cimport PyCapsule_New
from scipy.linalg.cython_blas cimport dgemm, dgemv, dger, sgemm, sgemv, sger

from fastnn._core.blas_int cimport blas_int
from fastnn._core.step cimport Blas

MAX_DIMENSION = 2 ** (8 * int(sizeof(blas_int)) - 1) - 1

ctypedef fused real:
    float
    double


cdef inline void gemm(bint transpose_a, bint transpose_b, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, real alpha,
                      const real* a, const real* b, real beta, real* c) noexcept nogil:
    """C = alpha op(A) op(B) + beta C, computed as C^T = alpha op(B)^T op(A)^T + beta C^T."""
    cdef blas_int m = <blas_int> M, n = <blas_int> N, k = <blas_int> K
    cdef blas_int lda = m if transpose_a else k, ldb = k if transpose_b else n
    cdef char ta = c'T' if transpose_a else c'N', tb = c'T' if transpose_b else c'N'
    if real is float:
        sgemm(&tb, &ta, &n, &m, &k, &alpha, <real*> b, &ldb, <real*> a, &lda, &beta, c, &n)
    else:
        dgemm(&tb, &ta, &n, &m, &k, &alpha, <real*> b, &ldb, <real*> a, &lda, &beta, c, &n)


cdef inline void gemv(bint transpose, Py_ssize_t M, Py_ssize_t N, real alpha, const real* a, const real* x,
                      real beta, real* y) noexcept nogil:
    """y = alpha op(A) x + beta y for A[M,N]."""
    cdef blas_int m = <blas_int> M, n = <blas_int> N, one = 1
    cdef char trans = c'N' if transpose else c'T'
    if real is float:
        sgemv(&trans, &n, &m, &alpha, <real*> a, &n, <real*> x, &one, &beta, y, &one)
    else:
        dgemv(&trans, &n, &m, &alpha, <real*> a, &n, <real*> x, &one, &beta, y, &one)


cdef inline void ger(Py_ssize_t M, Py_ssize_t N, real alpha, const real* x, const real* y, real* a) noexcept nogil:
    """A += alpha x y^T for A[M,N]."""
    cdef blas_int m = <blas_int> M, n = <blas_int> N, one = 1
    if real is float:
        sger(&n, &m, &alpha, <real*> y, &one, <real*> x, &one, a, &n)
    else:
        dger(&n, &m, &alpha, <real*> y, &one, <real*> x, &one, a, &n)


cdef void gemm_f32(bint ta, bint tb, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, double alpha, const void* a,
                   const void* b, double beta, void* c) noexcept nogil:
    gemm(ta, tb, M, N, K, <float> alpha, <const float*> a, <const float*> b, <float> beta, <float*> c)


cdef void gemm_f64(bint ta, bint tb, Py_ssize_t M, Py_ssize_t N, Py_ssize_t K, double alpha, const void* a,
                   const void* b, double beta, void* c) noexcept nogil:
    gemm(ta, tb, M, N, K, alpha, <const double*> a, <const double*> b, beta, <double*> c)


cdef void gemv_f32(bint transpose, Py_ssize_t M, Py_ssize_t N, double alpha, const void* a, const void* x,
                   double beta, void* y) noexcept nogil:
    gemv(transpose, M, N, <float> alpha, <const float*> a, <const float*> x, <float> beta, <float*> y)


cdef void gemv_f64(bint transpose, Py_ssize_t M, Py_ssize_t N, double alpha, const void* a, const void* x,
                   double beta, void* y) noexcept nogil:
    gemv(transpose, M, N, alpha, <const double*> a, <const double*> x, beta, <double*> y)


cdef void ger_f32(Py_ssize_t M, Py_ssize_t N, double alpha, const void* x, const void* y, void* a) noexcept nogil:
    ger(M, N, <float> alpha, <const float*> x, <const float*> y, <float*> a)


cdef void ger_f64(Py_ssize_t M, Py_ssize_t N, double alpha, const void* x, const void* y, void* a) noexcept nogil:
    ger(M, N, alpha, <const double*> x, <const double*> y, <double*> a)


cdef Blas _f32 = Blas(gemm=gemm_f32, gemv=gemv_f32, ger=ger_f32)
cdef Blas _f64 = Blas(gemm=gemm_f64, gemv=gemv_f64, ger=ger_f64)

# By bytes per element; the Plan takes the pointers out (step.pxd declares what they point to).
TABLES = {4: PyCapsule_New(&_f32, "fastnn.Blas", NULL), 8: PyCapsule_New(&_f64, "fastnn.Blas", NULL)}
