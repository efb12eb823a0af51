r"""
The vanishing gradient
======================

The gradient of an early layer is a product with one factor for each layer behind it.  If the factors are below 1, the
product shrinks with depth as fast as a power: the first layers of a deep network hardly learn.  That is the *vanishing
gradient* (Hochreiter 1991).
"""

# %%
# Seeing it
# ---------
#
# Fifty layers of 32 neurons with random parameters, and 64 digits.  After ``backward`` every gradient stands in the
# network, by name; the norm of each layer's says how much it would learn.
#
# How the parameters start matters.  The habit until about 2010, and still the default in places, is to draw weights and
# biases evenly from :math:`\pm 1/\sqrt{n}`, n being the number of inputs of the layer; their variance is then 1/(3n).

import matplotlib.pyplot as plt
import numpy as np

import fastnn as fn

X, y = fn.load_digits()
depth, width = 50, 32
habit = fn.VarianceScaling(1 / 3, "fan_in", "uniform")


def deep(activation, residual=False, weights=None, biases="zeros"):
    """Return a network of 50 hidden layers."""
    layers = [
        fn.Dense(width, activation, kernel_initializer=weights, bias_initializer=biases, name=f"hidden_{number}")
        for number in range(1, depth + 1)
    ]
    blocks = [fn.Residual([layer]) for layer in layers[1:]] if residual else layers[1:]
    return fn.Sequential([layers[0], *blocks, fn.Dense(10)], input_shape=64, seed=0, dtype="float64")


def gradient_norms(net):
    """Norm of the gradient of the cross-entropy with respect to the weights of each hidden layer."""
    probability = np.exp(net.forward(X[:64]))
    probability /= probability.sum(axis=1, keepdims=True)
    net.backward((probability - np.eye(10)[y[:64]]) / 64)
    gradients = dict(net.named_gradients())
    return np.array([np.linalg.norm(gradients[f"hidden_{number}.weight"]) for number in range(1, depth + 1)])


nets = {
    "sigmoid": deep("sigmoid", weights=habit, biases=habit),
    "tanh": deep("tanh", weights=habit, biases=habit),
    "tanh, residual": deep("tanh", residual=True, weights=habit, biases=habit),
    "tanh, Glorot's start": deep("tanh"),
    "relu, He's start": deep("relu"),
}
norms = {name: gradient_norms(net) for name, net in nets.items()}
plt.figure()
for name, values in norms.items():
    plt.semilogy(range(1, depth + 1), values, label=name)
    print(f"{name:20}  first layer / last layer: {values[0] / values[-1]:.1e}")
plt.xlabel("layer, from the input")
plt.ylabel("norm of the gradient")
plt.legend(ncols=2)

# %%
# **What to look at.**  The vertical axis is logarithmic, so a straight line is a power.  With the sigmoid the
# gradient falls by nearly the same factor in every layer, some forty orders of magnitude in all: nothing is left at
# the input.  tanh loses less per layer, and still ten orders of magnitude.  The other three stay level: they are
# cures.
#
# Why
# ---
#
# Going back through one layer multiplies the gradient by the weights and by :math:`\sigma'(z)`;
# :doc:`11_backpropagation` has the formula.  For the sigmoid :math:`\sigma'` is at most 1/4, for tanh at most 1, and
# less wherever z is not 0.  With the habitual start the weights add a factor of about :math:`1/\sqrt 3` per layer.
# Larger weights make up for it only in part: they make z larger, and :math:`\sigma'` falls.
#
# What it does to learning
# ------------------------
#
# An early layer gets steps that are tiny beside its weights.  The ratio of update to weight tells: with plain SGD it
# is the learning rate times the norm of the gradient over the norm of the weights.  Around a thousandth is healthy.

ratio = {}
for name, net in nets.items():
    size = np.array([np.linalg.norm(layer.weight) for layer in net.layers if layer.name.startswith("hidden")])
    ratio[name] = 0.01 * norms[name] / size
    print(f"{name:20}  update / weight at rate 0.01: layer 1 {ratio[name][0]:.0e}, layer 50 {ratio[name][-1]:.0e}")

# %%
# And the loss shows it.  The same number of steps for each:

