# C arrays that belong to a Python object, freed with the list that owns them; copies of rows.
from cpython.bytearray cimport PyByteArray_AS_STRING
from libc.string cimport memcpy


cdef inline void* zeros(list owner, Py_ssize_t n, size_t size) except NULL:
    """Zeroed memory for ``n`` items of ``size`` bytes each, which lives as long as ``owner``."""
    cdef bytearray block = bytearray(n * size)
    owner.append(block)
    return PyByteArray_AS_STRING(block)


cdef extern from *:
    """
    /* As memcpy, of so few bytes that the call would cost more. */
    static inline void copy_few(char *to, const char *from, Py_ssize_t size)
    {
        for (; size >= 16; size -= 16, to += 16, from += 16)
            memcpy(to, from, 16);
        for (; size >= 4; size -= 4, to += 4, from += 4)
            memcpy(to, from, 4);
        for (; size > 0; size--)
            *to++ = *from++;
    }
    """
    void copy_few(char* to, const char* source, Py_ssize_t size) noexcept nogil

cdef enum:
    FEW_BYTES = 256


cdef inline void copy_rows(Py_ssize_t B, Py_ssize_t size, const char* x, Py_ssize_t x_row, char* y,
                           Py_ssize_t y_row) noexcept nogil:
    """Copy the first ``size`` bytes of each of B rows, which are ``x_row`` and ``y_row`` bytes long."""
    cdef Py_ssize_t b
    if size <= FEW_BYTES:
        for b in range(B):
            copy_few(y + b * y_row, x + b * x_row, size)
        return
    for b in range(B):
        memcpy(y + b * y_row, x + b * x_row, size)
