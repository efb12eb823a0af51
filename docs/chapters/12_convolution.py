r"""
Convolution: one small window, everywhere
=========================================

A dense layer gives every neuron a weight for every pixel.  It does not know which pixels are neighbours, and what it
learns in one corner it must learn again in the next.  A *convolution* (LeCun et al. 1989) looks at the image through a
small window, with the same weights wherever the window is:

.. math:: y_{ijo} = b_o + \sum_{k, l, c} x_{i+k,\, j+l,\, c}\; w_{klco}

i and j say where the window is, k and l where within it, c is the *channel*: one for grey images, three for red, green
and blue.  The weights of one output o are a *filter*; what it answers, place by place, is its *feature map*.
"""

# %%
# By hand
# -------
#
# A filter of 3 by 3 that is below 0 above and above 0 below answers where an image becomes brighter downwards: at a
# horizontal edge.  Turned, it answers at vertical ones.  Nothing is learned yet; the weights are set.

import matplotlib.pyplot as plt
import numpy as np

import fastnn as fn

X, y = fn.load_digits()
X = X.reshape(-1, 8, 8, 1)
down = np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]]) / 4  # Sobel's
filters = {"edges, downwards": down, "edges, to the right": down.T, "blur": np.ones((3, 3)) / 9}
window = fn.Sequential([fn.Conv2D(3, 3, bias=False)], input_shape=(8, 8, 1), seed=0)
window.layers[0].weight[...] = np.stack(list(filters.values()), axis=-1)[:, :, None, :]

digit = X[0]
maps = window.predict(digit[None])[0]
padded = np.pad(digit[:, :, 0], 1)  # zeros around, so that the map is as large as the image
slow = np.array([[(padded[i : i + 3, j : j + 3] * down).sum() for j in range(8)] for i in range(8)])
by_hand = float(np.abs(maps[:, :, 0] - slow).max())
print(f"largest difference from two loops over the image: {by_hand:.1e}")

figure, axes = plt.subplots(1, 4, figsize=(9, 2.6))
for place, image, title in zip(axes, [digit, *np.moveaxis(maps, -1, 0)], ["image", *filters], strict=True):
    place.imshow(image, cmap="gray" if title == "image" else "RdBu_r", vmin=-1, vmax=1)
    place.set(xticks=[], yticks=[], title=title)

# %%
# **What to look at.**  Red is above 0, blue below.  The first filter is red along the upper edges of the strokes and
# blue along the lower ones; the second does the same from left to right; the third sees no edges at all.
#
# Why weights are shared
# ----------------------
#
# Because the weights are the same everywhere, an image that is moved gives a map that is moved, and nothing else
# changes.  A stroke learned here is known there.  It is also cheap: these 27 weights do what would take a dense layer
# 64 times 192.

moved = np.roll(X[:, 1:-1], 1, axis=2)[:, :, 1:]  # one pixel to the right
inner = fn.Sequential([fn.Conv2D(3, 3, bias=False, padding="valid")], input_shape=moved.shape[1:], seed=0)
inner.params[:] = window.params
difference = inner.predict(moved)[:, :, 1:] - inner.predict(X[:, 1:-1, 1:])[:, :, :-1]
equivariance = float(np.abs(difference).max())
print(f"map of the moved image, beside the moved map: {equivariance:.1e}")
print(f"a dense layer: {64 * 192:,} weights; the convolution: {window.n_params}")

# %%
# So with as many parameters, which of the two learns more from 900 digits?  The convolutional network sees them
# through three layers of windows; ``MaxPool2D`` keeps the largest answer of each 2 by 2 places, which halves the
# maps, and ``GlobalAvgPool2D`` takes the mean of each.  Both are tested on the other 897 digits, as they are and
# moved by one pixel.

X_few, X_test, y_few, y_test = X[:900], X[900:], y[:900], y[900:]
side = np.zeros_like(X_test)
side[:, :, 1:] = X_test[:, :, :-1]


def convolutional(seed):
    """Three layers of filters, and a dense layer over the means of their maps."""
    layers = [
        fn.Conv2D(16, 3, "relu", name="filters_1"),
        fn.Conv2D(24, 3, "relu", name="filters_2"),
        fn.MaxPool2D(2, name="pool"),
        fn.Conv2D(24, 3, "relu", name="filters_3"),
        fn.GlobalAvgPool2D(name="means"),
        fn.Dense(10, name="digits"),
    ]
    return fn.Sequential(layers, input_shape=(8, 8, 1), seed=seed)


def dense(seed):
    """One hidden layer, of as many neurons as make up for it."""
    return fn.Sequential([fn.Flatten(), fn.Dense(121, "relu"), fn.Dense(10)], input_shape=(8, 8, 1), seed=seed)


nets, accuracy = {}, {}
for name, build in (("dense", dense), ("convolutional", convolutional)):
    tests = []
    for seed in range(3):
        net = nets[name] = build(seed)
        net.compile("cross_entropy", fn.Adam(2e-3), metrics=["accuracy"])
        net.fit(X_few, y_few, epochs=20, batch_size=32)
        tests.append([net.evaluate(images, y_test)["accuracy"] for images in (X_test, side)])
    accuracy[name] = np.mean(tests, axis=0)
    still, shifted = accuracy[name]
    print(f"{name:13}  {net.n_params:6,} parameters   right: {still:.1%}, moved by a pixel {shifted:.1%}")

