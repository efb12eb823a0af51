"""From a file to a picture: bytes (H, W, C), upright, of the size and the colours that are wanted (by Pillow)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fastnn._spec import choose, require_count

Array = npt.NDArray[Any]
Size = tuple[int, int]

COLORS = {"rgb": "RGB", "gray": "L"}  # ours, and Pillow's
FITS = ("crop", "stretch")
_CLEAR = ("RGBA", "LA", "PA", "RGBa", "La")  # modes of pictures that one can see through
_WHOLE = ("I;16", "I;16L", "I;16B", "I;16N")  # grey in 16 bits
_REFUSED = {"I": "32-bit whole numbers", "F": "floating-point numbers"}


@dataclass(frozen=True)
class Opening:
    """How files become pictures; ``size`` (H, W) None: as they are.

    ``fit``: "crop" keeps the proportions and cuts the middle out, "stretch" does not.  ``background`` is what is seen
    through transparent pixels, 0 black to 255 white.
    """

    who: str
    size: Size | None
    color: Literal["rgb", "gray"]
    fit: Literal["crop", "stretch"]
    background: int

    def __post_init__(self) -> None:
        choose(f"{self.who}: unknown color", self.color, COLORS)
        choose(f"{self.who}: unknown fit", self.fit, FITS)
        require_count(self.who, "background", self.background, low=0, high=255)
        if self.size is None:
            return
        if not isinstance(self.size, tuple | list) or len(self.size) != 2:
            raise TypeError(f"{self.who}: expected size as (height, width), got {self.size!r:.60}")
        for one in self.size:
            require_count(self.who, "size", one)

    @property
    def channels(self) -> int:
        """Numbers of a pixel."""
        return len(COLORS[self.color])

    def read(self, path: Path) -> Array:
        """Return the picture of a file, uint8 of shape (H, W, C); ValueError with its name if it cannot be read."""
        from PIL import Image

        try:
            with Image.open(path) as image:
                return self._pixels(image, path)
        except FileNotFoundError:
            raise
        except (OSError, SyntaxError, ValueError, EOFError, OverflowError, MemoryError) as error:
            if isinstance(error, _Refused):
                raise ValueError(str(error)) from None
            raise ValueError(
                f"{self.who}: expected a picture in {path}, got what Pillow cannot read: {error}"
            ) from error
        except Image.DecompressionBombError as error:
            raise ValueError(f"{self.who}: expected a picture of usual size in {path}: {error}") from error

    def _pixels(self, image: Any, path: Path) -> Array:
        from PIL import Image, ImageOps

        if self.size is not None:  # JPEG files: at an eighth, a quarter or half of their size, where that is enough
            longest = 2 * max(self.size)
            image.draft(None, (longest, longest))
        if image.mode in _REFUSED:
            raise _Refused(
                f"{self.who}: expected grey values or colours in {path}, got {_REFUSED[image.mode]} (mode "
                f"{image.mode!r}), of which nothing says what is white; convert it, or load it as an array"
            )
        image = ImageOps.exif_transpose(image)
        if image.mode in _WHOLE:
            image = Image.fromarray(np.round(np.asarray(image) / 257.0).astype(np.uint8))
        if image.mode in _CLEAR or "transparency" in image.info:
            image = image.convert("RGBA")
            behind = Image.new("RGBA", image.size, (self.background,) * 3 + (255,))
            image = Image.alpha_composite(behind, image)
        image = image.convert(COLORS[self.color])
        if self.size is not None and image.size != self.size[::-1]:
            size, way = self.size[::-1], Image.Resampling.BILINEAR
            image = ImageOps.fit(image, size, way) if self.fit == "crop" else image.resize(size, way)
        return np.asarray(image).reshape(image.height, image.width, self.channels)


class _Refused(ValueError):
    """A picture that Pillow can read, and we cannot take."""


def require_pillow(who: str) -> None:
    """Make Pillow ready for several threads; ImportError that says what to install if it is not there."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(f'{who} needs Pillow: pip install "fastnn[image]"') from error
    Image.init()
