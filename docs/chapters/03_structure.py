"""
Structure: layers, depth and width
==================================

Neurons are arranged in *layers*.  The *input layer* takes the sample; each *hidden layer* takes what the layer before
it gives; the *output layer* gives the result.  Information goes one way: the network is *feedforward*.  Its *depth* is
the number of layers, the *width* of a layer its number of neurons.
"""

# %%
# How many layers, how many neurons in each, and of which kind: all of it is in the list.  ``summary`` prints the
# plan, which some call the *connectome*: each layer, what it reads, the shape of what it gives, and how many
# parameters it has.

import matplotlib.pyplot as plt
import numpy as np

import fastnn as fn

net = fn.Sequential([fn.Dense(5, "tanh"), fn.Dense(4, "relu"), fn.Dense(2)], input_shape=3, seed=1)
print(net.summary())

# %%
# A layer of O neurons over I inputs has I times O weights and O biases: 3 x 5 + 5 = 20 for the first.  Drawn, with a
# line for each weight, red above 0 and blue below, as thick as it is large:

figure, axes = plt.subplots(figsize=(7, 3.2))
sizes = [3, 5, 4, 2]
place = [[(column, row - (size - 1) / 2) for row in range(size)] for column, size in enumerate(sizes)]
for column, layer in enumerate(net.layers):
    for (k, j), weight in np.ndenumerate(layer.weight):
        ends = np.array([place[column][k], place[column + 1][j]]).T
        axes.plot(*ends, color="#c0392b" if weight > 0 else "#1f5fa8", linewidth=2.5 * abs(weight), zorder=1)
for column, title in enumerate(["input", "hidden, tanh", "hidden, relu", "output"]):
    axes.scatter(*np.array(place[column]).T, s=260, color="white", edgecolors="0.2", zorder=2)
    axes.text(column, 2.6, title, ha="center")
axes.set_axis_off()

# %%
# Deeper is more abstract
# -----------------------
#
# The first layers see pixels, the last ones answers; those between see something in between.  It can be measured: take
# the outputs ``a`` of a layer and ask how well a *linear probe*, the simplest of readers, can read the answer off
# them.  The question here is whether a digit is even, which no single pixel tells.

X, digit = fn.load_digits()
even = digit % 2 == 0
X, X_test, even, even_test = fn.split(X, even.astype(int), 0.5, stratify=True, seed=0)
hidden = ["hidden_1", "hidden_2", "hidden_3"]


def probe(train, test):
    """Accuracy of a linear reader, fitted by least squares."""
    A, B = (np.hstack([a, np.ones((len(a), 1))]) for a in (train, test))
    reader = np.linalg.solve(A.T @ A + 1e-3 * np.eye(A.shape[1]), A.T @ (2 * even - 1))
    return float(np.mean((B @ reader > 0) == even_test))


def probes(net):
    """Accuracy of the probe at the pixels and at each hidden layer."""
    train, test = net.activations(X), net.activations(X_test)
    return [probe(X, X_test), *(probe(train[name], test[name]) for name in hidden)]


readable = []
for seed in range(5):
    layers = [fn.Dense(32, "tanh", name=name) for name in hidden]
    net = fn.Sequential([*layers, fn.Dense(1)], input_shape=64, seed=seed)
    untrained = probes(net)
    net.fit(X, even, epochs=60, loss="binary_cross_entropy", optimizer=fn.Adam(2e-3))
    readable.append((untrained, probes(net)))
random, trained = np.mean(readable, axis=0)

plt.figure(figsize=(6, 3.2))
plt.plot(trained, "o-", label="trained network")
plt.plot(random, "o--", color="0.5", label="random parameters")
plt.xticks(range(4), ["pixels", *hidden])
plt.ylabel("accuracy of the probe,\nmean of 5 networks")
plt.legend()
print("trained:", np.round(trained, 3), " random:", np.round(random, 3))

# %%
# **What to look at.**  In the trained network the answer gets easier to read from layer to layer.  In the one with
# random parameters it gets harder: depth alone abstracts nothing, learning does.
#
# Depth and width cost the same in one respect, time: what counts is the number of weights.

for width in (32, 128, 512):
    net = fn.Sequential([fn.Dense(width, "relu"), fn.Dense(width, "relu"), fn.Dense(10)], input_shape=64, seed=0)
    print(f"64-{width}-{width}-10: {net.n_params:7,} parameters, {net.params.nbytes / 1024:6,.0f} KiB")

# %%
# Any graph without a circle can be built, not only a row of layers: see :doc:`04_connections`.
