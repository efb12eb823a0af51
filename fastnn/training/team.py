"""Several processes that train one network: how they meet, whatever they meet for.

Every meeting begins with the same collective call of messages of one size, whatever it is about, and every message with
a status.  So a process that fails, wherever that is, tells the others at the next meeting, whatever that is for them,
and all raise what it raised.
"""

import pickle
from typing import TYPE_CHECKING, Any
from zlib import crc32

import numpy as np

from fastnn._core.aligned import aligned_zeros
from fastnn._core.trainer import Trainer

if TYPE_CHECKING:
    from fastnn.data.feed import Feed
    from fastnn.graph.graph import Graph

OK, FAILED = 0, 2  # of the statuses in fastnn/_core/step.pxd
# What a meeting is about, where it is no mini-batch in groups, whose number is even.
PLAIN, GRADIENTS, PARAMETERS, TOTALS, ROWS = 0, 1, 3, 5, 7
SOON = 1 << 17  # bytes that a network carries about as fast as it carries a message of none
HEAD = 64  # bytes of a message beside what it is about


class Team:
    """The processes that train a network, as one of them sees them.

    Attributes
    ----------
    rank, size : int
        Which of them this one is, and how many there are.
    over, lost : bool
        All know of a failure; none can be told any more.
    """

    def __init__(self, comm: Any, net: "Graph", **way: Any) -> None:
        """``way``: how they train, which all must be asked for alike."""
        self.comm, self.rank, self.size = comm, comm.Get_rank(), comm.Get_size()
        self.over = self.lost = False
        if self.size == 1:
            return
        n_params, dtype = net.plan.n_params, net.plan.dtype
        self._compare("give each of them the same options", way)
        hint = "make it with one seed, or load it from one file, on every process"
        self._compare(hint, {"parameters": (n_params, dtype.str), "seed": net.seed, "epoch": net.epoch})
        self._compare(hint, {"parameters": crc32(net.params.data)})

    def _take_messages(self, nbytes: int) -> None:
        """Have the memory of messages of so many bytes."""
        self.message = aligned_zeros(nbytes, np.uint8)
        self.messages = aligned_zeros(self.size * nbytes, np.uint8).reshape(self.size, nbytes)
        self.said = self.message[:24].view(np.float64)
        self.statuses, self.groups, self.values = self.messages[:, :24].view(np.float64).T

    def join(self, net: "Graph", feed: "Feed", pieces: int) -> None:
        """Let a network that is compiled learn from a feed in this team; ``pieces``: of its mini-batches.

        Raises ValueError if it cannot.
        """
        raise NotImplementedError

    def note(self, feed: "Feed") -> None:
        """Warn, on one process, of what is asked for and brings nothing."""

    def totals(self, net: "Graph", loss: float, weight: float, rows: int) -> tuple[float, float, int]:
        """Return sums over an epoch, of which each process has its part; the parameters are then those of all."""
        return loss, weight, rows

    def go_back(self, net: "Graph") -> None:
        """After an interruption, let the parameters be as all have them."""

    # ---- meetings --------------------------------------------------------------------------------------------------

    def agree(self, value: float = 0.0, about: int = PLAIN) -> float:
        """Wait for the others; return the value of the first process.  Raises what another one failed with."""
        if self.size == 1:
            return value
        self._raise_failure(self._tell(about, OK, value), None)
        return float(self.values[0])

    def gather(self, what: Any, about: int) -> list[Any]:
        """Return what each process gives."""
        self.agree(about=about)
        result: list[Any] = self._call("allgather", what)
        return result

    def fail(self, error: BaseException) -> BaseException:
        """Tell the others of an exception, whatever they meet for; return that of the first process that has one."""
        try:
            self._raise_failure(self._tell(PLAIN, FAILED, 0.0), error)
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
                "give each the same options, and the same rows or as many batches"
            )
        return statuses

    def _first_bad(self, statuses: list[float], error: BaseException | None) -> tuple[int, float]:
        """Return status and loss of a mini-batch that is bad on a process, the first; raise what one failed with."""
        self._raise_failure(statuses, error)
        self.over = True
        bad = next(rank for rank, one in enumerate(statuses) if one)
        return int(statuses[bad]), float(self.values[bad])

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


def trainer_of(net: "Graph") -> Trainer:
    """Return the Trainer of a network that is compiled."""
    trainer: Trainer | None = net.trainer
    assert trainer is not None
    return trainer


def require_rows_apart(net: "Graph", why: str) -> None:
    """Raise ValueError if rows of a mini-batch meet in a layer, or may, in a function in Python."""
    for op in net.plan.ops:
        if op.couples_rows:
            raise ValueError(
                f"fit: expected layers in which rows of a mini-batch do not meet, since {why}, got {op.who}; GroupNorm "
                "and LayerNorm take the place of a BatchNorm"
            )
    if net.trainer is not None and net.trainer.calls_functions:
        raise ValueError(
            f"fit: expected layers and losses of fastnn's own, since {why}, got functions in Python, which see whole "
            "mini-batches"
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
