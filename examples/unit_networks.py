"""The networks of UNIT: two autoencoders with a common middle, and two critics with common upper layers.

Each is one network.  What both domains share is applied wherever it is needed: it has one set of parameters there, and
its gradients add by themselves.
"""

from collections.abc import Sequence

import fastnn as fn


def leaky() -> fn.Layer:
    """Return the activation of all hidden layers."""
    return fn.Activation("leaky_relu", alpha=0.2)


def normed(layer: fn.Layer) -> list[fn.Layer]:
    """Return a layer, the normalisation of each image by itself, and the activation."""
    return [layer, fn.InstanceNorm(), leaky()]


def mirrored(filters: int, kernel: int, activation: fn.Layer | str | None = None, strides: int = 1) -> fn.Layer:
    """Return a convolution that sees the image mirrored beyond its edge."""
    return fn.Conv2D(filters, kernel, activation, strides=strides, padding_mode="reflect")


def blurred(mean: fn.Tensor) -> fn.Tensor:
    """Return a code drawn from the normal distribution around its mean; in the paper the deviation is 1."""
    return fn.GaussianNoise(0.3)(mean)


def stacked(shape: Sequence[int], seed: int, *stacks: list[fn.Layer]) -> list[fn.Sequential]:
    """Return networks, each for what the one before gives."""
    nets: list[fn.Sequential] = []
    for layers in stacks:
        nets.append(fn.Sequential(layers, input_shape=shape, seed=seed + len(nets)))
        shape = nets[-1].output_shape
    return nets


def autoencoder(shape: Sequence[int], c: int, seed: int) -> list[fn.Sequential]:
    """Return encoder, shared part of it, shared part of decoder, decoder: digits of 16 x 16, and larger pictures."""
    if shape[0] > 16:
        block = [fn.Residual([*normed(mirrored(2 * c, 3)), mirrored(2 * c, 3), fn.InstanceNorm()]) for _ in range(4)]
        down = [*normed(mirrored(c, 5)), *normed(mirrored(2 * c, 4, strides=2))]
        up = [fn.Upsample2D(2), *normed(mirrored(c, 5)), mirrored(1, 5, "tanh")]
        return stacked(shape, seed, [*down, block[0]], [block[1]], [block[2]], [block[3], *up])
    encode = [*normed(fn.Conv2D(c, 5, strides=2)), *normed(fn.Conv2D(2 * c, 5, strides=2))]
    decode = [*normed(fn.ConvTranspose2D(2 * c, 4, strides=2)), *normed(fn.ConvTranspose2D(c, 4, strides=2))]
    return stacked(  # what changes the place and the size of a digit, the dense layers, each domain has of its own, too
        shape,
        seed,
        [*encode, fn.Flatten(), fn.Dense(8 * c, leaky())],
        [fn.Dense(8 * c)],
        [fn.Dense(8 * c, leaky())],
        [fn.Dense(64 * c), *normed(fn.Reshape((4, 4, 4 * c))), *decode, fn.Conv2D(1, 1, "tanh")],
    )


def generator(shape: Sequence[int], c: int, seed: int) -> fn.Network:
    """Return the network that makes of images a and b: aa, ab, bb, ba, aba, bab, and the codes of a, b, ab, ba."""
    encode, code, uncode, decode = autoencoder(shape, c, seed)
    a, b = fn.Input(shape), fn.Input(shape)
    encoders, decoders = (encode, encode.copy()), (decode, decode.copy())  # private, though they start alike
    codes = [code(net(x)) for net, x in zip(encoders, (a, b), strict=True)]
    hidden = [uncode(blurred(mean)) for mean in codes]
    (aa, ab), (ba, bb) = ([net(h) for net in decoders] for h in hidden)
    codes += [code(encoders[1](ab)), code(encoders[0](ba))]
    aba, bab = (net(uncode(blurred(mean))) for net, mean in zip(decoders, codes[2:], strict=True))
    return fn.Network([a, b], [aa, ab, bb, ba, aba, bab, *codes], seed=seed)


def critics(shape: Sequence[int], c: int, digits: bool, seed: int) -> fn.Network:
    """Return the network that scores images a and b: all of an image, of larger pictures every patch, in two sizes.

    With ``digits`` it also says which, of each, and what of each it says it by.
    """
    inputs = [fn.Input(shape), fn.Input(shape)]
    if digits or shape[0] == 16:
        see, judge, score = stacked(
            shape,
            seed,
            [fn.Conv2D(c, 5, leaky()), fn.MaxPool2D(2)],
            [
                *(fn.Dropout(0.1), fn.Conv2D(2 * c, 5, leaky()), fn.MaxPool2D(2)),
                *(fn.Dropout(0.3), fn.Conv2D(4 * c, 3, leaky()), fn.MaxPool2D(2)),
                *(fn.Dropout(0.3), fn.Flatten(), fn.Dense(8 * c, leaky())),
            ],
            [fn.Dense(1)],
        )
        tops, read = [judge(net(x)) for net, x in zip((see, see.copy()), inputs, strict=True)], fn.Dense(10)
        answers = [score(top) for top in tops] + ([read(top) for top in tops] + tops if digits else [])
        return fn.Network(inputs, answers, seed=seed)
    scores: list[list[fn.Tensor]] = [[], []]
    for smaller in [], [fn.AvgPool2D(2)]:
        see, judge = stacked(
            shape,
            seed + len(scores[0]) * 2,
            [*smaller, mirrored(c, 4, leaky(), strides=2)],
            [mirrored(2 * c, 4, leaky(), strides=2), mirrored(4 * c, 3, leaky()), fn.Conv2D(1, 1), fn.Flatten()],
        )
        for of_one, net, x in zip(scores, (see, see.copy()), inputs, strict=True):
            of_one.append(judge(net(x)))
    return fn.Network(inputs, [fn.concatenate(*of_one) for of_one in scores], seed=seed)


def part(net: fn.Network, domain: int, answer: int) -> fn.Network:
    """Return what makes one answer of images of one domain, 0 for a, 1 for b: a network by itself."""
    inputs = [fn.Input(shape) for shape in net.input_shapes]
    return fn.Network(inputs[domain], net(*inputs)[answer])
