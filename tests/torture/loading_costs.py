"""What reading a file costs, refused or not: memory and time beside the size of the file."""

import os
import struct
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from helpers.model_files import assemble
from helpers.refused_files import GOOD, REFUSED

import fastnn as fn
from fastnn.formats import safetensors as files
from fastnn.formats.tensors import HEADER_LIMIT
from fastnn.formats.text import BYTES_OF_VALUE, VALUES

PROMISE = (
    "every file, refused or not, takes at most twice its size and 16 MiB, and of a processor 10 ms and 5 ns per byte, "
    "20 ns per byte and 1 us per value of its description, 4 us per array, and if it is read 0.1 ms per layer"
)
SHORT = 0.5  # of time the long form judges alone, on a machine that does nothing else
ROOM, TIME, PER_BYTE = 16 << 20, 10e-3, 5e-9
PER_LETTER, PER_VALUE, PER_ARRAY, PER_LAYER = 20e-9, 1e-6, 4e-6, 0.1e-3
GOLDEN = Path(__file__).parents[1] / "formats" / "golden" / "network.safetensors"
TRIES = 4  # the first one for memory, the least of all for time: other processes disturb it


class Clean:
    """A process that has done nothing but import, so that no free memory hides what a file takes; it forks for each."""

    def __init__(self) -> None:
        (take, self.ask), (self.answers, tell) = os.pipe(), os.pipe()
        self.child = os.fork()
        if not self.child:
            os.close(self.ask)
            with os.fdopen(take) as paths:
                while path := paths.readline().rstrip("\n"):
                    if not os.fork():
                        try:
                            os.write(tell, struct.pack("<qd", *cost(path)))
                        finally:
                            os._exit(0)
                    os.wait()
            os._exit(0)
        os.close(take)
        os.close(tell)

    def cost(self, path: Path) -> tuple[int, float]:
        """Return the bytes and seconds that a file takes at most and at least."""
        os.write(self.ask, f"{path}\n".encode())
        peak, least = struct.unpack("<qd", os.read(self.answers, 16))
        return peak, least

    def end(self) -> None:
        os.close(self.ask)
        os.close(self.answers)
        os.waitpid(self.child, 0)


def cost(path: str) -> tuple[int, float]:
    """Read a file some times in this process."""
    status, seconds, peak = Path("/proc/self/status"), [], 0
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = field(status, "VmRSS")
    for k in range(TRIES):
        began = time.process_time()
        try:
            made = fn.load(path)
        except fn.ModelFormatError:
            made = None
        seconds.append(time.process_time() - began)
        del made
        if k == 0:
            peak = field(status, "VmHWM") - before
    return peak, min(seconds)


def field(status: Path, name: str) -> int:
    """Return bytes from /proc/self/status."""
    (line,) = [text for text in status.read_text().splitlines() if text.startswith(f"{name}:")]
    return int(line.split()[1]) << 10


def bombs() -> dict[str, bytes]:
    """Large files that are refused, and descriptions that are as heavy as they may be."""
    text = "[" + "[], " * 60_000 + "1]"
    plain = {"format": 3, "metadata": text}
    return {
        "6 MiB of empty lists": assemble({}, None, b"", "[" + "[], " * 1_600_000 + "1]"),
        "6 MiB of one text": assemble({}, None, b"", '"' + "x" * (6 << 20) + '"'),
        "6 MiB of quotes": assemble({}, None, b"", '"' + '\\"' * (6 << 18) + '"'),
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


def time_for(data: bytes, layers: int) -> float:
    """Return the seconds that a file may take."""
    length = int.from_bytes(data[:8], "little")
    head = data[8 : 8 + length] if length <= HEADER_LIMIT else b""
    values = min(sum(map(head.count, (b",", b":", b"[", b"{"))), VALUES + len(data) // BYTES_OF_VALUE)
    arrays = head.count(b'"data_offsets":')
    own = PER_LETTER * len(head) + PER_VALUE * values + PER_ARRAY * arrays + PER_LAYER * layers
    return TIME + PER_BYTE * len(data) + own


def run(share: float) -> dict[str, Any]:
    fn.load(GOLDEN)  # so that all is imported
    clean, every = Clean(), max(1, round(1 / share))
    cases = [(name, data, 0) for name, data, _ in REFUSED][::every]
    cases += [(name, data, 0) for name, data in bombs().items()]
    cases += [(name, data, 8) for name, data in GOOD.items()]
    cases += [(name, *rest) for name, rest in large().items()]
    worst: dict[str, tuple[float, str]] = {"memory": (0.0, ""), "time": (0.0, "")}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "m"
        for name, data, layers in cases:
            path.write_bytes(data)
            peak, seconds = clean.cost(path)
            shares = {"memory": peak / (2 * len(data) + ROOM), "time": seconds / time_for(data, layers)}
            for what, found in shares.items():
                worst[what] = max(worst[what], (round(found, 3), name))
            assert shares["memory"] <= 1, f"{name}: {peak:,} bytes at the peak for a file of {len(data):,}"
            assert shares["time"] <= 1 or share < 1, f"{name}: {seconds * 1e3:.2f} ms for a file of {len(data):,} bytes"
    clean.end()
    return {"files": len(cases), "most memory, of what is allowed": worst["memory"], "most time": worst["time"]}
