"""One network trained by several processes that share each mini-batch: what they tell each other after it.

Each has all rows, and goes through some groups of a mini-batch; then each learns the sums of the others and adds them
up in the one order that `subtrees` knows, so that the parameters stay equal on all of them, bit for bit, and are those
of one process.  A reduction of MPI's own would promise neither: its order is not defined.
"""

from typing import TYPE_CHECKING, Any
from warnings import warn

import numpy as np

from fastnn._core.aligned import aligned_zeros
from fastnn._core.trainer import word_bytes
from fastnn.training.subtrees import additions, most_sums
from fastnn.training.team import OK, SOON, Team, require_rows_apart, trainer_of

if TYPE_CHECKING:
    from fastnn.data.feed import Feed
    from fastnn.graph.graph import Graph


class Groups(Team):
    """Processes that share the groups of every mini-batch.

    Attributes
    ----------
    word, heard : ndarray of uint8, of shapes (W,) and (size, W)
        What this one says beside its sums, and what all have said.
    sums : ndarray of shape (K, n_params)
        Where this one's sums go, in rows that may be longer.
    """

    def __init__(self, comm: Any, net: "Graph", **way: Any) -> None:
        super().__init__(comm, net, **way)
        n_params, dtype = net.plan.n_params, net.plan.dtype
        self.sums = np.empty((0, n_params), dtype)
        if self.size == 1:
            return
        n_sums, nbytes = most_sums(self.size), n_params * dtype.itemsize
        head, body = whole_lines(word_bytes(len(net.output_shapes))), whole_lines(n_sums * nbytes)
        # Either all sums go to everybody at once, size - 1 gradients of traffic; or a part of each goes to the one who
        # adds it up and tells everybody: the traffic of two gradients, but two messages more.
        self.direct = (self.size - 2) * nbytes <= SOON
        self._take_messages(head + body if self.direct else head)
        self.word, self.heard = self.message[:head], self.messages[:, :head]
        if self.direct:
            place = slice(head, head + n_sums * nbytes)
            self.sums = self.message[place].view(dtype).reshape(n_sums, n_params)
            self.vectors = self.messages[:, place].view(dtype).reshape(self.size, n_sums, n_params)
        else:
            part = -(-n_params // self.size)
            self.sums = aligned_zeros(n_sums * self.size * part, dtype).reshape(n_sums, self.size * part)
            self.sent = np.empty((self.size, n_sums, part), dtype)
            self.vectors = np.empty((self.size, n_sums, part), dtype)
            self.total = np.empty((self.size, part), dtype)
        self.orders: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}

    def join(self, net: "Graph", feed: "Feed", pieces: int) -> None:
        """See `Team.join`."""
        require_rows_apart(net, "they lie in several processes of the team")
        self.trainer = trainer_of(net)
        self.trainer.join(self)

    def note(self, feed: "Feed") -> None:
        """See `Team.note`: mini-batches may be too small to be shared."""
        size, least = feed.batch_size, self.trainer.lanes.cut_from
        if self.rank == 0 and self.size > 1 and size is not None and size < least:
            warn(
                f"fit: updates from {size} rows are too small to be shared by the team, so each of its {self.size} "
                f"processes goes through all of them; take batch_size={least} or more, or average_every",
                stacklevel=4,
            )

    def meet(self, groups: int, status: int, error: BaseException | None, grads: np.ndarray) -> tuple[int, float]:
        """Tell what came of this one's groups of a mini-batch; return the status of all, and the loss if it is bad.

        Fills ``grads`` if it is good.  Raises what another process failed with.
        """
        statuses = self._tell(groups, status, self.said[2])
        if any(statuses):
            return self._first_bad(statuses, error)
        self._add(groups, grads)
        return OK, 0.0

    def _add(self, groups: int, grads: np.ndarray) -> None:
        """Fill ``grads`` with the sum over all groups."""
        order = self.orders.get(groups)
        if order is None:
            order = [(self.vectors[a], self.vectors[b]) for a, b in additions(groups, self.size)]
            self.orders[groups] = order
        if self.direct:
            for a, b in order[:-1]:
                np.add(a, b, out=a)
            np.add(*order[-1], out=grads)
            return
        self.sent[:] = self.sums.reshape(self.sent.shape[1], self.size, -1).swapaxes(0, 1)
        self._call("Alltoall", self.sent, self.vectors)
        for a, b in order:
            np.add(a, b, out=a)
        self._call("Allgather", order[-1][0], self.total)
        grads[:] = self.total.reshape(-1)[: len(grads)]


def whole_lines(nbytes: int) -> int:
    """Bytes, rounded up to whole cache lines."""
    return -(-nbytes // 64) * 64
