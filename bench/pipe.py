"""Processes that answer requests, one JSON line each way: thread pools and environments of two peers never meet."""

import json
import os
import select
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PATIENCE = 900.0  # seconds for one answer; compiling takes most
STEERED = (  # would hold peers back
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "NPY_DISABLE_CPU_FEATURES",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
    "ATEN_CPU_CAPABILITY",
    "MKL_ENABLE_INSTRUCTIONS",
)


class WorkerError(Exception):
    """A worker said that a request failed, or died."""


def environment(threads: int, own: dict[str, str] | None = None) -> dict[str, str]:
    """Variables for a worker with this many threads, whatever library it holds, and ``own`` ones."""
    result = {name: value for name, value in os.environ.items() if name not in STEERED}
    names = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "FASTNN")
    result |= {f"{name}_NUM_THREADS": str(threads) for name in names}
    eigen = "true" if threads > 1 else "false"
    result["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={eigen} intra_op_parallelism_threads={threads}"
    result["NPROC"] = str(threads)  # JAX sizes its pool by it
    result["JAX_PLATFORMS"] = "cpu"
    result["CUDA_VISIBLE_DEVICES"] = ""
    flags = (own or {}).get("XLA_FLAGS")
    result |= (own or {}) | ({"XLA_FLAGS": f"{result['XLA_FLAGS']} {flags}"} if flags else {})
    result["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return result


class Worker:
    """A child process ``python -m module *arguments`` on its own cores."""

    def __init__(
        self,
        module: str,
        *arguments: str,
        threads: int,
        cores: list[int],
        log: Path,
        variables: dict[str, str] | None = None,
    ) -> None:
        self.log = log
        with log.open("ab") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments, "--cores", ",".join(map(str, cores))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment(threads, variables),
                cwd=ROOT,
                bufsize=0,  # nothing is left to flush to a worker that died
            )

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Send a request and return the answer.

        Raises
        ------
        WorkerError
            If the worker reports an error, dies, or does not answer in time.
        """
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(json.dumps({"do": do, **request}).encode() + b"\n")
        except OSError as error:
            raise WorkerError(self.end(f"{do}: the worker is gone")) from error
        if not select.select([stdout], [], [], PATIENCE)[0]:
            raise WorkerError(self.end(f"{do}: no answer in {PATIENCE:.0f} s"))
        line = stdout.readline()
        if not line:
            raise WorkerError(self.end(f"{do}: the worker died"))
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer

    @property
    def alive(self) -> bool:
        """Whether it still answers."""
        return self.process.poll() is None

    def end(self, why: str = "") -> str:
        """Stop the process; return ``why`` with its exit status and where its messages are."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            stream.close()
        return f"{why} (exit status {self.process.returncode}, messages in {self.log})"


def serve(open_desk: Callable[[], Callable[[dict[str, Any]], dict[str, Any]]], cores: str) -> None:
    """Answer requests until the pipe closes: the worker's side.

    ``open_desk()`` does the heavy imports, on the given cores, and returns what answers a request.
    """
    os.sched_setaffinity(0, {int(core) for core in cores.split(",")})
    channel = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes to the log
    desk = open_desk()
    for line in sys.stdin:
        try:
            answer = desk(json.loads(line))
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}".strip()[:500]}
        print(json.dumps(answer), file=channel, flush=True)
