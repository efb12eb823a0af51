"""ONNX models as networks."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from fastnn._spec import require_count
from fastnn.data.regular import open_regular
from fastnn.errors import ModelFormatError
from fastnn.formats.files import REASONS, not_a_file
from fastnn.formats.onnx.read.constants import LIMIT
from fastnn.formats.onnx.read.external import take_external
from fastnn.formats.onnx.write.export import import_onnx


def from_onnx(
    model: Any,
    *,
    outputs: str | Sequence[str] | None = None,
    seed: int | None = None,
    max_constant: int = LIMIT,
) -> Any:
    """Return the network that an ONNX model is.

    Parameters
    ----------
    model : str, path, bytes or onnx.ModelProto
        The model or its file, a regular one.  Numbers that a model keeps in other files are read from the folder of its
        path, and from nowhere else.
    outputs : str or list of str, optional
        What the network shall answer: names of outputs, or of tensors within the graph.  What they do not depend on is
        not read.  If not given, all outputs of the model.
    seed : int, optional
        Of the network, for what is random in training that follows.
    max_constant : int
        Numbers that a constant may have which the graph makes of a shape (ConstantOfShape, Expand) or calculates: a
        small file can ask for any amount of memory.  Constants that the file holds are not bounded.

    Returns
    -------
    Sequential or Network
        A model that ``to_onnx`` wrote comes back as it was, with its layers, names and metadata.  Any other is made of
        the layers that its nodes amount to: a Sequential if they stand in a row.

    Raises
    ------
    ImportError
        If onnx is not installed.
    ModelFormatError
        If the file is damaged, or something else.
    ValueError
        If a node is none of fastnn's layers: the message names node and operator.
    OSError
        If the file cannot be read.

    Notes
    -----
    Known are Gemm, MatMul with a constant, Add, Sub, Mul and Sum of tensors and constants, Div by constants, Neg, Abs,
    Pow with a whole number, Clip, Min and Max with a number; the activations Relu, LeakyRelu, PRelu, Elu, Celu, Selu,
    Sigmoid, HardSigmoid, HardSwish, Tanh, Softplus, Mish, Gelu, Softmax and LogSoftmax; ReduceMean, ReduceMax,
    ReduceSum and global pooling; Conv, MaxPool and AveragePool of images and of sequences, ConvTranspose and LRN of
    images, Pad, Resize and Upsample by whole factors (nearest, or linear with half_pixel), DepthToSpace,
    SpaceToDepth; Flatten, Reshape, Transpose, Squeeze, Unsqueeze, Concat, Slice, Split, Gather, Identity, Cast,
    Dropout, BatchNormalization, LayerNormalization, InstanceNormalization, GroupNormalization, LSTM, GRU and RNN in one
    or both directions, and constants however they are put together.  gelu, silu, softplus and norms are found too where
    elementary nodes write them out.  The first axis of every input is the batch, the sizes of the others must be known.
    An answer of one number per row, (batch,), becomes (batch, 1).

    ONNX has images as (batch, C, H, W), a network here as (batch, H, W, C): an input that an operator on images reads
    has its channels last in the network, and so has an output that is an image.  Between them weights are turned, those
    of a product behind a Flatten too, and images only where that cannot do.

    Of ai.onnx.ml: Scaler, LinearRegressor, LinearClassifier, Normalizer behind a softmax, and ZipMap, which leaves the
    probabilities an array.  Outputs that are labels (ArgMax, LabelEncoder) are left out where the probabilities are an
    output too; ``net.metadata["classes"]`` then holds the labels.

    Examples
    --------
    >>> import fastnn as fn
    >>> net = fn.Sequential([fn.Dense(8, "relu"), fn.Dense(3)], input_shape=4, seed=0)
    >>> again = fn.from_onnx(fn.interchange.to_onnx(net))  # or the path of a file
    >>> bool((again.params == net.params).all())
    True
    """
    import_onnx("from_onnx")
    from fastnn.formats.onnx.read.build import read_graph  # now: import fastnn stays quick
    from fastnn.formats.onnx.read.own import own_network
    from fastnn.formats.onnx.read.tails import answers_of, classes_in

    if seed is not None:
        require_count("from_onnx", "seed", seed, low=0)
    require_count("from_onnx", "max_constant", max_constant)
    model = read_model(model)
    wanted = [outputs] if isinstance(outputs, str) else outputs if outputs is None else list(outputs)
    try:
        if wanted is None:
            net = own_network(model, seed)
            if net is not None:
                return net
            wanted = answers_of(model.graph)
        net = read_graph(model, wanted, seed, max_constant)
        if (classes := classes_in(model.graph)) is not None:
            net.metadata = {"classes": classes}
    except ValueError:  # which says what
        raise
    except REASONS as error:  # fields that contradict each other, which onnx has let pass
        text = f"from_onnx: expected an ONNX model, got one that contradicts itself: {type(error).__name__}: {error}"
        raise ModelFormatError(text, "description") from error
    return net


def read_model(model: Any) -> Any:
    """Return a checked model whose functions stand in the graph; raises ModelFormatError if it is none."""
    import onnx
    from google.protobuf.message import DecodeError

    folder = None
    if isinstance(model, str | PathLike):
        folder = Path(model).parent
        with open_regular("from_onnx", model, not_a_file) as (file, _):
            model = file.readall()
    elif not isinstance(model, bytes | onnx.ModelProto):
        raise TypeError(f"from_onnx: expected a path, bytes or an onnx.ModelProto, got {type(model).__name__}")
    try:
        if isinstance(model, bytes):
            model = onnx.load_from_string(model)
        take_external(model, folder)
        onnx.checker.check_model(model)
        if model.functions:
            import onnx.inliner

            model = onnx.inliner.inline_local_functions(model)
    except (DecodeError, onnx.checker.ValidationError) as error:
        raise ModelFormatError(f"from_onnx: expected an ONNX model, got something else: {error}", "alien") from error
    return model
