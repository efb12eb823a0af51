"""What the recurrent layers share: sequences in and out, states, masks, how far gradients go back."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np

from fastnn._core.ops import RecurrentOp
from fastnn._core.rng import RandomStream
from fastnn._spec import checked, checked_by, optional, require_count, require_flag, require_number
from fastnn.initializers import Initializer, as_initializer
from fastnn.layers.base import Built, Layer, Shape, Tensor, batched
from fastnn.layers.merge import Slice
from fastnn.layers.reshape import Reshape


@dataclass(frozen=True, eq=False, repr=False)
class _Gates(Initializer):
    """One initializer per gate, side by side along the last axis."""

    parts: tuple[Initializer, ...]

    def draw(self, shape: tuple[int, ...], fan_in: int, fan_out: int, random: RandomStream) -> np.ndarray:
        """Return float64 values of ``shape``."""
        own = (*shape[:-1], shape[-1] // len(self.parts))
        return np.concatenate([part.draw(own, fan_in, fan_out, random) for part in self.parts], axis=-1)


@dataclass(frozen=True, eq=False, repr=False)
class _Recurrent(Layer):
    """Base of SimpleRNN, LSTM and GRU; LSTM says what the parameters are."""

    units: int = field(metadata=checked_by(require_count))
    _: KW_ONLY
    return_sequences: bool = checked(False, require_flag)
    return_state: bool = checked(False, require_flag)
    go_backwards: bool = checked(False, require_flag)
    mask_value: float | None = checked(None, partial(optional, require_number))
    truncate: int | None = checked(None, partial(optional, require_count))
    bias: bool = checked(True, require_flag)
    kernel_initializer: str | Initializer = "glorot_uniform"
    recurrent_initializer: str | Initializer = "orthogonal"
    bias_initializer: str | Initializer = "zeros"
    name: str | None = None

    kind: ClassVar[str]
    gate_names: ClassVar[tuple[str, ...]]
    matrices: ClassVar[tuple[str, ...]] = ("weight", "recurrent_weight")

    @property
    def gates(self) -> tuple[str, ...]:
        """Names of the gates, in the order of their columns."""
        return self.gate_names

    @property
    def states(self) -> int:
        """Vectors of H numbers that the state consists of: h."""
        return 1

    def options(self) -> dict[str, Any]:
        """Return what the op needs to know of this cell alone."""
        return {}

    def __call__(self, *inputs: Tensor) -> Any:
        """Apply the layer to a sequence, and to an initial state if one is given.

        Returns
        -------
        Tensor, or tuple of Tensor
            The output; with ``return_state`` also the final state (S, H).
        """
        out = super().__call__(*inputs)
        if not self.return_state:
            return out
        size = self.states * self.units
        y = Slice(0, out.shape[0] - size)(out)
        if self.return_sequences:
            y = Reshape((inputs[0].shape[0], self.units))(y)
        return y, Reshape((self.states, self.units))(Slice(-size)(out))

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op over all steps."""
        state = (self.states, self.units)
        if not 1 <= len(input_shapes) <= 2 or len(input_shapes[0]) != 2:
            raise ValueError(
                f"{self.title}: expected a sequence (B, T, I), and an initial state {batched(state)} if there is one, "
                f"got {', '.join(map(batched, input_shapes)) or 'nothing'}; add Reshape((T, I))"
            )
        if input_shapes[1:] and input_shapes[1] != state:
            raise ValueError(
                f"{self.title}: expected an initial state of shape {batched(state)}, got {batched(input_shapes[1])}"
            )
        steps, inputs = input_shapes[0]
        op = RecurrentOp(
            self.kind,
            steps,
            inputs,
            self.units,
            bias=self.bias,
            sequences=self.return_sequences,
            final=self.return_state,
            initial=len(input_shapes) == 2,
            reverse=self.go_backwards,
            mask_value=self.mask_value,
            truncate=self.truncate or 0,
            **self.options(),
        )
        if self.return_state:
            return Built((op,), (op.output_widths[0],))
        return Built((op,), (steps, self.units) if self.return_sequences else (self.units,))

    def initializer(self, parameter: str) -> Initializer:
        """Return how a parameter starts, gate by gate."""
        chosen = {
            "weight": self.kernel_initializer,
            "recurrent_weight": self.recurrent_initializer,
            "bias": self.bias_initializer,
            "recurrent_bias": self.bias_initializer,
            "peephole": "zeros",
        }[parameter]
        one = as_initializer(self.title, chosen)
        if parameter in ("recurrent_bias", "peephole"):
            return one
        return _Gates(tuple(self.gate_initializer(parameter, gate, one) for gate in self.gates))

    def gate_initializer(self, parameter: str, gate: str, chosen: Initializer) -> Initializer:
        """Return how one gate's part of a parameter starts."""
        return chosen
