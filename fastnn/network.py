"""Networks: a graph of layers with its parameters, ready to run, train, look into and save."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import deepcopy
from os import PathLike
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from fastnn._core.engine import Engine
from fastnn._core.plan import aligned_zeros
from fastnn._core.rng import PARAMETERS, Stream, fresh_seed
from fastnn._spec import require_count
from fastnn._validation import (
    as_list,
    as_numeric,
    as_row,
    as_rows,
    as_targets,
    as_weights,
    check_out,
    check_rows,
    common_steps,
    release,
)
from fastnn.assembly import Application, assemble
from fastnn.binding import as_losses, as_metrics, bind_trainer, straight_targets
from fastnn.data.examples import MADE_BYTES, Examples
from fastnn.layer_view import LayerView
from fastnn.layers.base import Layer, Shape, Tensor, as_shape, batched, check_tensors
from fastnn.layers.graph import Structure, trace
from fastnn.layers.input import Input
from fastnn.optimizers import Optimizer, as_optimizer
from fastnn.schedules import Constant

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from fastnn.data import Standardizer
    from fastnn.export_c import CExport
    from fastnn.history import History


class Network(Engine):
    """A network of any directed acyclic shape.

    Parameters
    ----------
    inputs : Tensor or list of Tensor
        Made by ``Input``.
    outputs : Tensor or list of Tensor
        What the network answers.
    seed : int, optional
        Decides initial parameters, shuffles and dropout; drawn from the operating system if not given.
    dtype : {"float32", "float64"}
        Of parameters and arithmetic.

    Attributes
    ----------
    params, grads : ndarray of shape (n_params,)
        All parameters and their gradients, each one contiguous vector; layers hold views of them.
    layers : list of LayerView
        In the order in which they run.
    history : History or None
        Of the last fit.

    Raises
    ------
    TypeError, ValueError
        If inputs and outputs are not tensors of one graph.

    Examples
    --------
    >>> import fastnn as fn
    >>> x = fn.Input(64)
    >>> h = fn.Dense(64, "tanh")(x)
    >>> net = fn.Network(inputs=x, outputs=fn.Dense(10)(fn.add(h, x)), seed=0)
    >>> net.n_params
    4810
    """

    def __init__(
        self,
        inputs: Tensor | Sequence[Tensor],
        outputs: Tensor | Sequence[Tensor],
        *,
        seed: int | None = None,
        dtype: Any = "float32",
    ) -> None:
        ins = tuple(inputs) if isinstance(inputs, list | tuple) else (inputs,)
        outs = tuple(outputs) if isinstance(outputs, list | tuple) else (outputs,)
        check_tensors("Network", (*ins, *outs))
        if not ins or not outs:
            raise ValueError("Network: expected at least one input and one output")
        if any(x.layer is not None for x in ins):
            raise ValueError("Network: expected inputs made by Input, got the output of a layer")
        self._build(trace(ins, outs), seed, dtype)

    # ---- building --------------------------------------------------------------------------------------------------

    def _build(self, structure: Structure, seed: int | None, dtype: Any, *, draw: bool = True) -> None:
        """Lay out the plan and the parameter vector, and ``draw`` initial values."""
        self.dtype = as_dtype(dtype)
        self.seed = fresh_seed() if seed is None else seed
        require_count("Network", "seed", self.seed, low=0)
        if self.seed >= 1 << 64:
            raise ValueError(f"Network: expected seed below 2**64, got {self.seed}")
        self.structure, self.input_shapes = structure, structure.input_shapes
        self.history: History | None = None
        self.metadata: dict[str, Any] = {}
        self.epoch = 0  # epochs of training over the network's life: shuffles go by it
        self._forwards = 0  # in training mode, by hand: dropout goes by it
        self._fitting = Lock()  # held by a running fit
        self._assembly = assemble(structure, self.dtype)
        self.output_shapes = self._assembly.output_shapes
        plan = self._assembly.plan
        try:
            params = aligned_zeros(plan.n_params, self.dtype)
            self._bind(plan, params, self.input_shapes, self.output_shapes)
        except MemoryError as error:
            raise MemoryError(f"Network: no memory for {plan.n_params} parameters and their gradients") from error
        self.layers = self._layer_views()
        if draw:
            self._draw_parameters()

    def _layer_views(self) -> list[LayerView]:
        """Return each layer with views of its parameters and gradients."""
        parameters: dict[str, dict[str, np.ndarray]] = {a.name: {} for a in self._assembly.applications}
        gradients: dict[str, dict[str, np.ndarray]] = {name: {} for name in parameters}
        for place in self._assembly.places:
            parameters[place.layer][place.name] = place.of(self.params)
            if place.learned:
                gradients[place.layer][place.name] = place.of(self.grads)
        first = {a.name: a for a in reversed(self._assembly.applications)}
        return [
            LayerView(a.name, a.layer, a.input_shapes, a.output_shape, parameters[a.name], gradients[a.name])
            for a in map(first.__getitem__, parameters)
        ]

    def _draw_parameters(self) -> None:
        """Draw the initial value of every parameter from its own random stream."""
        specs = {view.name: view.spec for view in self.layers}
        for i, place in enumerate(self._assembly.places):
            initializer = specs[place.layer].initializer(place.name)
            random = Stream(self.seed, PARAMETERS + i)
            place.of(self.params)[...] = initializer.draw(place.shape, place.fan_in, place.fan_out, random)

    # ---- looking ---------------------------------------------------------------------------------------------------

    @property
    def n_params(self) -> int:
        """Number of parameters, running statistics (see BatchNorm) among them."""
        return self.plan.n_params

    @property
    def input_shape(self) -> Shape:
        """Shape of one row of the (first) input."""
        return self.input_shapes[0]

    @property
    def output_shape(self) -> Shape:
        """Shape of one row of the (first) output."""
        return self.output_shapes[0]

    def named_parameters(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield ("layer.parameter", view into params) in the order of ``params``.

        Examples
        --------
        >>> import fastnn as fn
        >>> net = fn.Sequential([fn.Dense(3)], input_shape=2, seed=0)
        >>> [(name, view.shape) for name, view in net.named_parameters()]
        [('dense_1.weight', (2, 3)), ('dense_1.bias', (3,))]
        """
        for place in self._assembly.places:
            yield f"{place.layer}.{place.name}", place.of(self.params)

    def named_gradients(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield ("layer.parameter", view into grads) in the order of ``grads``.

        Of running statistics (see BatchNorm), which are not learned, there is none: their part of ``grads`` stays 0.
        """
        for place in self._assembly.places:
            if place.learned:
                yield f"{place.layer}.{place.name}", place.of(self.grads)

    def summary(self) -> str:
        """Return a table of the layers: name, what they read, shape, parameters.

        Examples
        --------
        >>> import fastnn as fn
        >>> print(fn.Sequential([fn.Dense(3, "relu"), fn.Dense(1)], input_shape=2, seed=0).summary())
        Sequential, float32, seed 0
        layer    type   reads    output  parameters
        -------  -----  -------  ------  ----------
        input    Input           (B, 2)           0
        dense_1  Dense  input    (B, 3)           9
        dense_2  Dense  dense_1  (B, 1)           4
        13 parameters, 52 bytes
        """
        rows = [("layer", "type", "reads", "output", "parameters"), *self._summary_rows()]
        sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
        rows.insert(1, ("-" * sizes[0], "-" * sizes[1], "-" * sizes[2], "-" * sizes[3], "-" * sizes[4]))
        lines = ["  ".join([*map(str.ljust, row[:4], sizes[:4]), row[4].rjust(sizes[4])]) for row in rows]
        head = f"{type(self).__name__}, {self.dtype}, seed {self.seed}"
        return "\n".join([head, *lines, self._summary_total()])

    def _summary_rows(self) -> list[tuple[str, str, str, str, str]]:
        """Return layer, type, what it reads, shape and number of parameters of every input and layer."""
        several = len(self.input_shapes) > 1
        names = [
            name or (f"input_{i + 1}" if several else "input") for i, name in enumerate(self.structure.input_names)
        ]
        rows = [(name, "Input", "", batched(s), "0") for name, s in zip(names, self.input_shapes, strict=True)]
        counts = {view.name: f"{view.n_params:,}" for view in self.layers}
        for node, applied in zip(self.structure.nodes, self._assembly.applications, strict=True):
            name, kind, reads = applied.name, type(applied.layer).__name__, ", ".join(names[i] for i in node.inputs)
            rows.append((name, kind, reads, batched(applied.output_shape), counts[name]))
            counts[name] = "0" if counts[name] == "0" else "shared"
            names.append(name)
        return rows

    def _summary_total(self) -> str:
        """Return how many parameters there are, and their bytes."""
        kept = sum(place.size for place in self._assembly.places if not place.learned)
        total = f"{self.n_params:,} parameters{f' ({kept:,} not learned)' if kept else ''}"
        return f"{total}, {self.params.nbytes:,} bytes"

    def __repr__(self) -> str:
        shapes = " + ".join(map(batched, self.input_shapes)), " + ".join(map(batched, self.output_shapes))
        return f"<{type(self).__name__} {shapes[0]} -> {shapes[1]}, {self.n_params:,} parameters, {self.dtype}>"

    def activations(self, X: Any) -> dict[str, np.ndarray]:
        """Return a, the output of every layer, for some rows.

        Parameters
        ----------
        X : array_like of shape (B, *input_shape)
            Rows; for several inputs a list.

        Returns
        -------
        dict of str to ndarray of shape (B, *output_shape)
            ``a_j^l = sigma(z_j^l)`` by layer name; a layer applied again has ``name:2``.  Nothing is dropped out.

        Raises
        ------
        TypeError, ValueError
            If X does not fit.

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> net = fn.Sequential([fn.Dense(3, "relu"), fn.Dense(1)], input_shape=2, seed=0)
        >>> {name: a.shape for name, a in net.activations(np.ones((5, 2))).items()}
        {'dense_1': (5, 3), 'dense_2': (5, 1)}
        """
        return self._inspect("activations", X, lambda application: application.activation)

    def preactivations(self, X: Any) -> dict[str, np.ndarray]:
        """Return z, the weighted input ``z_j^l = sum_k w_jk^l a_k^{l-1} + b_j^l`` of every layer, for some rows.

        Parameters
        ----------
        X : array_like of shape (B, *input_shape)
            Rows; for several inputs a list.

        Returns
        -------
        dict of str to ndarray of shape (B, *output_shape)
            By layer name; for layers without an activation the same as ``activations``.

        Raises
        ------
        TypeError, ValueError
            If X does not fit.
        """
        return self._inspect("preactivations", X, lambda application: application.preactivation)

    def _inspect(self, who: str, X: Any, tensor: Callable[[Application], int]) -> dict[str, np.ndarray]:
        inputs, n = self._rows(who, X)
        self._forward_rows(inputs, n, False, self.seed, 0)
        result: dict[str, np.ndarray] = {}
        for application in self._assembly.applications:
            name, again = application.name, 1
            while name in result:
                again += 1
                name = f"{application.name}:{again}"
            result[name] = self._value(tensor(application)).reshape(n, *application.output_shape)
        self._forget_rows()
        return result

    # ---- answering -------------------------------------------------------------------------------------------------

    def _rows(self, who: str, X: Any) -> tuple[list[np.ndarray], int]:
        """Return packed rows of each input, and how many."""
        return self._pack_rows(who, as_list(who, "X", X, len(self.input_shapes)))

    def _pack_rows(self, who: str, values: list[Any]) -> tuple[list[np.ndarray], int]:
        """Return packed rows, given one array per input, and how many."""
        inputs = [as_rows(who, "X", x, shape, self.dtype) for x, shape in zip(values, self.input_shapes, strict=True)]
        return inputs, self._count_rows(who, inputs)

    def _count_rows(self, who: str, inputs: list[np.ndarray]) -> int:
        """Return the number of rows, the same in every input, after checking their shapes."""
        for x, shape in zip(inputs, self.input_shapes, strict=True):
            check_rows(who, "X", x, shape)
        if any(len(x) != len(inputs[0]) for x in inputs):
            raise ValueError(f"{who}: expected as many rows in every input, got {[len(x) for x in inputs]}")
        return len(inputs[0])

    def _predict_checked(self, X: Any, out: Any) -> Any:
        """``predict`` for whatever is not a packed array of the network's dtype; converts ``block`` rows at a time."""
        if isinstance(X, Examples):
            return self._predict_examples(X, out)
        sources = [as_numeric("predict", "X", x) for x in as_list("predict", "X", X, len(self.input_shapes))]
        n = self._count_rows("predict", sources)
        outputs = [np.empty((n, *shape), self.dtype) for shape in self.output_shapes]
        if out is not None:
            check_out("predict", out, outputs)
        for start in range(0, n, self.block):
            inputs, size = self._pack_rows("predict", [x[start : start + self.block] for x in sources])
            self._predict_rows(inputs, [y[start : start + self.block] for y in outputs], size)
            for x in sources:
                release(x)
        if out is not None:
            out[...] = outputs[0]
            return out
        return outputs[0] if len(outputs) == 1 else outputs

    def _predict_examples(self, examples: Examples, out: Any) -> Any:
        """``predict`` for all examples in their order, some made at a time."""
        n = len(examples)
        if n < 1:
            raise ValueError(f"predict: expected at least one example, got none in {examples!r:.200}")
        outputs = [np.empty((n, *shape), self.dtype) for shape in self.output_shapes]
        if out is not None:
            check_out("predict", out, outputs)
        row_bytes = self.dtype.itemsize * sum(math.prod(shape) for shape in self.input_shapes)
        rows = min(max(MADE_BYTES // row_bytes, 1), self.block)
        for start in range(0, n, rows):
            made = examples.gather(np.arange(start, min(start + rows, n)))[0]
            inputs, size = self._rows("predict", made)
            self._predict_rows(inputs, [y[start : start + size] for y in outputs], size)
        if out is not None:
            out[...] = outputs[0]
            return out
        return outputs[0] if len(outputs) == 1 else outputs

    def _predict_one_checked(self, x: Any, out: Any) -> Any:
        """``predict_one`` for whatever is not an array of the network's dtype and layout."""
        values = as_list("predict_one", "x", x, len(self.input_shapes))
        inputs = [
            as_row("predict_one", "x", v, shape, self.dtype)[None]
            for v, shape in zip(values, self.input_shapes, strict=True)
        ]
        answers = [np.empty((1, *shape), self.dtype) for shape in self.output_shapes]
        if out is not None:
            check_out("predict_one", out, [answer[0] for answer in answers])
        self._predict_rows(inputs, answers, 1)
        if out is not None:
            out[...] = answers[0][0]
            return out
        return answers[0][0] if len(answers) == 1 else [answer[0] for answer in answers]

    def forward(self, X: Any, training: bool = False) -> Any:
        """Run rows forward and remember everything that ``backward`` needs.

        Parameters
        ----------
        X : array_like of shape (B, *input_shape)
            Rows; for several inputs a list.
        training : bool
            Whether dropout is at work and batch normalisation goes by the batch.

        Returns
        -------
        ndarray of shape (B, *output_shape)
            For several outputs a list.

        Raises
        ------
        TypeError, ValueError
            If X does not fit, or has too few rows for a BatchNorm in training.

        Notes
        -----
        The network stays as it is; running statistics are updated by the first ``backward`` after it, if ``training``.

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> net = fn.Sequential([fn.Dense(1)], input_shape=2, seed=0)
        >>> y = net.forward(np.ones((3, 2)))
        >>> dx = net.backward(np.ones_like(y))
        >>> dx.shape
        (3, 2)
        """
        inputs, n = self._rows("forward", X)
        if training:
            self._forwards += 1
        self._forward_rows(inputs, n, bool(training), self.seed, (1 << 63) + self._forwards)
        outputs = [
            self._value(t).reshape(n, *shape) for t, shape in zip(self.plan.outputs, self.output_shapes, strict=True)
        ]
        return outputs[0] if len(outputs) == 1 else outputs

    def backward(self, dy: Any, *, accumulate: bool = False) -> Any:
        """Send the gradient with respect to the outputs back through the last ``forward``.

        Parameters
        ----------
        dy : array_like of shape (B, *output_shape)
            dloss/doutput; for several outputs a list, None for those that the loss does not depend on.
        accumulate : bool
            Add to ``grads`` instead of replacing them.

        Returns
        -------
        ndarray of shape (B, *input_shape)
            dloss/dinput; for several inputs a list.  ``grads`` holds dloss/dparams, summed over the rows.

        Raises
        ------
        RuntimeError
            If there was no ``forward``.
        TypeError, ValueError
            If dy does not fit.
        """
        n = self._rows_kept
        if not n:
            raise RuntimeError("backward: expected a call of forward before it; there was none")
        values = as_list("backward", "dy", dy, len(self.output_shapes))
        dys = [
            np.zeros((n, *shape), self.dtype) if value is None else as_rows("backward", "dy", value, shape, self.dtype)
            for value, shape in zip(values, self.output_shapes, strict=True)
        ]
        if any(len(value) != n for value in dys):
            raise ValueError(f"backward: expected dy of {n} rows, as many as forward had, got {[len(v) for v in dys]}")
        dxs = [dx.reshape(n, *s) for dx, s in zip(self._backward_rows(dys, accumulate), self.input_shapes, strict=True)]
        self._commit_rows()
        return dxs[0] if len(dxs) == 1 else dxs

    # ---- learning --------------------------------------------------------------------------------------------------

    def compile(
        self,
        loss: Any = None,
        optimizer: str | Optimizer = "adam",
        *,
        metrics: Sequence[Any] = (),
        loss_weights: Sequence[float] | None = None,
    ) -> None:
        """Say what to learn and how.  The optimiser starts afresh; parameters stay as they are.

        Parameters
        ----------
        loss : str, Loss, callable or list of these
            Name of a loss (see fastnn.losses), a Loss, or a function ``(y_true, y_pred) -> (losses (B,), gradient
            (B, O))``; for several outputs a list.  None: only ``apply_gradients`` is used.
        optimizer : str or Optimizer
            Name of an optimiser with its defaults, or an Optimizer.
        metrics : list of str, callable or Metric
            Measured by ``evaluate``, and on the validation data after every epoch; for several outputs one list per
            output, whose names then end in ``_1``, ``_2`` ...
        loss_weights : list of float, optional
            What each output counts in the loss; 1 each if not given.

        Raises
        ------
        TypeError, ValueError
            If a name is unknown or the losses do not fit the outputs.  The network is left as it was.

        Examples
        --------
        >>> import fastnn as fn
        >>> net = fn.Sequential([fn.Dense(3)], input_shape=2, seed=0)
        >>> net.compile(loss="cross_entropy", optimizer=fn.SGD(0.1, momentum=0.9), metrics=["accuracy"])
        """
        chosen = as_optimizer(optimizer)
        losses, shares = as_losses(loss, loss_weights, self.output_shapes)
        measured = as_metrics(metrics, len(self.output_shapes))
        step = self.trainer.step if self.trainer is not None else 0
        trainer = bind_trainer(self._assembly, self.params, self.grads, losses, shares, chosen, self.seed, step)
        self.schedule = deepcopy(chosen.schedule)  # its own: a schedule may keep what it has observed
        self.losses, self.loss_weights, self.optimizer, self.metrics = losses, shares, chosen, measured
        rate = float(self.schedule.learning_rate) if isinstance(self.schedule, Constant) else -1.0
        self._straight = (*straight_targets(losses, self.output_shapes), rate)
        self._bind_trainer(trainer, *self._straight)

    def _require_compiled(self, who: str) -> None:
        if self.trainer is None:
            raise RuntimeError(f"{who}: expected a compiled network; call net.compile(loss=..., optimizer=...) first")
        if not self.losses and who != "apply_gradients":
            raise RuntimeError(f"{who}: expected a loss; call net.compile(loss=..., optimizer=...)")

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next update.

        Raises
        ------
        RuntimeError
            If the network is not compiled.
        ValueError
            If the schedule gives a rate that is negative, infinite or not a number.
        """
        self._require_compiled("apply_gradients")
        step = self.trainer.optimizer.step
        rate = float(self.schedule(step))
        if not (math.isfinite(rate) and rate >= 0):
            raise ValueError(f"learning_rate: expected a finite rate of at least 0 at step {step}, got {rate}")
        return rate

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        epochs: int = 1,
        batch_size: int = 32,
        sample_weight: Any = None,
        class_weight: dict[int, float] | Literal["balanced"] | None = None,
        validation_data: Any = None,
        callbacks: Iterable[Any] = (),
        shuffle: bool = True,
        verbose: int | Literal["auto"] = "auto",
        loss: Any = None,
        optimizer: str | Optimizer | None = None,
        metrics: Sequence[Any] | None = None,
    ) -> History:
        """Learn from data, epoch after epoch.

        Parameters
        ----------
        X : array_like of shape (N, *input_shape), or iterable of batches
            Rows, for several inputs a list; a memmap may be larger than memory.  Or, with y None, an iterable that
            gives ``(x, y)`` or ``(x, y, sample_weight)`` per mini-batch.  Or `Examples`, which make rows on demand,
            such as `Windows`.
        y : array_like, optional
            Targets as the loss takes them; for several outputs a list.
        epochs : int
            How often to go through the data.
        batch_size : int
            Rows per update; gradients are averaged over them.  An iterable brings its own batches.
        sample_weight : array_like of shape (N,), or (N, T) for outputs over T steps, optional
            Weights of the rows, or of their steps, in the mean; 0 for steps that only fill a sequence up.
        class_weight : dict or "balanced", optional
            Weights by integer label, times sample_weight; "balanced": N / (classes * count).
        validation_data : tuple, Examples or iterable of batches, optional
            ``(X, y)`` or ``(X, y, sample_weight)``, evaluated after every epoch.
        callbacks : list
            Callback objects, or functions of EpochInfo that return True to stop.
        shuffle : bool
            Take the rows in a new random order every epoch, a function of (seed, epoch).  Memmaps and arrays that
            need converting are shuffled in blocks and within a buffer of some 32 MB.
        verbose : {"auto", 0, 1, 2}
            0 silent, 1 a progress bar on stderr, 2 a line per epoch on stdout; "auto": a bar on a terminal.
        loss, optimizer, metrics : optional
            If loss or optimizer is given, ``compile`` is called first.

        Returns
        -------
        History
            Per epoch: loss, val_loss, metrics as ``val_...``, learning_rate, seconds.  Also ``net.history``.

        Raises
        ------
        TypeError, ValueError
            If data or options do not fit.
        RuntimeError
            If the network is not compiled.
        DivergenceError
            If the loss is no longer finite.

        Notes
        -----
        After an exception parameters and optimiser are as before the call; after KeyboardInterrupt as after the last
        complete update.  The loss of an epoch is the mean over its mini-batches as they were met.

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> X = np.linspace(-1, 1, 64)[:, None]
        >>> net = fn.Sequential([fn.Dense(16, "tanh"), fn.Dense(1)], input_shape=1, seed=0)
        >>> history = net.fit(X, X**2, epochs=300, loss="squared_error", optimizer=fn.Adam(0.01))
        >>> history["loss"][-1] < 0.02
        True
        """
        from fastnn.training import fit

        return fit(
            self,
            X,
            y,
            epochs=epochs,
            batch_size=batch_size,
            sample_weight=sample_weight,
            class_weight=class_weight,
            validation_data=validation_data,
            callbacks=callbacks,
            shuffle=shuffle,
            verbose=verbose,
            loss=loss,
            optimizer=optimizer,
            metrics=metrics,
        )

    def evaluate(self, X: Any, y: Any = None, *, sample_weight: Any = None) -> dict[str, float]:
        """Return loss and metrics on data, with nothing dropped out.

        Parameters
        ----------
        X, y, sample_weight
            As in ``fit``.

        Returns
        -------
        dict of str to float
            "loss" (weighted mean over rows) and each metric by name.

        Raises
        ------
        TypeError, ValueError
            If the data do not fit.
        RuntimeError
            If the network is not compiled.

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> net = fn.Sequential([fn.Dense(2, kernel_initializer="zeros")], input_shape=3, seed=0)
        >>> net.compile(loss="cross_entropy", metrics=["accuracy"])
        >>> net.evaluate(np.ones((4, 3)), [0, 0, 0, 1])["accuracy"]
        0.75
        """
        from fastnn.training import evaluate

        return evaluate(self, X, y, sample_weight)

    def _train_step_checked(self, x: Any, y: Any, sample_weight: Any) -> float:
        """``train_step`` for whatever is not packed rows of the network's dtype with targets ready for the loss."""
        inputs, targets, weights, n = self._batch("train_step", x, y, sample_weight)
        return self.trainer.step_on(inputs, targets, weights, n, self.learning_rate)

    def _batch(
        self, who: str, x: Any, y: Any, sample_weight: Any
    ) -> tuple[list[np.ndarray], list[np.ndarray], Any, int]:
        """Return packed inputs, targets and weights of one row or one batch."""
        self._require_compiled(who)
        values = [as_numeric(who, "X", value) for value in as_list(who, "X", x, len(self.input_shapes))]
        if values[0].shape == self.input_shapes[0] and y is not None:
            values = [value[None] for value in values]
            parts = [as_numeric(who, "y", part)[None] for part in as_list(who, "y", y, len(self.losses))]
            y = parts if len(parts) > 1 else parts[0]
            if sample_weight is not None:
                sample_weight = np.asarray(sample_weight)[None]
        inputs, n = self._pack_rows(who, values)
        targets = self._targets(who, y, n)
        steps = common_steps(self.losses, self.output_shapes)
        return inputs, targets, as_weights(who, sample_weight, n, steps, self.dtype), n

    def _targets(self, who: str, y: Any, n: int) -> list[np.ndarray]:
        """Return packed targets, one array per output."""
        if y is None:
            raise ValueError(f"{who}: expected targets y, got None; for an autoencoder pass X again")
        parts = as_list(who, "y", y, len(self.losses))
        return [
            as_targets(who, loss, part, n, shape, self.dtype)
            for loss, part, shape in zip(self.losses, parts, self.output_shapes, strict=True)
        ]

    def apply_gradients(self) -> None:
        """Let the optimiser update the parameters by what stands in ``grads``.

        Raises
        ------
        RuntimeError
            If the network is not compiled.

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> net = fn.Sequential([fn.Dense(1, bias=False)], input_shape=1, seed=0)
        >>> net.compile(optimizer=fn.SGD(0.5))
        >>> net.params[:] = 1.0
        >>> y = net.forward([[2.0]])
        >>> dx = net.backward(np.ones_like(y))  # dy/dw = x = 2
        >>> net.apply_gradients()
        >>> net.params
        array([0.], dtype=float32)
        """
        self._require_compiled("apply_gradients")
        self.trainer.apply_gradients(self.learning_rate)

    # ---- keeping ---------------------------------------------------------------------------------------------------

    def save(
        self, path: str | PathLike[str], *, optimizer: bool = False, metadata: dict[str, Any] | None = None
    ) -> None:
        """Write the network to one safetensors file, atomically.

        Parameters
        ----------
        path : str or path
            Where to; an existing file is replaced only once the new one is complete.
        optimizer : bool
            Also keep loss, optimiser state and random position, so that training resumes bit for bit.
        metadata : dict of JSON values, optional
            Kept with the file as ``net.metadata``.

        Raises
        ------
        ValueError
            If a part holds code and has no name, or metadata is not JSON.
        OSError
            If the file cannot be written.
        """
        from fastnn.serialization import save

        save(self, path, optimizer=optimizer, metadata=metadata)

    def save_weights(self, path: str | PathLike[str]) -> None:
        """Write the parameters, and nothing else, to one npz file, atomically.

        Parameters
        ----------
        path : str or path
            Where to, as given: no suffix is added.  ``numpy.load`` reads the file.

        Raises
        ------
        ValueError
            If a parameter is NaN or infinite.
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> import os, tempfile, numpy as np, fastnn as fn
        >>> net = fn.Sequential([fn.Dense(1)], input_shape=2, seed=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     net.save_weights(os.path.join(folder, "w.npz"))
        ...     with np.load(os.path.join(folder, "w.npz")) as arrays:
        ...         print(arrays.files)
        ['dense_1.weight', 'dense_1.bias']
        """
        from fastnn.interchange.weights import save_weights

        save_weights(self, path)

    def load_weights(self, path: str | PathLike[str]) -> None:
        """Set all parameters from an npz file of arrays by name; what an optimiser remembers stays.

        Parameters
        ----------
        path : str or path
            Written by ``save_weights``, or by ``numpy.savez`` with the names of ``named_parameters``.

        Raises
        ------
        ModelFormatError
            If the file is damaged or something else, or its names, shapes or dtypes are not those of the network, or a
            number is NaN or infinite; the network stays as it was.
        OSError
            If the file cannot be read.
        """
        from fastnn.interchange.weights import load_weights

        load_weights(self, path)

    def to_onnx(
        self,
        path: str | PathLike[str],
        *,
        input_names: Sequence[str] | None = None,
        output_names: Sequence[str] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Write the network as an ONNX model, checked before anything is written, and atomically.

        Parameters
        ----------
        path : str or path
            Where to; an existing file is replaced only once the new one is complete.
        input_names, output_names, metadata
            As in ``fn.interchange.to_onnx``, which gives the model itself and says what is in it.

        Raises
        ------
        ImportError
            If onnx is not installed.
        ValueError, TypeError
            If the network holds something that ONNX cannot, a name is not allowed, or metadata is not JSON.
        OSError
            If the file cannot be written.

        Examples
        --------
        >>> import os, tempfile, fastnn as fn
        >>> net = fn.Sequential([fn.Dense(8, "relu"), fn.Dense(3)], input_shape=4, seed=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     net.to_onnx(os.path.join(folder, "net.onnx"), input_names=["features"])
        ...     fn.from_onnx(os.path.join(folder, "net.onnx"))
        <Sequential (B, 4) -> (B, 3), 67 parameters, float32>
        """
        from fastnn.interchange.onnx_export import save_onnx

        save_onnx(self, path, input_names=input_names, output_names=output_names, metadata=metadata)

    def export_c(
        self,
        path: str | PathLike[str],
        name: str | None = None,
        *,
        dtype: Any = None,
        rows: Any = None,
        selftest: bool = True,
        standardizer: Standardizer | None = None,
        target_standardizer: Standardizer | None = None,
        notes: str = "",
    ) -> CExport:
        """Write the network as C: one source file and one header that need a C99 or C++ compiler and nothing else.

        ``NAME_run(&scratch, x, y)`` answers one row.  The code allocates nothing, has no state, needs <math.h> alone.
        Memory for what lies between the layers is a struct of the caller's, ``NAME_scratch``: so its size is known when
        the program is built, it lies where the caller has room, and any number of threads can run.

        Parameters
        ----------
        path : str or path
            The source file, which ends in ``.c``; the header stands beside it and ends in ``.h``.  Both are written or
            none; only files that were written so are replaced.
        name : str, optional
            What all names in C begin with; the name of the file if not given.
        dtype : {"float32", "float64", "int8"}, optional
            Of numbers and arithmetic; that of the network if not given.  "int8": the weights of Dense, DropConnect and
            recurrent layers are 8-bit whole numbers times a scale for each output, ``|w - q s| <= max|w| / 254``;
            everything else, activations and sums too, stays in the network's dtype.  That takes a quarter of the room,
            and no time for turning activations into whole numbers, nor the error of it.
        rows : array_like of shape (B, *input_shape), optional
            Rows to test by, for several inputs a list; if not given, eight of a standard normal distribution, and of
            indices for an Embedding, drawn by the network's seed.  The first 32 are stored.
        selftest : bool
            Store rows and answers, so that compiling with ``-DNAME_SELFTEST`` gives a program that checks itself.
        standardizer, target_standardizer : Standardizer, optional
            How the data were scaled; written as the functions ``NAME_standardize(raw, x)`` and
            ``NAME_unstandardize(y, values)``.  ``rows`` are raw then.  For networks of one input, or one output.
        notes : str
            For the comment in the header.

        Returns
        -------
        CExport
            The files, sizes in bytes, the tolerance of the self test, and the error that 8 bits make on the rows.

        Raises
        ------
        ValueError
            If a layer has no form in C (Custom), the name is no C identifier, a parameter or an answer to the rows is
            not finite, or an option does not fit.
        TypeError
            If an option is of the wrong kind.
        RuntimeError
            If a standardizer was not fitted.
        OSError
            If the files cannot be written, or (FileExistsError) others stand in their place.

        Notes
        -----
        The error of 8 bits in a single layer is at most ``sum_i |x_i| max_i |w_ij| / 254`` in output j, and rounding.

        Examples
        --------
        >>> import os, tempfile, fastnn as fn
        >>> net = fn.Sequential([fn.Dense(16, "tanh"), fn.Dense(2)], input_shape=4, seed=0)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     report = net.export_c(os.path.join(folder, "policy.c"))
        >>> report.name, report.flash_bytes, report.ram_bytes
        ('policy', 456, 64)
        """
        from fastnn.export_c import export_c

        return export_c(
            self,
            path,
            name,
            dtype=dtype,
            rows=rows,
            selftest=selftest,
            standardizer=standardizer,
            target_standardizer=target_standardizer,
            notes=notes,
        )

    def astype(self, dtype: Any) -> Self:
        """Return a copy in another dtype, not compiled.

        Parameters
        ----------
        dtype : {"float32", "float64"}
            Of the copy.

        Examples
        --------
        >>> import fastnn as fn
        >>> fn.Sequential([fn.Dense(1)], input_shape=2, seed=0).astype("float64").params.dtype
        dtype('float64')
        """
        net = type(self).__new__(type(self))
        net._build(self.structure, self.seed, dtype, draw=False)
        net.params[:] = self.params
        net.metadata = dict(self.metadata)
        return net

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.structure, self.seed, str(self.dtype)), self._state()

    def _state(self) -> dict[str, Any]:
        """Everything that is not in the structure, as plain values and arrays."""
        state: dict[str, Any] = {
            "params": self.params.copy(),
            "epoch": self.epoch,
            "forwards": self._forwards,
            "metadata": self.metadata,
            "history": self.history,
        }
        if self.trainer is not None:
            state["compiled"] = {
                "losses": self.losses,
                "loss_weights": self.loss_weights,
                "optimizer": self.optimizer,
                "metrics": self.metrics,
                "state": self.trainer.optimizer.state.copy(),
                "updates": self.trainer.optimizer.step,
                "step": self.trainer.step,
                "schedule": dict(getattr(self.schedule, "state", {})),
            }
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.params[:] = state["params"]
        self.epoch, self._forwards = state["epoch"], state["forwards"]
        self.metadata, self.history = state["metadata"], state["history"]
        compiled = state.get("compiled")
        if compiled is not None:
            self.compile(
                compiled["losses"] or None,
                compiled["optimizer"],
                metrics=compiled["metrics"],
                loss_weights=compiled["loss_weights"],
            )
            self.trainer.optimizer.state[...] = compiled["state"]
            self.trainer.optimizer.set_step(compiled["updates"])
            self.trainer.step = compiled["step"]
            if compiled["schedule"]:
                self.schedule.load_state(compiled["schedule"])  # type: ignore[attr-defined]


class Sequential(Network):
    """Layers one after the other.

    Parameters
    ----------
    layers : list of Layer
        The same layer twice shares its parameters.
    input_shape : int or tuple of int
        Shape of one row.
    seed, dtype
        As in Network.

    Raises
    ------
    TypeError, ValueError
        If a part is not a layer, or the shapes do not fit.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.Dense(128, "relu"), fn.Dropout(0.2), fn.Dense(10)], input_shape=784, seed=0)
    >>> net.predict(np.zeros((2, 784))).shape
    (2, 10)
    """

    if TYPE_CHECKING:  # one input and one output: an answer is one array

        def predict(self, X: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]: ...  # noqa: D102
        def predict_one(self, x: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]: ...  # noqa: D102

    def __init__(
        self, layers: Iterable[Layer], input_shape: int | Shape, *, seed: int | None = None, dtype: Any = "float32"
    ) -> None:
        x = first = Input(as_shape("Sequential", input_shape))
        layers = list(layers)
        if not layers:
            raise ValueError("Sequential: expected at least one layer, got none")
        for position, layer in enumerate(layers):
            if not isinstance(x, Tensor):
                raise TypeError(
                    f"Sequential: expected layers that give one tensor, got {layers[position - 1]!r:.200}; "
                    "build a Network"
                )
            if not isinstance(layer, Layer):
                hint = "; write Dense(...), not Dense" if isinstance(layer, type) else ""
                raise TypeError(f"Sequential: expected layers, got {layer!r:.60} at position {position}{hint}")
            x = layer(x)
        if not isinstance(x, Tensor):
            raise TypeError(
                f"Sequential: expected layers that give one tensor, got {layers[-1]!r:.200}; build a Network"
            )
        self._build(trace((first,), (x,)), seed, dtype)


def _rebuild(kind: type[Network], structure: Structure, seed: int, dtype: str) -> Network:
    """Make a network of this structure, for pickle."""
    net = kind.__new__(kind)
    net._build(structure, seed, dtype, draw=False)
    return net


def as_dtype(dtype: Any) -> np.dtype:
    """Return float32 or float64.

    Raises
    ------
    ValueError
        If it is another dtype.
    """
    try:
        result = np.dtype(dtype)
    except (TypeError, ValueError, SyntaxError):
        result = np.dtype(object)
    if dtype is None or result not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise ValueError(f"Network: expected dtype float32 or float64, got {dtype!r:.60}")
    return result
