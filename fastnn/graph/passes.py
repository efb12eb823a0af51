"""One pass forward and one back, by hand: ``Graph.forward`` and ``Graph.backward``."""

from typing import Any

import numpy as np

from fastnn._spec import require_flag
from fastnn.data.ports import as_list, as_rows
from fastnn.graph.answers import given


def forward(net: Any, X: Any, training: bool) -> Any:
    """Run rows forward and remember everything that ``backward`` needs."""
    inputs, n = net.ports.rows("forward", X)
    if training:
        net.forwards += 1
    net._forward_rows(inputs, n, bool(training), net.seed, (1 << 63) + net.forwards)
    return given([net._value(t).reshape(n, *s) for t, s in zip(net.plan.outputs, net.output_shapes, strict=True)])


def backward(net: Any, dy: Any, accumulate: bool, parameters: bool, inputs: bool) -> Any:
    """Send the gradient with respect to the outputs back through the last ``forward``."""
    require_flag("backward", "parameters", parameters)
    require_flag("backward", "inputs", inputs)
    if not parameters and (accumulate or not inputs):
        raise ValueError(
            "backward: expected parameters=True with accumulate=True, which adds to their gradients, got False"
            if accumulate
            else "backward: expected gradients of the parameters or of the inputs to be wanted, got both False"
        )
    n = net._rows_kept
    if not n:
        raise RuntimeError("backward: expected a call of forward before it; there was none")
    values = as_list("backward", "dy", dy, len(net.output_shapes))
    dys = [
        np.zeros((n, *shape), net.dtype) if value is None else as_rows("backward", "dy", value, shape, net.dtype)
        for value, shape in zip(values, net.output_shapes, strict=True)
    ]
    if any(len(value) != n for value in dys):
        raise ValueError(f"backward: expected dy of {n} rows, as many as forward had, got {[len(v) for v in dys]}")
    dxs = net._backward_rows(dys, accumulate, parameters, inputs)
    net._commit_rows()
    if dxs is None:
        return None
    return given([dx.reshape(n, *shape) for dx, shape in zip(dxs, net.input_shapes, strict=True)])
