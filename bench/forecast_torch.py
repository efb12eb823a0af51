"""The same forecaster in PyTorch, as one process, for ``bench.forecast``: ``python -m bench.forecast_torch FOLDER``.

Tuned: two threads, the series as one tensor whose windows are a view, batches gathered from it into one buffer by a
single ``index_select``, AdamW fused, no DataLoader, answers of one row by ``addmv`` under ``inference_mode``, which is
as fast as a frozen trace and twice as fast as calling the module.  ``--compile`` compiles forward, loss and backward:
what that takes once is more than it can save over the whole training.
"""

import argparse
from collections.abc import Callable, Iterator
from math import cos, pi
from pathlib import Path
from time import perf_counter

began = perf_counter()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402

from bench.forecast import Task, report  # noqa: E402

imported = perf_counter()
DAY, BATCH, LAGS, WIDTH = 288, 128, 1440, 1446
STEPS, HORIZON, HALF_LIFE = DAY // 12, 2 * DAY, 60 * DAY


def clock(times: torch.Tensor) -> torch.Tensor:
    """Return six numbers that say what time of day and week it is."""
    angles = 2 * pi * times[:, None] / torch.tensor([DAY, DAY / 2, 7 * DAY], dtype=torch.float64)
    return torch.cat([angles.sin(), angles.cos()], dim=1).float()


class Data:
    """Five series, standardised, one row each, the load one step later than the others: a window is one slice."""

    def __init__(self, folder: Path, now: int) -> None:
        names = ("load", "temperature", "sun", "price", "plan")
        self.values = {name: np.load(folder / f"{name}.npy") for name in names}
        self.now, length = now, len(self.values["load"])
        self.rows = torch.zeros(len(names), length + 1)
        self.scale: dict[str, tuple[float, float]] = {}
        for row, (name, values) in enumerate(self.values.items()):
            known = values[: now - DAY].astype(np.float64)
            mean, deviation = self.scale[name] = known.mean(), known.std()
            scaled = torch.from_numpy(((values - mean) / deviation).astype(np.float32))
            self.rows[row, int(name == "load") :][:length] = scaled
        self.target = self.rows[0, 1:, None].clone()
        self.clock = clock(torch.arange(length))
        self.weight = 0.5 ** ((now - torch.arange(length)) / HALF_LIFE)[:, None]
        # The window of time t: the load of t - 288 .. t - 1, of the others the values of t - 287 .. t.
        self.windows = self.rows.unfold(1, DAY, 1).transpose(0, 1)
        self.buffer = torch.empty(BATCH, WIDTH)

    def batches(self, times: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Yield inputs, targets and weights; the inputs stand in one buffer."""
        for part in times.split(BATCH):
            x = self.buffer[: len(part)]
            torch.index_select(self.windows, 0, part - (DAY - 1), out=x[:, :LAGS].unflatten(1, (5, DAY)))
            x[:, LAGS:] = self.clock[part]
            yield x, self.target[part], self.weight[part]


def network() -> nn.Sequential:
    """Return 1446-512-256-64-1 with the initial values of fastnn's distribution."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Linear(WIDTH, 512), nn.ReLU(), nn.Dropout(0.1), nn.Linear(512, 256), nn.ReLU(), nn.Dropout(0.1),
        nn.Linear(256, 64), nn.ReLU(), nn.Linear(64, 1),
    )  # fmt: skip
    for layer, activation in zip(linear(net), ("relu", "relu", "relu", "linear"), strict=True):
        if activation == "relu":
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        else:
            nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)
    return net


def linear(net: nn.Sequential) -> list[nn.Linear]:
    """Return the layers that have parameters."""
    return [layer for layer in net if isinstance(layer, nn.Linear)]


