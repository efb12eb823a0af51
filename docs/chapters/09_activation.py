r"""
Activation
==========

The *activation function* :math:`\sigma` bends the weighted input z of a neuron into its output a.  Without it all
layers together could do no more than one.
"""

# %%
# tanh
# ----
#
# Large negative z gives -1, large positive z gives 1, and around 0 the curve is nearly the straight line a = z.  A
# neuron's share in the gradient is proportional to the slope :math:`\sigma'(z)`, which for tanh is :math:`1 - a^2`:
# it is 1 at 0 and falls to 0 on both sides.

import matplotlib.pyplot as plt
import numpy as np

import fastnn as fn


def curve(name, z):
    """Return an activation function and its derivative, as a network computes them."""
    net = fn.Sequential([fn.Activation(name)], input_shape=1, seed=0, dtype="float64")
    a = net.forward(z[:, None])
    return a[:, 0], net.backward(np.ones_like(a))[:, 0]


z = np.linspace(-4, 4, 401)
a, slope = curve("tanh", z)
plt.figure()
plt.plot(z, a, label="tanh z")
plt.plot(z, slope, label="derivative, 1 - a²")
plt.axhline(1, color="0.6", linewidth=0.8, linestyle=":")
plt.axhline(-1, color="0.6", linewidth=0.8, linestyle=":")
plt.xlabel("weighted input z")
plt.legend()
print("at 0: value", a[200], "slope", slope[200], " at 4:", a[-1].round(4), slope[-1].round(4))

# %%
# The others
# ----------

names = ("sigmoid", "relu", "leaky_relu", "elu", "softplus", "gelu", "silu", "selu")
figure, axes = plt.subplots(2, 4, figsize=(8, 4), sharex=True, sharey=True)
for axis, name in zip(axes.flat, names, strict=True):
    a, slope = curve(name, z)
    axis.plot(z, a, label="value")
    axis.plot(z, slope, label="derivative")
    axis.set(title=name, ylim=(-2, 4))
axes[0, 0].legend(fontsize="small")
for axis in axes[1]:
    axis.set_xlabel("z")

# %%
# **What to look at.**  The *sigmoid* lies between 0 and 1 and its slope is never above 1/4: stacked, it makes
# gradients small, see :doc:`10_vanishing_gradient`.  *relu* is 0 on one side and the identity on the other; its
# slope does not fade for positive z, but a neuron whose z is negative for all samples learns nothing, it is *dead*.
# *leaky_relu* and *elu* leave it a way back.
#
# The bounds hold as far as numbers go:

extreme = np.array([-1e4, -30.0, 0.0, 30.0, 1e4])
for name in ("sigmoid", "tanh"):
    print(f"{name:8}", curve(name, extreme)[0])

# %%
# *Softmax* takes a whole row of scores and makes probabilities of them: positive, with the sum 1.  Only differences
# between scores count, so even huge ones do no harm.

softmax = fn.Sequential([fn.Activation("softmax")], input_shape=3, seed=0)
for scores in ([1, 2, 3], [1e4, 1e4 + 1, 1e4 + 2], [-1e4, 0, 1e4]):
    print(scores, "->", softmax.predict_one(scores).round(4))

# %%
# Why it must not be a straight line
# ----------------------------------
#
# A stack of layers without activation is one linear map:
#
# .. math:: (x W_1 + b_1) W_2 + b_2 = x \, (W_1 W_2) + (b_1 W_2 + b_2)
#
# Three layers with 542 parameters, and one with 8 does the same:

stack = fn.Sequential([fn.Dense(20), fn.Dense(20), fn.Dense(2)], input_shape=3, seed=0, dtype="float64")
first, second, last = (layer.weight for layer in stack.layers)
one = fn.Sequential([fn.Dense(2)], input_shape=3, seed=0, dtype="float64")
one.layers[0].weight[...] = first @ second @ last
one.layers[0].bias[...] = stack.predict_one([0, 0, 0])
X = np.random.default_rng(0).normal(size=(1000, 3))
collapse = np.abs(stack.predict(X) - one.predict(X)).max()
print("largest difference over 1000 inputs:", collapse)

# %%
# And why a bent one is enough
# ----------------------------
#
# With a bent activation, one hidden layer can come as close as you like to any continuous function on a bounded
# region, if it has enough neurons (Cybenko 1989, Hornik 1991).  That is the *universal approximation theorem*.  It
# says that good weights exist, not that training finds them, nor how many neurons it takes.  Three tasks, and the
# error as the layer gets wider, the best of three starts each time:

line = np.linspace(-1, 1, 201)[:, None]
plane = np.stack(np.meshgrid(np.linspace(-1, 1, 21), np.linspace(-1, 1, 21)), axis=-1).reshape(-1, 2)
tasks = {
    "sine": (line, np.sin(2 * np.pi * line)),
    "step": (line, np.sign(line)),
    "bump in the plane": (plane, np.exp(-6 * np.sum(plane**2, axis=1, keepdims=True))),
}
widths = (1, 2, 4, 8, 16, 32)
figure, axes = plt.subplots(1, 2, figsize=(8, 3.2))
steep, apart = fn.VarianceScaling(10.0, "fan_in", "normal"), fn.VarianceScaling(4.0, "fan_in")
error = {}
for name, (X, t) in tasks.items():
    error[name] = []
    for width in widths:
        best = np.inf
        for seed in range(3):
            hidden = fn.Dense(width, "tanh", kernel_initializer=steep, bias_initializer=apart)
            net = fn.Sequential([hidden, fn.Dense(1)], input_shape=X.shape[1], seed=seed)
            rate = fn.CosineDecay(0.05, total_steps=3000)
            net.fit(X, t, epochs=3000, batch_size=len(X), loss="squared_error", optimizer=fn.Adam(rate))
            distance = float(np.sqrt(np.mean((net.predict(X) - t) ** 2)))
            if distance < best:
                best, answer = distance, net.predict(X)
        error[name].append(best)
        if name == "sine" and width in (1, 2, 8):
            axes[0].plot(line, answer, label=f"{width} neuron{'s' if width > 1 else ''}")
    axes[1].loglog(widths, error[name], "o-", label=name)
axes[0].plot(line, tasks["sine"][1], "k--", linewidth=1, label="sine")
axes[0].set(xlabel="x", title="one hidden layer learns a sine")
axes[0].legend(fontsize="small")
axes[1].set(xlabel="neurons in the hidden layer", ylabel="root of the mean squared error")
axes[1].set_xticks(widths, widths)
axes[1].minorticks_off()
axes[1].legend(fontsize="small")
for name, values in error.items():
    print(f"{name:18}", np.round(values, 4))

# %%
# **What to look at.**  One neuron gives one slope, two give a bump, eight follow the whole wave.  The error falls
# with the width, fastest for the smooth tasks.  A single steep tanh is nearly a step, but the jump itself is never
# reached: a step is not continuous, and the theorem does not promise it.
