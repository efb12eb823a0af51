"""The memory that a network needs while it trains or answers."""

from typing import NamedTuple

from fastnn._core.workspace import Layout
from fastnn.graph.graph import Graph


class Memory(NamedTuple):
    """Bytes by what they hold.

    ``parameters``: parameters, and for a training step their gradients and what the optimiser remembers.
    ``activations``: values of the layers, and for a training step their gradients, which lie where values lay that
    nothing reads any more.  ``saved``: what else is kept for the backward pass.  ``prepared``: weights in the form in
    which products read them, kept from one call to the next (Conv2D with ``winograd``).  ``scratch``: temporaries.
    """

    parameters: int
    activations: int
    saved: int
    prepared: int
    scratch: int

    @property
    def total(self) -> int:
        """Bytes of all."""
        return sum(self)


def memory_of(net: Graph, rows: int, training: bool) -> Memory:
    """Return what so many rows need that run at once."""
    plan = net.plan
    parameters, gradients = net.params.nbytes, None
    if training:
        parameters += net.grads.nbytes
        if net.trainer is not None:
            parameters += net.trainer.optimizer.state.nbytes
        gradients = plan.wanted_gradients([True] * len(plan.ops))
    return Memory(parameters, *Layout(plan, gradients).nbytes(rows))


def sized(nbytes: int) -> str:
    """Write a number of bytes: ``1.2 MB``."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if nbytes >= factor:
            return f"{nbytes / factor:.1f} {unit}"
    return f"{nbytes} bytes"
