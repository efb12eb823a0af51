"""Pictures of shapes: circles, squares and triangles of any colours on any other, anywhere, with noise."""

import numpy as np

KINDS = ("circle", "square", "triangle")


def shape(kind, random, size=24):
    """One picture (size, size, 3) of bytes."""
    i, j = np.indices((size, size)) / size
    y, x = i - random.uniform(0.35, 0.65), j - random.uniform(0.35, 0.65)
    r = random.uniform(0.2, 0.3)
    inside = {
        "circle": x * x + y * y < r * r,
        "square": np.maximum(abs(x), abs(y)) < 0.886 * r,  # of the same area
        "triangle": (y < 0.8 * r) & (y > 1.9 * abs(x) - 1.2 * r),
    }[kind]
    ink, paper = random.uniform(0, 255, (2, 3))
    while abs(ink - paper).sum() < 150:
        ink = random.uniform(0, 255, 3)
    picture = np.where(inside[..., None], ink, paper) + random.normal(0, 10, (size, size, 3))
    return picture.clip(0, 255).astype(np.uint8)


def shapes(count, seed=0, kinds=KINDS, size=24):
    """Return ``count`` pictures of each kind and their labels."""
    random = np.random.default_rng(seed)
    X = [shape(kind, random, size) for kind in kinds for _ in range(count)]
    return np.stack(X), np.repeat(np.arange(len(kinds)), count)


def write_shapes(folder, count, seed=0, kinds=KINDS, size=24):
    """Write them as .png files, a folder for each kind."""
    from PIL import Image

    X, y = shapes(count, seed, kinds, size)
    for number, (picture, label) in enumerate(zip(X, y, strict=True)):
        (folder / kinds[label]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / kinds[label] / f"{number % count:04}.png")
    return folder
