"""
What a network is, and learning by example
==========================================

A neural network is a function with many adjustable numbers, its *parameters*.  It takes an input, say the pixels of an
image, and returns an output, say a score for each of ten digits.  Nobody writes down how to tell a 3 from an 8.
Instead the network is shown pairs of input and desired output, and its parameters are changed, little by little, until
its outputs come close to the desired ones.  That is *learning by example*.
"""

# %%
# The examples
# ------------
#
# 1,797 images of handwritten digits come with the package.  A row of ``X`` is one image, 64 numbers from 0 to 1; the
# same row of ``y`` is its label.  A fifth of the pairs is put aside: the network never learns from them, so they
# show whether it has understood or only memorised.

import matplotlib.pyplot as plt
import numpy as np

import fastnn as fn

X, y = fn.load_digits()
X, X_test, y, y_test = fn.split(X, y, 0.2, stratify=True, seed=0)
print(X.shape, y.shape, X_test.shape)

figure, axes = plt.subplots(2, 10, figsize=(7, 1.8))
for axis, image, label in zip(axes.flat, X, y, strict=False):
    axis.imshow(image.reshape(8, 8))
    axis.set_title(label)
    axis.set_axis_off()

# %%
# Before learning: noise
# ----------------------
#
# The parameters start as random numbers, so the network answers at random.  The seed decides which random numbers: the
# same seed gives the same network, bit for bit.

net = fn.Sequential([fn.Dense(64, "relu"), fn.Dense(10, "softmax")], input_shape=64, seed=0)
net.compile(loss="cross_entropy", optimizer="adam", metrics=["accuracy"])
before = net.evaluate(X_test, y_test)
print(before)
print(f"chance: loss log 10 = {np.log(10):.2f}, accuracy 0.10")

# %%
# One step of learning, slowly
# ----------------------------
#
# 1. *Forward*: the input goes through the network, and an output comes out.
# 2. *Loss*: one number says how far the output is from the desired one.
# 3. *Gradient*: for **every** parameter, how the loss changes if that parameter grows a little.
# 4. *Update*: every parameter is moved a little in the direction in which the loss falls.
#
# ``train_step`` does all four, here for a single image.  It returns the loss before the update.

print("desired:", y[0], " answer:", net.predict_one(X[0]).round(2))
losses = [net.train_step(X[0], y[0]) for _ in range(5)]
print("loss of this image, step by step:", np.round(losses, 3))

# %%
# No parameter is left out of step 3.  Each can be looked at by name, with its gradient beside it:

net.backward(net.forward(X[:100]) - np.eye(10)[y[:100]])
for (name, parameter), (_, gradient) in zip(net.named_parameters(), net.named_gradients(), strict=True):
    print(f"{name:15} {parameter.size:5} numbers, {np.count_nonzero(gradient):5} with a gradient other than 0")

# %%
# The weights of a pixel that is 0 in all these images have the gradient 0: what has no influence on the answer cannot
# be blamed for it.
#
# All of it, again and again
# --------------------------
#
# ``fit`` repeats the step over all pairs, a few at a time, in a new random order in every *epoch*.  The pairs may be
# more than fit into memory: :doc:`/howto/streaming`.  When to stop is a rule: after a number of epochs, or, as here,
# when the loss on held-out pairs has not fallen for a while.

history = net.fit(X, y, epochs=200, validation_data=(X_test, y_test), callbacks=[fn.EarlyStopping(patience=15)])
curves = fn.plot_history(history)

# %%
after = net.evaluate(X_test, y_test)
print("epochs:", len(history["loss"]))
print(f"accuracy on held-out digits: {before['accuracy']:.2f} -> {after['accuracy']:.3f}")

# %%
# **What to look at.**  Both losses fall from chance level.  The loss on the training pairs goes on falling after the
# loss on held-out pairs has stopped: from there on the network learns its examples by heart.  The mark shows the epoch
# that ``EarlyStopping`` goes back to.
#
# Two words of caution.  Here the held-out pairs also chose the epoch, so they flatter the network a little;
# :doc:`/howto/validation` says how to keep a third set.  And a trained network is hard to read: its knowledge is
# spread over thousands of numbers.  ``net.activations`` and the gradient with respect to the input give some insight;
# the former appears in :doc:`03_structure`, the latter here: the pixels on which the score of the right digit depends
# most.

scores = net.forward(X_test[:10])
dependence = np.abs(net.backward(np.eye(10)[y_test[:10]]))
figure, axes = plt.subplots(2, 10, figsize=(7, 1.8))
for column, (image, pixels) in enumerate(zip(X_test, dependence, strict=False)):
    axes[0, column].imshow(image.reshape(8, 8))
    axes[1, column].imshow(pixels.reshape(8, 8), cmap="Reds")
for axis in axes.flat:
    axis.set_axis_off()
