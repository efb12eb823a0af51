"""Where a functional network starts."""

from fastnn.layers.base import Tensor, as_shape, check_name


def Input(shape: int | tuple[int, ...], *, name: str | None = None) -> Tensor:
    """Return a tensor that stands for an input of the network.

    Parameters
    ----------
    shape : int or tuple of int
        Shape of one row, without the batch.
    name : str, optional
        For messages and the summary.

    Returns
    -------
    Tensor
        To apply layers to.

    Raises
    ------
    TypeError
        If shape is not made of integers.
    ValueError
        If a size is below 1.

    Examples
    --------
    >>> import fastnn as fn
    >>> x = fn.Input(64)
    >>> h = fn.Dense(64, "tanh")(x)
    >>> net = fn.Network(inputs=x, outputs=fn.Dense(10)(fn.add(h, x)))
    >>> net.output_shape
    (10,)
    """
    check_name("Input", name)
    return Tensor(as_shape("Input", shape), name=name)
