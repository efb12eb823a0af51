"""One network trained by several processes each of which learns from rows of its own.

Either every update is made from the mean of their gradients, or each makes its own updates and after so many of them
parameters and what the optimiser keeps are replaced by their means (local SGD).  Means go by the weight of the rows
that each has learned from, and are taken in the order of the processes: all get the same bits.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fastnn._core.aligned import aligned_zeros
from fastnn.training.team import (
    GRADIENTS,
    HEAD,
    OK,
    PARAMETERS,
    SOON,
    TOTALS,
    Team,
    require_rows_apart,
    trainer_of,
)  # fmt: skip

if TYPE_CHECKING:
    from fastnn.data.feed import Feed
    from fastnn.graph.graph import Graph

# The structs of these names in the Trainer.
OWN = np.dtype(
    [(name, np.intp) for name in ("dealt", "every", "part", "parts", "since")]
    + [(name, np.float64) for name in ("since_weight", "loss", "weight")]
)
HITS = np.dtype({"names": ["sums", "unclear"], "formats": [("f8", 3), ("i4", 3)], "offsets": [0, 24], "itemsize": 40})


class OwnRows(Team):
    """Processes that learn from rows of their own.

    Attributes
    ----------
    every : int
        Updates after which parameters are averaged; 0: gradients are, in each.
    dealt : bool
        The feed of each has its rows alone; else all have all rows, and each takes a part of every mini-batch.
    """

    sums = None  # of groups: none

    def __init__(self, comm: Any, net: "Graph", every: int | None, dealt: bool, **way: Any) -> None:
        self.every, self.dealt = every or 0, dealt
        super().__init__(comm, net, **way)
        if self.size > 1:
            self._take_messages(HEAD)
            self.weight, self.weights = self.message[24:32].view(np.float64), self.messages[:, 24:32].view(np.float64)

    def join(self, net: "Graph", feed: "Feed", pieces: int) -> None:
        """See `Team.join`."""
        if not self.every:
            require_rows_apart(net, "they lie in several processes of the team")
        if not self.dealt and feed.batch_size is not None and feed.batch_size < self.size:
            raise ValueError(
                f"fit: expected updates from at least one row for each of the {self.size} processes of the team, got "
                f"{feed.batch_size} rows"
            )
        self.trainer = trainer = trainer_of(net)
        trainer.join(self, pieces)
        if self.size == 1:
            return
        self.own = trainer.own.view(OWN)[0]
        self.own["every"], self.own["dealt"] = self.every, not self.every
        if not self.dealt:
            self.own["part"], self.own["parts"] = self.rank, self.size
        self.parts = [net.params, trainer.optimizer.state.reshape(-1)] if self.every else [net.grads]
        self.mean = Mean(self, sum(part.size for part in self.parts), net.plan.dtype)
        self._remember()

    def tell(self, status: int, error: BaseException | None) -> int:
        """Learn the mean of what all have after a mini-batch; return the status of all.

        Raises what another process failed with.
        """
        if self.every:
            self._average()
            return OK
        own = self.own
        self.weight[0] = own["weight"]
        statuses = self._tell(GRADIENTS, status, own["loss"])
        if any(statuses):
            bad, own["loss"] = self._first_bad(statuses, error)
            return bad
        weights = self.weights[:, 0].tolist()
        shares = shares_of(weights)
        self._replace(shares)
        own["loss"] = sum(share * loss for share, loss in zip(shares, self.values.tolist(), strict=True))
        own["weight"] = sum(weights)
        return OK

    def totals(self, net: "Graph", loss: float, weight: float, rows: int) -> tuple[float, float, int]:
        """See `Team.totals`."""
        if self.size == 1:
            return loss, weight, rows
        if self.own["since"]:
            with net.changing():
                self._average()
        hits = self.trainer.counted[0].view(HITS)[:, 0]
        said = self.gather((loss, weight, rows, hits.tobytes()), TOTALS)
        counted = [np.frombuffer(one[3], HITS) for one in said]
        hits["sums"] = sum(one["sums"] for one in counted)
        hits["unclear"] = np.bitwise_or.reduce([one["unclear"] for one in counted])
        if self.every:
            loss, weight = (sum(one[k] for one in said) for k in (0, 1))
        return loss, weight, sum(one[2] for one in said) if self.dealt else rows

    def go_back(self, net: "Graph") -> None:
        """See `Team.go_back`: to the last mean, since then each has gone its own way."""
        if self.size > 1 and self.every:
            with net.changing():
                self._write(self.kept)
            self.trainer.step, updates = self.steps
            self.trainer.optimizer.set_step(updates)

    def _average(self) -> None:
        """Let parameters and what the optimiser keeps be their means, with the weights of rows since the last time."""
        statuses = self._tell(PARAMETERS, OK, self.own["since_weight"])
        self._raise_failure(statuses, None)
        self._replace(shares_of(self.values.tolist()))
        self.own["since"], self.own["since_weight"] = 0, 0.0
        self._remember()

    def _replace(self, shares: Sequence[float]) -> None:
        start = 0
        for part in self.parts:
            self.mean.own[start : start + part.size] = part
            start += part.size
        self._write(self.mean.taken(shares))

    def _write(self, vector: np.ndarray) -> None:
        start = 0
        for part in self.parts:
            part[:] = vector[start : start + part.size]
            start += part.size

    def _remember(self) -> None:
        if self.every:
            self.kept = np.concatenate(self.parts)
            self.steps = self.trainer.step, self.trainer.optimizer.step


class Mean:
    """Weighted means of vectors, of which each process has one."""

    def __init__(self, team: Team, length: int, dtype: np.dtype) -> None:
        self.team, self.length = team, length
        self.direct = (team.size - 2) * length * dtype.itemsize <= SOON  # as in `groups`
        part = length if self.direct else -(-length // team.size)
        self.own = aligned_zeros(length if self.direct else part * team.size, dtype)
        self.vectors = aligned_zeros(team.size * part, dtype).reshape(team.size, part)
        self.total = np.empty((team.size, part), dtype)

    def taken(self, shares: Sequence[float]) -> np.ndarray:
        """Return the mean of all processes' ``own``; what is equal on all of them stays what it is."""
        call = self.team._call
        call("Allgather" if self.direct else "Alltoall", self.own.reshape(-1, self.vectors.shape[1]), self.vectors)
        mean = self.vectors[0]
        with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found where it is learned from
            self.vectors[1:] -= mean
            for vector, share in zip(self.vectors[1:], shares[1:], strict=True):
                vector *= share
                mean += vector
        if self.direct:
            return mean
        call("Allgather", mean, self.total)
        return self.total.reshape(-1)[: self.length]


def shares_of(weights: list[float]) -> list[float]:
    """Return weights as shares of their sum; equal ones if that is 0."""
    total = sum(weights)
    return [weight / total for weight in weights] if total > 0.0 else [1.0 / len(weights)] * len(weights)
