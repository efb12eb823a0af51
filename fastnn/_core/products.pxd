from fastnn._core.table cimport fnn_kernels, fnn_shape
from fastnn._core.step cimport Frame, Step

cdef enum:
    MULTIPLY_ADD = 5        # picoseconds per byte of its operands' dtype
    WITHOUT_FMA = 30        # likewise, on the base instruction set

cdef inline Py_ssize_t multiply_add_work(const fnn_kernels* kernels) noexcept nogil:
    """Picoseconds of one multiply-add of a product."""
    return kernels.itemsize * (MULTIPLY_ADD if kernels.has_fma else WITHOUT_FMA)

cdef inline fnn_shape whole(Py_ssize_t B, Py_ssize_t I, Py_ssize_t O) noexcept nogil:
    """All of a layer, its arrays packed."""
    return fnn_shape(batch=B, inputs=I, outputs=O, x_row=I, w_row=O, y_row=O, bias_row=0)

cdef void forward(const Step* step, const Frame* frame, const fnn_shape* shape, const char* x, const char* w,
                  const char* bias, char* y) noexcept nogil
cdef void input_gradient(const Step* step, const Frame* frame, const fnn_shape* shape, const char* dy, const char* w,
                         char* dx) noexcept nogil
cdef void weight_gradient(const Step* step, const Frame* frame, const fnn_shape* shape, double scale, const char* x,
                          const char* dy, char* dw, char* db) noexcept nogil
cdef void bias_gradient(const Step* step, Py_ssize_t B, Py_ssize_t O, double scale, const char* dy,
                        char* db) noexcept nogil
cdef Py_ssize_t product_work(const Step* step, const fnn_shape* shape) noexcept nogil
cdef Py_ssize_t product_parts(const Step* step, Py_ssize_t multiply_adds, Py_ssize_t work,
                              Py_ssize_t moved) noexcept nogil
