"""A network that answers a sequence step by step: recurrent, or of causal convolutions."""

from dataclasses import replace
from typing import Any

import numpy as np

from fastnn._core.stream import StreamCore
from fastnn.data.ports import as_row, check_out
from fastnn.graph.answers import given
from fastnn.graph.assembly import Assembly, assemble
from fastnn.graph.graph import Graph
from fastnn.layers import AvgPool1D, Conv1D, GlobalAvgPool1D, GlobalMaxPool1D, MaxPool1D
from fastnn.layers.base import batched

SEE_STEPS = (Conv1D, MaxPool1D, AvgPool1D, GlobalMaxPool1D, GlobalAvgPool1D)  # several at a time


class Stream(StreamCore):
    """A network that answers one sequence of any length, a time step at a time, in microseconds each.

    Its layers are recurrent, or a Conv1D with padding "causal", or treat the steps one by one.

    Parameters
    ----------
    net : Network
        With one input, a sequence (T, I), and one output; T does not matter here.  The stream uses the network's own
        parameters, also those it learns later; several streams of one network go on side by side.

    Raises
    ------
    TypeError
        If net is not a Network.
    ValueError
        If a layer needs the whole sequence: one that goes backwards, takes or gives a state, fixes T, sees later steps
        (a Conv1D whose padding is not "causal"), or makes one of several steps (strides, pooling).

    Notes
    -----
    The steps give the bits that ``predict`` gives for the whole sequence.  A stream belongs to one thread at a time.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.GRU(8), fn.Dense(1)], input_shape=(20, 3), seed=0)
    >>> stream = fn.Stream(net)
    >>> for x in np.ones((100, 3), np.float32):
    ...     y = stream.step(x)
    >>> y.shape
    (1,)
    >>> stream.state["gru_1"].shape
    (1, 8)
    >>> stream.reset()
    """

    def __init__(self, net: Graph) -> None:
        if not isinstance(net, Graph):
            raise TypeError(f"Stream: expected a Network, got {type(net).__name__}")
        assembly = _one_step(net)
        self._input_shape = net.input_shape[1:] or (1,)
        output = assembly.output_shapes[0]
        self._output_shape = output[1:] if len(output) > 1 else output
        super().__init__(assembly.plan, net.params, self._input_shape, self._output_shape)
        self._layers = {}
        for index, kept in self.states.items():
            applied: Any = assembly.step_applications[index]
            self._layers[applied.name] = kept.reshape(applied.layer.states or applied.layer.past, -1)

    @property
    def state(self) -> dict[str, np.ndarray]:
        """The state of each layer that keeps one, as views: what is written there is where the next step begins.

        Of a recurrent layer (S, H); of a causal Conv1D the steps (past, C) that came last.
        """
        return self._layers

    def reset(self) -> None:
        """Begin a new sequence: all states are 0."""
        for state in self._layers.values():
            state[...] = 0

    def _step_checked(self, x: Any, out: Any) -> np.ndarray:
        """``step`` for arguments that are not packed arrays of the right dtype and shape: the slow path."""
        dtype = self.plan.dtype
        row = as_row("step", "x", x, self._input_shape, dtype)
        answer = np.empty(self._output_shape, dtype)
        if out is not None:
            check_out("step", out, [answer])
        self.step(row, answer)
        return given([answer], out)


def _one_step(net: Graph) -> Assembly:
    """Build the network's plan for sequences of one time step."""
    structure = net.structure
    if len(structure.input_shapes) != 1 or len(structure.outputs) != 1:
        raise ValueError(
            f"Stream: expected a network with one input and one output, got {len(structure.input_shapes)} and "
            f"{len(structure.outputs)}"
        )
    layers: list[Any] = [structure.layers[node.layer] for node in structure.nodes]
    cells = [layer for layer in layers if layer.states or layer.past]
    if not cells:
        raise ValueError(
            "Stream: expected a network with a recurrent layer or a causal Conv1D, got none; use predict_one"
        )
    for node, layer in zip(structure.nodes, layers, strict=True):
        if layer.states and (layer.go_backwards or layer.return_state or len(node.inputs) > 1):
            raise ValueError(
                f"Stream: expected recurrent layers that go forwards and neither take nor give a state, got "
                f"{layer!r:.200}"
            )
        if isinstance(layer, SEE_STEPS) and not (isinstance(layer, Conv1D) and layer.one_by_one):
            raise ValueError(
                f"Stream: expected layers that take one step at a time, got {layer!r:.200}, which sees several; use "
                "Conv1D with padding='causal' and strides 1, or predict_one on whole windows"
            )
    if len({id(layer) for layer in cells}) < len(cells):
        raise ValueError("Stream: expected each layer with a state to be applied once, got one that is applied again")
    shape = (1, *net.input_shape[1:])
    try:
        assembly = assemble(replace(structure, input_shapes=(shape,)), net.dtype)
    except ValueError as error:
        raise ValueError(f"Stream: expected layers that take one step at a time; of one step, {error}") from error
    if assembly.places != net.places:
        raise ValueError(
            f"Stream: expected layers that take one step at a time, got parameters that depend on the length of the "
            f"sequence {batched(net.input_shape)}; let the last recurrent layer give its last step alone"
        )
    return assembly
