"""A job on the machine that runs it: a look whether it sees the job's folder, and a process that ends with this one.

Only the standard library is imported: other machines are sent this module itself, and can say that they lack the rest.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

JOBS = "tasks.common.learning.jobs"
LOCK = "lock"
"""The file in a job's folder that its process holds, where others may be sent the same job."""
CARDS = "CUDA_VISIBLE_DEVICES"
# What decides the last digits of a result; Ray, for one, sets the number of threads by the CPUs that it gave.
_NUMERICAL = (
    *("OMP_", "MKL_", "OPENBLAS_", "CUBLAS_", "NVIDIA_TF32_", "KERAS_", "TORCH_", "XLA_", "PYTHONHASHSEED"),
    *("TF_CUDNN_", "TF_DETERMINISTIC_", "TF_ENABLE_", "TF_NUM_", "TF_USE_", "TF_XLA_"),
)
# Ray's own, its token among them, are none of a job's business.
_NOT_PASSED_ON = (*_NUMERICAL, "RAY_")
# Ends the command's whole process group when standard input ends. The command cannot do it itself where Ray, on its way
# out, kills it and not what it started.
_GUARDED = ("sh", "-c", 'exec 3<&0; (cat <&3 >/dev/null; kill -s KILL 0) & exec 3<&-; exec "$@" </dev/null', "sh")
# A network file system may take its time to show a new file.
_PATIENCE_SECONDS = 10.0


class Order(TypedDict):
    """What a machine is told, as it is pickled."""

    folder: str
    root: str
    source: str
    """The folder `src` of the checkout."""
    ticket: str
    """The name of a file in `folder` that was made for this run: whoever sees it sees the folder itself, not a copy."""
    variables: dict[str, str]
    """Those of `numerical_variables`, as they are where the order comes from."""


class Ended(TypedDict):
    """What a machine answers."""

    code: int | None
    """The process's exit code, negative for the signal that ended it; None where none was started."""
    problem: str
    """Why none was started."""


def numerical_variables() -> dict[str, str]:
    """The environment variables here that decide the last digits of a result."""
    return {name: value for name, value in os.environ.items() if name.startswith(_NUMERICAL)}


def code_first(environment: Mapping[str, str], source: str) -> dict[str, str]:
    """The environment, in which `source` comes before whatever is installed, and nothing printed waits in a buffer."""
    path = os.pathsep.join([source, *filter(None, [environment.get("PYTHONPATH")])])
    return {**environment, "PYTHONPATH": path, "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}


def run_on_this_node(order: Order) -> Ended:
    """Run the job in a process of its own, which ends when this process does with all it started, and wait for it."""
    folder, node = Path(order["folder"]), socket.gethostname()
    module = Path(order["source"], *JOBS.split(".")).with_suffix(".py")
    root = Path(order["root"])
    for path in (root, folder / order["ticket"], module):
        if not _appears(path, root):
            where = folder if path.parent == folder else path
            return Ended(
                code=None,
                problem=f"the node {node} does not see {where}: "
                "have the repository, and what it is run with, in a folder that all nodes share.",
            )
    log = folder / "log.txt"
    # Whatever runs here from before writes into a file of its own.
    log.unlink(missing_ok=True)
    with log.open("wb", buffering=0) as output:
        # Another attempt has another first line, by which it is told from this one.
        output.write(f"runs on {node}, below process {os.getpid()}\n".encode())
        kept = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)}
        process = subprocess.Popen(
            [*_GUARDED, sys.executable, "-m", JOBS, str(folder), "--one-at-a-time"],
            cwd=root,
            env=code_first(kept | order["variables"], order["source"]),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait()
        finally:
            # With what it left behind.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    return Ended(code=code, problem="")


def _appears(path: Path, root: Path) -> bool:
    """Whether it is there now or soon: a listing makes a network file system look again."""
    end_seconds = time.monotonic() + _PATIENCE_SECONDS
    while True:
        for folder in reversed(path.parents):
            if folder.is_relative_to(root):
                with suppress(OSError):
                    list(folder.iterdir())
        if path.exists():
            return True
        if time.monotonic() >= end_seconds:
            return False
        time.sleep(0.5)
