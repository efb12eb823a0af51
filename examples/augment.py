"""Images that are never quite the same twice: shifted, turned and mirrored as training asks for them."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

import fastnn as fn

Scaling = tuple[np.ndarray, np.ndarray]
BYTES: Scaling = np.zeros(1), np.ones(1)  # from 0 to 1


def scaling(images: np.ndarray) -> Scaling:
    """Return mean and standard deviation of each channel of images (N, H, W, C) in bytes, as parts of 255."""
    return images.mean(axis=(0, 1, 2)) / 255, images.std(axis=(0, 1, 2)) / 255


def scaled(images: np.ndarray, scaling: Scaling) -> np.ndarray:
    """Return images in bytes as float32: of the images that ``scaling`` is of, channels have mean 0 and deviation 1."""
    mean, deviation = scaling
    return ((images / np.float32(255) - mean) / deviation).astype(np.float32)


class Augmented(fn.Examples):
    """Images (N, H, W, C) in bytes and their classes; each row comes out as float32 in [0, 1], moved at random.

    ``shift`` is by how many pixels at most an image moves up, down, left and right, over a black ground.  ``turn`` is
    how far a map of the plane is from none that turns, shears and resizes it: the standard deviation of its elements.
    ``flip`` says whether left and right change places half of the time.  Pixels
    are standardised if there is a ``scaling``, and else lie in [0, 1].
    """

    def __init__(
        self,
        images: np.ndarray,
        classes: np.ndarray,
        *,
        shift: int,
        turn: float = 0.0,
        flip: bool = False,
        scaling: Scaling | None = None,
        seed: int,
    ) -> None:
        self.classes, self.turn, self.flip, self.scaling = classes, turn, flip, scaling
        self.shift, self.random = shift, np.random.default_rng(seed)
        padded = np.pad(images, ((0, 0), (shift, shift), (shift, shift), (0, 0)))
        self.windows = sliding_window_view(padded, images.shape[1:3], axis=(1, 2))  # (N, down, right, C, H, W): no copy

    def __len__(self) -> int:
        return len(self.classes)

    def gather(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return images (B, H, W, C) and classes (B,)."""
        down, right = self.random.integers(0, 2 * self.shift + 1, (2, len(rows)))
        images = self.windows[rows, down, right].transpose(0, 2, 3, 1)
        if self.flip:
            images = np.where(self.random.random(len(rows))[:, None, None, None] < 0.5, images[:, :, ::-1], images)
        images = scaled(images, self.scaling or BYTES)
        return (self.turned(images) if self.turn else images), self.classes[rows]

    def turned(self, images: np.ndarray) -> np.ndarray:
        """Return each image under an affine map near to none, about its middle, by bilinear interpolation."""
        n, H, W = images.shape[:3]
        maps = np.eye(2, dtype=np.float32) + self.turn * self.random.standard_normal((n, 2, 2), np.float32)
        middle = np.array([(H - 1) / 2, (W - 1) / 2], np.float32)
        grid = np.stack(np.mgrid[:H, :W], axis=-1).reshape(-1, 2).astype(np.float32) - middle
        return interpolate(images, grid @ maps + middle)


def interpolate(images: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return images (B, H, W, C) at places (B, H * W, 2) of rows and columns, the edge beyond the edge."""
    n, H, W, C = images.shape
    places = np.clip(places, 0, np.array([H - 1, W - 1], np.float32))
    corner = np.minimum(places.astype(np.int64), [H - 2, W - 2])
    part = (places - corner)[..., None]
    at = (np.arange(n)[:, None] * H + corner[..., 0]) * W + corner[..., 1]
    flat = images.reshape(-1, C)
    above = flat[at] * (1 - part[:, :, 1]) + flat[at + 1] * part[:, :, 1]
    below = flat[at + W] * (1 - part[:, :, 1]) + flat[at + W + 1] * part[:, :, 1]
    return (above * (1 - part[:, :, 0]) + below * part[:, :, 0]).reshape(images.shape)
