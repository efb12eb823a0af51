# Who comes first may work; the others are told, at once and without a lock, whether they hold the GIL or not.

cdef extern from *:
    """
    #define fnn_claim(taken) (!__atomic_exchange_n(taken, 1, __ATOMIC_ACQUIRE))
    #define fnn_let_go(taken) __atomic_store_n(taken, 0, __ATOMIC_RELEASE)
    """
    bint claim "fnn_claim"(int* taken) noexcept nogil
    void let_go "fnn_let_go"(int* taken) noexcept nogil
