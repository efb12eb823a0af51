r"""
Backpropagation
===============

Learning needs the derivative of the loss C with respect to every weight.  *Backpropagation* computes all of them in one
pass from the last layer to the first, for about twice the cost of the forward pass.  It is the chain rule, applied in a
good order.
"""

# %%
# The deltas
# ----------
#
# Call :math:`\delta_j^l = \partial C / \partial z_j^l` the *error* of neuron j in layer l: how the loss changes if its
# weighted input does.  For the last layer it follows from the loss.  For every other layer it follows from the layer
# behind, because :math:`z^l` acts on the loss only through :math:`z^{l+1}`:
#
# .. math:: \delta^L = \frac{\partial C}{\partial a^L} \odot \sigma'(z^L)
#
# .. math:: \delta^l = \left( (W^{l+1})^{\mathsf T} \, \delta^{l+1} \right) \odot \sigma'(z^l)
#
# (:math:`\odot` multiplies element by element.)  And once the error of a neuron is known, so are the derivatives of its
# weights and its bias:
#
# .. math:: \frac{\partial C}{\partial W^l} = \delta^l \, (a^{l-1})^{\mathsf T}
#    \qquad \frac{\partial C}{\partial b^l} = \delta^l
#
# In words: a weight's derivative is what comes in at its start times the error at its end.
#
# .. warning::
#
#    A popular account writes the chain over the *weights*,
#    :math:`\frac{\partial C}{\partial w^{L-1}} = \frac{\partial C}{\partial w^L} \frac{\partial w^L}{\partial
#    w^{L-1}}`. That is wrong.  The weights of one layer do not depend on those of another: :math:`\partial w^L /
#    \partial w^{L-1}` is 0, and so would be every gradient but the last.  What the layers pass on to each other are z
#    and a, and the chain goes over those.
#
# By hand, in NumPy
# -----------------
#
# Three inputs, four tanh neurons, two outputs, one sample, the squared error.  The formulas above have columns for
# vectors and W of shape (neurons, inputs); fastnn's ``weight`` is its transpose.

import matplotlib.pyplot as plt
import numpy as np

import fastnn as fn

net = fn.Sequential([fn.Dense(4, "tanh"), fn.Dense(2)], input_shape=3, seed=0, dtype="float64")
net.compile(loss="squared_error", optimizer=fn.SGD(0.1))
W1, W2 = (layer.weight.T.copy() for layer in net.layers)
b1, b2 = (layer.bias.copy() for layer in net.layers)
x, t = np.array([0.5, -1.0, 2.0]), np.array([1.0, -1.0])

# forward, keeping every z and a
z1 = W1 @ x + b1
a1 = np.tanh(z1)
z2 = W2 @ a1 + b2
a2 = z2
C = np.mean((a2 - t) ** 2)

# backward, last layer first
delta2 = 2 * (a2 - t) / 2
dW2, db2 = np.outer(delta2, a1), delta2
delta1 = (W2.T @ delta2) * (1 - a1**2)
dW1, db1 = np.outer(delta1, x), delta1

print("delta of layer 2:", delta2.round(4))
print("delta of layer 1:", delta1.round(4))

# %%
# The network does the same.  ``backward`` takes :math:`\partial C / \partial a^L` and fills ``net.grads``:

y = net.forward(x[None])
dx = net.backward(2 * (y - t) / 2)
by_hand = np.concatenate([dW1.T.ravel(), db1, dW2.T.ravel(), db2])
difference = np.abs(net.grads - by_hand).max()
print(f"{net.n_params} derivatives, largest difference: {difference:.1e}")
print("and with respect to the input:", dx[0].round(4), "=", (W1.T @ delta1).round(4))

# %%
# The picture shows what is multiplied: the matrix of derivatives of the first layer is a column of errors times a
# row of inputs.

figure, axes = plt.subplots(1, 3, figsize=(7, 2.8), width_ratios=(1, 3, 3))
parts = [(delta1[:, None], "$\\delta^1$"), (x[None], "$(a^0)^T = x^T$")]
parts.append((dW1, "$\\partial C/\\partial W^1 = \\delta^1 (a^0)^T$"))
for axis, (values, title) in zip(axes, parts, strict=True):
    axis.imshow(values, cmap="RdBu_r", vmin=-3, vmax=3)
    for (row, column), value in np.ndenumerate(values):
        axis.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize="small")
    axis.set_title(title)
    axis.set_axis_off()

# %%
# Is it true?
# -----------
#
# The gradient claims to say how the loss changes for any small change of the weights.  So take a random direction, go a
# small way h along it both ways, and compare the slope of the loss with gradient times direction.

random = np.random.default_rng(0)
direction = random.normal(size=net.n_params)
direction /= np.linalg.norm(direction)
start = net.params.copy()


def loss_at(distance):
    """Loss after going a distance along the direction."""
    net.params[:] = start + distance * direction
    value = net.evaluate(x[None], t[None])["loss"]
    net.params[:] = start
    return value


steps = 10.0 ** -np.arange(1, 13)
slopes = np.array([(loss_at(h) - loss_at(-h)) / (2 * h) for h in steps])
claimed = by_hand @ direction
plt.figure()
plt.loglog(steps, np.abs(slopes - claimed), "o-")
plt.xlabel("step h")
plt.ylabel("slope of the loss\nminus gradient times direction")
directional_error = np.abs(slopes - claimed).min() / abs(claimed)
print(f"gradient times direction {claimed:.8f}, slope of the loss at h = 1e-5 {slopes[4]:.8f}")

# %%
# **What to look at.**  From the right, the difference falls by a factor of 100 for every factor of 10 in h, as it
# must for a central difference of a smooth loss.  Then rounding takes over, and smaller steps make it worse.  A
# wrong gradient would give a curve that stays level.
#
# ``fn.gradcheck`` does this for every parameter of any network, with a better difference:

error = fn.gradcheck(net, random.normal(size=(4, 3)), random.normal(size=(4, 2)))
for name, value in error.errors.items():
    print(f"{name:15} relative error {value:.1e}")

# %%
# And a small step against the gradient lowers the loss:

before = net.evaluate(x[None], t[None])["loss"]
net.train_step(x, t)
after = net.evaluate(x[None], t[None])["loss"]
print(f"loss {before:.4f} -> {after:.4f} after one step")

# %%
# The wrong chain, tried
# ----------------------
#
# Changing the weights of the first layer leaves those of the second as they are, but it does change the loss:

first, last = net.layers
kept = last.weight.copy()
loss = net.evaluate(x[None], t[None])["loss"]
first.weight[0, 0] += 0.01
moved = np.abs(last.weight - kept).max()
changed = net.evaluate(x[None], t[None])["loss"] - loss
print(f"the weights of the last layer changed by {moved}, the loss by {changed:.1e}")
