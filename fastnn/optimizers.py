"""Optimisers: how the gradient g changes the weights w, update after update (h is the learning rate).

Every optimiser also takes the parameters of ``Optimizer``: penalties, decay, clipping, max-norm and groups.
Within one update the order is: clip by value, clip by norm, add penalties to the gradient, decay, update, limit norms.
"""

from dataclasses import KW_ONLY, dataclass, field, fields
from functools import partial
from numbers import Real
from typing import Any, ClassVar

from fastnn._spec import Spec, above_0, at_least_0, checked, meant, optional, require_flag, require_fraction, take_words
from fastnn.schedules import Schedule, as_schedule


@dataclass(frozen=True, eq=False, repr=False)
class Group(Spec, family="group"):
    """Rules for one layer that differ from the optimiser's.

    Parameters
    ----------
    rate : float
        Factor on the learning rate.
    frozen : bool
        The layer does not learn; its gradient is not even computed.
    l1, l2, weight_decay, max_norm : float, optional
        In place of the optimiser's.

    Raises
    ------
    ValueError, TypeError
        If a number is negative or not finite.

    Examples
    --------
    >>> import fastnn as fn
    >>> optimizer = fn.Adam(1e-3, groups={"features": fn.Group(frozen=True), "head": fn.Group(rate=10)})
    """

    rate: float = checked(1.0, at_least_0)
    frozen: bool = checked(False, require_flag)
    l1: float | None = checked(None, partial(optional, at_least_0))
    l2: float | None = checked(None, partial(optional, at_least_0))
    weight_decay: float | None = checked(None, partial(optional, at_least_0))
    max_norm: float | None = checked(None, partial(optional, at_least_0))


Group.registry["Group"] = Group  # a family of one


@dataclass(frozen=True, eq=False, repr=False)
class Optimizer(Spec, family="optimizer"):
    """Base of all optimisers.

    Parameters
    ----------
    learning_rate : float or Schedule
        A number, a schedule or any function of the update's number.  Also taken as ``lr``.
    l1, l2 : float
        Penalties ``l1 |w| + l2/2 w^2`` on weights (not on biases): their gradient is added to g.  The loss that is
        reported leaves them out.
    weight_decay : float
        Decoupled decay of weights: ``w *= 1 - h * weight_decay`` before the update [Loshchilov & Hutter 2019].
    clip_norm : float
        Scales the whole gradient to this Euclidean norm if it is longer; 0: never.
    clip_value : float
        Limits every element of the gradient to +-clip_value; 0: never.
    max_norm : float
        Limits the norm of the incoming weights of each neuron after the update [Srivastava et al. 2014]; 0: never.
    groups : dict
        ``{layer name: Group}``.
    penalty_over_rows : bool
        The penalties l1 and l2 are of the data as a whole and not of each mini-batch: their gradient is divided by the
        sum of the mini-batch's sample weights, so that a mini-batch's loss is ``(sum_b weight_b L_b + penalty) /
        sum_b weight_b``, as scikit-learn's ``alpha`` has it.  ``apply_gradients`` knows no rows and divides by 1.

    Raises
    ------
    ValueError, TypeError
        If a number is out of range.
    """

    rule: ClassVar[str]
    learning_rate: float | Schedule = 0.01
    _: KW_ONLY
    l1: float = checked(0.0, at_least_0)
    l2: float = checked(0.0, at_least_0)
    weight_decay: float = checked(0.0, at_least_0)
    clip_norm: float = checked(0.0, at_least_0)
    clip_value: float = checked(0.0, at_least_0)
    max_norm: float = checked(0.0, at_least_0)
    groups: dict[str, Group] = field(default_factory=dict)
    penalty_over_rows: bool = checked(False, require_flag)

    def __post_init__(self) -> None:
        who = self.title
        if isinstance(self.learning_rate, Real) or not callable(self.learning_rate):
            at_least_0(who, "learning_rate", self.learning_rate)
        super().__post_init__()
        if not isinstance(self.groups, dict) or not all(isinstance(group, Group) for group in self.groups.values()):
            raise TypeError(f"{who}: expected groups to be a dict of layer name to Group, got {self.groups!r:.80}")

    @property
    def schedule(self) -> Schedule:
        """The learning rate as a function of the update's number."""
        return as_schedule(self.learning_rate)

    @property
    def kernel(self) -> str:
        """Name of the C kernel."""
        return self.rule

    @property
    def scalars(self) -> dict[str, Any]:
        """Numbers that the kernel takes, by its names for them: beta1, beta2, epsilon, initial value of the state."""
        return {one.metadata["scalar"]: getattr(self, one.name) for one in fields(self) if "scalar" in one.metadata}

    @classmethod
    def _field_from_json(cls, name: str, value: Any) -> Any:
        if name == "groups" and isinstance(value, dict):
            return {layer: Group.from_config(group) for layer, group in value.items()}
        return Schedule.from_config(value) if name == "learning_rate" and isinstance(value, dict) else value


