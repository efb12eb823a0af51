"""NumPy arrays over memory of a running call, for functions of the user's."""

cimport numpy as cnp

cnp.import_array()


cdef object view(const char* data, Py_ssize_t itemsize, tuple shape, bint writeable):
    """Floats (itemsize 4) or doubles at ``data``, valid until the call ends."""
    cdef cnp.npy_intp dims[32]
    cdef int n = 0
    for size in shape:
        dims[n] = size
        n += 1
    array = cnp.PyArray_SimpleNewFromData(n, dims, cnp.NPY_FLOAT if itemsize == 4 else cnp.NPY_DOUBLE, <void*> data)
    if not writeable:
        array.flags.writeable = False
    return array
