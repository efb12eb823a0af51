"""Federated averaging: clients whose data stay where they are learn one network together.

Twenty clients hold digits of MNIST, dealt by label, so that most of them know few of the ten digits and have seen
others hardly or never; and some have four times as many images as others.  In every round each of them starts from the
common network, learns from its own images for an epoch, and sends back its parameters and nothing else.  The common
network of the next round is their mean, each weighted by its number of images [McMahan et al. 2017].  As ``net.params``
is one vector, that is one line.

Beside it: what each client reaches alone, what all of the images reach in one place, and what the mean is without the
weights.  A client alone can know no digit that it has not seen, however long it learns.
"""

import sys
from pathlib import Path

import common
import numpy as np
import pictures

import fastnn as fn

GOALS = {
    "test error, federated": "<= 0.07",
    "mean test error, alone / federated": ">= 5",
    "test error, federated / best client alone": "<= 0.6",
}
CLIENTS, SKEW = 20, 0.3  # a lower SKEW: fewer digits for each client
RATE, BATCH = 0.1, 32


def deal(labels: np.ndarray, clients: int, skew: float, seed: int = 0) -> list[np.ndarray]:
    """Return the rows of each client: of every digit a share drawn from a Dirichlet distribution [Hsu et al. 2019].

    Every row is dealt once, and every client has a batch at least; it is drawn again until that is so.
    """
    random = np.random.default_rng(seed)
    while True:
        dealt: list[list[np.ndarray]] = [[] for _ in range(clients)]
        for digit in range(10):
            rows = random.permutation(np.flatnonzero(labels == digit))
            ends = np.cumsum(random.dirichlet(np.full(clients, skew)))[:-1] * len(rows)
            for one, part in zip(dealt, np.split(rows, ends.astype(int)), strict=True):
                one.append(part)
        result = [np.concatenate(parts) for parts in dealt]
        if min(map(len, result)) >= BATCH:
            return result


def network(seed: int = 0) -> fn.Sequential:
    """Return an untrained network."""
    net = fn.Sequential([fn.Dense(128, "relu"), fn.Dense(10)], input_shape=784, seed=seed)
    net.compile("cross_entropy", fn.SGD(RATE))
    return net


def learn(nets: list[fn.Sequential], X: np.ndarray, y: np.ndarray, rows: list[np.ndarray]) -> None:
    """Let each network learn from its rows for an epoch, side by side."""
    fn.fit_many(nets, X, y, rows=rows, epochs=1, batch_size=BATCH, verbose=0)


def average(vectors: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Return the weighted mean of parameter vectors, in float64."""
    return np.average(vectors, axis=0, weights=weights)


def wrong(net: fn.Sequential, data: common.Labelled) -> float:
    """Return the share of the rows that a network takes for another digit."""
    return float(np.mean(net.predict(data[0]).argmax(axis=1) != data[1]))


def federate(
    train: common.Labelled, test: common.Labelled, rows: list[np.ndarray], rounds: int, weights: np.ndarray
) -> list[float]:
    """Return the test error of the common network after every round."""
    shared, errors = network(), []
    clients = [network(seed) for seed in range(len(rows))]  # the seeds order the rows
    for _ in common.progress(range(rounds), "federated"):
        for client in clients:
            client.params[:] = shared.params
        learn(clients, *train, rows)
        shared.params[:] = average([client.params for client in clients], weights)
        errors.append(wrong(shared, test))
    return errors


def apart(
    train: common.Labelled, test: common.Labelled, rows: list[np.ndarray], rounds: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return test errors by epoch: of each client alone (rounds, clients), and of one network that has all the rows."""
    nets = [network(seed) for seed in range(len(rows) + 1)]
    every = [*rows, np.concatenate(rows)]
    errors = []
    for _ in common.progress(range(rounds), "alone and together"):
        learn(nets, *train, every)
        errors.append([wrong(net, test) for net in nets])
    found = np.array(errors)
    return found[:, :-1], found[:, -1]


def draw(counts: np.ndarray, curves: dict[str, list[float] | np.ndarray], alone: np.ndarray, path: Path) -> None:
    """Draw who has which digits, and the errors round by round."""
    picture = pictures.figure(10, 4.3)
    left, right = picture.subplots(1, 2, width_ratios=(1, 1.5))
    shown = left.imshow(np.sqrt(counts), cmap="Blues", aspect="auto")
    ticks = [n for n in (10, 100, 1000, 4000) if n <= counts.max()]
    bar = picture.colorbar(shown, ax=left, ticks=np.sqrt(ticks))
    bar.set_ticklabels([str(n) for n in ticks])
    left.set_xticks(range(10))
    left.set_yticks([])
    left.set_xlabel("digit", fontsize=11)
    left.set_ylabel("client", fontsize=11)
    left.set_title("images that each client has", fontsize=12)
    rounds = np.arange(1, len(alone) + 1)
    right.plot(rounds, alone, color="#bbbbbb", linewidth=0.8, label=["a client alone"] + [""] * (alone.shape[1] - 1))
    for (name, errors), color in zip(curves.items(), ("#4477aa", "#66aadd", "#cc6677"), strict=True):
        right.plot(rounds, errors, color=color, linewidth=2, label=name)
    right.set_yscale("log")
    right.legend(frameon=False, fontsize=9)
    pictures.dress(right, "rounds, each an epoch", "share of the test digits that are wrong")
    pictures.save(picture, path)


def run(quick: bool, output: Path) -> common.Figures:
    """Federate, learn apart and in one place, and compare."""
    train, test = common.mnist()
    rounds = 20
    if quick:
        train, test, rounds = (train[0][:6000], train[1][:6000]), (test[0][:2000], test[1][:2000]), 12
    rows = deal(train[1], CLIENTS, SKEW)
    sizes = np.array([len(one) for one in rows], float)
    counts = np.array([np.bincount(train[1][one], minlength=10) for one in rows])
    print(f"{CLIENTS} clients with {sizes.min():.0f} to {sizes.max():.0f} images; {network().params.size:,} parameters")
    federated = federate(train, test, rows, rounds, sizes)
    unweighted = federate(train, test, rows, rounds, np.ones(CLIENTS))
    alone, together = apart(train, test, rows, rounds)
    curves = {
        "the weighted mean": federated, "the mean without weights": unweighted, "all images in one place": together
    }  # fmt: skip
    draw(counts, curves, alone, output / "federated.png")
    return {
        "test error, federated": federated[-1],
        "test error, federated without weights": unweighted[-1],
        "test error, all in one place": float(together[-1]),
        "mean test error, alone": float(alone[-1].mean()),
        "best test error, alone": float(alone[-1].min()),
        "mean test error, alone / federated": float(alone[-1].mean()) / federated[-1],
        "test error, federated / all in one place": federated[-1] / float(together[-1]),
        "test error, federated / best client alone": federated[-1] / float(alone[-1].min()),
    }


if __name__ == "__main__":
    sys.exit(common.main(run, __doc__, GOALS))