@dataclass(frozen=True, eq=False, repr=False)
class SGD(Optimizer):
    """Stochastic gradient descent: ``w -= h g``; with momentum m: ``v = m v - h g; w += v``.

    Other parameters are those of Optimizer.

    Parameters
    ----------
    learning_rate : float or Schedule
        h.
    momentum : float
        m in [0, 1).
    nesterov : bool
        Look ahead: ``w += m v - h g`` [Sutskever et al. 2013].

    Raises
    ------
    ValueError, TypeError
        If a number is out of range, or nesterov is asked for without momentum.

    Examples
    --------
    >>> import fastnn as fn
    >>> optimizer = fn.SGD(0.1, momentum=0.9, nesterov=True)
    """

    _: KW_ONLY
    momentum: float = checked(0.0, require_fraction, scalar="beta1")
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and not self.momentum:
            raise ValueError("SGD: expected momentum above 0 with nesterov=True, got 0")

    @property
    def kernel(self) -> str:
        """Return sgd, momentum or nesterov."""
        return "nesterov" if self.nesterov else "momentum" if self.momentum else "sgd"


@dataclass(frozen=True, eq=False, repr=False)
class Adagrad(Optimizer):
    """Rates that fall with the gradients seen: ``s += g^2; w -= h g / (sqrt(s) + epsilon)``.

    Other parameters are those of Optimizer.

    Parameters
    ----------
    learning_rate : float or Schedule
        h.
    epsilon : float
        Keeps the quotient finite.
    initial_accumulator : float
        s at the start.

    Notes
    -----
    Duchi et al. 2011.
    """

    _: KW_ONLY
    epsilon: float = checked(1e-7, above_0, scalar="epsilon")
    initial_accumulator: float = checked(0.0, at_least_0, scalar="initial")
    rule = "adagrad"


@dataclass(frozen=True, eq=False, repr=False)
class RMSprop(Optimizer):
    """Rates by the recent size of the gradient: ``s = r s + (1-r) g^2; w -= h g / (sqrt(s) + epsilon)``.

    Other parameters are those of Optimizer.

    Parameters
    ----------
    learning_rate : float or Schedule
        h.
    rho : float
        r in [0, 1).
    epsilon : float
        Keeps the quotient finite.

    Notes
    -----
    Tieleman and Hinton 2012, lecture 6.5.
    """

    learning_rate: float | Schedule = 0.001
    _: KW_ONLY
    rho: float = checked(0.9, require_fraction, scalar="beta2")
    epsilon: float = checked(1e-7, above_0, scalar="epsilon")
    rule = "rmsprop"


