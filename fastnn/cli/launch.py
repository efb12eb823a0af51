"""Commands that several processes run together: ``mpiexec -n 4 python -m fastnn train ...``."""

import os
import sys
from time import sleep
from typing import Any

# How many processes there are, by launcher: Open MPI; MPICH, Intel MPI and Slurm's PMI-2; MVAPICH2.
SIZES = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
RANK = "PMIX_RANK"  # all that Slurm's PMIx says
PATIENCE = 1.0  # seconds in which the first process tells of an error that all have met


def launched() -> bool:
    """Whether a launcher has started this process beside others, or may have."""
    sizes = [os.environ[name] for name in SIZES if name in os.environ]
    return any(size.isdigit() and int(size) > 1 for size in sizes) if sizes else RANK in os.environ


def world(who: str) -> Any:
    """Return mpi4py's communicator of the processes that were started together, None if this one is alone.

    Raises ImportError if a launcher has started them and mpi4py is not installed.
    """
    if not launched():
        return None
    try:
        from mpi4py import MPI
    except ImportError as error:
        raise ImportError(
            f"{who}: a launcher of MPI has started several processes, which need mpi4py to work together: "
            "pip install 'fastnn[mpi]'; or start one without it"
        ) from error
    return MPI.COMM_WORLD if MPI.COMM_WORLD.Get_size() > 1 else None


def joined() -> Any:
    """Return that communicator if a command has asked for it."""
    if not launched() or "mpi4py.MPI" not in sys.modules:
        return None
    comm = sys.modules["mpi4py.MPI"].COMM_WORLD
    return comm if comm.Get_size() > 1 else None


def end_together(message: str, status: int) -> None:
    """Tell of an error, and end the processes that work together: the others may be waiting for this one.

    The first tells of what all have met.
    """
    comm = joined()
    if comm is not None and comm.Get_rank():
        sleep(PATIENCE)
    print(message, file=sys.stderr, flush=True)
    if comm is not None:
        sys.stdout.flush()
        comm.Abort(status)
