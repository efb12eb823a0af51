"""What a call that fails puts back.  All memory is taken beforehand: a call may have failed for want of it."""

cimport numpy as cnp
from libc.string cimport memcpy

from fastnn._core.engine cimport Engine
from fastnn._core.trainer cimport Trainer

cnp.import_array()


cdef class Undo:
    """Parameters, attributes, optimiser and counters of a network, as they are when this is made.

    Raises RuntimeError if another call trains the network right now.
    """

    cdef Engine engine
    cdef Trainer trainer
    cdef dict attributes
    cdef cnp.ndarray params
    cdef cnp.ndarray state
    cdef unsigned long long updates
    cdef unsigned long long step
    cdef int reals
    cdef Py_ssize_t classes
    cdef double constant_rate

    def __init__(self, Engine engine):
        self.engine, self.trainer = engine, engine.trainer
        self.attributes, self.params = dict((<object> engine).__dict__), engine.params.copy()
        self.reals, self.classes, self.constant_rate = engine.reals, engine.classes, engine.constant_rate
        if self.trainer is not None:
            self.trainer.require_idle()
            self.state = self.trainer.optimizer.state.copy()
            self.updates, self.step = self.trainer.optimizer.step, self.trainer.step

    def put_back(self):
        """Make the network what it was: once."""
        cdef Engine engine = self.engine
        cdef int how = engine.versions.open(True)
        memcpy(cnp.PyArray_DATA(engine.params), cnp.PyArray_DATA(self.params), cnp.PyArray_NBYTES(self.params))
        engine.versions.close(how)
        engine.trainer = self.trainer
        engine.reals, engine.classes, engine.constant_rate = self.reals, self.classes, self.constant_rate
        if self.trainer is not None:
            memcpy(cnp.PyArray_DATA(self.trainer.optimizer.state), cnp.PyArray_DATA(self.state),
                   cnp.PyArray_NBYTES(self.state))
            self.trainer.optimizer.step, self.trainer.step = self.updates, self.step
        (<object> engine).__dict__ = self.attributes
