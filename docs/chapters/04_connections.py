"""
Connections and dropout
=======================

How two layers are connected is a choice of its own.  This chapter has the three that matter for networks of dense
layers: full connection, a way around, and connections that come and go while the network learns.
"""

# %%
# Fully connected
# ---------------
#
# In a ``Dense`` layer every neuron sees every neuron of the layer before.  Its weights are a matrix with a row for each
# input and a column for each neuron.

import matplotlib.pyplot as plt
import numpy as np

import fastnn as fn

net = fn.Sequential([fn.Dense(128, "relu"), fn.Dense(10)], input_shape=64, seed=0)
print([layer.weight.shape for layer in net.layers])

# %%
# Residual: a way around
# ----------------------
#
# The output of a layer can go to more layers than the next.  In a *residual* block it goes around some layers and is
# added to what they give, so that they learn what to add, ``x + body(x)``.  Why that helps is the subject of
# :doc:`10_vanishing_gradient`.

x = fn.Input(64)
h = fn.Dense(64, "tanh", name="body")(x)
out = fn.Dense(10, name="head")(fn.add(h, x))
print(fn.Network(inputs=x, outputs=out, seed=0).summary())

# %%
# ``fn.Residual([fn.Dense(64, "tanh")])`` is the same block in one word; ``fn.concatenate`` puts outputs side by side
# instead of adding them.
#
# Dropout and DropConnect
# -----------------------
#
# Dropout switches parts of the network off at random while it learns, other ones at every step.  No neuron can then
# rely on one particular other neuron.  Two kinds are often confused:
#
# - ``DropConnect`` removes a share of the **connections**: single weights.
# - ``Dropout`` removes a share of the **units**: neurons, with all connections that leave them.
#
# Let all weights be 1 and feed in ones; then what comes out counts the connections that are left.

units = fn.Sequential([fn.Dropout(0.5, inverted=False), fn.Dense(40)], input_shape=40, seed=0)
connections = fn.Sequential([fn.DropConnect(40, rate=0.5, inverted=False)], input_shape=40, seed=0)
figure, axes = plt.subplots(1, 2, figsize=(7, 3), sharey=True)
for axis, net, title in zip(axes, (units, connections), ("Dropout", "DropConnect"), strict=True):
    net.layers[-1].weight[...] = 1
    left = net.forward(np.ones((1, 40)), training=True)[0]
    axis.bar(range(40), left, color="#1f5fa8")
    axis.set(title=title, xlabel="neuron", ylim=(0, 30))
axes[0].set_ylabel("connections left, of 40")

# %%
# **What to look at.**  With ``Dropout`` the same inputs are missing for all neurons, so all count the same.  With
# ``DropConnect`` every neuron misses connections of its own.
#
# Only while learning, and the rescaling
# --------------------------------------
#
# When the network is applied, nothing is missing.  Twice as many connections are then active as during training (at
# rate 1/2), so sums would come out twice as large.  There are two remedies with one expectation:
#
# - ``inverted=False``, the original paper's: weights are scaled by ``1 - rate`` at application.
# - ``inverted=True``, the usual one today: what is kept is scaled by ``1 / (1 - rate)`` during training, and
#   application needs nothing.

rows = np.random.default_rng(0).normal(size=(1, 40))
for inverted in (False, True):
    layer = fn.DropConnect(1, rate=0.5, inverted=inverted)
    net = fn.Sequential([layer], input_shape=40, seed=0, dtype="float64")
    draws = np.array([net.forward(rows, training=True)[0, 0] for _ in range(4000)])
    spread = draws.std() / np.sqrt(len(draws))
    answer = net.predict(rows)[0, 0]
    print(
        f"inverted={inverted!s:5}  mean while training {draws.mean():.3f} +- {spread:.3f}, at application {answer:.3f}"
    )
    assert abs(draws.mean() - answer) < 4 * spread

# %%
# The gain: understanding instead of memorising
# ---------------------------------------------
#
# A network with enough parameters can learn anything by heart, even labels that mean nothing:

X, y = fn.load_digits()
X, X_test, y, y_test = fn.split(X, y, 0.5, stratify=True, seed=0)
nonsense = np.random.default_rng(0).integers(0, 10, 200)
net = fn.Sequential([fn.Dense(256, "relu"), fn.Dense(10)], input_shape=64, seed=0)
net.fit(X[:200], nonsense, epochs=150, loss="cross_entropy", optimizer="adam", metrics=["accuracy"])
by_heart = net.evaluate(X[:200], nonsense)["accuracy"]
understood = net.evaluate(X_test, np.random.default_rng(1).integers(0, 10, len(y_test)))["accuracy"]
print(f"random labels: {by_heart:.0%} right on the training rows, {understood:.0%} on new ones")

# %%
# Now real labels, but only 60 of them, with and without dropout.  Afterwards some pixels of the test images are
# deleted: a network that learned with missing parts should mind less.


def train(rate, seed):
    """Return a network trained on 60 digits."""
    layers = [fn.Dropout(rate / 2), fn.Dense(256, "relu"), fn.Dropout(rate), fn.Dense(256, "relu"), fn.Dropout(rate)]
    net = fn.Sequential([*layers, fn.Dense(10)], input_shape=64, seed=seed)
    net.fit(X[:60], y[:60], epochs=600, loss="cross_entropy", optimizer=fn.Adam(1e-3), metrics=["accuracy"])
    return net


deleted = np.linspace(0, 0.6, 7)
kept = [np.random.default_rng(2).random(X_test.shape) >= share for share in deleted]
accuracy = {}
plt.figure()
for rate in (0.0, 0.5):
    nets = [train(rate, seed) for seed in range(5)]
    accuracy[rate] = np.array([[net.evaluate(X_test * mask, y_test)["accuracy"] for mask in kept] for net in nets])
    training = np.mean([net.evaluate(X[:60], y[:60])["accuracy"] for net in nets])
    plt.plot(100 * deleted, accuracy[rate].mean(axis=0), "o-", label=f"dropout {rate}")
    print(f"dropout {rate}: training {training:.3f}, test {accuracy[rate][:, 0].mean():.3f}")
plt.xlabel("pixels deleted, %")
plt.ylabel("accuracy on test digits,\nmean of 5 seeds")
plt.legend()

# %%
# **What to look at.**  Both networks get all 60 training digits right, so both have memorised them; the one trained
# with dropout has a smaller gap to the test digits and loses less as pixels go missing.
