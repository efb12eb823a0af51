"""CIFAR-10 from 10,000 photographs: a residual net of 20 layers.

ResNet-20 (He et al. 2015, section 4.2) on images that are shifted by up to 4 pixels and mirrored, each time anew;
momentum, one cycle of the learning rate.  Why depth needs links: ``cifar_depth.py``.

The images are those of ``ORIGINS.md``: a sixth of the set, decoded from JPEG; what others report is for the whole.
"""

import sys
from pathlib import Path
from time import perf_counter

import common
import numpy as np

import fastnn as fn

GOALS = {"ResNet-20, test accuracy": ">= 0.65", "ResNet-20, minutes of training": "<= 15"}
CLASSES = "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"
EPOCHS, BATCH = 20, 64
Start = str | fn.initializers.Initializer


def load(images: int, tests: int) -> tuple[common.Labelled, common.Labelled]:
    """Return training and test images, bytes (N, 32, 32, 3), with their classes."""
    folder, found = common.data("cifar10"), []
    for name, most in (("cifar10_train_10000.npz", images), ("cifar10_test_2000.npz", tests)):
        with np.load(folder / name) as archive:
            found.append((archive["x"][:most], archive["y"][:most].astype(np.int64)))
    return found[0], found[1]


def network(
    depth: int,
    images: np.ndarray,
    links: bool = True,
    normalised: bool = True,
    start: Start = "he_normal",
    seed: int = 0,
    shape: tuple[int, ...] = (32, 32, 3),
) -> fn.Network:
    """Three stages of (depth - 2) / 6 blocks, with 16, 32 and 64 filters, on maps of 32, 16 and 8 pixels a side.

    Another ``shape`` of images makes other maps; the parameters are the same.
    The first layer standardises each channel by the mean and deviation of ``images``, so that bytes go in.  Without
    normalisation blocks with links start at nothing: a sum of many would be large.  Windows over 32 channels and more
    are computed in tiles, a fifth faster and rounded twice as coarsely (`Conv2D`, ``winograd``).
    """

    def convolved(x: fn.Tensor, filters: int, stride: int = 1, size: int = 3, start: Start = start) -> fn.Tensor:
        tiled = filters >= 32 and (size, stride) == (3, 1)
        options = {"strides": stride, "bias": not normalised, "winograd": tiled, "kernel_initializer": start}
        convolution = fn.Conv2D(filters, size, **options)
        return fn.BatchNorm()(convolution(x)) if normalised else convolution(x)

    image = fn.Input(shape)
    x = fn.Activation("relu")(convolved(fn.Standardize.of(images)(image), 16))
    for filters in (16, 32, 64):
        for block in range((depth - 2) // 6):
            stride = 2 if filters > 16 and block == 0 else 1
            body = fn.Activation("relu")(convolved(x, filters, stride))
            body = convolved(body, filters, start="zeros" if links and not normalised else start)
            if links:
                body = fn.add(body, x if stride == 1 else convolved(x, filters, stride, size=1))
            x = fn.Activation("relu")(body)
    return fn.Network(image, fn.Dense(10)(fn.GlobalAvgPool2D()(x)), seed=seed)


def trained(net: fn.Network, train: common.Labelled, test: common.Labelled, epochs: int) -> fn.History:
    """Train with momentum, weight decay and one cycle of the learning rate."""
    data = fn.Augmented(*train, [fn.PadCrop(4), fn.HorizontalFlip()], seed=0)
    steps = epochs * -(-len(data) // BATCH)
    optimizer = fn.SGD(fn.OneCycle(0.1, total_steps=steps), momentum=0.9, nesterov=True, l2=5e-4)
    net.compile("cross_entropy", optimizer, metrics=["accuracy"])
    return net.fit(data, epochs=epochs, batch_size=BATCH, validation_data=test)


def run(quick: bool, output: Path) -> common.Figures:
    """Train, say how good it is, and draw what it looks at."""
    train, test = load(320, 100) if quick else load(10_000, 2_000)
    net, epochs = network(8 if quick else 20, train[0]), 4 if quick else EPOCHS
    began = perf_counter()
    history = trained(net, train, test, epochs)
    minutes = (perf_counter() - began) / 60
    images = test[0].astype(np.float32)
    figures = {
        "ResNet-20, test accuracy": net.evaluate(images, test[1])["accuracy"],
        "ResNet-20, minutes of training": minutes,
    }
    print(
        f"{net.n_params:,} parameters, {epochs} epochs: accuracy {figures['ResNet-20, test accuracy']:.1%}", flush=True
    )
    fn.plot_history(history, output / "cifar-curves.png")
    fn.plot_filters(net, output / "cifar-filters.png")
    right = np.flatnonzero(net.predict(images).argmax(axis=1) == test[1])[:3]
    shown = images[right] if len(right) else images[:3]
    fn.plot_attribution(
        [fn.occlusion(net, shown, window=8, stride=4), fn.grad_cam(net, shown)], output / "cifar-evidence.png"
    )
    return figures


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
