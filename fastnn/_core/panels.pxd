from fastnn._core.table cimport fnn_shape
from fastnn._core.step cimport Step

cdef enum:
    PANEL = 96              # columns of a panel: whole tiles on every instruction set, and no narrow layer

cdef inline Py_ssize_t panels_size(Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """Elements that the panels of a matrix take."""
    return rows * ((columns + PANEL - 1) // PANEL * PANEL)

cdef void pack(const Step* step, Py_ssize_t rows, Py_ssize_t columns, const char* w, Py_ssize_t w_row, bint turned,
               char* panels) noexcept nogil
cdef void forward_by_panels(const Step* step, const fnn_shape* shape, const char* x, const char* panels,
                            Py_ssize_t panel_rows, Py_ssize_t first_row, const char* bias, char* y) noexcept nogil
