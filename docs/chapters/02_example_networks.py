"""
Example networks
================

The same few lines make very different things, depending on the examples that a network is shown.
"""

# %%
# A curve: regression
# -------------------
#
# The outputs are numbers, the loss is the squared error.  The network sees 60 noisy points and is asked for the curve.

import matplotlib.pyplot as plt
import numpy as np

import fastnn as fn

random = np.random.default_rng(0)
x = random.uniform(-3, 3, (60, 1))
t = np.sin(2 * x) + 0.15 * random.normal(size=x.shape)

net = fn.Sequential([fn.Dense(32, "tanh"), fn.Dense(32, "tanh"), fn.Dense(1)], input_shape=1, seed=0)
net.fit(x, t, epochs=800, loss="squared_error", optimizer=fn.Adam(fn.CosineDecay(1e-2, total_steps=1600)))

line = np.linspace(-3, 3, 300)[:, None]
plt.figure()
plt.plot(x, t, "o", color="0.6", label="examples")
plt.plot(line, net.predict(line), label="network")
plt.plot(line, np.sin(2 * line), "--", color="0.3", label="what made them, without the noise")
plt.xlabel("input")
plt.ylabel("output")
plt.legend(loc="upper center", bbox_to_anchor=(0.5, 1.18), ncols=3)
curve_error = float(np.abs(net.predict(line) - np.sin(2 * line)).mean())
print(f"mean distance of the two curves: {curve_error:.3f}; standard deviation of the noise: 0.15")

# %%
# **What to look at.**  The network draws a smooth curve between the points instead of going through each: that is what
# makes it useful for inputs it has not seen.
#
# Two classes: classification
# ---------------------------
#
# The output is one score, a *logit*: above 0 the network says yes.  No straight line separates these two spirals.

angle = np.sqrt(random.uniform(0.02, 1, 600)) * 3 * np.pi
label = np.arange(600) % 2
turn = angle + np.pi * label
points = 0.3 * angle[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1) + 0.06 * random.normal(size=(600, 2))

net = fn.Sequential([fn.Dense(32, "tanh"), fn.Dense(32, "tanh"), fn.Dense(1)], input_shape=2, seed=0)
net.fit(points, label, epochs=300, loss="binary_cross_entropy", optimizer=fn.Adam(1e-2), metrics=["accuracy"])
spiral_accuracy = net.evaluate(points, label)["accuracy"]
print(f"accuracy: {spiral_accuracy:.3f}")

axis = np.linspace(-3.2, 3.2, 200)
plane = np.stack(np.meshgrid(axis, axis), axis=-1)
probability = 1 / (1 + np.exp(-net.predict(plane.reshape(-1, 2)).reshape(200, 200)))
figure, axes = plt.subplots(figsize=(5, 4))
colours = axes.pcolormesh(axis, axis, probability, cmap="RdBu_r", vmin=0, vmax=1, alpha=0.6, rasterized=True)
axes.scatter(*points.T, c=label, cmap="RdBu_r", s=8, edgecolors="k", linewidths=0.2)
axes.set(xlabel="first input", ylabel="second input", aspect="equal")
figure.colorbar(colours, label="probability of red")

# %%
# **What to look at.**  The border between the colours bends along with the spirals, and the network is unsure (white)
# only in the gap between them.
#
# Without labels: an autoencoder
# ------------------------------
#
# Not every task comes in pairs.  An *autoencoder* learns from the inputs alone: it has to give back what it got, but
# through a narrow layer.  Here 64 pixels must pass through 12 numbers, so the network has to find out what digits have
# in common.  The desired output is the input itself.

X, _ = fn.load_digits()
X, X_test = X[:1500], X[1500:]
layers = [fn.Dense(64, "relu"), fn.Dense(12, "tanh"), fn.Dense(64, "relu"), fn.Dense(64, "sigmoid")]
net = fn.Sequential(layers, input_shape=64, seed=0)
net.fit(X, X, epochs=150, loss="squared_error", optimizer=fn.Adam(fn.CosineDecay(3e-3, total_steps=150 * 47)))