# %%
# **What to look at.**  With the same number of parameters the convolutional network is a little better on digits as
# they are, and far better on digits that have moved, of which neither has seen any.  It loses some there all the
# same: these digits fill their image, so what moves by a pixel is cut off at the edge.
#
# What filters learn
# ------------------
#
# The first layer's filters are small enough to be looked at.  They began as noise.

net = nets["convolutional"]
filter_picture = fn.plot_filters(net)

# %%
# **What to look at.**  Red weights want ink, blue ones none.  Many have a red and a blue side: edges and strokes in
# different directions, as those set by hand above, and as are found in networks for photographs.  What they make of a
# digit, layer by layer:

map_picture = fn.plot_feature_maps(net, X_test[5])

# %%
# **What to look at.**  Each map shows where its filter's pattern is.  Each layer's patterns are made of those of the
# layer before: corners, ends and crossings of strokes.  After the pool the maps are coarser.
#
# How far a neuron sees
# ---------------------
#
# The *receptive field* of a neuron is the part of the image that it can depend on.  A window of k adds k - 1 to it,
# times the strides of all layers before:
#
# .. math:: r_n = r_{n-1} + (k_n - 1) \prod_{m < n} s_m
#
# So depth lets small windows see far, and a pool, of stride 2, lets all later ones see twice as far.  It can be
# measured: the gradient of one neuron in the middle, with respect to the image, is 0 outside its field.

fields = {}
stack = [("3", 3, 1), ("3, 3", 3, 1), ("3, 3, pool", 2, 2), ("3, 3, pool, 3", 3, 1)]
layers, size, stride = [], 1, 1
figure, axes = plt.subplots(1, 4, figsize=(9, 2.6))
for place, (name, k, s) in zip(axes, stack, strict=True):
    layers.append(fn.AvgPool2D(2) if s == 2 else fn.Conv2D(4, 3, "tanh"))
    size, stride = size + (k - 1) * stride, stride * s
    looking = fn.Sequential(layers, input_shape=(24, 24, 1), seed=1, dtype="float64")
    answer = looking.forward(np.random.default_rng(0).normal(size=(1, 24, 24, 1)))
    one = np.zeros_like(answer)
    one[0, answer.shape[1] // 2, answer.shape[2] // 2] = 1
    slope = np.abs(looking.backward(one)[0, :, :, 0])
    measured = int((slope.sum(axis=1) > 0).sum())
    fields[name] = (measured, size)
    print(f"windows {name:14}  field by the formula {size} x {size}, by the gradient {measured} x {measured}")
    place.imshow(slope / slope.max(), cmap="Blues")
    place.set(xticks=[], yticks=[], title=f"{name}: {measured} x {measured}")

# %%
# **What to look at.**  The field grows with depth; its middle counts most, since more ways lead from there to the
# neuron.
#
# What pooling does
# -----------------
#
# It makes maps smaller, so that later layers cost less and see farther, and it forgets where exactly something was.
# Move a digit by one pixel: how much do the features change, compared with the difference between two different
# digits?

names = "filters_1", "filters_2", "pool", "filters_3", "means"
still, shifted = (net.tap(*names).predict(images) for images in (X_test, side))
others = np.random.default_rng(0).permutation(len(X_test))
change = {}
for name, before, after in zip(names, still, shifted, strict=True):
    change[name] = float(np.linalg.norm(after - before) / np.linalg.norm(before[others] - before))
for name, value in change.items():
    print(f"{name:9}  change by {value:.2f} of what two digits differ by")

# %%
# **What to look at.**  In the first maps a digit that has moved is as far from itself as another digit is.  From
# layer to layer, and from pool to pool, the shift matters less.
#
# Where the evidence lies
# -----------------------
#
# A map says where its pattern is, so it can be asked which places spoke for an answer.  Grad-CAM (Selvaraju et al.
# 2017) weighs the maps of the last convolution by how the answer rests on them; occlusion covers patch after patch,
# and sees how far the answer falls; ``maximise_activation`` makes the image that a filter answers to most.

shown = X_test[[int(np.argmax(y_test == digit)) for digit in (0, 3, 7)]]
evidence = [fn.occlusion(net, shown, window=3), fn.grad_cam(net, shown)]
evidence_picture = fn.plot_attribution(evidence)

# %%
# **What to look at.**  Red patches speak for the digit, blue ones against it.  Grad-CAM's maps are as coarse as
# those of the last convolution, here 4 by 4; bright is where the evidence lies.

wanted = fn.maximise_activation(
    net, range(10), layer="filters_2", noise=0.5, bounds=(0, 1), steps=100, smooth=0.3, l2=0.1
)
wanted_picture = fn.plot_maximised(wanted)

# %%
# **What to look at.**  Each picture is what one filter of the second layer likes to see all over the image: bars,
# stripes and dots, each in its own direction and distance.
