"""Is what a caller gives a plain array of rows, or of one row, that C can take as it is?"""

cimport numpy as cnp

cdef enum:
    ROW_AXES = 16           # most axes of a row

# The shape of one row.
cdef struct Row:
    int n_axes
    cnp.npy_intp axes[ROW_AXES]
    Py_ssize_t width        # elements


cdef inline Row row_of(shape) except *:
    cdef Row row
    row.n_axes, row.width = len(shape), 1
    for axis, size in enumerate(shape):
        row.axes[axis] = size
        row.width *= size
    return row


cdef inline bint fits(object x, int typenum, const Row* row, bint batched) noexcept:
    """Is ``x`` a packed, aligned, plain array of this dtype: such a row, or such rows if ``batched``?"""
    cdef const cnp.npy_intp* sizes
    cdef int axis
    if (type(x) is not cnp.ndarray or cnp.PyArray_TYPE(<cnp.ndarray> x) != typenum
            or cnp.PyArray_NDIM(<cnp.ndarray> x) != row.n_axes + batched
            or not cnp.PyArray_ISCARRAY_RO(<cnp.ndarray> x)):
        return False
    sizes = cnp.PyArray_DIMS(<cnp.ndarray> x) + batched
    for axis in range(row.n_axes):
        if sizes[axis] != row.axes[axis]:
            return False
    return True


cdef inline char* data_of(object x) noexcept:
    return <char*> cnp.PyArray_DATA(<cnp.ndarray> x)
