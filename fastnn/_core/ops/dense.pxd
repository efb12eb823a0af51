from fastnn._core.step cimport Step

cdef void multiply(const Step* step, Py_ssize_t B, Py_ssize_t I, Py_ssize_t O, const char* x, const char* w,
                   const char* bias, char* y) noexcept nogil
cdef void multiply_transposed(const Step* step, Py_ssize_t B, Py_ssize_t I, Py_ssize_t O, const char* dy,
                              const char* w, char* dx) noexcept nogil
