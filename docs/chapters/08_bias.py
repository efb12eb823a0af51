r"""
Bias
====

Weights tilt, the bias moves.  Without it a neuron that gets zeros can only answer :math:`\sigma(0)`, whatever its
weights.
"""

# %%
# One neuron with one input, :math:`a = \tanh(w x + b)`, for several weights and several biases:

import matplotlib.pyplot as plt
import numpy as np

import fastnn as fn

net = fn.Sequential([fn.Dense(1, "tanh")], input_shape=1, seed=0)
layer = net.layers[0]
x = np.linspace(-4, 4, 161)[:, None]
figure, axes = plt.subplots(1, 2, figsize=(7, 3), sharey=True)
for weight in (0.5, 1.0, 3.0):
    layer.weight[...], layer.bias[...] = weight, 0.0
    axes[0].plot(x, net.predict(x), label=f"w = {weight:g}")
for bias in (-2.0, 0.0, 2.0):
    layer.weight[...], layer.bias[...] = 1.0, bias
    axes[1].plot(x, net.predict(x), label=f"b = {bias:g}")
for axis, title in zip(axes, ("b = 0: the weight tilts", "w = 1: the bias moves"), strict=True):
    axis.set(title=title, xlabel="input")
    axis.legend()
axes[0].set_ylabel("activation")

# %%
# **What to look at.**  On the left all curves cross at (0, 0), however large the weight.  On the right the curve is the
# same, moved.
#
# A weight like any other
# -----------------------
#
# The bias is the weight of an input that is always 1:
#
# .. math:: \sum_{k=1}^{I} w_{jk} x_k + b_j = \sum_{k=0}^{I} w_{jk} x_k \quad\text{with}\quad x_0 = 1,\; w_{j0} = b_j
#
# So it needs no rule of its own to be learned.  That is how fastnn keeps it: weights and biases of a layer are one
# matrix of I + 1 rows, and the biases are the last.

net = fn.Sequential([fn.Dense(4, "tanh"), fn.Dense(2)], input_shape=3, seed=0, dtype="float64")
net.layers[0].bias[...] = [10.0, 20.0, 30.0, 40.0]
print(net.params[:16].reshape(3 + 1, 4).round(2))

# %%
# Take the biases away, append a column of ones to the inputs, and nothing changes, neither the answers nor the
# gradients:

random = np.random.default_rng(0)
X, dy = random.normal(size=(5, 3)), random.normal(size=(5, 4))
with_bias = fn.Sequential([fn.Dense(4, "tanh")], input_shape=3, seed=0, dtype="float64")
with_bias.layers[0].bias[...] = random.normal(size=4)
without = fn.Sequential([fn.Dense(4, "tanh", bias=False)], input_shape=4, seed=0, dtype="float64")
without.params[:] = with_bias.params
X1 = np.hstack([X, np.ones((5, 1))])

answers = with_bias.forward(X), without.forward(X1)
with_bias.backward(dy)
without.backward(dy)
print("largest difference of the answers: ", np.abs(answers[0] - answers[1]).max())
print("largest difference of the gradients:", np.abs(with_bias.grads - without.grads).max())

# %%
# In one respect biases are treated differently, here as everywhere: penalties on large weights and weight decay leave
# them out.  A large bias does not make the network's answer depend more strongly on its input.
