"""`ray`: jobs on the nodes of a Ray cluster, https://docs.ray.io/en/latest/ray-core/tasks.html.

RAY_ADDRESS names the cluster, of which this machine is a node too; RAY_AUTH_MODE=token and RAY_AUTH_TOKEN or
RAY_AUTH_TOKEN_PATH open it. Each job takes one CPU, and one GPU where the cluster has any.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

from tasks.common.learning.executors import node
from tasks.common.learning.executors.remote import TICK_SECONDS, RemoteJob
from tasks.common.learning.executors.turns import take_turns
from tasks.common.stage.errors import TaskError

MAX_RESTARTS = 3
"""How often a job is started again because its node, or Ray's worker on it, died."""
_CONNECT_SECONDS = 10.0
_END_SECONDS = 10.0


class _RayJob:
    """A job that Ray was given."""

    def __init__(self, name: str, folder: Path, root: Path, function: Any) -> None:
        self.name = name
        self.remote = RemoteJob(name, folder, root)
        self.reference = function.options(name=name).remote(self.remote.order())

    def is_over(self) -> bool:
        import ray

        self.remote.follow()
        ready, _ = ray.wait([self.reference], timeout=0)
        return bool(ready)

    def error(self) -> str | None:
        import ray

        try:
            return self.remote.finish(ray.get(self.reference))
        except ray.exceptions.RayError as error:
            return self.remote.lost(f"Ray gave it up ({type(error).__name__}: {_in_a_line(error)})")


def run_on_ray(
    names: Sequence[str], folder: Path, *, root: Path, workers: int, label: str, stop_at_failure: bool
) -> dict[str, str]:
    """See the package. Raises TaskError where there is no Ray, or no cluster that takes this process."""
    with _connected() as ray:
        # What a node is sent is the module itself: it may not see the checkout, and should say so.
        ray.cloudpickle.register_pickle_by_value(node)
        gpus = 1 if ray.cluster_resources().get("GPU", 0) >= 1 else 0
        function = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=MAX_RESTARTS)(node.run_on_this_node)

        def start(name: str, slot: int) -> _RayJob:
            return _RayJob(name, folder / name, root, function)

        return take_turns(
            names,
            start,
            _end,
            workers=workers,
            label=label,
            stop_at_failure=stop_at_failure,
            tick_seconds=TICK_SECONDS,
        )


def _end(jobs: Sequence[_RayJob]) -> None:
    import ray

    for job in jobs:
        job.remote.forget()
        # The worker dies, and with it what it started.
        ray.cancel(job.reference, force=True)
    if jobs:
        ray.wait([job.reference for job in jobs], num_returns=len(jobs), timeout=_END_SECONDS)


@contextmanager
def _connected() -> Iterator[Any]:
    """Ray, connected to the cluster within the block."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # Held back, a message would come when the block is over.
    os.environ["RAY_DEDUP_LOGS"] = "0"
    try:
        import ray
    except ImportError:
        raise TaskError("Ray is not installed here; run `pip install .[ray]`, or choose the executor local.") from None
    # Ray tells of dead nodes on standard output, which is for results.
    with redirect_stdout(sys.stderr):
        _connect(ray, _address())
        try:
            yield ray
        finally:
            ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    in_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level="error",
            configure_logging=False,
            include_dashboard=False,
        )
    except Exception as error:
        raise TaskError(
            f"the Ray cluster at {address} does not take this process ({_in_a_line(error)}); have this machine be a "
            "node of it, with the same version of Ray, and RAY_AUTH_MODE and its token as they are there."
        ) from None
    finally:
        # Ray has its own way with SIGTERM.
        if in_main_thread:
            signal.signal(signal.SIGTERM, handler)


def _address() -> str:
    """RAY_ADDRESS, where something listens: Ray itself would try for minutes. Raises TaskError."""
    address = os.environ.get("RAY_ADDRESS", "")
    if address == "auto":
        return address
    host, colon, port = address.rpartition(":")
    if "/" in address or not (host and colon and port.isascii() and port.isdigit() and int(port) < 2**16):
        raise TaskError(
            f'RAY_ADDRESS is "{address}"; set it to HOST:PORT of the Ray cluster, as `ray start --head` says it, or '
            "to auto on a machine that is a node of one."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS).close()
    except OSError as error:
        raise TaskError(
            f"nothing answers at RAY_ADDRESS {address} ({error.strerror or error}); start the cluster, or correct it."
        ) from None
    return address


def _in_a_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
