from fastnn._core.table cimport fnn_shape
from fastnn._core.step cimport Step

cdef inline fnn_shape whole(Py_ssize_t B, Py_ssize_t I, Py_ssize_t O) noexcept nogil:
    """All of a layer, its arrays packed."""
    return fnn_shape(batch=B, inputs=I, outputs=O, x_row=I, w_row=O, y_row=O, bias_row=0)

cdef void forward(const Step* step, const fnn_shape* shape, const char* x, const char* w, const char* bias,
                  char* y) noexcept nogil
cdef void input_gradient(const Step* step, const fnn_shape* shape, const char* dy, const char* w,
                         char* dx) noexcept nogil
cdef void weight_gradient(const Step* step, const fnn_shape* shape, double scale, const char* x, const char* dy,
                          char* dw) noexcept nogil
