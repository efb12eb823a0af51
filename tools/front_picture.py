"""Make docs/static/front.png, the picture of README and landing page: three small networks and what they learned.

python tools/front_picture.py
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import fastnn as fn
from fastnn.plotting.figure import BLACK, BLUE, GREY, ORANGE, new_figure

TARGET = Path(__file__).parents[1] / "docs" / "static" / "front.png"
COLORS = 64  # of the palette: the file stays small


def spirals(axes, random):
    """Two spirals, and what a net of two hidden layers makes of the plane."""
    turn = np.sqrt(random.uniform(0.03, 1, 400)) * 3 * np.pi
    arm = np.arange(400) % 2
    X = np.column_stack([turn * np.cos(turn + np.pi * arm), turn * np.sin(turn + np.pi * arm)]) / 2.5
    X += random.normal(0, 0.08, X.shape)
    net = fn.Sequential([fn.Dense(48, "tanh"), fn.Dense(48, "tanh"), fn.Dense(1)], input_shape=2, seed=0)
    net.fit(X, arm, epochs=600, loss="binary_cross_entropy", optimizer=fn.Adam(fn.CosineDecay(1e-2, total_steps=7800)))
    line = np.linspace(-4.6, 4.6, 300)
    plane = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
    yes = net.outputs[0].answers(net.predict(plane)).reshape(300, 300)
    axes.contourf(line, line, yes, levels=np.linspace(0, 1, 9), cmap="RdBu", alpha=0.55)
    for k, color in ((0, ORANGE), (1, BLUE)):
        axes.plot(*X[arm == k].T, "o", color=color, markersize=3.2, markeredgecolor="white", markeredgewidth=0.4)
    axes.set_title("two spirals told apart, in a second", fontsize=11)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal")


def curve(axes, random):
    """A curve with a gap, and how sure twenty networks are of it."""
    x = np.concatenate([random.uniform(-3, -0.8, 50), random.uniform(0.9, 3, 50)])
    y = np.sin(2 * x) + 0.3 * x + random.normal(0, 0.08, len(x))
    nets = []
    for seed in range(20):
        net = fn.Sequential([fn.Dense(32, "tanh"), fn.Dense(32, "tanh"), fn.Dense(1)], input_shape=1, seed=seed)
        net.compile("squared_error", fn.Adam(5e-3))
        nets.append(net)
    fn.fit_many(nets, x[:, None], y, epochs=400)
    line = np.linspace(-3.6, 3.6, 300)
    answers = np.stack([net.predict(line[:, None])[:, 0] for net in nets])
    mean, spread = answers.mean(axis=0), answers.std(axis=0)
    for width, alpha in ((2, 0.2), (1, 0.3)):
        axes.fill_between(line, mean - width * spread, mean + width * spread, color=BLUE, alpha=alpha, linewidth=0)
    axes.plot(line, mean, color=BLUE, linewidth=2)
    axes.plot(x, y, "o", color=BLACK, markersize=3)
    axes.set_ylim(-3.2, 3.2)
    axes.set_title("twenty networks, and how sure they are", fontsize=11)
    axes.set_xticks([])
    axes.set_yticks([])


def digits(figure, place):
    """Handwritten digits that were held out, with the answers below."""
    X, y = fn.load_digits()
    X, X_test, y, y_test = fn.split(X, y, 0.3, stratify=True, seed=0)
    net = fn.Sequential([fn.Dense(64, "relu"), fn.Dropout(0.2), fn.Dense(10)], input_shape=64, seed=0)
    net.fit(X, y, epochs=60, loss="cross_entropy", optimizer="adam")
    likely = net.outputs[0].probabilities(net.predict(X_test))
    wrong = np.flatnonzero(likely.argmax(axis=1) != y_test)[:2]
    some = np.concatenate([[np.flatnonzero(y_test == k)[3] for k in range(10)], wrong])
    inner = place.subgridspec(3, 4)
    for i, row in enumerate(some):
        axes = figure.add_subplot(inner[i // 4, i % 4])
        axes.imshow(X_test[row].reshape(8, 8), cmap="gray_r", interpolation="nearest")
        answer = int(likely[row].argmax())
        color = BLACK if answer == y_test[row] else ORANGE
        axes.set_title(f"{answer}  {likely[row, answer]:.0%}", fontsize=9, color=color, pad=3)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_color(GREY)


def main():
    """Draw, and keep it small."""
    random = np.random.default_rng(4)
    figure = new_figure("front_picture", 12.0, 3.7)
    grid = figure.add_gridspec(1, 3, width_ratios=[1, 1.35, 1.25])
    spirals(figure.add_subplot(grid[0]), random)
    curve(figure.add_subplot(grid[1]), random)
    digits(figure, grid[2])
    TARGET.parent.mkdir(exist_ok=True)
    figure.savefig(TARGET, dpi=110)
    with Image.open(TARGET) as image:
        image.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(TARGET, optimize=True)
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")
    return TARGET.stat().st_size > 60_000


if __name__ == "__main__":
    sys.exit(main())
