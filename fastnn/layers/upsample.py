"""Images made larger by whole factors."""

from dataclasses import KW_ONLY, dataclass, field

from fastnn._core.ops import UpsampleOp
from fastnn._spec import checked_by, choose
from fastnn.layers.base import Built, Layer, Shape
from fastnn.layers.images import image_of, pair, require_pair

MODES = ("nearest", "bilinear")


@dataclass(frozen=True, eq=False, repr=False)
class Upsample2D(Layer):
    """An image so many times as high and as wide.

    Parameters
    ----------
    factor : int or (int, int)
        How many rows come of one, and how many columns.
    mode : {"nearest", "bilinear"}
        What stands in them: the pixel itself, or what lies on lines between the four pixels around.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If an option is not allowed, or the input is no image (H, W, C).

    Notes
    -----
    Nearest: ``y[i, j] = x[i // f, j // g]`` for ``factor=(f, g)``.  Bilinear: with ``r = max((i + 1/2) / f - 1/2, 0)``,
    ``k = floor(r)``, ``u = r - k``, ``m = min(k + 1, H - 1)``, and s, l, v, n likewise of j, g and W,
    ``y[i, j] = (1 - u) ((1 - v) x[k, l] + v x[k, n]) + u ((1 - v) x[m, l] + v x[m, n])``: the centres of pixels have
    half places, as in ``UpSampling2D`` of Keras, ``torch.nn.Upsample(align_corners=False)`` and Resize of ONNX with
    ``half_pixel``.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.Upsample2D((1, 2), "bilinear")], input_shape=(1, 2, 1), seed=0)
    >>> net.predict(np.array([[[[0.0], [4.0]]]])).ravel()
    array([0., 1., 3., 4.], dtype=float32)
    """

    factor: int | tuple[int, int] = field(default=2, metadata=checked_by(require_pair))
    mode: str = "nearest"
    _: KW_ONLY
    name: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        choose(f"{self.title}: unknown mode", self.mode, MODES)

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op; none for factors of 1."""
        H, W, C = image_of(self, input_shapes)
        rows, columns = pair(self.title, "factor", self.factor)
        ops = (UpsampleOp((H, W, C), (rows, columns), self.mode == "bilinear"),) if rows * columns > 1 else ()
        return Built(ops, (H * rows, W * columns, C))
