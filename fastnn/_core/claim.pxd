# An atomic flag that one call at a time can hold, with or without the GIL.  ``claim`` takes it if it is free and says
# whether it did, at once and without waiting; ``let_go`` frees it.

cdef extern from *:
    """
    #define fnn_claim(taken) (!__atomic_exchange_n(taken, 1, __ATOMIC_ACQUIRE))
    #define fnn_let_go(taken) __atomic_store_n(taken, 0, __ATOMIC_RELEASE)
    """
    bint claim "fnn_claim"(int* taken) noexcept nogil
    void let_go "fnn_let_go"(int* taken) noexcept nogil
