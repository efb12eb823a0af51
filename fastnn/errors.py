"""The exceptions that fastnn adds to Python's own.

Everything else is a builtin: ValueError for shapes and values, TypeError for dtypes and kinds, RuntimeError for
state, MemoryError for memory.
"""

# What can be wrong with a model file, by the code of the ModelFormatError that says so.
CODES = {
    "not a file": "a folder, a pipe or a device stands at that path",
    "changed": "the file became another while it was read",
    "truncated": "it ends before what it says it holds",
    "alien": "it is of another kind: a pickle, an archive, another program's file",
    "kind": "it holds another kind of model than was asked for",
    "version": "a newer fastnn wrote it, or it does not say which format it is of",
    "header": "its header is not as fastnn writes it: ASCII, one way to say each thing, as long as it says",
    "json": "its description is not JSON as fastnn writes it: each name once, finite numbers, integers of 64 bits",
    "limit": "it has more of something than a file of its size may have: bytes, values, depth, layers, arrays, members",
    "arrays": "its table of arrays leaves gaps, overlaps, or does not end with the file",
    "checksum": "its bytes are not those that were written",
    "description": "a field is missing, unknown, or holds what fastnn would not write there",
    "structure": "its layers do not make a network",
    "size": "its layers need more parameters than the file holds, or tensors that no machine holds",
    "custom": "it names a Custom layer that was not given",
    "mismatch": "its arrays are not those that its layers need",
    "not finite": "an array holds NaN or an infinity",
    "training": "losses, optimiser or counters do not fit the network",
    "names": "the names of columns do not fit the inputs",
    "labels": "the labels of classes repeat, or do not fit the outputs",
}


class ModelFormatError(ValueError):
    """A model file is damaged, alien, or asks for something that a file may not ask for.

    Parameters
    ----------
    message : str
        What was expected, what was found, and what to do.
    code : str
        One of ``fastnn.errors.CODES``, for programs.

    Attributes
    ----------
    code : str
        What is wrong in one or two words, the same in every version.

    Examples
    --------
    >>> import os, tempfile, fastnn as fn
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "m.safetensors")
    ...     fn.Sequential([fn.Dense(1)], input_shape=2, seed=0).save(path)
    ...     with open(path, "r+b") as file:
    ...         _ = file.seek(-1, os.SEEK_END), file.write(b"?")
    ...     try:
    ...         fn.load(path)
    ...     except fn.ModelFormatError as error:
    ...         error.code
    'checksum'
    """

    def __init__(self, message: str = "", code: str = "description") -> None:
        super().__init__(message)
        self.code = code


class DivergenceError(ValueError):
    """The loss became infinite or not a number during training."""
