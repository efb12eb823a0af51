"""Versions of a parameter vector: what a call reads while another thread changes it; the .pxd says how."""

cimport numpy as cnp
from libc.stdint cimport uintptr_t

from fastnn._core.claim cimport claim, let_go
from fastnn._core.parts cimport copy

from weakref import WeakValueDictionary

cnp.import_array()

cdef extern from "Python.h":
    int check_signals "PyErr_CheckSignals"()

cdef extern from "Python.h" nogil:
    ctypedef struct PyThreadState
    void* PyMem_RawMalloc(size_t size)
    void PyMem_RawFree(void* block)
    int PyGILState_Check()
    PyThreadState* PyEval_SaveThread()
    void PyEval_RestoreThread(PyThreadState* state)

cdef extern from *:
    """
    #define fnn_add(count, more) __atomic_add_fetch(count, more, __ATOMIC_SEQ_CST)
    #define fnn_look_at(count) __atomic_load_n(count, __ATOMIC_SEQ_CST)
    #define fnn_put(count, value) __atomic_store_n(count, value, __ATOMIC_SEQ_CST)
    #if defined(_WIN32)
    #include <windows.h>
    static int fnn_forks;
    static void fnn_nap(int round) { Sleep(round < 8 ? 0 : 1); }
    static int fnn_count_forks(void) { return 0; }
    #else
    #include <pthread.h>
    #include <sched.h>
    #include <time.h>
    static int fnn_forks;
    static void fnn_forked(void) { fnn_forks++; }
    static int fnn_count_forks(void) { return pthread_atfork(NULL, NULL, fnn_forked); }
    /* At first the processor goes to whoever wants it, then for longer and longer, up to a millisecond. */
    static void fnn_nap(int round)
    {
        struct timespec time = {0, round < 40 ? 25000 * (long)(round - 7) : 1000000};
        if (round < 8)
            sched_yield();
        else
            nanosleep(&time, NULL);
    }
    #endif
    """
    int add "fnn_add"(int* count, int more) noexcept nogil
    int look_at "fnn_look_at"(const int* count) noexcept nogil
    void put "fnn_put"(int* count, int value) noexcept nogil
    void nap "fnn_nap"(int round) noexcept nogil
    int count_forks "fnn_count_forks"() noexcept nogil
    int forks "fnn_forks"

cdef enum:
    ALIGNMENT = 64          # bytes: where a copy begins, and how much after it may be read

BUSY = "this network is being trained by another call; train net.copy() instead"

cdef object found = WeakValueDictionary()    # by where a vector begins, and its size

if count_forks() != 0:
    raise MemoryError("fastnn: no memory for what is to be done after a fork")


def versions_of(cnp.ndarray params):
    """The Versions of a vector: one for all networks that share it."""
    key = <uintptr_t> cnp.PyArray_DATA(params), <Py_ssize_t> cnp.PyArray_NBYTES(params)
    versions = found.get(key)
    if versions is None:
        versions = found.setdefault(key, Versions(params))
    return versions


