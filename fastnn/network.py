"""Networks: what users build, train, look into and save."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, Self

from fastnn._spec import require_count
from fastnn.graph.composition import sources, take_parameters
from fastnn.graph.folding import folded
from fastnn.graph.graph import Graph
from fastnn.graph.kinds import KINDS
from fastnn.graph.memory import Memory, memory_of
from fastnn.graph.outputs import probabilities
from fastnn.graph.quantized import FACE, QuantizedGraph
from fastnn.graph.structure import chained, trace
from fastnn.graph.summary import aligned, describe, describe_html, describe_quantized, describe_quantized_html
from fastnn.layers.base import Layer, Shape, Tensor, check_tensors
from fastnn.optimizers import Optimizer

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from fastnn.data import Standardizer
    from fastnn.formats.c import CExport
    from fastnn.training.history import History


class Network(Graph):
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
    feature_names : tuple of str, or None
        Names of the columns of the data frame that it learned from first; for several inputs a list of such.

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
        self._start(ins, outs, seed, dtype)

    history: History | None

    def _start(self, inputs: tuple[Tensor, ...], outputs: tuple[Tensor, ...], seed: int | None, dtype: Any) -> None:
        self._build(trace(inputs, outputs), seed, dtype)
        self.draw_parameters()
        take_parameters(self, sources(outputs))

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
        with 32 rows: 10.3 kB in training, 6.2 kB in inference
        """
        return describe(self)

    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class, for some rows.

        Parameters
        ----------
        X : array_like of shape (B, *input_shape)
            Rows; for several inputs a list.

        Returns
        -------
        ndarray of shape (B, K), float64
            Rows that sum to 1, K = O, or 2 for a single output; (B, O), each by itself, where outputs are several
            labels at once.  For several outputs a list.

        Raises
        ------
        TypeError, ValueError
            If X does not fit, or the outputs are no classes.
        RuntimeError
            If neither a loss nor a last softmax or sigmoid says how outputs are read.

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> net = fn.Sequential([fn.Dense(4, kernel_initializer="zeros")], input_shape=2, seed=0)
        >>> net.compile("cross_entropy")
        >>> net.predict_proba(np.ones((1, 2)))
        array([[0.25, 0.25, 0.25, 0.25]])
        """
        return probabilities("predict_proba", self.plan, self.losses, self.output_shapes, self.predict(X))

    def _repr_html_(self) -> str:
        return describe_html(self)

    # ---- learning --------------------------------------------------------------------------------------------------

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
        validation_split: float = 0.0,
        callbacks: Iterable[Any] = (),
        shuffle: bool = True,
        verbose: int | Literal["auto"] = "auto",
        loss: Any = None,
        optimizer: str | Optimizer | None = None,
        metrics: Sequence[Any] | None = None,
        team: Any = None,
        average_every: int | None = None,
        accumulate: int = 1,
    ) -> History:
        """Learn from data, epoch after epoch.

        Parameters
        ----------
        X : array_like of shape (N, *input_shape), data frame, or iterable of batches
            Rows, for several inputs a list; of a data frame (pandas, polars, Arrow) the columns, whose names must then
            be the same, in the same order, in every later call; a memmap may be larger than memory, and a sparse matrix
            or array of SciPy is made dense a few megabytes at a time.  Or, with y None, an iterable that gives
            ``(x, y)`` or ``(x, y, sample_weight)`` per mini-batch.  Or `Examples`, which make rows on demand, such as
            `Windows`.
        y : array_like, optional
            Targets as the loss takes them; for several outputs a list.
        epochs : int
            How often to go through the data.
        batch_size : int
            Rows per update; gradients are averaged over them.  An iterable brings its own batches.  With a BatchNorm, a
            single row that remains joins the last.
        sample_weight : array_like of shape (N,), or (N, T) for outputs over T steps, optional
            Weights of the rows, or of their steps, in the mean; 0 for steps that only fill a sequence up.
        class_weight : dict or "balanced", optional
            Weights by integer label, times sample_weight; "balanced": N / (classes * count).
        validation_data : tuple, Examples or iterable of batches, optional
            ``(X, y)`` or ``(X, y, sample_weight)``, evaluated after every epoch.
        validation_split : float
            In place of validation_data: the part of the rows, the last ones as they are given, that nothing is learned
            from; at least 0 and below 1.  Rows that are sorted by class must be shuffled before.
        callbacks : list
            Callback objects, or functions of EpochInfo that return True to stop.
        shuffle : bool
            Take the rows in a new random order every epoch, a function of (seed, epoch).  Memmaps and arrays that
            need converting, if they are larger than a buffer of 32 MB, are shuffled in blocks and within the buffer.
            Sparse rows come in the order that a packed array has, and give the same parameters, bit for bit.
        verbose : {"auto", 0, 1, 2}
            0 silent, 1 a progress bar on stderr, 2 a line per epoch on stdout; "auto": a bar on a terminal.
        loss, optimizer, metrics : optional
            If loss or optimizer is given, ``compile`` is called first: so a loaded network learns on.
        team : communicator of mpi4py, optional
            Such as ``MPI.COMM_WORLD``: its processes, up to 16, train this network together.  All call ``fit``, each
            with a network of the same parameters (made with one seed, or loaded from one file), all rows and the same
            options; each goes through its part of every mini-batch, ``batch_size`` counting the rows of all parts.  All
            end with the same parameters, bit for bit, whatever their number.  Or X gives batches of rows of this
            process alone and says so by ``X.share``, (rank, size): `read_batches` with ``share``.
        average_every : int, optional
            In a team: each process makes updates of its own, from its part of each mini-batch, and after so many of
            them, and at the end of an epoch, parameters and what the optimiser keeps become their means (local SGD).
            Where it is left out, gradients are added up in every update.
        accumulate : int
            Mini-batches whose gradients make one update, weighted by their rows: what ``batch_size * accumulate``
            learns, in the memory of ``batch_size`` rows; of an iterable, so many of its batches.

        Returns
        -------
        History
            Per epoch: loss, val_loss, metrics as ``val_...``, learning_rate, seconds; accuracy and error, if they are
            among the metrics, of the training too.  Also ``net.history``.

        Raises
        ------
        TypeError, ValueError
            If data or options do not fit; in a team also if they differ between processes; in a team without
            ``average_every``, and with ``accumulate``, if rows of a mini-batch meet in a layer (BatchNorm; take
            GroupNorm or LayerNorm) or may, in a function in Python.
        RuntimeError
            If the network is not compiled.
        DivergenceError
            If the loss is no longer finite.

        Notes
        -----
        In a team what one process raises all raise, in the same update; one that is killed ends the job, and the last
        checkpoint resumes it, with any number of processes.  The first one shows progress, writes (`Checkpoint`,
        `CSVLogger` and what else has ``alone``) and says whether to stop; other callbacks are called on each.  The
        parameters are those of ``fit`` alone, bit for bit, if a network has up to 32,768 parameters or is not cut; a
        larger one sums in another order than alone, the same for every number of processes, one included.  A mini-batch
        that is too small to be cut (below some 128 rows) every process goes through as a whole, and is told of it by a
        warning.  Of validation data each goes through a part, and all learn loss and metrics of the whole, with the
        bits of one process.  With ``average_every`` processes are told of the end of another one, and interrupted, at
        their next mean, and after KeyboardInterrupt all are as after the last one.

        After an exception parameters and optimiser are as before the call; after KeyboardInterrupt as after the last
        complete update.  The loss of an epoch is the mean over its mini-batches as they were met; so are its accuracy
        and error, which are those of the outputs that the updates were made from, dropout and all, at no further cost.

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> X = np.linspace(-1, 1, 64)[:, None]
        >>> net = fn.Sequential([fn.Dense(16, "tanh"), fn.Dense(1)], input_shape=1, seed=0)
        >>> history = net.fit(X, X**2, epochs=300, loss="squared_error", optimizer=fn.Adam(0.01))
        >>> history["loss"][-1] < 0.02
        True
        """
        from fastnn.training.loop import fit

        return fit(
            self,
            X,
            y,
            epochs=epochs,
            batch_size=batch_size,
            sample_weight=sample_weight,
            class_weight=class_weight,
            validation_data=validation_data,
            validation_split=validation_split,
            callbacks=callbacks,
            shuffle=shuffle,
            verbose=verbose,
            loss=loss,
            optimizer=optimizer,
            metrics=metrics,
            team=team,
            average_every=average_every,
            accumulate=accumulate,
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
        from fastnn.training.loop import evaluate

        return evaluate(self, X, y, sample_weight)

    def quantized(self, dtype: Literal["bfloat16", "int8"]) -> QuantizedNetwork:
        """Return a read-only copy to answer with, whose dense layers hold narrow weights.

        Parameters
        ----------
        dtype : {"bfloat16", "int8"}
            "bfloat16": each weight is rounded to its upper 16 bits, ``|w' - w| <= 2^-8 |w|``; half of the room, and the
            answers are, bit for bit, those of the float32 network with these weights.  "int8": whole numbers of 8 bits
            times a scale for each output, ``|w'_io - w_io| <= max_i |w_io| / 254``; a quarter of the room.  The rows
            that meet them are rounded to 8 bits too, each by its own range, and sums are exact.

        Returns
        -------
        QuantizedNetwork
            With the losses and metrics of this network, if it is compiled.  It keeps its weights whatever this network
            learns afterwards.

        Raises
        ------
        TypeError, ValueError
            If the dtype is none of these, or the network is not of float32 and finite.

        Notes
        -----
        Narrow are the weights of `Dense` layers, also within others (`Residual`, say); biases and all other layers stay
        float32, and so does in 8 bits a layer of more than 65,536 inputs.  ``summary`` says which.

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> X, y = fn.load_digits()
        >>> net = fn.Sequential([fn.Dense(64, "relu"), fn.Dense(10)], input_shape=64, seed=0)
        >>> history = net.fit(X, y, epochs=20, loss="cross_entropy", optimizer="adam", metrics=["accuracy"])
        >>> small = net.quantized("int8")
        >>> abs(small.evaluate(X, y)["accuracy"] - net.evaluate(X, y)["accuracy"]) < 0.003
        True
        """
        made: QuantizedNetwork = QuantizedGraph.from_graph(self, dtype)
        return made

    # ---- keeping ---------------------------------------------------------------------------------------------------

    def fold(self) -> Self:
        """Return a network for inference in which batch normalisation is part of the layer before it.

        Where a ``BatchNorm`` comes right after a ``Dense`` or a convolution, the weights and the bias of that layer do
        its work by the running statistics: ``W' = W gain`` and ``b' = (b - mean) gain + beta`` with
        ``gain = gamma / sqrt(variance + epsilon)``.  What cannot be folded stays: a BatchNorm after anything else, or
        after an activation; layers that are applied twice; and where something else reads what is between the two.

        Returns
        -------
        Network or Sequential
            A new one, with fewer layers, not compiled; this one stays as it is.

        Notes
        -----
        It answers what ``predict`` does but for rounding.  In exact arithmetic both are equal; new weights and bias are
        rounded once from float64, so that an output of a folded layer with n inputs differs by at most about
        ``(n + 4) eps (sum |x W'| + |b| gain + |mean| gain + |beta|)``.

        Examples
        --------
        >>> import numpy as np, fastnn as fn
        >>> layers = [fn.Conv2D(4, 3, bias=False), fn.BatchNorm(), fn.Activation("relu"), fn.GlobalAvgPool2D()]
        >>> net = fn.Sequential(layers, input_shape=(5, 5, 1), seed=0)
        >>> small, x = net.fold(), np.random.default_rng(0).normal(size=(2, 5, 5, 1))
        >>> [view.name for view in small.layers], np.allclose(small.predict(x), net.predict(x), atol=1e-6)
        (['conv2d_1', 'activation_1', 'globalavgpool2d_1'], True)
        """
        return folded(self)  # type: ignore[return-value]

    def memory(self, batch_size: int = 32, *, training: bool = True) -> Memory:
        """Return how many bytes so many rows need that run at once.

        Parameters
        ----------
        batch_size : int
            Rows.
        training : bool
            Whether they are a training step's, or answered alone.

        Returns
        -------
        Memory
            Bytes of ``parameters`` (with gradients and, of a compiled network, what the optimiser remembers),
            ``activations``, ``saved``, ``prepared`` (weights as Winograd's tiles need them) and ``scratch``, and their
            sum, ``total``.

        Raises
        ------
        TypeError, ValueError
            If batch_size is not a positive integer.

        Notes
        -----
        ``fit`` cuts large mini-batches of small networks into micro-batches, unless a layer couples the rows
        (BatchNorm), and ``predict`` takes as many rows at a time as stay in the cache: both then need less.  Data are
        not counted.

        Examples
        --------
        >>> import fastnn as fn
        >>> net = fn.Sequential([fn.Dense(16, "tanh"), fn.Dense(16)], input_shape=16, seed=0)
        >>> net.memory(100, training=False)
        Memory(parameters=2176, activations=19200, saved=0, prepared=0, scratch=0)
        """
        require_count(type(self).__name__, "batch_size", batch_size)
        return memory_of(self, batch_size, training)

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
        from fastnn.formats.safetensors import save

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
        from fastnn.formats.weights import save_weights

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
        RuntimeError
            If another thread trains the network.
        """
        from fastnn.formats.weights import load_weights

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
        from fastnn.formats.onnx.write.export import save_onnx

        save_onnx(self, path, input_names=input_names, output_names=output_names, metadata=metadata)

    def to_torch(self, *, state_dict: bool = False) -> Any:
        """Return the network as a module of PyTorch, or its weights as PyTorch has them.

        Parameters
        ----------
        state_dict : bool
            Weights alone, also where there is a module.

        Returns
        -------
        torch.nn.Sequential or OrderedDict of str to torch.Tensor
            A Sequential, in ``eval`` mode and in the network's dtype, whose answers are those of ``predict``, if the
            layers stand in a row and are Dense, Activation, Dropout, Flatten, Reshape, BatchNorm, LayerNorm, Embedding
            (which takes integers there), or of images Conv2D and pools whose padding is the same on both sides: it
            takes images (B, C, H, W), and what reads one that was flattened is turned.  Else a state dict: a tensor for
            each parameter, ``layer.weight`` and so on, matrices and filters turned and gates in PyTorch's order, for
            ``load_state_dict`` of a module whose parts have the names of the layers.  Layers that PyTorch does not have
            keep the names of their parameters.  Tensors are copies.

        Raises
        ------
        ImportError
            If torch is not installed.
        ValueError
            If an LSTM has peepholes or no forget gate, which PyTorch's cannot have.

        Examples
        --------
        >>> import fastnn as fn
        >>> net = fn.Sequential([fn.Dense(8, "relu"), fn.Dense(3)], input_shape=4, seed=0)
        >>> net.to_torch()  # doctest: +SKIP
        Sequential(
          (dense_1): Linear(in_features=4, out_features=8, bias=True)
          (dense_1_activation): ReLU()
          (dense_2): Linear(in_features=8, out_features=3, bias=True)
        )
        """
        from fastnn.formats.torch.write import to_torch

        return to_torch(self, state_dict=state_dict)

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
        from fastnn.formats.c import export_c

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


class Sequential(Network):
    """Layers one after the other.

    Parameters
    ----------
    layers : list of Layer or Network
        The same layer twice shares its parameters.  Of a network comes a copy: see ``Network.__call__``.
    input_shape : int or tuple of int
        Shape of one row; not needed where a network comes first.
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

    A network that has learned, with another last layer:

    >>> body = net.tap("dense_1")
    >>> fn.Sequential([body, fn.Dense(3)], seed=0)
    <Sequential (B, 784) -> (B, 3), 100,867 parameters, float32>
    """

    if TYPE_CHECKING:  # one input and one output: an answer is one array

        def predict(self, X: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]: ...  # noqa: D102
        def predict_one(self, x: ArrayLike, out: NDArray[Any] | None = None) -> NDArray[Any]: ...  # noqa: D102

    def __init__(
        self,
        layers: Iterable[Layer | Network],
        input_shape: int | Shape | None = None,
        *,
        seed: int | None = None,
        dtype: Any = "float32",
    ) -> None:
        first, last = chained(layers, input_shape)
        self._start((first,), (last,), seed, dtype)


class QuantizedNetwork(QuantizedGraph):
    """A network to answer with, read-only, whose dense layers hold narrow weights: made by ``Network.quantized``.

    ``predict`` and ``predict_one`` are those of a network; row by row and as a batch, on every number of threads and on
    every instruction set with fused multiply-add, the answers are the same bits.

    Attributes
    ----------
    weights_dtype : str
        "int8" or "bfloat16".
    matrices : dict of str to Quantized
        ``values`` and ``scale`` of the narrow weights, by layer.
    n_params, nbytes : int
        How many parameters there are, and how many bytes they take.
    metadata : dict
        That of the network, or of the file.

    Raises
    ------
    TypeError
        If it is called: `Network.quantized` and `load` make it.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.Dense(512, "relu"), fn.Dense(10)], input_shape=784, seed=0)
    >>> small = net.quantized("int8")
    >>> small.predict_one(np.ones(784, np.float32)).shape
    (10,)
    >>> net.params.nbytes, small.nbytes
    (1628200, 410704)
    """

    def __init__(self) -> None:
        raise TypeError("QuantizedNetwork: expected to be made by net.quantized(dtype) or fn.load(path), got a call")

    def summary(self) -> str:
        """Return a table of the layers: what they read, shape, dtype of the weights, parameters and bytes.

        Examples
        --------
        >>> import fastnn as fn
        >>> net = fn.Sequential([fn.Dense(64, "relu"), fn.LayerNorm(), fn.Dense(1)], input_shape=32, seed=0)
        >>> print(net.quantized("int8").summary())
        QuantizedNetwork, weights in int8
        layer        type       reads        output   weights  parameters  bytes
        -----------  ---------  -----------  -------  -------  ----------  -----
        input        Input                   (B, 32)                    0      0
        dense_1      Dense      input        (B, 64)  int8          2,112  2,560
        layernorm_1  LayerNorm  dense_1      (B, 64)  float32         128    512
        dense_2      Dense      layernorm_1  (B, 1)   int8             65     72
        2,305 parameters, 3,144 bytes instead of 9,220 in float32
        """
        return describe_quantized(self)

    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class, for some rows; see ``Network.predict_proba``.

        Parameters
        ----------
        X : array_like of shape (B, *input_shape)
            Rows; for several inputs a list.

        Returns
        -------
        ndarray of shape (B, K), float64
            As there.

        Raises
        ------
        TypeError, ValueError, RuntimeError
            As there.
        """
        return probabilities("predict_proba", self.plan, self.losses, self.output_shapes, self.predict(X))

    def _repr_html_(self) -> str:
        return describe_quantized_html(self)

    def evaluate(
        self,
        X: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        reference: Network | None = None,
        verbose: bool = True,
    ) -> dict[str, float]:
        """Return loss and metrics on data, beside those of the float network if it is given.

        Parameters
        ----------
        X, y, sample_weight
            As in ``Network.fit``.
        reference : Network, optional
            What to compare with: the compiled network that this one was made from.
        verbose : bool
            Whether to print the comparison.

        Returns
        -------
        dict of str to float
            "loss" and each metric by name; with a reference also its own, as "reference_loss" and so on.

        Raises
        ------
        TypeError, ValueError
            If the data do not fit, or are batches that can be read only once while a reference is given.
        RuntimeError
            If there is no loss (see ``compile``).

        Examples
        --------
        >>> import fastnn as fn
        >>> X, y = fn.load_digits()
        >>> net = fn.Sequential([fn.Dense(64, "relu"), fn.Dense(10)], input_shape=64, seed=0)
        >>> history = net.fit(X, y, epochs=20, loss="cross_entropy", optimizer="adam", metrics=["accuracy"])
        >>> small = net.quantized("bfloat16")
        >>> scores = small.evaluate(X, y, reference=net, verbose=False)
        >>> sorted(scores)
        ['accuracy', 'loss', 'reference_accuracy', 'reference_loss']
        """
        from fastnn.training.loop import evaluate

        if reference is not None:
            if not isinstance(reference, Network):
                raise TypeError(f"evaluate: expected reference to be a Network, got {type(reference).__name__}")
            if y is None and iter(X) is X:
                raise ValueError("evaluate: expected data that can be read twice beside a reference, got an iterator")
        result = evaluate(self, X, y, sample_weight)
        if reference is None:
            return result
        beside = reference.evaluate(X, y, sample_weight=sample_weight)
        if verbose:
            print(compared(result, beside, self.weights_dtype, str(reference.dtype)))
        return result | {f"reference_{name}": value for name, value in beside.items()}

    def save(self, path: str | PathLike[str], *, metadata: dict[str, Any] | None = None) -> None:
        """Write the network to one safetensors file, atomically; ``fn.load`` reads it.

        Parameters
        ----------
        path : str or path
            Where to; an existing file is replaced only once the new one is complete.
        metadata : dict of JSON values, optional
            Kept with the file as ``net.metadata``.

        Raises
        ------
        ValueError
            If a part holds code and has no name, or metadata is not JSON.
        OSError
            If the file cannot be written.

        Notes
        -----
        Matrices are arrays of I8, with scales in F32 as ``layer.weight:scale``, or of BF16.  Losses are not kept.

        Examples
        --------
        >>> import os, tempfile, numpy as np, fastnn as fn
        >>> small = fn.Sequential([fn.Dense(8)], input_shape=4, seed=0).quantized("int8")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     small.save(os.path.join(folder, "m.safetensors"))
        ...     again = fn.load(os.path.join(folder, "m.safetensors"))
        >>> x = np.ones(4, np.float32)
        >>> bool((again.predict_one(x) == small.predict_one(x)).all())
        True
        """
        from fastnn.formats.safetensors import save_quantized

        save_quantized(self, path, metadata=metadata)

    def export_c(self, path: str | PathLike[str], name: str | None = None, **options: Any) -> CExport:
        """Write the network as C; see ``Network.export_c``.

        Parameters
        ----------
        path, name, **options
            As there, without dtype.

        Returns
        -------
        CExport
            As there.

        Raises
        ------
        ValueError, TypeError, RuntimeError, OSError
            As there.

        Notes
        -----
        In 8 bits the weights in C are those of this network, and so are those of recurrent layers, which are float32
        here; activations are not rounded in C, so the answers differ by what that rounding does.  C has no bfloat16:
        the rounded weights are written as float32.

        Examples
        --------
        >>> import os, tempfile, fastnn as fn
        >>> small = fn.Sequential([fn.Dense(16, "tanh"), fn.Dense(2)], input_shape=4, seed=0).quantized("int8")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     report = small.export_c(os.path.join(folder, "policy.c"))
        >>> report.flash_bytes
        240
        """
        from fastnn.formats.c import export_c

        if "dtype" in options:
            raise TypeError("export_c: expected no dtype, since the weights of a quantised network have one")
        dtype = "int8" if self.weights_dtype == "int8" else None
        return export_c(self.dequantized(), path, name, dtype=dtype, **options)


def compared(ours: dict[str, float], theirs: dict[str, float], name: str, other: str) -> str:
    """Return a table of measures beside those of a reference, and the change."""
    rows = [("", name, other, "change")]
    rows += [(key, f"{value:.6g}", f"{theirs[key]:.6g}", f"{value - theirs[key]:+.3g}") for key, value in ours.items()]
    return "\n".join(aligned(rows, 1))


KINDS.update(Network=Network, Sequential=Sequential)
FACE.append(QuantizedNetwork)
