cdef object view(const char* data, Py_ssize_t itemsize, tuple shape, bint writeable)
