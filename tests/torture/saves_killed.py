"""Processes killed while they save: the file is the old one or the new one, and nothing is left after the next save."""

import os
import random
import signal
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import fastnn as fn

PROMISE = (
    "after each of 5,000 kills during a save the old or the new file is there, bit for bit, and after the next save "
    "nothing else"
)
SHORT = 1 / 50
KILLS = 5_000


def save_on_and_on(nets: list[Any], path: Path) -> None:
    """Save one network and the other in turn, until somebody ends this process."""
    while True:
        for net in nets:
            net.save(path)


def run(share: float) -> dict[str, Any]:
    nets = [fn.Sequential([fn.Dense(64, "relu"), fn.Dense(64), fn.Dense(10)], 64, seed=seed) for seed in (0, 1)]
    chance, kills, amid, seen = random.Random(7), max(1, round(KILLS * share)), 0, [0, 0]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "m"
        contents = []
        for net in nets:
            net.save(path)
            contents.append(path.read_bytes())
        began = time.perf_counter()
        for _ in range(20):
            nets[0].save(path)
        span = (time.perf_counter() - began) / 5  # of four saves
        for _ in range(kills):
            child = os.fork()
            if not child:
                try:
                    save_on_and_on(nets, path)
                finally:
                    os._exit(1)
            time.sleep(chance.uniform(0, span))
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            assert os.WIFSIGNALED(status), f"the child ended by itself, status {status}"
            data = path.read_bytes()
            assert data in contents, f"a file of {len(data)} bytes that is neither the old nor the new one"
            seen[contents.index(data)] += 1
            span *= 1 if seen[1] else 1.1  # a child's first saves take longer: memory is copied
            left = set(os.listdir(folder)) - {"m"}
            amid += bool(left)
            assert len(left) <= 1, f"{left}: more than one kill can leave behind"
            nets[0].save(path)
            assert os.listdir(folder) == ["m"], f"{os.listdir(folder)} after the next save"
    assert min(seen) or share < SHORT, seen
    return {"kills": kills, "amid a save": amid, "first": seen[0], "second": seen[1]}
