cdef object hold(object array)
cdef list hold_all(arrays, more=*)
cdef int require_packed(str what, object array, int type_number, Py_ssize_t rows, Py_ssize_t width,
                        bint writable=*) except -1
cdef int require_count(str what, object arrays, Py_ssize_t count) except -1
