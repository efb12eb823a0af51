"""One network trained by several processes: what they tell each other after each mini-batch.

Each has all rows, and goes through some groups of a mini-batch; then each learns the sums of the others and adds them
up in the one order that `subtrees` knows, so that the parameters stay equal on all of them, bit for bit, and are those
of one process.  A reduction of MPI's own would promise neither: its order is not defined.

Every meeting begins with the same collective call of messages of one size, whatever it is about, and every message with
a status.  So a process that fails, wherever that is, tells the others at the next meeting, whatever that is for them,
and all raise what it raised.
"""

import pickle
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from fastnn._core.aligned import aligned_zeros
from fastnn._core.trainer import Trainer, word_bytes
from fastnn.training.subtrees import GROUPS, additions, most_sums

if TYPE_CHECKING:
    from fastnn.data.feed import Feed
    from fastnn.graph.graph import Graph

OK, FAILED = 0, 2  # of the statuses in fastnn/_core/step.pxd
METHODS = ("Get_rank", "Get_size", "Allgather", "Alltoall", "allgather")
SOON = 1 << 17  # bytes that a network carries about as fast as it carries a message of none
SAMPLED = 64  # rows of the data that are compared


class Team:
    """The processes that train a network, as one of them sees them.

    Attributes
    ----------
    rank, size : int
        Which of them this one is, and how many there are.
    word, heard : ndarray of uint8, of shapes (W,) and (size, W)
        What this one says beside its sums, and what all have said.
    sums : ndarray of shape (K, n_params)
        Where this one's sums go, in rows that may be longer.
    over, lost : bool
        All know of a failure; none can be told any more.
    """

    def __init__(self, comm: Any, net: "Graph") -> None:
        self.comm, self.rank, self.size = comm, comm.Get_rank(), comm.Get_size()
        self.trainer: Trainer | None = None
        self.over = self.lost = False
        if self.size == 1:
            return
        n_params, dtype = net.plan.n_params, net.plan.dtype
        hint = "make it with one seed, or load it from one file, on every process"
        self._compare(hint, {"parameters": (n_params, dtype.str), "seed": net.seed, "epoch": net.epoch})
        self._compare(hint, {"parameters": crc32(net.params.data)})
        n_sums, nbytes = most_sums(self.size), n_params * dtype.itemsize
        head, body = whole_lines(word_bytes(len(net.output_shapes))), whole_lines(n_sums * nbytes)
        # Either all sums go to everybody at once, size - 1 gradients of traffic; or a part of each goes to the one who
        # adds it up and tells everybody: the traffic of two gradients, but two messages more.
        self.direct = (self.size - 2) * nbytes <= SOON
        row = head + body if self.direct else head
        self.message = aligned_zeros(row, np.uint8)
        self.messages = aligned_zeros(self.size * row, np.uint8).reshape(self.size, row)
        self.word, self.heard = self.message[:head], self.messages[:, :head]
        self.said = self.word[:24].view(np.float64)
        self.statuses, self.groups, self.values = self.messages[:, :24].view(np.float64).T
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

    def join(self, net: "Graph", feed: "Feed", validation: "Feed | None", **options: Any) -> None:
        """Let a network that is compiled learn from a feed in this team, until ``leave``.

        Raises ValueError if it cannot, or if the processes are asked for different things.
        """
        trainer: Trainer | None = net.trainer
        assert trainer is not None
        if trainer.calls_functions:
            raise ValueError(
                "fit: expected layers and losses of fastnn's own in a team, got functions in Python, which see whole "
                "mini-batches; train without team"
            )
        self.trainer = trainer
        trainer.join(self)
        options["losses and optimizer"] = [type(part).__name__ for part in (*net.losses, net.optimizer)]
        options["validation rows"] = None if validation is None else validation.n
        self.require_same("give each of them all rows and the same options", asked(feed, options))

    def leave(self) -> None:
        """Let the network learn alone again."""
        if self.trainer is not None:
            self.trainer.leave()

    # ---- meetings --------------------------------------------------------------------------------------------------

    def meet(self, groups: int, status: int, error: BaseException | None, grads: np.ndarray) -> tuple[int, float]:
        """Tell what came of this one's groups of a mini-batch; return the status of all, and the loss if it is bad.

        Fills ``grads`` if it is good.  Raises what another process failed with.
        """
        statuses = self._tell(groups, status, self.said[2])
        if any(statuses):
            self._raise_failure(statuses, error)
            self.over = True
            bad = next(rank for rank, one in enumerate(statuses) if one)
            return int(statuses[bad]), float(self.values[bad])
        self._add(groups, grads)
        return OK, 0.0

    def agree(self, value: float = 0.0) -> float:
        """Wait for the others; return the value of the first process.  Raises what another one failed with."""
        if self.size == 1:
            return value
        self._raise_failure(self._tell(0, OK, value), None)
        return float(self.values[0])

    def fail(self, error: BaseException) -> BaseException:
        """Tell the others of an exception, whatever they meet for; return that of the first process that has one."""
        try:
            self._raise_failure(self._tell(0, FAILED, 0.0), error)
        except BaseException as first:
            return first
        return error

    def require_same(self, hint: str, what: dict[str, Any]) -> None:
        """Raise ValueError on every process unless all give the same."""
        if self.size > 1:
            self.agree()
            self._compare(hint, what)

    def _compare(self, hint: str, what: dict[str, Any]) -> None:
        for rank, other in enumerate(said := self._call("allgather", what)):
            for name, value in said[0].items():
                if other.get(name) != value:
                    self.over = True
                    raise ValueError(
                        f"fit: expected the same {name} on every process of the team, got {value} on the first and "
                        f"{other.get(name)} on number {rank + 1}; {hint}"
                    )

    def _tell(self, groups: int, status: int, value: float) -> list[float]:
        """Send this one's message and get those of all; return the statuses."""
        self.said[:] = status, groups, value
        self._call("Allgather", self.message, self.messages)
        statuses: list[float] = self.statuses.tolist()
        if FAILED not in statuses and self.groups.tolist() != [groups] * self.size:
            self.over = True
            raise RuntimeError(
                "fit: expected all processes of the team to be at the same mini-batch, got some that are elsewhere; "
                "give each the same rows and options"
            )
        return statuses

    def _raise_failure(self, statuses: list[float], error: BaseException | None) -> None:
        """Raise the exception of the first process that has one, if one has failed."""
        if FAILED not in statuses:
            return
        self.over = True
        packed = self._call("allgather", None if error is None else pack(error))
        first = next(rank for rank, one in enumerate(packed) if one is not None)
        if first == self.rank:
            assert error is not None
            raise error
        raised = unpack(packed[first])
        raised.add_note(f"raised by process {first + 1} of {self.size} of the team")
        raise raised

    def _call(self, name: str, *arguments: Any) -> Any:
        try:
            return getattr(self.comm, name)(*arguments)
        except BaseException:
            self.lost = True
            raise

    # ---- sums ------------------------------------------------------------------------------------------------------

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