def optimizer_of(net: nn.Sequential, rate: float) -> torch.optim.AdamW:
    """Return AdamW, which leaves the biases out of the decay as fastnn does."""
    groups = [
        {"params": [layer.weight for layer in linear(net)], "weight_decay": 0.01},
        {"params": [layer.bias for layer in linear(net)], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, fused=True)


def loss_of(net: nn.Module) -> Callable[..., torch.Tensor]:
    """Return the weighted mean of Huber's loss as a function of a batch."""

    def loss(x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        each = nn.functional.huber_loss(net(x), y, reduction="none", delta=1.35)
        return (each * weight).sum() / weight.sum()

    return loss


def learn(data: Data, task: Task, compiled: bool) -> tuple[nn.Sequential, float]:
    """Train on all but the last day; return the network at its best epoch, and its loss on that day."""
    net = network()
    optimizer, loss = optimizer_of(net, 1e-3), loss_of(net)
    run = torch.compile(loss) if compiled else loss
    train, validation = torch.arange(DAY, data.now - DAY), torch.arange(data.now - DAY, data.now)
    count = min(len(train), BATCH * task.limit)
    updates, update, best, kept = task.epochs * -(-count // BATCH), 0, float("inf"), net.state_dict()
    for _ in range(task.epochs):
        net.train()
        for batch in data.batches(train[torch.randperm(len(train))[:count]]):
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 * (1 + cos(pi * update / updates)) / 2
            optimizer.zero_grad(set_to_none=True)
            run(*batch).backward()
            optimizer.step()
            update += 1
        net.eval()
        with torch.inference_mode():
            parts = [(float(loss(x, y, w)), float(w.sum())) for x, y, w in data.batches(validation)]
        found = sum(value * weight for value, weight in parts) / sum(weight for _, weight in parts)
        if found < best:
            best, kept = found, {name: value.clone() for name, value in net.state_dict().items()}
    net.load_state_dict(kept)
    return net, best


def roll_out(net: nn.Sequential, data: Data, start: int) -> np.ndarray:
    """Forecast two days, answer by answer."""
    layers = [(layer.weight, layer.bias) for layer in linear(net)]
    rows = data.rows[:, start - DAY + 1 : start + HORIZON + 1].clone()
    rows[0, DAY:] = torch.nan
    x = torch.empty(WIDTH)
    x_lags = x[:LAGS].view(5, DAY)
    for step in range(HORIZON):
        x_lags.copy_(rows[:, step : step + DAY])
        x[LAGS:] = data.clock[start + step]
        h = x
        for weight, bias in layers[:-1]:
            h = torch.addmv(bias, weight, h).relu_()
        rows[0, DAY + step : DAY + step + 1] = torch.addmv(layers[-1][1], layers[-1][0], h)
    mean, deviation = data.scale["load"]
    return rows[0, DAY:][:HORIZON].numpy() * deviation + mean


def follow(net: nn.Sequential, data: Data, rounds: int) -> dict[int, np.ndarray]:
    """Fine-tune on the last week and forecast, every two hours."""
    optimizer, loss, forecasts = optimizer_of(net, 1e-4), loss_of(net), {}
    for number in range(1, rounds + 1):
        now = data.now + number * STEPS
        net.train()
        for batch in data.batches(now - 1 - torch.randperm(7 * DAY)):
            optimizer.zero_grad(set_to_none=True)
            loss(*batch).backward()
            optimizer.step()
        net.eval()
        with torch.inference_mode():
            forecasts[now] = roll_out(net, data, now)
    return forecasts


def main(folder: Path, compiled: bool) -> None:
    """Learn, save, load, fine-tune and forecast."""
    task = Task.read(folder)
    torch.set_num_threads(task.threads)
    data = Data(folder, task.now)
    net, loss = learn(data, task, compiled)
    learned = perf_counter()
    torch.save(net.state_dict(), folder / "torch.pt")
    net = network()
    net.load_state_dict(torch.load(folder / "torch.pt", weights_only=True))
    forecasts = follow(net, data, task.rounds)
    report(began, imported, learned, loss, forecasts, data.values["load"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    main(options.folder, options.compile)
