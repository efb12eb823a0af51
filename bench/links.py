"""What it takes to add up vectors of many processes over a network, modelled: no network is measured here.

A message of n bytes takes ``latency + n / bandwidth``; a process sends and receives at the same time.  Two algorithms:

- pairs (recursive doubling): each of the ``log2 P`` rounds sends the whole vector;
- halves (Rabenseifner 2004): the vector is halved before every exchange and put together again afterwards, twice the
  rounds and less than two vectors in all.

Where P is no power of two, what is beyond the greatest one within P hands its vector to another process before, and
gets the sum after it.  Waiting for the slowest process, contention for the switch and overlap with the backward pass
are not in the model.
"""

from dataclasses import dataclass
from math import log2


@dataclass(frozen=True)
class Link:
    """A network between two processes, as it is assumed."""

    name: str
    latency: float  # seconds
    bandwidth: float  # bytes a second

    def message(self, n_bytes: float) -> float:
        """Seconds that a message takes."""
        return self.latency + n_bytes / self.bandwidth

    def pairs(self, n_bytes: float, processes: int) -> float:
        """Seconds of a sum by recursive doubling."""
        rounds, rest = _rounds(processes)
        return (rounds + rest) * self.message(n_bytes)

    def halves(self, n_bytes: float, processes: int) -> float:
        """Seconds of a sum by recursive halving and doubling."""
        rounds, rest = _rounds(processes)
        moved = 2 * n_bytes * (1 - 0.5**rounds)
        return 2 * rounds * self.latency + moved / self.bandwidth + rest * self.message(n_bytes)

    def best(self, n_bytes: float, processes: int) -> float:
        """Seconds of the faster of the two."""
        return min(self.pairs(n_bytes, processes), self.halves(n_bytes, processes))


LINKS = (
    Link("1 GbE", 50e-6, 117e6),
    Link("10 GbE", 25e-6, 1.17e9),
    Link("100 GbE", 3e-6, 11.7e9),
)


def _rounds(processes: int) -> tuple[int, int]:
    """Rounds among the greatest power of two within so many processes, and messages for what is beyond it."""
    rounds = int(log2(processes))
    return rounds, 2 * (processes > 1 << rounds)
