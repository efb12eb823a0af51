"""Fully connected layer whose weights are a cyclic function of a phase."""

from dataclasses import KW_ONLY, dataclass
from typing import ClassVar

from fastnn._core.ops import COUNTING, PhaseDenseOp
from fastnn._spec import choose, require_count
from fastnn.layers.activation import activation_ops
from fastnn.layers.base import Built, Shape, batched
from fastnn.layers.dense import Dense


@dataclass(frozen=True, eq=False, repr=False)
class PhaseDense(Dense):
    """A Dense layer whose weights are a periodic function of a phase.

    ``z = sum_k c_k(p) (x W_k + b_k)``, ``a = activation(z)``, for the phase p and the weights of K control points.

    Applied to two tensors, features of shape (B, I) and phase of shape (B, 1).  The phase counts in cycles and may be
    any number: 0.25, 1.25 and -0.75 are the same.

    Parameters
    ----------
    units : int
        Number of neurons, O.
    activation : str or Layer, optional
        As in Dense.
    control_points : int
        Number of weight matrices, K, at the phases 0, 1/K, 2/K ...
    phase_function : {"cubic", "linear", "constant"}
        What lies between them: the cyclic Catmull-Rom spline through the control points (4 or more), which is
        continuous with its first derivative; straight lines (2 or more); or the nearest control point.
    bias : bool
        Whether neurons have a bias, a function of the phase like the weights.
    kernel_initializer, bias_initializer, name
        As in Dense; every control point starts with weights of its own.

    Raises
    ------
    ValueError, TypeError
        If units or control_points are not positive integers, there are too few control points, or a name is unknown.

    Notes
    -----
    Holden, Komura & Saito 2017, "Phase-Functioned Neural Networks for Character Control".  ``weight`` has the
    shape (K, I, O), ``bias`` (K, O).  Penalties, weight decay and max-norm apply to ``weight``; max-norm limits a
    neuron's weights of all control points together.  With "constant" the gradient of the phase is 0.

    ``resample_phase`` trades memory for speed once a network is trained.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> x, phase = fn.Input(8), fn.Input(1)
    >>> h = fn.PhaseDense(16, "elu")(x, phase)
    >>> net = fn.Network([x, phase], fn.PhaseDense(2)(h, phase), seed=0)
    >>> net.layers[0].weight.shape, net.layers[0].bias.shape
    ((4, 8, 16), (4, 16))
    >>> net.predict([np.ones((3, 8)), [[0.0], [0.5], [1.0]]]).shape
    (3, 2)
    """

    _: KW_ONLY
    control_points: int = 4
    phase_function: str = "cubic"

    matrices: ClassVar[tuple[str, ...]] = ()  # a row meets a mixture of those of the control points

    def __post_init__(self) -> None:
        super().__post_init__()
        choose(f"{self.title}: unknown phase_function", self.phase_function, COUNTING)
        require_count(
            self.title,
            f"control_points ({self.phase_function})",
            self.control_points,
            low=COUNTING[self.phase_function],
        )
        object.__setattr__(self, "control_points", int(self.control_points))

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return the product and the activation.

        Raises
        ------
        ValueError
            If the inputs are not features and a phase.
        """
        if len(input_shapes) != 2 or len(input_shapes[0]) != 1 or input_shapes[1] != (1,):
            raise ValueError(
                f"{self.title}: expected features of shape (B, I) and a phase of shape (B, 1), got "
                f"{', '.join(map(batched, input_shapes))}; apply it as PhaseDense(...)(x, phase)"
            )
        product = PhaseDenseOp(input_shapes[0][0], self.units, self.control_points, self.phase_function, self.bias)
        return Built((product, *activation_ops(self.title, self.activation, (self.units,))), (self.units,))
