"""Optimisers: how the gradient g changes the weights w, update after update (h is the learning rate).

Every optimiser also takes what the last parameters of ``Optimizer`` describe: penalties, decay, clipping, max-norm and
groups.  Within one update the order is: clip by value, clip by norm, add penalties to the gradient, decay, update,
limit norms.
"""

from dataclasses import dataclass, field
from numbers import Real
from typing import Any, ClassVar

from fastnn._spec import Spec, choose, require_number
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

    rate: float = 1.0
    frozen: bool = False
    l1: float | None = None
    l2: float | None = None
    weight_decay: float | None = None
    max_norm: float | None = None

    def __post_init__(self) -> None:
        require_number("Group", "rate", self.rate, low=0)
        if not isinstance(self.frozen, bool):
            raise TypeError(f"Group: expected frozen to be True or False, got {self.frozen!r:.60}")
        for name in ("l1", "l2", "weight_decay", "max_norm"):
            if getattr(self, name) is not None:
                require_number("Group", name, getattr(self, name), low=0)


Group.registry["Group"] = Group  # a family of one


@dataclass(frozen=True, eq=False, repr=False)
class Optimizer(Spec, family="optimizer"):
    """Base of all optimisers.

    Parameters
    ----------
    learning_rate : float or Schedule
        A number, a schedule or any function of the update's number.
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
    """

    rule: ClassVar[str]
    learning_rate: float | Schedule = 0.01
    l1: float = field(default=0.0, kw_only=True)
    l2: float = field(default=0.0, kw_only=True)
    weight_decay: float = field(default=0.0, kw_only=True)
    clip_norm: float = field(default=0.0, kw_only=True)
    clip_value: float = field(default=0.0, kw_only=True)
    max_norm: float = field(default=0.0, kw_only=True)
    groups: dict[str, Group] = field(default_factory=dict, kw_only=True)
    penalty_over_rows: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        who = type(self).__name__
        if isinstance(self.learning_rate, Real) or not callable(self.learning_rate):
            require_number(who, "learning_rate", self.learning_rate, low=0)
        for name in ("l1", "l2", "weight_decay", "clip_norm", "clip_value", "max_norm"):
            require_number(who, name, getattr(self, name), low=0)
        if not isinstance(self.groups, dict) or not all(isinstance(group, Group) for group in self.groups.values()):
            raise TypeError(f"{who}: expected groups to be a dict of layer name to Group, got {self.groups!r:.80}")
        _flag(who, "penalty_over_rows", self.penalty_over_rows)

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
        """Numbers that the kernel takes: beta1, beta2, epsilon, and the initial value of the state."""
        return {}

    @classmethod
    def _field_from_json(cls, name: str, value: Any) -> Any:
        if name == "groups" and isinstance(value, dict):
            return {layer: Group.from_config(group) for layer, group in value.items()}
        return Schedule.from_config(value) if name == "learning_rate" and isinstance(value, dict) else value


def _flag(who: str, name: str, value: object) -> None:
    """Raise unless the value is True or False."""
    if not isinstance(value, bool):
        raise TypeError(f"{who}: expected {name} to be True or False, got {value!r:.60}")


def _unit(who: str, **values: float) -> None:
    """Raise unless the values lie in [0, 1)."""
    for name, value in values.items():
        require_number(who, name, value, low=0, high=1)
        if value == 1:
            raise ValueError(f"{who}: expected {name} below 1, got 1")


@dataclass(frozen=True, eq=False, repr=False)
class SGD(Optimizer):
    """Stochastic gradient descent: ``w -= h g``; with momentum m: ``v = m v - h g; w += v``.

    Parameters
    ----------
    learning_rate : float or Schedule
        h.
    momentum : float
        m in [0, 1).
    nesterov : bool
        Look ahead: ``w += m v - h g`` [Sutskever et al. 2013].
    l1, l2, weight_decay, clip_norm, clip_value, max_norm, groups, penalty_over_rows
        See Optimizer.

    Raises
    ------
    ValueError, TypeError
        If a number is out of range, or nesterov is asked for without momentum.

    Examples
    --------
    >>> import fastnn as fn
    >>> optimizer = fn.SGD(0.1, momentum=0.9, nesterov=True)
    """

    momentum: float = field(default=0.0, kw_only=True)
    nesterov: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        _unit("SGD", momentum=self.momentum)
        if self.nesterov and not self.momentum:
            raise ValueError("SGD: expected momentum above 0 with nesterov=True, got 0")

    @property
    def kernel(self) -> str:
        """Return sgd, momentum or nesterov."""
        return "nesterov" if self.nesterov else "momentum" if self.momentum else "sgd"

    @property
    def scalars(self) -> dict[str, Any]:
        """Return the momentum."""
        return {"beta1": self.momentum}


@dataclass(frozen=True, eq=False, repr=False)
class Adagrad(Optimizer):
    """Rates that fall with the gradients seen: ``s += g^2; w -= h g / (sqrt(s) + epsilon)``.

    Parameters
    ----------
    learning_rate : float or Schedule
        h.
    epsilon : float
        Keeps the quotient finite.
    initial_accumulator : float
        s at the start.
    l1, l2, weight_decay, clip_norm, clip_value, max_norm, groups, penalty_over_rows
        See Optimizer.

    Raises
    ------
    ValueError, TypeError
        If a number is out of range.

    Notes
    -----
    Duchi et al. 2011.
    """

    epsilon: float = field(default=1e-7, kw_only=True)
    initial_accumulator: float = field(default=0.0, kw_only=True)
    rule = "adagrad"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("Adagrad", "epsilon", self.epsilon, low=0, strict=True)
        require_number("Adagrad", "initial_accumulator", self.initial_accumulator, low=0)

    @property
    def scalars(self) -> dict[str, Any]:
        """Return epsilon and the start."""
        return {"epsilon": self.epsilon, "initial": self.initial_accumulator}


