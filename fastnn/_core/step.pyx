"""Base class of the ops; what an op must do stands in ``step.pxd``."""

from math import prod
from typing import NamedTuple


class Parameter(NamedTuple):
    """One named array of an op; an op's parameters lie one after the other in the parameter vector.

    ``fan_in`` and ``fan_out`` scale its initial values; ``decays`` says whether penalties, weight decay and max-norm
    apply to it (to weights they do, to biases not).  ``learned`` False: no gradient and no optimiser touches it; the
    op's commit writes it (a running statistic).
    """

    name: str
    shape: tuple[int, ...]
    fan_in: int
    fan_out: int
    decays: bool
    learned: bool = True


cdef class Op:
    """One operation on rows: its widths (elements per row), its parameters and how it uses memory.

    It allocates nothing.  ``forward``, ``backward``, ``tangent``, ``curve``, ``commit`` and ``config`` go into its step.
    ``in_place``: the output and the input, or one of the first two, may be one array.  ``reads_input`` / ``reads_output``: the
    backward pass reads those values, so nobody may overwrite them before.  ``reads_on``: what reads the inputs goes on for up
    to 63 bytes behind the last row.  ``shares_value``: the outputs are the input, under other names; ``shares_gradient``: the
    gradient of every input is that of the output, so that they may be one array; ``gradient_in_place``: that of the first
    input may be written where that of the output, or of one of the first two, lies.  ``copies``: outside training the outputs
    hold the inputs' values, or some of them, as they are.  ``activation``: the name of the activation that the op computes;
    ``activates``: a cheap one after it can be fused into its step.  ``product_size``: weights of its largest matmul, which
    decides who computes it; ``repeats``: how often a row meets each parameter.  ``may_fail``: forward can raise, so it must
    run in the caller's thread; ``backward_may_fail``: backward can too, so parameters must not change before all calls are
    over.
    ``carries``: it works image by image and can take its neighbours along (``carry.pxd``).
    ``scratch_parts``: how many parts of the op may run at once, each with ``scratch_bytes`` of its own.
    ``couples_rows``: in training the answer for a row depends on the rows beside it, so a mini-batch must not be cut;
    ``least_rows``: that a training batch must have.  ``vocabulary``: if not 0, the input holds whole numbers below it,
    which have no derivative.
    """

    def __cinit__(self):
        self.parameters, self.repeats, self.least_rows, self.scratch_parts = (), 1, 1, 1

    @property
    def multiply_adds(self):
        """Those of one row's forward pass with parameters; a bias is the weight of an input that is always 1."""
        return self.repeats * sum(prod(parameter.shape) for parameter in self.parameters)

    @property
    def has_tangent(self):
        """Whether it can say how its output changes along a direction, and how its gradients do."""
        return self.tangent != NULL

    def check(self, dtype):
        """Raise ValueError if the op cannot run in this dtype."""

    cdef Py_ssize_t saved_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize) noexcept:
        return 0

    cdef Py_ssize_t prepared_bytes(self, Py_ssize_t itemsize, bint training) noexcept:
        return 0

    cdef Py_ssize_t scratch_bytes(self, Py_ssize_t batch, Py_ssize_t itemsize, bint training) noexcept:
        return 0
