"""Methods that an estimator has or has not, by its parameters."""

from collections.abc import Callable
from functools import update_wrapper
from types import MethodType
from typing import Any


class stochastic_only:
    """A method that is there unless the solver is "lbfgs": ``hasattr`` tells, as scikit-learn's tools expect."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method = method
        update_wrapper(self, method)  # type: ignore[arg-type]

    def __get__(self, estimator: Any, owner: type | None = None) -> Any:
        """Bind the method; AttributeError with solver "lbfgs"."""
        if estimator is None:
            return self.method
        if isinstance(estimator.solver, str) and estimator.solver == "lbfgs":  # it may be an array
            raise AttributeError(
                f"{type(estimator).__name__}: {self.method.__name__} goes by mini-batches, which solver='lbfgs' has "
                "not; take 'adam' or 'sgd'"
            )
        return MethodType(self.method, estimator)
