"""What each parameter of an estimator must be."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from fastnn.data import TableEncoder
from fastnn.estimators import parameters
from fastnn.estimators.design import ACTIVATIONS, NORMALIZATIONS
from fastnn.estimators.parameters import count, flag, number, one_of
from fastnn.layers.activation import NAMES as FUNCTIONS
from fastnn.layers.activation import OF_VECTORS
from fastnn.optimizers import NAMES as OPTIMIZERS
from fastnn.optimizers import Optimizer
from fastnn.schedules import Schedule

ELEMENTWISE = (*ACTIVATIONS, *(name for name in FUNCTIONS if name not in ("identity", *OF_VECTORS)))


def _sizes(value: Any) -> bool:
    values = value if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    return all(parameters.is_count(units) for units in values)


def _each(rule: tuple[str, parameters.Rule]) -> tuple[str, parameters.Rule]:
    """Return the rule of one value, or of a list with one for each hidden layer."""
    words, holds = rule
    return (
        f"{words}, or a list of such for each hidden layer",
        lambda value: all(map(holds, value)) if isinstance(value, list | tuple) else holds(value),
    )


def _is_random_source(value: Any) -> bool:
    return value is None or isinstance(value, np.random.RandomState) or parameters.is_count(value, 0)


RULES: dict[str, tuple[str, parameters.Rule]] = {
    "hidden_layer_sizes": ("whole numbers above 0", _sizes),
    "activation": _each(one_of(*ELEMENTWISE)),
    "solver": one_of("lbfgs", *OPTIMIZERS, or_else=("an Optimizer", lambda value: isinstance(value, Optimizer))),
    "alpha": number(0),
    "batch_size": one_of("auto", or_else=count()),
    "learning_rate": one_of(
        "constant", "invscaling", "adaptive", or_else=("a Schedule", lambda value: isinstance(value, Schedule))
    ),
    "learning_rate_init": number(0, above=True),
    "power_t": number(0),
    "max_iter": count(),
    "shuffle": flag(),
    "random_state": ("None, a whole number of at least 0 or a RandomState", _is_random_source),
    "tol": number(0),
    "verbose": ("True, False or a whole number", lambda value: isinstance(value, bool | np.bool_ | int | np.integer)),
    "warm_start": flag(),
    "momentum": number(0, 1, below=True),
    "nesterovs_momentum": flag(),
    "early_stopping": flag(),
    "validation_fraction": number(0, 1, below=True),
    "beta_1": number(0, 1, below=True),
    "beta_2": number(0, 1, below=True),
    "epsilon": number(0, above=True),
    "n_iter_no_change": (
        "a whole number of at least 1 or infinity",
        lambda value: parameters.is_count(value) or (isinstance(value, float) and value == np.inf),
    ),
    "max_fun": count(),
    "dropout": _each(number(0, 1, below=True)),
    "residual": flag(),
    "normalization": ("None, 'batch' or 'layer'", lambda value: value is None or value in list(NORMALIZATIONS)),
    "callbacks": ("None or a list of callbacks", lambda value: value is None or isinstance(value, list | tuple)),
    "encode": (
        "None, 'auto' or a TableEncoder",
        lambda value: value is None or isinstance(value, TableEncoder) or (isinstance(value, str) and value == "auto"),
    ),
}