@dataclass(frozen=True, eq=False, repr=False)
class Adadelta(Optimizer):
    """Steps in the units of the weights: ``d = g sqrt(u + epsilon) / sqrt(s + epsilon); w -= h d``.

    Other parameters are those of Optimizer.

    Parameters
    ----------
    learning_rate : float or Schedule
        h; 1 is the paper's.
    rho : float
        Decay in [0, 1) of s, the mean of g^2, and u, the mean of d^2.
    epsilon : float
        Also sets the size of the first steps.

    Notes
    -----
    Zeiler 2012, algorithm 1.
    """

    learning_rate: float | Schedule = 1.0
    _: KW_ONLY
    rho: float = checked(0.95, require_fraction, scalar="beta2")
    epsilon: float = checked(1e-6, above_0, scalar="epsilon")
    rule = "adadelta"


@dataclass(frozen=True, eq=False, repr=False)
class Adam(Optimizer):
    """First and second moments of the gradient, corrected for their start at 0.

    Other parameters are those of Optimizer.

    Parameters
    ----------
    learning_rate : float or Schedule
        h.
    beta1, beta2 : float
        Decays in [0, 1) of the moments.
    epsilon : float
        Keeps the quotient finite.
    epsilon_hat : bool
        Add epsilon to the root of v before v is corrected, as scikit-learn and Keras do: ``h sqrt(1-b2^t) / (1-b1^t)
        m / (sqrt(v) + epsilon)`` [Kingma & Ba 2015, end of section 2].
    equalized : bool
        The equalised learning rate of Karras et al. 2018, section 4.1: weights learn in proportion to the deviation c
        that their initializer draws them with, so that all layers change at the same pace relative to their size.

    Notes
    -----
    ``m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; w -= h (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + epsilon)``
    [Kingma & Ba 2015, algorithm 1].

    Equalised, h is c h and epsilon is epsilon / c for weights; for biases, and where c is 0, they stay.  That is the
    same as to keep u, drawn with deviation 1, and to multiply by w = c u at every pass, as the paper does: the gradient
    by u is c g, so the step of u is that of Adam with m and sqrt(v) c times as large, and w moves c times as far.  He's
    initialization, c = sqrt(2 / fan_in), is the paper's; ``VarianceScaling(gain**2, "fan_in", "normal")`` any other.

    Examples
    --------
    >>> import fastnn as fn
    >>> optimizer = fn.Adam(1e-3, clip_norm=1.0)
    """

    learning_rate: float | Schedule = 0.001
    _: KW_ONLY
    beta1: float = checked(0.9, require_fraction, scalar="beta1")
    beta2: float = checked(0.999, require_fraction, scalar="beta2")
    epsilon: float = checked(1e-8, above_0, scalar="epsilon")
    epsilon_hat: bool = checked(False, require_flag, scalar="epsilon_hat")
    equalized: bool = checked(False, require_flag)
    rule = "adam"


@dataclass(frozen=True, eq=False, repr=False)
class AdamW(Adam):
    """Adam with decoupled weight decay, 0.01 if not given [Loshchilov & Hutter 2019].

    Parameters are those of Adam.
    """

    _: KW_ONLY
    weight_decay: float = checked(0.01, at_least_0)


@dataclass(frozen=True, eq=False, repr=False)
class AMSGrad(Adam):
    """Adam with the largest second moment so far in place of the current one [Reddi et al. 2018].

    Parameters are those of Adam.
    """

    rule = "amsgrad"


NAMES: dict[str, type[Any]] = {name.lower(): optimizer for name, optimizer in Optimizer.registry.items()}
WORDS = {  # of other libraries, for our arguments
    "lr": "learning_rate", "eps": "epsilon", "beta_1": "beta1", "beta_2": "beta2",
    "clipnorm": "clip_norm", "clipvalue": "clip_value", "initial_accumulator_value": "initial_accumulator",
}  # fmt: skip
take_words(NAMES.values(), WORDS)


def as_optimizer(value: str | Optimizer) -> Optimizer:
    """Return the optimiser of that name with its defaults, or ``value`` itself if it is one."""
    if isinstance(value, Optimizer):
        return value
    if not isinstance(value, str):
        raise TypeError(f"compile: expected optimizer to be a name or an Optimizer, got {value!r:.80}")
    return NAMES[meant("compile: unknown optimizer", value, NAMES, {})]()
