"""Long short-term memory."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from fastnn._spec import checked, require_flag, require_number
from fastnn.initializers import Initializer
from fastnn.layers.recurrent import _Recurrent


@dataclass(frozen=True, eq=False, repr=False)
class LSTM(_Recurrent):
    """Long short-term memory: gates decide what a cell takes in, keeps and shows, so that gradients last.

    Applied to a sequence (T, I), and, as a second tensor, to an initial state (2, H) if there is one.

    Parameters
    ----------
    units : int
        Hidden units, H.
    return_sequences : bool
        Give h after every step, (T, H), instead of after the last, (H,).
    return_state : bool
        Give two tensors, the output and the final state (2, H): h, then c.  In a Network, not in a Sequential.
    go_backwards : bool
        Begin with the last step; a sequence that comes out stays in the order of time.
    mask_value : float, optional
        A step all of whose inputs are this value does not count: the state stays, and the sequence that comes out
        holds 0 there.  So shorter sequences are padded, and a second layer with ``mask_value=0.0`` passes over the
        same steps.  A list of sequences (t, I) of at most T steps is padded so by itself, and the steps that are
        filled up have weight 0 in a loss over steps.
    truncate : int, optional
        Truncated back-propagation through time: steps are cut into segments of so many, and no gradient
        flows from one segment to the one before.
    forget_gate : bool
        Whether the cell can forget; without, the LSTM of 1997.
    peepholes : bool
        Whether the gates see the cell through a weight of their own [Gers et al. 2002].
    forget_bias : float
        Added to the forget gate's bias at the start: 1 keeps the cell open [Gers et al. 2000; Jozefowicz et al. 2015].
    bias : bool
        Whether there are biases.
    kernel_initializer, recurrent_initializer, bias_initializer : str or Initializer
        How each gate's weights of the inputs, weights of the state before, and biases start.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If an option is not allowed.

    Notes
    -----
    ``i, f, o = sigmoid(x_t W + h_{t-1} U + b)`` and ``g = tanh(...)`` of their own columns; ``c_t = f c_{t-1} + i g``,
    ``h_t = o tanh(c_t)`` [Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000].  With peepholes p the gates i
    and f also add ``p c_{t-1}``, o adds ``p c_t``.  Parameters: weight (I, 4 H), recurrent_weight (H, 4 H),
    bias (4 H,), the columns in the order i, f, g, o (i, g, o without forget gate); peephole (3, H) for i, f, o ((2, H)
    for i, o).

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.LSTM(8, return_sequences=True), fn.Dense(5)], input_shape=(20, 3), seed=0)
    >>> net.predict(np.zeros((4, 20, 3))).shape
    (4, 20, 5)

    From sequence to sequence, through the state:

    >>> source, target = fn.Input((20, 3)), fn.Input((10, 5))
    >>> _, state = fn.LSTM(8, return_state=True)(source)
    >>> y = fn.Dense(5)(fn.LSTM(8, return_sequences=True)(target, state))
    >>> fn.Network(inputs=[source, target], outputs=y, seed=0).output_shape
    (10, 5)
    """

    _: KW_ONLY
    forget_gate: bool = checked(True, require_flag)
    peepholes: bool = checked(False, require_flag)
    forget_bias: float = checked(1.0, require_number)

    kind: ClassVar[str] = "lstm"
    gate_names: ClassVar[tuple[str, ...]] = ("i", "f", "g", "o")

    @property
    def gates(self) -> tuple[str, ...]:
        """Names of the gates, in the order of their columns."""
        return self.gate_names if self.forget_gate else ("i", "g", "o")

    @property
    def states(self) -> int:
        """Vectors of the state: h and c."""
        return 2

    def options(self) -> dict[str, Any]:
        """Return whether there are forget gates and peepholes."""
        return {"forgets": self.forget_gate, "peepholes": self.peepholes}

    def gate_initializer(self, parameter: str, gate: str, chosen: Initializer) -> Initializer:
        """Return how one gate's part of a parameter starts."""
        return _Shifted(chosen, self.forget_bias) if (parameter, gate) == ("bias", "f") else chosen


@dataclass(frozen=True, eq=False, repr=False)
class _Shifted(Initializer):
    """Another initializer's values plus a constant."""

    base: Initializer
    shift: float

    def draw(self, shape: tuple[int, ...], fan_in: int, fan_out: int, random: Any) -> Any:
        """Return float64 values of ``shape``."""
        return self.base.draw(shape, fan_in, fan_out, random) + self.shift
