"""A Ray cluster of several nodes in this machine, on 127.0.0.1 and with a token, in a process of its own.

That process ends the cluster when its standard input ends, and so whenever the tests do.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MEGABYTES = 80
_SETTINGS = {
    "RAY_AUTH_MODE": "token",
    # On Linux: nodes are at 127.0.0.1, whatever the machine is called.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_health_check_period_ms": "1000",
    # A busy machine is no dead node.
    "RAY_health_check_failure_threshold": "10",
}


@dataclass
class RayCluster:
    """A running cluster. Its first node has no CPU and so no jobs: all others can be killed."""

    environment: dict[str, str]
    """What a process needs to use it."""
    _process: subprocess.Popen[str]

    def add_node(self, cpus: int = 1, gpus: int = 0, environment: Mapping[str, str] | None = None) -> int:
        """Start one more node, with variables of its own; the process id of its raylet."""
        return int(self._ask({"cpus": cpus, "gpus": gpus, "environment": dict(environment or {})}))

    def kill_node(self, raylet: int) -> None:
        """End the node's raylet as a power cut would."""
        self._ask({"kill": raylet})

    def _ask(self, what: dict[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def ray_cluster(nodes: int, before: Sequence[str] = ()) -> Iterator[RayCluster]:
    """A cluster with so many nodes of one CPU: about 5 s. before: words that the command of its process begins with."""
    # Addresses of sockets may have 107 characters, which a folder of pytest's would use up.
    folder = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    settings = {**_SETTINGS, "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_TMPDIR": str(folder)}
    # A token given otherwise, or an address, would be another cluster's.
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    process = subprocess.Popen(
        [*before, sys.executable, str(Path(__file__).resolve()), str(nodes)],
        env=clean | settings,
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())
        yield RayCluster({**settings, "RAY_ADDRESS": address}, process)
    finally:
        process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(30)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _serve(count: int) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what Ray prints is no answer

    def answer(what: Any) -> None:
        answers.write(json.dumps(what) + "\n")
        answers.flush()

    from ray.cluster_utils import Cluster

    memory = {"object_store_memory": _MEGABYTES * 2**20}
    head = {"num_cpus": 0, "num_gpus": 0, "include_dashboard": False, "node_ip_address": "127.0.0.1", **memory}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        nodes = {_raylet(node): node for node in (cluster.add_node(num_cpus=1, **memory) for _ in range(count))}
        answer(cluster.address)
        for line in sys.stdin:
            asked = json.loads(line)
            if "kill" in asked:
                node = nodes.pop(asked["kill"])
                cluster.remove_node(node, allow_graceful=False)
                while any(n["Alive"] and n["NodeID"] == node.node_id for n in cluster.global_state.node_table()):
                    time.sleep(0.1)  # until then Ray would still hand jobs to it
                answer(None)
            else:
                cpus, gpus, env = asked["cpus"], asked["gpus"], asked["environment"]
                node = cluster.add_node(num_cpus=cpus, num_gpus=gpus, env_vars=env, **memory)
                nodes[_raylet(node)] = node
                answer(_raylet(node))
    finally:
        cluster.shutdown()


def _raylet(node: Any) -> int:
    return int(node.all_processes["raylet"][0].process.pid)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
