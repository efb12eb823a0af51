"""The gated recurrent unit."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

from fastnn._spec import checked, require_flag
from fastnn.layers.recurrent import _Recurrent


@dataclass(frozen=True, eq=False, repr=False)
class GRU(_Recurrent):
    """Gated recurrent unit: an LSTM with one state and three gates.

    Applied to a sequence (T, I), and, as a second tensor, to an initial state (1, H) if there is one.

    Parameters
    ----------
    units : int
        Hidden units, H.
    return_sequences, return_state, go_backwards, mask_value, truncate
        As in LSTM; the state is h alone.
    reset_after : bool
        Whether the reset gate acts on the product of the state, after it, as in cuDNN, Keras and PyTorch; else on the
        state itself, before the product, as first published.
    bias, kernel_initializer, recurrent_initializer, bias_initializer, name
        As in LSTM.

    Raises
    ------
    ValueError, TypeError
        If an option is not allowed.

    Notes
    -----
    ``r, u = sigmoid(x_t W + h_{t-1} U + b)``, ``n = tanh(x_t W_n + b_n + r (h_{t-1} U_n + b'))``,
    ``h_t = (1 - u) n + u h_{t-1}``.  With ``reset_after=False``, ``n = tanh(x_t W_n + b_n + (r h_{t-1}) U_n)``
    [Cho et al. 2014; there u and 1 - u change places]: what Keras calls ``reset_after=False`` and ONNX
    ``linear_before_reset=0``, PyTorch does not have; a second product then waits for the first, so that a step takes
    longer.  Parameters: weight (I, 3 H), recurrent_weight (H, 3 H), bias (3 H,), the columns in the order r, u, n; with
    ``reset_after`` recurrent_bias b' (H,).

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.GRU(8), fn.Dense(1)], input_shape=(20, 3), seed=0)
    >>> net.predict(np.zeros((4, 20, 3))).shape
    (4, 1)
    """

    _: KW_ONLY
    reset_after: bool = checked(True, require_flag)

    kind: ClassVar[str] = "gru"
    gate_names: ClassVar[tuple[str, ...]] = ("r", "u", "n")

    def options(self) -> dict[str, Any]:
        """Return where the reset gate acts."""
        return {"resets_first": not self.reset_after}
