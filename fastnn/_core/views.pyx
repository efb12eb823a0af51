"""NumPy arrays over memory of a running call, for functions of the user's."""

cimport numpy as cnp

cnp.import_array()


cdef object view(const char* data, Py_ssize_t itemsize, tuple shape, bint writeable):
    """Floats (itemsize 4) or doubles at ``data``, valid until the call ends."""
    return view_of(data, cnp.NPY_FLOAT if itemsize == 4 else cnp.NPY_DOUBLE, shape, writeable)


cdef object view_of(const char* data, int type_number, tuple shape, bint writeable):
    """Numbers of that type of NumPy at ``data``, valid until the call ends."""
    cdef cnp.npy_intp dims[32]
    cdef int n = 0
    for size in shape:
        dims[n] = size
        n += 1
    array = cnp.PyArray_SimpleNewFromData(n, dims, type_number, <void*> data)
    if not writeable:
        array.flags.writeable = False
    return array
