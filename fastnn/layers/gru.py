"""The gated recurrent unit."""

from dataclasses import dataclass
from typing import ClassVar

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
    bias, kernel_initializer, recurrent_initializer, bias_initializer, name
        As in LSTM.

    Raises
    ------
    ValueError, TypeError
        If an option is not allowed.

    Notes
    -----
    ``r, u = sigmoid(x_t W + h_{t-1} U + b)``, ``n = tanh(x_t W_n + b_n + r (h_{t-1} U_n + b'))``,
    ``h_t = (1 - u) n + u h_{t-1}`` [Cho et al. 2014, with the reset gate after the product, as cuDNN, Keras and PyTorch
    have it].  Parameters: weight (I, 3 H), recurrent_weight (H, 3 H), bias (3 H,), the columns in the order r, u, n;
    recurrent_bias b' (H,).

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.GRU(8), fn.Dense(1)], input_shape=(20, 3), seed=0)
    >>> net.predict(np.zeros((4, 20, 3))).shape
    (4, 1)
    """

    kind: ClassVar[str] = "gru"
    gate_names: ClassVar[tuple[str, ...]] = ("r", "u", "n")
