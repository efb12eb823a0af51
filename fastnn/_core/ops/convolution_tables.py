"""Where a convolution reads and writes: tables of offsets, made once when a network is laid out.

An image is (H, W, C), its channels last.  Offsets count elements from the first of an image, or of its padded copy.
"""

from itertools import pairwise
from math import prod
from typing import Any, NamedTuple

import numpy as np

Table = Any  # ndarray of int32
MOST_NUMBERS = (1 << 31) - 1
MOST_STEPS = 1 << 16  # sizes of kernels, strides and dilations


class Geometry(NamedTuple):
    """Sizes of a convolution; ``before`` and ``after``: rows and columns of padding around the image."""

    height: int
    width: int
    channels: int
    filters: int
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilation: tuple[int, int]
    groups: int
    before: tuple[int, int]
    after: tuple[int, int]
    mode: str

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width of the padded image."""
        sizes = zip((self.height, self.width), self.before, self.after, strict=True)
        return tuple(size + before + after for size, before, after in sizes)  # type: ignore[return-value]

    @property
    def output(self) -> tuple[int, int]:
        """Height and width of what comes out."""
        sizes = zip(self.padded, self.kernel, self.strides, self.dilation, strict=True)
        return tuple((size - (k - 1) * d - 1) // s + 1 for size, k, s, d in sizes)  # type: ignore[return-value]

    def checked(self, who: str) -> "Geometry":
        """Return itself; ValueError if offsets of 32 bits cannot say where its numbers lie, before tables are made."""
        steps = max(*self.kernel, *self.strides, *self.dilation)
        padded = prod(self.padded) * self.channels
        if steps > MOST_STEPS or max(padded, prod(self.output) * self.filters, prod(self.kernel)) > MOST_NUMBERS:
            raise ValueError(
                f"{who}: expected at most {MOST_NUMBERS} numbers in a padded image and in what comes out, and steps of "
                f"at most {MOST_STEPS}, got an image of {self.padded} with {self.channels} channels, a kernel of "
                f"{self.kernel}"
            )
        return self

    @property
    def pads(self) -> bool:
        """Whether there is any padding."""
        return self.padded != (self.height, self.width)


class Windows(NamedTuple):
    """Pixels, in the order of their rows, and what each sees: see ``fnn_windows``.

    ``taps``: which places of the kernel a window consists of, in the order of its elements; ``first``: the number of
    the first pixel of each row of the image that they write to, and how many there are in all; ``columns``: how
    many are a row.
    """

    at: Table
    to: Table
    run_at: Table
    run: int
    taps: Table
    first: Table
    columns: int


def sources(size: int, before: int, after: int, mode: str) -> Table:
    """Return for each row (or column) of a padded image the one of the image that it shows, -1 for zeros."""
    places = np.arange(-before, size + after)
    if mode == "reflect":
        period = max(2 * (size - 1), 1)
        places = np.abs((places + size - 1) % period - (size - 1)) if size > 1 else 0 * places
    elif mode == "replicate":
        places = np.clip(places, 0, size - 1)
    else:
        places = np.where((places < 0) | (places >= size), -1, places)
    return places.astype(np.int32)


def _offsets(rows: Any, columns: Any, width: int, size: int) -> Table:
    """Return the offsets of the pixels at these rows and columns of an image of ``width`` pixels of ``size``."""
    return ((np.asarray(rows)[:, None] * width + np.asarray(columns)) * size).ravel().astype(np.int32)


def _runs(rows: list[int], columns: list[int], width: int, size: int, group: int) -> tuple[Table, int]:
    """Return where the runs of a window begin and how long they are: as long as its elements are neighbours."""
    at, run = _offsets(rows, columns, width, size), group
    joined = group == size and all(b - a == 1 for a, b in pairwise(columns))
    if joined and columns:
        at, run = _offsets(rows, columns[:1], width, size), len(columns) * size
        if len(rows) > 1 and all(b - a == run for a, b in pairwise(at.tolist())):
            at, run = at[:1], len(rows) * run
    return at, run


def forward_windows(g: Geometry, images: int) -> Windows:
    """Return what each pixel of the output sees of the padded image, for some images one after the other."""
    (OH, OW), (HP, WP), C = g.output, g.padded, g.channels
    rows = [k * g.dilation[0] for k in range(g.kernel[0])]
    columns = [k * g.dilation[1] for k in range(g.kernel[1])]
    run_at, run = _runs(rows, columns, WP, C, C // g.groups)
    one = _offsets(np.arange(OH) * g.strides[0], np.arange(OW) * g.strides[1], WP, C)
    number = np.arange(images)[:, None]
    at = (number * (HP * WP * C) + one).ravel().astype(np.int32)
    to = np.arange(images * OH * OW, dtype=np.int32) * g.filters
    taps = np.arange(g.kernel[0] * g.kernel[1], dtype=np.int32)
    return Windows(at, to, run_at, run, taps, np.arange(OH + 1, dtype=np.int32) * OW, OW)


class GradientWindows(NamedTuple):
    """What each pixel of the input, of the padded image unless it is padded by zeros, sees of the output's gradient.

    One ``Windows`` for each phase of the strides; the gradient is padded by ``before`` rows and columns of zeros, and
    by some after it, to ``padded``.
    """

    phases: tuple[Windows, ...]
    before: tuple[int, int]
    padded: tuple[int, int]


def _phases(size: int, start: int, kernel: int, stride: int, dilation: int) -> list[tuple[list[int], list[int], Any]]:
    """Return along one axis, for each phase of the stride: taps, how far they look back, and the places that it has.

    Place p of the ``size`` ones lies at p + start of the padded image; tap k of it sees the output at
    (p + start - k dilation) / stride, where that is whole.
    """
    result = []
    places = np.arange(size)
    for phase in range(stride):
        taps = [k for k in range(kernel) if (phase - k * dilation) % stride == 0][::-1]
        back = [(phase - k * dilation) // stride for k in taps]
        result.append((taps, back, places[(places + start) % stride == phase]))
    return result


def gradient_windows(g: Geometry) -> GradientWindows:
    """Return the windows of the input gradient."""
    zeros = g.mode == "zeros"
    sizes = (g.height, g.width) if zeros else g.padded
    starts = g.before if zeros else (0, 0)
    axes = [
        _phases(size, start, k, s, d)
        for size, start, k, s, d in zip(sizes, starts, g.kernel, g.strides, g.dilation, strict=True)
    ]
    before, padded = [], []
    for axis, start, stride, out in zip(axes, starts, g.strides, g.output, strict=True):
        seen = [(places + start) // stride + step for _, back, places in axis for step in back if len(places)]
        low = min((int(s.min()) for s in seen), default=0)
        high = max((int(s.max()) for s in seen), default=0)
        before.append(max(0, -low))
        padded.append(max(out, high + 1) + before[-1])
    phases = []
    for row_taps, row_back, rows in axes[0]:
        for column_taps, column_back, columns in axes[1]:
            run_at, run = _runs(row_back, column_back, padded[1], g.filters, g.filters // g.groups)
            seen_rows = (rows + starts[0]) // g.strides[0] + before[0]
            seen_columns = (columns + starts[1]) // g.strides[1] + before[1]
            taps = np.array([a * g.kernel[1] + b for a in row_taps for b in column_taps], dtype=np.int32)
            at = _offsets(seen_rows, seen_columns, padded[1], g.filters)
            to = _offsets(rows, columns, sizes[1], g.channels)
            first = np.searchsorted(rows, np.arange(sizes[0] + 1)).astype(np.int32) * len(columns)
            phases.append(Windows(at, to, run_at, run, taps, first.astype(np.int32), len(columns)))
    return GradientWindows(tuple(phases), (before[0], before[1]), (padded[0], padded[1]))
