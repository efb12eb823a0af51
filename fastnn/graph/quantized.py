"""A graph to answer with: the weights of its dense layers are narrow numbers, and nothing in it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn._core.aligned import aligned_zeros
from fastnn._core.engine import Engine
from fastnn._core.evaluator import Evaluator
from fastnn._core.ops import BFloat16Weights, DenseOp, Int8Weights, QuantizedDenseOp
from fastnn._core.step import Op
from fastnn._core.table import all_finite
from fastnn._spec import choose
from fastnn.data.ports import Ports
from fastnn.graph.answers import predict, predict_one
from fastnn.graph.assembly import Application, Assembly, Place, assemble
from fastnn.graph.binding import as_losses, as_metrics, bind_loss
from fastnn.graph.graph import Graph
from fastnn.graph.outputs import Output, read_outputs
from fastnn.graph.padding import padding_of
from fastnn.graph.quantize import Quantized, quantize, quantize_bfloat16
from fastnn.graph.structure import Structure
from fastnn.layers.base import Shape, batched

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fastnn.losses import Loss

QUANTIZERS = {"int8": quantize, "bfloat16": quantize_bfloat16}
VALUES: dict[str, np.dtype] = {"int8": np.dtype(np.int8), "bfloat16": np.dtype(np.uint16)}
INT8_INPUTS = 1 << 16  # of a layer whose sums fit 32 bits
WEIGHT = "weight"
FACE: list[type[QuantizedGraph]] = []  # the class that users meet, which adds itself


class QuantizedGraph(Engine):
    """What runs a quantised network; ``QuantizedNetwork`` adds the methods that users call.

    Attributes
    ----------
    weights_dtype : str
        "int8" or "bfloat16".
    dtype : dtype
        Of rows, answers and everything but those weights: float32.
    packed : dict of str to Int8Weights or BFloat16Weights
        The narrow weights by layer, as they lie for the processor.
    kind, seed : str, int
        Of the network that it was made from.
    """

    structure: Structure
    weights_dtype: str
    packed: dict[str, Any]
    kind: str
    seed: int
    metadata: dict[str, Any]
    dtype: np.dtype
    assembly: Assembly
    ports: Ports
    evaluator: Any
    losses: list[Loss]
    loss_weights: list[float]
    metrics: tuple[Any, ...]
    input_shapes: tuple[Shape, ...]
    output_shapes: tuple[Shape, ...]

    @classmethod
    def of(
        cls,
        structure: Structure,
        weights_dtype: str,
        matrices: Mapping[str, Quantized],
        *,
        kind: str,
        seed: int,
        metadata: dict[str, Any],
    ) -> Any:
        """Return a graph of this structure with these narrow weights; its other parameters are 0.

        Parameters
        ----------
        structure : Structure
            What another graph has.
        weights_dtype : {"int8", "bfloat16"}
            Of the narrow weights.
        matrices : dict of str to Quantized
            By layer.
        kind, seed, metadata
            Of the network that it comes from.
        """
        self = FACE[0].__new__(FACE[0])
        self.structure, self.weights_dtype = structure, weights_dtype
        self.kind, self.seed, self.metadata, self.dtype = kind, seed, metadata, np.dtype(np.float32)
        self.packed = {name: packed_weights(matrix) for name, matrix in matrices.items()}
        packed = self.packed

        def convert(layer: str, op: Op) -> Op:
            if layer not in packed or not isinstance(op, DenseOp):
                return op
            return QuantizedDenseOp(packed[layer], len(op.parameters) == 2, op.repeats)

        self.assembly = assemble(structure, self.dtype, convert)
        self.input_shapes, self.output_shapes = structure.input_shapes, self.assembly.output_shapes
        find_padding = partial(padding_of, structure)
        self.ports = Ports(self.input_shapes, self.output_shapes, (), self.dtype, find_padding)
        self.evaluator, self.losses, self.loss_weights, self.metrics = None, [], [], ()
        plan = self.assembly.plan
        self._bind(plan, aligned_zeros(plan.n_params, self.dtype), self.input_shapes, self.output_shapes)
        return self

    @classmethod
    def from_graph(cls, net: Graph, dtype: Any) -> Any:
        """Return the network with the weights of its dense layers rounded; see ``Network.quantized``."""
        if not isinstance(dtype, str):
            raise TypeError(f"quantized: expected dtype to be a string, got {type(dtype).__name__}")
        choose("quantized: unknown dtype", dtype, list(QUANTIZERS))
        if net.dtype != np.float32:
            raise ValueError(
                f"quantized: expected a network of float32, got one of {net.dtype}; "
                f"call net.astype('float32').quantized({dtype!r})"
            )
        if not all_finite(net.params):
            raise ValueError("quantized: expected finite parameters, got NaN or inf; train again at a lower rate")
        weights = {view.name: view.parameters[WEIGHT] for view in net.layers if WEIGHT in view.parameters}
        matrices = {name: QUANTIZERS[dtype](weights[name]) for name in narrowed(net.structure, dtype)}
        wrong = [name for name, matrix in matrices.items() if not np.isfinite(matrix.weights).all()]
        if wrong:
            raise ValueError(
                f"quantized: expected weights that {dtype} can hold, got larger ones in {', '.join(wrong)}"
            )
        made = cls.of(net.structure, dtype, matrices, kind=net.kind, seed=net.seed, metadata=dict(net.metadata))
        made.ports = replace(made.ports, names=net.ports.names)
        given = dict(net.named_parameters())
        for name, view in made.named_parameters():
            view[...] = given[name]
        if net.trainer is not None and net.losses:
            made.compile(net.losses, metrics=net.metrics, loss_weights=net.loss_weights)
        return made

    # ---- looking ---------------------------------------------------------------------------------------------------

    @property
    def input_shape(self) -> Shape:
        """Shape of one row of the (first) input."""
        return self.input_shapes[0]

    @property
    def feature_names(self) -> Any:
        """Names of the columns that the network learned from, as of `Network`."""
        return self.ports.feature_names

    @property
    def output_shape(self) -> Shape:
        """Shape of one row of the (first) output."""
        return self.output_shapes[0]

    @property
    def matrices(self) -> dict[str, Quantized]:
        """The narrow weights by layer: copies, row-major as they are saved."""
        none = np.empty(0, np.float32)
        int8 = self.weights_dtype == "int8"
        return {name: Quantized(found.values, found.scale if int8 else none) for name, found in self.packed.items()}

    @property
    def n_params(self) -> int:
        """Number of parameters, narrow and others; scales are not counted."""
        return int(self.plan.n_params + sum(matrix.values.size for matrix in self.matrices.values()))

    @property
    def nbytes(self) -> int:
        """Bytes of all parameters and scales."""
        return int(self.params.nbytes + sum(matrix.nbytes for matrix in self.matrices.values()))

    @property
    def applications(self) -> list[Application]:
        """Every application of a layer that an output depends on, in the order in which they run."""
        return self.assembly.applications

    @property
    def places(self) -> list[Place]:
        """Where every parameter that stayed float32 lies in ``params``, in its order."""
        return self.assembly.places

    @property
    def outputs(self) -> tuple[Output, ...]:
        """How each output is read, by the losses; see ``Network.outputs``."""
        self.require_compiled("outputs")
        return read_outputs(self.plan, [loss.link for loss in self.losses], self.output_shapes)

    def named_parameters(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield ("layer.parameter", array) of those that stayed float32: biases, for one."""
        for place in self.places:
            yield f"{place.layer}.{place.name}", place.of(self.params)

    def __repr__(self) -> str:
        shapes = " + ".join(map(batched, self.input_shapes)), " + ".join(map(batched, self.output_shapes))
        return f"<{type(self).__name__} {shapes[0]} -> {shapes[1]}, {self.n_params:,} parameters, {self.weights_dtype}>"

    # ---- answering -------------------------------------------------------------------------------------------------

    def _predict_checked(self, X: Any, out: Any) -> Any:
        return predict(self, self.ports, X, out)

    def _predict_one_checked(self, x: Any, out: Any) -> Any:
        return predict_one(self, self.ports, x, out)

    def _train_step_checked(self, x: Any, y: Any, sample_weight: Any, learning_rate: Any = None) -> float:
        raise RuntimeError(read_only("train_step"))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or (not hasattr(Graph, name) and name not in ("fit", "load_weights", "save_weights")):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        raise AttributeError(read_only(name))

    def compile(self, loss: Any, *, metrics: Sequence[Any] = (), loss_weights: Sequence[float] | None = None) -> None:
        """Say what ``evaluate`` measures; a network that was compiled hands its own losses and metrics on.

        Parameters
        ----------
        loss, metrics, loss_weights
            As in ``Network.compile``.

        Raises
        ------
        TypeError, ValueError
            If a name is unknown or the losses do not fit the outputs.
        """
        losses, shares = as_losses(loss, loss_weights, self.output_shapes)
        measured = as_metrics(metrics, len(self.output_shapes))
        parts = [
            bind_loss(self.plan, part, output, share, self.output_shapes[output])[0]
            for output, (part, share) in enumerate(zip(losses, shares, strict=True))
        ]
        self.evaluator = Evaluator(self.plan, self.params, parts)
        self.losses, self.loss_weights, self.metrics = losses, shares, measured
        self.ports = replace(self.ports, losses=tuple(losses))

    def require_compiled(self, who: str, *, loss: bool = True) -> None:
        """Raise RuntimeError unless there are losses.

        Parameters
        ----------
        who : str
            The function that needs them.
        loss : bool
            As in ``Network.require_compiled``.
        """
        if self.evaluator is None:
            raise RuntimeError(f"{who}: expected a loss; call compile(loss, metrics=[...]) first")

    def _fill(self, name: str, vector: np.ndarray, value: Any) -> None:
        raise AttributeError(read_only(name))

    def dequantized(self) -> Any:
        """Return a float32 network with the weights that the narrow numbers stand for, not compiled.

        Examples
        --------
        >>> import fastnn as fn
        >>> net = fn.Sequential([fn.Dense(1)], input_shape=2, seed=0)
        >>> again = net.quantized("bfloat16").dequantized()
        >>> bool(abs(again.params - net.params).max() <= 2**-8 * abs(net.params).max())
        True
        """
        net = Graph.of(self.structure, kind=self.kind, seed=self.seed)
        net.metadata = dict(self.metadata)
        net.ports = replace(net.ports, names=self.ports.names)
        given = dict(self.named_parameters())
        given |= {f"{name}.{WEIGHT}": matrix.weights for name, matrix in self.matrices.items()}
        for name, view in net.named_parameters():
            view[...] = given[name]
        return net

    # ---- copies ----------------------------------------------------------------------------------------------------

    def __reduce__(self) -> tuple[Any, ...]:
        made = self.structure, self.weights_dtype, self.matrices, self.kind, self.seed, self.metadata
        state = {"params": self.params.copy(), "losses": self.losses, "loss_weights": self.loss_weights}
        return _rebuild, made, state | {"metrics": self.metrics, "names": self.ports.names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.params[:] = state["params"]
        self.ports = replace(self.ports, names=state.get("names", ()))
        if state["losses"]:
            self.compile(state["losses"], metrics=state["metrics"], loss_weights=state["loss_weights"])


def _rebuild(
    structure: Structure, weights_dtype: str, matrices: dict[str, Quantized], kind: str, seed: int, metadata: Any
) -> QuantizedGraph:
    """Make a quantised network, for pickle."""
    made: QuantizedGraph = QuantizedGraph.of(
        structure, weights_dtype, matrices, kind=kind, seed=seed, metadata=metadata
    )
    return made


def narrowed(structure: Structure, dtype: str) -> dict[str, Shape]:
    """Return by name the layers whose products run with narrow weights, and the shapes (I, O) of these."""
    found: dict[str, Shape] = {}

    def note(layer: str, op: Op) -> Op:
        if isinstance(op, DenseOp):
            shape = op.parameters[0].shape
            if dtype != "int8" or shape[0] <= INT8_INPUTS:
                found[layer] = shape
        return op

    assemble(structure, np.dtype(np.float32), note)
    return found


def packed_weights(matrix: Quantized) -> Any:
    """Return the weights packed for this processor."""
    if matrix.values.dtype == np.uint16:
        return BFloat16Weights(matrix.values)
    return Int8Weights(matrix.values, matrix.scale)


def read_only(name: str) -> str:
    """Say that a quantised network cannot do this."""
    return (
        f"{name}: expected a network that can learn, got a quantised one, which is read-only; train and change the "
        "float network and call its quantized() again, or use dequantized()"
    )
