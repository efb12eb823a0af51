cdef void hold() noexcept nogil
cdef void let_go() noexcept nogil
