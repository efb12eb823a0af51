"""Channels that become blocks of pixels, and blocks of pixels that become channels."""

from dataclasses import KW_ONLY, dataclass, field

from fastnn._core.ops import PermuteOp
from fastnn._spec import checked_by, choose, require_count
from fastnn.layers.base import Built, Layer, Shape
from fastnn.layers.images import image_of

MODES = ("DCR", "CRD")
Moves = tuple[Shape, tuple[int, ...]]


@dataclass(frozen=True, eq=False, repr=False)
class _Blocks(Layer):
    """Base of DepthToSpace and SpaceToDepth."""

    block: int = field(metadata=checked_by(require_count))
    mode: str = "DCR"
    _: KW_ONLY
    name: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        choose(f"{self.title}: unknown mode", self.mode, MODES)

    def moves(self, image: Shape) -> Moves:
        """Return the image as an array of five axes, and their new order.

        Parameters
        ----------
        image : tuple of int
            Height, width and channels.
        """
        raise NotImplementedError

    def result(self, image: Shape) -> Shape:
        """Return the shape of the output.

        Parameters
        ----------
        image : tuple of int
            Height, width and channels.
        """
        raise NotImplementedError

    def build(self, input_shapes: tuple[Shape, ...]) -> Built:
        """Return one op; none for a block of 1."""
        image = image_of(self, input_shapes)
        shape, axes = self.moves(image)
        return Built((PermuteOp(shape, axes),) if self.block > 1 else (), self.result(image))


@dataclass(frozen=True, eq=False, repr=False)
class DepthToSpace(_Blocks):
    """Each pixel becomes a block of pixels, made of its channels: an image so many times as high and as wide.

    Parameters
    ----------
    block : int
        Rows and columns of a block, b.
    mode : {"DCR", "CRD"}
        Which channels are a pixel of the block.  "DCR": C / b^2 neighbours, as in ``tf.nn.depth_to_space`` and ONNX;
        "CRD": every b^2-th, as in ``torch.nn.PixelShuffle`` [Shi et al. 2016].
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If an option is not allowed, the input is no image (H, W, C), or C is no multiple of b^2.

    Notes
    -----
    ``y[i b + k, j b + l, c] = x[i, j, (k b + l) C / b^2 + c]``; with "CRD" ``x[i, j, c b^2 + k b + l]``.

    Examples
    --------
    >>> import numpy as np, fastnn as fn
    >>> net = fn.Sequential([fn.DepthToSpace(2)], input_shape=(1, 1, 4), seed=0)
    >>> net.predict(np.array([[[[1, 2, 3, 4]]]])).reshape(2, 2)
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    """

    def moves(self, image: Shape) -> Moves:
        """Return the image as an array of five axes, and their new order.

        Parameters
        ----------
        image : tuple of int
            Height, width and channels.
        """
        (H, W, C), b = image, self.block
        if C % (b * b):
            raise ValueError(f"{self.title}: expected channels that blocks of {b} x {b} can be made of, got {C}")
        return ((H, W, b, b, C // (b * b)), (0, 2, 1, 3, 4)) if self.mode == "DCR" else (
            (H, W, C // (b * b), b, b), (0, 3, 1, 4, 2)
        )  # fmt: skip

    def result(self, image: Shape) -> Shape:
        """Return the shape of the output.

        Parameters
        ----------
        image : tuple of int
            Height, width and channels.
        """
        (H, W, C), b = image, self.block
        return H * b, W * b, C // (b * b)


@dataclass(frozen=True, eq=False, repr=False)
class SpaceToDepth(_Blocks):
    """Each block of pixels becomes one pixel with all their channels: what DepthToSpace undoes.

    Parameters
    ----------
    block : int
        Rows and columns of a block, b.
    mode : {"DCR", "CRD"}
        As for DepthToSpace: "CRD" is ``torch.nn.PixelUnshuffle``.
    name : str, optional
        Name of the layer.

    Raises
    ------
    ValueError, TypeError
        If an option is not allowed, the input is no image (H, W, C), or it cannot be cut into blocks.

    Notes
    -----
    ``y[i, j, (k b + l) C + c] = x[i b + k, j b + l, c]``; with "CRD" ``y[i, j, c b^2 + k b + l]``.

    Examples
    --------
    >>> import fastnn as fn
    >>> fn.SpaceToDepth(4)(fn.Input((224, 224, 3))).shape
    (56, 56, 48)
    """

    def moves(self, image: Shape) -> Moves:
        """Return the image as an array of five axes, and their new order.

        Parameters
        ----------
        image : tuple of int
            Height, width and channels.
        """
        (H, W, C), b = image, self.block
        if H % b or W % b:
            raise ValueError(f"{self.title}: expected an image that blocks of {b} x {b} fill, got {H} x {W}; add Pad2D")
        return (H // b, b, W // b, b, C), ((0, 2, 1, 3, 4) if self.mode == "DCR" else (0, 2, 4, 1, 3))

    def result(self, image: Shape) -> Shape:
        """Return the shape of the output.

        Parameters
        ----------
        image : tuple of int
            Height, width and channels.
        """
        (H, W, C), b = image, self.block
        return H // b, W // b, C * b * b