cdef class Versions:
    """Of a packed vector of parameters."""

    def __init__(self, cnp.ndarray params):
        self.params, self.current = params, -1
        self.live, self.nbytes = <char*> cnp.PyArray_DATA(params), cnp.PyArray_NBYTES(params)

    def __dealloc__(self):
        cdef int k
        for k in range(COPIES):
            PyMem_RawFree(self.copies[k].block)

    # ---- those who change parameters -------------------------------------------------------------------------------

    cdef bint start(self) noexcept nogil:
        """Be the only call that changes parameters; False if there is another.  One that a fork has left behind is none."""
        if not claim(&self.busy):
            if self.owner == 0 or self.forks == forks or self.owner == this_thread():
                return False
            self.forget()
        self.owner, self.forks = this_thread(), forks
        return True

    cdef void forget(self) noexcept nogil:
        """The thread that was at work, and all readers, stayed in the parent of this process."""
        cdef int k
        if self.sequence % 2 == 1:
            make_even(&self.sequence)
        self.current, self.copying, self.wanted, self.forks = -1, 0, 0, forks
        for k in range(COPIES):
            self.copies[k].readers = 0

    def change(self, str who):
        """Be about to change parameters; returns what ``changed`` is to be given then.

        A callback may, while the call that it belongs to is at work.  Raises RuntimeError if another one is.
        """
        cdef int how = self.open(False)
        if how < 0:
            raise RuntimeError(f"{who}: {BUSY}")
        return how

    def changed(self, int how):
        """They have changed; ``how``: as ``change`` said."""
        self.close(how)

    cdef int open(self, bint wait) noexcept:
        """As ``change``, -1 if another call is at work; ``wait``: until none is.  Takes no memory."""
        cdef int round = 0
        if self.owner == this_thread() and self.forks == forks:
            if self.sequence % 2 == 1:      # within an update: it is all of one version
                return 0
            self.enter()
            return 1
        while not self.start():
            if not wait:
                return -1
            rest(round, False)
            round += 1
        self.enter()
        return 2

    cdef void close(self, int how) noexcept:
        if how > 0:
            self.leave()
        if how > 1:
            self.stop()

    # ---- those who read them ---------------------------------------------------------------------------------------

    cdef int spare(self) noexcept nogil:
        """A copy that is not the newest and has no readers; -1: there is none."""
        cdef int k
        for k in range(COPIES):
            if self.copies[k].block != NULL and k != self.current and look_at(&self.copies[k].readers) == 0:
                return k
        return -1

    cdef int reserve(self) noexcept nogil:
        """Have the memory of a spare copy, if there may be one more."""
        cdef int k, status = READ
        if not claim(&self.copying):
            return READ
        if self.spare() < 0:
            for k in range(COPIES):
                if self.copies[k].block == NULL:
                    self.copies[k].block = PyMem_RawMalloc(self.nbytes + 2 * ALIGNMENT)
                    self.copies[k].params = <char*> ((<uintptr_t> self.copies[k].block + ALIGNMENT - 1)
                                                     // ALIGNMENT * ALIGNMENT)
                    status = READ if self.copies[k].block != NULL else NO_MEMORY
                    break
        let_go(&self.copying)
        return status

    cdef bint publish(self) noexcept nogil:
        """Make a copy of the parameters if there is a spare one and nobody changes them meanwhile."""
        cdef unsigned long long made = acquired(&self.sequence)
        cdef bint done = False
        cdef int k
        if made % 2 == 1 or not claim(&self.copying):
            return False
        k = self.spare()
        if k >= 0:
            copy(self.live, self.nbytes, self.copies[k].params)
            after_reads()
            done = relaxed(&self.sequence) == made
            if done:
                self.copies[k].made = made
                put(&self.current, k)
                put(&self.wanted, 0)
        let_go(&self.copying)
        return done

    cdef int pin(self, Reading* reading, bint python) noexcept nogil:
        """Read a copy that is no older than the call from now on; waits for one, at most for the end of an update.

        ``python``: the caller holds the GIL, which others get meanwhile, and signals are heeded.
        """
        cdef int k, round = 0, status = READ
        cdef unsigned long long sequence
        while True:
            k = look_at(&self.current)
            if k >= 0:
                add(&self.copies[k].readers, 1)
                if look_at(&self.current) == k and self.copies[k].made + 1 >= reading.began:
                    if acquired(&self.sequence) != self.copies[k].made:
                        put(&self.wanted, 1)
                    reading.params, reading.place = self.copies[k].params, k
                    return READ
                add(&self.copies[k].readers, -1)
            sequence = acquired(&self.sequence)
            if sequence % 2 == 1 and self.owner == this_thread():
                reading.params, reading.place = self.live, OWN
                return READ
            if sequence % 2 == 1 and self.forks != forks:
                self.forget()
                self.stop()
                continue
            status = self.reserve()
            if status != READ:
                return status
            if sequence % 2 == 0 and self.publish():
                continue
            put(&self.wanted, 1)
            status = rest(round, python)
            if status != READ:
                return status
            round += 1

    cdef void unpin(self, const Reading* reading) noexcept nogil:
        """The call has read what it wanted."""
        if reading.place >= 0:
            add(&self.copies[reading.place].readers, -1)


cdef int rest(int round, bint python) noexcept nogil:
    """Wait a little, without the GIL."""
    cdef PyThreadState* state = NULL
    if python or PyGILState_Check():
        state = PyEval_SaveThread()
    nap(round)
    if state != NULL:
        PyEval_RestoreThread(state)
        if python:
            return heed()
    return READ


cdef int heed() noexcept with gil:
    """What signals ask for."""
    return INTERRUPTED if check_signals() != 0 else READ


cdef int require_read(int status) except -1:
    """Raise what kept a call from reading."""
    if status == NO_MEMORY:
        raise MemoryError("no memory for a copy of the parameters, which a call reads while another thread trains")
    return 0 if status == READ else -1


cdef class View:
    """What a call reads that reads several times: all of it is of one version if ``settled`` says so in the end.

    ``pinned``: it always is, at the price of a copy where another thread changes parameters, or could.
    """

    def __init__(self, Versions versions not None, bint pinned):
        self.versions = versions
        versions.begin(&self.reading)
        if pinned or not versions.quiet(&self.reading):
            require_read(versions.pin(&self.reading, True))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.versions.unpin(&self.reading)
        self.reading.place = OWN    # once

    def settled(self):
        """Whether all that was read so far is of one version."""
        return self.versions.settled(&self.reading)
