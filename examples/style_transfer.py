"""A photograph painted like a picture: neural style transfer (Gatys, Ecker & Bethge 2015).

With two pictures, ``style_transfer.py CONTENT STYLE --out painted.png`` paints the one in the style of the other.
Without, it takes the two of the paper and others, and looks into the method:

1. Tuebingen under the starry night, from white noise: the loss, the way, and how long it takes.
2. Four styles: is the style of what was made nearest to its own, at a layer that was not asked?
3. Up to which layer the style is taken, and what the content weighs beside it: the grid of the paper's figure 3.
4. What a layer knows: images with the content of one layer alone, and with the style alone (figure 1).
5. The same by ResNet-20, which has seen nothing but small photographs of ten classes.

SqueezeNet takes the place of VGG-19: 5 MB of weights, not 500.  Its pools average here, as the paper asks.  So that
nothing is taken on trust, ``--trained`` teaches a ResNet-20 photographs here, for some minutes, and paints by it, and
by what it was before; SqueezeNet judges the style.
"""

import argparse
import sys
from pathlib import Path
from time import perf_counter

import cifar
import common
import numpy as np
from PIL import Image

import fastnn as fn

GOALS = {
    "loss, end / start": "<= 0.05",
    "style, end / start": "<= 0.02",
    "style, made / photograph": "<= 0.5",
    "content, made / noise": "<= 1",
    "styles nearest to their own, of 4": ">= 4",
    "ratios, content falls and style rises": ">= 1",
    "content of conv1 / of fire5, difference of pixels": "<= 1",
    "256 pixels, 300 evaluations, seconds": "<= 60",
    "trained here: style in SqueezeNet's eyes, made / photograph": "<= 0.5",
}
LAYERS = ["conv1", "fire2", "fire3", "fire4", "fire5"]
CONTENT, UNSEEN = "fire4", "fire8"
RATIOS = (0.001, 0.01, 0.1, 1.0)
PICTURES = ["Tuebingen_Neckarfront", "vangogh_starry_night", "the_scream", "shipwreck", "golden_gate"]


def opened(files: list[Path], side: int) -> np.ndarray:
    """Return pictures in the proportions of the first, of ``side`` pixels along its longer side."""
    with Image.open(files[0]) as image:
        width, height = image.size
    scale = side / max(width, height)
    return fn.read_images(files, (round(height * scale), round(width * scale))).X


def squeezenet(shape: tuple[int, ...]) -> fn.Network:
    """SqueezeNet 1.0 for pictures as files have them, with published weights."""
    weights = common.data("squeezenet_v1.0/squeezenet_v1.0_decoded.npz")
    return fn.nets.squeezenet(input_shape=shape, weights=weights, pooling="average", rgb=True)


