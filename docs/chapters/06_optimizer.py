r"""
Optimiser
=========

The *optimiser* changes the parameters so that the loss falls.  All it knows is the *gradient*: the derivative of the
loss with respect to each parameter.  The gradient points to where the loss grows, so a small multiple of it is
**subtracted**:

.. math:: w \leftarrow w - \eta \, \frac{\partial C}{\partial w}

:math:`\eta` is the *learning rate*, ``learning_rate`` in the code.
"""

# %%
# Stochastic gradient descent, one sample at a time
# -------------------------------------------------
#
# ``SGD`` is just that.  After one step on one sample the parameters are the old ones minus the rate times the gradient.

import matplotlib.pyplot as plt
import numpy as np

import fastnn as fn

random = np.random.default_rng(0)
X, t = random.normal(size=(8, 3)), random.normal(size=(8, 2))


def new_net(optimizer):
    """Return the same small network each time."""
    net = fn.Sequential([fn.Dense(4, "tanh"), fn.Dense(2)], input_shape=3, seed=0, dtype="float64")
    net.compile(loss="squared_error", optimizer=optimizer)
    return net


def gradient(net, X, t):
    """Gradient of the mean squared error over the rows."""
    y = net.forward(X)
    net.backward(2 * (y - t) / y.size)
    return net.grads.copy()


net = new_net(fn.SGD(learning_rate=0.1))
expected = net.params - 0.1 * gradient(net, X[:1], t[:1])
net.train_step(X[0], t[0])
print("largest difference:", np.abs(net.params - expected).max())

# %%
# Mini-batches: the average
# -------------------------
#
# One sample says little, and what it says is noisy.  So the gradients of a *mini-batch* of random samples are averaged:
# the gradient of the batch is exactly the mean of the gradients of its samples.

net = new_net(fn.SGD(0.1))
each = [gradient(net, X[i : i + 1], t[i : i + 1]) for i in range(8)]
of_batch = gradient(net, X, t)
print("largest difference:", np.abs(np.mean(each, axis=0) - of_batch).max())

# %%
# ``fit(..., batch_size=32)`` draws the batches in a new random order in every epoch; ``batch_size=1`` is the one-sample
# form, ``batch_size=len(X)`` plain gradient descent.
#
# A valley: momentum and adaptive rates
# -------------------------------------
#
# A network with two weights has a loss that can be drawn as a landscape.  Here the first input varies ten times as much
# as the second, which makes the landscape a long narrow valley.  All optimisers start in the same place.

X = random.normal(size=(200, 2)) * [1.0, 0.1]
t = X @ [[1.0], [1.0]]
optimizers = {
    "SGD": fn.SGD(0.9),
    "momentum": fn.SGD(0.3, momentum=0.9),
    "Nesterov": fn.SGD(0.3, momentum=0.9, nesterov=True),
    "Adagrad": fn.Adagrad(0.5),
    "RMSprop": fn.RMSprop(0.05),
    "Adam": fn.Adam(0.15),
}
paths = {}
for name, optimizer in optimizers.items():
    net = fn.Sequential([fn.Dense(1, bias=False)], input_shape=2, seed=0, dtype="float64")
    net.compile("squared_error", optimizer)
    net.params[:] = -0.5, -1.0
    path = [net.params.copy()]
    for _ in range(60):
        net.train_step(X, t)
        path.append(net.params.copy())
    paths[name] = np.array(path)

w1, w2 = np.meshgrid(np.linspace(-1, 2.5, 120), np.linspace(-1.5, 2, 120))
error = X @ np.stack([w1.ravel(), w2.ravel()]) - t
landscape = np.mean(error**2, axis=0).reshape(w1.shape)
figure, axes = plt.subplots(2, 3, figsize=(8, 5), sharex=True, sharey=True)
for axis, (name, path) in zip(axes.flat, paths.items(), strict=True):
    axis.contour(w1, w2, landscape, levels=np.geomspace(1e-3, 4, 10), colors="0.75", linewidths=0.7)
    axis.plot(*path.T, ".-", markersize=4, linewidth=0.8, color="#1f5fa8")
    axis.plot(1, 1, "*", color="#d1541f", markersize=11)
    axis.set(title=f"{name}: {np.hypot(*(path[-1] - 1)):.2f} from the goal", xlim=(-1, 2.5), ylim=(-1.5, 2))
for axis in axes[1]:
    axis.set_xlabel("first weight")
for axis in axes[:, 0]:
    axis.set_ylabel("second weight")

# %%
# **What to look at.**  Plain SGD jumps from wall to wall and creeps along the floor: a rate that is right for the
# steep direction is far too small for the flat one.  *Momentum* keeps part of the last step, so steps along the
# floor add up; *Nesterov* looks ahead and overshoots less.  *Adagrad*, *RMSprop* and *Adam* give every weight a rate
# of its own, larger where its gradients have been small, and start straight for the goal.  Adam has momentum as
# well, so it overshoots and circles in.
#
# Decaying rates
# --------------
#
# With mini-batches the gradient never settles, even at the best place, because every batch pulls another way.  A large
# rate gets near quickly and then keeps jumping; a small one takes long.  So start large and let it fall: the network
# *settles* into an optimum.

X = random.normal(size=(2000, 10))
t = X @ random.normal(size=(10, 1)) + 0.5 * random.normal(size=(2000, 1))
best = np.mean((t - X @ np.linalg.lstsq(X, t, rcond=None)[0]) ** 2)
epochs, steps = 30, 30 * 250
rates = {
    "constant 0.05": 0.05,
    "constant 0.001": 0.001,
    "step": fn.StepDecay(0.05, factor=0.3, every=steps // 6),
    "exponential": fn.ExponentialDecay(0.05, factor=0.5, every=steps // 10),
    "inverse time": fn.InverseTimeDecay(0.05, rate=0.01),
    "cosine": fn.CosineDecay(0.05, total_steps=steps),
}
figure, (above, below) = plt.subplots(2, 1, figsize=(7, 5.5), sharex=True)
excess = {}
for name, rate in rates.items():
    net = fn.Sequential([fn.Dense(1, bias=False)], input_shape=10, seed=0, dtype="float64")
    history = net.fit(
        X, t, epochs=epochs, batch_size=8, loss="squared_error", optimizer=fn.SGD(rate), validation_data=(X, t)
    )
    over = np.array(history["val_loss"]) - best
    excess[name] = over[-1]
    above.semilogy(range(1, epochs + 1), over, label=name)
    below.semilogy(range(1, epochs + 1), history["learning_rate"])
above.set_ylabel("loss above the least possible")
above.legend(ncols=2)
below.set(xlabel="epoch", ylabel="learning rate", ylim=(1e-5, 0.2))
print({name: f"{value:.1e}" for name, value in excess.items()})

# %%
# **What to look at.**  The constant large rate stays at one level, jumping.  Every decaying rate ends orders of
# magnitude below it, the small constant one needs its time.  ``ReduceOnPlateau`` lowers the rate when nothing
# improves, and ``OneCycle`` and ``CosineDecay(..., warmup_steps=...)`` begin small as well.
