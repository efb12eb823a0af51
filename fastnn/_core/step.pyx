"""Base class of the ops; what an op must do stands in ``step.pxd``."""

from typing import NamedTuple


class Parameter(NamedTuple):
    """One named array that an op learns; an op's parameters lie one after the other in the parameter vector.

    ``fan_in`` and ``fan_out`` scale its initial values; ``decays`` says whether penalties, weight decay and max-norm
    apply to it (to weights they do, to biases not).
    """

    name: str
    shape: tuple[int, ...]
    fan_in: int
    fan_out: int
    decays: bool


cdef class Op:
    """One operation on rows: its widths (elements per row), its parameters and how it uses memory.

    It allocates nothing.  ``in_place``: output and input may be one array.  ``reads_input`` / ``reads_output``: the
    backward pass reads those values, so nobody may overwrite them before.  ``shares_value``: the outputs are the
    input, under other names.  ``activates``: a cheap activation after it can be joined to its step.  ``may_fail``: a call can raise, so parameters must not change before all calls are over.
    """

    def __cinit__(self):
        self.parameters, self.repeats = (), 1

    cdef void bind(self, Step* step) noexcept:
        """Fill in forward, backward and config."""

    cdef Py_ssize_t saved_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize) noexcept:
        return 0

    cdef Py_ssize_t scratch_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize, bint training) noexcept:
        return 0
