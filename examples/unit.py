"""Images of one domain turned into those of another, without pairs: UNIT [Liu, Breuel & Kautz 2017].

Two variational autoencoders share the middle of their encoders and decoders, so that a code means the same in both
domains: an image of domain a, encoded, can be decoded as one of domain b.  They learn it from two heaps of images in
which nothing says what belongs together:

- each gives its images back, through codes that noise blurs and that are held near 0;
- critics, which share their upper layers, tell what was translated from what is real [least squares, Mao et al. 2017];
- what was translated and is translated back is the image again.

MNIST to its negative, where the true answer is known; MNIST to USPS and USPS to MNIST, where the critics also learn the
digits of the first domain, whose labels they are given, and then read those of the second, whose labels they never saw
(the paper: .960 and .936); with ``--faces`` drawings of faces to faces.  Digits of USPS fill their frame and those of
MNIST do not.  So the critics read digits moved, turned and resized, which gains most, as a reader of the same moved
images shows; and each domain has a dense layer of its own before and after the code, since windows alone change the ink
of a digit, not its size.  Without labels of b nothing forbids to translate every 4 into a 9, so the generator is held
to what the critic of a reads in its translations, which has learned by real images alone.  The recipe was chosen on
images held out of the training sets: ``--choose``.

The generator is one network with two inputs and ten answers, the critics another: what both domains share is applied
wherever it is needed, and its gradients add by themselves.  The translators are parts of it, and saved as such.
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter

import common
import numpy as np
import pictures
from scipy.ndimage import gaussian_filter
from scipy.special import softmax
from unit_networks import critics, generator, part

import fastnn as fn

GOALS = {
    "MNIST to negative, L1 to the truth / of the image itself": "<= 0.25",
    "MNIST to USPS, digits read by the critic": ">= 0.85",
    "MNIST to USPS, more than by the source alone": ">= 0.05",
    "MNIST to USPS, translations read right": ">= 0.85",
    "MNIST to USPS, L1 of there and back": "<= 0.1",
    "MNIST to USPS, critic right on new translations": "<= 0.75",
    "USPS to MNIST, digits read by the critic": ">= 0.85",
    "USPS to MNIST, more than by the source alone": ">= 0.1",
    "USPS to MNIST, translations read right": ">= 0.85",
    "USPS to MNIST, L1 of there and back": "<= 0.1",
    "USPS to MNIST, critic right on new translations": "<= 0.75",
    "minutes for all of it": "<= 30",
}
Images, Random = np.ndarray, np.random.Generator
Batch = tuple[Images, Images, np.ndarray | None]  # of a, of b, and the digits of a


@dataclass(frozen=True)
class Pair:
    """Two domains, images (N, H, W, 1) in [-1, 1] and labels: to learn from, and new ones.

    With ``digits`` the labels of a are given; without, new_b holds the true translations of new_a.
    """

    name: str
    picture: str
    digits: bool
    a: common.Labelled
    b: common.Labelled
    new_a: common.Labelled
    new_b: common.Labelled


@dataclass(frozen=True)
class Recipe:
    """How long, how fast, how wide, and what each part of the loss weighs."""

    steps: int
    batch: int = 32
    rate: float = 1e-3
    channels: int = 16
    moved: fn.Augmentation | None = None  # how digits are changed before they are read
    real: float = 2.0  # scores
    own: float = 20.0  # L1 of images that are given back
    back: float = 25.0  # and of those translated there and back
    code: float = 0.001  # half the square of a code, which is the divergence from N(0, 1) but for a constant
    digit: float = 8.0  # cross entropy of the digits of a, moved
    translated: float = 6.0  # and, for the critics, of their translations
    kept: float = 4.0  # likewise, for the generator, of what the critic of a reads
    alike: float = 0.02  # half the squared distance of what is seen in an image and in its translation


def off(logits: np.ndarray, digits: np.ndarray) -> np.ndarray:
    """Return the slope of the mean cross entropy."""
    return (softmax(logits, axis=1) - np.eye(10)[digits]) / len(digits)


def critics_step(net: fn.Network, batch: Batch, made: list[Images], how: Recipe, random: np.random.Generator) -> None:
    """Teach the critics scores, 1 for real images, 0 for translations; of digits, moved, labels; to see them alike."""
    (a, b, labels), (aa, ab, bb, ba), n = batch, made[:4], len(batch[0])
    seen = [[a, ba, aa], [b, ab, bb]]
    if labels is not None:
        read = np.concatenate([a, ab])
        if how.moved:
            read = how.moved.apply(read, random.random((2 * n, how.moved.draws)))
        seen = [seen[0] + [read[:n]], seen[1] + [read[n:]]]
    answers = net.forward([np.concatenate(images) for images in seen], training=True)
    answers = [answer.reshape(len(seen[0]), n, -1) for answer in answers]  # real, translated, given back, to be read
    slopes = [np.zeros_like(answer) for answer in answers]
    for score, slope in zip(answers[:2], slopes[:2], strict=True):
        slope[:2] = how.real / score[0].size * (score[:2] - [[[1]], [[0]]])
    if labels is not None:
        slopes[2][3] = how.digit * off(answers[2][3], labels)
        slopes[3][3] = how.translated * off(answers[3][3], labels)
        tops, weight = answers[4:], how.alike / n
        for one, other, slope in zip(tops, tops[::-1], slopes[4:], strict=True):
            slope[1:3] = weight * (one[1:3] - other[2:0:-1])
    net.backward([slope.reshape(len(seen[0]) * n, -1) for slope in slopes], inputs=False)
    net.apply_gradients()


def generator_step(net: fn.Network, judge: fn.Network, batch: Batch, made: list[Images], how: Recipe) -> None:
    """Teach the generator, whose answers ``made`` are, by what the critics say and by what comes back."""
    (a, b, labels), (aa, ab, bb, ba, aba, bab, *codes) = batch, made
    seen, n = ([ba], [ab]) if labels is None else ([ba, ab], [ab, ba]), len(a)
    answers = judge.forward([np.concatenate(images) for images in seen], training=True)
    asked = (np.arange(len(answers[0])) < n)[:, None]  # the others of the images are there to be read
    slopes: list[np.ndarray | None] = [how.real / score[:n].size * asked * (score - 1) for score in answers[:2]]
    if labels is not None:
        read = np.zeros_like(answers[2])
        read[n:] = how.kept * off(answers[2][n:], labels)
        slopes += [read, None, None, None]
    dba, dab = judge.backward(slopes, parameters=False)
    if labels is not None:
        dba, dab = dba[:n], dab[:n] + dba[n:]

    def l1(image: Images, truth: Images, weight: float) -> Images:
        return weight / image.size * np.sign(image - truth)

    images = l1(aa, a, how.own), dab, l1(bb, b, how.own), dba, l1(aba, a, how.back), l1(bab, b, how.back)
    net.backward([*images, *(how.code / len(a) * mean for mean in codes)], inputs=False)
    net.apply_gradients()


def train(pair: Pair, how: Recipe, seed: int) -> tuple[fn.Network, fn.Network]:
    """Return generator and critics, trained in turns."""
    random, shape = np.random.default_rng(seed), pair.a[0].shape[1:]
    net, judge = generator(shape, how.channels, 100 * seed), critics(shape, how.channels, pair.digits, 100 * seed + 50)
    for each in (net, judge):  # a short memory: the other moves too
        each.compile(optimizer=fn.Adam(fn.CosineDecay(how.rate, total_steps=how.steps), beta1=0.5))
    for _ in common.progress(range(how.steps), pair.name):
        of_a, of_b = (random.integers(0, len(images), how.batch) for images, _ in (pair.a, pair.b))
        batch = pair.a[0][of_a], pair.b[0][of_b], pair.a[1][of_a] if pair.digits else None
        made = net.forward(batch[:2], training=True)
        critics_step(judge, batch, made, how, random)
        generator_step(net, judge, batch, made, how)
    return net, judge


def right(net: fn.Network, images: Images, digits: np.ndarray) -> float:
    """Return the share of images that are read as these digits."""
    return float((net.predict(images).argmax(axis=1) == digits).mean())


def reader(of: common.Labelled, how: Recipe, seed: int, moved: fn.Augmentation | None = None) -> fn.Network:
    """Return what reads digits: layers as those of the critics, taught by labels alone in as many steps."""
    net = part(critics(of[0].shape[1:], how.channels, True, seed), 0, 2)
    data = (fn.Augmented(*of, moved, seed=seed),) if moved else of
    epochs = -(-how.steps * how.batch // len(of[0]))
    net.fit(*data, epochs=epochs, batch_size=how.batch, loss="cross_entropy", optimizer="adam")
    return net


def measured(pair: Pair, how: Recipe, seed: int, output: Path) -> common.Figures:
    """Train, measure on new images, save the translator and what it made, and draw some of it."""
    net, judge = train(pair, how, seed)
    (a, digits), (b, digits_b), path = pair.new_a, pair.new_b, output / pair.picture
    of_a, of_b = ([part(net, 0, i).predict(a) for i in (0, 1, 4)], [part(net, 1, i).predict(b) for i in (2, 3, 5)])
    scores = [part(judge, 1, 1).predict(images).mean(axis=1) for images in (b, of_a[1])]
    figures = {
        "L1 of there and back": float(np.abs(of_a[2] - a).mean() + np.abs(of_b[2] - b).mean()) / 2,
        "critic right on new translations": float((scores[0] > 0.5).mean() + (scores[1] <= 0.5).mean()) / 2,
    }
    if pair.digits:
        figures["digits read by the critic"] = read = right(part(judge, 1, 3), b, digits_b)
        figures["more than by the source alone"] = read - right(reader(pair.a, how, seed), b, digits_b)
        figures["more than by a moved source alone"] = read - right(reader(pair.a, how, seed, how.moved), b, digits_b)
        figures["translations read right"] = right(reader(pair.b, how, seed), of_a[1], digits)
    else:
        off = float(np.abs(of_a[1] - b).mean())
        figures["L1 to the truth / of the image itself"] = off / float(np.abs(a - b).mean())
        figures["L1 to the truth / of one image for all"] = off / float(np.abs(np.median(b, axis=0) - b).mean())
    part(net, 0, 1).save(path.with_suffix(".safetensors"))
    np.savez_compressed(path.with_suffix(".npz"), x=of_a[1], y=digits)
    picture, side = pictures.figure(12, 6.5), a.shape[1]
    ink = 0.5 if side == 16 else -0.5  # digits are white on black
    for axes, images, title in zip(picture.subplots(2, 1), ([a, *of_a], [b, *of_b]), (pair.name, "Back"), strict=True):
        tiles = np.stack([ink * x[:16].reshape(16, -1) + 0.5 for x in images])
        pictures.show(axes, tiles, side, ["image", "given back", "translated", "and back"], title)
    pictures.save(picture, path)
    return {f"{pair.name}, {what}": value for what, value in figures.items()}


def digits(most: int, choose: bool) -> list[Pair]:
    """Return the pairs of digits, of at most so many images of each set; to ``choose`` by, none of the test sets."""
    sets = [common.held_out(train) if choose else (train, test) for train, test in (common.mnist(), common.usps())]
    m, new_m = ((2 * common.resampled(x[:most].reshape(-1, 28, 28), 16)[..., None] - 1, y[:most]) for x, y in sets[0])
    u, new_u = ((x[:most].reshape(-1, 16, 16, 1), y[:most]) for x, y in sets[1])
    half = len(m[0]) // 2
    first, second = (m[0][:half], m[1][:half]), (-m[0][half:], m[1][half:])
    return [
        Pair("MNIST to negative", "unit-negative.png", False, first, second, new_m, (-new_m[0], new_m[1])),
        Pair("MNIST to USPS", "unit-mnist-to-usps.png", True, m, u, new_m, new_u),
        Pair("USPS to MNIST", "unit-usps-to-mnist.png", True, u, m, new_u, new_m),
    ]


def portraits() -> Pair:
    """Return drawings of 18 people, and faces of 18 others; new ones are of four that are in neither."""
    images, people = common.faces()
    images = images[:, 10:102] / 255
    images, people = np.concatenate([images, images[:, :, ::-1]]), np.tile(people, 2)
    fine, coarse = (gaussian_filter(images, (0, sigma, sigma)) for sigma in (1.5, 4))
    a, b = (2 * common.resampled(x, 32)[..., None] - 1 for x in (np.clip(1 + 8 * (fine - coarse), 0, 1), images))
    first, second, new = people < 18, (people >= 18) & (people < 36), people >= 36
    parts = (a, first), (b, second), (a, new), (b, new)
    return Pair("drawings to faces", "unit-faces.png", False, *((x[which], people[which]) for x, which in parts))


def run(quick: bool, output: Path, faces: bool = False, seeds: bool = False, choose: bool = False) -> common.Figures:
    """Learn the pairs; with ``seeds`` each three times, and return means."""
    began, figures = perf_counter(), common.Figures()
    moved = fn.Affine(15, scale=0.35, shift=0.08, fill=-1.0)
    pairs = digits(300 if quick else 60_000, choose)
    learned = [(pair, Recipe(4000, moved=moved) if pair.digits else Recipe(2000)) for pair in pairs]
    if faces:
        learned.append((portraits(), Recipe(3000, batch=8, rate=5e-4)))
    for pair, how in learned:
        recipe = replace(how, steps=10) if quick else how
        found = [measured(pair, recipe, seed, output) for seed in range(3 if seeds else 1)]
        for name in found[0]:
            values = [each[name] for each in found]
            figures[name] = float(np.mean(values))
            print(f"{name}: {figures[name]:.3f}", *(f"{one:.3f}" for one in values), flush=True)
    return figures | {"minutes for all of it": (perf_counter() - began) / 60}


if __name__ == "__main__":
    flags = {"faces": "also drawings of faces", "seeds": "each three times: the figures are means"}
    flags["choose"] = "measure on images held out of the training sets, as the recipe was chosen"
    sys.exit(common.main(run, __doc__, GOALS, flags))
