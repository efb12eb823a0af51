r"""
Neuron
======

A neuron takes the outputs of the layer before it, weighs each, adds them up, adds a *bias*, and bends the sum with an
*activation function*:

.. math:: z_j^l = \sum_k w_{jk}^l \, a_k^{l-1} + b_j^l \qquad a_j^l = \sigma(z_j^l)

:math:`l` is the layer, :math:`j` the neuron, :math:`k` the neuron of the layer before; :math:`z` is called the
*weighted input* and :math:`a` the *activation*.  :math:`w_{jk}` is the weight of the connection **to** j **from** k.
All weights and biases are learned.
"""

# %%
# By hand
# -------
#
# Two inputs, two hidden neurons, one output.  We choose the numbers.  ``layer.weight`` has a row for each input and a
# column for each neuron: :math:`w_{jk}` is ``weight[k, j]``.

import matplotlib.pyplot as plt
import numpy as np

import fastnn as fn

net = fn.Sequential(
    [fn.Dense(2, "tanh", name="hidden"), fn.Dense(1, "sigmoid", name="output")], input_shape=2, dtype="float64", seed=0
)
hidden, output = net.layers
hidden.weight[...] = [[1.0, -2.0], [0.5, 1.0]]
hidden.bias[...] = [0.0, 0.5]
output.weight[...] = [[2.0], [-1.0]]
output.bias[...] = [0.3]

x1, x2 = 1.0, -1.0
z1 = 1.0 * x1 + 0.5 * x2 + 0.0
z2 = -2.0 * x1 + 1.0 * x2 + 0.5
a1, a2 = np.tanh(z1), np.tanh(z2)
z3 = 2.0 * a1 - 1.0 * a2 + 0.3
a3 = 1 / (1 + np.exp(-z3))
print(f"hidden: z = {z1:.4f}, {z2:.4f}   a = {a1:.4f}, {a2:.4f}")
print(f"output: z = {z3:.4f}   a = {a3:.4f}")

# %%
# The network gives the same.  ``preactivations`` returns every z, ``activations`` every a:

z, a = net.preactivations([[x1, x2]]), net.activations([[x1, x2]])
for name in ("hidden", "output"):
    print(name, "z =", z[name][0].round(4), "a =", a[name][0].round(4))
np.testing.assert_allclose([*z["hidden"][0], *z["output"][0]], [z1, z2, z3], rtol=1e-14)
np.testing.assert_allclose([*a["hidden"][0], *a["output"][0]], [a1, a2, a3], rtol=1e-14)

# %%
figure, axes = plt.subplots(figsize=(7, 3))
place = {"x1": (0, 1), "x2": (0, -1), "h1": (1, 1), "h2": (1, -1), "out": (2, 0)}
text = {
    "x1": f"$x_1$\n{x1:g}",
    "x2": f"$x_2$\n{x2:g}",
    "h1": f"z = {z1:.2f}\na = {a1:.2f}",
    "h2": f"z = {z2:.2f}\na = {a2:.2f}",
    "out": f"z = {z3:.2f}\na = {a3:.2f}",
}
lines = [("x1", "h1", 1.0), ("x1", "h2", -2.0), ("x2", "h1", 0.5), ("x2", "h2", 1.0), ("h1", "out", 2.0)]
for start, end, weight in [*lines, ("h2", "out", -1.0)]:
    (x0, y0), (x_end, y_end) = place[start], place[end]
    axes.plot([x0, x_end], [y0, y_end], color="0.6", zorder=1)
    axes.text(x0 + 0.3 * (x_end - x0), y0 + 0.3 * (y_end - y0), f"{weight:g}", ha="center", va="center",
              bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": "none", "pad": 0.15})  # fmt: skip
for name, (x, y) in place.items():
    axes.text(x, y, text[name], ha="center", va="center",
              bbox={"boxstyle": "round,pad=0.6", "facecolor": "#dce8f5", "edgecolor": "#1f5fa8"})  # fmt: skip
for name, bias in (("h1", 0.0), ("h2", 0.5), ("out", 0.3)):
    axes.text(place[name][0], place[name][1] - 0.62, f"b = {bias:g}", ha="center", color="0.4")
axes.set(xlim=(-0.3, 2.3), ylim=(-1.8, 1.5))
axes.set_axis_off()

# %%
# What one neuron can see
# -----------------------
#
# Along a line on which z stays the same, the neuron cannot tell inputs apart.  Over the plane of two inputs it is
# therefore a slope: low on one side of the line z = 0, high on the other.  The weights say which way the slope faces
# and how steep it is, the bias where it is.  A second layer puts slopes together.

axis = np.linspace(-3, 3, 121)
grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
a = net.activations(grid)
pictures = [a["hidden"][:, 0], a["hidden"][:, 1], a["output"][:, 0]]
titles = ["hidden neuron 1", "hidden neuron 2", "output"]
figure, axes = plt.subplots(1, 3, figsize=(8, 2.9), sharey=True)
for column, (axis_, values, title) in enumerate(zip(axes, pictures, titles, strict=True)):
    low = 0 if title == "output" else -1
    image = axis_.pcolormesh(axis, axis, values.reshape(121, 121), cmap="RdBu_r", vmin=low, vmax=1, rasterized=True)
    if column < 2:
        axis_.contour(axis, axis, values.reshape(121, 121), levels=[0], colors="k", linewidths=1)
    axis_.set(title=title, xlabel="$x_1$", aspect="equal")
    figure.colorbar(image, ax=axis_, shrink=0.75)
axes[0].set_ylabel("$x_2$")

# %%
# **What to look at.**  The two hidden neurons are straight slopes; the black line is z = 0.  The output is no longer a
# single straight slope: its colours bend where the hidden neurons change.
