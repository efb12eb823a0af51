"""The plain recurrent layer."""

from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, ClassVar

from fastnn._spec import checked
from fastnn.layers.activation import require_function
from fastnn.layers.recurrent import _Recurrent

ACTIVATIONS = ("tanh", "relu", "sigmoid", "identity")


@dataclass(frozen=True, eq=False, repr=False)
class SimpleRNN(_Recurrent):
    """A layer that also reads what it gave one step before: ``h_t = activation(x_t W + h_{t-1} U + b)``.

    Parameters
    ----------
    units : int
        Hidden units, H.
    activation : {"tanh", "relu", "sigmoid", "identity"}
        Of every step.
    return_sequences, return_state, go_backwards, mask_value, truncate
        As in LSTM; the state is h.
    bias, kernel_initializer, recurrent_initializer, bias_initializer, name
        As in LSTM.

    Raises
    ------
    ValueError, TypeError
        If an option is not allowed.

    Notes
    -----
    Elman 1990.  Gradients through time vanish or explode [Bengio et al. 1994]; LSTM and GRU are the cure.  Parameters:
    weight (I, H), recurrent_weight (H, H), bias (H,).

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.SimpleRNN(8), fn.Dense(1)], input_shape=(20, 3), seed=0)
    >>> net.predict(np.zeros((4, 20, 3))).shape
    (4, 1)
    """

    _: KW_ONLY
    activation: str = checked("tanh", partial(require_function, known=ACTIVATIONS))

    kind: ClassVar[str] = "simple"
    gate_names: ClassVar[tuple[str, ...]] = ("h",)

    def options(self) -> dict[str, Any]:
        """Return the activation."""
        return {"activation": self.activation}
