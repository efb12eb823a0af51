"""What reading a file costs, refused or not: memory and time beside the size of the file."""

import os
import struct
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from helpers.model_files import assemble
from helpers.refused_files import GOOD, REFUSED

import fastnn as fn
from fastnn.formats import safetensors as files

PROMISE = (
    "every file, refused or not, takes at most twice its size and 16 MiB, and 10 ms and 5 ns per byte of a processor, "
    "and besides 2 us per array, and a network 0.1 ms per layer"
)
SHORT = 0.5  # of time the long form judges alone, on a machine that does nothing else
ROOM, TIME, PER_BYTE, PER_ARRAY, PER_LAYER = 16 << 20, 10e-3, 5e-9, 2e-6, 0.1e-3
TRIES = 4  # the first one for memory, the least of all for time: other processes disturb it


def cost(work: Callable[[], Any]) -> tuple[int, float]:
    """Return the bytes and seconds that work takes at most and at least, in a process of its own."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            status = Path("/proc/self/status")
            Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
            before = field(status, "VmRSS")
            seconds = []
            for k in range(TRIES):
                began = time.process_time()
                try:
                    made = work()
                except fn.ModelFormatError:
                    made = None
                seconds.append(time.process_time() - began)
                del made
                if k == 0:
                    peak = field(status, "VmHWM") - before
            os.write(write, struct.pack("<qd", peak, min(seconds)))
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        found = pipe.read()
    os.waitpid(child, 0)
    assert len(found) == 16, "the process that read a file ended before"
    peak, least = struct.unpack("<qd", found)
    return peak, least


def field(status: Path, name: str) -> int:
    """Return bytes from /proc/self/status."""
    (line,) = [text for text in status.read_text().splitlines() if text.startswith(f"{name}:")]
    return int(line.split()[1]) << 10


def bombs() -> dict[str, bytes]:
    """Large files that are refused, and descriptions that are as heavy as they may be."""
    text = "[" + "[], " * 60_000 + "1]"
    plain = {"format": 3, "metadata": text}
    return {
        "11 MiB of empty lists": assemble({}, None, b"", "[" + "[], " * 2_900_000 + "1]"),
        "11 MiB of one text": assemble({}, None, b"", '"' + "x" * (11 << 20) + '"'),
        "11 MiB of quotes": assemble({}, None, b"", '"' + '\\"' * (11 << 18) + '"'),
        "60,000 empty lists": assemble({}, None, b"", text),
        "60,000 short texts": assemble({}, None, b"", "[" + '"ab", ' * 60_000 + "1]"),
        "20,000 objects": assemble({}, None, b"", "[" + '{"a": 1}, ' * 20_000 + "1]"),
        "30,000 arrays": assemble(
            {f"a{i}": {"dtype": "I8", "shape": [1], "data_offsets": [i, i + 1]} for i in range(30_000)},
            plain,
            bytes(30_000),
        ),
        "16 MB of numbers that are alien": assemble(
            {"w": {"dtype": "F32", "shape": [1 << 22], "data_offsets": [0, 1 << 24]}}, plain, bytes(1 << 24)
        ),
    }  # fmt: skip


def large() -> dict[str, tuple[bytes, int]]:
    """Files that are read, and the number of their layers."""
    wide = fn.Sequential([fn.Dense(2000), fn.Dense(2000), fn.Dense(2000)], 2000, seed=0)
    learned = wide.copy()
    learned.compile("squared_error", "adam")
    many = fn.Sequential([fn.Dense(4, "relu") for _ in range(300)], 4, seed=0)
    return {
        "48 MB of weights": (bytes(files.to_bytes(wide, optimizer=False, metadata=None)), 3),
        "144 MB with Adam": (bytes(files.to_bytes(learned, optimizer=True, metadata=None)), 3),
        "300 layers": (bytes(files.to_bytes(many, optimizer=False, metadata=None)), 300),
    }


def run(share: float) -> dict[str, Any]:
    every = max(1, round(1 / share))
    cases = [(name, data, 0) for name, data, _ in REFUSED][::every]
    cases += [(name, data, 0) for name, data in bombs().items()]
    cases += [(name, data, 8) for name, data in GOOD.items()]
    cases += [(name, *rest) for name, rest in large().items()]
    worst: dict[str, tuple[float, str]] = {"memory": (0.0, ""), "time": (0.0, "")}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "m"
        fn.Sequential([fn.Dense(2)], 2, seed=0).save(path)
        fn.load(path)  # so that all is imported
        for name, data, layers in cases:
            path.write_bytes(data)
            peak, seconds = cost(lambda: fn.load(path))
            arrays = data[: 16 << 20].count(b'"data_offsets":')
            shares = {
                "memory": peak / (2 * len(data) + ROOM),
                "time": seconds / (TIME + PER_BYTE * len(data) + PER_ARRAY * arrays + PER_LAYER * layers),
            }
            for what, found in shares.items():
                worst[what] = max(worst[what], (round(found, 3), name))
            assert shares["memory"] <= 1, f"{name}: {peak:,} bytes at the peak for a file of {len(data):,}"
            assert shares["time"] <= 1 or share < 1, f"{name}: {seconds * 1e3:.2f} ms for a file of {len(data):,} bytes"
    return {"files": len(cases), "most memory, of what is allowed": worst["memory"], "most time": worst["time"]}
