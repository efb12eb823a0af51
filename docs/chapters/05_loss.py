"""
Loss
====

A network cannot improve before something says how good it is.  The *loss function* compares the output ``y`` with the
desired output ``t`` and gives one number: small is good.  Training is the search for parameters that make it small.
"""

# %%
# Squared error
# -------------
#
# The mean over the outputs of :math:`(y - t)^2`.  It is never negative, it is 0 only if output and target are
# identical, and larger differences count for more: twice the difference, four times the loss.
#
# The loss of a batch is the mean over its rows.  There is no hidden factor 1/2 in any loss here.
#
# The network below has one weight, so its output is that weight.

import matplotlib.pyplot as plt
import numpy as np

import fastnn as fn

net = fn.Sequential([fn.Dense(1, bias=False)], input_shape=1, seed=0, dtype="float64")


def loss_of(loss, output, target):
    """Loss when the network gives ``output``."""
    net.compile(loss)
    net.params[:] = output
    return net.evaluate([[1.0]], [[target]])["loss"]


for difference in (0.0, 0.5, 1.0, 2.0):
    print(f"difference {difference}: squared error {loss_of('squared_error', 3 + difference, 3.0):.2f}")

# %%
# Others weigh differences in other ways:

differences = np.linspace(-3, 3, 121)
plt.figure()
for loss in ("squared_error", "absolute_error", "huber", "log_cosh"):
    plt.plot(differences, [loss_of(loss, difference, 0.0) for difference in differences], label=loss)
plt.ylim(0, 4)
plt.xlabel("output minus target")
plt.ylabel("loss")
plt.legend()

# %%
# **What to look at.**  All touch 0 at difference 0 and nowhere else.  Far out the squared error grows fastest: one wild
# example can dominate the sum.  ``huber`` and ``log_cosh`` are round near 0 like the square, and straight far away.
#
# Distance
# --------
#
# Output and target are two points.  The *Euclidean distance* between them is a loss too: 5 for the points (0, 0)
# and (3, 4).  The squared error is the squared distance, divided by the number of outputs.

plane = fn.Sequential([fn.Dense(2, kernel_initializer="zeros")], input_shape=1, seed=0)
for loss in ("distance", "squared_error"):
    plane.compile(loss)
    print(loss, plane.evaluate([[1.0]], [[3.0, 4.0]])["loss"])

# %%
# Cross-entropy
# -------------
#
# For classes the outputs are scores, *logits*.  *Softmax* makes probabilities of them, and the loss is minus the
# logarithm of the probability that the right class got.  A network that gives all K classes the same probability has
# the loss log K; one that is sure and wrong pays without limit.

logits = np.linspace(-6, 6, 121)
two = fn.Sequential([fn.Dense(2, bias=False)], input_shape=1, seed=0, dtype="float64")
two.compile("cross_entropy")
cost = []
for logit in logits:
    two.params[:] = logit, 0.0
    cost.append(two.evaluate([[1.0]], [0])["loss"])
probability = 1 / (1 + np.exp(-logits))

figure, axes = plt.subplots(1, 2, figsize=(7, 3), sharey=True)
axes[0].plot(logits, cost)
axes[0].set(xlabel="logit of the right class, the other being 0", ylabel="cross-entropy")
axes[1].plot(probability, cost, label="fastnn")
axes[1].plot(probability, -np.log(probability), "--", label="$-\\log p$")
axes[1].set(xlabel="probability of the right class")
axes[1].legend()

# %%
# **What to look at.**  The loss comes ever closer to 0 as the probability nears 1, but no finite logit reaches it.
# "Zero if and only if identical" holds for differences and distances; for cross-entropy it holds in the limit.  If the
# targets are themselves probabilities, the least loss is their entropy, not 0.
#
# Give the network no softmax of its own and compile with ``"cross_entropy"``, or end it with a softmax layer: the two
# are computed as one in both cases, so a logit of 10,000 does no harm.
#
# A loss of your own
# ------------------
#
# Any function will do that gives the loss of each row and its gradient with respect to the output:


def cubed(t, y):
    """Mean of the cubed absolute difference, and its gradient."""
    difference = y - t
    return np.mean(np.abs(difference) ** 3, axis=1), 3 * difference * np.abs(difference) / difference.shape[1]


small = fn.Sequential([fn.Dense(4, "tanh"), fn.Dense(2)], input_shape=3, seed=0)
small.compile(cubed)
random = np.random.default_rng(0)
error = fn.gradcheck(small, random.normal(size=(5, 3)), random.normal(size=(5, 2)))
print(f"largest relative error of the gradients: {float(error):.1e}")

# %%
# ``gradcheck`` compares the gradients with differences of the loss itself, so a mistake in your derivative is found.
# More in :doc:`/howto/loss`.
