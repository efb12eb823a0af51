cdef object view(const char* data, Py_ssize_t itemsize, tuple shape, bint writeable)
cdef object view_of(const char* data, int type_number, tuple shape, bint writeable)
