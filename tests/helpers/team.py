"""Several processes of a team as threads: what is called of a communicator of mpi4py, by meetings in shared memory."""

import threading
from copy import deepcopy

import numpy as np


class Place:
    """Where the threads meet."""

    def __init__(self, size):
        self.size, self.given = size, [None] * size
        self.barrier = threading.Barrier(size, timeout=60)


class Communicator:
    """One of them.  ``calls``: the names of what was called, in order."""

    def __init__(self, place, rank):
        self.place, self.rank, self.calls = place, rank, []

    def Get_rank(self):
        return self.rank

    def Get_size(self):
        return self.place.size

    def _exchange(self, name, given):
        self.calls.append(name)
        self.place.given[self.rank] = name, given
        self.place.barrier.wait()
        found = list(self.place.given)
        self.place.barrier.wait()
        assert {other for other, _ in found} == {name}, found
        return [one for _, one in found]

    def Allgather(self, sent, received):
        found = self._exchange("Allgather", sent.copy())
        assert len({one.nbytes for one in found}) == 1, [one.shape for one in found]
        assert received.nbytes == sum(one.nbytes for one in found)
        received[...] = np.concatenate([one.reshape(-1) for one in found]).reshape(received.shape)

    def Alltoall(self, sent, received):
        found = self._exchange("Alltoall", sent.copy())
        assert received.shape == sent.shape
        assert len(sent) == self.place.size
        for rank, one in enumerate(found):
            received[rank] = one[self.rank]

    def allgather(self, sent):
        return deepcopy(self._exchange("allgather", sent))


def on_team(work, size):
    """Run ``work(comm)`` on so many threads; what each returned or raised, in order."""
    place, results = Place(size), [None] * size

    def run(rank):
        try:
            results[rank] = work(Communicator(place, rank))
        except BaseException as error:
            results[rank] = error
            if isinstance(error, threading.BrokenBarrierError | AssertionError):
                place.barrier.abort()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
        assert not thread.is_alive()
    return results
