"""Layers with a link around them (skip connection)."""

from dataclasses import KW_ONLY, dataclass

from fastnn.layers.base import Layer, Tensor, batched
from fastnn.layers.composite import Composite
from fastnn.layers.merge import Add


@dataclass(frozen=True, eq=False, repr=False)
class Residual(Composite):
    """``x + body(x)``: the layers learn what to add to their input, and gradients also flow along the link around them.

    Parameters
    ----------
    layers : list of Layer
        The body, applied one after the other.
    projection : Layer, optional
        Applied to x on the link, where the body changes the shape: e.g. ``Dense(32, bias=False)``.
    name : str, optional
        Prefix for the names of the layers within.

    Raises
    ------
    ValueError
        If the body is empty or its output does not have the shape of the link.
    TypeError
        If a part is not a layer.

    Notes
    -----
    He et al. 2015, eq. 1 and 2.

    Examples
    --------
    >>> import fastnn as fn
    >>> block = fn.Residual([fn.Dense(64, "elu"), fn.Dense(64)])
    >>> net = fn.Sequential([fn.Dense(64, "elu"), block, fn.Dense(1)], input_shape=8, seed=0)
    """

    layers: tuple[Layer, ...]
    _: KW_ONLY
    projection: Layer | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise ValueError(f"{self.title}: expected at least one layer, got none")
        for layer in (*self.layers, *((self.projection,) if self.projection is not None else ())):
            if not isinstance(layer, Layer):
                raise TypeError(f"{self.title}: expected layers, got {type(layer).__name__}")

    def expand(self, x: Tensor) -> Tensor:
        """Apply the body and the link."""
        y = x
        for layer in self.layers:
            y = layer(y)
        link = x if self.projection is None else self.projection(x)
        if y.shape != link.shape:
            raise ValueError(
                f"{self.title}: expected the body to give the shape of the link, {batched(link.shape)}, "
                f"got {batched(y.shape)}; change the body or give projection=Dense({y.shape[-1]}, bias=False)"
            )
        return Add()(y, link)
