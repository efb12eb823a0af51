"""Joining a team for one fit, which tells the others how it ends."""

from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from fastnn._core.trainer import Trainer
from fastnn._spec import require_count
from fastnn.training.groups import Groups
from fastnn.training.own_rows import OwnRows
from fastnn.training.subtrees import GROUPS
from fastnn.training.team import Team, trainer_of

if TYPE_CHECKING:
    from fastnn.data.feed import Feed
    from fastnn.graph.graph import Graph

SAMPLED = 64  # rows of the data that are compared
METHODS = ("Get_rank", "Get_size", "Allgather", "Alltoall", "allgather")


class joined:
    """Train in a team in the block, ``comm`` None: alone; if it ends by an exception, all processes learn of it.

    ``every``: updates after which parameters are averaged, None: gradients are added up in each; ``share``: whose rows
    these are, None: all.
    """

    def __init__(self, net: "Graph", comm: Any, every: Any, share: tuple[int, int] | None) -> None:
        self.net, self.comm, self.every, self.share = net, comm, every, share
        self.team: Team | None = None
        self.trainer: Trainer | None = None  # that learns in this way until the end

    def __enter__(self) -> Team | None:
        if self.comm is None:
            if self.every is not None:
                raise ValueError("fit: expected a team for average_every, got none; leave it out, or give team")
            return None
        in_groups = self.every is None and self.share is None
        require_communicator(self.comm, GROUPS if in_groups else None)
        if self.every is not None:
            require_count("fit", "average_every", self.every)
        way = {"average_every": self.every, "way of dealing out rows": "all rows" if self.share is None else "shares"}
        if in_groups:
            self.team = Groups(self.comm, self.net, **way)
        else:
            self.team = OwnRows(self.comm, self.net, self.every, self.share is not None, **way)
        return self.team

    def begin(self, feed: "Feed", pieces: int) -> None:
        """Let the network, which is compiled, learn from a feed; ``pieces``: that its mini-batches may go in."""
        self.trainer = trainer_of(self.net)
        if self.team is not None:
            self.team.join(self.net, feed, pieces)
        elif pieces > 1:
            self.trainer.join(None, pieces)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        if self.trainer is not None:
            self.trainer.leave()
        if self.team is None:
            return
        if error is not None and self.team.size > 1 and not (self.team.over or self.team.lost):
            first = self.team.fail(error)
            if first is not error:
                raise first from None


def share_of(X: Any) -> tuple[int, int] | None:
    """Return (rank, size) of the process whose rows an iterable of batches gives, None if it does not say."""
    share = getattr(X, "share", None)
    return share if isinstance(share, tuple) and len(share) == 2 else None


def require_shares(team: Team, **shares: tuple[int, int] | None) -> None:
    """Raise ValueError if data are the share of another process than this one."""
    for name, share in shares.items():
        if share is not None and share != (team.rank, team.size):
            raise ValueError(
                f"fit: expected {name} to be the share ({team.rank}, {team.size}) of this process of the team, got "
                f"{share}; write share=(comm.Get_rank(), comm.Get_size())"
            )


def require_communicator(comm: Any, most: int | None) -> None:
    """Raise TypeError unless it has what is called of a communicator of mpi4py, ValueError if it has too many."""
    lacking = [name for name in METHODS if not callable(getattr(comm, name, None))]
    if lacking or isinstance(comm, type):
        raise TypeError(
            f"fit: expected team to be a communicator of mpi4py, such as MPI.COMM_WORLD, got {comm!r:.60}"
            + (f" without {', '.join(lacking)}" if lacking else "")
        )
    if most is not None and comm.Get_size() > most:
        raise ValueError(
            f"fit: expected a team of at most {most} processes, since a mini-batch has no more groups to deal out, got "
            f"{comm.Get_size()}; take a part of it (comm.Split), more threads for each process, or average_every"
        )


def asked(
    net: "Graph", feed: "Feed", validation: "Feed | None", options: dict[str, Any], alike: bool
) -> dict[str, Any]:
    """Return what a fit is asked for, which must be equal on all processes: of arrays some rows are looked at.

    ``alike``: all processes have all rows.
    """
    parts = (*net.losses, net.optimizer)
    options = {**options, "losses and optimizer": [type(part).__name__ for part in parts]}
    options["validation"] = validation is not None
    if alike and validation is not None:
        options["validation rows"] = validation.n
    result = {"rows": feed.n, "batch_size": feed.batch_size, **options}
    if feed.whole is not None:
        rows = np.linspace(0, len(feed.whole.inputs[0]) - 1, SAMPLED).astype(np.int64)
        for name, arrays in (("X", feed.whole.inputs), ("y", feed.whole.targets)):
            result[name] = [(array.shape, crc32(array[rows].data)) for array in arrays]
    return result