@dataclass(frozen=True, eq=False, repr=False)
class RMSprop(Optimizer):
    """Rates by the recent size of the gradient: ``s = r s + (1-r) g^2; w -= h g / (sqrt(s) + epsilon)``.

    Parameters
    ----------
    learning_rate : float or Schedule
        h.
    rho : float
        r in [0, 1).
    epsilon : float
        Keeps the quotient finite.
    l1, l2, weight_decay, clip_norm, clip_value, max_norm, groups, penalty_over_rows
        See Optimizer.

    Raises
    ------
    ValueError, TypeError
        If a number is out of range.

    Notes
    -----
    Tieleman and Hinton 2012, lecture 6.5.
    """

    learning_rate: float | Schedule = 0.001
    rho: float = field(default=0.9, kw_only=True)
    epsilon: float = field(default=1e-7, kw_only=True)
    rule = "rmsprop"

    def __post_init__(self) -> None:
        super().__post_init__()
        _unit("RMSprop", rho=self.rho)
        require_number("RMSprop", "epsilon", self.epsilon, low=0, strict=True)

    @property
    def scalars(self) -> dict[str, Any]:
        """Return rho and epsilon."""
        return {"beta2": self.rho, "epsilon": self.epsilon}


@dataclass(frozen=True, eq=False, repr=False)
class Adadelta(Optimizer):
    """Steps in the units of the weights: ``d = g sqrt(u + epsilon) / sqrt(s + epsilon); w -= h d``.

    Parameters
    ----------
    learning_rate : float or Schedule
        h; 1 is the paper's.
    rho : float
        Decay in [0, 1) of s, the mean of g^2, and u, the mean of d^2.
    epsilon : float
        Also sets the size of the first steps.
    l1, l2, weight_decay, clip_norm, clip_value, max_norm, groups, penalty_over_rows
        See Optimizer.

    Raises
    ------
    ValueError, TypeError
        If a number is out of range.

    Notes
    -----
    Zeiler 2012, algorithm 1.
    """

    learning_rate: float | Schedule = 1.0
    rho: float = field(default=0.95, kw_only=True)
    epsilon: float = field(default=1e-6, kw_only=True)
    rule = "adadelta"

    def __post_init__(self) -> None:
        super().__post_init__()
        _unit("Adadelta", rho=self.rho)
        require_number("Adadelta", "epsilon", self.epsilon, low=0, strict=True)

    @property
    def scalars(self) -> dict[str, Any]:
        """Return rho and epsilon."""
        return {"beta2": self.rho, "epsilon": self.epsilon}


@dataclass(frozen=True, eq=False, repr=False)
class Adam(Optimizer):
    """First and second moments of the gradient, corrected for their start at 0.

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
    l1, l2, weight_decay, clip_norm, clip_value, max_norm, groups, penalty_over_rows
        See Optimizer.

    Raises
    ------
    ValueError, TypeError
        If a number is out of range.

    Notes
    -----
    ``m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; w -= h (m / (1-b1^t)) / (sqrt(v / (1-b2^t)) + epsilon)``
    [Kingma & Ba 2015, algorithm 1].

    Examples
    --------
    >>> import fastnn as fn
    >>> optimizer = fn.Adam(1e-3, clip_norm=1.0)
    """

    learning_rate: float | Schedule = 0.001
    beta1: float = field(default=0.9, kw_only=True)
    beta2: float = field(default=0.999, kw_only=True)
    epsilon: float = field(default=1e-8, kw_only=True)
    epsilon_hat: bool = field(default=False, kw_only=True)
    rule = "adam"

    def __post_init__(self) -> None:
        super().__post_init__()
        who = type(self).__name__
        _unit(who, beta1=self.beta1, beta2=self.beta2)
        require_number(who, "epsilon", self.epsilon, low=0, strict=True)
        _flag(who, "epsilon_hat", self.epsilon_hat)

    @property
    def scalars(self) -> dict[str, Any]:
        """Return the decays, epsilon, and where it is added."""
        return {
            "beta1": self.beta1,
            "beta2": self.beta2,
            "epsilon": self.epsilon,
            "epsilon_hat": self.epsilon_hat,
        }


@dataclass(frozen=True, eq=False, repr=False)
class AdamW(Adam):
    """Adam with decoupled weight decay, 0.01 if not given [Loshchilov & Hutter 2019].

    Parameters are those of Adam.
    """

    weight_decay: float = field(default=0.01, kw_only=True)


@dataclass(frozen=True, eq=False, repr=False)
class AMSGrad(Adam):
    """Adam with the largest second moment so far in place of the current one [Reddi et al. 2018].

    Parameters are those of Adam.
    """

    rule = "amsgrad"


NAMES: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adadelta": Adadelta,
    "adam": Adam,
    "adamw": AdamW,
    "amsgrad": AMSGrad,
}


def as_optimizer(value: str | Optimizer) -> Optimizer:
    """Return the optimiser of that name with its defaults, or ``value`` itself if it is one.

    Raises
    ------
    ValueError
        If there is none of that name.
    TypeError
        If it is neither a name nor an Optimizer.
    """
    if isinstance(value, Optimizer):
        return value
    if not isinstance(value, str):
        raise TypeError(f"compile: expected optimizer to be a name or an Optimizer, got {value!r:.80}")
    choose("compile: unknown optimizer", value, NAMES)
    return NAMES[value]()
