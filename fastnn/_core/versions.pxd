# Which version of the parameters a call reads while another thread changes them.
#
# A parameter vector has a new version after each update.  ``sequence`` counts, and is odd while somebody changes the
# parameters.  A reader notes it, reads the parameters where they lie, and looks whether it is still the same: two loads,
# which a lone thread does not notice.  If it is another, or was odd to begin with, the answer may be of two versions; the
# reader takes it again from a copy.  Copies are made by the thread that trains, between two updates and only where a
# reader has asked, or by the reader itself where nobody is at work.  Nobody writes to a copy that has readers.  So no
# update waits for a reader, a reader at most for the end of one update, and what it answers is of the network as it was at
# some moment of the call.
#
# Whoever changes parameters is ``busy`` for the whole call, and calls ``enter`` and ``leave`` around each update.

cimport numpy as cnp

from fastnn._core.claim cimport let_go

cdef extern from *:
    """
    #define fnn_acquired(count) __atomic_load_n(count, __ATOMIC_ACQUIRE)
    #define fnn_relaxed(count) __atomic_load_n(count, __ATOMIC_RELAXED)
    #define fnn_after_reads() __atomic_thread_fence(__ATOMIC_ACQUIRE)
    #define fnn_make_odd(count) (__atomic_store_n(count, *(count) + 1, __ATOMIC_RELAXED), \\
                                 __atomic_thread_fence(__ATOMIC_RELEASE))
    #define fnn_make_even(count) __atomic_store_n(count, *(count) + 1, __ATOMIC_RELEASE)
    """
    unsigned long long acquired "fnn_acquired"(const unsigned long long* count) noexcept nogil
    unsigned long long relaxed "fnn_relaxed"(const unsigned long long* count) noexcept nogil
    bint is_set "fnn_relaxed"(const int* flag) noexcept nogil
    void after_reads "fnn_after_reads"() noexcept nogil     # what was read before is read by now
    void make_odd "fnn_make_odd"(unsigned long long* count) noexcept nogil
    void make_even "fnn_make_even"(unsigned long long* count) noexcept nogil

cdef extern from "pythread.h" nogil:
    unsigned long this_thread "PyThread_get_thread_ident"()

cdef enum:
    COPIES = 4              # of the parameters: one to read now, others with readers that take long
    LIVE = -1               # places in which a call reads: where the parameters lie, and so far nobody changed them
    OWN = -2                # likewise, by the thread that changes them itself

cdef enum Read:
    READ = 0
    NO_MEMORY = 1
    INTERRUPTED = 2         # by a signal; the exception is set

cdef struct Copy:
    void* block             # NULL: there is none yet
    char* params
    unsigned long long made # the sequence then
    int readers

# What one call reads.
cdef struct Reading:
    const char* params
    unsigned long long began    # the sequence when it began
    int place                   # of the copy, LIVE or OWN

cdef class Versions:
    cdef object __weakref__
    cdef readonly cnp.ndarray params
    cdef char* live
    cdef Py_ssize_t nbytes
    cdef unsigned long long sequence
    cdef int busy                       # claimed by the call that changes parameters
    cdef unsigned long owner            # its thread, 0: there is none
    cdef int forks                      # of the process when it began
    cdef int wanted                     # a reader waits for a copy, or the next one would
    cdef int copying                    # claimed by who makes a copy, or its memory
    cdef int current                    # the newest copy, -1: there is none
    cdef Copy[COPIES] copies
    cdef bint start(self) noexcept nogil
    cdef void forget(self) noexcept nogil
    cdef int open(self, bint wait) noexcept
    cdef void close(self, int how) noexcept
    cdef int spare(self) noexcept nogil
    cdef int reserve(self) noexcept nogil
    cdef bint publish(self) noexcept nogil
    cdef int pin(self, Reading* reading, bint python) noexcept nogil
    cdef void unpin(self, const Reading* reading) noexcept nogil

    cdef inline void stop(self) noexcept nogil:
        """The call that was busy is over."""
        self.owner = 0
        let_go(&self.busy)

    cdef inline void enter(self) noexcept nogil:
        """Parameters are about to change."""
        make_odd(&self.sequence)

    cdef inline void leave(self) noexcept nogil:
        """They have changed."""
        make_even(&self.sequence)
        if is_set(&self.wanted):
            self.publish()

    cdef inline void begin(self, Reading* reading) noexcept nogil:
        """Note where a call would read if nobody changes anything; ``settled`` says whether it may."""
        reading.params, reading.place = self.live, LIVE
        reading.began = acquired(&self.sequence)

    cdef inline bint quiet(self, const Reading* reading) noexcept nogil:
        """Did nobody change parameters when the call began?"""
        return reading.began % 2 == 0

    cdef inline bint settled(self, const Reading* reading) noexcept nogil:
        """Was all that the call has read of one version?"""
        if reading.place != LIVE:
            return True
        after_reads()
        return reading.began % 2 == 0 and relaxed(&self.sequence) == reading.began

cdef class View:
    cdef readonly Versions versions
    cdef Reading reading

cdef int require_read(int status) except -1