losses = {}
plt.figure()
for name, net in nets.items():
    history = net.fit(X, y, epochs=15, loss="cross_entropy", optimizer=fn.SGD(0.01))
    losses[name] = history["loss"]
    plt.plot(range(1, 16), losses[name], "o-", markersize=3, label=name)
plt.axhline(np.log(10), color="0.5", linestyle=":", label="chance, log 10")
plt.ylim(0, 3)
plt.xlabel("epoch")
plt.ylabel("training loss")
plt.legend(loc="center left", bbox_to_anchor=(1, 0.5))

# %%
# **What to look at.**  With a vanished gradient the loss stays at chance: the last layer learns how frequent each
# digit is, and no more.  The residual network learns at once, from the same start.
#
# Having it looked at
# -------------------
#
# ``fn.gradient_flow`` does all of this for any network and says what it finds: norms of gradient, weights and the
# update that the optimiser would make, dead and saturated units.  Six layers of sigmoids, as in the textbooks:

classic = fn.Sequential([*[fn.Dense(32, "sigmoid") for _ in range(6)], fn.Dense(10)], input_shape=64, seed=0)
classic.compile("cross_entropy", fn.SGD(0.01))
flow = fn.gradient_flow(classic, X[:256], y[:256])
print(flow)
flow_picture = fn.plot_gradient_flow(flow)

# %%
# **What to look at.**  The gradient falls from layer to layer on the way to the input, though the weights have one
# size; the update, which is proportional to it here, falls with it.  The last line is the verdict.
#
# Along time
# ----------
#
# A recurrent network goes through a sequence step by step, each time with the same weights, and hands its state on.
# Seen from the last step, the first is as many layers away as the sequence is long.  Here 100 steps, and the
# gradient that reaches the input of each, if the output is taken after the last:

steps = 100
sequences = np.random.default_rng(0).normal(size=(16, steps, 4))
cells = {
    "SimpleRNN": fn.SimpleRNN(32),
    "LSTM, forget bias 0": fn.LSTM(32, forget_bias=0.0),
    "LSTM, forget bias 1": fn.LSTM(32),
    "LSTM, forget bias 4": fn.LSTM(32, forget_bias=4.0),
}
through_time = {}
plt.figure()
for name, cell in cells.items():
    net = fn.Sequential([cell], input_shape=(steps, 4), seed=0, dtype="float64")
    output = net.forward(sequences)
    dx = net.backward(np.ones_like(output))
    through_time[name] = np.linalg.norm(dx, axis=(0, 2))
    plt.semilogy(range(1, steps + 1), through_time[name], label=name)
    print(f"{name:20}  first step / last step: {through_time[name][0] / through_time[name][-1]:.0e}")
plt.xlabel("step of the sequence")
plt.ylabel("norm of the gradient")
plt.legend()

# %%
# **What to look at.**  The plain network forgets: what happened 100 steps ago has no say in what it learns.  The
# LSTM keeps a memory that is carried on by addition,
#
# .. math:: c_t = f_t \odot c_{t-1} + i_t \odot g_t
#
# so on this way the factor of a step is the forget gate f, and nothing else.  Its bias at the start decides
# how far the gradient reaches: with 0, f is about 1/2 and the LSTM is no better than the plain network; with 1, the
# usual start, f is about 0.73; with 4 it is 0.98, and the gradient arrives.
#
# Cures
# -----
#
# - **Residual connections** (He et al. 2015).  With ``x + body(x)`` the derivative of a block is 1 plus something,
#   so the gradient has a way back on which nothing multiplies it down.
# - **A start that keeps the size of signals**: variance 1/n for tanh (Glorot and Bengio 2010), 2/n for relu (He et al.
#   2015).  ``Dense`` chooses by its activation.
# - **Functions whose slope does not fade**: relu and its family.
# - **LSTM** (Hochreiter and Schmidhuber 1997) along time, with a forget gate (Gers et al. 2000) that starts open.
#
# The opposite happens too: factors above 1 make the gradient *explode*.  It is the easier trouble, because the
# gradient can be cut to a length before the step: ``fn.SGD(0.1, clip_norm=1.0)``.