class joined:
    """Train in a team in the block, ``comm`` None: alone; if it ends by an exception, all processes learn of it."""

    def __init__(self, net: "Graph", comm: Any) -> None:
        self.net, self.comm = net, comm
        self.team: Team | None = None

    def __enter__(self) -> Team | None:
        if self.comm is not None:
            require_communicator(self.comm)
            for op in self.net.plan.ops:
                if op.couples_rows:
                    raise ValueError(
                        f"fit: expected layers in which rows of a mini-batch do not meet, since they lie in several "
                        f"processes of the team, got {op.who}; GroupNorm and LayerNorm take the place of a BatchNorm"
                    )
            self.team = Team(self.comm, self.net)
        return self.team

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        if self.team is None:
            return
        self.team.leave()
        if error is not None and self.team.size > 1 and not (self.team.over or self.team.lost):
            first = self.team.fail(error)
            if first is not error:
                raise first from None


def require_communicator(comm: Any) -> None:
    """Raise TypeError unless it has what is called of a communicator of mpi4py, ValueError if it has too many."""
    lacking = [name for name in METHODS if not callable(getattr(comm, name, None))]
    if lacking or isinstance(comm, type):
        raise TypeError(
            f"fit: expected team to be a communicator of mpi4py, such as MPI.COMM_WORLD, got {comm!r:.60}"
            + (f" without {', '.join(lacking)}" if lacking else "")
        )
    if comm.Get_size() > GROUPS:
        raise ValueError(
            f"fit: expected a team of at most {GROUPS} processes, since a mini-batch has no more groups to deal out, "
            f"got {comm.Get_size()}; take a part of it (comm.Split), or more threads for each process"
        )


def learned(net: "Graph") -> dict[str, Any]:
    """Return what must be equal on all processes of what a network has learned."""
    assert net.trainer is not None
    state = net.trainer.optimizer.state
    return {
        "parameters": crc32(net.params.data),
        "state of the optimiser": crc32(state.data),
        "updates": net.trainer.step,
    }


def asked(feed: "Feed", options: dict[str, Any]) -> dict[str, Any]:
    """Return likewise what a fit is asked for: of arrays some rows are looked at."""
    result = {"rows": feed.n, "batch_size": feed.batch_size, **options}
    if feed.whole is not None:
        rows = np.linspace(0, len(feed.whole.inputs[0]) - 1, SAMPLED).astype(np.int64)
        for name, arrays in (("X", feed.whole.inputs), ("y", feed.whole.targets)):
            result[name] = [(array.shape, crc32(array[rows].data)) for array in arrays]
    return result


def whole_lines(nbytes: int) -> int:
    """Bytes, rounded up to whole cache lines."""
    return -(-nbytes // 64) * 64


def pack(error: BaseException) -> bytes:
    """Return an exception as bytes; one that cannot be sent becomes a RuntimeError."""
    try:
        packed = pickle.dumps(error)
        if type(pickle.loads(packed)) is type(error):
            return packed
    except Exception:
        pass
    return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))


def unpack(packed: bytes) -> BaseException:
    """Return the exception; RuntimeError if this process does not know its class."""
    try:
        error: BaseException = pickle.loads(packed)
        return error
    except Exception as unknown:
        return RuntimeError(f"another process of the team failed with an exception that is unknown here: {unknown}")
