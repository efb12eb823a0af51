"""The graph: a plan of ops with its parameters, that runs forward and backward and can be compiled to learn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cached_property, partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import numpy as np

import fastnn.threads  # noqa: F401  a network that is never fitted, too, has the default number of threads
from fastnn._core.engine import Engine
from fastnn._core.rng import PARAMETERS, RandomStream, fresh_seed
from fastnn._spec import at_least_0, choose, float_dtype, require_seed
from fastnn.data.ports import Ports
from fastnn.graph.answers import predict, predict_one
from fastnn.graph.assembly import Application, Assembly, Place, assemble
from fastnn.graph.binding import as_losses, as_metrics, bind_trainer, constant_rate, fast_path_targets
from fastnn.graph.composition import applied, copies
from fastnn.graph.kinds import KINDS, kinds
from fastnn.graph.layer_view import LayerView
from fastnn.graph.outputs import Output, read_outputs
from fastnn.graph.padding import padding_of
from fastnn.graph.passes import backward, forward
from fastnn.graph.structure import Structure
from fastnn.graph.weights import changing, fill, set_weights, take_weights, vector_of
from fastnn.layers.base import Layer, Shape, Tensor, batched
from fastnn.optimizers import Optimizer, as_optimizer
from fastnn.schedules import Schedule

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from fastnn.losses import Loss


class Graph(Engine):
    """A directed acyclic graph of layers, with its plan of ops and its parameters.

    ``Network`` and ``Sequential`` are graphs with the methods that users call; code that builds, changes or reads
    networks uses the methods of this class.

    Attributes
    ----------
    structure : Structure
        Which layers there are, and which reads what.
    assembly : Assembly
        The plan, and where applications and parameters are in it.
    ports : Ports
        What rows and targets must look like.
    params, grads : ndarray of shape (n_params,)
        All parameters and their gradients, each one contiguous vector; layers hold views of them.
    layers : list of LayerView
        In the order in which they run.
    epoch : int
        Epochs of training over the network's life: the order of the rows is a function of seed and epoch.
    forwards : int
        Calls of ``forward`` in training mode: the masks of dropout are a function of seed and this number.
    """

    structure: Structure
    assembly: Assembly
    ports: Ports
    losses: list[Loss]

    # ---- building --------------------------------------------------------------------------------------------------

    @classmethod
    def of(
        cls,
        structure: Structure,
        *,
        kind: str | None = None,
        seed: int | None = None,
        dtype: Any = "float32",
        params: np.ndarray | None = None,
    ) -> Any:
        """Return a graph of this structure, whose parameters are 0, or lie in ``params``.

        Parameters
        ----------
        structure : Structure
            What ``trace`` gave, or another graph has.
        kind : {"Network", "Sequential"}, optional
            What it is to be; this class, if not given.
        seed, dtype
            As in Network.
        params : ndarray of shape (n_params,), optional
            The parameters, which are not copied: graphs that share them learn together.

        Returns
        -------
        Graph
            Not compiled.

        Raises
        ------
        KeyError
            If there is no such kind.
        TypeError, ValueError
            If a layer cannot take its inputs, or ``params`` are not what the layers need.
        """
        made: type[Graph] = cls if kind is None else kinds()[kind]
        self = made.__new__(made)
        self._build(structure, seed, dtype, params)
        return self

    def _build(self, structure: Structure, seed: int | None, dtype: Any, params: np.ndarray | None = None) -> None:
        """Make the plan, and the parameter vector unless it is given."""
        self.dtype = float_dtype("Network", dtype)
        self.seed = fresh_seed() if seed is None else seed
        require_seed("Network", self.seed)
        self.structure, self.input_shapes = structure, structure.input_shapes
        self.losses = []
        self.__dict__.update(schedule=None, loss_weights=None, optimizer=None, metrics=None)  # until ``compile``
        self.history: Any = None
        self.metadata: dict[str, Any] = {}
        self.epoch = self.forwards = 0
        self.fitting = Lock()  # locked while a fit runs
        self.listening: Sequence[Any] = ()  # callbacks of the fit that runs
        self.callback_states: list[dict[str, Any]] = []  # what those of the next fit go on from
        self.assembly = assemble(structure, self.dtype)
        self.output_shapes = self.assembly.output_shapes
        find_padding = partial(padding_of, structure)
        self.ports = Ports(self.input_shapes, self.output_shapes, (), self.dtype, find_padding)
        plan = self.assembly.plan
        try:
            self._bind(plan, vector_of(params, plan.n_params, self.dtype), self.input_shapes, self.output_shapes)
        except MemoryError as error:
            raise MemoryError(f"Network: no memory for {plan.n_params} parameters and their gradients") from error
        self.layers = self._layer_views()

    def _layer_views(self) -> list[LayerView]:
        """Return each layer with views of its parameters and gradients."""
        parameters: dict[str, dict[str, np.ndarray]] = {name: {} for name in self.assembly.layers}
        gradients: dict[str, dict[str, np.ndarray]] = {name: {} for name in parameters}
        for place in self.assembly.places:
            parameters[place.layer][place.name] = place.of(self.params)
            if place.learned:
                gradients[place.layer][place.name] = place.of(self.grads)
        first = sorted(self.assembly.layers.values(), key=lambda application: application.output)
        return [
            LayerView(a.name, a.layer, a.input_shapes, a.output_shape, parameters[a.name], gradients[a.name])
            for a in first
        ]

    def draw_parameters(self) -> None:
        """Draw the initial value of every parameter, each from a random stream of its own that ``seed`` decides."""
        for i, place in enumerate(self.assembly.places):
            initializer = self.assembly.layers[place.layer].layer.initializer(place.name)
            random = RandomStream(self.seed, PARAMETERS + i)
            place.of(self.params)[...] = initializer.draw(place.shape, place.fan_in, place.fan_out, random)

    def __call__(self, *inputs: Tensor) -> Any:
        """Apply a copy of the network to tensors, as a part of a larger one.

        Parameters
        ----------
        *inputs : Tensor
            As many as it has inputs, of their shapes.

        Returns
        -------
        Tensor
            For several outputs a list.

        Raises
        ------
        TypeError, ValueError
            If they are not such tensors.

        Notes
        -----
        Each network has one vector of parameters, so the larger network has its own: it starts from the values that
        this one has when it is built, and training it changes this one no more than the other way round.  Applied
        several times within one network, it shares its parameters with itself.

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> encode = fn.Sequential([fn.Dense(3, "tanh")], input_shape=8, seed=0)
        >>> left, right = fn.Input(8), fn.Input(8)
        >>> net = fn.Network([left, right], fn.Dense(1)(fn.concatenate(encode(left), encode(right))), seed=0)
        >>> net.n_params, bool((net.layers[0].weight == encode.layers[0].weight).all())
        (34, True)
        """
        return applied(self, inputs)

    @cached_property
    def parts(self) -> tuple[Layer, ...]:
        """Copies of its layers, which stand for them in networks that it is a part of."""
        return copies(self.structure.layers)

    # ---- looking ---------------------------------------------------------------------------------------------------

    @property
    def kind(self) -> str:
        """Its class by the name that files use: that of a derived class is its nearest base in ``KINDS``."""
        names = {kind: name for name, kind in KINDS.items()}
        return next(names[base] for base in type(self).__mro__ if base in names)

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

    @property
    def feature_names(self) -> Any:
        """Names of the columns that it learned from, a tuple of texts, or None; for several inputs a list of such."""
        return self.ports.feature_names

    @property
    def evaluator(self) -> Any:
        """What ``evaluate`` runs on: the losses of a compiled network bound to its plan."""
        return self.trainer

    @property
    def outputs(self) -> tuple[Output, ...]:
        """How each output is read, by the losses of a compiled network: threshold, task, answers.

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> net = fn.Sequential([fn.Dense(3)], input_shape=2, seed=0)
        >>> net.compile("cross_entropy")
        >>> net.outputs[0].task
        'classes'
        >>> net.outputs[0].probabilities(net.predict(np.zeros((1, 2)))).round(3)
        array([[0.333, 0.333, 0.333]])
        """
        self.require_compiled("outputs")
        return read_outputs(self.plan, [loss.link for loss in self.losses], self.output_shapes)

    @property
    def applications(self) -> list[Application]:
        """Every application of a layer that an output depends on, in the order in which they run."""
        return self.assembly.applications

    @property
    def places(self) -> list[Place]:
        """Where every parameter lies in ``params``, in its order."""
        return self.assembly.places

    def named_parameters(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield ("layer.parameter", view into params) in the order of ``params``.

        Examples
        --------
        >>> import fastnn as fn
        >>> net = fn.Sequential([fn.Dense(3)], input_shape=2, seed=0)
        >>> [(name, view.shape) for name, view in net.named_parameters()]
        [('dense_1.weight', (2, 3)), ('dense_1.bias', (3,))]
        """
        for place in self.places:
            yield f"{place.layer}.{place.name}", place.of(self.params)

    def named_gradients(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield ("layer.parameter", view into grads) in the order of ``grads``.

        Of running statistics (see BatchNorm), which are not learned, there is none: their part of ``grads`` stays 0.
        """
        for place in self.places:
            if place.learned:
                yield f"{place.layer}.{place.name}", place.of(self.grads)

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
        rows, n = self.ports.rows("activations", X)
        return {application.title: a for application, _, a in self.run_layers(rows, n)}

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
        rows, n = self.ports.rows("preactivations", X)
        return {application.title: z for application, z, _ in self.run_layers(rows, n)}

    def run_layers(
        self, inputs: list[np.ndarray], n: int, *, training: bool = False, step: int = 0
    ) -> Iterator[tuple[Application, np.ndarray, np.ndarray]]:
        """Yield each application with its z and its a for packed rows, of shape (B, *output_shape).

        Parameters
        ----------
        inputs : list of ndarray
            Packed rows of each input.
        n : int
            How many rows.
        training : bool
            Whether units are dropped out and batch normalisation uses the statistics of the batch.
        step : int
            The number that, with the seed, decides the masks of dropout.
        """
        self._forward_rows(inputs, n, training, self.seed, step)
        for application in self.applications:
            z, a = self._value(application.preactivation), self._value(application.activation)
            yield application, z.reshape(n, *application.output_shape), a.reshape(n, *application.output_shape)
        self._forget_rows()

    def tap(self, *layers: str) -> Any:
        """Return a network that answers with the outputs of layers within this one, and shares its parameters.

        Parameters
        ----------
        *layers : str
            Names of layers; of one that is applied several times ``name:2`` and so on.

        Returns
        -------
        Network
            With these outputs, in this order; its inputs, and ``params`` itself, are this network's.  It computes what
            they depend on and nothing else.  Not compiled.

        Raises
        ------
        ValueError
            If none is given, or there is no such layer.

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> net = fn.Sequential([fn.Dense(3, "relu", name="hidden"), fn.Dense(1)], input_shape=2, seed=0)
        >>> hidden = net.tap("hidden")
        >>> hidden.predict(np.ones((5, 2))).shape
        (5, 3)
        >>> hidden.params is net.params
        True
        """
        if not layers:
            raise ValueError("tap: expected the name of at least one layer, got none")
        tensors = {application.title: application.output for application in self.applications}
        for layer in layers:
            choose("tap: unknown layer", layer, list(tensors))
        structure = replace(self.structure, outputs=tuple(tensors[layer] for layer in layers))
        net = Graph.of(structure, kind="Network", seed=self.seed, dtype=self.dtype, params=self.params)
        net.ports = replace(net.ports, names=self.ports.names)
        return net

    # ---- answering -------------------------------------------------------------------------------------------------

    def _predict_checked(self, X: Any, out: Any) -> Any:
        return predict(self, self.ports, X, out)

    def _predict_one_checked(self, x: Any, out: Any) -> Any:
        return predict_one(self, self.ports, x, out)

    def forward(self, X: Any, training: bool = False) -> Any:
        """Run rows forward and remember everything that ``backward`` needs.

        Parameters
        ----------
        X : array_like of shape (B, *input_shape)
            Rows; for several inputs a list.
        training : bool
            Whether units are dropped out and batch normalisation uses the statistics of the batch.

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
        return forward(self, X, training)

    def backward(self, dy: Any, *, accumulate: bool = False, parameters: bool = True, inputs: bool = True) -> Any:
        """Send the gradient with respect to the outputs back through the last ``forward``.

        Parameters
        ----------
        dy : array_like of shape (B, *output_shape)
            dloss/doutput; for several outputs a list, None for those that the loss does not depend on.
        accumulate : bool
            Add to ``grads`` instead of replacing them.
        parameters : bool
            Whether gradients of the parameters are wanted.  False saves about half of the work, and leaves
            ``grads`` as it is: for explanations, or to train another network through this one.
        inputs : bool
            Whether the gradient of the inputs is wanted; False saves the work of the first layers for it.

        Returns
        -------
        ndarray of shape (B, *input_shape), or None
            dloss/dinput; for several inputs a list; None without ``inputs``.  ``grads`` holds dloss/dparams, summed
            over the rows.

        Raises
        ------
        RuntimeError
            If there was no ``forward``.
        TypeError, ValueError
            If dy does not fit, or the options leave nothing to do or contradict each other.

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> net = fn.Sequential([fn.Dense(1)], input_shape=2, seed=0)
        >>> y = net.forward(np.ones((3, 2)))
        >>> dx = net.backward(np.ones_like(y), parameters=False)
        >>> bool((dx == net.layers[0].weight[:, 0]).all()), net.grads
        (True, array([0., 0., 0.], dtype=float32))
        """
        return backward(self, dy, accumulate, parameters, inputs)

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
        trainer = bind_trainer(
            self.assembly, self.params, self.grads, losses, shares, measured, chosen, self.seed, step
        )
        schedule = deepcopy(chosen.schedule)  # a copy, since a schedule may have state
        values = schedule, losses, shares, chosen, measured, replace(self.ports, losses=tuple(losses))
        bound = trainer, *fast_path_targets(losses, self.output_shapes), constant_rate(schedule)
        self._bind_trainer(*bound)  # from here on nothing can fail for want of memory
        self.schedule, self.losses, self.loss_weights, self.optimizer, self.metrics, self.ports = values

    def bind_trainer(self, trainer: Any) -> None:
        """Use this trainer in ``train_step``.

        Parameters
        ----------
        trainer : Trainer or None
            Of this network's plan and losses; None: the network is not compiled.
        """
        taken = (None, 0) if trainer is None else fast_path_targets(self.losses, self.output_shapes)
        self._bind_trainer(trainer, *taken, -1.0 if trainer is None else constant_rate(self.schedule))

    def require_compiled(self, who: str, *, loss: bool = True) -> None:
        """Raise RuntimeError unless the network is compiled.

        Parameters
        ----------
        who : str
            The function that needs it.
        loss : bool
            Whether it needs a loss too.
        """
        if self.trainer is None:
            self.ports.require_losses(who)
        if loss and not self.losses:
            raise RuntimeError(f"{who}: expected a loss; call net.compile(loss=..., optimizer=...)")

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next update; a number or a schedule may be assigned to it.

        The optimiser then goes on with what it remembers, and a schedule with the number of updates so far.  Within
        ``fit``, from a callback, it is heeded from the next epoch on.

        Raises
        ------
        RuntimeError
            If the network is not compiled.
        TypeError, ValueError
            If it is no number or schedule, or the schedule gives a rate that is negative, infinite or not a number.

        Examples
        --------
        >>> import fastnn as fn
        >>> net = fn.Sequential([fn.Dense(1)], input_shape=2, seed=0)
        >>> net.compile("squared_error", fn.Adam(0.01))
        >>> net.learning_rate = 0.001
        >>> net.optimizer.learning_rate
        0.001
        """
        self.require_compiled("learning_rate", loss=False)
        step = self.trainer.optimizer.step
        rate = float(self.schedule(step))
        if not (math.isfinite(rate) and rate >= 0):
            raise ValueError(f"learning_rate: expected a finite rate of at least 0 at step {step}, got {rate}")
        return rate

    @learning_rate.setter
    def learning_rate(self, value: float | Schedule) -> None:
        self.require_compiled("learning_rate", loss=False)
        self.optimizer = replace(self.optimizer, learning_rate=value)
        self.schedule = deepcopy(self.optimizer.schedule)
        self.bind_trainer(self.trainer)

    def _rate_of(self, who: str, learning_rate: Any) -> float:
        """Return the rate that a call is given, or that of the schedule for None."""
        if learning_rate is None:
            return self.learning_rate
        at_least_0(who, "learning_rate", learning_rate)
        return float(learning_rate)

    def _train_step_checked(self, x: Any, y: Any, sample_weight: Any, learning_rate: Any = None) -> float:
        """``train_step`` for arguments that are not packed arrays of the right dtype and shape: the slow path."""
        self.require_compiled("train_step")
        inputs, targets, weights, n = self.ports.batch("train_step", x, y, sample_weight)
        rate = self._rate_of("train_step", learning_rate)
        ports = self.ports.named(x)  # before the update: it may fail
        loss: float = self.trainer.step_on(inputs, targets, weights, n, rate)
        self.ports = ports
        return loss

    def apply_gradients(self, *, learning_rate: float | None = None) -> None:
        """Let the optimiser update the parameters by the gradients in ``grads``.

        Parameters
        ----------
        learning_rate : float, optional
            Of this update alone, at least 0; that of the optimiser, or its schedule, if not given.

        Raises
        ------
        RuntimeError
            If the network is not compiled.
        TypeError, ValueError
            If the learning rate is no finite number of at least 0.
        DivergenceError
            If gradients are not finite, which changes nothing, or the update makes something infinite or NaN: see
            ``train_step``.

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
        self.require_compiled("apply_gradients", loss=False)
        self.trainer.apply_gradients(self._rate_of("apply_gradients", learning_rate))

    # ---- copies and state ------------------------------------------------------------------------------------------

    def copy(self) -> Self:
        """Return a copy that learns and is changed by itself: parameters, optimiser, counters, metadata, history.

        Examples
        --------
        >>> import fastnn as fn
        >>> net = fn.Sequential([fn.Dense(1)], input_shape=2, seed=0)
        >>> target = net.copy()
        >>> net.params += 1
        >>> bool((net.params - target.params == 1).all())
        True
        """
        return deepcopy(self)

    def get_weights(self) -> list[np.ndarray]:
        """Return a copy of each parameter, in the order of ``named_parameters``.

        Examples
        --------
        >>> import fastnn as fn
        >>> net = fn.Sequential([fn.Dense(3)], input_shape=2, seed=0)
        >>> [array.shape for array in net.get_weights()]
        [(2, 3), (3,)]
        """
        return [view.copy() for _, view in self.named_parameters()]

    def set_weights(self, weights: Iterable[ArrayLike]) -> None:
        """Set every parameter; what an optimiser remembers stays.

        Parameters
        ----------
        weights : list of array_like
            As ``get_weights`` gives them, of this network or of one with layers of the same shapes.

        Raises
        ------
        TypeError, ValueError
            If they are not as many finite arrays of these shapes; the network stays as it was.
        RuntimeError
            If another thread trains the network.

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> net = fn.Sequential([fn.Dense(1)], input_shape=2, seed=0)
        >>> net.set_weights([np.ones((2, 1)), [3.0]])
        >>> net.predict_one([1.0, 1.0])
        array([5.], dtype=float32)
        """
        set_weights("set_weights", self, weights)

    def take_weights(self, other: Graph) -> list[str]:
        """Take from another network the parameters of the layers that have the same name here, as they are there now.

        So a network grows, or becomes another one around layers that stay: build the new one, with the same names for
        what is to be kept, and let it take the weights of the old one.

        Parameters
        ----------
        other : Network
            It is left as it is; its dtype may be another.

        Returns
        -------
        list of str
            What was taken, as ``named_parameters`` calls it; all other parameters keep their values, and what an
            optimiser remembers stays.

        Raises
        ------
        TypeError, ValueError
            If it is no network, no name is in both, or one of them means parameters of another shape; nothing is taken
            then.
        RuntimeError
            If another thread trains the network.

        Examples
        --------
        >>> import fastnn as fn
        >>> small = fn.Sequential([fn.Dense(8, "tanh", name="first"), fn.Dense(1, name="last")], 4, seed=0)
        >>> x = fn.Input(4)
        >>> h = fn.Dense(8, "tanh", name="first")(x)
        >>> large = fn.Network(x, fn.Dense(1, name="last")(h + fn.Dense(8, "tanh", name="new")(h)), seed=1)
        >>> large.take_weights(small)
        ['first.weight', 'first.bias', 'last.weight', 'last.bias']
        """
        return take_weights(self, other)

    _fill = fill
    changing = changing

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
        net = type(self).of(self.structure, seed=self.seed, dtype=dtype)
        net.params[:] = self.params
        net.metadata = dict(self.metadata)
        net.ports = replace(net.ports, names=self.ports.names)
        return net

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.structure, self.seed, str(self.dtype)), self.state()

    def state(self) -> dict[str, Any]:
        """Return what is not in the structure, as plain values and arrays, ``compiled`` if there is a trainer."""
        state: dict[str, Any] = {
            "params": self.params.copy(),
            "epoch": self.epoch,
            "forwards": self.forwards,
            "metadata": self.metadata,
            "history": self.history,
            "names": self.ports.names,
            "callback_states": self.callback_states,
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
                "schedule": self.schedule.state,
            }
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.params[:] = state["params"]
        self.metadata, self.epoch, self.forwards = state["metadata"], state["epoch"], state["forwards"]
        self.history, self.callback_states = state["history"], state.get("callback_states", [])
        self.ports = replace(self.ports, names=state.get("names", ()))
        compiled = state.get("compiled")
        if compiled is not None:
            self.compile(
                compiled["losses"] or None,
                compiled["optimizer"],
                metrics=compiled["metrics"],
                loss_weights=compiled["loss_weights"],
            )
            self.resume(compiled)

    def resume(self, compiled: dict[str, Any]) -> None:
        """Go on training from the state that ``state()["compiled"]`` holds, on a network compiled in the same way.

        Parameters
        ----------
        compiled : dict
            Its ``state`` of the optimiser, ``updates``, ``step`` and ``schedule``.
        """
        self.trainer.optimizer.state[...] = compiled["state"]
        self.trainer.optimizer.set_step(compiled["updates"])
        self.trainer.step = compiled["step"]
        self.schedule.load_state(compiled["schedule"])


def _rebuild(kind: type[Graph], structure: Structure, seed: int, dtype: str) -> Graph:
    """Make a network of this structure, for pickle."""
    return kind.of(structure, seed=seed, dtype=dtype)
