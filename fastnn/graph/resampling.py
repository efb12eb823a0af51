"""Phase layers evaluated at other control points: more memory, fewer operations."""

from dataclasses import replace
from typing import Any

import numpy as np

from fastnn._core.ops import basis
from fastnn.graph.graph import Graph
from fastnn.layers.phase_dense import PhaseDense


def resample_phase(net: Graph, control_points: int = 50, phase_function: str = "constant") -> Any:
    """Return a network whose phase layers have their weights evaluated beforehand at many phases.

    Parameters
    ----------
    net : Network
        With PhaseDense layers; left as it is.
    control_points : int
        Of every PhaseDense of the new network: the weights of ``net`` at the phases 0, 1/K, 2/K ...
    phase_function : {"constant", "linear", "cubic"}
        What lies between them.

    Returns
    -------
    Network
        Of the same dtype, not compiled.  Its parameters take ``control_points`` times the memory of an ordinary
        network of these layers (its gradients as much again, but only from the first training on).

    Raises
    ------
    TypeError
        If net is not a network.
    ValueError
        If it has no PhaseDense, or the control points do not suit the phase function.

    Notes
    -----
    Holden, Komura & Saito 2017: 50 points and "constant" are the paper's precomputed mode, which reads one
    weight matrix per row where "cubic" reads four; 10 points and "linear" lie between.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> x, phase = fn.Input(8), fn.Input(1)
    >>> net = fn.Network([x, phase], fn.PhaseDense(2)(x, phase), seed=0, dtype="float64")
    >>> fast = fn.resample_phase(net)
    >>> fast.layers[0].weight.shape
    (50, 8, 2)
    >>> row = [np.ones(8), [0.3]]  # 0.3 is one of the 50 phases
    >>> np.allclose(net.predict_one(row), fast.predict_one(row))
    True
    """
    if not isinstance(net, Graph):
        raise TypeError(f"resample_phase: expected a network, got {type(net).__name__}")
    if not any(isinstance(layer, PhaseDense) for layer in net.structure.layers):
        raise ValueError("resample_phase: expected a network with PhaseDense layers, got one without")
    layers = tuple(
        replace(layer, control_points=control_points, phase_function=phase_function)
        if isinstance(layer, PhaseDense)
        else layer
        for layer in net.structure.layers
    )
    result = type(net).of(replace(net.structure, layers=layers), seed=net.seed, dtype=net.dtype)
    result.metadata = dict(net.metadata)
    phases = np.arange(control_points) / control_points
    for old, new in zip(net.layers, result.layers, strict=True):
        for name, view in old.parameters.items():
            if not isinstance(old.spec, PhaseDense):
                new.parameters[name][...] = view
                continue
            coefficients = basis(phases, old.spec.control_points, old.spec.phase_function)
            values = view.astype(np.float64)
            for point, row in zip(new.parameters[name], coefficients, strict=True):  # one by one, to save memory
                point[...] = np.tensordot(row, values, axes=1)
    return result