again = net.predict(X_test)
code_error = float(np.mean((again - X_test) ** 2))
mean_error = float(np.mean((X.mean(axis=0) - X_test) ** 2))
print(f"squared error {code_error:.4f}; of the mean image {mean_error:.4f}")
figure, axes = plt.subplots(2, 10, figsize=(7, 1.6))
for column in range(10):
    axes[0, column].imshow(X_test[column].reshape(8, 8), vmin=0, vmax=1)
    axes[1, column].imshow(again[column].reshape(8, 8), vmin=0, vmax=1)
for axis in axes.flat:
    axis.set_axis_off()

# %%
# **What to look at.**  Above, digits that the network has not seen; below, what it makes of their 12 numbers.  The
# shapes are there, the noise of single pixels is not.
#
# Four systems
# ------------
#
# Larger things are put together of the same layers and losses.  These four are scripts of the :doc:`examples
# </examples/index>`, each of one or two pages; pictures and times are of a processor with two cores.
#
# .. rubric:: A photograph in the style of a painting
#
# Here the network does not learn.  SqueezeNet, which others trained on photographs, stays as it is, and the *picture*
# goes down the gradient: backpropagation gives the slope of a loss by the pixels as well as by weights.  The loss asks
# for two things.  In a deep layer the maps of features should be those of the photograph: that says what is where.  In
# several layers the same features should be found *together* as in the painting, wherever that is: a table of how much
# each two maps agree, their Gram matrix, says what brush strokes and colours go with each other, and not where.  From
# white noise to a picture of 256 pixels it takes 300 evaluations, and 4 to 12 seconds.
#
# .. image:: /gallery/style_transfer.png
#    :class: example-page
#    :alt: A photograph of a town painted in four styles, the paintings above.
#
# After Gatys, Ecker & Bethge 2015; the :doc:`script </examples/style_transfer>`, or
# ``python -m fastnn style photograph.jpg painting.jpg --out painted.png``.
#
# .. rubric:: Pictures out of nothing
#
# Two networks against each other: one makes pictures of random numbers, the other tells them from real ones, and each
# learns from the mistakes of the other.  Such a pair is hard to balance, the harder the larger the pictures; so both
# begin with 4 x 4 pixels, and layers for twice the size fade in when a size has been learned.  What has been learned
# is kept.  The numbers that go in become a map of all pictures: between any two points of it lie pictures that are
# something of both, which a film shows that the script saves.
#
# .. image:: /gallery/progressive_gan.png
#    :class: example-page
#    :alt: Digits that a generator makes, at 4, 8 and 16 pixels, above real ones.
#
# After Karras, Aila, Laine & Lehtinen 2018; the :doc:`script </examples/progressive_gan>`.
#
# .. rubric:: From one kind of picture to another
#
# Nobody says which belong together: there is a heap of digits that one office scanned, and a heap of another's.  Two
# autoencoders, one for each heap, share their middle layers, so a code means the same digit in both; decoded by the
# other it is that digit in the other hand.  Critics see to it that it looks real, and translated back it must be the
# first picture again.
#
# .. image:: /gallery/unit.png
#    :class: example-page
#    :alt: Digits of one set, given back, translated to another set, and translated back.
#
# After Liu, Breuel & Kautz 2017; the :doc:`script </examples/unit>`.
#
# .. rubric:: A character that walks
#
# Sixty times a second a network is told where the joints of a body are, where the player wants to go and how high the
# ground is along that way, and says where the joints are next.  Its weights are no constants: they are a curve that is
# closed, and where on it they are is the phase of the step, from one foot's contact to the next.
#
# .. image:: /gallery/pfnn_controller.png
#    :class: example-page
#    :alt: A walking figure on uneven ground, drawn every few frames.
#
# After Holden, Komura & Saito 2017; the :doc:`script </examples/pfnn_controller>`.  A frame takes a tenth of a
# millisecond.
