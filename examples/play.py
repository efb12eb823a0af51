"""A page that plays: a walk through what a generator has learned, and a character that walks.

One file of HTML, which needs nothing else: open it in a browser.  The generator is the one that ``progressive_gan.py``
left in the folder of output; where there is none it is grown here.  Its pictures lie on one sheet, a row for each step
of the walk.  Of the character the page has the joints and the ground, and draws them itself.
"""

import json
import sys
from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import Any

import common
import numpy as np
import pfnn_controller as controller
import pictures
import progressive_gan as progressive
from pfnn import skeleton
from pfnn.character import Character, Frame
from pfnn.ground import Ground, HeightMap
from pfnn.released import Released
from PIL import Image

import fastnn as fn

GOALS = {
    "page, kB": "<= 300",
    "joints on the page, off by at most, cm": "<= 0.05",  # half of a millimetre
    "pictures on the page, off by at most, of 255": "<= 4.2",  # half of a grey of 32
}
TEMPLATE = Path(__file__).with_suffix(".html")
EMPTY = '<script type="application/json" id="data">{}</script>'  # what a template has in place of its data
GREYS = 32
EVERY = 3  # frames of the character on the page: 20 of 60 a second, with straight lines between them
CELL, MARGIN = 20.0, 280.0  # of the ground, centimetres; so much more of it than the path needs


def text(array: np.ndarray) -> str:
    """Bytes as a page can hold them."""
    return b64encode(np.ascontiguousarray(array).tobytes()).decode()


def levels(images: np.ndarray) -> np.ndarray:
    """Which of a few greys pictures (..., side, side, 1) in [-1, 1] have."""
    return np.round((np.clip(images[..., 0], -1, 1) + 1) / 2 * (GREYS - 1)).astype(np.uint8)


def sheet(images: np.ndarray) -> Image.Image:
    """Pictures (frames, across, side, side, 1) in a few greys: a row for each frame."""
    frames, across, side = images.shape[:3]
    image = Image.fromarray(levels(images).transpose(0, 2, 1, 3).reshape(frames * side, across * side), "P")
    image.putpalette(np.repeat(np.round(np.arange(GREYS) * 255 / (GREYS - 1)).astype(np.uint8), 3).tobytes())
    return image


def of_generator(images: np.ndarray) -> dict[str, Any]:
    """What the page needs of the generator's pictures; the last frame is the first again."""
    file = BytesIO()
    sheet(images).save(file, "png", optimize=True)
    shape = dict(zip(("frames", "across", "side"), images.shape, strict=False))
    return {"sheet": b64encode(file.getvalue()).decode(), "rate": 12, **shape}


def of_walk(frames: list[Frame], ground: Ground) -> dict[str, Any]:
    """What the page needs of the character: joints in millimetres, feet, phases, the ground around the path."""
    joints = np.array([frame.joints for frame in frames])
    roots = joints[:, 0, [0, 2]]
    low = np.floor((roots.min(axis=0) - MARGIN) / CELL) * CELL
    x, z = (np.arange(a, b + CELL, CELL) for a, b in zip(low, roots.max(axis=0) + MARGIN, strict=True))
    heights = ground.height(np.stack(np.meshgrid(x, z, indexing="ij"), axis=-1))
    down = np.array([frame.contacts > 0.5 for frame in frames]) @ (1 << np.arange(4))
    phases = 256 * np.array([frame.phase for frame in frames]) % 256
    colours = [skeleton.LEFT, skeleton.RIGHT]  # what is in the middle has the colour of the page's text
    bones = [
        (joint, parent, colours.index(colour) if colour in colours else len(colours))
        for joint, parent, colour in skeleton.bones(skeleton.parents())
    ]
    return {
        "joints": text(np.round(10 * joints).astype("<i2")), "count": joints.shape[1], "rate": 60 / EVERY,
        "bones": bones, "colours": colours, "head": skeleton.HEAD, "feet": skeleton.FEET,
        "down": text(down.astype(np.uint8)), "phase": text(phases.astype(np.uint8)),
        "ground": {
            "heights": text(np.round(10 * heights).astype("<i2")), "rows": len(x), "columns": len(z),
            "x": x[0], "z": z[0], "cell": CELL,
        },
    }  # fmt: skip


def generator(quick: bool, output: Path) -> fn.Network:
    """A generator of digits: those of the package, or USPS."""
    path = output / f"progressive-gan{'' if quick else '-usps'}.safetensors"
    if not path.exists():
        progressive.run(quick, output)
    return fn.load(path)


def walked(quick: bool) -> tuple[list[Frame], Ground]:
    """A walk over rocks, every frame that the page has."""
    released, ground = Released(), HeightMap.released()
    net = fn.resample_phase(released.net)
    character = Character(released, net, ground, controller.START, controller.HEADING)
    return controller.walk(character, controller.QUICK if quick else controller.SCRIPT)[::EVERY], ground


def draw(images: np.ndarray, frames: list[Frame], ground: Ground, path: Path) -> None:
    """Some of the generator's pictures, and poses of the character over the ground under its path."""
    picture = pictures.figure(9, 3.4)
    left, right = picture.subplots(1, 2, width_ratios=(1, 1.25))
    left.imshow(progressive.tiles(images[:48:6].swapaxes(0, 1)))
    left.set(xticks=[], yticks=[], title="From latent to latent")
    parents, poses = skeleton.parents(), [frames[k].joints[:, :2] for k in range(10, 120, 24)]
    x = np.linspace(poses[0][0, 0] - 60, poses[-1][0, 0] + 60, 300)
    profile = ground.height(np.stack([x, np.full_like(x, controller.START[1])], axis=1))
    right.fill_between(x, profile, profile.min() - 15, color="#d9cfbf")
    for pose in poses:
        skeleton.draw(right, pose, parents, linewidth=2)
    right.set(xlim=(x[0], x[-1]), xticks=[], yticks=[], title="A pose every 1.2 s", aspect="equal")
    pictures.save(picture, path)


def run(quick: bool, output: Path) -> common.Figures:
    """Make the page, and a picture of what is on it."""
    images = np.stack([*progressive.walk(generator(quick, output))])
    images = np.concatenate([images, images[:1]])
    frames, ground = walked(quick)
    data = {"generator": of_generator(images), "walk": of_walk(frames, ground), "latent": progressive.LATENT}
    page = TEMPLATE.read_text(encoding="utf-8")
    if page.count(EMPTY) != 1:
        raise ValueError(f"play: expected one place for data in {TEMPLATE}, got {page.count(EMPTY)}")
    path = output / "play.html"
    path.write_text(page.replace(EMPTY, EMPTY.replace("{}", json.dumps(data, separators=(",", ":")))), encoding="utf-8")
    draw(images, frames, ground, output / "play.png")
    joints = np.array([frame.joints for frame in frames])
    real, few = (np.clip(images[..., 0], -1, 1) + 1) / 2, levels(images) / (GREYS - 1)
    return {
        "page, kB": path.stat().st_size / 1000,
        "frames of the generator": len(images),
        "seconds of the walk": len(frames) * EVERY / 60,
        "joints on the page, off by at most, cm": float(np.abs(joints - np.round(10 * joints) / 10).max()),
        "pictures on the page, off by at most, of 255": 255 * float(np.abs(few - real).max()),
    }


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
