"""A recurrent layer in both directions."""

from dataclasses import KW_ONLY, dataclass, replace

from fastnn._spec import choose
from fastnn.layers.base import Layer, Tensor
from fastnn.layers.composite import Composite
from fastnn.layers.merge import Add, Concatenate
from fastnn.layers.recurrent import _Recurrent


@dataclass(frozen=True, eq=False, repr=False)
class Bidirectional(Composite):
    """One recurrent layer that reads a sequence forwards, and one like it that reads it backwards.

    Parameters
    ----------
    layer : SimpleRNN, LSTM or GRU
        The one that reads forwards.
    merge : {"concat", "sum"}
        How the outputs come together: side by side, 2 H, or added, H.
    name : str, optional
        Prefix for the names of the two layers.

    Raises
    ------
    TypeError
        If layer is not a recurrent layer.
    ValueError
        If it goes backwards already or gives its state, or merge is unknown.

    Notes
    -----
    Schuster & Paliwal 1997.  It needs whole sequences, so it cannot run as a Stream.

    Examples
    --------
    >>> import fastnn as fn
    >>> both = fn.Bidirectional(fn.LSTM(8, return_sequences=True))
    >>> fn.Sequential([both, fn.Dense(5)], input_shape=(20, 3), seed=0).layers[0].output_shape
    (20, 8)
    """

    layer: Layer
    _: KW_ONLY
    merge: str = "concat"
    name: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        choose(f"{self.title}: unknown merge", self.merge, ("concat", "sum"))
        if not isinstance(self.layer, _Recurrent):
            raise TypeError(f"{self.title}: expected a recurrent layer, got {type(self.layer).__name__}")
        if self.layer.go_backwards or self.layer.return_state:
            raise ValueError(
                f"{self.title}: expected a layer without go_backwards and return_state, got {self.layer!r:.200}; apply "
                "two layers and concatenate what they give"
            )
        prefix = self.name or self.layer.name
        names = (f"{prefix}_forward", f"{prefix}_backward") if prefix else (None, None)
        object.__setattr__(self, "_forward", replace(self.layer, name=names[0]))
        object.__setattr__(self, "_backward", replace(self.layer, name=names[1], go_backwards=True))

    def expand(self, x: Tensor) -> Tensor:
        """Apply both layers and merge what they give."""
        ahead, back = self._forward(x), self._backward(x)  # type: ignore[attr-defined]
        return (Concatenate() if self.merge == "concat" else Add())(ahead, back)