def resnet(shape: tuple[int, ...]) -> fn.Network:
    """ResNet-20 for CIFAR-10, at the size of our pictures, with published weights."""
    body = fn.nets.resnet_cifar(20, input_shape=shape, weights=common.data("resnet_cifar10/resnet20-12fca82f.npz"))
    mean, deviation = (tuple(255 * np.array(one)) for one in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    image = fn.Input(shape)
    return fn.Network(image, body(fn.Standardize(mean, deviation)(image)))


def painted(net: fn.Network, content: np.ndarray | None, style: np.ndarray | None, **options: object) -> fn.StyledImage:
    """Make an image within the limits of pictures; smooth at the edge, where few windows see it."""
    given = {"content_layers": CONTENT, "style_layers": LAYERS, "smooth": 1e-6, "bounds": (0, 255)}
    return fn.style_transfer(net, content, style, **given | options)


def tiles(rows: list[list[np.ndarray]], gap: int = 4) -> Image.Image:
    """Return pictures side by side, row below row, white where there is none."""
    height, width = rows[0][0].shape[:2]
    canvas = np.full((len(rows) * (height + gap) - gap, max(map(len, rows)) * (width + gap) - gap, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        for j, one in enumerate(row):
            canvas[i * (height + gap) :, j * (width + gap) :][:height, :width] = np.rint(one)
    return Image.fromarray(canvas)


def paint(content: Path, style: Path, out: Path, side: int) -> None:
    """Paint one picture like another, and show it in ``out`` as it comes."""
    photograph, painting = opened([content, style], side)

    def follow(number: int, image: np.ndarray, terms: fn.StyleTerms) -> None:
        if number % 25 == 0:
            tiles([[image]]).save(out)
            print(f"{number:4}  content {terms.content:.4f}  style {terms.style:.5f}", flush=True)

    found = painted(squeezenet(photograph.shape), photograph, painting, callback=follow)
    tiles([[found.values]]).save(out)
    print(f"{found}\nsaved {out}")


def way(photograph: np.ndarray, painting: np.ndarray, evaluations: int, output: Path) -> common.Figures:
    """Paint Tuebingen under the starry night from white noise, and film it."""
    frames: list[Image.Image] = []

    def follow(number: int, image: np.ndarray, terms: fn.StyleTerms) -> None:
        if number < 20 or number % 10 == 0:
            frames.append(tiles([[image]]))
        if number % 50 == 0:
            frames[-1].save(output / "style-progress.png")
            print(f"{number:4}  content {terms.content:.4f}  style {terms.style:.5f}", flush=True)

    net, began = squeezenet(photograph.shape), perf_counter()
    found = painted(net, photograph, painting, evaluations=evaluations, callback=follow)
    seconds = perf_counter() - began
    frames[0].save(output / "style-way.gif", save_all=True, append_images=frames[1:], duration=80, loop=0)
    print(found)
    first = fn.StyleTerms(*found.losses[0])
    return {
        "loss, end / start": found.best.total / first.total,
        "style, end / start": found.best.style / first.style,
        "style, made / photograph": found.best.style / found.loss.terms(photograph).style,
        "content, made / noise": found.best.content / first.content,
        "256 pixels, 300 evaluations, seconds": seconds,
    }


def styles(pictures: np.ndarray, evaluations: int, output: Path) -> common.Figures:
    """Paint the photograph in four styles, and ask a layer that was not optimised which of them it is."""
    net, made, nearest = squeezenet(pictures[0].shape), [], 0
    judges = [fn.StyleLoss(net, style=one, style_layers=UNSEEN) for one in pictures[1:]]
    for number, painting in enumerate(pictures[1:]):
        made.append(painted(net, pictures[0], painting, evaluations=evaluations, ratio=0.01).values)
        distances = [judge.terms(made[-1]).style for judge in judges]
        nearest += int(np.argmin(distances) == number)
        print(f"{PICTURES[number + 1]}: style at {UNSEEN} from each " + " ".join(f"{one:.4f}" for one in distances))
    tiles([list(pictures[1:]), made]).save(output / "style-pictures.png")
    return {"styles nearest to their own, of 4": nearest}


def grid(photograph: np.ndarray, painting: np.ndarray, evaluations: int, output: Path) -> common.Figures:
    """Paint with the style of the first layers, and with the content weighing more and more: figure 3 of the paper."""
    net, rows, terms = squeezenet(photograph.shape), [], []
    for depth in common.progress(range(1, len(LAYERS) + 1), "layers"):
        found = [
            painted(net, photograph, painting, style_layers=LAYERS[:depth], ratio=ratio, evaluations=evaluations)
            for ratio in RATIOS
        ]
        rows.append([one.values for one in found])
        terms = [one.best for one in found]
    tiles(rows).save(output / "style-grid.png")
    for ratio, one in zip(RATIOS, terms, strict=True):
        print(f"ratio {ratio:5}: content {one.content:.4f}, style {one.style:.5f}")
    falls = np.all(np.diff([one.content for one in terms]) < 0)
    rises = np.all(np.diff([one.style for one in terms]) > 0)
    return {"ratios, content falls and style rises": float(falls and rises)}


def inside(photograph: np.ndarray, painting: np.ndarray, evaluations: int, output: Path) -> common.Figures:
    """Make images with the content of one layer alone, and with the style of the first layers alone."""
    net = squeezenet(photograph.shape)
    options = {"evaluations": evaluations, "ratio": 1.0}
    contents = [painted(net, photograph, None, content_layers=layer, **options).values for layer in LAYERS]
    textures = [painted(net, None, painting, style_layers=LAYERS[:n], **options).values for n in range(1, 6)]
    tiles([contents, textures]).save(output / "style-inside.png")
    differences = [float(np.abs(one - photograph).mean()) for one in contents]
    print("content of one layer, mean difference of pixels: " + ", ".join(f"{one:.1f}" for one in differences))
    return {"content of conv1 / of fire5, difference of pixels": differences[0] / differences[-1]}


def by_resnet(net: fn.Network, photograph: np.ndarray, painting: np.ndarray, evaluations: int) -> fn.StyledImage:
    """Paint by the features of a network of small photographs: where its three stages begin."""
    relus = [view.name for view in net.layers if isinstance(view.spec, fn.Activation)]
    layers = [relus[0], *(relus[len(relus) // 3 * stage] for stage in (1, 2))]
    options = {"content_layers": layers[-1], "style_layers": layers, "ratio": 0.1}
    return painted(net, photograph, painting, evaluations=evaluations, smooth=1e-4, **options)


def trained_here(photograph: np.ndarray, painting: np.ndarray, quick: bool, output: Path) -> common.Figures:
    """Teach a network photographs, paint by it and by itself as it started, and let SqueezeNet judge."""
    train, test = cifar.load(320, 100) if quick else cifar.load(10_000, 2_000)
    depth, began = 8 if quick else 20, perf_counter()
    small = cifar.network(depth, train[0])
    history = cifar.trained(small, train, test, 1 if quick else 10)
    figures = {
        "trained here: minutes": (perf_counter() - began) / 60,
        "trained here: test accuracy": history["val_accuracy"][-1],
    }
    judge, made = fn.StyleLoss(squeezenet(photograph.shape), style=painting, style_layers=LAYERS), []
    own = judge.terms(photograph).style
    for name in ("before training", "trained here"):
        net = cifar.network(depth, train[0], shape=photograph.shape)
        if made:
            net.take_weights(small)
        made.append(by_resnet(net, photograph, painting, 40 if quick else 300).values)
        figures[f"{name}: style in SqueezeNet's eyes, made / photograph"] = judge.terms(made[-1]).style / own
    tiles([[photograph, painting], made]).save(output / "style-trained.png")
    return figures


def run(quick: bool, output: Path, trained: bool = False) -> common.Figures:
    """Paint, and look into how it is done; or, where that is asked for, by a network ``trained`` here."""
    files = [common.data("style") / f"{name}.jpg" for name in PICTURES]
    large, small = (opened(files, side) for side in ((64, 64) if quick else (256, 128)))
    if trained:
        return trained_here(*large[:2], quick, output)
    few, many = (12, 40) if quick else (100, 300)
    figures = way(*large[:2], many, output)
    figures |= styles(small, many // 2, output)
    figures |= grid(*small[:2], few, output)
    figures |= inside(*small[:2], few, output)
    found = by_resnet(resnet(small[0].shape), *small[:2], few)
    tiles([[*small[:2], found.values]]).save(output / "style-resnet.png")
    return figures | {"ResNet-20: loss, end / start": found.best.total / found.losses[0, 0]}


def main() -> int:
    """Paint two pictures that are named, or do it all."""
    if "--out" not in sys.argv:
        return common.main(
            run, __doc__, GOALS, {"trained": "by a ResNet-20 that is trained here, in place of all that"}
        )
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("content", type=Path)
    parser.add_argument("style", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the picture to write")
    parser.add_argument("--size", type=int, default=256, help="pixels along the longer side")
    options = parser.parse_args()
    paint(options.content, options.style, options.out, options.size)
    return 0


if __name__ == "__main__":
    sys.exit(main())
