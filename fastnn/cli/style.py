"""``fastnn style``: what one picture shows, painted like another."""

import argparse
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from fastnn.cli.reading import whole_numbers

HELP = "paint what one picture shows in the style of another"
WEIGHTS = "squeezenet_v1.0/squeezenet_v1.0_decoded.npz"  # in the folder of the data sets
CONTENT, STYLE = "fire4", ("conv1", "fire2", "fire3", "fire4", "fire5")
LEAST = 48  # pixels along a side, which the layers need
SMOOTH = 1e-6  # for each element from 0 to 255: quiet at the edge of the image, unseen within it


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("content", metavar="CONTENT", help="the picture that says what is to be seen")
    parser.add_argument("style", metavar="STYLE", help="the picture that says what it is to be painted like")
    parser.add_argument("--out", default="styled.png", metavar="FILE", help="the picture to write")
    parser.add_argument("--size", type=_count, default=256, metavar="N", help="pixels along the longer side")
    parser.add_argument("--ratio", type=float, default=0.03, help="what the content weighs where the style weighs 1")
    parser.add_argument("--evaluations", type=_count, default=300, metavar="N", help="how often the image is improved")
    parser.add_argument("--start", choices=["noise", "content"], default="noise", help="what to begin with")
    parser.add_argument("--optimizer", choices=["lbfgs", "adam"], default="lbfgs", help="how the image is improved")
    parser.add_argument("--seed", type=int, default=0, help="decides the noise")
    parser.add_argument("--every", type=_count, default=25, metavar="N", help="write FILE after so many, as it comes")
    parser.add_argument("--weights", metavar="FILE", help="those of SqueezeNet 1.0, if not fetched by 'fastnn data'")


def run(arguments: argparse.Namespace) -> None:
    """Paint what CONTENT shows in the style of STYLE, by the features of SqueezeNet (Gatys, Ecker & Bethge 2015)."""
    import fastnn as fn

    weights = Path(arguments.weights) if arguments.weights else fn.data_folder() / WEIGHTS
    if not weights.exists():
        raise FileNotFoundError(
            f"style: expected the weights of SqueezeNet in {weights}; fetch them: python -m fastnn data squeezenet; or "
            "name them with --weights FILE"
        )
    photograph, painting = opened([arguments.content, arguments.style], arguments.size)
    net = fn.nets.squeezenet(input_shape=photograph.shape, weights=weights, pooling="average", rgb=True)

    def follow(number: int, image: Any, _: Any) -> None:
        if (number + 1) % arguments.every == 0:
            save(image, arguments.out)

    began = perf_counter()
    found = fn.style_transfer(
        net, photograph, painting, content_layers=CONTENT, style_layers=STYLE, ratio=arguments.ratio, smooth=SMOOTH,
        start=arguments.start, optimizer=arguments.optimizer, evaluations=arguments.evaluations, bounds=(0, 255),
        seed=arguments.seed, callback=follow,
    )  # fmt: skip
    save(found.values, arguments.out)
    height, width, _ = photograph.shape
    print(
        f"saved {arguments.out}: {width} x {height} pixels, loss {found.losses[0, 0]:.4g} -> {found.best.total:.4g} "
        f"(content {found.best.content:.3g}, style {found.best.style:.3g}), {len(found.losses)} evaluations in "
        f"{perf_counter() - began:.1f} s"
    )


def opened(files: list[str], side: int) -> np.ndarray:
    """Return pictures in the proportions of the first, whose longer side gets so many pixels: (B, H, W, 3), uint8."""
    import fastnn as fn
    from fastnn.data.pictures import require_pillow

    require_pillow("style")
    from PIL import Image, ImageOps

    try:
        with Image.open(files[0]) as image:
            width, height = ImageOps.exif_transpose(image).size
    except (SyntaxError, ValueError) as error:
        raise ValueError(f"style: expected a picture in {files[0]}: {error}") from error
    shape = [round(one * side / max(width, height)) for one in (height, width)]
    if min(shape) < LEAST:
        raise ValueError(
            f"style: expected at least {LEAST} pixels along both sides, got {shape[1]} x {shape[0]}; take a larger "
            "--size"
        )
    return fn.read_images(files, (shape[0], shape[1])).X


def save(image: Any, path: str) -> None:
    """Write an image of numbers from 0 to 255."""
    from PIL import Image

    Image.fromarray(np.rint(image).astype(np.uint8)).save(path)


def _count(text: str) -> int:
    return whole_numbers(text, "a number of at least 1", 1)[0]
